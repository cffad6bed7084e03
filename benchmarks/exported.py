"""Latency of exported models in onnxruntime, compared with PyTorch (eager, folded, compiled) in the same run.

    python benchmarks/exported.py                                 # realtime and mocap, one clip
    python benchmarks/exported.py --presets ntu --batch 1 8
    python benchmarks/exported.py --modes folded --seconds 20     # without a C++ compiler

A sample is one clip of the size of the preset's data; times are for the whole batch. All modes of a model are
timed alternately, with torch's number of threads (`OMP_NUM_THREADS`): the requested modes of `latency.py`,
and `onnx`. `onnx` runs the file that `sybio export onnx` writes, in the same way as `sybio predict` and
`sybio stream`. `x eager` is the speed-up over eager. `MB` is the size of the ONNX file. `difference` is the
largest deviation from PyTorch that the export measured, relative to the largest absolute output value, or to
1 if that is larger. `time x ceiling` is the time per clip times the ceiling in single precision, in GFLOP.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from common import COMMON, Report, Row, argument_parser, environment, parsed
from modes import build, in_mode, single
from timing import around_in_turn

from pyg_sybio.export import export_onnx
from pyg_sybio.trained.onnx_model import OnnxModel

COLUMNS = {
    "preset": "<9",
    "mode": "<13",
    "batch": ">5d",
    "MB": ">6.2f",
    "difference": ">10.1e",
    "p50 ms": ">8.2f",
    "p95 ms": ">8.2f",
    "p99 ms": ">8.2f",
    "x eager": ">7.2f",
    "time x ceiling": ">7.2f",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure PyTorch and onnxruntime, and print the times."""
    defaults = {"presets": ["realtime", "mocap"], "modes": ["eager", "folded", "compiled"], "batch": [1]}
    parser = argument_parser(__doc__, **defaults, **COMMON)
    arguments = parsed(parser, argv)
    if arguments.device.type != "cpu":
        parser.error("argument --device: onnxruntime is measured on the CPU, expected cpu")
    Report(environment(arguments.device), arguments.output).table(rows(arguments), COLUMNS)


def rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield a row per preset, batch and mode."""
    for preset in arguments.presets:
        model, x = build(preset)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            exported = export_onnx(model, path, persons=x.size(1) > 1)
            onnx = OnnxModel.load(path)
        of_file = {"MB": exported.num_bytes / 1e6, "difference": max(exported.differences.values())}
        for batch in arguments.batch:
            x = single(build(preset, batch=batch)[1])
            runs: dict[str, Any] = {mode: in_mode(model, mode, x) for mode in arguments.modes}
            runs["onnx"] = partial(onnx, x)
            measured = around_in_turn(list(runs.values()), arguments.device, arguments.seconds)
            eager = next((own.p50 for mode, own in zip(runs, measured, strict=True) if mode == "eager"), None)
            for mode, own in zip(runs, measured, strict=True):
                yield {
                    "preset": preset,
                    "mode": mode,
                    "batch": batch,
                    "x eager": None if eager is None else eager / own.p50,
                    **(of_file if mode == "onnx" else dict.fromkeys(of_file)),
                    **own.figures(clips=batch),
                }


if __name__ == "__main__":
    main()
