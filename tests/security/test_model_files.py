"""Hostile model files are refused in one line; nothing is imported, opened or sent, and memory is bounded.

To add an attack, add a line to :data:`ATTACKS`; to add a command, add a line to :data:`COMMANDS`.
"""

import random
import resource
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hostile_models import DEEP, DIGITS, INFINITY, KINDS, NAN, SHARED, ModelFile, Parts, model_files
from marks import slow
from watched import watched

from pyg_sybio.cli.main import main
from pyg_sybio.trained.load import load_trained

HUGE = 10**7
PYG = "torch_geometric.datasets."

Attack = Callable[[Parts], object]


def config(name: str, value: Any) -> Attack:
    return lambda parts: parts.config.__setitem__(name, value)


def skeleton(name: str, value: Any) -> Attack:
    return lambda parts: parts.config["skeleton"].__setitem__(name, value)


def document(name: str, value: Any, *inner: str) -> Attack:
    return lambda parts: parts.set(name, value, *inner)


def dataset(name: str, /, **settings: Any) -> Attack:
    def change(parts: Parts) -> None:
        parts.set("dataset", name)
        parts.set("settings", settings)

    return change


def pattern(parts: Parts) -> None:
    """A pattern that takes exponential time to match."""
    parts.set("dataset", "MotionFolder")
    parts.set("settings", {"pattern": r"(?P<label>(a+)+)+b\.npz"})


def transform(name: str, /, place: str = "preprocess", **arguments: Any) -> Attack:
    return lambda parts: parts.set(place, [parts.transform(name, **arguments)])


def flipped(parts: Parts) -> None:
    """Flip one bit of one weight."""
    name = max(parts.weights, key=lambda name: parts.weights[name].numel())
    parts.weights[name] = parts.weights[name].contiguous().clone()
    parts.weights[name].view(-1).view(torch.int32)[7] ^= 1 << 20


ATTACKS: Mapping[str, Attack] = {
    # Data sets, modules and transforms that are not from the package.
    "PyG data set in a local folder": dataset(f"{PYG}ModelNet", root="evil_root"),
    "PyG data set at an http URL": dataset(f"{PYG}TUDataset", root="http://localhost:9/", name="MUTAG"),
    "PyG data set at a data URL": dataset(f"{PYG}Planetoid", root="data:text/plain,x", name="Cora"),
    "PyG data set by name": dataset("ModelNet", root="evil_root"),
    "data set in memory": dataset("torch_geometric.data.InMemoryDataset", root="evil_root"),
    "module of the working folder": dataset("evil.Evil"),
    "module by its last name": dataset("evil"),
    "antigravity": dataset("antigravity.fly"),
    "antigravity as a transform": transform("antigravity.fly"),
    "foreign transform": transform("evil.Evil"),
    "foreign transform of the window": transform("evil.Evil", place="fill"),
    "PyG transform": transform("torch_geometric.transforms.RandomJitter", translate=0.1),
    "function as a transform": transform("os.system", command="touch marker"),
    "transform in the package's path": transform("pyg_sybio.data.datasets.evil.Evil"),
    "data set as a transform": transform("MotionFolder", root="evil_root"),
    "transform as a data set": dataset("Center"),
    "name with a path": dataset("../evil.Evil"),
    "name that is a list": document("dataset", ["MotionFolder"]),
    "name of a megabyte": dataset("x" * 10**6),
    # Paths, patterns, addresses.
    "cache": document("settings", "evil_cache", "cache"),
    "root": document("settings", "evil_root", "root"),
    "root at a URL": document("settings", "http://localhost:9/", "root"),
    "root of the test split": document("test", "evil_root", "root"),
    "cache of the test split": document("test", "/tmp/evil_cache", "cache"),
    "pattern with nested repetition": pattern,
    "folder above": document("folder", "../../etc"),
    "folder from the root": document("folder", "/etc"),
    "folder with a backslash": document("folder", "..\\evil"),
    "class name with a line break": document("class_names", ["a\nb"]),
    "class names twice": document("class_names", ["a"] * 12),
    # Numbers of the config.
    **{
        f"{name} of {what}": config(name, value)
        for name in (
            "hops", "num_future", "actional_iterations", "actional_frames", "num_classes", "head_channels",
            "actional_channels", "kernel_size", "in_channels",
        )
        for what, value in (("1e7", HUGE), ("1e300", 1e300), ("a negative number", -1), ("text", "4"))
    },
    "NaN hops": config("hops", NAN),
    "infinite hops": config("hops", INFINITY),
    "endless hops": config("hops", DIGITS),
    "deep hops": config("hops", DEEP),
    "no hops": config("hops", None),
    "channels of 1e7": config("channels", [HUGE, HUGE]),
    "a thousand blocks": config("channels", [8] * 1000),
    "wide channels in a small file": config("channels", [4096, 4096]),
    "strides of 1e7": config("strides", [HUGE, HUGE]),
    "actional weight of 1e300": config("actional_weight", 1e300),
    "dropout of NaN": config("dropout", NAN),
    "unknown setting": config("evil", 1),
    "config that is a list": lambda parts: setattr(parts, "config", [parts.config]),
    "config without a skeleton": lambda parts: parts.config.pop("skeleton"),
    "1e5 joints": skeleton("joints", [f"joint {number}" for number in range(10**5)]),
    "joints of another skeleton": skeleton("joints", ["a", "b"]),
    "name of a joint of a megabyte": skeleton("center", "x" * 10**6),
    "bones without end": skeleton("bones", [["a", "b"]] * 10**4),
    "skeleton that is a path": config("skeleton", "/etc/passwd"),
    # Numbers of the document.
    **{
        f"{name} of {what}": document(name, value)
        for name in ("num_observed", "frame_rate", "batch_size")
        for what, value in (
            ("1e7", HUGE), ("1e300", 1e300), ("a negative number", -1), ("NaN", NAN), ("text", "4"),
            ("nothing", 0), ("digits", DIGITS),
        )
    },
    "1e9 numbers of synthetic clips": dataset("SyntheticMotions", num_clips=100_000, num_observed=5000),
    "frame rate of 1e-300": document("frame_rate", 1e-300),
    "negative epoch": document("epoch", -1),
    "deep views": document("views", DEEP),
    "views that hold themselves": document("views", SHARED),
    "config that holds itself": config("channels", SHARED),
    "skeleton that holds itself": skeleton("joints", SHARED),
    "many views": document("views", {"mirror": None, "parts": [[0.0, 1.0]] * 10**4}),
    "no classes": document("class_names", []),
    "1e6 classes": document("class_names", [str(number) for number in range(10**6)]),
    "one class more": document("seen_classes", [True] * 13),
    "later format": document("format", 3),
    "padding to 1e9 frames": transform("Pad", num_frames=10**9),
    "resampling to 1e300 Hz": transform("Resample", frame_rate=1e300),
    "1e9 frames of a clip": transform("ResampleLength", num_frames=10**9),
    "smoothing over 1e300 frames": transform("Smooth", std=1e300),
    "deep arguments": transform("Center", joint=DEEP),
    "unknown argument": transform("Center", evil=1),
    "time warp of 1e300": transform("RandomTimeWarp", tempo=1e300),
    "1e4 transforms": lambda parts: parts.set("preprocess", [parts.transform("Center")] * 10**4),
    # Weights.
    "one flipped bit": flipped,
    "weights that are missing": lambda parts: parts.weights.pop(next(reversed(parts.weights))),
    "weights of another shape": lambda parts: parts.weights.update(
        {name: torch.cat([value, value]) for name, value in parts.weights.items() if value.dim() > 1}
    ),
}  # fmt: skip

