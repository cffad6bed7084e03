"""Command-line options and reports for all benchmarks."""

import argparse
import json
import platform
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import timing
import torch

from pyg_sybio.files import write_whole
from pyg_sybio.models.presets import PRESETS, VARIANTS

Row = Mapping[str, Any]

CPU_MODES = ("eager", "bf16", "folded", "folded-bf16", "compiled", "compiled-bf16")
MODES = (*CPU_MODES, "graph", "graph-bf16")
"""Modes in which a model is evaluated.

- ``eager``: the model itself under ``torch.inference_mode``; every layer runs its ``forward``
- ``bf16``: as ``eager``, under autocast to bfloat16
- ``folded``, ``folded-bf16``: :meth:`~pyg_sybio.SybioGNN.folded` in float32 and bfloat16
- ``compiled``, ``compiled-bf16``: ``torch.compile`` of the folded model
- ``graph``, ``graph-bf16``: a CUDA graph of the folded model (only on CUDA)
"""


# Command line ---------------------------------------------------------------------------------------------


def positive_int(text: str) -> int:
    """Parse a positive integer."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return int(text)


def _device(text: str) -> torch.device:
    name, _, index = text.partition(":")
    if name not in ("cpu", "cuda") or not (index.isdecimal() or not index):
        raise argparse.ArgumentTypeError(f"expected cpu or cuda, got {text!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise argparse.ArgumentTypeError(f"{text!r}: torch finds no CUDA device")
    return torch.device(text)


COMMON: Mapping[str, Any] = {"device": torch.device("cpu"), "seconds": 4.0, "output": None}
"""The options that most benchmarks share."""

_OPTIONS: Mapping[str, dict[str, Any]] = {
    "preset": {"choices": PRESETS, "metavar": "PRESET", "help": "model size"},
    "presets": {"nargs": "+", "choices": PRESETS, "metavar": "PRESET", "help": "model sizes"},
    "variants": {"nargs": "+", "choices": VARIANTS, "metavar": "VARIANT", "help": "variants of the model"},
    "modes": {
        "nargs": "+",
        "metavar": "MODE",
        "help": f"any of {', '.join(MODES)}; the graph modes need CUDA",
    },
    "precisions": {"nargs": "+", "choices": timing.PRECISIONS, "metavar": "PRECISION", "help": "fp32, bf16"},
    "batch": {"nargs": "+", "type": positive_int, "metavar": "N", "help": "clips per batch"},
    "persons": {"type": positive_int, "metavar": "N", "help": "persons per clip (default: the preset's)"},
    "frames": {"type": positive_int, "metavar": "N", "help": "observed frames (default: the preset's)"},
    "device": {"type": _device, "help": "cpu or cuda"},
    "seconds": {"type": float, "help": "seconds to measure each model"},
    "output": {
        "type": Path,
        "metavar": "FILE.json",
        "help": "also write the environment and the results to this file",
    },
}


def argument_parser(documentation: str | None, **defaults: Any) -> argparse.ArgumentParser:
    """Return a parser with the requested shared options.

    Args:
        documentation: The docstring of the script, which is the help text.
        **defaults: The requested options, as names and default values.
    """
    parser = argparse.ArgumentParser(
        description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in defaults.items():
        settings = dict(_OPTIONS[name])
        if default is not None:
            shown = " ".join(map(str, default)) if isinstance(default, list | tuple) else default
            settings["help"] += f" (default: {shown})"
        parser.add_argument(f"--{name}", default=default, **settings)
    return parser


def parsed(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse arguments; if bfloat16 is emulated, remove bfloat16 from the default modes and print a message.

    If the device does not support a mode, the parser exits with a usage error.
    """
    arguments = parser.parse_args(argv)
    device = getattr(arguments, "device", torch.device("cpu"))
    left_out = []
    for name in ("modes", "precisions"):
        values = getattr(arguments, name, None) or []
        if name == "modes" and values:
            try:
                check_modes(values, device)
            except ValueError as error:
                parser.error(f"argument --modes: {error}")
        if values is parser.get_default(name) and "bf16" not in timing.native_precisions(device):
            left_out += [value for value in values if value.endswith("bf16")]
            setattr(arguments, name, [value for value in values if not value.endswith("bf16")])
    if left_out:
        print(f"This {device.type} emulates bfloat16: {', '.join(left_out)} skipped unless requested")
    return arguments


