"""What the benchmarks share: samples, models in each way of running, ceilings, timings, and reports.

A model is measured in a mode, a way of running it in evaluation:

plain          layer by layer, as in training
eager          as `model.eval()` runs
bf16           eager, under autocast to bfloat16
folded         what `model.folded()` returns: norms and constants folded into the weights
folded-bf16    `model.folded(dtype=torch.bfloat16)`
compiled       torch.compile of the folded model
compiled-bf16  torch.compile of the folded model in bfloat16
graph          CUDA graph of the folded model, on CUDA alone
graph-bf16     CUDA graph of the folded model in bfloat16, on CUDA alone

The ceiling of a machine is what the temporal convolution of the widest use reaches, a 9×1 convolution of 128
channels over 2×150×25 positions, channels last. It is measured before and after every model in the same
process, because a machine's speed drifts, and `time × ceiling`, the median time by the mean of both in
single precision, is the work in GFLOP that the machine could have done meanwhile: it can be compared
between machines and days. A device without native bfloat16 has no ceiling in it, and its shares are dashes.
"""

import argparse
import copy
import ctypes
import gc
import json
import multiprocessing
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import torch
from equations import model_flops
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.utils.flop_counter import FlopCounterMode

from pyg_sybio import SybioGNN, load_skeleton
from pyg_sybio.files import write_whole
from pyg_sybio.models.presets import PRESETS
from pyg_sybio.models.sybio_gnn import SybioOutput
from pyg_sybio.nn.input_norm import InputNorm
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.testing import randomize
from pyg_sybio.training.precision import has_native_bf16

Row = Mapping[str, Any]
Run = Callable[[], object]

# Samples and models ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """What one clip of a preset's data looks like."""

    skeleton: str
    persons: int
    observed: int
    future: int
    classes: int


_SAMPLES = {
    "ntu": Sample("ntu25", persons=2, observed=290, future=10, classes=60),
    "mocap": Sample("h36m32:used", persons=1, observed=50, future=10, classes=15),
    "realtime": Sample("ntu25", persons=1, observed=64, future=10, classes=60),
    "demo": Sample("ntu25", persons=1, observed=25, future=10, classes=12),
}
SAMPLES: Mapping[str, Sample] = {preset: _SAMPLES[preset] for preset in PRESETS}
"""The sample of each preset."""


def build(
    preset: str,
    device: torch.device | str = "cpu",
    *,
    batch: int = 1,
    persons: int | None = None,
    observed: int | None = None,
    skeleton: str | Skeleton | None = None,
    **overrides: Any,
) -> tuple[SybioGNN, Tensor]:
    """Return a model in evaluation and motions for it, the same in every run.

    Weights and statistics are random numbers that keep a signal's size, as if the model had been trained.

    Args:
        preset: Size of the model, and of its sample.
        device: Where both are put.
        batch: The number of clips.
        persons: Persons in a clip, in place of the sample's.
        observed: Observed frames, in place of the sample's.
        skeleton: A skeleton or the name of one, in place of the sample's.
        **overrides: Arguments of the model's constructor, in place of the preset's.

    Returns:
        The model, and motions ``[N, P, T, M, D]``.

    Raises:
        ValueError: If there is no such preset, skeleton, or argument.
    """
    if preset not in SAMPLES:
        raise ValueError(f"there is no preset '{preset}'; there are {', '.join(SAMPLES)}")
    sample = SAMPLES[preset]
    body = skeleton if isinstance(skeleton, Skeleton) else load_skeleton(skeleton or sample.skeleton)
    arguments = {"num_classes": sample.classes, "num_future": sample.future, **overrides}
    shape = (batch, persons or sample.persons, observed or sample.observed, body.num_joints)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = SybioGNN.from_preset(preset, skeleton=body, **arguments)
        randomize(model)
        x = torch.randn(*shape, model.in_channels)
    return model.eval().to(device), x.to(device)


# Modes ----------------------------------------------------------------------------------------------------

_CPU_MODES = ("plain", "eager", "bf16", "folded", "folded-bf16", "compiled", "compiled-bf16")
_CUDA_MODES = (*_CPU_MODES, "graph", "graph-bf16")


def modes(device: torch.device) -> tuple[str, ...]:
    """The modes in which a model can run on a device."""
    return _CUDA_MODES if device.type == "cuda" else _CPU_MODES


def check_mode(mode: str, device: torch.device) -> None:
    """Raise unless a device knows a mode.

    Raises:
        ValueError: With the modes that there are.
    """
    if mode not in modes(device):
        raise ValueError(f"there is no mode '{mode}' on {device.type}; there are {', '.join(modes(device))}")


