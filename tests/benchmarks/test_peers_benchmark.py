"""Peers run in separate processes and are measured as the file says, or skipped with the reason."""

import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml
from benchmark_scripts import BENCHMARKS, CEILINGS, Scripts
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

CEILING = CEILINGS[torch.float32]
SHAPE = [2, 3, 6, 25, 1]
OURS = {"preset": "demo", "frames": 6, "future": 1, "classes": 4}
CPU = torch.device("cpu")
SETTING = {"device": "cpu", "bf16": False, "train": False}

# Two checkouts of the same layout: packages `model` and `graph`, the latter without an __init__.py, imported
# by name when a model is made, and once more when it runs. `common` has the name of a module of the
# benchmarks.
MODEL = """
import torch
from common import SIZE

class Model(torch.nn.Module):
    def __init__(self, num_class, shape=None, **others):
        super().__init__()
        others.pop("spare", None)
        self.width = __import__("graph.sizes").sizes.WIDTH
        self.fc = torch.nn.Linear(SIZE, num_class)
        self.shape = shape

    def forward(self, x, scale=1.0):
        from graph.late import NAME
        print("noise")
        assert NAME == "{name}", NAME
        assert self.shape is None or list(x.shape) == self.shape, x.shape
        return scale * self.fc(x.flatten(1)[:, :self.fc.in_features])
"""


@pytest.fixture
def peers(scripts: Scripts) -> ModuleType:
    return scripts["peers"]


@pytest.fixture
def file(scripts: Scripts) -> ModuleType:
    return scripts["peers_file"]


@pytest.fixture
def model(scripts: Scripts) -> Iterator[ModuleType]:
    """The module of a peer's process, run in this process; its imports are removed afterwards."""
    module, path, before = scripts["peers_model"], list(sys.path), set(sys.modules)
    yield module
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("model", "graph", "net", "around"):
            del sys.modules[name]


def _checkout(folder: Path, name: str, *, size: int = 8, width: int = 5) -> Path:
    for package in ("model", "graph"):
        (folder / package).mkdir(parents=True)
    (folder / "model" / "__init__.py").write_text("")
    (folder / "model" / "net.py").write_text(MODEL.replace("{name}", name))
    (folder / "common.py").write_text(f"SIZE = {size}\n")
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


def _one(file: ModuleType, folder: Path, /, **fields: Any) -> Any:
    (peer,) = file.read_peers(_file(folder, _entry("a", folder, **fields)))
    return peer


def _net(folder: Path, text: str) -> dict[str, Any]:
    """Write a module `net` with a class `Net`, and return the fields that name them."""
    (folder / "net.py").write_text(text)
    return {"module": "net", "class": "Net"}


# In separate processes ------------------------------------------------------------------------------------


def test_two_checkouts_with_the_same_package_names_do_not_mix(
    peers: ModuleType, file: ModuleType, tmp_path: Path, scripts: Scripts
) -> None:
    folders = _checkout(tmp_path / "a", "one", size=8), _checkout(tmp_path / "b", "two", size=16)
    entries = [_entry(folder.name, folder) for folder in folders]
    read = file.read_peers(_file(tmp_path, *entries))
    found = [peers.compare(peer, [], peers.Setting(CPU), seconds=0.0)[0] for peer in read]
    assert [row["M param"] for row in found] == [36e-6, 68e-6]
    assert [row["GFLOP"] for row in found] == [2e-9 * 2 * 8 * 4, 2e-9 * 2 * 16 * 4]


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_the_command_measures_every_peer_that_runs(
    peers: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str], dtype: str
) -> None:
    good = _entry("good", _checkout(tmp_path / "good", "one"))
    bad = _entry("bad", _checkout(tmp_path / "bad", "two"), arguments=[])
    output = tmp_path / "figures.json"
    argv = ["--peers", str(_file(tmp_path, bad, good)), "--modes", "eager", "--dtype", dtype]
    peers.main([*argv, "--seconds", "0", "--output", str(output)])
    printed = capfd.readouterr().out
    assert "left out, constructor: TypeError" in printed
    assert "noise" not in printed
    document = json.loads(output.read_text())
    assert document["environment"]["torch"] == torch.__version__
    left_out, theirs, own = document["rows"]
    assert (left_out["peer"], left_out["GFLOP"]) == ("bad", None)
    assert (theirs["model"], own["model"]) == ("good", "demo 2x1x6+1")
    assert own["mode"] == {"fp32": "eager", "bf16": "bf16"}[dtype]
    assert theirs["GFLOP"] == 2e-9 * 2 * 8 * 4 and theirs["note"] == ""
    assert own["rounds"] == theirs["rounds"] == len(own["ms"]) >= 5
    ratios = torch.tensor(own["ms"]) / torch.tensor(theirs["ms"])
    assert own["ratio"] == pytest.approx(float(ratios.quantile(0.5)), rel=1e-5)
    assert theirs["time x ceiling"] == pytest.approx(theirs["p50 ms"] / 1e3 * CEILING)


