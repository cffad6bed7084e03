r"""Results on disk: a CSV file of measured values, and a JSON file that describes the runs."""

import csv
import io
import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from pyg_sybio.experiments.rows import MOTION_ERROR, OBSERVATION, OF_ZERO_VELOCITY, Row
from pyg_sybio.files import write_whole

COLUMNS = ("recipe", "run", "arm", "seed", "split", "metric", "group", "at", "value")


class Record(NamedTuple):
    """A measured value of a run; a line of the CSV file."""

    recipe: str
    run: str
    arm: str
    seed: int
    split: str
    row: Row

    @property
    def key(self) -> tuple[str, int, str, str]:
        """Key of the measured quantity; a new record replaces a record with the same key."""
        return self.arm, self.seed, self.run, self.split


class Results:
    """The result files of one experiment with one recipe.

    Args:
        output: Folder of all results.
        experiment: Name of the experiment.
        recipe: Name of the recipe.
    """

    def __init__(self, output: Path, experiment: str, recipe: str) -> None:
        self.output, self.experiment, self.recipe = output, experiment, recipe

    def path(self, kind: str) -> Path:
        """The path of the file with a suffix: ``csv``, ``json``, ``md`` or ``png``."""
        return self.output / f"{self.experiment}-{self.recipe}.{kind}"

    def records(self) -> list[Record]:
        """All measured values.

        Raises:
            ValueError: If a line of the file is invalid.
        """
        path = self.path("csv")
        if not path.is_file():
            return []
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ValueError(
                    f"{path} has the columns {', '.join(reader.fieldnames or ())}, "
                    f"expected {', '.join(COLUMNS)}"
                )
            return [_record(line, f"{path}:{reader.line_num}") for line in reader]

    def facts(self) -> dict[str, Any]:
        """The content of the JSON file: the options of the last call (``asked``), and ``runs`` by digest."""
        path = self.path("json")
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"asked": None, "runs": {}}

    def ask(self, asked: Mapping[str, Any]) -> None:
        """Save the options of the current call of :func:`~pyg_sybio.experiments.reproduce.reproduce`."""
        with self._lock():
            self._write_facts({**self.facts(), "asked": dict(asked)})

    def add(self, records: Iterable[Record], facts: Mapping[str, Any], arms: Sequence[str]) -> None:
        """Add the measured values of one run, replacing earlier values of the run.

        Args:
            records: The numbers.
            facts: Facts about the run for the JSON file.
            arms: Names of the arms, in the order of the file.
        """
        new = list(records)
        replaced = {record.key for record in new}
        with self._lock():
            kept = [record for record in self.records() if record.key not in replaced]

            def order(record: Record) -> tuple[int, str, int, str, str]:
                place = arms.index(record.arm) if record.arm in arms else len(arms)
                return place, record.arm, record.seed, record.split, record.run

            known = self.facts()
            # Facts are written first, because the caption of the table requires them.
            self._write_facts({**known, "runs": {**known["runs"], facts["run"]: dict(facts)}})
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(COLUMNS)
            for *of_run, row in sorted([*kept, *new], key=order):
                at = None if row.at is None else float(row.at)
                writer.writerow([*of_run, row.metric, row.group, at, float(row.value)])
            write_whole(self.path("csv"), lambda file: file.write(text.getvalue().encode()))

    def _write_facts(self, facts: Mapping[str, Any]) -> None:
        text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
        write_whole(self.path("json"), lambda file: file.write(text.encode()))

    def _lock(self) -> FileLock:
        """Lock of the files, because several processes may add values to one table."""
        folder = self.output / "runs"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{self.experiment}-{self.recipe}.lock")


class Value(NamedTuple):
    """Mean and standard deviation over seeds; a single seed has no deviation."""

    mean: float
    deviation: float | None