def plain(model: SybioGNN) -> SybioGNN:
    """Return a copy in evaluation that runs layer by layer, as in training.

    Every module takes its shortcuts in evaluation alone. The copy's modules are told that they train, except
    those for which training means other numbers: the model itself, norms, and dropouts.
    """
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        if not isinstance(module, (SybioGNN, InputNorm, _BatchNorm, _DropoutNd)):
            module.training = True  # not train(), which would reach the modules inside
    return model


def in_mode(model: SybioGNN, mode: str, x: Tensor) -> Callable[[], SybioOutput]:
    """Return what runs a model on ``x`` in a mode, ready to be timed: compiled, captured, run once.

    Clips of one person run without the person dimension, as :func:`single` does it.

    Raises:
        ValueError: If the device knows no such mode.
    """
    check_mode(mode, x.device)
    x = single(x)
    kind, _, _ = mode.partition("-")
    half = mode.endswith("bf16")
    with torch.inference_mode():
        if kind == "plain":
            called: Any = plain(model)
        elif kind in ("eager", "bf16"):
            called = model
        else:
            called = model.folded(dtype=torch.bfloat16 if half else torch.float32)
        if kind == "compiled":
            called = compiled(called)
        if kind == "graph":
            from pyg_sybio.accelerate.cuda_graph import Graphed

            called = Graphed(called, x)

    def run() -> SybioOutput:
        with torch.inference_mode(), torch.autocast(x.device.type, torch.bfloat16, enabled=mode == "bf16"):
            return called(x)

    run()
    return run


def compiled(model: nn.Module) -> Any:
    """Compile a model for the shapes that come, however many models a script compiles.

    All models share the code that is compiled. Past a limit that is meant for changing shapes, torch would
    run what is left as it is, and its time would pass for that of a compiled model.
    """
    torch._dynamo.config.recompile_limit = 1000
    torch._dynamo.config.accumulated_recompile_limit = 1000
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    return torch.compile(model, dynamic=False)


def single(x: Tensor) -> Tensor:
    """Leave the person dimension of ``[N, P, T, M, D]`` out where it is 1, as live use and Mocap have it."""
    return x.squeeze(1) if x.dim() == 5 else x


def executed_flops(model: SybioGNN, mode: str, x: Tensor) -> int:
    """FLOPs of the products that a mode executes.

    What is compiled or captured cannot be counted: it executes the products of the folded model. A precision
    changes none of them.
    """
    kind = mode.partition("-")[0]
    counted = {"bf16": "eager", "compiled": "folded", "graph": "folded"}.get(kind, kind)
    return flops(in_mode(model, counted, x))


