"""Compare local checkouts of public implementations with this package.

    python benchmarks/peers.py --peers peers.yaml
    python benchmarks/peers.py --peers peers.yaml --modes eager folded --dtype bf16 --output peers.json
    python benchmarks/peers.py --peers peers.yaml --train

WARNING: this script imports and runs the code in the folders that the file names, with all of your
permissions. Read the code first. The script neither copies nor modifies it.

The file is YAML with a list `peers:`; start from benchmarks/peers.example.yaml.
`benchmarks/peers.schema.json` describes every field. `name` is the name in the table. `folder`, `module`,
`class` and `arguments` define the constructor call, and `copies` the number of copies. `input` or `inputs`
has a `shape`, and a `layout` in letters: N clips, C features, T frames, V joints, P or M persons. Further
inputs may have `kind`, `below` and `name`, and `call` has further arguments of the forward call. `ours` has
settings of our model: `preset`, `skeleton`, `persons`, `frames`, `future`, `batch` and `classes`.

By default, `ours` has the same numbers of clips, persons and frames as the peer's input. The default preset
and skeleton depend on the number of joints: ntu and ntu25 for 25, ntu and openpose18 for 18, mocap and
h36m32:used for 20, mocap and cmu38:used for 26. The preset sets all other defaults.

Each peer runs in a separate process, in which its folders come first on the Python path. A peer that cannot
be imported, constructed or run is skipped, and the reason is printed. The peer's code is not adapted: a model
that needs CUDA in its constructor only runs on a CPU if you change your checkout. For example, add a wrapper
class in a folder that `folder` lists first. If torch cannot count the FLOPs of a peer, the reason is printed
instead.

A round runs the peer once, and our model once in every mode; every second round has the reverse order. A
ratio is our time divided by the peer's time of the same round, and is below 1 if our model is faster. The
table shows the median and the quartiles over the rounds. `time x ceiling` is the median time times the
ceiling in single precision, in GFLOP. With `--dtype bf16`, the peer runs under autocast, and our model runs
in the bfloat16 modes. With `--train`, a run consists of a forward and a backward pass, without an optimiser
step; the loss is the sum of all outputs, where an output [N, C] is replaced by its cross entropy.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from common import COMMON, Report, Row, argument_parser, check_modes, environment, parsed
from modes import Case, executed_flops, in_mode, single
from peers_file import Peer, read_peers
from peers_model import count_flops, in_training
from timing import convolution_ceiling, ratio_figures, timed, timings_in_turn
from workers import Worker, WorkerError

# The bfloat16 mode for each float32 mode.
BF16 = {
    mode: "bf16" if mode == "eager" else f"{mode}-bf16" for mode in ("eager", "folded", "compiled", "graph")
}

COLUMNS = {
    "model": "<20s",
    "mode": "<13s",
    "M param": ">7.2f",
    "GFLOP": ">8.2f",
    "p50 ms": ">8.1f",
    "time x ceiling": ">8.2f",
    "ratio": ">6.3f",
    "quartile 1": ">6.3f",
    "quartile 3": ">6.3f",
    "note": "<1s",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and save; exit with status 1 if no peer could be measured."""
    parser = argument_parser(__doc__, **COMMON)
    parser.add_argument("--peers", type=Path, required=True, metavar="FILE.yaml", help="the file of peers")
    parser.add_argument("--modes", nargs="+", metavar="MODE", help="modes of our model (default: folded)")
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32", help="(default: fp32)")
    parser.add_argument("--train", action="store_true", help="time a forward and a backward pass")
    arguments = parsed(parser, argv)
    setting = Setting(arguments.device, arguments.dtype == "bf16", arguments.train)
    try:
        modes = _modes(arguments.modes, setting)
        peers = read_peers(arguments.peers)
    except ModuleNotFoundError as error:
        parser.error(f'this needs {error.name}: pip install "pyg_sybio[train]"')
    except (ValueError, OSError) as error:
        parser.error(str(error))
    measured = []

    def rows() -> Iterator[Row]:
        for peer in peers:
            try:
                compared = compare(peer, modes, setting, arguments.seconds)
            except WorkerError as error:
                empty = dict.fromkeys(COLUMNS)
                yield {**empty, "model": peer.name, "note": f"left out, {error}", "peer": peer.name}
            else:
                measured.append(peer)
                yield from compared

    Report(environment(arguments.device), arguments.output).table(rows(), COLUMNS)
    if not measured:
        parser.exit(1, "no peer could be measured\n")


