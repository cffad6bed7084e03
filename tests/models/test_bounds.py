"""Bounds on the config of a model file: refused and accepted values, and the accuracy of the estimate."""

import copy
import itertools
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch

from pyg_sybio.models import bounds
from pyg_sybio.models.bounds import check_config_bounds, check_plain, check_window, read_document
from pyg_sybio.models.presets import PRESETS, VARIANTS
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import Skeleton, available_skeletons, load_skeleton

SCHEMA = json.loads(bounds._SCHEMA.read_text())
TYPES = {name: each.get("type") for name, each in SCHEMA["properties"].items()}
LISTS = [name for name, kind in TYPES.items() if kind == "array"]
HUGE = [10**7, 10**18, 2**62, 1e300, -1, float("nan"), float("inf"), "4", None, True, [4], 10**5000]


def small_config(**changes: Any) -> dict[str, Any]:
    model = SybioGNN.from_preset("realtime", skeleton=load_skeleton("jhmdb15"), num_classes=4, num_future=3)
    return {**copy.deepcopy(model.config), **changes}


def refusal(config: Any, **arguments: Any) -> str:
    with pytest.raises(ValueError, match=r"^the file: ") as caught:
        check_config_bounds(config, "the file", **arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("name", available_skeletons())
def test_every_preset_is_within_the_bounds_with_every_skeleton(preset: str, shared: bool, name: str) -> None:
    config = small_config(
        skeleton=load_skeleton(name).to_dict(),
        in_channels=load_skeleton(name).num_features,
        num_classes=400,
        num_future=75,
        bones=True,
        shared_branches=shared,
        **{
            key: list(value) if isinstance(value, tuple) else value
            for key, value in PRESETS[preset].items()
            if key != "bones"
        },
    )
    check_config_bounds(config, "the file")
    least = 2 if name == "coco133" else 3
    assert least * sum(bounds._sizes(config, load_skeleton(name))) < bounds.MAX_NUMBERS


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shared", [True, False])
def test_the_estimate_is_just_below_the_true_number_of_weights(variant: str, shared: bool) -> None:
    model = SybioGNN.from_preset(
        "demo",
        skeleton=load_skeleton("mediapipe33"),
        num_classes=60,
        num_future=10,
        shared_branches=shared,
        **VARIANTS[variant],
    )
    weights, graph_entries, _ = bounds._sizes(model.config, model.skeleton)
    assert 0.95 < weights / sum(each.numel() for each in model.state_dict().values()) <= 1
    powers = [each for name, each in model.named_buffers() if name.endswith("powers.value")]
    assert graph_entries == sum(each.numel() for each in powers)


def test_the_schema_has_the_arguments_of_the_model() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"].keys() == small_config().keys()
    assert SCHEMA["properties"].keys() - SCHEMA["required"] == {"actional_graphs", "actional_scale"}
    assert SCHEMA["properties"]["num_future"]["maximum"] == bounds.MAX_FUTURE


@pytest.mark.parametrize("value", HUGE, ids=lambda value: repr(value)[:12] if value != HUGE[-1] else "digits")
@pytest.mark.parametrize("name", [name for name in SCHEMA["required"] if name != "skeleton"])
def test_errors_name_values_out_of_range(name: str, value: Any) -> None:
    if (TYPES[name] == "boolean" and value is True) or (name in LISTS and value == [4]):
        return
    message = refusal(small_config(**{name: value}))
    assert f"'{name}'" in message


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("value", [[10**7, 4], [1] * 100, [[1]], [True], [1.0], {"1": 1}])
def test_values_in_lists_are_checked(name: str, value: Any) -> None:
    assert f"'{name}" in refusal(small_config(**{name: value}))


@pytest.mark.parametrize("name", SCHEMA["required"])
def test_a_missing_value_is_named(name: str) -> None:
    config = small_config()
    del config[name]
    assert f"'{name}' is a required property; expected the model's config" in refusal(config)


def test_an_unknown_key_is_named() -> None:
    assert "Additional properties are not allowed ('hop' was unexpected)" in refusal(small_config(hop=3))


def body(num_joints: int, bones: list[list[str]] | None = None) -> dict[str, Any]:
    """A skeleton with one part per joint: a chain of joints, or the given bones."""
    joints = [f"joint {number}" for number in range(num_joints)]
    chain = [list(pair) for pair in itertools.pairwise(joints)]
    return {
        "name": "body",
        "description": "",
        "source": "",
        "joints": joints,
        "bones": chain if bones is None else bones,
        "center": joints[0],
        "parts": {joint: [joint] for joint in joints},
        "part_bones": chain,
        "mirror": [],
        "coordinates": "xyz",
        "units": "metres",
    }


@pytest.mark.parametrize(
    ("skeleton", "message"),
    [
        (body(513), "'joints' of the skeleton has 513 entries, expected at most 512"),
        (body(40000), "too long, expected at most 100000 values"),
        (body(5, [["joint 0", "joint 1"]] * 2000), "'bones' of the skeleton has 2000 entries"),
        (body(200, [["joint 0", f"joint {number}"] for number in range(1, 200)]), "19701 pairs of bones"),
        ({**body(3), "mirror": [["a", "b"]] * 1000}, "'mirror' of the skeleton has 1000 entries"),
        ({**body(3), "name": "x" * 10**6}, "a string of 1000000 characters"),
        ("ntu25", "expected a skeleton"),
        ({**body(3), "center": 3}, "3 is not of type 'string'"),
    ],
)
def test_a_skeleton_larger_than_any_body_is_refused(skeleton: Any, message: str) -> None:
    assert message in refusal(small_config(skeleton=skeleton))


def test_the_largest_skeleton_that_passes_is_built_in_seconds() -> None:
    skeleton = Skeleton.from_dict(body(512))
    config = small_config(skeleton=body(512), in_channels=3, bones=True, hops=1)
    check_config_bounds(config, "the file")
    assert SybioGNN.from_config(config).skeleton == skeleton


@pytest.mark.parametrize(
    "changes",
    [
        {"channels": [4096] * 60, "strides": [1] * 60, "fusions": []},
        {"channels": [4096] * 2, "strides": [1] * 2, "kernel_size": 255},
        {"actional_channels": 4096, "actional_iterations": 32},
        {"head_channels": 4096, "num_classes": 100_000},
        {"skeleton": body(500), "hops": 32, "channels": [4] * 60, "strides": [1] * 60},
        {"skeleton": body(500), "actional_channels": 1000},
    ],
)
def test_a_model_that_needs_too_much_memory_is_refused(changes: dict[str, Any]) -> None:
    assert "the config describes a model of about" in refusal(small_config(**changes))


def test_a_small_weights_file_with_a_large_config_is_refused(tmp_path: Path) -> None:
    large = small_config(channels=[256] * 9, strides=[1] * 9)
    check_config_bounds(large, "the file")
    file = tmp_path / "weights"
    file.write_bytes(b"few")
    assert "weights, but weights has only 3 bytes" in refusal(large, weights_file=file)
    with file.open("wb") as opened:
        opened.truncate(100 * 2**20)
    check_config_bounds(large, "the file", weights_file=file)


def test_a_window_that_needs_too_much_memory_is_refused() -> None:
    check_window(small_config(), 10_000, "the file")
    with pytest.raises(ValueError, match=r"^the file: windows of 10000 frames have .* features in this"):
        check_window(small_config(channels=[4096, 8], strides=[1, 1]), 10_000, "the file")


def test_models_from_the_constructor_have_no_bounds() -> None:
    config = small_config(num_future=5000)
    assert (
        "'num_future': 5000 is greater than the maximum of 1000; expected an integer from 1 to 1000"
        in refusal(config)
    )
    assert SybioGNN.from_config(config).num_future == 5000


def test_the_bounds_are_checked_by_from_pretrained(tmp_path: Path) -> None:
    model = SybioGNN.from_config(small_config())
    model.save_pretrained(tmp_path)
    SybioGNN.from_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for name, value in (("num_future", 10**7), ("channels", [2048, 2048])):
        (tmp_path / "config.json").write_text(json.dumps({**config, name: value}))
        with pytest.raises(ValueError, match=r"config\.json: .*(num_future|only \S* bytes)"):
            SybioGNN.from_pretrained(tmp_path)


def shared_list(depth: int) -> list[Any]:
    value: list[Any] = [1] * 10
    for _ in range(depth):
        value = [value] * 10
    return value


def circle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (shared_list(12), "too long, expected at most 100000 values"),
        ([0] * 200_000, "too long"),
        (["x" * 999] * 2000, "too long"),
        (shared_list(40), "too long|nested too deeply"),
        (circle(), "nested too deeply, expected at most 32 levels"),
        ({"a": {"b": [torch.ones(3)]}}, "'b': a value of type Tensor, expected plain values"),
        ({"x" * 999: float("nan")}, "'x{60}': a number that is not finite"),
        ({1: 2}, "a value of type dict"),
        ([float("inf")], "a number that is not finite"),
        ([2**63], "a number that is not finite or too large"),
        ({"x" * 2000: 1}, "a string of 2000 characters, expected at most 1000"),
        (b"bytes", "a value of type bytes"),
    ],
)
def test_documents_with_too_many_or_non_plain_values_are_refused(document: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^here: .*({message})") as caught:
        check_plain(document, "here")
    assert len(str(caught.value)) < 200


def test_a_document_of_plain_values_passes(tmp_path: Path) -> None:
    document = {"a": [1, -2.5, None, True, "text", {"b": []}], "c": (1, 2)}
    check_plain(document, "here")
    path = tmp_path / "document.json"
    path.write_text(json.dumps(document))
    assert read_document(path) == {**document, "c": [1, 2]}
    with path.open("ab") as file:
        file.truncate(5 * 2**20)
    with pytest.raises(ValueError, match=r"document\.json: 5242880 bytes, expected at most 4194304"):
        read_document(path)
