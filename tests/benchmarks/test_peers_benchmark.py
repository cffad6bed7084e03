"""Peers are imported apart from each other, measured as the file says, and left out with the reason."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CEILING = 100.0  # GFLOP/s
SHAPE = [2, 3, 6, 25, 1]
OURS = {"preset": "demo", "frames": 6, "future": 1, "classes": 4}
CPU = torch.device("cpu")

# Two checkouts of the same layout: packages `model` and `graph`, the latter without an __init__.py, imported
# by name when a model is made, and once more when it runs.
MODEL = """
import torch
from graph.body import SIZE

class Model(torch.nn.Module):
    def __init__(self, num_class, shape=None, **others):
        super().__init__()
        others.pop("spare", None)
        self.width = __import__("graph.sizes").sizes.WIDTH
        self.fc = torch.nn.Linear(SIZE, num_class)
        self.shape = shape
        self.calls = 0

    def forward(self, x, scale=1.0):
        from graph.late import NAME
        print("noise")
        assert NAME == "{name}", NAME
        assert self.shape is None or list(x.shape) == self.shape, x.shape
        self.calls += 1
        return scale * self.fc(x.flatten(1)[:, :SIZE])
"""


@pytest.fixture(autouse=True)
def peers(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script, on a machine whose ceiling is known at once, with a small model of ours."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import common
    import peers

    for module in (common, peers):
        monkeypatch.setattr(module, "convolution_ceiling", lambda *arguments: CEILING)
    monkeypatch.setattr(common, "product_ceiling", lambda *arguments: CEILING)
    yield peers


def _checkout(folder: Path, name: str, *, size: int = 8, width: int = 5) -> Path:
    for package in ("model", "graph"):
        (folder / package).mkdir(parents=True)
    (folder / "model" / "__init__.py").write_text("")
    (folder / "model" / "net.py").write_text(MODEL.replace("{name}", name))
    (folder / "graph" / "body.py").write_text(f"SIZE = {size}\n")
    (folder / "graph" / "sizes.py").write_text(f"WIDTH = {width}\n")
    (folder / "graph" / "late.py").write_text(f"NAME = '{name}'\n")
    return folder


def _entry(name: str, folder: Path, /, **fields: Any) -> dict[str, Any]:
    entry = {
        "name": name,
        "folder": str(folder),
        "module": "model.net",
        "class": "Model",
        "arguments": {"num_class": 4},
        "input": {"shape": SHAPE, "layout": "N C T V M"},
        "ours": OURS,
    }
    return {key: value for key, value in {**entry, **fields}.items() if value is not None}


def _file(folder: Path, *entries: object) -> Path:
    path = folder / "peers.yaml"
    path.write_text(yaml.safe_dump({"peers": list(entries)}))
    return path


def _read(peers: ModuleType, folder: Path, *entries: object) -> list[Any]:
    read: list[Any] = peers.read_peers(_file(folder, *entries))
    return read


def _one(peers: ModuleType, folder: Path, /, **fields: Any) -> Any:
    (peer,) = _read(peers, folder, _entry("a", folder, **fields))
    return peer


def test_two_checkouts_with_the_same_packages_stay_apart(peers: ModuleType, tmp_path: Path) -> None:
    first = _checkout(tmp_path / "first", "one", size=8, width=5)
    second = _checkout(tmp_path / "second", "two", size=16, width=7)
    path, before = list(sys.path), set(sys.modules)
    loaded = [
        peers.load(peer, CPU) for peer in _read(peers, tmp_path, _entry("a", first), _entry("b", second))
    ]
    assert [each.parameters for each in loaded] == [8 * 4 + 4, 16 * 4 + 4]
    for each in (*loaded, *reversed(loaded)):
        with each.within():
            assert "graph.late" in sys.modules  # known again, and its own: the model asserts the name
            each.run()
    assert sys.path == path
    assert not {name for name in set(sys.modules) - before if name.split(".")[0] in ("model", "graph")}


def test_modules_of_the_same_name_are_back_afterwards(
    peers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = ModuleType("model")
    monkeypatch.setitem(sys.modules, "model", ours)
    isolation = peers.Isolation([_checkout(tmp_path / "first", "one")])
    with isolation.entered():
        assert "model" not in sys.modules
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        sys.path.insert(0, "")
    assert sys.modules["model"] is ours
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"folder": "nowhere"}, "import: there is no folder"),
        ({"module": "net"}, "import: ModuleNotFoundError: No module named 'net'"),
        ({"module": "model.broken"}, "import: ImportError: too old"),
        ({"module": "model.script"}, "import: SystemExit: usage"),
        ({"class": "Modell"}, "import: AttributeError: .*'Modell'"),
        ({"arguments": {}}, "constructor: TypeError: .*'num_class'"),
        ({"class": "SIZE"}, "constructor: TypeError: 'int' object is not callable"),
        ({"class": "torch.nn.Linear"}, "import: AttributeError"),
        ({"arguments": {"num_class": 4, "shape": [1]}}, "forward: AssertionError: torch.Size"),
        ({"call": {"speed": 1}}, "forward: TypeError: .*'speed'"),
    ],
)
def test_what_fails_is_left_out_with_the_reason(
    peers: ModuleType, tmp_path: Path, fields: dict[str, Any], reason: str
) -> None:
    folder = _checkout(tmp_path / "first", "one")
    (folder / "model" / "broken.py").write_text("raise ImportError('too\\n old')\n")
    (folder / "model" / "script.py").write_text("raise SystemExit('usage')\n")
    peer = _read(peers, tmp_path, _entry("a", folder, **fields))[0]
    with pytest.raises(peers.LeftOutError, match=reason) as error:
        peers.load(peer, CPU)
    assert "\n" not in str(error.value)
    assert str(folder) not in sys.path


def test_a_class_that_is_no_torch_module_is_left_out(peers: ModuleType, tmp_path: Path) -> None:
    folder = _checkout(tmp_path / "first", "one")
    (folder / "model" / "plain.py").write_text("Model = dict\n")
    peer = _read(peers, tmp_path, _entry("a", folder, module="model.plain"))[0]
    with pytest.raises(peers.LeftOutError, match="constructor: it makes a dict, expected a torch module"):
        peers.load(peer, CPU)


def test_a_folder_of_ones_own_comes_before_theirs(peers: ModuleType, tmp_path: Path) -> None:
    (own := tmp_path / "own").mkdir()
    (own / "around.py").write_text(
        "from model.net import Model\n"
        "class Around(Model):\n"
        "    def forward(self, x):\n"
        "        return super().forward(x, scale=2.0)\n"
    )
    theirs = _checkout(tmp_path / "theirs", "one")
    named = {"module": "around", "class": "Around", "folder": ["own", "theirs"]}
    (peer,) = _read(peers, tmp_path, _entry("a", theirs, **named))
    assert peers.load(peer, CPU).parameters == 8 * 4 + 4


def test_copies_run_one_after_another(peers: ModuleType, tmp_path: Path) -> None:
    folder = _checkout(tmp_path / "first", "one")
    one, two = (peers.load(_one(peers, folder, copies=copies), CPU) for copies in (1, 2))
    assert two.parameters == 2 * one.parameters
    assert one.flops == 2 * SHAPE[0] * 8 * 4
    assert two.flops == 2 * one.flops


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ([2, 3, 6, 25, 1], "N C T V M"),
        ([2, 3, 6, 25, 1], ["N", "C", "T", "V", "P"]),
        ([1, 6, 25, 3, 2], "PTVCN"),
        ([25, 6, 3, 1, 2], "V, T, C, M, N"),
        ([2, 6, 25, 3], "N T V C"),
    ],
)
def test_a_layout_permutes_letters_and_leaves_the_shape(
    peers: ModuleType, tmp_path: Path, shape: list[int], layout: object
) -> None:
    folder = _checkout(tmp_path, "one", size=2)
    arguments = {"num_class": 4, "shape": shape}
    peer = _one(peers, folder, input={"shape": shape, "layout": layout}, arguments=arguments, ours=None)
    assert (peer.ours.preset, peer.ours.skeleton) == ("ntu", "ntu25")
    assert (peer.ours.batch, peer.ours.persons, peer.ours.frames) == (2, 1, 6)
    peers.load(peer, CPU)  # it asserts the shape


def test_ours_can_be_named_in_part(peers: ModuleType, tmp_path: Path) -> None:
    ours = {"preset": "demo", "skeleton": "ucla20", "persons": 2, "frames": 9, "batch": 3}
    peer = _one(peers, tmp_path, ours=ours)
    assert (peer.ours.future, peer.ours.classes) == (10, 12)
    model, x = peer.ours.build(CPU)
    assert model.skeleton.name == "ucla20"
    assert x.shape == (3, 2, 9, 20, 3)


def test_several_inputs_of_several_kinds_and_arguments_of_the_call(peers: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Linear):\n"
        "    def forward(self, x, index, *, mask, steps, table):\n"
        "        assert x.dtype == table.dtype == torch.float32 and steps == 3\n"
        "        assert index.dtype == torch.long and 0 <= index.min() <= index.max() < 5\n"
        "        assert mask.dtype == torch.bool and mask.shape == (7,)\n"
        "        return {'scores': super().forward(x), 'motion': [super().forward(x)[None]]}\n"
    )
    inputs = [
        {"shape": [2, 3]},
        {"shape": [40], "kind": "long", "below": 5},
        {"shape": [7], "kind": "bool", "name": "mask"},
        {"shape": [1], "name": "table"},
    ]
    peer = _one(
        peers,
        tmp_path,
        module="net",
        arguments=[3, 6],
        inputs=inputs,
        input=None,
        call={"steps": 3},
        **{"class": "Net"},
    )
    assert peers.load(peer, CPU).parameters == 3 * 6 + 6
    # Forward twice, and of each the gradient by the weights (the input needs none).
    assert peers.load(peer, CPU, train=True).flops == 2 * peers.load(peer, CPU).flops


def test_the_loss_is_cross_entropy_of_scores_and_the_sum_of_the_rest(peers: ModuleType) -> None:
    scores, motion = torch.randn(4, 5, requires_grad=True), torch.randn(4, 3, 2, requires_grad=True)
    expected = -scores.log_softmax(dim=1)[:, 0].mean() + motion.sum()
    torch.testing.assert_close(peers.loss((scores, {"future": motion, "mask": torch.ones(2, 2)})), expected)
    with pytest.raises(ValueError, match="no output has a gradient"):
        peers.loss(torch.ones(2, 2))


def test_rounds_alternate_and_ratios_are_of_the_same_round(
    peers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    runs = [peers.Contestant(name, "", lambda name=name: order.append(name), 0, 0) for name in ("a", "b")]
    times = peers.in_rounds(runs, CPU, seconds=0.0, at_least=3)
    assert "".join(order) == "aabb" + "ab" + "ba" + "ab"  # warm-up, then the rounds
    assert [len(each) for each in times] == [3, 3]

    monkeypatch.setattr(peers, "in_rounds", lambda *arguments: [[1.0, 2.0, 4.0], [0.5, 3.0, 1.0]])
    peer = _one(peers, _checkout(tmp_path, "one"))
    theirs, own = peers.compare(peer, ["eager"], CPU)
    assert (own["ours/peer"], own["quartile 1"], own["quartile 3"]) == (0.5, 0.375, 1.0)
    assert theirs["ours/peer"] is None
    assert theirs["p50 ms"] == 2000.0
    assert theirs["time x ceiling"] == 2.0 * CEILING


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_the_command_measures_what_it_can(
    peers: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], dtype: str
) -> None:
    good = _entry("good", _checkout(tmp_path / "good", "one"), ours=OURS)
    bad = _entry("bad", _checkout(tmp_path / "bad", "two"), arguments=[])
    output = tmp_path / "figures.json"
    argv = ["--peers", str(_file(tmp_path, bad, good)), "--modes", "eager", "--dtype", dtype]
    peers.main([*argv, "--seconds", "0", "--output", str(output)])
    printed = capsys.readouterr().out
    assert "left out, constructor: TypeError" in printed
    assert "noise" not in printed
    document = json.loads(output.read_text())
    assert document["environment"]["torch"] == torch.__version__
    left_out, theirs, own = document["rows"]
    assert (left_out["peer"], left_out["GFLOP"]) == ("bad", None)
    assert (theirs["model"], own["model"]) == ("good", "demo 2x1x6+1")
    assert own["mode"] == {"fp32": "eager", "bf16": "bf16"}[dtype]
    assert own["rounds"] == theirs["rounds"] == len(own["ms"]) >= 5
    ratios = torch.tensor(own["ms"]) / torch.tensor(theirs["ms"])
    assert own["ours/peer"] == pytest.approx(float(ratios.quantile(0.5)), rel=1e-5)


def test_a_training_step_is_compared_with_ours(peers: ModuleType, tmp_path: Path) -> None:
    file = _file(tmp_path, _entry("good", _checkout(tmp_path / "good", "one"), copies=2))
    output = tmp_path / "figures.json"
    peers.main(["--peers", str(file), "--train", "--seconds", "0", "--output", str(output)])
    theirs, own = json.loads(output.read_text())["rows"]
    assert theirs["mode"] == own["mode"] == "train"
    assert own["GFLOP"] > theirs["GFLOP"] > 0


def test_without_a_peer_that_runs_the_command_fails(
    peers: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        peers.main(["--peers", str(_file(tmp_path, _entry("a", tmp_path / "nowhere")))])
    assert end.value.code == 1
    captured = capsys.readouterr()
    assert "left out, import: there is no folder" in captured.out
    assert "no peer could be measured" in captured.err


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"moduel": "x"}, "peer 'a' has the unknown key 'moduel'; there are name, folder, module"),
        ({"module": None}, "peer 'a' has no 'module', expected a text"),
        ({"module": 3}, "peer 'a': 'module' is 3, expected a text"),
        ({"folder": []}, r"peer 'a': 'folder' is \[\], expected a folder or a list"),
        ({"folder": [1]}, r"peer 'a': 'folder' is \[1\], expected a folder or a list"),
        ({"arguments": "x"}, "peer 'a': 'arguments' is 'x', expected a mapping or a list"),
        ({"copies": 0}, "peer 'a': 'copies' is 0, expected a whole number from 1"),
        ({"copies": True}, "peer 'a': 'copies' is True, expected a whole number from 1"),
        ({"call": [1]}, r"peer 'a': 'call' is \[1\], expected a mapping"),
        ({"input": None}, "peer 'a' must have 'input' or 'inputs', but it has neither"),
        ({"inputs": [{"shape": [1]}]}, "must have 'input' or 'inputs', but it has both"),
        ({"input": None, "inputs": []}, r"'inputs' is \[\], expected a list of inputs"),
        ({"input": [1]}, r"'input' is \[1\], expected a mapping with shape, layout"),
        ({"input": {"shape": [1, 0]}}, r"'input': 'shape' is \[1, 0\], expected a list of whole numbers"),
        ({"input": {"shape": [1], "layout": "NC"}}, "'layout' is 'NC', expected a letter of .* 1 dimensions"),
        ({"input": {"shape": [1, 1], "layout": "NX"}}, "'layout' is 'NX', expected a letter of"),
        ({"input": {"shape": [1, 1], "layout": "PM"}}, "'layout' is 'PM', expected a letter of"),
        ({"input": {"shape": [1], "kind": "int8"}}, "'kind' is 'int8', expected one of float, long, bool"),
        ({"ours": {"preset": "big"}}, "'ours': 'preset' is 'big', expected one of ntu"),
        ({"ours": {"skeleton": "cat"}}, "'ours': 'skeleton' is 'cat', expected a skeleton"),
        ({"ours": {"frames": "all"}}, "'ours': 'frames' is 'all', expected a whole number from 1"),
        (
            {"ours": None, "input": {"shape": [1, 7], "layout": "NV"}},
            r"'ours' has no 'preset', and no input's layout has V joints that name one \(18, 20, 25, 26\)",
        ),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected(
    peers: ModuleType, tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    entry = _entry("a", tmp_path, **fields)
    with pytest.raises(ValueError, match=message) as error:
        _read(peers, tmp_path, entry)
    assert str(error.value).startswith(str(tmp_path / "peers.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("peers: [", "peers.yaml is not YAML"),
        ("- 1", "expected a mapping with peers"),
        ("peers: {}", "'peers' is {}, expected a list of peers"),
        ("peers: []", "'peers' is empty"),
        ("models: []", "has the unknown key 'models'; there are peers"),
        ("peers: [1]", "peer 1 is 1, expected a mapping with name, folder"),
    ],
)
def test_a_wrong_file_is_named(
    peers: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path = tmp_path / "peers.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        peers.read_peers(path)
    with pytest.raises(SystemExit) as end:
        peers.main(["--peers", str(path)])
    assert end.value.code == 2
    assert "peers.yaml" in capsys.readouterr().err


def test_two_peers_of_one_name_are_refused(peers: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two peers have the name 'a'"):
        _read(peers, tmp_path, _entry("a", tmp_path), _entry("a", tmp_path))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--modes", "fast"], "there is no mode 'fast' on cpu; there are plain, eager"),
        (["--modes", "plain", "--dtype", "bf16"], "there is no 'plain' in bf16; there are eager, folded"),
        (["--modes", "eager", "--train"], "--modes: a training step has none"),
    ],
)
def test_modes_that_do_not_fit_are_refused(
    peers: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: list[str], message: str
) -> None:
    with pytest.raises(SystemExit):
        peers.main(["--peers", str(_file(tmp_path, _entry("a", tmp_path))), *argv])
    assert message in " ".join(capsys.readouterr().err.split())


def test_the_example_can_be_read(peers: ModuleType) -> None:
    read = {peer.name: peer for peer in peers.read_peers(BENCHMARKS / "peers.example.yaml")}
    assert list(read) == ["ST-GCN", "2s-AGCN", "AS-GCN", "CTR-GCN", "MS-G3D", "DMGNN"]
    ours = read["2s-AGCN"].ours
    assert (ours.preset, ours.persons, ours.frames, ours.future) == ("ntu", 2, 290, 10)
    assert read["CTR-GCN"].ours.frames == 64
    assert read["DMGNN"].ours.build(CPU)[1].shape == (8, 1, 50, 20, 3)
    assert read["DMGNN"].folders[0] == BENCHMARKS / "DMGNN" / "h36m-short"


def test_without_pyyaml_the_command_says_which_extra_has_it(
    peers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = _file(tmp_path, _entry("a", tmp_path))
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(SystemExit) as end:
        peers.main(["--peers", str(file), "--modes", "eager"])
    assert end.value.code == 2
    assert 'this needs yaml: pip install "pyg_sybio[train]"' in capsys.readouterr().err


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this torch sees no CUDA device")
@pytest.mark.parametrize("train", [False, True])
def test_peers_run_on_cuda(peers: ModuleType, tmp_path: Path, train: bool) -> None:
    peer = _one(peers, _checkout(tmp_path, "one"))
    theirs, own = peers.compare(peer, ["eager"], torch.device("cuda"), bf16=True, train=train, seconds=0.0)
    assert theirs["GFLOP"] > 0
    assert own["ours/peer"] > 0
