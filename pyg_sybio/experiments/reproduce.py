r"""Running an experiment: the runs that are missing are trained and measured, and what there is is shown."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import Timeout

from pyg_sybio.experiments.experiment import Experiment, arm_names
from pyg_sybio.experiments.report import Planned, current, write_report
from pyg_sybio.experiments.results import Record, Results
from pyg_sybio.experiments.runs import Run, data_of, finish, identify, machine, setting, that_matter
from pyg_sybio.training.keep_checkpoint import OutOfTimeError, Say, duration


class RefusedError(ValueError):
    """The data set cannot have the experiment."""


def plan_runs(
    experiment: Experiment, recipe: str, overrides: Sequence[str], seeds: Sequence[int]
) -> list[Planned]:
    """All runs of an experiment, seed by seed, so that every arm soon has a number."""
    observed = str(setting(recipe, overrides, "num_observed"))
    return [
        Planned(arm.name, seed, identify(recipe, words), words)
        for seed in seeds
        for arm in experiment.arms
        for words in [
            (
                *overrides,
                *(word.replace("{num_observed}", observed) for word in arm.overrides),
                "--seed_everything",
                str(seed),
            )
        ]
    ]


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
    r"""Train and measure what is missing of an experiment, and write its table and pictures.

    Whatever is finished stays: rows in the CSV file are not measured again, and a run is trained once for all
    experiments of the folder. An interrupted run goes on from its last checkpoint.

    Args:
        experiment: Which one.
        recipe: Name of a shipped recipe, or path of a YAML file.
        overrides: Settings common to all arms, as ``sybio fit`` takes them.
        seeds: One run of each arm a seed.
        output: Folder of the results.
        split: What is measured: ``"test"`` or ``"val"``.
        minutes: Start nothing after that many minutes, and stop a running training at a checkpoint.
        say: Is told how far it is.

    Returns:
        The table in Markdown.

    Raises:
        RefusedError: If the data set cannot have the experiment.
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
    if before is not None and _same_question(before, asked):
        asked["seeds"] = sorted({*asked["seeds"], *before["seeds"]})
    plan = plan_runs(experiment, recipe, overrides, asked["seeds"])
    missing = _missing(plan, results, split, seeds)
    if missing:
        _refuse(experiment, recipe, missing)
    results.ask(asked)
    say(f"{experiment.name} on {results.recipe}: {len(plan) - len(missing)} of {len(plan)} runs are there")
    try:
        _fill(experiment, recipe, missing, results, split, deadline, say)
    finally:
        # Also after Ctrl+C: the table of what there is.
        text = write_report(experiment, results, plan, asked, say=say)
    return text


def report(experiment: Experiment, recipe: str, *, output: Path, say: Say = print) -> str:
    """Write table and pictures again, as they were last asked for; no data and no checkpoint is needed.

    Raises:
        FileNotFoundError: If nothing was asked for.
    """
    results = Results(output, experiment.name, Path(recipe).stem)
    asked = results.facts()["asked"]
    if asked is None:
        raise FileNotFoundError(
            f"no {results.path('json')}: expected the results of 'sybio reproduce {experiment.name} {recipe}'"
        )
    plan = plan_runs(experiment, recipe, asked["overrides"], asked["seeds"])
    return write_report(experiment, results, plan, asked | {"recipe": recipe}, say=say)


def _fill(
    experiment: Experiment,
    recipe: str,
    missing: Sequence[Planned],
    results: Results,
    split: str,
    deadline: float | None,
    say: Say,
) -> None:
    for number, planned in enumerate(missing):
        if deadline is not None and time.monotonic() >= deadline:
            say(f"the time is over: {len(missing) - number} runs are left; the same command goes on")
            return
        name = f"{planned.arm}, seed {planned.seed}"
        say(f"run {number + 1} of {len(missing)} that are missing: {name} (run {planned.run})")
        run = Run(
            recipe, planned.overrides, planned.run, results.output / "runs" / results.recipe / planned.run
        )
        try:
            with run.lock().acquire(timeout=0):
                _train_and_measure(experiment, planned, run, results, split, deadline, say)
        except Timeout:
            say("  another process is at it")
        except OutOfTimeError:
            say(f"the time is over: {len(missing) - number} runs are left; the same command goes on")
            return


def _train_and_measure(
    experiment: Experiment,
    planned: Planned,
    run: Run,
    results: Results,
    split: str,
    deadline: float | None,
    say: Say,
) -> None:
    facts = finish(run, deadline=deadline, say=say)
    say(f"  trained: {facts['steps']} steps in {duration(facts['seconds'])}; measuring")
    trained = run.trained(split=split)
    rows = experiment.measure(trained)
    earlier = results.facts()["runs"].get(run.digest, {}).get("measured", {})
    measured = {**earlier, split: {"clips": len(trained.data.clips(split)), **machine()}}
    records = [Record(results.recipe, run.digest, planned.arm, planned.seed, split, row) for row in rows]
    results.add(records, {**facts, "measured": measured}, arm_names(experiment.arms))


def _missing(plan: Sequence[Planned], results: Results, split: str, seeds: Sequence[int]) -> list[Planned]:
    there = {record.key for record in current(results.records(), plan, split)}
    return [p for p in plan if p.seed in seeds and (p.arm, p.seed, p.run, split) not in there]


def _refuse(experiment: Experiment, recipe: str, missing: Sequence[Planned]) -> None:
    """Look at the data of every arm before anything is trained."""
    looked_at: set[tuple[str, ...]] = set()
    for planned in missing:
        words = tuple(planned.overrides[:-2])
        of_data = _of_data(words)
        if of_data not in looked_at:
            looked_at.add(of_data)
            data = data_of(recipe, words)
            data.clips("train")  # what the dataset class itself has to say
            refusal = experiment.refusal(data)
            if refusal is not None:
                raise RefusedError(refusal)


def _of_data(overrides: Sequence[str]) -> tuple[str, ...]:
    """The overrides that concern the data: ``--data.key value`` or ``--data.key=value``."""
    kept = False
    words = []
    for word in overrides:
        kept = word.startswith("--data") if word.startswith("--") else kept
        if kept:
            words.append(word)
    return tuple(words)


def _same_question(before: dict[str, Any], asked: dict[str, Any]) -> bool:
    return all(before[key] == asked[key] for key in ("overrides", "split"))
