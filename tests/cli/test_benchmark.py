"""``sybio benchmark``: the list of scripts, their options, and errors."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pyg_sybio.cli import benchmark as cli_benchmark
from pyg_sybio.cli import main as cli

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
LEFT_OUT = ("gpu", "parts", "peers")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two mock benchmarks and a module that they share."""
    (tmp_path / "shared_by_made_up.py").write_text("def shout(text):\n    print(text.upper())\n")
    (tmp_path / "loud.py").write_text(
        '"""Shouts.\n\nAnd more.\n"""\n'
        "import sys\n"
        "from shared_by_made_up import shout\n"
        "def main():\n"
        "    shout(' '.join(sys.argv[1:]))\n"
        "if __name__ == '__main__':\n"
        "    main()\n"
    )
    (tmp_path / "broken.py").write_text("def main():\n    raise ValueError('no figures')\nmain()\n")
    monkeypatch.setattr(cli_benchmark, "_FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_benchmarks_are_listed_if_no_name_is_given(
    folder: Path, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["benchmark", *argv]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("usage: sybio benchmark [NAME [OPTIONS ...]]")
    assert "  broken  \n  loud    Shouts.\n" in shown
    assert "shared_by_made_up" not in shown


@pytest.mark.parametrize(
    "options", [[], ["--seconds", "1", "x y"], ["--help"], ["-h", "--debug"], ["demo", "--unknown=1"]]
)
def test_all_options_are_passed_to_the_script(
    folder: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = list(sys.argv), list(sys.path)
    assert cli.main(["benchmark", "loud", *options]) == 0
    assert capsys.readouterr().out == " ".join(options).upper() + "\n"
    assert (sys.argv, sys.path) == before


def test_an_unknown_name_is_a_usage_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["benchmark", "quiet"])
    assert end.value.code == 2
    assert "no benchmark 'quiet', expected one of broken, loud" in capsys.readouterr().err


def test_an_option_without_a_name_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["benchmark", "--seconds"])
    assert end.value.code == 2
    assert "unrecognized arguments: --seconds" in capsys.readouterr().err


def test_an_error_of_a_script_is_reported_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = list(sys.argv), list(sys.path)
    assert cli.main(["benchmark", "broken"]) == 1
    assert capsys.readouterr().err == "sybio: error: no figures\n"
    assert (sys.argv, sys.path) == before


def test_shipped_benchmarks_have_one_line_summaries(capsys: pytest.CaptureFixture[str]) -> None:
    summaries = cli_benchmark.benchmarks()
    assert {"latency", "throughput", "training", "actional", "iterations", "scaling"} <= summaries.keys()
    assert not {"common", "equations"} & summaries.keys()
    assert all(summary.endswith(".") for summary in summaries.values())


def test_every_benchmark_runs_as_a_script() -> None:
    for name in cli_benchmark.benchmarks():
        last = ast.parse((BENCHMARKS / f"{name}.py").read_text()).body[-1]
        assert isinstance(last, ast.If), name
        assert ast.unparse(last.test) == "__name__ == '__main__'"


def test_no_script_shadows_a_standard_module() -> None:
    assert not {path.stem for path in BENCHMARKS.glob("*.py")} & sys.stdlib_module_names


def test_the_wheel_contains_the_benchmarks() -> None:
    import tomllib

    project = tomllib.loads((BENCHMARKS.parent / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert "benchmarks" in wheel["only-include"]
    assert wheel["sources"]["benchmarks"] == "pyg_sybio/benchmarks"


def test_scripts_in_the_wheel_only_import_modules_in_the_wheel() -> None:
    for path in BENCHMARKS.glob("*.py"):
        if not path.stem.startswith(LEFT_OUT):
            nodes = ast.walk(ast.parse(path.read_text()))
            imported = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
            assert not any(name.startswith(LEFT_OUT) for name in imported), path.name


@pytest.mark.slow
def test_a_benchmark_on_the_command_line_writes_its_results(tmp_path: Path) -> None:
    """Run a benchmark that starts another process, and read the file that it writes."""
    argv = ["throughput", "--presets", "demo", "--modes", "eager", "--batch", "1", "--seconds", "0"]
    done = subprocess.run(
        [sys.executable, "-m", "pyg_sybio", "benchmark", *argv, "--output", str(tmp_path / "out.json")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "out.json").read_text())
    (row,) = document["rows"]
    assert row["clips/s"] > 0
    assert document["environment"]["convolution ceiling in fp32, GFLOP/s"] > 0
    assert (row["peak MB"] is None) == (sys.platform != "linux")
