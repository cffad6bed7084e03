"""Public implementations that you have checked out, timed against ours in one process, in turn.

    python benchmarks/peers.py --peers peers.yaml
    python benchmarks/peers.py --peers peers.yaml --modes eager folded --dtype bf16 --output peers.json
    python benchmarks/peers.py --peers peers.yaml --train

WARNING: this imports and runs the code in the folders that the file names, with all of your rights. Read it
first. Nothing of it is copied or changed.

The file is YAML (benchmarks/peers.example.yaml is one to start from), `peers:` and a list of

name       what the table calls it
folder     the checkout, from the file's own folder on; or a list of folders, which are searched in turn
module     the module to import from there, such as net.st_gcn
class      the torch module in it
arguments  of its constructor: a mapping of keyword arguments or a list (JSON is YAML); none by default
copies     how many of it make the model, run one after another on the same input: its streams (default: 1)
input      its input: `shape`, a list of whole numbers, and `layout`, what they are, in letters: N clips,
           C features, T frames, V joints, P or M persons, as [N, C, T, V, P] or "N C T V M"
inputs     in place of `input`, several: a list of `shape`, with `layout` where it has one, `kind` (float:
           random numbers, the default; long: random whole numbers below `below`; bool), and `name` for
           those that are passed by name; the others are passed by position, in this order
call       further arguments by name of every call
ours       what it is compared with: `preset`, `skeleton`, `persons`, `frames` (observed), `future`, `batch`,
           `classes`; what is not given is derived from the input's layout (25 joints: ntu on ntu25; 18: ntu
           on openpose18; 20: mocap on h36m32:used; 26: mocap on cmu38:used; as many clips, persons and
           frames), and what that does not say is the preset's own

Each peer is imported by itself: its folder is on the path, and its modules are known, only while it is loaded
or runs. What cannot be imported, constructed or run is named with the reason and left out. It is measured as
it is: a model that asks for CUDA in its constructor does not run on a CPU unless your checkout does (a
folder of your own with a class around it, before theirs in `folder`, is one way).

A round runs the peer and ours in every mode once, every other round in reverse; a ratio is that of one round,
ours by the peer's, so below 1 where ours is faster, and the table has the median and the quartiles of the
rounds. `time x ceiling` is the median time by the fp32 ceiling measured before and after, in GFLOP. In bf16
both run under autocast, ours in the mode's own kind. With --train a run is the forward pass, the backward
pass of the sum of the outputs (of an output [N, C] the cross entropy), of both, without an optimiser.
"""

import argparse
import contextlib
import copy
import importlib
import io
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from common import (
    SAMPLES,
    Row,
    Run,
    add_common_arguments,
    argument_parser,
    build,
    check_mode,
    convolution_ceiling,
    environment,
    executed_flops,
    flops,
    in_mode,
    report,
)
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

from pyg_sybio import load_skeleton

LETTERS = "NCTVPM"
KINDS = ("float", "long", "bool")
# The preset and the skeleton that a number of joints stands for, unless the file says otherwise.
JOINTS = {
    25: ("ntu", "ntu25"),
    18: ("ntu", "openpose18"),
    20: ("mocap", "h36m32:used"),
    26: ("mocap", "cmu38:used"),
}
# A mode of ours in fp32 and the same in bf16.
BF16 = {
    "eager": "bf16",
    "folded": "folded-bf16",
    "compiled": "compiled-bf16",
    "graph": "graph-bf16",
}

# The file -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Input:
    """A tensor that a peer takes.

    Args:
        shape: Its shape.
        layout: A letter for each of its dimensions, ``P`` for persons; :obj:`None` where none was given.
        kind: One of :data:`KINDS`.
        below: Whole numbers are smaller than this.
        name: The argument that it is passed as; :obj:`None` by position.
    """

    shape: tuple[int, ...]
    layout: str | None
    kind: str
    below: int
    name: str | None

    def tensor(self, device: torch.device) -> Tensor:
        """Return such a tensor of random numbers."""
        if self.kind == "float":
            return torch.randn(self.shape, device=device)
        numbers = torch.randint(self.below, self.shape, device=device)
        return numbers.bool() if self.kind == "bool" else numbers