@dataclass(frozen=True)
class Setting:
    """Settings of a comparison: device, precision, and training or evaluation."""

    device: torch.device
    bf16: bool = False
    train: bool = False

    @property
    def mode(self) -> str:
        """The mode of a peer, and of our model if a training step is timed."""
        return ("train" if self.train else "eager") + (" bf16" if self.bf16 else "")


def _modes(modes: Sequence[str] | None, setting: Setting) -> list[str]:
    """Return the modes of our model, with the precision of the peers.

    Raises:
        ValueError: If a mode does not exist, or does not support the precision.
    """
    if setting.train:
        if modes:
            raise ValueError("argument --modes: a training step has no modes")
        return []
    chosen = list(modes or ["folded"])
    check_modes(chosen, setting.device)
    return [mode if mode.endswith("bf16") or not setting.bf16 else BF16[mode] for mode in chosen]


@dataclass(frozen=True)
class Contestant:
    """A model to time.

    Args:
        name: Name in the table.
        mode: Mode in which the model runs.
        timer: Function that runs the model once and returns the time in seconds.
        parameters: Number of parameters.
        flops: FLOPs of the matrix products and convolutions of a run; None if they cannot be counted.
        note: Remark in the table.
    """

    name: str
    mode: str
    timer: Callable[[], float]
    parameters: int
    flops: int | None
    note: str = ""


def prepared(peer: Peer, worker: Worker, setting: Setting) -> Contestant:
    """Build a peer in its worker process.

    Raises:
        WorkerError: If the peer cannot be imported, constructed or run.
    """
    how = {"device": str(setting.device), "bf16": setting.bf16, "train": setting.train}
    facts = worker.ask(prepare={"peer": peer.description, **how})
    note = f"FLOPs not counted: {facts['uncounted']}" if facts["uncounted"] else ""
    return Contestant(peer.name, setting.mode, worker.seconds, facts["parameters"], facts["flops"], note)


def ours_in(ours: Case, mode: str, device: torch.device) -> Contestant:
    """Build our model for evaluation in a mode."""
    model, x = ours.build(device)
    run, flops = in_mode(model, mode, x), executed_flops(model, mode, x)
    parameters = sum(each.numel() for each in model.parameters())
    return Contestant(_name(ours), mode, partial(timed, run, device), parameters, flops)


def ours_in_training(ours: Case, setting: Setting) -> Contestant:
    """Build our model for training steps."""
    model, x = ours.build(setting.device)
    model.train()

    def forward() -> object:
        return vars(model(single(x)))

    run = in_training([model], forward, setting.device, setting.bf16)
    flops, _ = count_flops(in_training([model], forward, setting.device, False))
    parameters = sum(each.numel() for each in model.parameters())
    return Contestant(_name(ours), setting.mode, partial(timed, run, setting.device), parameters, flops)


def _name(ours: Case) -> str:
    return "{0} {batch}x{persons}x{observed}+{num_future}".format(ours.preset, **ours.settings)


def compare(peer: Peer, modes: Sequence[str], setting: Setting, seconds: float = 4.0) -> list[Row]:
    """Time a peer and our model alternately.

    Args:
        peer: The peer.
        modes: The modes of our model in evaluation.
        setting: Settings of the comparison.
        seconds: Average measuring time per model and mode.

    Returns:
        A row for the peer, and a row for each mode of our model.

    Raises:
        WorkerError: If the peer cannot be run.
    """
    with Worker(Path(__file__).parent / "peers_model.py") as worker:
        theirs = prepared(peer, worker, setting)
        own = [ours_in(peer.ours, mode, setting.device) for mode in modes]
        if setting.train:
            own = [ours_in_training(peer.ours, setting)]
        before = convolution_ceiling(setting.device)
        times = timings_in_turn([each.timer for each in (theirs, *own)], seconds)
        ceiling = statistics.fmean((before, convolution_ceiling(setting.device)))
    rows: list[Row] = []
    for each, its in zip((theirs, *own), times, strict=True):
        is_ours = each is not theirs
        ratios = ratio_figures(its, times[0])
        rows.append(
            {
                "model": each.name,
                "mode": each.mode,
                "M param": each.parameters / 1e6,
                "GFLOP": None if each.flops is None else each.flops / 1e9,
                "p50 ms": 1e3 * statistics.median(its),
                "time x ceiling": statistics.median(its) * ceiling,
                **(ratios if is_ours else dict.fromkeys(ratios)),
                "note": f"vs {peer.name}" if is_ours else each.note,
                "peer": peer.name,
                "rounds": len(its),
                "ceiling fp32": ceiling,
                "ms": [1e3 * each for each in its],
            }
        )
    return rows


if __name__ == "__main__":
    main()
