"""Latency of exported models in onnxruntime, beside PyTorch eager, folded and compiled in the same run.

    python benchmarks/exported.py                                 realtime and mocap, one clip
    python benchmarks/exported.py --presets ntu --batch 1 8
    python benchmarks/exported.py --modes folded --seconds 20     without a C++ compiler

A sample is one clip, as the preset's data has it, and `ms` is the time of the whole batch. All modes of a
model are timed in turn, with the threads that torch has (`OMP_NUM_THREADS`): the modes of `common.py` that
are asked for, and `onnx`, the file that `sybio export onnx` writes, called as `sybio predict` and
`sybio stream` call it. `x eager` is the eager mode's time over this one's. `MB` is the size of the file,
`difference` the largest one from PyTorch that the export found, over the largest magnitude of an output or 1.
`time x ceiling` is the time a clip by the ceiling in single precision, in GFLOP.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from common import (
    Row,
    add_common_arguments,
    add_modes_argument,
    argument_parser,
    around_in_turn,
    build,
    environment,
    in_mode,
    parsed,
    report,
    single,
    whole_number,
)

from pyg_sybio.export import Exported, export_onnx
from pyg_sybio.models.presets import PRESETS
from pyg_sybio.models.sybio_gnn import SybioGNN
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
    """Measure and print."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--presets", nargs="+", choices=PRESETS, default=["realtime", "mocap"], metavar="PRESET"
    )
    add_modes_argument(parser, ["eager", "folded", "compiled"])
    parser.add_argument("--batch", nargs="+", type=whole_number, default=[1], help="clips (default: 1)")
    add_common_arguments(parser)
    arguments = parsed(parser, argv)
    if arguments.device.type != "cpu":
        parser.error("argument --device: onnxruntime is measured on the CPU, expected cpu")
    report(measure_all(arguments), COLUMNS, environment(arguments.device), arguments.output)


def measure_all(arguments: argparse.Namespace) -> Iterator[Row]:
    """Rows of all that was asked for."""
    for preset in arguments.presets:
        model, x = build(preset)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            exported = export_onnx(model, path, persons=x.size(1) > 1)
            onnx = OnnxModel.load(path)
        for batch in arguments.batch:
            yield from measure(preset, model, onnx, exported, batch, arguments)


def measure(
    preset: str,
    model: SybioGNN,
    onnx: OnnxModel,
    exported: Exported,
    batch: int,
    arguments: argparse.Namespace,
) -> Iterator[Row]:
    """Measure one model in all modes, which are timed in turn."""
    _, x = build(preset, batch=batch)
    modes = [*arguments.modes, "onnx"]
    runs: list[Any] = [in_mode(model, mode, x) for mode in arguments.modes]
    clips = single(x)
    measured = around_in_turn([*runs, lambda: onnx(clips)], torch.device("cpu"), arguments.seconds)
    eager = measured[modes.index("eager")].p50 if "eager" in modes else None
    for mode, own in zip(modes, measured, strict=True):
        is_file = mode == "onnx"
        yield {
            "preset": preset,
            "mode": mode,
            "batch": batch,
            "persons": x.size(1),
            "frames": x.size(2),
            "joints": x.size(3),
            "MB": exported.num_bytes / 1e6 if is_file else None,
            "difference": max(exported.differences.values()) if is_file else None,
            "runs": len(own.times),
            "p50 ms": 1e3 * own.p50,
            "p95 ms": 1e3 * own.p95,
            "p99 ms": 1e3 * own.p99,
            "x eager": None if eager is None else eager / own.p50,
            "time x ceiling": own.time_ceiling / batch,
            "ceiling fp32": own.ceiling_fp32,
        }


if __name__ == "__main__":
    main()
