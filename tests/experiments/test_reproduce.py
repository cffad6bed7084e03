"""``sybio reproduce``: the runs that an experiment trains, and tables that depend only on the CSV file."""

import csv
import re
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_recipe import TINY

from pyg_sybio.cli import main as cli
from pyg_sybio.experiments import reproduce as engine
from pyg_sybio.experiments.catalogue import EXPERIMENTS
from pyg_sybio.experiments.experiment import Arm, Experiment
from pyg_sybio.experiments.layouts import ArmTable, Column
from pyg_sybio.experiments.report import BEGIN, END, current, write_page
from pyg_sybio.experiments.reproduce import RefusedError, plan_runs, report, reproduce
from pyg_sybio.experiments.results import Measured, Record, Results
from pyg_sybio.experiments.rows import MEAN_OF_CLASSES, MOTION_ERROR, OF_ZERO_VELOCITY, Row
from pyg_sybio.experiments.runs import Run
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.training.keep_checkpoint import OutOfTimeError


def seeded_numbers(trained: Any) -> list[Row]:
    """A mock measure whose values differ between runs."""
    return [Row("number", "", None, int(trained.digest, 16) % 1000 / 7)]


def experiment_of(name: str = "numbers", *arms: Arm) -> Experiment:
    return Experiment(
        name=name,
        title="Numbers",
        paper="Table 0",
        arms=arms or (Arm("full"), Arm("one hop", ("--model.variant.hops", "1"))),
        measures=(seeded_numbers,),
        layout=ArmTable((Column("number", "number", digits=2, paper={"Elsewhere": {"full": 12.5}}),)),
    )


