"""Transforms in recipes: the created objects, errors, and the splits in which they are valid."""

import json
from pathlib import Path

import pytest
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from pyg_sybio.data.splits import Splits
from pyg_sybio.data.synthetic.synthetic import SyntheticMotions
from pyg_sybio.data.transforms import Center, RandomRotation
from pyg_sybio.training.data_module import ClipDataModule
from pyg_sybio.training.recipes import prepare

CENTER = {"class_path": "pyg_sybio.data.transforms.Center", "init_args": {"joint": "spine"}}
ROTATION = {"class_path": "pyg_sybio.data.transforms.RandomRotation"}


class Transformed(SyntheticMotions):
    """Clips that accept transforms, like clips of recordings."""

    def __init__(
        self,
        *,
        preprocess: BaseTransform | list[BaseTransform] | None = None,
        augment: BaseTransform | None = None,
        corrupt: BaseTransform | None = None,
        fill: BaseTransform | None = None,
        num_clips: int = 12,
    ) -> None:
        super().__init__(num_clips=num_clips, num_observed=8, num_future=9)
        self.preprocess, self.augment, self.corrupt, self.fill = preprocess, augment, corrupt, fill

    def get(self, idx: int) -> Data:
        return super().get(idx)


def test_each_split_gets_its_transforms_and_settings_stay_plain_values() -> None:
    settings = {"preprocess": [CENTER], "fill": None}
    data = ClipDataModule(Transformed, settings=settings, train={"augment": ROTATION})
    train, val = data.clips("train"), data.clips("val")
    assert isinstance(train.augment, RandomRotation) and val.augment is None
    for clips in (train, val, data.clips("test")):
        assert isinstance(clips.preprocess, list) and clips.fill is None
    described = json.loads(json.dumps(data.splits.describe()))
    assert described["dataset"] == "Transformed" and described["only_in_recipe"] == ["dataset"]
    center = {"name": "Center", "arguments": {"joint": "spine", "frame": "first"}}
    assert described["settings"] == {"preprocess": [center], "fill": None}
    augment = {"name": "RandomRotation", "arguments": {"max_degrees": [15.0, 15.0, 15.0]}}
    assert described["train"] == {"augment": augment}
    again = Splits(Transformed, settings=described["settings"], train=described["train"])
    assert isinstance(again.clips("train").augment, RandomRotation)


def test_files_may_only_name_registered_transforms() -> None:
    with pytest.raises(
        ValueError, match=r"'data\.train\.augment' names 'os\.system', which is not a registered transform"
    ):
        Splits(Transformed, train={"augment": {"name": "os.system", "arguments": {"command": "true"}}})


@pytest.mark.parametrize("name", ["augment", "corrupt"])
@pytest.mark.parametrize("place", ["settings", "val", "test"])
def test_random_transforms_are_refused_in_evaluation(place: str, name: str) -> None:
    with pytest.raises(ValueError, match=rf"'data\.{place}' has '{name}', which is only for 'data\.train'"):
        ClipDataModule(Transformed, **{place: {name: ROTATION}})  # type: ignore[arg-type]


def test_an_invalid_transform_is_reported_before_data_is_read() -> None:
    with pytest.raises(ValueError, match=r"'data\.val\.fill' has the unknown key 'mod'"):
        ClipDataModule(
            Transformed,
            val={
                "fill": {"class_path": "pyg_sybio.data.transforms.FillMissing", "init_args": {"mod": "hold"}}
            },
        )


def test_transforms_can_be_set_in_a_recipe_and_by_overrides(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "data:\n"
        f"  dataset: {__name__}.Transformed\n"
        "  settings:\n"
        "    preprocess:\n"
        "      - class_path: pyg_sybio.data.transforms.Center\n"
        "        init_args: {joint: spine}\n"
        "  train:\n"
        "    augment: {class_path: pyg_sybio.data.transforms.RandomRotation, init_args: {max_degrees: 5}}\n"
    )
    tiny = ["--model.preset", "demo", "--trainer.accelerator", "cpu"]
    data = prepare(str(recipe), tiny).datamodule
    assert repr(data.clips("val").preprocess) == repr([Center(joint="spine")])
    assert repr(data.clips("train").augment) == repr(RandomRotation(max_degrees=5))
    (described,) = json.loads(json.dumps(data.splits.describe()))["settings"]["preprocess"]
    assert described == {"name": "Center", "arguments": {"joint": "spine", "frame": "first"}}

    overrides = [
        '--data.train.augment={"class_path": "pyg_sybio.data.transforms.RandomRotation", '
        '"init_args": {"max_degrees": 9}}',
        "--data.train.num_clips",
        "24",
    ]
    changed = prepare(str(recipe), [*tiny, *overrides]).datamodule.clips("train")
    assert repr(changed.augment) == repr(RandomRotation(max_degrees=9))
    assert len(changed) == 24
    unknown = overrides[0].replace("max_degrees", "degrees")
    with pytest.raises(
        ValueError, match=r"'data\.train\.augment' has the unknown key 'degrees': .* max_degrees"
    ):
        prepare(str(recipe), [*tiny, unknown])
    # The value is separated from its key by a space.
    other = prepare("synthetic", ["--data.settings.skeleton", "coco17", "--data.train.num_clips", "12"])
    assert other.datamodule.skeleton.name == "coco17"
