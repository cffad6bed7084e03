"""Where a model's time goes: FLOPs, bytes, time and share of the ceiling of each operator and block.

    python benchmarks/operators.py --presets ntu                        every preset by default
    python benchmarks/operators.py --presets ntu --modes plain eager bf16 --frames 100 --persons 1 --batch 4
    python benchmarks/operators.py --presets mocap --batch 32 --train   forward, loss and backward of a step

Every call of a torch operator is timed and attributed to the module that makes it; the tables add the same
calls up in several ways, so that each sums to the same total:

operators        in the paper's words, over both networks and all blocks
blocks           by place: each block of each network, blocks counted from 0 as `fusions` counts them
torch operators  by the operator's name in torch
directions       in training, forward and backward

A call's time is the median over the recorded runs. Its FLOPs are those of products and convolutions, two a
multiply-add, as torch's FlopCounterMode counts them: those that are executed, which are fewer than the
equation's in wide temporal convolutions of long clips (pyg_sybio.accelerate.minimal_filtering). Its bytes
are its
tensors' (inputs, weights, outputs), each once, and none for a view: what has to be moved if nothing stays in
a cache. `share` is the rate of FLOPs over the convolution's ceiling in the precision of the mode. To time a
call by itself costs time between the calls, which is counted nowhere, and what is outside of torch's
operators (Python) is not in the tables: the sum of the calls is therefore printed beside the time of a run
that is not recorded. It comes near to that in models with much to compute; in a small one every call, views
too, takes some microseconds more.

In training the calls of the backward pass are attributed to the operator whose gradient they compute, in
the row of that operator; calls of which this is not known are in the row `rest`.
"""

import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from types import FrameType
from typing import Any, BinaryIO
from unittest.mock import patch

import torch
from common import (
    add_common_arguments,
    argument_parser,
    around,
    build,
    environment,
    in_mode,
    report,
    single,
    whole_number,
)
from equations import model_flops, training_flops
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from pyg_sybio import SybioGNN
from pyg_sybio.accelerate.folded_block import FoldedBlock, PreparedBlock
from pyg_sybio.files import write_whole
from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.models.presets import PRESETS
from pyg_sybio.nn.blocks import GraphTemporalBlock

# What runs as torch operators; what is compiled or captured is a single call from outside.
MODES = ("plain", "eager", "bf16", "folded", "folded-bf16")

BONE_VECTORS = "bone vectors"
DIFFERENCE = "difference"
INPUT_NORM = "input norm"
AGIM = "AGIM"
JGC_GATHER = "JGC gather"
JGC_FEATURES = "JGC feature product"
PGC = "PGC"
TEMPORAL = "temporal convolution"
NORMS = "batch norms, activations, residual"
FUSION = "fusion"
RECOGNITION = "recognition head"
PREDICTION = "prediction head"
LOSS = "loss"
REST = "rest"

# In the order of the model.
OPERATORS = (
    BONE_VECTORS,
    DIFFERENCE,
    INPUT_NORM,
    AGIM,
    JGC_GATHER,
    JGC_FEATURES,
    PGC,
    TEMPORAL,
    NORMS,
    FUSION,
    RECOGNITION,
    PREDICTION,
    LOSS,
    REST,
)

# The names that modules have in the model, and what the paper calls them. A module inside of one of these
# belongs to it.
_WHOLE = {
    "bone_vectors": BONE_VECTORS,
    "difference": DIFFERENCE,
    "input_norm": INPUT_NORM,
    "actional_graph": AGIM,
    "recognition_head": RECOGNITION,
    "prediction_head": PREDICTION,
    "bone_correction": PREDICTION,
    "loss": LOSS,
}
_FUSION_MODULES = ("fuse", "joint2part", "part2joint")
_NETWORKS = {"joint_network": "joint network", "bone_network": "bone network"}
_SCALES = {"joint_blocks": "joint block", "part_blocks": "part block"}


@dataclass(frozen=True)
class Place:
    """Where in the model a call is made.

    Args:
        operator: The operator in the paper's words; :obj:`None` in a block, where the call decides.
        block: The network and the block, or the operator outside of blocks.
        scale: ``"joint_blocks"``, ``"part_blocks"``, or nothing outside of blocks.
        module: The name of the innermost module of a block that has one: ``"graph_conv"`` and so on.
    """

    operator: str | None
    block: str
    scale: str = ""
    module: str = ""