def test_a_training_step_is_compared_with_a_training_step_of_our_model(
    peers: ModuleType, tmp_path: Path
) -> None:
    path = _file(tmp_path, _entry("good", _checkout(tmp_path / "good", "one"), copies=2))
    output = tmp_path / "figures.json"
    peers.main(["--peers", str(path), "--train", "--seconds", "0", "--output", str(output)])
    theirs, own = json.loads(output.read_text())["rows"]
    assert theirs["mode"] == own["mode"] == "train"
    assert own["GFLOP"] > theirs["GFLOP"] > 0


def test_a_peer_whose_flops_cannot_be_counted_is_timed(
    peers: ModuleType, file: ModuleType, tmp_path: Path
) -> None:
    # The peer is timed in inference mode, in which its FLOPs cannot be counted.
    named = _net(
        tmp_path,
        "import torch\n"
        "class Net(torch.nn.Linear):\n"
        "    def forward(self, x):\n"
        "        assert torch.is_inference_mode_enabled(), 'only in inference mode'\n"
        "        return super().forward(x)\n",
    )
    peer = _one(file, tmp_path, **named, arguments=[25, 4], input={"shape": [2, 25], "layout": "NV"})
    theirs, own = peers.compare(peer, ["eager"], peers.Setting(CPU), seconds=0.0)
    assert theirs["GFLOP"] is None
    assert theirs["note"] == "FLOPs not counted: AssertionError: only in inference mode"
    assert theirs["p50 ms"] > 0 and own["GFLOP"] > 0


