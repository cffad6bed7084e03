"""Dense AGIM compared with message passing: values, gradients and statistics."""

import pytest
import torch
import torch_geometric.typing
from torch import Tensor, nn

from pyg_sybio.accelerate.dense_actional import DenseActionalGraph, use_dense_actional
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.nn.actional_graph import ActionalGraphInference
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.testing import randomize

SKELETON = load_skeleton("jhmdb15")
M, FRAMES, D = SKELETON.num_joints, 6, 2


def build(*, iterations: int = 2, dropout: float = 0.0) -> ActionalGraphInference:
    module = ActionalGraphInference(
        D, SKELETON, hidden_channels=8, iterations=iterations, num_frames=FRAMES, dropout=dropout
    ).double()
    randomize(module)
    return module


def motion(num_graphs: int = 2, num_frames: int = FRAMES) -> Tensor:
    return torch.randn(num_graphs, num_frames, M, D, dtype=torch.float64)


@pytest.fixture(params=["torch", "torch-scatter"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Select the library that sums over edges; PyG checks this flag in every call."""
    if request.param == "torch":
        monkeypatch.setattr(torch_geometric.typing, "WITH_TORCH_SCATTER", False)
    else:
        pytest.importorskip("torch_scatter")
        assert torch_geometric.typing.WITH_TORCH_SCATTER
    return request.param


def values_and_gradients(module: nn.Module, x: Tensor, cotangent: Tensor) -> dict[str, Tensor]:
    """Return the output of a module, and the gradients of its input and parameters."""
    x = x.clone().requires_grad_()
    module.zero_grad()
    adj = module(x)
    (adj * cotangent).sum().backward()
    assert x.grad is not None
    gradients = {name: each.grad for name, each in module.named_parameters() if each.grad is not None}
    return {"adj": adj.detach(), "x": x.grad, **gradients}


@pytest.mark.message_passing
@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("iterations", [0, 1, 2, 3])
@pytest.mark.parametrize(("num_graphs", "num_frames"), [(1, FRAMES), (2, 3), (5, 11), (3, 1)])
def test_the_dense_graph_equals_message_passing(
    library: str, num_graphs: int, num_frames: int, iterations: int, training: bool
) -> None:
    module = build(iterations=iterations).train(training)
    x, cotangent = motion(num_graphs, num_frames), torch.randn(num_graphs, M, M, dtype=torch.float64)
    statistics = {key: value.clone() for key, value in module.state_dict().items() if "running" in key}
    dense = values_and_gradients(DenseActionalGraph(module), x, cotangent)
    after_dense = {key: module.state_dict()[key].clone() for key in statistics}
    module.load_state_dict(statistics, strict=False)
    edgewise = values_and_gradients(module, x, cotangent)
    assert dense.keys() == edgewise.keys() == {"adj", "x", *(name for name, _ in module.named_parameters())}
    for name, value in dense.items():
        torch.testing.assert_close(value, edgewise[name], atol=1e-9, rtol=0)
        assert value.any(), f"{name} is zero, which shows nothing"
    for key, value in after_dense.items():
        torch.testing.assert_close(module.state_dict()[key], value, atol=1e-9, rtol=0)
        assert torch.equal(value, statistics[key]) is not training


def test_a_model_trains_with_dense_graphs_and_parameters_keep_their_names() -> None:
    model = SybioGNN.from_preset("demo", skeleton=SKELETON, num_classes=3, num_future=2)
    before = model.state_dict().keys()
    assert use_dense_actional(model) is model
    assert model.state_dict().keys() == before
    assert not any(isinstance(module, ActionalGraphInference) for module in model.modules())
    model.train()(motion().float()).future.sum().backward()
    assert model.joint_network is not None
    assert all(each.grad is not None for each in model.joint_network.actional_graph.parameters())


def test_dropout_acts_only_in_training() -> None:
    module, x = DenseActionalGraph(build(dropout=0.5)), motion()
    assert not torch.equal(module(x), module(x))
    module.eval()
    assert torch.equal(module(x), module(x))