@dataclass(frozen=True)
class Call:
    """One call of a torch operator.

    Args:
        operator: In the paper's words.
        block: Its place in the model.
        function: The torch operator.
        direction: ``"forward"`` or ``"backward"``.
        flops: FLOPs of products.
        bytes: Bytes of its tensors.
        seconds: How long it took.
    """

    operator: str
    block: str
    function: str
    direction: str
    flops: int
    bytes: int
    seconds: float


class Recorder(TorchDispatchMode):
    """Times every call of a torch operator, and knows which module makes it.

    Args:
        device: Where the calls work; on CUDA their time is that between two events.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device, self.cuda = device, device.type == "cuda"
        self._modules: list[nn.Module] = []
        self._names: dict[nn.Module, str] = {}
        self._calls: list[Call] = []
        self._events: list[tuple[Any, Any]] = []
        # Operator and block of the forward call whose gradient a node of the backward graph computes.
        self._gradients: dict[int, tuple[str, str]] = {}

    def record(self, run: Callable[[], object]) -> list[Call]:
        """Return the calls of one run."""
        self._calls, self._events, self._gradients = [], [], {}
        with self._following_modules(), self._following_folded_blocks(), self:
            run()
        if self.cuda:
            torch.cuda.synchronize()
            return [
                replace(call, seconds=start.elapsed_time(end) / 1e3)
                for call, (start, end) in zip(self._calls, self._events, strict=True)
            ]
        return self._calls

    @contextmanager
    def _following_modules(self) -> Iterator[None]:
        def enter(module: nn.Module, args: object) -> None:
            self._enter(module)

        def leave(module: nn.Module, args: object, output: object) -> None:
            self._modules.pop()

        hooks = [
            register_module_forward_pre_hook(enter),
            register_module_forward_hook(leave, always_call=True),
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @contextmanager
    def _following_folded_blocks(self) -> Iterator[None]:
        """Follow a block in evaluation too, which nobody calls: it is folded, and what comes is applied."""
        # The blocks that were folded, beside what came, which must live for its number to be its own.
        blocks: dict[int, tuple[FoldedBlock, nn.Module]] = {}

        def following_fold(fold: Callable[..., FoldedBlock]) -> Callable[..., FoldedBlock]:
            def folded(block: nn.Module, *args: Any, **kwargs: Any) -> FoldedBlock:
                with self._inside(block):
                    made = fold(block, *args, **kwargs)
                blocks[id(made)] = made, block
                return made

            return folded

        def following_apply(apply: Callable[..., Tensor]) -> Callable[..., Tensor]:
            def applied(made: FoldedBlock, *args: Any, **kwargs: Any) -> Tensor:
                _, block = blocks[id(made)]
                with self._inside(block):
                    return apply(made, *args, **kwargs)

            return applied

        with (
            patch.object(GraphTemporalBlock, "folded", following_fold(GraphTemporalBlock.folded)),
            patch.object(PreparedBlock, "folded", following_fold(PreparedBlock.folded)),
            patch.object(FoldedBlock, "apply", following_apply(FoldedBlock.apply)),
        ):
            yield

    @contextmanager
    def _inside(self, module: nn.Module) -> Iterator[None]:
        self._enter(module)
        try:
            yield
        finally:
            self._modules.pop()

    def _enter(self, module: nn.Module) -> None:
        if not self._modules:
            # A module that nobody calls is the whole; its modules are named from there.
            self._names = {each: name for name, each in module.named_modules()}
            if isinstance(module, SymbioticLoss):
                self._names[module] = "loss"
        elif module not in self._names:
            # Made by the module around it while it runs.
            self._names[module] = self._names[self._modules[-1]]
        self._modules.append(module)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operator, or what it consists of."""
        kwargs = kwargs or {}
        if func is not torch.ops.prim.device.default:
            # Where an operator arrives here, autocast has cast what it takes.
            with self, torch.autocast(self.device.type, enabled=False):
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        if self.cuda:
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            result = func(*args, **kwargs)
            end.record()
            self._events.append((start, end))
            seconds = 0.0
        else:
            started = time.perf_counter()
            result = func(*args, **kwargs)
            seconds = time.perf_counter() - started
        count = flop_registry.get(func.overloadpacket)
        flops = 0 if count is None else count(*args, **kwargs, out_val=result)
        operator, block = self._attribute()
        call = Call(
            operator=operator,
            block=block,
            function=str(func.overloadpacket),
            direction="forward" if torch._C._current_graph_task_id() == -1 else "backward",
            flops=flops,
            bytes=moved_bytes(func, args, kwargs, result),
            seconds=seconds,
        )
        self._calls.append(call)
        return result

    def _attribute(self) -> tuple[str, str]:
        """The operator in the paper's words, and the block."""
        if not self._modules:
            # Between modules, or in the backward pass, where a node of the graph says whose it is.
            node = torch._C._current_autograd_node()
            return (REST, REST) if node is None else self._gradients.get(node._sequence_nr(), (REST, REST))
        where = place(self._names[self._modules[-1]], self._first_part_block())
        operator = where.operator or block_operator(where)
        # The node of the backward graph, if there is one, has been made just before.
        self._gradients.setdefault(torch.autograd._get_sequence_nr() - 1, (operator, where.block))
        return operator, where.block

    def _first_part_block(self) -> int:
        """The block at which the part scale starts: where both scales have blocks, it lacks the first."""
        for module in self._modules:
            joint_blocks = getattr(module, "joint_blocks", None)
            part_blocks = getattr(module, "part_blocks", None)
            if isinstance(joint_blocks, nn.ModuleList) and isinstance(part_blocks, nn.ModuleList):
                return len(joint_blocks) - len(part_blocks) if len(joint_blocks) else 0
        return 0