@dataclass(frozen=True)
class Ours:
    """Which of our models a peer is compared with, and on what."""

    preset: str
    skeleton: str
    persons: int
    frames: int
    future: int
    batch: int
    classes: int

    def build(self, device: torch.device) -> tuple[Any, Tensor]:
        """Return the model and its input."""
        return build(
            self.preset,
            device,
            batch=self.batch,
            persons=self.persons,
            observed=self.frames,
            skeleton=self.skeleton,
            num_classes=self.classes,
            num_future=self.future,
        )


@dataclass(frozen=True)
class Peer:
    """A public implementation, as the file describes it."""

    name: str
    folders: tuple[Path, ...]
    module: str
    class_name: str
    arguments: Mapping[str, Any] | Sequence[Any]
    copies: int
    inputs: tuple[Input, ...]
    call: Mapping[str, Any]
    ours: Ours


class _Fields:
    """The fields of a mapping in the file, each checked where it is read."""

    def __init__(self, value: object, where: str, known: Sequence[str]) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{where} is {value!r}, expected a mapping with {', '.join(known)}")
        for key in value:
            if key not in known:
                raise ValueError(f"{where} has the unknown key {key!r}; there are {', '.join(known)}")
        self.value, self.where = value, where

    def get(self, key: str, kind: type | tuple[type, ...], expected: str, default: Any = ...) -> Any:
        """Return a field of a type; without a default it must be there."""
        if key not in self.value:
            if default is ...:
                raise ValueError(f"{self.where} has no '{key}', expected {expected}")
            return default
        value = self.value[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.wrong(key, expected)
        return value

    def text(self, key: str, default: Any = ...) -> Any:
        """Return a text that is not empty."""
        if not (text := self.get(key, str, "a text", default)) and key in self.value:
            raise self.wrong(key, "a text")
        return text

    def count(self, key: str, default: Any = ...) -> Any:
        """Return a whole number from 1."""
        expected = "a whole number from 1"
        if key in self.value and self.get(key, int, expected) < 1:
            raise self.wrong(key, expected)
        return self.get(key, int, expected, default)

    def wrong(self, key: str, expected: str) -> ValueError:
        """The error that a field is not what was expected."""
        return ValueError(f"{self.where}: '{key}' is {self.value[key]!r}, expected {expected}")


_PEER_KEYS = ("name", "folder", "module", "class", "arguments", "copies", "input", "inputs", "call", "ours")


def read_peers(path: Path) -> list[Peer]:
    """Read the file; nothing is imported yet.

    Raises:
        ValueError: If it is not YAML, or a field is missing, unknown, or not what was expected.
        OSError: If it cannot be read.
    """
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    entries = _Fields(document, str(path), ("peers",)).get("peers", list, "a list of peers")
    if not entries:
        raise ValueError(f"{path}: 'peers' is empty, expected a list of peers")
    peers = [_peer(entry, path, number) for number, entry in enumerate(entries, start=1)]
    names = [peer.name for peer in peers]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{path}: two peers have the name {name!r}, expected a name of its own for each")
    return peers


def _peer(entry: object, path: Path, number: int) -> Peer:
    named = isinstance(entry, dict) and isinstance(entry.get("name"), str)
    where = f"{path}: peer {entry['name']!r}" if named else f"{path}: peer {number}"  # type: ignore[index]
    fields = _Fields(entry, where, _PEER_KEYS)
    folders = fields.get("folder", (str, list), "a folder or a list of folders")
    folders = [folders] if isinstance(folders, str) else folders
    if not folders or not all(isinstance(folder, str) and folder for folder in folders):
        raise fields.wrong("folder", "a folder or a list of folders")
    if ("input" in fields.value) == ("inputs" in fields.value):
        came = "both" if "input" in fields.value else "neither"
        raise ValueError(f"{where} must have 'input' or 'inputs', but it has {came}")
    if "input" in fields.value:
        inputs = [_input(fields.value["input"], f"{where}: 'input'")]
    else:
        listed = fields.get("inputs", list, "a list of inputs")
        inputs = [_input(each, f"{where}: 'inputs' {i}") for i, each in enumerate(listed, start=1)]
        if not inputs:
            raise fields.wrong("inputs", "a list of inputs")
    call = fields.get("call", dict, "a mapping of arguments", {})
    return Peer(
        name=fields.text("name"),
        folders=tuple((path.parent / Path(folder).expanduser()).resolve() for folder in folders),
        module=fields.text("module"),
        class_name=fields.text("class"),
        arguments=fields.get("arguments", (dict, list), "a mapping or a list of arguments", {}),
        copies=fields.count("copies", 1),
        inputs=tuple(inputs),
        call=call,
        ours=_ours(fields.value.get("ours", {}), f"{where}: 'ours'", inputs),
    )


def _input(entry: object, where: str) -> Input:
    fields = _Fields(entry, where, ("shape", "layout", "kind", "below", "name"))
    expected = "a list of whole numbers from 1"
    shape = fields.get("shape", list, expected)
    if not all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in shape):
        raise fields.wrong("shape", expected)
    layout = None
    if "layout" in fields.value:
        expected = f"a letter of N, C, T, V, P (or M) for each of {len(shape)} dimensions"
        given = fields.get("layout", (str, list), expected)
        letters = [letter for letter in given if letter not in (" ", ",")]
        if (
            len(letters) != len(shape)
            or any(letter not in tuple(LETTERS) for letter in letters)
            or len({letter.replace("M", "P") for letter in letters}) < len(letters)
        ):
            raise fields.wrong("layout", expected)
        layout = "".join(letters).replace("M", "P")
    kind = fields.text("kind", "float")
    if kind not in KINDS:
        raise fields.wrong("kind", f"one of {', '.join(KINDS)}")
    return Input(tuple(shape), layout, kind, fields.count("below", 2), fields.text("name", None))