def test_the_command_fails_if_no_peer_runs(
    peers: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        peers.main(["--peers", str(_file(tmp_path, _entry("a", tmp_path / "nowhere")))])
    assert end.value.code == 1
    captured = capsys.readouterr()
    assert "left out, import: no folder" in captured.out
    assert "no peer could be measured" in captured.err


@pytest.mark.cuda
@pytest.mark.slow
@pytest.mark.skipif(find_spec("jsonschema") is None, reason="the file of peers is checked by jsonschema")
@pytest.mark.parametrize("train", [False, True])
def test_peers_run_on_cuda(peers: ModuleType, file: ModuleType, tmp_path: Path, train: bool) -> None:
    peer = _one(file, _checkout(tmp_path, "one"))
    setting = peers.Setting(torch.device("cuda"), bf16=True, train=train)
    theirs, own = peers.compare(peer, ["eager"], setting, seconds=0.0)
    assert theirs["GFLOP"] > 0
    assert own["ratio"] > 0


# In the process of a peer
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"folder": "nowhere"}, "import: no folder"),
        ({"module": "netz"}, "import: ModuleNotFoundError: No module named 'netz'"),
        ({"module": "model.broken"}, "import: ImportError: too old"),
        ({"module": "model.script"}, "import: SystemExit: usage"),
        ({"class": "Modell"}, "import: AttributeError: .*'Modell'"),
        ({"arguments": {}}, "constructor: TypeError: .*'num_class'"),
        ({"module": "model.plain"}, "constructor: expected a torch module, got a dict"),
        ({"arguments": {"num_class": 4, "shape": [1]}}, "forward: AssertionError: torch.Size"),
        ({"call": {"speed": 1}}, "forward: TypeError: .*'speed'"),
    ],
)
def test_a_failing_peer_is_skipped_with_the_reason(
    file: ModuleType, model: ModuleType, tmp_path: Path, fields: dict[str, Any], reason: str
) -> None:
    folder = _checkout(tmp_path / "first", "one")
    (folder / "model" / "net.py").write_text(
        MODEL.replace("{name}", "one").replace("from common", "from graph.size")
    )
    (folder / "graph" / "size.py").write_text("SIZE = 8\n")
    (folder / "model" / "broken.py").write_text("raise ImportError('too\\n old')\n")
    (folder / "model" / "script.py").write_text("raise SystemExit('usage')\n")
    (folder / "model" / "plain.py").write_text("Model = dict\n")
    (peer,) = file.read_peers(_file(tmp_path, _entry("a", folder, **fields)))
    with pytest.raises(model.WorkerError, match=reason) as error:
        model.prepare({"peer": peer.description, **SETTING})
    assert "\n" not in str(error.value)


def test_the_first_folder_of_a_peer_takes_precedence(
    file: ModuleType, model: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "theirs").mkdir()
    _net(tmp_path / "theirs", "raise ImportError\n")
    named = _net(tmp_path / "own", "import torch\nclass Net(torch.nn.Linear):\n    pass\n")
    fields = {**named, "folder": ["own", "theirs"], "arguments": [25, 4], "input": {"shape": [2, 25]}}
    (peer,) = file.read_peers(_file(tmp_path, _entry("a", tmp_path, **fields)))
    assert model.prepare({"peer": peer.description, **SETTING})[1]["parameters"] == 25 * 4 + 4


def test_a_peer_may_take_several_inputs_and_arguments_of_the_call(
    file: ModuleType, model: ModuleType, tmp_path: Path
) -> None:
    named = _net(
        tmp_path,
        "import torch\n"
        "class Net(torch.nn.Linear):\n"
        "    def forward(self, x, index, *, mask, steps, table):\n"
        "        assert x.dtype == table.dtype == torch.float32 and steps == 3\n"
        "        assert index.dtype == torch.long and 0 <= index.min() <= index.max() < 5\n"
        "        assert mask.dtype == torch.bool and mask.shape == (7,)\n"
        "        return {'scores': super().forward(x), 'motion': [super().forward(x)[None]]}\n",
    )
    inputs = [
        {"shape": [2, 3]},
        {"shape": [40], "kind": "long", "below": 5},
        {"shape": [7], "kind": "bool", "name": "mask"},
        {"shape": [1], "name": "table"},
    ]
    peer = _one(
        file, tmp_path, **named, arguments=[3, 6], inputs=inputs, input=None, copies=2, call={"steps": 3}
    )
    ways = [model.prepare({"peer": peer.description, **SETTING, "train": train}) for train in (False, True)]
    facts = [each for _, each in ways]
    assert facts[0]["parameters"] == 2 * (3 * 6 + 6)
    assert facts[0]["flops"] == 2 * 2 * (2 * 2 * 3 * 6)
    # Forward pass, and the gradient of the weights (the input needs none).
    assert facts[1]["flops"] == 2 * facts[0]["flops"]
    for run, _ in ways:
        run()


def test_the_loss_is_the_cross_entropy_of_scores_plus_the_sum_of_other_outputs(model: ModuleType) -> None:
    scores, motion = torch.randn(4, 5, requires_grad=True), torch.randn(4, 3, 2, requires_grad=True)
    expected = -scores.log_softmax(dim=1)[:, 0].mean() + motion.sum()
    torch.testing.assert_close(model.loss((scores, {"future": motion, "mask": torch.ones(2, 2)})), expected)
    with pytest.raises(ValueError, match="no output has a gradient"):
        model.loss(torch.ones(2, 2))


