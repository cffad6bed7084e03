r"""The report of an evaluation as text and as a file."""

from collections.abc import Mapping, Sequence
from typing import Any

from pyg_sybio.data.printable import printable
from pyg_sybio.trained.evaluation import HORIZONS_MS, PREDICTORS


def format_report(report: Mapping[str, Any], *, by_class: bool = True) -> str:
    """The report as text with Markdown tables; without `by_class`, the tables only have the mean over
    classes."""
    lines = [f"{report['dataset']}: {_counted(report)}"]
    if "observation_ratio" in report:
        lines[0] += f", of which the first {report['observation_ratio']:.0%} was observed"
    if (views := report.get("views", 1)) > 1:
        which = " (half of them mirrored)" if report["mirrored"] else ""
        lines[0] += f", averaged over {views} views of each{which}"
    if recognition := report.get("recognition"):
        lines += ["", _recognition_line(recognition)]
    if "motion" in report and not report["motion"]:
        lines += ["", "motion: no errors, because the future of these clips was not recorded"]
    if not set(horizons := report.get("horizons_ms", ())) <= {*HORIZONS_MS} and "horizon_frames" in report:
        frames, nominal = (", ".join(map(str, each)) for each in (report["horizon_frames"], HORIZONS_MS))
        lines += ["", f"horizons: predicted frames {frames}, the nearest to {nominal} ms, and the last"]
    networks = report.get("actional_graphs", {})
    lines += [""] if networks else []
    for network, graphs in networks.items():
        state = ": dead, all joints receive the same" if graphs["dead"] else ""
        rows = f"rows differ by {graphs['row_distance']:.3f}, entropy {graphs['entropy']:.1%} of uniform"
        lines.append(f"actional graphs of the {network}: {rows}{state}")
    for name, errors in report.get("motion", {}).items():
        lines += ["", *_motion_table(name, errors, horizons, by_class)]
    return "\n".join(map(printable, lines))


def confusion_of_report(report: Mapping[str, Any], *, where: str) -> tuple[list[list[int]], list[str]]:
    r"""The confusion matrix `[C, C]` of a report, true classes in rows, and the classes.

    Args:
        report: A report of :func:`summary`, which may have been read from a file.
        where: Name of the report in error messages.

    Raises:
        ValueError: If there is no confusion matrix, because the model does not recognise or no clip has a
            class that occurred in training, or if the report is not from :func:`summary`.
    """
    recognition = report.get("recognition") if isinstance(report, Mapping) else None
    confusion = recognition.get("confusion") if isinstance(recognition, Mapping) else None
    if not isinstance(confusion, Mapping) or not confusion:
        raise ValueError(
            f"{where} has no confusion matrix, expected a report of 'sybio evaluate' with recognition"
        )
    try:
        # Classes without clips that were predicted by mistake come last.
        names = list(dict.fromkeys([*confusion, *(guess for row in confusion.values() for guess in row)]))
        return [[int(confusion.get(name, {}).get(guess, 0)) for guess in names] for name in names], names
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{where} has a malformed confusion matrix, expected counts: {error}") from error


def _counted(report: Mapping[str, Any]) -> str:
    clips = f"{report['clips']} clips"
    return f"{report['windows']} windows of {clips}" if "windows" in report else clips


def _recognition_line(recognition: Mapping[str, Any]) -> str:
    clips = f"{_counted(recognition)} of {len(recognition['classes'])} classes seen in training"
    if unseen := recognition.get("not_in_training"):
        clips += f"; not counted: {sum(unseen.values())} clips of classes without training clips: "
        clips += ", ".join(unseen)
    if "top1" not in recognition:
        return f"recognition: {clips}"
    top5 = f", top-5 {recognition['top5']:.2%}" if "top5" in recognition else ""
    mean = f", mean class accuracy {recognition['mean_class_accuracy']:.2%}"
    return f"recognition: top-1 {recognition['top1']:.2%}{top5}{mean} ({clips})"


def _motion_table(name: str, errors: Mapping[str, Any], horizons: Sequence[int], by_class: bool) -> list[str]:
    lines = [
        f"| {name:<18} | predictor     | " + " | ".join(f"{ms:>4} ms" for ms in horizons) + " |",
        f"|{'-' * 20}|{'-' * 15}|" + "|".join("-" * 8 + ":" for _ in horizons) + "|",
    ]
    rows = [("mean of classes", errors["mean_of_classes"])]
    if by_class:
        rows = [*errors["classes"].items(), *rows]
    for label, row in rows:
        for predictor in (*PREDICTORS, "ratio"):
            values = ("      –" if value is None else f"{value:7.3f}" for value in row[predictor])
            shown = predictor.replace("_", " ")
            lines.append(f"| {label:<18} | {shown:<13} | " + " | ".join(values) + " |")
    return lines
