"""The argument `actional_graphs`: inferred, shared by all motions, or uniform; and `actional_scale`."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from small_gnn import SKELETON, B, C, M, T, build, close, motion
from torch.nn import functional as F

from pyg_sybio.export import export_onnx
from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.models import bounds
from pyg_sybio.models.bounds import check_config_bounds
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.nn.actional_graph import ActionalGraphInference
from pyg_sybio.nn.shared_graph import SharedGraph
from pyg_sybio.testing import assert_every_parameter_gets_a_gradient
from pyg_sybio.trained.onnx_model import OnnxModel

SHARED = ("shared", "uniform")


def test_uniform_graphs_have_no_parameters_and_equal_weights() -> None:
    model = build(actional_graphs="uniform")
    assert not any("actional_graph" in name for name in model.state_dict())
    out = model(motion(3, T))
    close(out.actional, torch.full((3, M, M), 1 / M), 1e-7)
    close(out.bone_actional, torch.full((3, B, B), 1 / B), 1e-7)


def test_shared_graphs_are_the_same_for_all_motions_and_persons() -> None:
    model, x = build(actional_graphs="shared"), motion(3, 2, T)
    x[1, 1] = 0
    out = model(x)
    for network, graphs in ((model.joint_network, out.actional), (model.bone_network, out.bone_actional)):
        expected = torch.softmax(network.actional_graph.logits, dim=-1)
        for clip, person in ((0, 0), (0, 1), (1, 0), (2, 0), (2, 1)):
            close(graphs[clip, person], expected, 1e-7)
        assert not graphs[1, 1].any()  # absent


@pytest.mark.parametrize("graphs", SHARED)
@pytest.mark.parametrize("persons", [1, 2])
def test_every_parameter_gets_a_gradient(graphs: str, persons: int) -> None:
    model = build(actional_graphs=graphs).double().train()
    future = motion(4, persons, 3).double()
    out = model(motion(4, persons, T).double())
    SymbioticLoss(SKELETON)(out, y=torch.arange(4) % C, future=future).total.backward()
    assert_every_parameter_gets_a_gradient(model)


@pytest.mark.parametrize("graphs", SHARED)
@pytest.mark.parametrize("variant", [{}, {"bones": False}, {"joints": False}, {"bone_weight": 0.5}], ids=str)
@torch.no_grad()
def test_folded_and_compiled_models_give_the_same_outputs(graphs: str, variant: dict[str, Any]) -> None:
    model, x = build(actional_graphs=graphs, **variant).double(), motion(3, 2, T).double()
    x[0, 1] = 0
    expected = model(x)
    torch._dynamo.reset()
    for other in (model.folded(), torch.compile(model, fullgraph=True, backend="eager")):
        out = other(x)
        for name in ("logits", "future", "bone_future", "actional", "bone_actional"):
            mine, theirs = getattr(out, name), getattr(expected, name)
            assert (mine is None) == (theirs is None), name
            if mine is not None:
                close(mine, theirs, 1e-9)


@pytest.mark.parametrize("graphs", SHARED)
@torch.no_grad()
def test_a_folded_model_in_bfloat16_keeps_the_graphs(graphs: str) -> None:
    model, x = build(actional_graphs=graphs), motion(2, T)
    out = model.folded(torch.bfloat16)(x)
    close(out.actional, model(x).actional, 1e-6)
    assert out.logits.isfinite().all()


@torch.no_grad()
def test_the_graph_of_a_folded_model_can_be_replaced() -> None:
    model, x = build(bones=False), motion(2, T)
    folded = model.folded()
    folded.model.joint_network.actional_graph = SharedGraph(SKELETON, learned=False)
    model.joint_network.actional_graph = SharedGraph(SKELETON, learned=False)
    close(folded(x).logits, model(x).logits)
    close(folded(x).future, model(x).future)


@pytest.mark.parametrize("graphs", SHARED)
def test_a_saved_and_loaded_model_gives_the_same_outputs(graphs: str, tmp_path: Path) -> None:
    model, x = build(actional_graphs=graphs), motion(2, T)
    model.save_pretrained(tmp_path)
    loaded = SybioGNN.from_pretrained(tmp_path)
    assert loaded.config["actional_graphs"] == graphs
    assert torch.equal(loaded(x).logits, model(x).logits)
    assert torch.equal(loaded(x).actional, model(x).actional)


@pytest.mark.slow
@pytest.mark.parametrize("graphs", SHARED)
def test_a_model_with_shared_graphs_is_exported(graphs: str, tmp_path: Path) -> None:
    model, x = build(actional_graphs=graphs, bones=False), motion(2, T)
    export_onnx(model, tmp_path / "model.onnx", num_future=2)
    out = OnnxModel.load(tmp_path / "model.onnx")(x)
    expected = model(x, num_future=2)
    close(out.logits, expected.logits)
    close(out.future, expected.future, 1e-4)
    close(out.actional, expected.actional)


def test_the_argument_actional_graphs_has_no_effect_without_actional_graphs() -> None:
    for graphs in ("inferred", *SHARED):
        model = build(actional_graphs=graphs, actional=False)
        assert model.joint_network.actional_graph is None
        assert model(motion(1, T)).actional is None


def test_both_networks_use_the_actional_scale() -> None:
    for scale, expected in ((None, 8**-0.5), (0.5, 0.5), (1, 1)):
        model = build(actional_scale=scale)
        for network in (model.joint_network, model.bone_network):
            assert isinstance(network.actional_graph, ActionalGraphInference)
            assert network.actional_graph.scale == expected
        assert model.config["actional_scale"] == scale


def test_actional_scale_multiplies_the_affinities() -> None:
    x, adjacencies = motion(2, T).double(), {}
    for scale in (1.0, 3.0):
        torch.manual_seed(0)
        adjacencies[scale] = build(actional_scale=scale).double()(x).actional
    close(adjacencies[3.0], F.normalize(adjacencies[1.0] ** 3, p=1, dim=-1), 1e-9)


@pytest.mark.parametrize("make", [SybioGNN.from_preset, None])
def test_an_unknown_value_of_actional_graphs_is_an_error(make: Any) -> None:
    config = {key: value for key, value in build().config.items() if key != "skeleton"}
    config["actional_graphs"] = "random"
    with pytest.raises(ValueError, match=r"'actional_graphs' (of the model )?is 'random', expected .*shared"):
        if make is None:
            SybioGNN(SKELETON, **config)
        else:
            make("demo", skeleton=SKELETON, **config)


# Configs from files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"actional_graphs": "random"},
            "'actional_graphs': 'random' .*; expected 'inferred', 'shared' or",
        ),
        ({"actional_graphs": None}, "'actional_graphs': None is not"),
        ({"actional_graphs": ["shared"]}, r"'actional_graphs': \['shared'\] is not"),
        ({"actional_scale": 0}, "'actional_scale': 0 .*; expected null or a positive number up to 1e6"),
        ({"actional_scale": -1.0}, "'actional_scale': -1.0"),
        ({"actional_scale": 1e7}, "'actional_scale': 10000000.0"),
        ({"actional_scale": True}, "'actional_scale': True"),
        ({"actional_scale": "1"}, "'actional_scale': '1'"),
        ({"actional_scale": math.nan}, "a number that is not finite"),
        ({"actional_scale": math.inf}, "a number that is not finite"),
    ],
)
def test_a_config_out_of_bounds_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^the file: .*{message}"):
        check_config_bounds({**build().config, **changes}, "the file")


@pytest.mark.parametrize("changes", [{"actional_graphs": kind} for kind in ("inferred", *SHARED)], ids=str)
@pytest.mark.parametrize("scale", [None, 1, 0.25, 1e6])
def test_a_config_within_bounds_passes(changes: dict[str, Any], scale: float | None) -> None:
    check_config_bounds({**build().config, **changes, "actional_scale": scale}, "the file")


def test_a_config_of_version_0_1_gets_the_defaults_of_both_arguments() -> None:
    config = build().config
    del config["actional_graphs"], config["actional_scale"]
    check_config_bounds(config, "the file")
    model = SybioGNN.from_config(config)
    assert model.config["actional_graphs"] == "inferred"
    assert model.config["actional_scale"] is None


@pytest.mark.parametrize("graphs", ["inferred", *SHARED])
def test_the_estimate_is_just_below_the_true_number_of_weights(graphs: str) -> None:
    model = SybioGNN.from_preset(
        "demo", skeleton=SKELETON, num_classes=60, num_future=10, actional_graphs=graphs
    )
    weights, _, _ = bounds._sizes(model.config, model.skeleton)
    assert 0.95 < weights / sum(each.numel() for each in model.state_dict().values()) <= 1
