r"""Run an experiment: train and measure the missing runs, and write the report."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import Timeout

from pyg_sybio.data.datasets.settings import flat_parameters
from pyg_sybio.experiments.experiment import Experiment, MeasuredModel
from pyg_sybio.experiments.report import Planned, current, write_report
from pyg_sybio.experiments.results import Record, Results
from pyg_sybio.experiments.runs import Run, finish, identify, machine, selected, that_matter
from pyg_sybio.training.keep_checkpoint import OutOfTimeError, Say, duration
from pyg_sybio.training.named_class import recipe_dataset
from pyg_sybio.training.recipes import data_of, settings


class RefusedError(ValueError):
    """Raised if an experiment cannot be run on a data set."""


def plan_runs(
    experiment: Experiment, recipe: str, overrides: Sequence[str], seeds: Sequence[int]
) -> list[Planned]:
    """Return all runs of an experiment, ordered by seed, so that every arm has a result early."""
    data = settings(recipe, overrides)["data"]
    given = data["settings"] | (data.get("train") or {})
    stride = flat_parameters(recipe_dataset(data["dataset"])).get("window_stride")
    windows = stride is not None and given.get("window_stride", stride.default) is not None
    # Windows have a fixed number of future frames; whole clips reserve frames for the future.
    num_frames = str(given.get("num_future" if windows else "num_observed"))
    plan = []
    for seed in seeds:
        for arm in experiment.arms:
            own = [word.replace("{num_frames}", num_frames) for word in arm.overrides]
            if windows:
                own = list(selected(own, lambda key: key != "--data.settings.reserved"))
            words = (*overrides, *own, "--seed_everything", str(seed))
            given = settings(recipe, words)
            plan.append(Planned(arm.name, seed, identify(given), words, given))
    return plan


def reproduce(
    experiment: Experiment,
    recipe: str,
    *,
    overrides: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    output: Path = Path("reproduced"),
    split: str = "test",
    minutes: float | None = None,
    say: Say = print,
) -> str:
    r"""Train and measure the missing runs of an experiment, and write its table and figures.

    Finished work is not repeated: rows of the CSV file are not measured again, and all experiments of the
    folder share trained runs. An interrupted run continues from its last checkpoint.

    Args:
        experiment: The experiment.
        recipe: Name of a shipped recipe, or path of a YAML file.
        overrides: Options of ``sybio fit`` that apply to all arms.
        seeds: Each arm is trained once per seed.
        output: Folder of the results.
        split: The split to measure on: ``"test"`` or ``"val"``.
        minutes: Time limit, after which no run starts and a running training stops at a checkpoint. (default:
            none)
        say: Function that receives progress messages.

    Returns:
        The table in Markdown.

    Raises:
        RefusedError: If the experiment cannot be run on the data set.
        RecipeError: If the recipe or an override is wrong.
        KeyboardInterrupt: On Ctrl+C.
    """
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    results = Results(output, experiment.name, Path(recipe).stem)
    before = results.facts()["asked"]
    asked: dict[str, Any] = {
        "recipe": recipe,
        "overrides": list(that_matter(overrides)),
        "seeds": sorted(set(seeds)),
        "split": split,
    }
    if before is not None and all(before[key] == asked[key] for key in ("overrides", "split")):
        asked["seeds"] = sorted({*asked["seeds"], *before["seeds"]})
    plan = plan_runs(experiment, recipe, overrides, asked["seeds"])
    measured = {record.key for record in current(results.records(), plan, split)}
    missing = [p for p in plan if p.seed in seeds and (p.arm, p.seed, p.run, split) not in measured]
    _check_data(experiment, recipe, missing)
    results.ask(asked)
    say(f"{experiment.name} on {results.recipe}: {len(plan) - len(missing)} of {len(plan)} runs are finished")
    try:
        for number, planned in enumerate(missing, 1):
            if deadline is not None and time.monotonic() >= deadline:
                raise OutOfTimeError
            name = f"{planned.arm}, seed {planned.seed}"
            say(f"missing run {number} of {len(missing)}: {name} (run {planned.run})")
            folder = output / "runs" / results.recipe / planned.run
            run = Run(recipe, planned.overrides, planned.run, folder, planned.settings)
            try:
                with run.lock().acquire(timeout=0):
                    facts = finish(run, deadline=deadline, say=say)
                    say(f"  trained: {facts['steps']} steps in {duration(facts['seconds'])}; measuring")
                    _measure(experiment, results, planned, split, facts, run.trained(split=split))
            except Timeout:
                say("  skipped, because another process is training this run")
    except OutOfTimeError:
        say(f"time limit reached: {len(missing) - number + 1} runs are left; repeat the command to continue")
    finally:
        # The report is also written after Ctrl+C.
        text = write_report(experiment, results, plan, asked, say=say)
    return text


def report(experiment: Experiment, recipe: str, *, output: Path, say: Say = print) -> str:
    """Write the table and figures again from the result files, with the options of the last call of
    :func:`reproduce`.

    Raises:
        FileNotFoundError: If there are no result files.
    """
    results = Results(output, experiment.name, Path(recipe).stem)
    asked = results.facts()["asked"]
    if asked is None:
        raise FileNotFoundError(
            f"no {results.path('json')}: expected the results of 'sybio reproduce {experiment.name} {recipe}'"
        )
    plan = plan_runs(experiment, recipe, asked["overrides"], asked["seeds"])
    return write_report(experiment, results, plan, asked | {"recipe": recipe}, say=say)


def _measure(
    experiment: Experiment,
    results: Results,
    planned: Planned,
    split: str,
    facts: dict[str, Any],
    trained: MeasuredModel,
) -> None:
    """Measure a trained run, and add the measured values to the results."""
    rows = [row for measure in experiment.measures for row in measure(trained)]
    earlier = results.facts()["runs"].get(planned.run, {}).get("measured", {})
    measured = {**earlier, split: {"clips": len(trained.data.clips(split)), **machine()}}
    of_run = results.recipe, planned.run, planned.arm, planned.seed, split
    records = [Record(*of_run, row) for row in rows]
    results.add(records, {**facts, "measured": measured}, experiment.arm_names)


def _check_data(experiment: Experiment, recipe: str, missing: Sequence[Planned]) -> None:
    """Build the data of every arm, so that errors occur before any training."""
    of_data = [selected(planned.overrides, lambda key: key.startswith("--data")) for planned in missing]
    for words in dict.fromkeys(of_data):
        data = data_of(recipe, words)
        data.clips("train")  # raises the errors of the dataset class
        if (refusal := experiment.refusal(data)) is not None:
            raise RefusedError(refusal)