@cache
def place(name: str, first_part_block: int) -> Place:
    """Return where the module with a name like ``joint_network.backbone.branches.0.joint_blocks.3`` is.

    Args:
        name: The module's name in the model.
        first_part_block: The number of the first block of the part scale.
    """
    steps = name.split(".")
    network = next((_NETWORKS[step] for step in steps if step in _NETWORKS), "both networks")
    for step in steps:
        if step in _WHOLE:
            return Place(_WHOLE[step], f"{network}, {_WHOLE[step]}")
    for scale, word in _SCALES.items():
        if scale in steps:
            at = steps.index(scale)
            number = int(steps[at + 1]) + (first_part_block if scale == "part_blocks" else 0)
            return Place(None, f"{network}, {word} {number}", scale, "".join(steps[at + 2 : at + 3]))
    # What a branch does between its blocks ties the scales: pooling, copies, means.
    if any(step in _FUSION_MODULES for step in steps) or "branches" in steps:
        return Place(FUSION, f"{network}, {FUSION}")
    return Place(REST, REST)


def block_operator(where: Place) -> str:
    """Return which of a block's operators is running.

    A module inside of the block says it by its name. What the block computes by itself, its norms folded, is
    told by the functions of :mod:`pyg_sybio.nn` that are being run.

    Args:
        where: The place, in a block.
    """
    if where.module == "temporal_conv":
        return TEMPORAL
    if where.module not in ("", "graph_conv"):
        return NORMS
    running = _functions()
    if "_residual" in running:
        return NORMS
    if running & _TEMPORAL_FUNCTIONS:
        return TEMPORAL
    if not (where.module or running & _GRAPH_FUNCTIONS):
        return NORMS
    if where.scale == "part_blocks":
        return PGC
    return JGC_FEATURES if "transform" in running else JGC_GATHER


_TEMPORAL_FUNCTIONS = frozenset({"convolve_in_time", "convolve_in_tiles", "tile_kernels"})
# Where a block lays out graphs, gathers along them, and maps features, all at once or in pieces.
_GRAPH_FUNCTIONS = frozenset({"fixed_graphs", "in_pieces", "_graph_product"})
# Where a block begins: a module that is called, a block that is folded, a folded block that is applied.
_BLOCK_FUNCTIONS = ("Module._call_impl", "Block.folded", "FoldedBlock.apply")


def _functions() -> set[str]:
    """Names of the functions of :mod:`pyg_sybio.nn` that are being run, up to the block's own."""
    names = set()
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not frame.f_code.co_qualname.endswith(_BLOCK_FUNCTIONS):
        if frame.f_globals.get("__name__", "").startswith("pyg_sybio.nn."):
            names.add(frame.f_code.co_name)
        frame = frame.f_back
    return names