@pytest.fixture
def trained_runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace training by a mock, and return the digests of the trained runs."""
    digests: list[str] = []

    def finish(run: Run, **_: Any) -> dict[str, Any]:
        if run.finished is None:
            digests.append(run.digest)
            run.folder.mkdir(parents=True, exist_ok=True)
            (run.folder / "finished.json").write_text("{}")
        return {
            "run": run.digest, "preset": "demo", "dataset": "SyntheticMotions", "training_clips": 24,
            "steps": 2, "batch_size": 12, "precision": "32-true", "seconds": 1.0,
            "device": "CPU", "threads": 1,
            "versions": {"torch": "0"},
        }  # fmt: skip

    def trained(run: Run, *, split: str) -> Any:
        return SimpleNamespace(digest=run.digest, data=SimpleNamespace(clips=lambda _: range(24)))

    monkeypatch.setattr(engine, "finish", finish)
    monkeypatch.setattr(Run, "trained", trained)
    return digests


def go(experiment: Experiment, output: Path, *overrides: str, **kwargs: Any) -> tuple[str, list[str]]:
    """Run an experiment with mocks, and return the table and the messages."""
    said: list[str] = []
    words = [*TINY, *overrides]
    text = reproduce(experiment, "synthetic", overrides=words, output=output, say=said.append, **kwargs)
    return text, said


def test_experiments_share_runs(tmp_path: Path, trained_runs: list[str]) -> None:
    go(experiment_of(), tmp_path)
    assert len(trained_runs) == 2
    go(experiment_of("others", Arm("the same"), Arm("two hops", ("--model.variant.hops", "2"))), tmp_path)
    assert len(trained_runs) == 2


def test_measured_runs_are_not_trained_again(tmp_path: Path, trained_runs: list[str]) -> None:
    text, _ = go(experiment_of(), tmp_path)
    shutil.rmtree(tmp_path / "runs")
    again, said = go(experiment_of(), tmp_path)
    assert len(trained_runs) == 2
    assert again == text
    assert said == ["numbers on synthetic: 2 of 2 runs are finished"]
    go(experiment_of(), tmp_path, seeds=(0, 1))
    assert len(trained_runs) == 4


def test_the_table_contains_the_values_of_the_csv_file(tmp_path: Path, trained_runs: list[str]) -> None:
    text, _ = go(experiment_of(), tmp_path, seeds=(0, 1, 2))
    by_arm: dict[str, list[float]] = {}
    with (tmp_path / "numbers-synthetic.csv").open(newline="") as file:
        for line in csv.DictReader(file):
            assert line["recipe"] == "synthetic"
            assert line["metric"] == "number"
            by_arm.setdefault(line["arm"], []).append(float(line["value"]))
    rows = dict(re.findall(r"^\| (full|one hop) \| (.*) \|$", text, flags=re.MULTILINE))
    for arm, paper in (("full", "12.50"), ("one hop", "–")):
        values = by_arm[arm]
        assert len(values) == 3
        assert rows[arm] == f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f} | {paper}"
    assert "6 of 6 runs are finished" in text
    assert "seeds 0, 1, 2" in text
    assert "paper: number, Elsewhere" in text


def test_rows_of_other_settings_are_kept_but_not_shown(tmp_path: Path, trained_runs: list[str]) -> None:
    before, _ = go(experiment_of(), tmp_path, "--trainer.max_steps=2")
    after, said = go(experiment_of(), tmp_path, "--trainer.max_steps=3")
    assert len(trained_runs) == 4
    assert any("2 rows of 2 runs with other settings are not shown" in line for line in said)
    numbers = [re.findall(r"^\| full \| (\S+)", text, flags=re.MULTILINE) for text in (before, after)]
    assert numbers[0] != numbers[1]
    assert len((tmp_path / "numbers-synthetic.csv").read_text().splitlines()) == 1 + 4
    go(experiment_of(), tmp_path, "--trainer.max_steps=2")
    assert len(trained_runs) == 4


def test_the_report_needs_neither_runs_nor_pictures(tmp_path: Path, trained_runs: list[str]) -> None:
    text, _ = go(experiment_of(), tmp_path, seeds=(0, 1))
    shutil.rmtree(tmp_path / "runs")
    (tmp_path / "numbers-synthetic.md").unlink()
    (tmp_path / "numbers-synthetic.png").unlink()
    assert report(experiment_of(), "synthetic", output=tmp_path) == text
    assert (tmp_path / "numbers-synthetic.md").read_text() == text
    assert (tmp_path / "numbers-synthetic.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(FileNotFoundError, match="expected the results of 'sybio reproduce other synthetic'"):
        report(experiment_of("other"), "synthetic", output=tmp_path)


def test_the_caption_shows_ranges_of_different_counts(
    tmp_path: Path, trained_runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    finish: Callable[..., Any] = engine.finish
    counts = iter((30, 20, 25))
    monkeypatch.setattr(engine, "finish", lambda *a, **k: finish(*a, **k) | {"training_clips": next(counts)})
    experiment = experiment_of("many", Arm("full"))
    assert "30 or 20 training clips" in go(experiment, tmp_path, seeds=(0, 1))[0]
    assert "20 to 30 training clips" in go(experiment, tmp_path, seeds=(2,))[0]


def test_a_time_limit_of_zero_shows_existing_results(tmp_path: Path, trained_runs: list[str]) -> None:
    text, said = go(experiment_of(), tmp_path, minutes=0)
    assert said[-1] == "time limit reached: 2 runs are left; repeat the command to continue"
    assert "0 of 2 runs are finished" in text
    go(experiment_of(), tmp_path)
    assert "2 of 4 runs are finished" in go(experiment_of(), tmp_path, seeds=(0, 1), minutes=0)[0]
    assert len(trained_runs) == 2


def test_result_files_contain_no_local_path(tmp_path: Path, trained_runs: list[str]) -> None:
    text, _ = go(experiment_of(), tmp_path, "--data.root", "/home/me")
    for kind in ("csv", "json"):
        text += (tmp_path / f"numbers-synthetic.{kind}").read_text()
    assert "/home/me" not in text
    assert str(tmp_path) not in text


@pytest.mark.parametrize("end", [KeyboardInterrupt, OutOfTimeError])
def test_after_an_interruption_the_table_shows_finished_runs(
    end: type[BaseException], tmp_path: Path, trained_runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    finish: Callable[..., Any] = engine.finish

    def stop_at_the_second(run: Run, **kwargs: Any) -> Any:
        if trained_runs:
            raise end
        return finish(run, **kwargs)

    monkeypatch.setattr(engine, "finish", stop_at_the_second)
    if end is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            go(experiment_of(), tmp_path)
    else:
        _, said = go(experiment_of(), tmp_path, minutes=1)
        assert said[-1] == "time limit reached: 1 runs are left; repeat the command to continue"
    assert "1 of 2 runs are finished" in (tmp_path / "numbers-synthetic.md").read_text()


def test_only_whole_clips_reserve_frames_for_the_future() -> None:
    experiment = EXPERIMENTS["observation"]
    for recipe, reserved, num_future in (
        ("synthetic", True, "25"),
        ("nw_ucla_slim", True, "27"),
        ("cmu_mocap", False, "25"),
        ("human36m", False, "25"),
    ):
        words = plan_runs(experiment, recipe, (), (0,))[-1].overrides
        assert ("--data.settings.reserved" in words) == reserved
        assert words[words.index("--data.settings.num_future") + 1] == num_future


def test_a_run_trained_by_another_process_is_skipped(tmp_path: Path, trained_runs: list[str]) -> None:
    first = plan_runs(experiment_of(), "synthetic", TINY, (0,))[0]
    folder = tmp_path / "runs" / "synthetic" / first.run
    other = Run("synthetic", first.overrides, first.run, folder, first.settings)
    with other.lock():
        text, said = go(experiment_of(), tmp_path)
    assert "  skipped, because another process is training this run" in said
    assert "1 of 2 runs are finished" in text


def test_experiments_that_a_data_set_does_not_support_are_refused() -> None:
    angles = SimpleNamespace(num_classes=1, skeleton=load_skeleton("cmu38"))
    assert "expected positions" in str(EXPERIMENTS["pck"].refusal(angles))
    assert "expected two or more" in str(EXPERIMENTS["confusion"].refusal(angles))
    assert EXPERIMENTS["errors"].refusal(angles) is None


def test_errors_are_raised_before_training(tmp_path: Path, trained_runs: list[str]) -> None:
    refusing = experiment_of("refusing", Arm("full"))
    object.__setattr__(refusing, "refusal", lambda data: "no")
    with pytest.raises(RefusedError, match=r"^no$"):
        go(refusing, tmp_path)
    assert not trained_runs
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.slow
def test_experiments_on_the_same_data_share_the_full_run() -> None:
    full = plan_runs(experiment_of("one", Arm("full")), "synthetic", (), (0,))[0].run
    for experiment in EXPERIMENTS.values():
        plan = plan_runs(experiment, "synthetic", (), (0,))
        assert len(plan) == len({planned.arm for planned in plan})
        shares = any(planned.run == full for planned in plan)
        assert shares == (experiment.name not in ("observation", "folds"))  # these arms change the data


def test_only_the_text_between_the_markers_of_the_page_changes(
    tmp_path: Path, trained_runs: list[str]
) -> None:
    output = tmp_path / "measured"
    output.mkdir()
    (output / "networks-b.md").write_text("### second\n\n![second](networks-b.png)\n")
    (output / "variants-a.md").write_text("### first\n")
    page = tmp_path / "RESULTS.md"
    page.write_text(f"# Ours\n\n{BEGIN}\nold\n{END}\n\nthe end\n")
    assert write_page(output) == page
    picture = "![second](measured/networks-b.png)"
    between = "\n\n".join([BEGIN, "### first", "### second", picture, END])
    assert page.read_text() == f"# Ours\n\n{between}\n\nthe end\n"
    once = page.read_text()
    write_page(output)
    assert page.read_text() == once
    page.write_text("# Ours\n")
    write_page(output)
    assert page.read_text().startswith(f"# Ours\n\n{BEGIN}\n\n### first")
    page.write_text(f"{END}\n{BEGIN}\n")
    with pytest.raises(ValueError, match="is expected to have"):
        write_page(output)


def test_without_a_name_all_experiments_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reproduce"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(EXPERIMENTS)


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["fly"], 2, "no experiment 'fly', expected one of variants, errors"),
        (["networks"], 2, "'networks' needs a recipe, expected one of bandai2"),
        (["networks", "synthetic", "--model.variannt.bones", "false"], 2, "variannt"),
        (["networks", "synthetic", "--seed_everything", "3"], 2, "--seeds"),
        (
            ["networks", "synthetic", "--report", "--seeds", "3"],
            2,
            "the only other option it takes is --output",
        ),
        (
            ["networks", "synthetic", "--report", "--output", "nowhere"],
            1,
            "no nowhere/networks-synthetic.json",
        ),
        (["networks", "nothing.yaml"], 1, "no recipe 'nothing.yaml'"),
        (["page", "--output", "nowhere"], 1, "no table in"),
        (["page", "synthetic"], 2, "takes no recipe"),
    ],
)
def test_errors_are_a_single_line(
    argv: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["reproduce", *argv]) == code
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("sybio: error: ")]
    assert message in line


def test_the_command_updates_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "measured"
    words = ["networks", "synthetic", "--output", str(output), *TINY, "--trainer.max_steps=2"]
    assert cli.main(["reproduce", *words]) == 0
    printed = capsys.readouterr().out
    assert (output / "networks-synthetic.md").read_text() in printed
    assert "3 of 3 runs are finished" in printed
    assert (output / "networks-synthetic.png").read_bytes()[:4] == b"\x89PNG"
    assert cli.main(["reproduce", "page", "--output", str(output)]) == 0
    assert "![" in (tmp_path / "RESULTS.md").read_text()


def test_arms_without_an_x_value_are_horizontal_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(
        "pyg_sybio.experiments.layouts.line_figure", lambda lines, *_, **k: drawn.append((lines, k))
    )
    experiment = EXPERIMENTS["hops"]
    arms = [arm.name for arm in experiment.arms]
    records = [
        Record("r", str(n), arm, 0, "test", Row("top1", "", None, n / 10)) for n, arm in enumerate(arms)
    ]
    experiment.layout.draw(Measured(arms, records), tmp_path / "a.png", "Hops")
    ((lines, options),) = drawn
    assert set(lines) == {"only structural", "only actional", "only parts", "full"}
    assert list(lines["full"].x) == list(lines["only parts"].x) == [1, 2, 3, 4]
    assert list(lines["only parts"].mean) == [100 * arms.index("only parts") / 10] * 4
    assert list(lines["full"].mean) == pytest.approx([60, 70, 80, 90])
    assert options["reference"]["only parts"].mean == [87.3] * 4


def test_each_error_has_a_table_and_the_first_table_includes_the_papers_values(tmp_path: Path) -> None:
    records = [
        Record("r", "run", "full", 0, "test", Row(metric + suffix, group, 80.0, value))
        for metric, value in (("angle_mae", 0.25), ("mpjpe_mm", 20.0))
        for suffix in ("", OF_ZERO_VELOCITY)
        for group in ("walking", MEAN_OF_CLASSES)
    ]
    measured = Measured(["full"], records, "CMUMocap")
    text = "\n".join(EXPERIMENTS["errors"].layout.table(measured))
    angles, positions = text.split("\n\n")
    assert angles.startswith("| angle_mae |") and "| paper: " in angles and "| full | 0.250 |" in angles
    assert (
        positions.startswith("| mpjpe_mm |")
        and "| paper: " not in positions
        and "| full | 20.0 |" in positions
    )
    assert len(EXPERIMENTS["errors"].layout.draw(measured, tmp_path / "a.png", "Errors")) == 2
    positions_alone = Measured(
        ["full"], [r for r in records if r.row.metric.startswith("mpjpe_mm")], "NWUCLA"
    )
    assert sum("mpjpe_mm" in line for line in EXPERIMENTS["errors"].layout.table(positions_alone)) == 1


def test_axis_labels_name_the_error() -> None:
    metrics = ("top1", "angle_mae", "angle_mae" + OF_ZERO_VELOCITY)
    records = [Record("r", "run", "full", 0, "test", Row(metric, "", 80.0, 1.0)) for metric in metrics]
    measured = Measured(["full"], records)
    paper = {"CMU Mocap": {"full": 0.3}}
    assert (
        Column("error", MOTION_ERROR, paper=paper).label(measured)
        == "error (angle_mae, rad) (paper: CMU Mocap)"
    )
    assert Column("error", MOTION_ERROR).label(measured) == "error (angle_mae, rad)"
    assert Column("top-1, %", "top1").label(measured) == "top-1, %"


COMMITTED = sorted((Path(__file__).parents[2] / "benchmarks" / "results").glob("*.json"))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_results_match_the_recipes(path: Path) -> None:
    name, recipe = path.stem.split("-", 1)
    results = Results(path.parent, name, recipe)
    asked = results.facts()["asked"]
    plan = plan_runs(EXPERIMENTS[name], recipe, asked["overrides"], asked["seeds"])
    shown = current(results.records(), plan, asked["split"])
    assert {record.run for record in shown} == {planned.run for planned in plan}
