"""The parts of `gpu.py`, each run as `python gpu_parts.py PART [--rehearse] FIGURES`.

A rehearsal runs the same code on the CPU with small models, small batches and few repetitions; its
measurements are meaningless. It skips CUDA graphs, and ``torch.compile`` generates no code.
"""

import argparse
import gc
import os
import platform
import re
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import actional
import timing
import torch
from common import environment
from modes import Case, flops, precision_of
from parts import Figures, Recorder, prepare_process
from samples import SAMPLES
from timing import around_in_turn, product_ceiling, timed
from training import training_step

from pyg_sybio.models.presets import PRESETS

ROOT = Path(__file__).resolve().parents[1]
MODES = ("eager", "bf16", "folded", "folded-bf16", "graph", "graph-bf16")
COMPILED_MODES = ("compiled-bf16", "compiled")
WAYS = ("plain", "dense", "checkpointed")


@dataclass(frozen=True)
class Sizes:
    """The device, the models to measure, the batch size, and the measuring time."""

    device: torch.device
    live: Sequence[str]  # presets whose latency is measured
    trained: Sequence[str]  # presets that are trained
    batch: int  # clips in a training step
    seconds: float  # measuring time of each run


REAL = Sizes(torch.device("cuda"), live=("realtime", "ntu"), trained=("ntu", "mocap"), batch=64, seconds=1.0)
REHEARSAL = Sizes(torch.device("cpu"), live=("demo",), trained=("demo",), batch=4, seconds=0.0)


# The device -----------------------------------------------------------------------------------------------


def measure_device(figures: Figures, sizes: Sizes) -> None:
    """Describe the device, and measure its ceilings."""
    if sizes.device.type == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(f"torch {torch.__version__} finds no CUDA device")
    found = environment(sizes.device)
    # The measured ceilings become the rows of this part's table.
    figures.describe({key: value for key, value in found.items() if "ceiling" not in key})
    figures.describe(software())
    if sizes.device.type == "cuda":
        figures.describe(hardware(sizes.device))
    rates: dict[str, dict[str, float]] = {}
    for key, gflops in found.items():
        if match := re.fullmatch(r"(.*) ceiling in (\w+), GFLOP/s", key):
            rates.setdefault(match[2], {})[match[1]] = gflops / 1e3
    for precision, by_kind in rates.items():
        figures.add(
            {
                "precision": precision,
                "matrix product TFLOP/s": by_kind["matrix product"],
                "convolution TFLOP/s": by_kind["convolution"],
            }
        )