def moved_bytes(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> int:
    """Bytes of a call's tensors, each once: inputs, and outputs. A view moves none.

    Args:
        func: The torch operator.
        args: What it is called with.
        kwargs: The same, by name.
        result: What it returned.
    """
    name = func.overloadpacket.__name__
    if "empty" in name:
        return 0  # nothing is written yet
    inputs = {id(leaf): leaf for leaf in tree_leaves((args, dict(kwargs))) if isinstance(leaf, Tensor)}
    # An operator in place returns its input itself, a view another tensor on the storage of its input.
    storages = {_storage(tensor) for tensor in inputs.values()}
    outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
    made = [out for out in outputs if id(out) in inputs or _storage(out) not in storages]
    if outputs and not made:
        return 0
    # Of another tensor such as zeros_like takes only the shape.
    read = () if name.endswith("_like") or name.startswith("new_") else inputs.values()
    return sum(_bytes(tensor) for tensor in (*read, *made))


def _storage(tensor: Tensor) -> int:
    # A tensor of oneDNN's own layout has no storage that could be seen, and nothing shares it.
    return tensor.untyped_storage()._cdata if tensor.layout is torch.strided else id(tensor)


def _bytes(tensor: Tensor) -> int:
    """Bytes of the numbers that a tensor consists of; one that is repeated by a stride of 0 counts once."""
    if tensor.layout is not torch.strided:
        return tensor.numel() * tensor.element_size()
    sizes = (size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride or not size)
    return math.prod(sizes) * tensor.element_size()


def median_calls(runs: Sequence[Sequence[Call]]) -> list[Call]:
    """Return the calls of one run with the median time of each over several runs."""
    return [
        replace(same[0], seconds=statistics.median(call.seconds for call in same))
        for same in zip(*runs, strict=True)
    ]


def rows(
    calls: Iterable[Call], key: str, ceiling: float | None, order: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Add calls up.

    Args:
        calls: The calls.
        key: The attribute of a call by which they are added up: ``"operator"``, ``"block"``, ``"function"``.
        ceiling: The convolution's rate in GFLOP/s; None if it was not measured.
        order: The order of the rows; by default that in which they appear.

    Returns:
        A row for each value of the key, and the total.
    """
    groups: dict[str, list[Call]] = {name: [] for name in order}
    for call in calls:
        groups.setdefault(getattr(call, key), []).append(call)
    groups = {name: group for name, group in groups.items() if group}
    everything = [call for group in groups.values() for call in group]
    total = sum(call.seconds for call in everything)
    return [
        _row(key, name, group, total, ceiling) for name, group in (*groups.items(), ("total", everything))
    ]


def _row(key: str, name: str, calls: Sequence[Call], total: float, ceiling: float | None) -> dict[str, Any]:
    seconds = sum(call.seconds for call in calls)
    flops, moved = sum(call.flops for call in calls), sum(call.bytes for call in calls)
    return {
        key: name,
        "calls": len(calls),
        "GFLOP": flops / 1e9,
        "MB": moved / 1e6,
        "ms": 1e3 * seconds,
        "of total": seconds / total,
        "FLOP/byte": flops / moved if moved else None,
        "GFLOP/s": flops / 1e9 / seconds if flops else None,
        "GB/s": moved / 1e9 / seconds if moved else None,
        "share": flops / 1e9 / seconds / ceiling if flops and ceiling else None,
    }


# What each table adds up by; the last is for training.
TABLES = {
    "operators": "operator",
    "blocks": "block",
    "torch operators": "function",
    "directions": "direction",
}
_COLUMNS = {
    "calls": ">6d",
    "GFLOP": ">9.4f",
    "MB": ">9.2f",
    "ms": ">9.3f",
    "of total": ">6.1%",
    "FLOP/byte": ">7.1f",
    "GFLOP/s": ">7.1f",
    "GB/s": ">6.1f",
    "share": ">6.1%",
}


def profile(
    preset: str,
    mode: str,
    device: torch.device,
    *,
    train: bool = False,
    batch: int = 1,
    persons: int | None = None,
    frames: int | None = None,
    seconds: float = 4.0,
    recordings: int = 5,
    **overrides: Any,
) -> dict[str, Any]:
    """Profile one model.

    Args:
        preset: Its size.
        mode: One of :data:`MODES`; in training, ``"eager"`` or ``"bf16"``.
        device: Where it runs.
        train: A training step in place of an evaluation: forward, loss and backward.
        batch: The number of clips.
        persons: Persons in a clip, in place of the preset's.
        frames: Observed frames, in place of the preset's.
        seconds: How long the run is timed for without recording.
        recordings: The number of recorded runs.
        **overrides: Arguments of the model's constructor, in place of the preset's.

    Returns:
        What was measured, with a list of rows for each of :data:`TABLES`.

    Raises:
        ValueError: If the mode is one that cannot be recorded.
    """
    known = ("eager", "bf16") if train else MODES
    if mode not in known:
        what = "a training step" if train else "the operators of a run"
        raise ValueError(f"{what} cannot be recorded in mode '{mode}', only in {', '.join(known)}")
    model, x = build(preset, device, batch=batch, persons=persons, observed=frames, **overrides)
    run = training_step(model, x, bf16=mode == "bf16") if train else in_mode(model, mode, x)
    measured = around(run, device, seconds)
    recorder = Recorder(device)
    calls = median_calls([recorder.record(run) for _ in range(recordings)])
    bf16 = mode.endswith("bf16")
    ceiling = measured.ceiling_bf16 if bf16 else measured.ceiling_fp32
    equations = training_flops if train else model_flops
    needed = equations(model, persons=x.size(1), frames=x.size(2), clips=batch)
    tables = {
        name: rows(calls, key, ceiling, OPERATORS if key == "operator" else ())
        for name, key in TABLES.items()
        if train or key != "direction"
    }
    tables["torch operators"].sort(key=lambda row: (row["function"] == "total", -row["ms"]))
    return {
        "preset": preset,
        "mode": mode,
        "train": train,
        "batch": x.size(0),
        "persons": x.size(1),
        "frames": x.size(2),
        "ms": 1e3 * measured.p50,
        "ms of recorded calls": 1e3 * sum(call.seconds for call in calls),
        "convolution ceiling in fp32, GFLOP/s": measured.ceiling_fp32,
        "convolution ceiling in bf16, GFLOP/s": measured.ceiling_bf16,
        "time x ceiling, GFLOP": measured.time_ceiling,
        "GFLOP needed": needed / 1e9,
        "GFLOP executed": sum(call.flops for call in calls) / 1e9,
        "share": measured.share(needed, bf16=bf16),
        **tables,
    }


def training_step(model: SybioGNN, x: Tensor, *, bf16: bool) -> Callable[[], None]:
    """Return the forward pass, the loss and the backward pass of a step; the optimiser is not the model's."""
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
    return step


def sentence(result: Mapping[str, Any]) -> str:
    """Say in one sentence how far a model is from the machine's limit."""
    clips, persons = result["batch"], result["persons"]
    bf16 = result["mode"].endswith("bf16")
    precision = "bf16" if bf16 else "fp32"
    share = "no native bf16, so no share" if result["share"] is None else f"{result['share']:.1%}"
    return (
        f"{result['preset']} ({result['mode']}{', a training step' if result['train'] else ''}, "
        f"{clips} clip{'s' * (clips > 1)} of {persons} person{'s' * (persons > 1)} and {result['frames']} "
        f"frames) takes {result['ms']:.2f} ms, "
        f"{result['time x ceiling, GFLOP']:.2f} GFLOP of the fp32 ceiling of "
        f"{result['convolution ceiling in fp32, GFLOP/s']:.0f} GFLOP/s, "
        f"needs {result['GFLOP needed']:.3f} GFLOP and executes {result['GFLOP executed']:.3f}: "
        f"{share} of the {precision} ceiling.\n"
        f"The recorded calls sum to {result['ms of recorded calls']:.2f} ms, "
        f"{result['ms of recorded calls'] / result['ms']:.1%} of the time without recording."
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write."""
    parser = argument_parser(__doc__)
    add_common_arguments(parser)
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS), metavar="PRESET")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=["eager"], metavar="MODE")
    parser.add_argument("--batch", type=whole_number, default=1, help="clips (default: 1)")
    parser.add_argument("--persons", type=whole_number, help="persons in a clip (default: the preset's)")
    parser.add_argument("--frames", type=whole_number, help="observed frames (default: the preset's)")
    parser.add_argument(
        "--recordings", type=whole_number, default=5, help="runs to record (default: %(default)s)"
    )
    parser.add_argument(
        "--train", action="store_true", help="profile a training step, in the modes eager and bf16"
    )
    arguments = parser.parse_args(argv)
    if arguments.train and not set(arguments.modes) <= {"eager", "bf16"}:
        parser.error("--train: a training step runs in the modes eager and bf16 alone")

    where = environment(arguments.device)
    report((), {}, where, None)
    results: list[dict[str, Any]] = []
    for preset in arguments.presets:
        for mode in arguments.modes:
            result = profile(
                preset,
                mode,
                arguments.device,
                train=arguments.train,
                batch=arguments.batch,
                persons=arguments.persons,
                frames=arguments.frames,
                seconds=arguments.seconds,
                recordings=arguments.recordings,
            )
            for name, key in TABLES.items():
                if name in result:
                    width = max(len(row[key]) for row in result[name])
                    report(result[name], {key: f"<{width}s", **_COLUMNS}, {}, None)
            print("\n" + sentence(result), flush=True)
            results.append(result)
            if arguments.output is not None:
                document = json.dumps({"environment": where, "rows": results}, indent=2) + "\n"
                write_whole(arguments.output, partial(_write, document.encode()))


def _write(document: bytes, file: BinaryIO) -> None:
    file.write(document)


if __name__ == "__main__":
    main()
