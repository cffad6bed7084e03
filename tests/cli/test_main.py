"""The command line: help texts, exit codes, and one-line errors."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from command_line import error_of

from pyg_sybio.cli.main import main


def test_python_m_pyg_sybio_shows_the_help() -> None:
    done = subprocess.run([sys.executable, "-m", "pyg_sybio", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    for command in ("demo", "fit", "evaluate", "predict", "skeleton"):
        assert command in done.stdout


@pytest.mark.parametrize(
    "argv",
    [
        *(["demo"], ["fit"], ["evaluate"], ["predict"], ["data"], ["data", "info"], ["data", "show"]),
        *(["skeleton"], ["skeleton", "list"], ["skeleton", "show"], ["skeleton", "from"]),
    ],
)
def test_every_command_has_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*argv, "--help"])
    assert end.value.code == 0
    assert f"usage: sybio {' '.join(argv)}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [["fly"], ["fit"], ["evaluate"], ["evaluate", "a.ckpt", "--spilt", "test"], ["skeleton", "show"]],
)
def test_usage_errors_have_exit_code_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code == 2


@pytest.mark.parametrize("argv", [[], ["data"], ["skeleton"], ["plot"], ["export"]])
def test_a_command_without_its_subcommand_prints_help(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"usage: {' '.join(['sybio', *argv])} [-h]")
    assert not shown.err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"sybio {version('pyg_sybio')}\n"


@pytest.mark.parametrize(
    "argv",
    [
        ["stream", "a.ckpt", "--missing", "hold", "clip.npz"],
        ["stream", "--missing", "hold", "a.ckpt", "clip.npz"],
        ["stream", "a.ckpt", "clip.npz", "--missing", "hold"],
    ],
)
def test_options_may_stand_between_files(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "no file clip.npz: expected a motion file" in error_of(capsys, *argv)


def test_an_unknown_option_shows_the_usage_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["predict", "a.ckpt", "clip.npz", "--speed", "3"])
    shown = capsys.readouterr().err
    assert shown.startswith("usage: sybio predict ")
    assert shown.endswith("unrecognized arguments: --speed 3\n")


def test_missing_and_invalid_files_are_one_line_errors(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    junk, missing = tmp_path / "junk", tmp_path / "missing"
    junk.write_text("hello")
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    for argv, message in (
        (["evaluate", str(missing)], "no model at"),
        (["evaluate", str(junk)], "not a file that torch.save wrote"),
        (["evaluate", str(tmp_path / "other.ckpt")], "is not a checkpoint that 'sybio fit' wrote"),
        (["predict", str(checkpoint), str(missing)], "no file"),
        (["predict", str(checkpoint), str(junk)], "ends in '', expected one of .npz ("),
        (["skeleton", "validate", str(missing)], "no file"),
        (["skeleton", "validate", str(junk)], "expected a skeleton's JSON file"),
        (["skeleton", "show", "ntu99"], "unknown skeleton 'ntu99'"),
        (["fit", "nope"], "no recipe 'nope': expected one of bandai2, cmu_mocap, "),
    ):
        assert message in error_of(capsys, *argv)


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["skeleton", "show", "ntu99", "--debug"]) == 1
    error = capsys.readouterr().err
    assert "Traceback (most recent call last)" in error
    assert error.splitlines()[-1].startswith("sybio: error: unknown skeleton 'ntu99'")


def test_an_interrupted_command_has_exit_code_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pyg_sybio.skeleton.available_skeletons", interrupt)
    assert main(["skeleton", "list"]) == 130
    assert capsys.readouterr().err == "sybio: interrupted\n"


@pytest.mark.parametrize(("package", "extra"), [("lightning", "train"), ("matplotlib", "viz")])
def test_the_error_names_a_missing_extra(
    package: str, extra: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*args: object) -> None:
        raise ModuleNotFoundError(f"No module named '{package}.pyplot'", name=f"{package}.pyplot")

    monkeypatch.setattr("pyg_sybio.skeleton.load_skeleton", missing)
    line = error_of(capsys, "skeleton", "show", "ntu25")
    assert line == f'sybio: error: this command needs {package}: pip install "pyg_sybio[{extra}]"'


def test_old_option_names_are_translated(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "missing.ckpt", "--one-look"]) == 1
    assert "note: --one-look is now --one-view" in capsys.readouterr().err
