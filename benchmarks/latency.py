"""Parameters, FLOPs and per-sample latency of every preset and variant, beside the machine's ceilings.

    python benchmarks/latency.py                      every preset and variant, on the CPU
    python benchmarks/latency.py --presets mocap --variants full "no bones" --device cuda

A sample is one clip, as the preset's data has it. The ceilings are what a large matrix product and the
temporal convolution of the widest use reach; the convolution's is measured around every model, because a
machine's speed drifts, and `share` is the model's FLOP rate over it. FLOPs are those of products and
convolutions, two a multiply-add, as torch counts them in one forward pass.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pyg_sybio import SybioGNN, load_skeleton
from pyg_sybio.models.presets import PRESETS, VARIANTS


@dataclass(frozen=True)
class Sample:
    """What one clip of a preset's data looks like."""

    skeleton: str
    persons: int
    observed: int
    future: int
    classes: int


SAMPLES = {
    "ntu": Sample("ntu25", persons=2, observed=300, future=10, classes=60),
    "mocap": Sample("cmu38:used", persons=1, observed=50, future=25, classes=8),
    "demo": Sample("ntu25", persons=1, observed=25, future=10, classes=12),
}


@dataclass(frozen=True)
class Row:
    """One model's figures."""

    preset: str
    variant: str
    parameters: int
    gflop: float
    p50_ms: float
    p95_ms: float
    ceiling_gflops: float

    @property
    def share(self) -> float:
        """FLOP rate over the convolution's ceiling, measured around the model."""
        return self.gflop / (self.p50_ms / 1e3) / self.ceiling_gflops


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS), metavar="PRESET")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="VARIANT")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--seconds", type=float, default=4.0, help="time to measure each model for")
    parser.add_argument("--output", type=Path, help="write the figures to this JSON file as well")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: this torch sees no CUDA device")

    product, convolution = product_ceiling(device), convolution_ceiling(device)
    environment = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "matrix product ceiling, GFLOP/s": round(product),
        "convolution ceiling, GFLOP/s": round(convolution),
    }
    for key, value in environment.items():
        print(f"{key}: {value}")
    print(
        f"\n{'preset':7} {'variant':16} {'param M':>8} {'GFLOP':>8} {'p50 ms':>8} {'p95 ms':>8} {'share':>6}"
    )
    rows = []
    for preset in arguments.presets:
        for variant in arguments.variants:
            row = measure(preset, variant, device, arguments.seconds)
            rows.append(row)
            print(
                f"{row.preset:7} {row.variant:16} {row.parameters / 1e6:8.2f} {row.gflop:8.3f} "
                f"{row.p50_ms:8.1f} {row.p95_ms:8.1f} {row.share:6.1%}",
                flush=True,
            )
    if arguments.output:
        document = {"environment": environment, "rows": [{**asdict(row), "share": row.share} for row in rows]}
        arguments.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


@torch.inference_mode()
def measure(preset: str, variant: str, device: torch.device, seconds: float) -> Row:
    """Measure one model in evaluation, in single precision, one clip at a time."""
    sample = SAMPLES[preset]
    skeleton = load_skeleton(sample.skeleton)
    model = SybioGNN.from_preset(
        preset, skeleton=skeleton, num_classes=sample.classes, num_future=sample.future, **VARIANTS[variant]
    )
    model = model.eval().to(device)
    shape = (1, sample.persons, sample.observed, skeleton.num_joints, skeleton.num_features)
    x = torch.randn(shape, device=device)
    with FlopCounterMode(display=False) as counter:
        model(x)
    before = convolution_ceiling(device)
    times = timings(lambda: model(x), device, seconds)
    after = convolution_ceiling(device)
    return Row(
        preset=preset,
        variant=variant,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        gflop=counter.get_total_flops() / 1e9,
        p50_ms=1e3 * statistics.median(times),
        p95_ms=1e3 * statistics.quantiles(times, n=20)[-1],
        ceiling_gflops=(before + after) / 2,
    )


def timings(run: Callable[[], object], device: torch.device, seconds: float) -> list[float]:
    """Times of single runs in seconds, at least five, after a warm-up."""
    for _ in range(2):
        run()
    times: list[float] = []
    while len(times) < 5 or sum(times) < seconds:
        _wait(device)
        start = time.perf_counter()
        run()
        _wait(device)
        times.append(time.perf_counter() - start)
    return times


def product_ceiling(device: torch.device) -> float:
    """What a product of two 2048×2048 matrices reaches, in GFLOP/s."""
    a, b = torch.randn(2, 2048, 2048, device=device).unbind()
    return 2 * 2048**3 / 1e9 / statistics.median(timings(lambda: a @ b, device, 0.5))


@torch.inference_mode()
def convolution_ceiling(device: torch.device) -> float:
    """What a 9×1 convolution of 128 channels over 2×150×25 positions, channels last, reaches, in GFLOP/s."""
    image = torch.randn(2, 128, 150, 25, device=device).to(memory_format=torch.channels_last)
    convolution = nn.Conv2d(128, 128, (9, 1), padding=(4, 0)).to(device, memory_format=torch.channels_last)
    flop = 2 * 9 * 128 * 128 * 2 * 150 * 25
    return flop / 1e9 / statistics.median(timings(lambda: convolution(image), device, 0.5))


def processor_name() -> str:
    """The processor's own name, where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