class Scaled(nn.Module):
    def forward(self, x: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
        return x @ x.mT * alpha


class TakesParameters(nn.Module):
    """Module that passes a parameter to one of its submodules, as CTR-GCN does."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha, self.scaled = nn.Parameter(torch.zeros(1)), Scaled()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scaled(x, self.alpha)


def test_flops_of_a_module_whose_input_is_a_parameter_are_counted(model: ModuleType) -> None:
    peer, x = TakesParameters(), torch.ones(3, 5)
    with pytest.raises(AttributeError, match="next_functions"), FlopCounterMode(display=False):
        torch.inference_mode()(peer)(x)
    assert model.count_flops(lambda: torch.no_grad()(peer)(x)) == (2 * 3 * 5 * 3, "")
    assert model.count_flops(lambda: peer(x).sum().backward()) == (2 * 3 * 5 * 3, "")
    uncounted, reason = model.count_flops(lambda: torch.inference_mode()(peer)(x))
    assert uncounted is None
    assert reason.startswith("AttributeError: 'NoneType' object has no attribute 'next_functions'")


# The file -------------------------------------------------------------------------------------------------


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
def test_our_input_is_derived_from_the_layout(
    file: ModuleType, tmp_path: Path, shape: list[int], layout: object
) -> None:
    peer = _one(file, tmp_path, input={"shape": shape, "layout": layout}, ours=None)
    settings = peer.ours.settings
    assert (peer.ours.preset, settings["skeleton"]) == ("ntu", "ntu25")
    assert (settings["batch"], settings["persons"], settings["observed"]) == (2, 1, 6)
    assert peer.description["inputs"][0]["shape"] == shape


def test_settings_of_our_input_override_the_layout(file: ModuleType, tmp_path: Path) -> None:
    ours = {"preset": "demo", "skeleton": "ucla20", "persons": 2, "frames": 9, "batch": 3}
    peer = _one(file, tmp_path, ours=ours)
    model, x = peer.ours.build()
    assert (model.num_future, model.num_classes) == (10, 12)
    assert model.skeleton.name == "ucla20"
    assert x.shape == (3, 2, 9, 20, 3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"moduel": "x"}, r"peers\[0\]: .*'moduel' was unexpected"),
        ({"module": None}, r"peers\[0\]: 'module' is a required property"),
        ({"module": 3}, r"peers\[0\].module: 3 is not of type 'string'"),
        ({"folder": []}, r"peers\[0\].folder: \[\] should be non-empty"),
        ({"folder": [1]}, r"peers\[0\].folder\[0\]: 1 is not of type 'string'"),
        ({"arguments": "x"}, r"peers\[0\].arguments: 'x' is not of type 'object', 'array'"),
        ({"copies": 0}, r"peers\[0\].copies: 0 is less than the minimum of 1"),
        ({"copies": True}, r"peers\[0\].copies: True is not of type 'integer'"),
        ({"call": [1]}, r"peers\[0\].call: \[1\] is not of type 'object'"),
        ({"input": None}, "peer 'a': expected either 'input' or 'inputs'"),
        ({"inputs": [{"shape": [1]}]}, "peer 'a': expected either 'input' or 'inputs'"),
        ({"input": None, "inputs": []}, r"peers\[0\].inputs: \[\] should be non-empty"),
        ({"input": [1]}, r"peers\[0\].input: \[1\] is not of type 'object'"),
        ({"input": {"shape": [1, 0]}}, r"peers\[0\].input.shape\[1\]: 0 is less than the minimum of 1"),
        ({"input": {"shape": [1], "layout": "NC"}}, "'layout' is 'NC', expected one of .* 1 dimensions"),
        ({"input": {"shape": [1, 1], "layout": "NX"}}, "peer 'a': 'layout' is 'NX', expected one of"),
        ({"input": {"shape": [1, 1], "layout": "PM"}}, "'layout' is 'PM', expected one of"),
        ({"input": {"shape": [1], "kind": "int8"}}, "input.kind: 'int8' is not one of .*'long', 'bool'"),
        ({"ours": {"preset": "big"}}, r"peers\[0\].ours.preset: 'big' is not one of \['ntu'"),
        ({"ours": {"skeleton": "cat"}}, "peer 'a': 'skeleton' is 'cat', expected a skeleton"),
        ({"ours": {"frames": "all"}}, r"peers\[0\].ours.frames: 'all' is not of type 'integer'"),
        (
            {"ours": None, "input": {"shape": [1, 7], "layout": "NV"}},
            r"'ours' has no 'preset', and only layouts with 18, 20, 25, 26 joints \(V\) have a default",
        ),
    ],
)
def test_errors_name_the_field_and_the_expected_value(
    file: ModuleType, tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        _one(file, tmp_path, **fields)
    assert str(error.value).startswith(str(tmp_path / "peers.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("peers: [", "peers.yaml: not YAML"),
        ("- 1", r"peers.yaml: the document: \[1\] is not of type 'object'"),
        ("peers: {}", "peers: {} is not of type 'array'"),
        ("peers: []", r"peers: \[\] should be non-empty"),
        ("models: []", "the document: .*'models' was unexpected|'peers' is a required property"),
        ("peers: [1]", r"peers\[0\]: 1 is not of type 'object'"),
    ],
)
def test_errors_name_the_file(
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


def test_two_peers_with_the_same_name_are_refused(file: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two peers have the name 'a'"):
        file.read_peers(_file(tmp_path, _entry("a", tmp_path), _entry("a", tmp_path)))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--modes", "fast"], "unknown mode 'fast' on cpu, expected eager"),
        (["--modes", "eager", "--train"], "argument --modes: a training step has no modes"),
    ],
)
def test_unknown_modes_and_modes_of_a_training_step_are_refused(
    peers: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: list[str], message: str
) -> None:
    with pytest.raises(SystemExit):
        peers.main(["--peers", str(_file(tmp_path, _entry("a", tmp_path))), *argv])
    assert message in " ".join(capsys.readouterr().err.split())


def test_the_example_file_is_valid(file: ModuleType) -> None:
    read = {peer.name: peer for peer in file.read_peers(BENCHMARKS / "peers.example.yaml")}
    assert list(read) == ["ST-GCN", "2s-AGCN", "AS-GCN", "CTR-GCN", "MS-G3D", "DMGNN"]
    ours = read["2s-AGCN"].ours
    sizes = [ours.settings[key] for key in ("persons", "observed", "num_future")]
    assert (ours.preset, sizes) == ("ntu", [2, 290, 10])
    assert read["CTR-GCN"].ours.settings["observed"] == 64
    assert read["DMGNN"].ours.build()[1].shape == (8, 1, 50, 20, 3)
    assert read["DMGNN"].description["folders"] == [str(BENCHMARKS / "DMGNN" / "h36m-short")]


def test_the_schema_lists_our_presets(scripts: Scripts) -> None:
    schema = json.loads((BENCHMARKS / "peers.schema.json").read_text())
    presets = schema["$defs"]["peer"]["properties"]["ours"]["properties"]["preset"]["enum"]
    assert presets == list(scripts["samples"].SAMPLES) == list(scripts["common"].PRESETS)


def test_without_pyyaml_the_error_names_the_extra(
    peers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _file(tmp_path, _entry("a", tmp_path))
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(SystemExit) as end:
        peers.main(["--peers", str(path), "--modes", "eager"])
    assert end.value.code == 2
    assert 'this needs yaml: pip install "pyg_sybio[train]"' in capsys.readouterr().err