def _ours(entry: object, where: str, inputs: Sequence[Input]) -> Ours:
    keys = ("preset", "skeleton", "persons", "frames", "future", "batch", "classes")
    fields = _Fields(entry, where, keys)
    motion = next((each for each in inputs if each.layout is not None), None)
    sizes = {} if motion is None else dict(zip(motion.layout or "", motion.shape, strict=True))
    preset, skeleton = JOINTS.get(sizes.get("V", 0), (None, None))
    if "preset" in fields.value or preset is None:
        preset = fields.text("preset", None)
        if preset is None:
            known = ", ".join(map(str, sorted(JOINTS)))
            raise ValueError(
                f"{where} has no 'preset', and no input's layout has V joints that name one ({known})"
            )
        if preset not in SAMPLES:
            raise fields.wrong("preset", f"one of {', '.join(SAMPLES)}")
    sample = SAMPLES[preset]
    skeleton = fields.text("skeleton", skeleton or sample.skeleton)
    try:
        load_skeleton(skeleton)
    except (ValueError, OSError) as error:
        raise ValueError(f"{where}: 'skeleton' is {skeleton!r}, expected a skeleton: {error}") from error
    # A motion without persons is that of one.
    persons = sizes.get("P", 1) if motion is not None else sample.persons
    return Ours(
        preset=preset,
        skeleton=skeleton,
        persons=fields.count("persons", persons),
        frames=fields.count("frames", sizes.get("T", sample.observed)),
        future=fields.count("future", sample.future),
        batch=fields.count("batch", sizes.get("N", 1)),
        classes=fields.count("classes", sample.classes),
    )


# Their code -----------------------------------------------------------------------------------------------


