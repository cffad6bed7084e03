r"""Write tables and figures from result files, and a page that contains them all."""

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pyg_sybio.experiments.catalogue import EXPERIMENTS, PAPER
from pyg_sybio.experiments.experiment import Experiment
from pyg_sybio.experiments.results import Measured, Record, Results
from pyg_sybio.files import write_whole
from pyg_sybio.training.keep_checkpoint import Say, duration

BEGIN, END = "<!-- sybio reproduce: begin -->", "<!-- sybio reproduce: end -->"
PAGE = "RESULTS.md"


class Planned(NamedTuple):
    """A training run that an experiment requires."""

    arm: str
    seed: int
    run: str
    overrides: tuple[str, ...]
    settings: dict[str, Any]


def current(records: Iterable[Record], plan: Sequence[Planned], split: str) -> list[Record]:
    """Return the records of the planned runs."""
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
    """Write the table and the figures of the available results, and return the text of the table."""
    records = [record for record in results.records() if record.split == asked["split"]]
    shown = current(records, plan, asked["split"])
    if len(records) > len(shown):
        stale = {record.key for record in records} - {record.key for record in shown}
        rows, runs = len(records) - len(shown), sorted({f"{key[0]} (run {key[2]})" for key in stale})
        say(f"note: {rows} rows of {len(stale)} runs with other settings are not shown: {', '.join(runs)}")
    facts = results.facts()["runs"]
    known = {planned.run: facts[planned.run] for planned in plan if planned.run in facts}
    dataset = next((run["dataset"] for run in known.values()), "")
    measured = Measured(experiment.arm_names, shown, dataset)
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
    """Write all tables of a folder into ``RESULTS.md`` next to the folder, between two marker comments.

    The text outside the markers is kept. If the page has no markers, they are added at the end.

    Raises:
        FileNotFoundError: If the folder has no table.
        ValueError: If the page has only one marker, or both in the wrong order.
    """
    output = output.resolve()
    tables = [
        table.read_text(encoding="utf-8").replace("](", f"]({output.name}/").strip()
        for name in EXPERIMENTS
        for table in sorted(output.glob(f"{name}-*.md"))
    ]
    if not tables:
        raise FileNotFoundError(f"no table in {output}: expected the output of 'sybio reproduce NAME RECIPE'")
    page = output.parent / PAGE
    text = page.read_text(encoding="utf-8") if page.is_file() else "# Results\n"
    if BEGIN not in text and END not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end or text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{page} is expected to have '{BEGIN}' once, and '{END}' once below it")
    whole = before + "\n\n".join([BEGIN, *tables, END]) + after
    write_whole(page, lambda file: file.write(whole.encode()))
    return page


def _caption(
    experiment: Experiment,
    results: Results,
    plan: Sequence[Planned],
    shown: Sequence[Record],
    known: dict[str, Any],
    asked: dict[str, Any],
) -> list[str]:
    words = ["sybio", "reproduce", experiment.name, asked["recipe"], "--seeds", *map(str, asked["seeds"])]
    words += ["--split", asked["split"]] if asked["split"] != "test" else []
    lines = [f"`{shlex.join([*words, *asked['overrides']])}`", ""]
    finished = {(record.arm, record.seed) for record in shown}
    seeds = sorted({seed for _, seed in finished})
    count = f"{len(finished)} of {len(plan)} runs are finished"
    runs = [known[run] for run in dict.fromkeys(record.run for record in shown) if run in known]
    if not runs:
        return [*lines, f"{count}."]
    spread = "mean ± standard deviation over seeds" if len(seeds) > 1 else "a single seed"
    low, high = (f(run["seconds"] for run in runs) for f in (min, max))
    lines.append(
        f"Ours: {_said(r['dataset'] for r in runs)} (recipe `{results.recipe}`), "
        f"{_number(r['training_clips'] for r in runs)} training clips, measured on the "
        f"{_number(r['measured'][asked['split']]['clips'] for r in runs)} clips of '{asked['split']}'; "
        f"preset {_said('`' + r['preset'] + '`' for r in runs)}, {_number(r['steps'] for r in runs)} steps "
        f"of {_said(r['batch_size'] for r in runs)} clips, precision {_said(r['precision'] for r in runs)}; "
        f"{spread} {', '.join(map(str, seeds))}; {count}. "
        f"Training took {' to '.join(dict.fromkeys((duration(low), duration(high))))} per run on "
        f"{_said(map(_machine, runs))}."
    )
    if asked["overrides"]:
        lines[-1] += " The settings in the command above apply to all runs."
    if experiment.paper:
        lines += ["", f"Paper: {experiment.paper}. {PAPER['models']}"]
    else:
        lines += ["", "The paper has no such table or figure."]
    if experiment.note:
        lines[-1] += f" {experiment.note}"
    return lines


def _machine(run: dict[str, Any]) -> str:
    threads = f"{run['threads']} thread{'s' if run['threads'] != 1 else ''}"
    return f"{run['device']} ({threads}, torch {run['versions']['torch']})"


def _said(values: Iterable[Any]) -> str:
    """Join the distinct values, most frequent first."""
    return " or ".join(str(value) for value, _ in Counter(values).most_common())


def _number(values: Iterable[int]) -> str:
    """Format up to two different numbers as a list, and more numbers as a range."""
    found = list(values)
    return _said(found) if len(set(found)) <= 2 else f"{min(found)} to {max(found)}"
