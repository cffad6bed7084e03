"""Uploading folders to the hub and downloading them. The hub is a local folder: tests use no network."""

import shutil
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from exported_models import small_model
from huggingface_hub.errors import LocalEntryNotFoundError

from pyg_sybio.cli.main import main
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.trained import hub
from pyg_sybio.trained.load import load_trained


class Hub:
    """A fake hub whose functions have the signatures of ``huggingface_hub``; repositories are folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.said: list[tuple[str, Any]] = []

    def api(self, *, token: str | None = None) -> "Hub":
        self.said.append(("token", token))
        return self

    def create_repo(self, *, repo_id: str, private: bool | None, exist_ok: bool) -> None:
        assert exist_ok
        self.said.append(("private", private))
        (self.root / repo_id).mkdir(parents=True)

    def upload_folder(
        self, *, repo_id: str, folder_path: Path, allow_patterns: list[str], commit_message: str
    ) -> str:
        for name in allow_patterns:
            shutil.copy(folder_path / name, self.root / repo_id / name)
        self.said.append(("message", commit_message))
        return f"https://hub/{repo_id}/commit/1"

    def snapshot_download(
        self, repo_id: str, *, allow_patterns: list[str], revision: str | None, token: str | None
    ) -> str:
        self.said.append(("revision", revision))
        if not (self.root / repo_id).is_dir():
            raise LocalEntryNotFoundError("cannot find the requested files")
        return str(self.root / repo_id)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    server = Hub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "HfApi", server.api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", server.snapshot_download)
    monkeypatch.chdir(tmp_path)
    return server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with all files that are uploaded, and one file that is not."""
    folder = tmp_path / "mine"
    small_model().save_pretrained(folder)
    for name in ("data.json", "README.md", "notes.txt"):
        (folder / name).write_text("{}")
    return folder


def test_a_pulled_model_equals_the_pushed_model(server: Hub, folder: Path) -> None:
    assert hub.push_to_hub(folder, "anna/walks", private=True, token="t") == "https://hub/anna/walks/commit/1"
    assert server.said == [("token", "t"), ("private", True), ("message", "Share a model")]
    pulled = hub.pull("anna/walks", revision="v1")
    assert server.said[-1] == ("revision", "v1")
    assert sorted(each.name for each in pulled.iterdir()) == sorted(hub.FILES)
    expected = SybioGNN.from_pretrained(folder)
    for model in (SybioGNN.from_pretrained(pulled), SybioGNN.from_pretrained("anna/walks")):
        for name, value in model.state_dict().items():
            torch.testing.assert_close(value, expected.state_dict()[name], atol=0, rtol=0)


def test_a_local_folder_takes_precedence_over_the_hub(server: Hub, folder: Path) -> None:
    shutil.copytree(folder, "anna/walks")
    SybioGNN.from_pretrained("anna/walks")
    assert server.said == []


def test_a_model_that_the_hub_does_not_have_is_an_error(server: Hub) -> None:
    message = "'anna/walks' is not a local folder, and cannot be downloaded from the hub: cannot find"
    for read in (SybioGNN.from_pretrained, load_trained, hub.pull):
        with pytest.raises(FileNotFoundError, match=message):
            read("anna/walks")


def test_a_wrong_path_is_not_searched_on_the_hub(
    server: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").mkdir()
    for wrong in ("runs/last", "other/last.ckpt", "model.onnx", "a/b/c", str(tmp_path / "none")):
        with pytest.raises(FileNotFoundError, match=f"no model at {wrong}: expected a .ckpt file"):
            load_trained(wrong)
    for command in (["evaluate", "rnus/last"], ["predict", "rnus/last", "x.npz"]):
        assert main(command) == 1
        assert "no model at rnus/last: expected" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match="no pretrained model here"):
        SybioGNN.from_pretrained(Path("rnus/last"))
    assert server.said == []


def test_an_address_is_always_searched_on_the_hub(
    server: Hub, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.push_to_hub(folder, "anna/walks")
    Path("anna").mkdir()
    for model in ("hf://anna/walks", Path("hf://anna/walks")):
        assert isinstance(SybioGNN.from_pretrained(model), SybioGNN)
    assert main(["evaluate", "hf://anna/runs"]) == 1
    assert "'anna/runs' is not a local folder, and cannot be downloaded" in capsys.readouterr().err
    with pytest.raises(ValueError, match="expected the name of a repository"):
        load_trained("hf://anna")


def test_names_are_not_searched_on_the_hub_without_huggingface_hub(
    server: Hub, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(hub, "is_installed", lambda: False)
    with pytest.raises(FileNotFoundError, match=r"no pretrained model here, expected the file config\.json"):
        SybioGNN.from_pretrained("anna/walks")
    with pytest.raises(FileNotFoundError, match="no model at anna/walks"):
        load_trained("anna/walks")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModuleNotFoundError):
        hub.push_to_hub(folder, "anna/walks")
    assert server.said == []


@pytest.mark.parametrize("name", hub.FILES)
def test_an_incomplete_folder_is_not_pushed(name: str, server: Hub, folder: Path) -> None:
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"mine lacks the file {name}"):
        hub.push_to_hub(folder, "anna/walks")
    assert server.said == []


@pytest.mark.parametrize(
    "name", ["walks", "anna/walks/1", "/walks", "anna/", "../walks", "anna/w alks", "a" * 97]
)
def test_invalid_repository_names_are_refused(name: str, server: Hub, folder: Path) -> None:
    for call in (lambda: hub.push_to_hub(folder, name), lambda: hub.pull(name)):
        with pytest.raises(ValueError, match="expected the name of a repository on the hub"):
            call()
    assert server.said == []
