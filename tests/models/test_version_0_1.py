"""Actional graphs of version 0.1: their formula, and models that are loaded with their weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_gnn import M, T, build, close, motion
from torch import Tensor

from pyg_sybio.export import export_onnx
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.models.version_0_1 import OldActionalGraph
from pyg_sybio.nn.actional_graph import ActionalGraphInference
from pyg_sybio.testing import randomize
from pyg_sybio.trained.liveness import with_uniform_graphs
from pyg_sybio.trained.load import load_trained
from pyg_sybio.trained.onnx_model import OnnxModel

OLD = Path(__file__).parents[1] / "fixtures" / "old_form"
FIELDS = ("logits", "future", "actional", "bone_actional")


def old_weights(model: SybioGNN) -> dict[str, Tensor]:
    """Random weights with the names and shapes of version 0.1 for a model with eight actional channels."""
    weights = {key: value for key, value in model.state_dict().items() if "bedding" not in key}
    weights |= {key: value for key, value in model.state_dict().items() if ".joint_embedding." in key}
    for network in ("joint_network", "bone_network"):
        for name, biased in (("f_embedding", (0, 2)), ("g_embedding", (0,))):
            for layer in (0, 2):
                key = f"{network}.actional_graph.{name}.{layer}"
                weights[f"{key}.weight"] = torch.randn(8, 8, dtype=torch.float64) * 8**-0.5
                if layer in biased:
                    weights[f"{key}.bias"] = torch.randn(8, dtype=torch.float64)
    return weights


def old_model() -> SybioGNN:
    model = build().double()
    model.load_weights(old_weights(model), where="here")
    return model


def test_the_old_graph_equals_the_formula_of_version_0_1() -> None:
    model, x = old_model(), motion(2, 6).double()  # six frames are not resampled
    network = model.joint_network
    state = {key: value.numpy() for key, value in network.state_dict().items()}

    def linear(rows: np.ndarray, key: str) -> np.ndarray:
        return rows @ state[f"actional_graph.{key}.weight"].T + state.get(f"actional_graph.{key}.bias", 0)

    def perceptron(rows: np.ndarray, key: str) -> np.ndarray:
        out = np.maximum(linear(np.maximum(linear(rows, f"{key}.first"), 0), f"{key}.second"), 0)
        norm = {name: state[f"actional_graph.{key}.norm.{name}"] for name in ("weight", "bias")}
        mean = state[f"actional_graph.{key}.norm.running_mean"]
        var = state[f"actional_graph.{key}.norm.running_var"]
        return (out - mean) / np.sqrt(var + 1e-5) * norm["weight"] + norm["bias"]

    mean, deviation = network.input_norm.mean[0].numpy(), network.input_norm.scale[0].numpy()
    for clip, adjacency in zip(x.numpy(), model(x).actional, strict=True):
        standardised = (clip - mean) / deviation  # each joint is standardised separately
        p = perceptron(np.stack([standardised[:, i].T.flatten() for i in range(M)]), "joint_embedding")
        for k in range(network.actional_graph.iterations):
            means = np.zeros_like(p)
            for i in range(M):
                pairs = np.stack([np.concatenate([p[i], p[j]]) for j in range(M) if j != i])
                means[i] = perceptron(pairs, f"edge_mlps.{k}").mean(axis=0)
            p = perceptron(means, f"joint_mlps.{k}")
        f, g = (
            linear(np.maximum(linear(p, f"{name}_embedding.0"), 0), f"{name}_embedding.2") for name in "fg"
        )
        affinities = np.exp(f @ g.T)  # scale 1
        expected = affinities / affinities.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(adjacency.detach(), expected, atol=1e-9)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_replacement_has_the_dropout_type_and_mode_of_the_model(
    training: bool, dtype: torch.dtype
) -> None:
    model = build(dropout=0.3).to(dtype).train(training)
    model.load_weights(old_weights(model), where="here")
    for network in (model.joint_network, model.bone_network):
        agim = network.actional_graph
        assert isinstance(agim, OldActionalGraph)
        assert {weight.dtype for weight in agim.parameters()} == {dtype}
        assert all(module.training == training for module in agim.modules())
        rates = {module.p for module in agim.modules() if isinstance(module, torch.nn.Dropout)}
        assert rates == {0.3}


def test_weights_of_the_current_version_keep_the_current_graph() -> None:
    model = build()
    model.load_weights(build().state_dict(), where="here")
    assert type(model.joint_network.actional_graph) is ActionalGraphInference


def test_a_folded_or_converted_copy_keeps_its_statistics() -> None:
    model, x = old_model(), motion(2, T)
    folded = model.folded()
    expected = folded(x.double()).actional
    randomize(model)  # the copy has separate statistics
    close(folded(x.double()).actional, expected, 0)
    close(folded.float()(x).actional.double(), expected, 1e-4)


@torch.no_grad()
def test_a_folded_old_model_gives_the_same_outputs() -> None:
    model, x = old_model(), motion(3, 2, T).double()
    x[1, 1] = 0
    folded, out = model.folded()(x), model(x)
    for name in FIELDS:
        close(getattr(folded, name), getattr(out, name), 1e-9)


def test_a_saved_and_reloaded_old_model_gives_the_same_outputs(tmp_path: Path) -> None:
    model, x = old_model().float(), motion(2, T)
    model.save_pretrained(tmp_path)
    loaded = SybioGNN.from_pretrained(tmp_path)
    for name in FIELDS:
        assert torch.equal(getattr(loaded(x), name), getattr(model(x), name))


@pytest.mark.slow
def test_an_exported_old_model_gives_the_same_outputs(tmp_path: Path) -> None:
    model, x = old_model().float(), motion(2, T)
    export_onnx(model, tmp_path / "model.onnx", num_future=2)
    out, expected = OnnxModel.load(tmp_path / "model.onnx")(x), model(x, num_future=2)
    for name in ("logits", "future", "actional"):
        close(getattr(out, name), getattr(expected, name), 1e-4)


@torch.no_grad()
def test_old_graphs_can_be_replaced_by_uniform_graphs() -> None:
    close(with_uniform_graphs(old_model())(motion(2, T)).actional.float(), torch.full((2, M, M), 1 / M))


@torch.no_grad()
def test_a_trained_model_of_version_0_1_is_folded_and_saved_again(tmp_path: Path) -> None:
    trained = load_trained(OLD / "synthetic" / "last.ckpt")
    assert isinstance(trained.model.joint_network.actional_graph, OldActionalGraph)
    x = torch.randn(2, 20, trained.model.skeleton.num_joints, 3)
    expected = trained.model(x)
    trained.save(tmp_path / "once")
    load_trained(tmp_path / "once").save(tmp_path / "twice")
    for other in (load_trained(tmp_path / "twice").model, trained.model.folded()):
        close(other(x).logits, expected.logits)
        close(other(x).actional, expected.actional)


def test_incomplete_old_weights_are_refused() -> None:
    model = build()
    weights = old_weights(model)
    del weights["joint_network.actional_graph.g_embedding.2.weight"]
    with pytest.raises(
        ValueError, match=r"'joint_network\.actional_graph\.g_embedding\.2\.weight': found no"
    ):
        model.load_weights(weights, where="here")