def flops(run: Run) -> int:
    """FLOPs of the products and convolutions of one run, two a multiply-add, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def needed_flops(preset: str, **arguments: Any) -> int:
    """FLOPs of the equations as the paper writes them, whatever is executed.

    Args:
        preset: Size of the model.
        **arguments: The other arguments of :func:`build`.
    """
    model, x = build(preset, **arguments)
    clips, persons, frames = x.shape[:3]
    return model_flops(model, persons=persons, frames=frames, clips=clips)


# Ceilings and timings -------------------------------------------------------------------------------------


CEILING_SECONDS = 0.4
"""A ceiling is measured for so long."""


@torch.inference_mode()
def convolution_ceiling(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """What a 9×1 convolution of 128 channels over 2×150×25 positions, channels last, reaches, in GFLOP/s."""
    image = torch.randn(2, 128, 150, 25, device=device, dtype=dtype)
    image = image.to(memory_format=torch.channels_last)
    weight = torch.randn(128, 128, 9, 1, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    flop = 2 * 9 * 128 * 128 * 2 * 150 * 25
    return _rate(lambda: F.conv2d(image, weight, padding=(4, 0)), flop, device)


@torch.inference_mode()
def product_ceiling(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """What a product of two matrices reaches, 2048×2048 or on CUDA 8192×8192, in GFLOP/s."""
    size = 8192 if device.type == "cuda" else 2048
    a, b = torch.randn(2, size, size, device=device, dtype=dtype).unbind()
    return _rate(lambda: a @ b, 2 * size**3, device)


def _rate(run: Run, flop: int, device: torch.device) -> float:
    """GFLOP/s of an operation of so many FLOPs."""
    # On CUDA many in a row: one alone would show how long it takes to start one.
    repeats = 20 if device.type == "cuda" else 1

    def repeated() -> None:
        for _ in range(repeats):
            run()

    return repeats * flop / 1e9 / statistics.median(timings(repeated, device, CEILING_SECONDS))


def timings(run: Run, device: torch.device, seconds: float, at_least: int = 5) -> list[float]:
    """Times of single runs in seconds, after a warm-up: as many as take so many seconds."""
    (times,) = timings_in_turn([run], device, seconds, at_least)
    return times


def timings_in_turn(
    runs: Sequence[Run], device: torch.device, seconds: float, at_least: int = 5
) -> list[list[float]]:
    """Times of several runs, one of each in every round: what drifts meanwhile touches them all alike.

    Args:
        runs: What is timed.
        device: Where it works; CUDA is waited for.
        seconds: Rounds are made until they have taken so long for each of the runs.
        at_least: Rounds that are made in any case.
    """
    for run in runs:
        for _ in range(2):
            run()
    times: list[list[float]] = [[] for _ in runs]
    spent = 0.0
    while len(times[0]) < at_least or spent < seconds * len(runs):
        for run, own in zip(runs, times, strict=True):
            _wait(device)
            start = time.perf_counter()
            run()
            _wait(device)
            own.append(time.perf_counter() - start)
            spent += own[-1]
    return times


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@dataclass(frozen=True)
class Measured:
    """Times in seconds, and the ceilings around them in GFLOP/s."""

    times: Sequence[float]
    ceiling_fp32: float
    ceiling_bf16: float | None  # None: the device has no native bfloat16

    @property
    def p50(self) -> float:
        """The median time."""
        return statistics.median(self.times)

    @property
    def p95(self) -> float:
        """The time that 19 of 20 runs stay below."""
        return self._quantile(0.95)

    @property
    def p99(self) -> float:
        """The time that 99 of 100 runs stay below."""
        return self._quantile(0.99)

    @property
    def time_ceiling(self) -> float:
        """Time × ceiling: the median time by the ceiling in single precision, in GFLOP."""
        return self.p50 * self.ceiling_fp32

    def share(self, flop: float, *, bf16: bool = False) -> float | None:
        """Rate of so many FLOPs in the median time, over the ceiling of a precision if there is one."""
        ceiling = self.ceiling_bf16 if bf16 else self.ceiling_fp32
        return None if ceiling is None else flop / 1e9 / self.p50 / ceiling

    def _quantile(self, share: float) -> float:
        return float(torch.quantile(torch.tensor(self.times, dtype=torch.float64), share))


def around(run: Run, device: torch.device, seconds: float) -> Measured:
    """Time a run, with the ceilings measured before and after it."""
    (measured,) = around_in_turn([run], device, seconds)
    return measured


def around_in_turn(runs: Sequence[Run], device: torch.device, seconds: float) -> list[Measured]:
    """Time several runs in turn, with the ceilings measured before and after all of them."""
    before = _ceilings(device)
    times = timings_in_turn(runs, device, seconds)
    fp32, *bf16 = (statistics.fmean(pair) for pair in zip(before, _ceilings(device), strict=True))
    return [Measured(own, fp32, bf16[0] if bf16 else None) for own in times]


def _ceilings(device: torch.device) -> list[float]:
    return [convolution_ceiling(device, dtype) for dtype in native_precisions(device).values()]


def native_precisions(device: torch.device) -> dict[str, torch.dtype]:
    """The precisions whose ceilings are measured: an emulated bfloat16 would take minutes."""
    bf16 = {"bf16": torch.bfloat16} if has_native_bf16(device.type) else {}
    return {"fp32": torch.float32, **bf16}


# Memory ---------------------------------------------------------------------------------------------------


def peak_memory(prepare: Callable[[], Run], device: torch.device) -> float | None:
    """Peak memory of a run, in MB.

    On CUDA it is what torch had allocated at most: weights, the optimiser's state, and what the run needed.
    On the CPU it is what the run needed beyond what lay there before: how far the resident memory of a
    fresh process rose during a run, after one to warm up. Only Linux tells that; elsewhere it is None.

    Args:
        prepare: Builds what is run. A fresh process gets a pickled copy, so it is a module's function, or a
            :func:`functools.partial` of one.
        device: Where it runs.
    """
    if device.type == "cuda":
        run = prepare()
        run()
        torch.cuda.reset_peak_memory_stats(device)
        run()
        _wait(device)
        return torch.cuda.max_memory_allocated(device) / 1e6
    if sys.platform != "linux":
        return None
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_resident_growth, prepare, torch.get_num_threads()).result()


def _resident_growth(prepare: Callable[[], Run], threads: int) -> float:
    torch.set_num_threads(threads)
    run = prepare()
    run()
    gc.collect()
    # What was freed but is still held would hide as much of the run's need.
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    # The mark of the process itself, set back: that of getrusage starts at its parent's.
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    run()
    return (_status("VmHWM") - before) / 1e6


def _status(key: str) -> int:
    """A size from what Linux says about this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