def software() -> dict[str, Any]:
    """Return the software versions and settings that influence the results."""
    versions = {}
    for name in ("torch-geometric", "torch-scatter", "lightning", "numpy", "pytest", "triton"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {
        **versions,
        "system": platform.platform(),
        "float32 products": torch.get_float32_matmul_precision(),
        "TF32 in convolutions": torch.backends.cudnn.allow_tf32,
    }


def hardware(device: torch.device) -> dict[str, Any]:
    """Return the properties of a CUDA device."""
    properties = torch.cuda.get_device_properties(device)
    return {
        "compute capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
        "device memory, GB": round(properties.total_memory / 1e9, 1),
        "driver": driver_version(),
        "CUDA": torch.version.cuda,
        "cuDNN": torch.backends.cudnn.version(),
    }


def driver_version() -> str:
    """Return the version of the driver, or "unknown" without ``nvidia-smi``."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()


# Tests ----------------------------------------------------------------------------------------------------


def tests(figures: Figures, sizes: Sizes, *, slow: bool = False) -> None:
    """Run the tests marked ``cuda``: the fast tests, or the tests marked ``slow``, which compile models."""
    import pytest

    os.chdir(ROOT)
    if not (files := marked_files(ROOT / "tests")):
        raise FileNotFoundError(f"no test in {ROOT / 'tests'} is marked 'cuda': expected a checkout")
    selected = "cuda and slow" if slow else "cuda and not slow"
    # Only files with ``cuda`` tests are collected, because other test files may import missing packages.
    options = ["-m", selected, "-p", "no:cacheprovider", "--continue-on-collection-errors", "-rs"]
    recorder = Recorder(figures)
    code = pytest.main([*map(str, files), *options], plugins=[recorder])
    if not recorder.counts:
        raise RuntimeError(f"no test ran: {pytest.ExitCode(code).name}")
    figures.conclude(", ".join(f"{count} {outcome}" for outcome, count in recorder.counts.items()))
    if sizes.device.type == "cuda" and not recorder.counts["passed"]:
        raise RuntimeError("no test passed")


def marked_files(folder: Path) -> list[Path]:
    """Return the test files that contain tests marked ``cuda``; tests of the benchmarks come last."""
    marks = re.compile(r"\bmark\.cuda\b|\bDEVICES\b")
    files = sorted(folder.rglob("test_*.py"), key=lambda path: ("benchmarks" in path.parts, path))
    return [path for path in files if marks.search(path.read_text(encoding="utf-8"))]


# Latency --------------------------------------------------------------------------------------------------


def latency(figures: Figures, sizes: Sizes) -> None:
    """Time the evaluation of one clip; the modes of a preset are timed alternately."""
    ceilings = product_ceilings(sizes.device)
    for preset in sizes.live:
        prepared = {}
        for mode in MODES:
            if mode.startswith("graph") and sizes.device.type != "cuda":
                continue
            with figures.attempt(preset=preset, mode=mode):
                prepared[mode] = Case(preset, mode).prepared(sizes.device)
        with figures.attempt(preset=preset, mode="all in turn"):
            add_latency(figures, sizes, preset, prepared, ceilings)


def compiled_latency(figures: Figures, sizes: Sizes) -> None:
    """Time the evaluation of compiled models, one model after the other, because compilation takes long."""
    ceilings = product_ceilings(sizes.device)
    for preset in sizes.live:
        for mode in COMPILED_MODES:
            with figures.attempt(preset=preset, mode=mode):
                start = time.perf_counter()
                run = Case(preset, mode).prepared(sizes.device)
                more = {"to compile, s": time.perf_counter() - start}
                add_latency(figures, sizes, preset, {mode: run}, ceilings, more)


def add_latency(
    figures: Figures,
    sizes: Sizes,
    preset: str,
    prepared: Mapping[str, Callable[[], object]],
    ceilings: Mapping[str, float],
    more: Mapping[str, Any] | None = None,
) -> None:
    """Time prepared evaluations alternately, and add a row for each."""
    needed = flops(Case(preset, "eager").prepared(sizes.device).countable())
    measured = around_in_turn(list(prepared.values()), sizes.device, sizes.seconds)
    eager = dict(zip(prepared, measured, strict=True)).get("eager")
    for mode, own in zip(prepared, measured, strict=True):
        row = own.figures(needed, precision=precision_of(mode))
        ceiling = ceilings.get(precision_of(mode))
        figures.add(
            {
                "preset": preset,
                "mode": mode,
                "batch": 1,
                "GFLOP": needed / 1e9,
                **row,
                "x eager": None if eager is None else eager.p50 / own.p50,
                "share of product": None if ceiling is None else needed / 1e9 / own.p50 / ceiling,
                **(more or {}),
            }
        )


def product_ceilings(device: torch.device) -> dict[str, float]:
    """Measure the rate of a matrix product in each native precision, in GFLOP/s."""
    return {name: product_ceiling(device, dtype) for name, dtype in timing.native_precisions(device).items()}


# Training -------------------------------------------------------------------------------------------------


def training(figures: Figures, sizes: Sizes) -> None:
    """Time training steps in bfloat16; AGIM by message passing and dense AGIM are timed alternately."""
    for preset in sizes.trained:
        batch = sizes.batch
        # If the device has too little memory, the batch is reduced; the rows show the batch size.
        while not _train(figures, sizes, preset, batch, WAYS) and batch > 1:
            batch //= 2


def compiled_training(figures: Figures, sizes: Sizes) -> None:
    """Time compiled training steps in bfloat16."""
    for preset in reversed(sizes.trained):
        _train(figures, sizes, preset, sizes.batch, ("compiled",))


def _train(figures: Figures, sizes: Sizes, preset: str, batch: int, ways: Sequence[str]) -> bool:
    """Add a row for each training method that fits into memory, and return whether any method fits."""
    steps, peaks, seconds = {}, {}, {}
    for way in ways:
        with figures.attempt(preset=preset, way=way, batch=batch):
            before = allocated(sizes.device)
            step = training_step(preset, batch, "bf16", way, sizes.device)
            seconds[way] = timed(step, sizes.device)
            peaks[way] = None if before is None else peak_of(step, sizes.device) - before
            steps[way] = step
        step = None
        free_memory(sizes.device)
    if not steps:
        return False
    with figures.attempt(preset=preset, way="all in turn", batch=batch):
        one_clip = training_step(preset, 1, "fp32", "plain", sizes.device)
        needed = batch * flops(one_clip)
        before = product_ceilings(sizes.device)
        measured = around_in_turn(list(steps.values()), sizes.device, sizes.seconds)
        after = product_ceilings(sizes.device)
        ceiling = (before["bf16"] + after["bf16"]) / 2 if "bf16" in before else None
        for way, own in zip(steps, measured, strict=True):
            rate = needed / 1e9 / own.p50
            figures.add(
                {
                    "preset": preset,
                    "way": way,
                    "precision": "bf16",
                    "batch": batch,
                    "first step, s": seconds[way],
                    "samples/s": batch / own.p50,
                    "peak GB": peaks[way],
                    "GFLOP": needed / 1e9,
                    "TFLOP/s": rate / 1e3,
                    "product TFLOP/s": None if ceiling is None else ceiling / 1e3,
                    "share of product": None if ceiling is None else rate / ceiling,
                    **own.figures(needed, clips=batch, precision="bf16"),
                }
            )
    steps.clear()
    free_memory(sizes.device)
    return True


def allocated(device: torch.device) -> float | None:
    """Return the memory in GB that torch has allocated on a CUDA device."""
    return torch.cuda.memory_allocated(device) / 1e9 if device.type == "cuda" else None


def peak_of(step: Callable[[], object], device: torch.device) -> float:
    """Return the peak memory in GB that torch allocates during a step."""
    torch.cuda.reset_peak_memory_stats(device)
    timed(step, device)
    return torch.cuda.max_memory_allocated(device) / 1e9


def free_memory(device: torch.device) -> None:
    """Free unused memory."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


# AGIM -----------------------------------------------------------------------------------------------------


def agim(figures: Figures, sizes: Sizes) -> None:
    """Time only AGIM, by message passing and dense, in float32."""
    for preset in sizes.trained:
        with figures.attempt(preset=preset):
            sample, config = SAMPLES[preset], PRESETS[preset]
            arguments = Namespace(
                device=sizes.device,
                skeletons=[sample.skeleton],
                batch=[sizes.batch * sample.persons],
                iterations=[config.get("actional_iterations", 2)],
                width=config["actional_channels"],
                passes=actional.PASSES,
                seconds=sizes.seconds,
            )
            for row in actional.rows(arguments):
                figures.add({"preset": preset, **row})


# Command line ---------------------------------------------------------------------------------------------

PARTS: Mapping[str, Callable[[Figures, Sizes], None]] = {
    "device": measure_device,
    "tests": tests,
    "latency": latency,
    "training": training,
    "AGIM": agim,
    "compiled latency": compiled_latency,
    "slow tests": partial(tests, slow=True),
    "compiled training": compiled_training,
}


def main_of_part(argv: Sequence[str] | None = None) -> None:
    """Run a part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("figures", type=Path)
    arguments = parser.parse_args(argv)
    figures = Figures(arguments.figures)
    if arguments.rehearse:
        timing.CEILING_SECONDS = 0.0
        torch.compile = partial(torch.compile, backend="eager")
    PARTS[arguments.part](figures, REHEARSAL if arguments.rehearse else REAL)


if __name__ == "__main__":
    prepare_process()
    sys.exit(main_of_part())