# Attacks that a file format cannot contain, or that are harmless because the value is not used: a data set
# is only looked up if its clips are needed, and the folder of an old document only if it is a plain name.
_OLD = ("old checkpoint", "old folder", "old onnx")
_NEW = ("checkpoint", "folder", "onnx")
IGNORED: Mapping[str, tuple[str, ...]] = {
    "one flipped bit": _OLD,
    "weights that are missing": ("onnx", "old onnx"),
    "one class more": ("old checkpoint",),
    "later format": ("old checkpoint",),
    "1e9 numbers of synthetic clips": KINDS,
    "folder above": _OLD,
    "folder from the root": _OLD,
    "folder with a backslash": _OLD,
    "module by its last name": _NEW,
    "transform as a data set": _NEW,
}

# Attacks that are tried with every command, in addition to one file of each format for every attack.
TYPICAL = (
    "PyG data set in a local folder",
    "PyG data set at a data URL",
    "module of the working folder",
    "antigravity",
    "foreign transform",
    "cache",
    "hops of 1e7",
    "frame_rate of 1e300",
)

# The arguments of each command with a model and a recording; its output goes into the working folder.
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "predict": ("predict", "MODEL", "RECORDING", "--output", "future.npz"),
    "predict a folder": ("predict", "MODEL", "FOLDER"),
    "evaluate": ("evaluate", "MODEL", "--output", "report.json"),
    "plot prediction": ("plot", "prediction", "MODEL", "RECORDING", "--output", "prediction.png"),
    "plot prediction of a clip": ("plot", "prediction", "MODEL", "0", "--output", "prediction.png"),
    "plot actional": ("plot", "actional", "MODEL", "--file", "RECORDING", "--output", "actional.png"),
    "plot actional of a clip": ("plot", "actional", "MODEL", "--clip", "0", "--output", "actional.png"),
    "plot embedding": ("plot", "embedding", "MODEL", "--output", "embedding.png"),
    "plot confusion": ("plot", "confusion", "MODEL", "--output", "confusion.png"),
    "plot observation": ("plot", "observation", "MODEL", "--output", "observation.png"),
    "export onnx": ("export", "onnx", "MODEL", "--output", "exported.onnx"),
    "export pretrained": ("export", "pretrained", "MODEL", "--output", "exported"),
    "stream": ("stream", "MODEL", "RECORDING"),
    "serve": ("serve", "MODEL", "--port", "0"),
}


@pytest.fixture(scope="module", autouse=True)
def _loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Load every format of model once, so that all modules for loading are imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("good"))
        for kind, file in model_files().items():
            assert main(argv_of("predict", file, file.path)) == 0, kind