class LeftOutError(Exception):
    """A peer cannot be imported, constructed or run; the message says why in one line."""


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Turn whatever their code raises into the reason why it is left out."""
    try:
        yield
    except LeftOutError:
        raise
    except (Exception, SystemExit) as error:  # a script exits where it does not like its arguments
        message = " ".join(str(error).split())
        raise LeftOutError(f"{what}: {type(error).__name__}: {message[:200]}") from error


class Isolation:
    """Other people's modules, which exist only inside ``with isolation.entered()``.

    Two checkouts may both have a package ``model``, and import more of it when a model is constructed or
    runs. Inside, the folders are in front of the path, what was imported from them before is known again, and
    modules of others with such names are not.

    Args:
        folders: The checkout, and whatever else its modules are searched in.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [os.path.realpath(folder) for folder in folders]
        self._modules: dict[str, ModuleType] = {}
        found = (entry for folder in folders if folder.is_dir() for entry in folder.iterdir())
        names = {entry.stem if entry.suffix == ".py" else entry.name for entry in found}
        # What Python itself has loaded is not loaded again for them either.
        self._names = {name for name in names if name.isidentifier()} - set(sys.stdlib_module_names)
        self._names -= {"__main__", "torch", "numpy"}

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let their modules be imported, and be found where they are imported later; keep them quiet."""
        path, threads, dtype = list(sys.path), torch.get_num_threads(), torch.get_default_dtype()
        grad = torch.is_grad_enabled()
        hidden = {name: sys.modules[name] for name in list(sys.modules) if name.split(".")[0] in self._names}
        for name in hidden:
            del sys.modules[name]
        others = set(sys.modules)
        sys.modules.update(self._modules)
        sys.path[:0] = self._folders
        importlib.invalidate_caches()
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                yield
        finally:
            new = [name for name in sys.modules if name not in others]
            self._modules = {name: sys.modules[name] for name in new if self._owns(sys.modules[name])}
            for name in self._modules:
                del sys.modules[name]
            sys.modules.update(hidden)
            sys.path[:] = path
            # Nor do their settings last.
            torch.set_num_threads(threads)
            torch.set_default_dtype(dtype)
            torch.set_grad_enabled(grad)

    def _owns(self, module: ModuleType) -> bool:
        file = getattr(module, "__file__", None)
        # A folder without __init__.py is a package too, and has no file.
        places = [file] if isinstance(file, str) else list(getattr(module, "__path__", ()))
        return any(
            os.path.realpath(place).startswith(folder + os.sep)
            for place in places
            for folder in self._folders
        )


@dataclass(frozen=True)
class Contestant:
    """What is timed.

    Args:
        name: What the table calls it.
        mode: The mode it runs in.
        run: One run.
        parameters: The number of its parameters.
        flops: FLOPs of the products of a run.
        isolation: Its modules; :obj:`None` for ours.
    """

    name: str
    mode: str
    run: Run
    parameters: int
    flops: int
    isolation: Isolation | None = None

    @contextmanager
    def within(self) -> Iterator[None]:
        """Where it runs: a peer among its own modules, and what it raises is the reason to leave it out."""
        if self.isolation is None:
            yield
        else:
            with self.isolation.entered(), _step("a later run"):
                yield


def load(peer: Peer, device: torch.device, *, bf16: bool = False, train: bool = False) -> Contestant:
    """Import and construct a peer, and run it once.

    Raises:
        LeftOutError: If any of that fails.
    """
    for folder in peer.folders:
        if not folder.is_dir():
            raise LeftOutError(f"import: there is no folder {folder}")
    isolation = Isolation(peer.folders)
    with isolation.entered(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        with _step("import"):
            made = getattr(importlib.import_module(peer.module), peer.class_name)
        with _step("constructor"):
            models = [_constructed(made, peer.arguments).to(device).train(train) for _ in range(peer.copies)]
        values = [(each.name, each.tensor(device)) for each in peer.inputs]
        args = [tensor for name, tensor in values if name is None]
        named = {**peer.call, **{name: tensor for name, tensor in values if name is not None}}

        def forward() -> list[object]:
            return [model(*args, **named) for model in models]

        run = in_training(models, forward, device, bf16) if train else in_evaluation(forward, device, bf16)
        with _step("forward and backward" if train else "forward"):
            run()
            # Counted in fp32: the same products.
            again = in_training(models, forward, device, False) if train else torch.inference_mode()(forward)
            counted = flops(again)
    parameters = sum(each.numel() for model in models for each in model.parameters())
    return Contestant(peer.name, _mode(bf16, train), run, parameters, counted, isolation)


def _constructed(made: Callable[..., object], arguments: Mapping[str, Any] | Sequence[Any]) -> nn.Module:
    # Their own copy: constructors of this field take arguments out of what they are given.
    arguments = copy.deepcopy(arguments)
    model = made(**arguments) if isinstance(arguments, Mapping) else made(*arguments)
    if not isinstance(model, nn.Module):
        raise LeftOutError(f"constructor: it makes a {type(model).__name__}, expected a torch module")
    return model


def _mode(bf16: bool, train: bool) -> str:
    return ("train" if train else "eager") + (" bf16" if bf16 else "")


def in_evaluation(forward: Callable[[], object], device: torch.device, bf16: bool) -> Run:
    """Return a run of the forward pass."""

    def run() -> object:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            return forward()

    return run


def in_training(
    models: Sequence[nn.Module], forward: Callable[[], object], device: torch.device, bf16: bool
) -> Run:
    """Return a run of the forward pass, a loss, and the backward pass."""

    def run() -> None:
        for model in models:
            model.zero_grad(set_to_none=True)
        with torch.enable_grad():
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                output = forward()
            loss(output).backward()

    return run


def loss(output: object) -> Tensor:
    """Return the sum of all outputs that have a gradient; of class scores ``[N, C]`` the cross entropy.

    Raises:
        ValueError: If there is none.
    """
    tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor) and leaf.requires_grad]
    if not tensors:
        raise ValueError("no output has a gradient")
    return torch.stack(
        [
            F.cross_entropy(each.float(), torch.zeros(len(each), dtype=torch.long, device=each.device))
            if each.dim() == 2
            else each.float().sum()
            for each in tensors
        ]
    ).sum()


# Ours -----------------------------------------------------------------------------------------------------


def ours_in(ours: Ours, mode: str, device: torch.device) -> Contestant:
    """Return our model in a mode of evaluation."""
    model, x = ours.build(device)
    return Contestant(
        name=_name(ours),
        mode=mode,
        run=in_mode(model, mode, x),
        parameters=sum(each.numel() for each in model.parameters()),
        flops=executed_flops(model, mode, x),
    )


def ours_in_training(ours: Ours, device: torch.device, *, bf16: bool) -> Contestant:
    """Return our model in training."""
    model, x = ours.build(device)
    model.train()

    def forward() -> object:
        return vars(model(x))

    return Contestant(
        name=_name(ours),
        mode=_mode(bf16, train=True),
        run=in_training([model], forward, device, bf16),
        parameters=sum(each.numel() for each in model.parameters()),
        flops=flops(in_training([model], forward, device, False)),
    )


def _name(ours: Ours) -> str:
    return f"{ours.preset} {ours.batch}x{ours.persons}x{ours.frames}+{ours.future}"


# Side by side ---------------------------------------------------------------------------------------------


def in_rounds(
    contestants: Sequence[Contestant], device: torch.device, seconds: float, at_least: int = 5
) -> list[list[float]]:
    """Return the times of each, one of every round; every other round runs in reverse.

    Args:
        contestants: What is timed.
        device: Where it works.
        seconds: Rounds are made until they have taken so long for each.
        at_least: Rounds that are made in any case.
    """
    for each in contestants:
        with each.within():
            for _ in range(2):
                each.run()
    times: list[list[float]] = [[] for _ in contestants]
    spent, turn = 0.0, list(range(len(contestants)))
    while len(times[0]) < at_least or spent < seconds * len(contestants):
        for i in turn:
            with contestants[i].within():
                _wait(device)
                start = time.perf_counter()
                contestants[i].run()
                _wait(device)
                times[i].append(time.perf_counter() - start)
            spent += times[i][-1]
        turn.reverse()
    return times


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def compare(
    peer: Peer,
    modes: Sequence[str],
    device: torch.device,
    *,
    bf16: bool = False,
    train: bool = False,
    seconds: float = 4.0,
) -> list[Row]:
    """Time a peer and ours in turn.

    Args:
        peer: The peer.
        modes: Those of ours, in evaluation.
        device: Where all of them run.
        bf16: Whether the peer, and in training ours, run under autocast.
        train: Whether a run is a forward and a backward pass; there are no modes then.
        seconds: How long each is timed for.

    Returns:
        A row for the peer and one for each mode of ours.

    Raises:
        LeftOutError: If the peer cannot be run.
    """
    theirs = load(peer, device, bf16=bf16, train=train)
    own = (
        [ours_in_training(peer.ours, device, bf16=bf16)]
        if train
        else [ours_in(peer.ours, mode, device) for mode in modes]
    )
    before = convolution_ceiling(device)
    times = in_rounds([theirs, *own], device, seconds)
    ceiling = statistics.fmean((before, convolution_ceiling(device)))
    rows: list[Row] = []
    for each, its in zip([theirs, *own], times, strict=True):
        ratios = [mine / other for mine, other in zip(its, times[0], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        is_ours = each is not theirs
        rows.append(
            {
                "model": each.name,
                "mode": each.mode,
                "M param": each.parameters / 1e6,
                "GFLOP": each.flops / 1e9,
                "p50 ms": 1e3 * statistics.median(its),
                "time x ceiling": statistics.median(its) * ceiling,
                "ours/peer": middle if is_ours else None,
                "quartile 1": low if is_ours else None,
                "quartile 3": high if is_ours else None,
                "note": f"of {peer.name}" if is_ours else "",
                "peer": peer.name,
                "rounds": len(its),
                "convolution ceiling in fp32, GFLOP/s": ceiling,
                "ms": [1e3 * seconds for seconds in its],
            }
        )
    return rows


COLUMNS = {
    "model": "<20s",
    "mode": "<11s",
    "M param": ">7.2f",
    "GFLOP": ">8.2f",
    "p50 ms": ">8.1f",
    "time x ceiling": ">8.2f",
    "ours/peer": ">6.3f",
    "quartile 1": ">6.3f",
    "quartile 3": ">6.3f",
    "note": "<1s",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write; leaves with 1 if no peer could be measured."""
    parser = argument_parser(__doc__)
    add_common_arguments(parser)
    parser.add_argument("--peers", type=Path, required=True, metavar="FILE.yaml", help="what to compare with")
    parser.add_argument("--modes", nargs="+", metavar="MODE", help="of ours, in evaluation (default: folded)")
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32", help="(default: fp32)")
    parser.add_argument("--train", action="store_true", help="time a forward and a backward pass")
    arguments = parser.parse_args(argv)
    bf16 = arguments.dtype == "bf16"
    try:
        modes = _modes(arguments, bf16)
        peers = read_peers(arguments.peers)
    except ModuleNotFoundError as error:
        parser.error(f'this needs {error.name}: pip install "pyg_sybio[train]"')
    except (ValueError, OSError) as error:
        parser.error(str(error))

    measured = []

    def rows() -> Iterator[Row]:
        for peer in peers:
            try:
                compared = compare(
                    peer, modes, arguments.device, bf16=bf16, train=arguments.train, seconds=arguments.seconds
                )
            except LeftOutError as error:
                note = f"left out, {error}"
                yield {**dict.fromkeys(COLUMNS), "model": peer.name, "note": note, "peer": peer.name}
            else:
                measured.append(peer)
                yield from compared

    report(rows(), COLUMNS, environment(arguments.device), arguments.output)
    if not measured:
        parser.exit(1, "no peer could be measured\n")


def _modes(arguments: argparse.Namespace, bf16: bool) -> list[str]:
    """The modes of ours, in the precision of the peers.

    Raises:
        ValueError: If there is no such mode, or not in this precision.
    """
    if arguments.train:
        if arguments.modes:
            raise ValueError("--modes: a training step has none")
        return []
    modes = arguments.modes or ["folded"]
    for mode in modes:
        check_mode(mode, arguments.device)
        if bf16 and mode not in (*BF16, *BF16.values()):
            raise ValueError(f"--modes: there is no '{mode}' in bf16; there are {', '.join(BF16)}")
    return [BF16.get(mode, mode) if bf16 else mode for mode in modes]


if __name__ == "__main__":
    main()
