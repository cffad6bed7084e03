"""Time and FLOPs of every module of a model, in evaluation or in a training step.

    python benchmarks/operators.py --presets ntu                        # every preset by default
    python benchmarks/operators.py --presets ntu --modes eager folded --frames 100 --persons 1 --batch 4
    python benchmarks/operators.py --presets mocap --batch 32 --train   # forward, loss and backward of a step

The script prints three tables per model:

classes one row per module class: time and FLOPs of its instances without their submodules (the sum of these
rows is the total), and the time with their submodules (`inside ms`) modules one row per module, including its
submodules, if its name has at most `--depth` components torch operators one row per operator, from
torch.profiler

Times are medians over the recorded runs; on CUDA, the device is synchronised before and after every module.
FLOPs are counted by torch.utils.flop_counter for matrix products and convolutions (two per multiply-add).
Only executed FLOPs count: for wide temporal convolutions and long clips, minimal filtering executes fewer
FLOPs than the equations need. `share` is the FLOPs per second as a fraction of the ceiling of a convolution
in the mode's precision. In the forward pass, module hooks attribute time and FLOPs. In the backward pass,
autograd hooks attribute them to the module whose gradient is computed. Operations outside of all modules have
a separate row. Recording takes time itself, so the time of a run without recording is printed next to the sum
of the recorded times.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from common import COMMON, Report, Row, argument_parser, environment, parsed, positive_int
from hooks import BACKWARD, FORWARD, ModuleProfile, Place, synchronised
from modes import Evaluation, build, in_mode, precision_of, single
from timing import around_in_turn
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pyg_sybio import SybioGNN
from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.models.presets import PRESETS

# Only these modes run the modules of the model; compiled code and CUDA graphs do not.
MODES = ("eager", "bf16", "folded", "folded-bf16")
OUTSIDE = "(outside of modules)"

_FIGURES = {
    "calls": ">6d",
    "GFLOP": ">9.4f",
    "ms": ">9.3f",
    "forward ms": ">10.3f",
    "backward ms": ">11.3f",
    "of total": ">8.1%",
    "GFLOP/s": ">7.1f",
    "share": ">6.1%",
}
_OPERATOR_FIGURES = {name: _FIGURES[name] for name in ("calls", "ms", "of total")}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write."""
    shape = {"persons": None, "frames": None}
    parser = argument_parser(__doc__, presets=list(PRESETS), modes=["eager"], **shape, **COMMON)
    parser.add_argument("--batch", type=positive_int, default=1, help="clips per batch (default: 1)")
    parser.add_argument("--recordings", type=positive_int, default=5, help="recorded runs (default: 5)")
    parser.add_argument("--depth", type=positive_int, default=6, help="levels of submodules (default: 6)")
    parser.add_argument("--train", action="store_true", help="profile a training step (modes: eager, bf16)")
    arguments = parsed(parser, argv)
    known = MODES[:2] if arguments.train else MODES
    if not set(arguments.modes) <= set(known):
        parser.error(f"argument --modes: only {', '.join(known)} can be profiled here")
    report = Report(environment(arguments.device), arguments.output)
    for preset in arguments.presets:
        for mode in arguments.modes:
            show(profile(preset, mode, arguments), report, arguments)


def show(result: Mapping[str, Any], report: Report, arguments: argparse.Namespace) -> None:
    """Print a profile."""
    figures = dict(_FIGURES)
    if not arguments.train:
        figures = {name: spec for name, spec in figures.items() if "ward" not in name}
    label = {"preset": result["model"]["preset"], "mode": result["model"]["mode"]}
    classes, modules = ([{**label, **row} for row in result[name]] for name in ("classes", "modules"))
    operators = [{**label, **row} for row in result["torch operators"]]
    report.table(classes, {"class": "<1", **figures, "inside ms": ">9.3f"}, "classes")
    names = {"module": "<1", "class": "<1"}
    report.table(
        modules, {**names, **figures}, "modules", lambda row: row["module"].count(".") < arguments.depth
    )
    report.table(operators, {"operator": "<1", **_OPERATOR_FIGURES}, "torch operators")
    report.table([result["model"]], _MODEL_COLUMNS, "models")


_MODEL_COLUMNS = {
    "preset": "<9",
    "mode": "<11",
    "train": "<5",
    "batch": ">5d",
    "persons": ">7d",
    "frames": ">6d",
    "executed": ">8.3f",
    "p50 ms": ">8.2f",
    "recorded ms": ">11.2f",
    "time x ceiling": ">14.2f",
    "share": ">6.1%",
}