def argv_of(command: str, file: ModelFile, path: Path) -> list[str]:
    words = {"MODEL": path, "RECORDING": file.recording, "FOLDER": file.recording.parent}
    return [str(words.get(word, word)) for word in COMMANDS[command]]


def _timed(argv: list[str]) -> tuple[int, float]:
    """Run a command, and return its exit code and its CPU time in seconds."""
    start = time.process_time()
    return main(argv), time.process_time() - start


class Attacked:
    """A working folder in which commands are run with hostile files."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self._theirs, self.working, self._capfd = folder / "theirs", folder / "working", capfd
        for each in (self._theirs, self.working):
            each.mkdir()
        (self.working / "evil.py").write_text("import pathlib\npathlib.Path('marker').touch()\n")

    def meet(self, name: str, kind: str, command: str = "predict") -> None:
        """Run a command with a hostile file, and check all of its accesses."""
        file = model_files()[kind]
        path = file.hostile(self._theirs, ATTACKS[name])
        main(argv_of(command, file, file.path.with_name("missing")))  # import the modules of the command
        self._capfd.readouterr()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with watched() as seen:
            code, spent = _timed(argv_of(command, file, path))
        errors = [line for line in self._capfd.readouterr().err.splitlines() if line]
        if code == 0 and kind in IGNORED.get(name, ()):
            assert not seen.imported
            assert seen.read_outside(path, file.recording.parent, self.working) == []
            assert all(each.is_relative_to(self.working) for each in seen.written)
            return
        assert code == 1
        assert len(errors) == 1, errors
        assert errors[0].startswith("sybio: error: ")
        assert len(errors[0]) < 1000
        assert seen.imported + seen.others == []
        assert seen.read_outside(path) + seen.written == [], errors
        assert [each.name for each in self.working.iterdir()] == ["evil.py"]
        # A process that shares its core with others needs more CPU time.
        assert spent < 1 or any(_timed(argv_of(command, file, path))[1] < 1 for _ in range(3))
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # kilobytes


@pytest.fixture
def attacked(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Attacked:
    made = Attacked(tmp_path, capfd)
    monkeypatch.chdir(made.working)
    monkeypatch.syspath_prepend(made.working)
    return made


def _some(cases: list[tuple[str, str]]) -> list[Any]:
    """Pairs of values: each first value with one second value; the slow tests have all pairs."""
    chosen = {first: number for number, first in enumerate(dict.fromkeys(first for first, _ in cases))}
    seconds = list(dict.fromkeys(second for _, second in cases))
    return [case if case[1] == seconds[chosen[case[0]] % len(seconds)] else slow(*case) for case in cases]


@pytest.mark.parametrize(("name", "kind"), _some([(name, kind) for name in ATTACKS for kind in KINDS]))
def test_every_attack_is_refused(name: str, kind: str, attacked: Attacked) -> None:
    attacked.meet(name, kind)


@pytest.mark.parametrize(
    ("command", "name"), _some([(command, name) for command in COMMANDS for name in TYPICAL])
)
@pytest.mark.parametrize("kind", ["folder", *map(slow, (kind for kind in KINDS if kind != "folder"))])
def test_every_command_refuses_a_hostile_file(command: str, name: str, kind: str, attacked: Attacked) -> None:
    attacked.meet(name, kind, command)


def test_clips_that_are_too_large_are_refused_when_they_are_created(attacked: Attacked) -> None:
    file = model_files()["folder"]
    path = file.hostile(attacked.working, ATTACKS["1e9 numbers of synthetic clips"])
    assert main(argv_of("evaluate", file, path)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {"serve", "plot observation"}))
def test_every_command_accepts_the_intact_file(command: str, attacked: Attacked) -> None:
    file = model_files()["folder"]
    assert main(argv_of(command, file, file.path)) == 0


@pytest.mark.parametrize(
    ("kind", "name"), [("checkpoint", ""), ("folder", "model.safetensors"), ("onnx", "")]
)
@pytest.mark.parametrize("count", [5, slow(200)])
def test_flipped_bits_of_a_file_are_detected(kind: str, name: str, count: int, tmp_path: Path) -> None:
    good, chosen = model_files()[kind].path, random.Random(count)
    copy = tmp_path / good.name
    shutil.copytree(good, copy) if good.is_dir() else shutil.copy(good, copy)
    expected, content = load_trained(good).model, (good / name).read_bytes()
    poses = torch.randn(1, 20, expected.skeleton.num_joints, expected.in_channels)
    refused = 0
    for _ in range(count):
        damaged = bytearray(content)
        damaged[chosen.randrange(len(content))] ^= 1 << chosen.randrange(8)
        (copy / name).write_bytes(damaged)
        try:
            model = load_trained(copy).model
        except (ValueError, FileNotFoundError) as error:
            assert "\n" not in str(error)
            refused += 1
            continue
        # An irrelevant bit, such as a bit of a date or of an unused name.
        assert torch.equal(model(poses).logits, expected(poses).logits)
    assert refused >= 0.4 * count
