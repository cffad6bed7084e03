"""Measure times, memory, and the ceiling of the device at the time of the measurement.

The ceiling of a device is the rate of the widest temporal convolution in the models: a 9×1 convolution of 128
channels over 2×150×25 positions, channels last. It is measured before and after every group of timings in the
same process, because the speed of a machine drifts. `time x ceiling`, the median time times the mean ceiling
in single precision, is the number of GFLOP that the machine could have computed in that time; it can be
compared across machines and days.
"""

import ctypes
import gc
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from pyg_sybio.training.precision import has_native_bf16

Run = Callable[[], object]

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
CEILING_SECONDS = 0.4
"""Measuring time per ceiling."""


def native_precisions(device: torch.device) -> dict[str, torch.dtype]:
    """Return the precisions that the device supports natively. (Emulated bfloat16 can take minutes.)"""
    native = has_native_bf16(device.type)
    return {name: dtype for name, dtype in PRECISIONS.items() if name != "bf16" or native}


@torch.inference_mode()
def convolution_ceiling(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """Return the rate in GFLOP/s of a 9×1 convolution of 128 channels over 2×150×25 positions."""
    image = torch.randn(2, 128, 150, 25, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    weight = torch.randn(128, 128, 9, 1, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    flop = 2 * 9 * 128 * 128 * 2 * 150 * 25
    return _rate(lambda: F.conv2d(image, weight, padding=(4, 0)), flop, device)


@torch.inference_mode()
def product_ceiling(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """Return the rate in GFLOP/s of a square matrix product of size 2048, or 8192 on CUDA."""
    size = 8192 if device.type == "cuda" else 2048
    a, b = torch.randn(2, size, size, device=device, dtype=dtype).unbind()
    return _rate(lambda: a @ b, 2 * size**3, device)


def _rate(run: Run, flop: int, device: torch.device) -> float:
    # Timing a single kernel on CUDA would measure the launch overhead.
    repeats = 20 if device.type == "cuda" else 1

    def repeated() -> None:
        for _ in range(repeats):
            run()

    (times,) = timings_in_turn([partial(timed, repeated, device)], CEILING_SECONDS)
    return repeats * flop / 1e9 / statistics.median(times)


def timings_in_turn(
    timers: Sequence[Callable[[], float]], seconds: float, at_least: int = 5
) -> list[list[float]]:
    """Time several runs alternately, once per round, so that drift of the machine's speed affects all
    equally.

    Args:
        timers: Functions that each run once and return the time in seconds (:func:`timed`). Each function is
            called twice to warm up. Every second round has the reverse order.
        seconds: Average measuring time per run.
        at_least: Minimum number of rounds.

    Returns:
        The times in seconds, one list per timer.
    """
    for timer in timers:
        for _ in range(2):
            timer()
    times: list[list[float]] = [[] for _ in timers]
    order, spent = list(range(len(timers))), 0.0
    while len(times[0]) < at_least or spent < seconds * len(timers):
        for i in order:
            times[i].append(timers[i]())
            spent += times[i][-1]
        order.reverse()
    return times


def timed(run: Run, device: torch.device | None = None) -> float:
    """Return the time of a run in seconds; on CUDA, the time until the device has finished."""
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def ratio_figures(times: Sequence[float], base: Sequence[float]) -> dict[str, float]:
    """Return the median and the quartiles of the per-round ratios of two runs."""
    ratios = [own / other for own, other in zip(times, base, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return {"ratio": middle, "quartile 1": low, "quartile 3": high}


@dataclass(frozen=True)
class Measured:
    """Times in seconds, and the ceiling in GFLOP/s for each native precision (mean of two measurements)."""

    times: Sequence[float]
    ceilings: Mapping[str, float]

    @property
    def p50(self) -> float:
        """The median time in seconds."""
        return statistics.median(self.times)

    def figures(
        self, flop: float | None = None, *, clips: int = 1, precision: str = "fp32"
    ) -> dict[str, Any]:
        """Return the table columns that all benchmarks have in common.

        Args:
            flop: FLOPs of the eager model, which are needed for ``share``. (default: no shares)
            clips: Number of clips per run; ``time x ceiling`` is per clip.
            precision: Precision of the run; ``share`` is relative to the ceiling in this precision.
        """
        times = torch.tensor(self.times, dtype=torch.float64)
        quantiles = {f"p{q} ms": 1e3 * float(times.quantile(q / 100)) for q in (50, 95, 99)}
        rate = None if flop is None else flop / 1e9 / self.p50
        shares = {name: rate and rate / ceiling for name, ceiling in self.ceilings.items()}
        return {
            "runs": len(self.times),
            **quantiles,
            "time x ceiling": self.p50 * self.ceilings["fp32"] / clips,
            "share": shares.get(precision),
            "share fp32": shares["fp32"],
            "share bf16": shares.get("bf16") if precision == "bf16" else None,
            **{f"ceiling {name}": self.ceilings.get(name) for name in PRECISIONS},
        }


def around_in_turn(runs: Sequence[Run], device: torch.device, seconds: float) -> list[Measured]:
    """Time several runs alternately (:func:`timings_in_turn`), and measure the ceilings before and after."""
    precisions = native_precisions(device)
    before = [convolution_ceiling(device, dtype) for dtype in precisions.values()]
    times = timings_in_turn([partial(timed, run, device) for run in runs], seconds)
    after = [convolution_ceiling(device, dtype) for dtype in precisions.values()]
    ceilings = dict(zip(precisions, map(statistics.fmean, zip(before, after, strict=True)), strict=True))
    return [Measured(own, ceilings) for own in times]


def peak_memory(prepare: Callable[[], Run], device: torch.device) -> float | None:
    """Return the peak memory of a run in MB.

    On CUDA, the result is the peak memory that torch has allocated for weights, optimiser state and
    activations. On the CPU, the result is the growth of the resident memory of a fresh process during a run
    after a warm-up run. On the CPU of systems other than Linux, the result is :obj:`None`.

    Args:
        prepare: Function that builds the run. It is pickled for the fresh process, so it must be a
            module-level function or a :func:`functools.partial` of a module-level function.
        device: Device of the run.
    """
    if device.type == "cuda":
        gc.collect()  # free the memory of earlier runs
        run = prepare()
        run()
        torch.cuda.reset_peak_memory_stats(device)
        timed(run, device)
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
    # Return freed memory to the system first; otherwise the run could reuse it without new memory.
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    # Reset the peak in /proc. (The peak of getrusage is inherited from the parent process.)
    Path("/proc/self/clear_refs").write_text("5")
    before = process_memory("self", "VmRSS")
    run()
    return process_memory("self", "VmHWM") - before


def process_memory(process: int | str, key: str) -> float:
    """Return a field of ``/proc/PROCESS/status`` in MB, such as ``VmRSS`` (the resident memory)."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return 1024e-6 * next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))
