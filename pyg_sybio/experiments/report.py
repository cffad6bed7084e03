r"""Tables and pictures from result files alone, and the page that has them all."""

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pyg_sybio.experiments.catalogue import EXPERIMENTS
from pyg_sybio.experiments.experiment import Experiment, arm_names
from pyg_sybio.experiments.results import Measured, Record, Results
from pyg_sybio.files import write_whole
from pyg_sybio.training.keep_checkpoint import Say, duration

BEGIN, END = "<!-- sybio reproduce: begin -->", "<!-- sybio reproduce: end -->"
PAGE = "RESULTS.md"


class Planned(NamedTuple):
    """A run as an experiment asks for it."""

    arm: str
    seed: int
    run: str
    overrides: tuple[str, ...]


def current(records: Iterable[Record], plan: Sequence[Planned], split: str) -> list[Record]:
    """Those numbers that are of the planned runs."""
    wanted = {(planned.arm, planned.seed, planned.run, split) for planned in plan}
    return [record for record in records if record.key in wanted]


def write_report(
    experiment: Experiment,
    results: Results,
    plan: Sequence[Planned],
    asked: dict[str, Any],
    *,
    say: Say = print,
) -> str:
    """Write the table and the pictures of what there is; the text of the table."""
    records = results.records()
    shown = current(records, plan, asked["split"])
    kept = [record for record in records if record.split == asked["split"]]
    if len(kept) > len(shown):
        stale = {(r.arm, r.seed, r.run) for r in kept} - {(r.arm, r.seed, r.run) for r in shown}
        say(
            f"note: {len(kept) - len(shown)} rows of {len(stale)} runs are not shown, as they were trained "
            f"with other settings: {', '.join(sorted({f'{arm} (run {run})' for arm, _, run in stale}))}"
        )
    facts = results.facts()["runs"]
    known = {planned.run: facts[planned.run] for planned in plan if planned.run in facts}
    dataset = next((run["dataset"] for run in known.values()), "")
    measured = Measured(arm_names(experiment.arms), shown, dataset)
    title = f"{experiment.title} ({results.recipe})"
    lines = [f"### {title}", "", *_caption(experiment, results, plan, shown, known, asked), ""]
    if shown:
        lines += experiment.layout.table(measured)
        for picture in experiment.layout.draw(measured, results.path("png"), title):
            lines += ["", f"![{title}]({picture.name})"]
    text = "\n".join(lines) + "\n"
    write_whole(results.path("md"), lambda file: file.write(text.encode()))
    return text


def write_page(output: Path) -> Path:
    """Put all tables of a folder between the two marks of ``RESULTS.md`` beside it.

    A page without the marks gets them at its end; the rest of the page stays.

    Raises:
        FileNotFoundError: If the folder has no table.
        ValueError: If the page has one of the marks alone, or in the wrong order.
    """
    output = output.resolve()
    tables = [
        table.read_text(encoding="utf-8").replace("](", f"]({output.name}/")
        for name in EXPERIMENTS
        for table in sorted(output.glob(f"{name}-*.md"))
    ]
    if not tables:
        raise FileNotFoundError(f"no table in {output}: expected what 'sybio reproduce NAME RECIPE' wrote")
    page = output.parent / PAGE
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Results\n"
    if (text.count(BEGIN), text.count(END)) == (0, 0):
        text = f"{text.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{page} is expected to have '{BEGIN}' once, and '{END}' once below it")
    whole = before + "\n\n".join([BEGIN, *(table.strip() for table in tables), END]) + after
    write_whole(page, lambda file: file.write(whole.encode()))
    return page


def command(experiment: Experiment, recipe: str, asked: dict[str, Any]) -> str:
    """What to type for an experiment as it was asked for."""
    words = ["sybio", "reproduce", experiment.name, recipe, "--seeds", *map(str, asked["seeds"])]
    if asked["split"] != "test":
        words += ["--split", asked["split"]]
    return shlex.join([*words, *asked["overrides"]])


def _caption(
    experiment: Experiment,
    results: Results,
    plan: Sequence[Planned],
    shown: Sequence[Record],
    known: dict[str, Any],
    asked: dict[str, Any],
) -> list[str]:
    there = {(record.arm, record.seed) for record in shown}
    seeds = sorted({seed for _, seed in there})
    lines = [f"`{command(experiment, asked['recipe'], asked)}`", ""]
    runs = [known[run] for run in dict.fromkeys(record.run for record in shown) if run in known]
    count = f"{len(there)} of {len(plan)} runs are there"
    if not runs:
        return [*lines, f"{count}."]
    spread = "mean ± sample deviation over" if len(seeds) > 1 else "a single"
    lines += [
        f"Ours: {_said(r['dataset'] for r in runs)} (recipe `{results.recipe}`), "
        f"{_number(r['training_clips'] for r in runs)} training clips, measured on the "
        f"{_number(r['measured'][asked['split']]['clips'] for r in runs)} clips of '{asked['split']}'; "
        f"preset {_said('`' + r['preset'] + '`' for r in runs)}, {_number(r['steps'] for r in runs)} steps "
        f"of {_said(r['batch_size'] for r in runs)} clips, precision {_said(r['precision'] for r in runs)}; "
        f"{spread} seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}; {count}. "
        f"Trained in {_range(r['seconds'] for r in runs)} a run on {_said(map(_machine, runs))}."
    ]
    if asked["overrides"]:
        lines[-1] += " All runs have the settings in the command above in place of the recipe's."
    if experiment.paper:
        lines += ["", f"Paper: {experiment.paper}. {_PAPER}"]
    else:
        lines += ["", "The paper has no such figures."]
    if experiment.note:
        lines[-1] += f" {experiment.note}"
    return lines


_PAPER = (
    "Its models are the preset `ntu`, trained for 100 epochs in batches of 64 (NTU RGB+D, Kinetics), and "
    "`mocap`, 100000 steps of 64 clips (Human3.6M, CMU Mocap); it does not say how many seeds. Where data "
    "set, preset or steps are others, as said above, only differences between lines can be compared."
)


def _machine(run: dict[str, Any]) -> str:
    threads = f"{run['threads']} thread{'s' if run['threads'] != 1 else ''}"
    return f"{run['device']} ({threads}, torch {run['versions']['torch']})"


def _said(values: Iterable[Any]) -> str:
    """All different values, the most frequent first."""
    return " or ".join(str(value) for value, _ in Counter(values).most_common())


def _number(values: Iterable[int]) -> str:
    """One or two numbers as they are, of more the least and the greatest."""
    different = set(all_ := list(values))
    return _said(all_) if len(different) <= 2 else f"{min(different)} to {max(different)}"


def _range(seconds: Iterable[float]) -> str:
    low, high = min(all_ := list(seconds)), max(all_)
    return duration(high) if duration(low) == duration(high) else f"{duration(low)} to {duration(high)}"