class Measured:
    """The measured values of one table, by arm, metric, group and position.

    Args:
        arms: The names of the arms, in the order of the table.
        records: The numbers.
        dataset: Name of the dataset class.
    """

    def __init__(self, arms: Sequence[str], records: Iterable[Record], dataset: str = "") -> None:
        self.arms = tuple(arms)
        self.dataset = dataset
        self._values: dict[tuple[str, str, str, float | None], list[float]] = {}
        for record in records:
            metric, group, at, value = record.row
            self._values.setdefault((record.arm, metric, group, at), []).append(value)

    def metric(self, name: str) -> str:
        """Return the name of a metric, with :data:`MOTION_ERROR` replaced by the first error of the data
        set.
        """
        if not name.startswith(MOTION_ERROR):
            return name
        metrics = dict.fromkeys(metric for _, metric, _, _ in self._values)
        errors = [m for m in metrics if m + OF_ZERO_VELOCITY in metrics and not m.startswith("pck")]
        return name.replace(MOTION_ERROR, errors[0]) if errors else name

    def value(
        self,
        arm: str,
        metric: str,
        group: str = "",
        at: float | None = None,
        *,
        until: float | None = None,
        scale: float = 1.0,
    ) -> Value | None:
        """The scaled mean and standard deviation of a value over the seeds; None if it was not measured.

        Args:
            arm: Name of the arm.
            metric: Name of the metric.
            group: Group of the metric.
            at: Position of the value, such as a horizon.
            until: If given, the value is the mean over all positions up to this position, and `at` is
                ignored.
            scale: Factor by which the value is multiplied.
        """
        metric = self.metric(metric)
        places = [at] if until is None else [place for place in self.places(metric) if place <= until]
        found = [v for at in places if (v := self._values.get((arm, metric, group, at))) is not None]
        by_seed = [scale * statistics.fmean(values) for values in zip(*found, strict=True)]
        return _over_seeds(by_seed) if by_seed else None

    def places(self, metric: str, group: str | None = None) -> list[float]:
        """The positions of a metric, such as horizons, frames or ratios."""
        metric = self.metric(metric)
        places = {at for _, m, g, at in self._values if m == metric and group in (None, g)}
        return sorted(at for at in places if at is not None)

    def groups(self, metric: str) -> list[str]:
        """The groups of a metric, in the order of the file."""
        metric = self.metric(metric)
        return list(dict.fromkeys(group for _, m, group, _ in self._values if m == metric))


def observation_curves(path: Path) -> dict[str, dict[float, Value]]:
    """Read the accuracy by observation ratio from a CSV file of the experiment `observation`.

    Args:
        path: The CSV file `observation-RECIPE.csv`.

    Returns:
        For each arm, the mean accuracy over seeds by observation ratio. If the file has several splits, the
        name of an arm includes the split.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is not a result file of `observation`, or has several runs of one arm and
            seed.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: expected results of 'sybio reproduce observation'")
    experiment, _, recipe = path.stem.partition("-")
    if experiment != OBSERVATION or not recipe:
        raise ValueError(f"{path} is not named {OBSERVATION}-RECIPE.csv, as results of that experiment are")
    records = Results(path.parent, experiment, recipe).records()
    records = [record for record in records if record.row.metric == "top1" and record.row.at is not None]
    if not records:
        raise ValueError(f"{path} has no accuracy by observation ratio")
    runs: dict[tuple[str, int, str], str] = {}
    for record in records:
        if runs.setdefault((record.arm, record.seed, record.split), record.run) != record.run:
            raise ValueError(
                f"{path} has several runs of '{record.arm}', seed {record.seed}, on {record.split}: "
                f"'sybio reproduce {experiment} {recipe} --report' draws the figures of the last call"
            )
    several = len({record.split for record in records}) > 1
    curves: dict[str, dict[float, list[float]]] = {}
    for record in records:
        name = f"{record.arm} ({record.split})" if several else record.arm
        curves.setdefault(name, {}).setdefault(record.row.at or 0.0, []).append(record.row.value)
    return {name: {at: _over_seeds(curve[at]) for at in sorted(curve)} for name, curve in curves.items()}


def _over_seeds(values: Sequence[float]) -> Value:
    known = len(values) > 1 and all(map(math.isfinite, values))
    return Value(statistics.fmean(values), statistics.stdev(values) if known else None)


def _record(line: Mapping[str, str], where: str) -> Record:
    try:
        at = float(line["at"]) if line["at"] else None
        row = Row(line["metric"], line["group"], at, float(line["value"]))
        return Record(line["recipe"], line["run"], line["arm"], int(line["seed"]), line["split"], row)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} is invalid ({error}), expected {', '.join(COLUMNS)}") from error
