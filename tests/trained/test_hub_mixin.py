"""The hub's mixin writes and reads what SybioGNN does. The hub is a folder: no test may need a network."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub.hub_mixin
import pytest
import torch
from safetensors.torch import load_file

from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.trained import hub_mixin
from pyg_sybio.trained.hub_mixin import HubSybioGNN


def small() -> HubSybioGNN:
    torch.manual_seed(0)
    skeleton = load_skeleton("ntu25")
    settings: dict[str, Any] = {"channels": (4, 8), "strides": (2, 2), "fusions": (1,), "head_channels": 8}
    return HubSybioGNN.from_preset("demo", skeleton=skeleton, num_classes=3, num_future=2, **settings)


def assert_same(one: SybioGNN, other: SybioGNN) -> None:
    assert one.config == other.config
    x = torch.randn(2, 12, 25, 3)
    expected, found = one.eval()(x), other.eval()(x)
    torch.testing.assert_close(found.logits, expected.logits, rtol=0, atol=0)
    torch.testing.assert_close(found.future, expected.future, rtol=0, atol=0)


def test_either_reads_what_the_other_wrote(tmp_path: Path) -> None:
    model = small()
    model.save_pretrained(tmp_path / "of_mixin")
    assert_same(model, SybioGNN.from_pretrained(tmp_path / "of_mixin"))
    SybioGNN.save_pretrained(model, tmp_path / "of_model")
    again = HubSybioGNN.from_pretrained(tmp_path / "of_model")
    assert isinstance(again, HubSybioGNN) and not again.training
    assert_same(model, again)


def test_only_safetensors_and_text_are_written(tmp_path: Path) -> None:
    small().save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    assert load_file(tmp_path / "model.safetensors").keys() == small().state_dict().keys()
    card = (tmp_path / "README.md").read_text()
    assert "library_name: pyg_sybio" in card and "- motion-prediction" in card


def test_a_setting_that_the_model_does_not_have_is_refused(tmp_path: Path) -> None:
    small().save_pretrained(tmp_path)
    assert HubSybioGNN.from_pretrained(tmp_path, num_future=2).num_future == 2
    with pytest.raises(ValueError, match=r"'num_future' is 5, but the model of .* has 2"):
        HubSybioGNN.from_pretrained(tmp_path, num_future=5)
    with pytest.raises(ValueError, match=r"'colour' is 'red', but the model of .* has no such setting"):
        HubSybioGNN.from_pretrained(tmp_path, colour="red")
    with pytest.raises(FileNotFoundError, match=r"no pretrained model here, expected the file config\.json"):
        (tmp_path / "config.json").unlink()
        HubSybioGNN.from_pretrained(tmp_path)


def test_there_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "hub"
    asked: dict[str, Any] = {}

    class Api:
        def __init__(self, token: str | None = None) -> None:
            asked["token"] = token

        def create_repo(self, *, repo_id: str, private: bool | None, exist_ok: bool) -> SimpleNamespace:
            asked["private"] = private
            return SimpleNamespace(repo_id=repo_id)

        def upload_folder(self, *, repo_id: str, folder_path: Path, **_: Any) -> str:
            shutil.copytree(folder_path, place / repo_id)
            return f"https://hub/{repo_id}/commit/1"

    def download(name: str, *, revision: str | None, allow_patterns: list[str], **_: Any) -> str:
        asked["revision"] = revision
        assert allow_patterns == ["config.json", "model.safetensors"]
        return str(place / name)

    def download_file(*, repo_id: str, filename: str, **_: Any) -> str:
        return str(place / repo_id / filename)

    monkeypatch.setattr(huggingface_hub.hub_mixin, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub.hub_mixin, "hf_hub_download", download_file)
    monkeypatch.setattr(hub_mixin, "snapshot_download", download)
    model = small()
    assert model.push_to_hub("anna/walks", private=True, token="t") == "https://hub/anna/walks/commit/1"
    assert_same(model, HubSybioGNN.from_pretrained("anna/walks", revision="v1"))
    assert asked == {"token": "t", "private": True, "revision": "v1"}