# Reports --------------------------------------------------------------------------------------------------


def environment(device: torch.device) -> dict[str, Any]:
    """Where and with what it was measured: of a figure, the half that a table forgets."""
    result: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if (commit := _commit()) is not None:
        result["commit"] = commit
    for name, dtype in native_precisions(device).items():
        result[f"convolution ceiling in {name}, GFLOP/s"] = round(convolution_ceiling(device, dtype), 1)
        result[f"matrix product ceiling in {name}, GFLOP/s"] = round(product_ceiling(device, dtype), 1)
    return result


def processor_name() -> str:
    """The processor's own name, where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    """The commit of the checkout that this file is in, if it is in one that has it."""
    git = partial(subprocess.run, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    try:
        # An installed copy may lie in somebody else's repository, which does not track it.
        git(["git", "ls-files", "--error-unmatch", Path(__file__).name])
        return str(git(["git", "describe", "--always", "--dirty", "--abbrev=10"]).stdout.strip())
    except (OSError, subprocess.CalledProcessError):
        return None


def argument_parser(documentation: str | None) -> argparse.ArgumentParser:
    """A parser whose help is a script's docstring."""
    return argparse.ArgumentParser(
        description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_common_arguments(parser: argparse.ArgumentParser, *, seconds: float = 4.0) -> None:
    """Add what every benchmark takes: ``--device``, ``--seconds`` and ``--output``.

    Args:
        parser: The script's.
        seconds: The default of ``--seconds``.
    """
    parser.add_argument(
        "--device", type=_device, default=torch.device("cpu"), help="cpu or cuda (default: cpu)"
    )
    parser.add_argument(
        "--seconds", type=float, default=seconds, help="to time each thing for (default: %(default)s)"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE.json", help="write the figures and the environment here as well"
    )


def add_modes_argument(parser: argparse.ArgumentParser, default: Sequence[str]) -> None:
    """Add ``--modes``, which :func:`parsed` checks against the device."""
    parser.add_argument(
        "--modes",
        nargs="+",
        default=list(default),
        metavar="MODE",
        help=f"any of {', '.join(_CUDA_MODES)}; the last two on CUDA (default: {' '.join(default)})",
    )


def parsed(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse arguments; a mode that the device does not know is wrong usage."""
    arguments = parser.parse_args(argv)
    try:
        for mode in arguments.modes:
            check_mode(mode, arguments.device)
    except ValueError as error:
        parser.error(f"argument --modes: {error}")
    return arguments


def _device(text: str) -> torch.device:
    try:
        device = torch.device(text)
    except RuntimeError:
        raise argparse.ArgumentTypeError(f"{text!r} is no device, expected cpu or cuda") from None
    if device.type not in ("cpu", "cuda"):
        raise argparse.ArgumentTypeError(f"{text!r} is not measured here, expected cpu or cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise argparse.ArgumentTypeError(f"{text!r}: this torch sees no CUDA device")
    return device


def whole_number(text: str) -> int:
    """Type of an argument that counts something, from 1."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def report(
    rows: Iterable[Row], columns: Mapping[str, str], environment: Mapping[str, Any], output: Path | None
) -> list[Row]:
    """Print rows as a table while they come, and write them and the environment as JSON.

    Args:
        rows: The figures; each row may hold more than the table shows.
        columns: Key of each column of the table, and the format of its values, such as ``">8.2f"``. A value
            that is None is shown as a dash.
        environment: What :func:`environment` returned.
        output: The JSON file; None writes none. It holds all rows so far, whenever one is added.

    Returns:
        All rows.
    """
    for key, value in environment.items():
        print(f"{key}: {value}")
    widths = {key: max(len(key), len(_cell(None, spec))) for key, spec in columns.items()}
    header = (f"{key:{spec[0]}{widths[key]}}" for key, spec in columns.items())
    print("\n" + "  ".join(header).rstrip(), flush=True)
    done: list[Row] = []
    for row in rows:
        cells = (f"{_cell(row[key], spec):{spec[0]}{widths[key]}}" for key, spec in columns.items())
        print("  ".join(cells).rstrip(), flush=True)
        done.append(row)
        if output is not None:
            document = json.dumps({"environment": environment, "rows": done}, indent=2) + "\n"
            write_whole(output, partial(_write, document))
    return done


def _write(document: str, file: BinaryIO) -> None:
    file.write(document.encode())


def _cell(value: object, spec: str) -> str:
    """A value in its format, or a dash as wide."""
    if value is None:
        width = re.search(r"\d+", spec)
        assert width is not None
        return f"{'-':{spec[0]}{width[0]}}"
    return format(value, spec)
