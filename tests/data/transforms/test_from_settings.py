"""Conversion of transforms to plain values and back, and errors."""

import json
from typing import Any

import pytest
from torch_geometric.transforms import BaseTransform, Compose

from pyg_sybio.data.registry import register_transform
from pyg_sybio.data.transforms import Center, MotionTransform, Pad, RandomRotation
from pyg_sybio.data.transforms.from_settings import build_transforms, settings_of, steps_of
from pyg_sybio.training.named_class import recipe_transform

CENTER = {"class_path": "pyg_sybio.data.transforms.Center", "init_args": {"joint": "spine"}}
ROTATION = {"class_path": "pyg_sybio.data.transforms.RandomRotation"}


def test_one_transform_or_a_list_of_transforms_is_built() -> None:
    center = build_transforms(CENTER, "augment")
    assert isinstance(center, Center) and center.joint == "spine"
    assert isinstance(build_transforms(ROTATION | {"init_args": None}, "augment"), RandomRotation)
    both = build_transforms([CENTER, CENTER | {"init_args": {"frame": "each"}}], "augment")
    assert isinstance(both, list)
    assert list(map(repr, both)) == [repr(Center(joint="spine")), repr(Center(frame="each"))]
    assert build_transforms([], "augment") == []
    named = build_transforms({"name": "Center", "arguments": {"joint": "spine"}}, "augment")
    assert repr(named) == repr(center)


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ("Center", "'fill' is 'Center', expected class_path and init_args, or a list"),
        (7, "'fill' is 7, expected class_path"),
        ({"init_args": {}}, "'fill' is .*, expected class_path and, optionally, init_args"),
        (CENTER | {"args": {}}, "expected class_path and, optionally, init_args"),
        ([CENTER, "x"], r"'fill\[1\]' is 'x', expected class_path"),
        (
            {"class_path": "os.system", "init_args": {"command": "true"}},
            "'fill' names 'os.system', which is not a registered transform: expected AlignView, ",
        ),
        ({"class_path": "pyg_sybio.data.motion.Motion"}, "which is not a registered transform"),
        (
            {"class_path": "pyg_sybio.data.transforms.Middle"},
            "'pyg_sybio.data.transforms.Middle', which is not a registered transform",
        ),
        ({"name": "center"}, "names 'center', which is not a registered transform"),
        ({"class_path": None}, "names None, which is not a registered transform"),
        ({"class_path": ["Center"]}, r"names \['Center'\], which is not a registered transform"),
        ({"name": "Center", "init_args": {}}, "expected class_path and, optionally, init_args"),
        (CENTER | {"init_args": ["spine"]}, r"'fill.init_args' is \['spine'\], expected arguments by name"),
        (
            CENTER | {"init_args": {"joints": 1}},
            "'fill' has the unknown key 'joints': Center accepts joint, frame",
        ),
        (
            {"class_path": "pyg_sybio.data.transforms.TrimNullFrames", "init_args": {"a": 1}},
            "TrimNullFrames accepts no arguments",
        ),
        (
            CENTER | {"init_args": {"frame": "middle"}},
            "^'fill.init_args.frame' is 'middle', expected 'first' or 'last' or 'each'$",
        ),
        (
            {"class_path": "pyg_sybio.data.transforms.Smooth", "init_args": {"std": "1"}},
            "^'fill.init_args.std' is '1', expected a number$",
        ),
        (
            {"class_path": "pyg_sybio.data.transforms.Smooth", "init_args": {"std": -1.0}},
            "^'fill': Smooth cannot be made: 'std'",
        ),
        ({"class_path": "pyg_sybio.data.transforms.Shift"}, "Shift cannot be made: .*'offset'"),
        ({"class_path": "pyg_sybio.data.transforms.MotionTransform"}, "not a registered transform"),
    ],
)
def test_settings_that_are_not_transforms_are_refused(plain: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_transforms(plain, "fill")  # type: ignore[arg-type]


class Kept(MotionTransform):
    def __init__(self, *, size: int = 3) -> None:
        self.size = size

    def forward(self, motion: Any) -> Any:
        return motion


class Lost(Kept):
    def __init__(self, *, size: int = 3) -> None:
        self._size = size


def test_recipes_may_name_any_class_but_model_files_only_registered_ones() -> None:
    plain = {"class_path": f"{__name__}.Kept", "init_args": {"size": 4}}
    made = build_transforms(plain, "fill", recipe_transform)
    assert isinstance(made, Kept) and made.size == 4
    with pytest.raises(ValueError, match=r"Kept', which is not a registered transform"):
        build_transforms(plain, "fill")
    for path, message in (
        ("nowhere.Kept", "cannot be imported"),
        ("subprocess.Popen", "is not a transform class"),
    ):
        with pytest.raises(ValueError, match=f"'fill' names '{path}', which {message}"):
            build_transforms({"class_path": path}, "fill", recipe_transform)


@pytest.mark.parametrize(
    "transform", [Center(joint="spine"), Pad(num_frames=9, side="start"), RandomRotation(max_degrees=5)]
)
def test_settings_round_trip(transform: BaseTransform) -> None:
    plain = json.loads(json.dumps(settings_of(transform)))
    assert plain["name"] == type(transform).__name__
    again = build_transforms(plain, "fill")
    assert repr(again) == repr(transform)


def test_only_a_registered_transform_that_keeps_its_arguments_has_settings() -> None:
    with pytest.raises(ValueError, match=r"\.Kept is not registered, so no model file can name it: decorate"):
        settings_of(Kept())
    register_transform(Kept)
    assert settings_of(Kept(size=7)) == {"name": "Kept", "arguments": {"size": 7}}
    with pytest.raises(ValueError, match=r"Kept\.size is .*, expected a value that JSON can hold"):
        settings_of(Kept(size=json))  # type: ignore[arg-type]
    register_transform(Lost)
    with pytest.raises(ValueError, match="Lost does not keep its argument 'size' as an attribute"):
        settings_of(Lost())


def test_steps_of_a_composition_are_listed_in_order() -> None:
    center, pad = Center(), Pad(num_frames=3)
    assert steps_of(None) == steps_of([]) == ()
    assert steps_of(center) == (center,)
    assert steps_of([Compose([center, Compose([pad])]), center]) == (center, pad, center)
