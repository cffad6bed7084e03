"""A summary of recordings as tables for a terminal."""

from collections.abc import Mapping, Sequence

from pyg_sybio.data.printable import printable
from pyg_sybio.data.summary.summary import Summary
from pyg_sybio.data.summary.tally import Tally, spread

_ROWS_SHOWN, _JOINTS_SHOWN, _FAILURES_SHOWN = 20, 8, 20
_KINDS = ("frame rate", "persons", "skeleton")

Columns = Sequence[tuple[str, Tally]]


def summary_text(summary: Summary) -> str:
    """Aligned tables with a column for all clips and one per split; long lists are truncated."""
    columns = [("all", summary.all), *summary.splits.items()]
    several = [name for name in _KINDS if len(summary.all.of(name)) > 1]
    tables = [_overview(columns, [name for name in _KINDS if name not in several])]
    # The prefix distinguishes an id from another count of the same name.
    counted = {name: [tally.of(name) for _, tally in columns] for name in ("class", *several)}
    counted |= {f"id {name}": [tally.of_id(name) for _, tally in columns] for name in sorted(summary.all.ids)}
    tables += [
        _counts(name.removeprefix("id "), columns, counts) for name, counts in counted.items() if counts[0]
    ]
    tables += [_missing(name, columns) for name in sorted(summary.all.joints)]
    # A row with a single cell is a remark, which does not affect the column widths.
    cells = [row for table in tables for row in table if len(row) > 1]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    blocks = [[_line(row, widths) for row in table] for table in tables]
    blocks = [_heading(summary), *blocks, _notes(summary), _failures(summary)]
    return "\n\n".join("\n".join(map(printable, block)) for block in blocks if block)


def _heading(summary: Summary) -> list[str]:
    formats = ", ".join(f"{count} {suffix}" for suffix, count in summary.all.of("format").items())
    files = f"{summary.num_files} file{'s' if summary.num_files != 1 else ''}"
    lines = [f"{summary.path}: {files}, {len(summary.all.lengths)} clips ({formats or 'none'})"]
    if summary.others:
        counts = ", ".join(f"{count} {suffix}" for suffix, count in summary.others.items())
        lines.append(f"not read as motions: {counts}")
    return lines


def _notes(summary: Summary) -> list[str]:
    notes = [f"  {count} {note}" for note, count in summary.all.notes.most_common()]
    return ["clips with decisions of the reader", *notes] if notes else []


def _failures(summary: Summary) -> list[str]:
    if not summary.failures:
        return []
    shown = [f"  {message}" for message in list(summary.failures.values())[:_FAILURES_SHOWN]]
    rest = [row for (row,) in _more(len(summary.failures) - _FAILURES_SHOWN)]
    return ["cannot be read", *shown, *rest]


def _overview(columns: Columns, kinds: Sequence[str]) -> list[list[str]]:
    """Sizes of the data, and the values of `kinds`, which are properties with one value in all clips."""
    tallies = [tally for _, tally in columns]
    rows = [["", *(name for name, _ in columns)], ["clips", *(str(len(tally.lengths)) for tally in tallies)]]
    if tallies[0].unlabelled:
        rows.append(["  without a class", *(str(tally.unlabelled) for tally in tallies)])
    rows.append(["classes", *(str(len(tally.of("class"))) for tally in tallies)])
    rows += _ranges("frames", [tally.lengths for tally in tallies], ".10g")
    if tallies[0].seconds:
        rows += _ranges("seconds", [tally.seconds for tally in tallies], ".2f")
    rows += [[kind, *(", ".join(tally.of(kind)) or "-" for tally in tallies)] for kind in kinds]
    empty = [_percent(tally.empty / max(sum(tally.lengths), 1)) for tally in tallies]
    return [*rows, ["frames without persons", *empty]]


def _ranges(name: str, values: Sequence[Sequence[float]], form: str) -> list[list[str]]:
    found = [spread(numbers) for numbers in values]
    return [
        [f"{name}, {which}", *("-" if each is None else format(each[which], form) for each in found)]
        for which in ("min", "median", "max")
    ]


def _counts(name: str, columns: Columns, counts: Sequence[Mapping[str, int]]) -> list[list[str]]:
    values = list(counts[0])
    return [
        [f"clips by {name}", *(name for name, _ in columns)],
        *([f"  {value}", *(str(count.get(value, 0)) for count in counts)] for value in values[:_ROWS_SHOWN]),
        *_more(len(values) - _ROWS_SHOWN),
    ]


def _missing(skeleton: str, columns: Columns) -> list[list[str]]:
    shares = [tally.missing(skeleton) for _, tally in columns]
    worst = [joint for joint, share in sorted(shares[0].items(), key=lambda item: -item[1]) if share > 0]
    if not worst:
        return [[f"no joint of {skeleton} is missing in frames with persons"]]
    return [
        [f"missing joints of {skeleton}", *(name for name, _ in columns)],
        *(
            [f"  {joint}", *(_percent(share[joint]) if share else "-" for share in shares)]
            for joint in worst[:_JOINTS_SHOWN]
        ),
        *_more(len(worst) - _JOINTS_SHOWN),
    ]


def _more(number: int) -> list[list[str]]:
    return [[f"  and {number} more"]] if number > 0 else []


def _percent(share: float) -> str:
    """A fraction as a percentage; a fraction above 0 is never shown as 0."""
    return "0 %" if share == 0 else "<0.01 %" if share < 1e-4 else f"{100 * share:.2f} %"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    if len(row) == 1:
        return row[0]
    cells = [f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join([f"{row[0]:<{widths[0]}}", *cells])