def check_modes(modes: Iterable[str], device: torch.device) -> None:
    """Raise a :class:`ValueError` if the device does not support one of the modes."""
    known = MODES if device.type == "cuda" else CPU_MODES
    for mode in modes:
        if mode not in known:
            raise ValueError(f"unknown mode '{mode}' on {device.type}, expected {', '.join(known)}")


def run(
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None,
    rows: Callable[[argparse.Namespace], Iterable[Row]],
    columns: Mapping[str, str],
) -> None:
    """Parse the arguments, measure the rows, and print and save them as a table."""
    arguments = parsed(parser, argv)
    device = getattr(arguments, "device", torch.device("cpu"))
    Report(environment(device), arguments.output).table(rows(arguments), columns)


# Report ---------------------------------------------------------------------------------------------------


class Report:
    """Print each row of a table as soon as it is measured, and save all rows so far as JSON.

    Args:
        environment: Description of the machine (:func:`environment`).
        output: The JSON file. (default: none)
    """

    def __init__(self, environment: Mapping[str, Any], output: Path | None = None) -> None:
        self.document: dict[str, Any] = {"environment": environment}
        self._output = output
        for key, value in environment.items():
            print(f"{key}: {value}")

    def table(
        self,
        rows: Iterable[Row],
        columns: Mapping[str, str],
        name: str = "rows",
        shown: Callable[[Row], bool] = lambda row: True,
    ) -> list[Row]:
        """Print a table and add its rows to the document.

        Args:
            rows: The results; a row may contain more values than the table shows.
            columns: Name of each column, and the format of its values, such as ``">8.2f"``. The value
                :obj:`None` is printed as a dash.
            name: Key of the list of rows in the JSON document.
            shown: Function that returns whether to print a row.

        Returns:
            The rows.
        """
        known = list(filter(shown, rows)) if isinstance(rows, Sequence) else []
        widths = {
            key: max(map(len, (key, _cell(None, spec), *(_cell(row[key], spec) for row in known))))
            for key, spec in columns.items()
        }
        header = (f"{key:{spec[0]}{widths[key]}}" for key, spec in columns.items())
        print("\n" + "  ".join(header).rstrip(), flush=True)
        done: list[Row] = []
        for row in rows:
            if shown(row):
                cells = (f"{_cell(row[key], spec):{spec[0]}{widths[key]}}" for key, spec in columns.items())
                print("  ".join(cells).rstrip(), flush=True)
            done.append(row)
            self.document.setdefault(name, []).append(row)
            if not known:
                self._write()
        self._write()
        return done

    def _write(self) -> None:
        if self._output is not None:
            text = json.dumps(self.document, indent=2) + "\n"
            write_whole(self._output, lambda file: file.write(text.encode()))


def _cell(value: object, spec: str) -> str:
    """Format a value; :obj:`None` becomes a dash of the same width."""
    if value is not None:
        return format(value, spec)
    width = re.search(r"\d+", spec)
    return f"{'-':{spec[0]}{width[0] if width else 1}}"


def environment(device: torch.device) -> dict[str, Any]:
    """Describe the machine and its software, and measure the peak rates (ceilings) of the device."""
    result: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if (commit := commit_of(Path(__file__))) is not None:
        result["commit"] = commit
    for name, dtype in timing.native_precisions(device).items():
        convolution, product = timing.convolution_ceiling, timing.product_ceiling
        result[f"convolution ceiling in {name}, GFLOP/s"] = round(convolution(device, dtype), 1)
        result[f"matrix product ceiling in {name}, GFLOP/s"] = round(product(device, dtype), 1)
    return result


def processor_name() -> str:
    """Return the model name of the processor, or its architecture if the system does not report a name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit_of(file: Path) -> str | None:
    """Return the commit of the checkout that tracks a file, or :obj:`None`."""
    git = partial(subprocess.run, cwd=file.parent, capture_output=True, text=True, check=True)
    try:
        # An installed copy may be inside an unrelated git repository that does not track this file.
        git(["git", "ls-files", "--error-unmatch", file.name])
        return str(git(["git", "describe", "--always", "--dirty", "--abbrev=10"]).stdout.strip())
    except (OSError, subprocess.CalledProcessError):
        return None