def profile(preset: str, mode: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Profile one model.

    Args:
        preset: Preset of the model.
        mode: One of :data:`MODES`; for a training step, ``"eager"`` or ``"bf16"``.
        arguments: The parsed command-line arguments.

    Returns:
        The totals of the ``model``, and the rows of ``classes``, ``modules`` and ``torch operators``.
    """
    device = arguments.device
    shape = {"batch": arguments.batch, "persons": arguments.persons, "observed": arguments.frames}
    model, x = build(preset, device, **shape)
    clips, persons, frames = x.shape[:3]
    if arguments.train:
        step, loss = training_step(model, x, bf16=mode == "bf16")
        run: Callable[[], object] = step
        modules = {**dict(model.named_modules()), "loss": loss}
    else:
        evaluation = in_mode(model, mode, x)
        run = evaluation
        assert isinstance(evaluation.module, nn.Module)
        modules = dict(evaluation.module.named_modules())
    (measured,) = around_in_turn([run], device, arguments.seconds)
    precision = precision_of(mode)
    spent = recorded(run, modules, device, arguments.recordings)
    classes, by_name = tables(spent, modules, measured.ceilings.get(precision))
    executed = classes[-1]["GFLOP"]
    return {
        "model": {
            "preset": preset,
            "mode": mode,
            "train": "train" if arguments.train else "",
            "batch": clips,
            "persons": persons,
            "frames": frames,
            "executed": executed,
            "recorded ms": classes[-1]["ms"],
            **measured.figures(1e9 * executed, clips=clips, precision=precision),
        },
        "classes": classes,
        "modules": by_name,
        "torch operators": torch_operators(run, device),
    }


def training_step(model: SybioGNN, x: Tensor, *, bf16: bool) -> tuple[Callable[[], None], nn.Module]:
    """Return a training step (forward pass, loss and backward pass) as a function, and the loss module."""
    model.train()
    x = single(x)
    loss = SymbioticLoss(model.skeleton).to(x.device)
    y = torch.arange(x.size(0), device=x.device) % max(model.num_classes, 1)
    future = x[..., -1:, :, :].repeat_interleave(model.num_future, dim=-3)

    def step() -> None:
        model.zero_grad(set_to_none=True)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
            output = model(x)
        loss(output, y=y, future=future).total.backward()

    step()
    return step, loss


class Spent(NamedTuple):
    """Median ``seconds`` and ``flops`` of each :class:`~hooks.Place`, and the number of calls of each
    module.
    """

    seconds: Mapping[Place, float]
    flops: Mapping[Place, float]
    calls: Mapping[str, int]


def recorded(
    run: Callable[[], object], modules: Mapping[str, nn.Module], device: torch.device, recordings: int
) -> Spent:
    """Record the times of several runs, and the FLOPs of one more run."""
    clock = synchronised(time.perf_counter, device)
    profiles = []
    for _ in range(recordings):
        with ModuleProfile(modules, clock) as each:
            run()
        profiles.append(each)
    counted = run.countable() if isinstance(run, Evaluation) else run
    with FlopCounterMode(display=False) as counter, ModuleProfile(modules, counter.get_total_flops) as flops:
        counted()
    places = {place for each in profiles for place in each.spent}
    seconds = {place: statistics.median(each.spent[place] for each in profiles) for place in places}
    return Spent(seconds, flops.spent, flops.calls)


def tables(
    spent: Spent, modules: Mapping[str, nn.Module], ceiling: float | None
) -> tuple[list[Row], list[Row]]:
    """Return the rows per class, with the total, and per module, with the time outside of modules.

    Args:
        spent: Time and FLOPs of each :class:`~hooks.Place`.
        modules: Modules by name.
        ceiling: Ceiling in GFLOP/s, or :obj:`None` for rows without shares.
    """
    class_of = {name: type(module).__name__ for name, module in modules.items()}
    places, total = sorted({*spent.seconds, *spent.flops}), sum(spent.seconds.values())

    def figures(some: Iterable[Place], calls: int) -> dict[str, Any]:
        chosen = list(some)
        seconds = {
            way: sum(spent.seconds.get(each, 0.0) for each in chosen if each.direction == way)
            for way in (FORWARD, BACKWARD)
        }
        both, gflop = sum(seconds.values()), sum(spent.flops.get(each, 0) for each in chosen) / 1e9
        rate = gflop / both if gflop and both else None
        return {
            "calls": calls,
            "GFLOP": gflop,
            "ms": 1e3 * both,
            **{f"{way} ms": 1e3 * own for way, own in seconds.items()},
            "of total": both / total,
            "GFLOP/s": rate,
            "share": rate / ceiling if rate and ceiling else None,
        }

    outside = [place for place in places if not place.modules]
    by_module: list[Row] = [
        {
            "module": name or "(model)",
            "class": class_of[name],
            **figures((place for place in places if name in place.modules), spent.calls[name]),
        }
        for name in modules
        if spent.calls.get(name)
    ]
    by_class: list[Row] = []
    for kind in sorted(set(class_of.values())):
        names = {name for name, its in class_of.items() if its == kind and spent.calls.get(name)}
        if names:
            own = (place for place in places if place.modules and place.modules[-1] in names)
            inside = sum(spent.seconds.get(place, 0) for place in places if names & {*place.modules})
            calls = sum(spent.calls[name] for name in names)
            by_class.append({"class": kind, **figures(own, calls), "inside ms": 1e3 * inside})
    by_class.sort(key=lambda row: -row["ms"])
    others = {**figures(outside, 0), "inside ms": None}
    everything = {**figures(places, sum(spent.calls.values())), "inside ms": None}
    by_class += [{"class": OUTSIDE, **others}, {"class": "total", **everything}]
    return by_class, [*by_module, {"module": OUTSIDE, "class": "", **figures(outside, 0)}]


def torch_operators(run: Callable[[], object], device: torch.device, most: int = 20) -> list[Row]:
    """Return the torch operators with the largest self time, from one run of torch.profiler."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profiler:
        run()
    attribute = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    events = {event.key: (event.count, getattr(event, attribute) / 1e3) for event in profiler.key_averages()}
    total = sum(own for _, own in events.values())
    rows: list[Row] = [
        {"operator": name, "calls": calls, "ms": own, "of total": own / total}
        for name, (calls, own) in events.items()
    ]
    return sorted(rows, key=lambda row: -row["ms"])[:most]


if __name__ == "__main__":
    main()
