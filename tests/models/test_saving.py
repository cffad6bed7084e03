"""Model folders: round trips, and errors for files that are missing or damaged."""

import copy
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_gnn import SKELETON, C, T, build, motion

from pyg_sybio.models.presets import VARIANTS
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import Skeleton, load_skeleton


@pytest.fixture
def saved(tmp_path: Path) -> tuple[SybioGNN, Path]:
    model = build().train()
    model(motion(4, T))  # so that the saved state includes statistics of the input
    model.save_pretrained(tmp_path / "new" / "model")
    return model.eval(), tmp_path / "new" / "model"


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_saved_model_gives_identical_outputs(variant: str, tmp_path: Path) -> None:
    model = build(SKELETON, **VARIANTS[variant], dropout=0.1, shared_branches=False).train()
    model(motion(4, T))
    model.eval().save_pretrained(tmp_path)
    other = SybioGNN.from_pretrained(tmp_path)
    assert not other.training
    assert other.config == model.config
    assert other.skeleton == SKELETON
    x = motion(2, T)
    for key in ("logits", "future", "actional", "bone_future", "bone_actional"):
        mine, theirs = getattr(model(x), key), getattr(other(x), key)
        assert (mine is None and theirs is None) or torch.equal(mine, theirs)


def test_the_config_contains_the_skeleton_and_every_argument(saved: tuple[SybioGNN, Path]) -> None:
    model, folder = saved
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    config = json.loads((folder / "config.json").read_text())
    assert Skeleton.from_dict(config["skeleton"]) == SKELETON
    assert config["channels"] == [4, 6]
    assert config["num_classes"] == C
    fresh = SybioGNN.from_config(config)
    assert fresh.config == model.config
    assert {key: value.shape for key, value in fresh.state_dict().items()} == {
        key: value.shape for key, value in model.state_dict().items()
    }


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_an_error(saved: tuple[SybioGNN, Path], name: str) -> None:
    _, folder = saved
    (folder / name).unlink()
    with pytest.raises(
        FileNotFoundError, match=f"no pretrained model here, expected the file {name}"
    ) as error:
        SybioGNN.from_pretrained(folder)
    assert str(folder) in str(error.value)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected the file config\.json"):
        SybioGNN.from_pretrained(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", r"config\.json, line 1, column 2: .*, expected JSON"),
        (b"\xff\xfe", r"config\.json, byte 0: not UTF-8 text, expected JSON"),
        (b"[]", r"config\.json: \[\] is not of type 'object'; expected the model's config"),
        (b"5", r"config\.json: 5 is not of type 'object'; expected the model's config"),
        (b"{}", r"config\.json: '\w+' is a required property; expected the model's config"),
        (b'{"skeleton": {"name": "x"}}', "the model's config"),
    ],
)
def test_a_broken_config_is_an_error(saved: tuple[SybioGNN, Path], text: bytes, message: str) -> None:
    _, folder = saved
    (folder / "config.json").write_bytes(text)
    with pytest.raises(ValueError, match=message) as error:
        SybioGNN.from_pretrained(folder)
    assert "\n" not in str(error.value)


def test_unknown_and_missing_keys_of_a_config_are_named(saved: tuple[SybioGNN, Path]) -> None:
    model, _ = saved
    with pytest.raises(ValueError, match=r"the model has no 'hop' \(did you mean 'hops'"):
        SybioGNN.from_config({**model.config, "hop": 3})
    without = {key: value for key, value in model.config.items() if key != "hops"}
    with pytest.raises(ValueError, match=r"^the model needs 'hops'$"):
        SybioGNN.from_config(without)


@pytest.mark.parametrize("content", [b"", b"not a tensor", b"\x08" + b"\0" * 20])
def test_broken_weights_are_an_error(saved: tuple[SybioGNN, Path], content: bytes) -> None:
    _, folder = saved
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.safetensors: invalid safetensors file") as error:
        SybioGNN.from_pretrained(folder)
    assert "\n" not in str(error.value)


def test_weights_of_another_skeleton_are_an_error(saved: tuple[SybioGNN, Path], tmp_path: Path) -> None:
    _, folder = saved
    other = tmp_path / "other"
    build(load_skeleton("coco17")).save_pretrained(other)
    shutil.copy(folder / "model.safetensors", other)
    message = r"to another model or skeleton: '.*': found .*\), expected .*\) for skeleton 'coco17'"
    with pytest.raises(ValueError, match=message) as error:
        SybioGNN.from_pretrained(other)
    assert "\n" not in str(error.value)


def test_a_missing_or_unknown_tensor_is_named_and_nothing_is_loaded(saved: tuple[SybioGNN, Path]) -> None:
    _, folder = saved
    weights = load_file(folder / "model.safetensors")
    lost = weights.pop("joint_network.recognition_head.classifier.bias")
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"classifier\.bias': found no such tensor, expected shape \(4,\)"):
        SybioGNN.from_pretrained(folder)
    model = build()
    before = copy.deepcopy(model.state_dict())
    weights["joint_network.recognition_head.classifier.bias"] = lost
    with pytest.raises(ValueError, match=r"here: .*'zzz': found shape \(4,\), expected no such tensor"):
        model.load_weights({**weights, "zzz": lost}, where="here")
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])
