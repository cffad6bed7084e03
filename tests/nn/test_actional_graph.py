"""AGIM: Eq. 1 and 2 joint by joint, message passing against dense, and what a graph is."""

import importlib
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch_geometric.typing
from torch import Tensor

from pyg_sybio.nn.actional_graph import ActionalGraphInference, PropagationMLP
from pyg_sybio.skeleton import Skeleton, load_skeleton
from pyg_sybio.testing import assert_equivariant, assert_every_parameter_gets_a_gradient, randomize

SKELETON = load_skeleton("jhmdb15")
M, FRAMES, D = SKELETON.num_joints, 6, 2

TINY = Skeleton(
    name="tiny",
    joints=("a", "b", "c", "d"),
    bones=(("a", "b"), ("b", "c"), ("b", "d")),
    center="b",
    parts={"all": ("a", "b", "c", "d")},
    part_bones=(),
    mirror=(),
    coordinates="xy",
    units="m",
)


def build(
    skeleton: Skeleton = SKELETON, *, iterations: int = 2, dropout: float = 0.0
) -> ActionalGraphInference:
    module = ActionalGraphInference(
        D, skeleton, hidden_channels=8, iterations=iterations, num_frames=FRAMES, dropout=dropout
    ).double()
    randomize(module)
    return module


def motion(num_graphs: int = 2, num_frames: int = FRAMES, num_joints: int = M) -> Tensor:
    return torch.randn(num_graphs, num_frames, num_joints, D, dtype=torch.float64)


@pytest.fixture(params=["PyG's own scatter", "torch-scatter"])
def scatter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which library sums over edges; PyG dispatches on this flag at every call."""
    if request.param == "torch-scatter":
        library = pytest.importorskip("torch_scatter")
        assert torch_geometric.typing.WITH_TORCH_SCATTER

        def scatter(
            src: Tensor, index: Tensor, dim: int = 0, dim_size: int | None = None, reduce: str = "sum"
        ) -> Tensor:
            return library.scatter(src, index, dim, dim_size=dim_size, reduce=reduce)

        # On the CPU PyG prefers torch's own kernels even then, so that nothing of the library would run.
        for module in ("torch_geometric.nn.aggr.base", "torch_geometric.utils._softmax"):
            monkeypatch.setattr(importlib.import_module(module), "scatter", scatter)
    else:
        monkeypatch.setattr(torch_geometric.typing, "WITH_TORCH_SCATTER", False)
    return request.param


def values_and_gradients(
    module: ActionalGraphInference, infer: Callable[[Tensor], Tensor], x: Tensor, cotangent: Tensor
) -> dict[str, Tensor]:
    """What an inference path returns, and the gradient of everything that goes into it."""
    x = x.clone().requires_grad_()
    module.zero_grad()
    adj = infer(x)
    (adj * cotangent).sum().backward()
    assert x.grad is not None
    gradients = {name: each.grad for name, each in module.named_parameters() if each.grad is not None}
    return {"adj": adj.detach(), "x": x.grad, **gradients}


@pytest.mark.message_passing
@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("iterations", [0, 1, 2, 3])
@pytest.mark.parametrize(("num_graphs", "num_frames"), [(1, FRAMES), (2, 3), (5, 11), (3, 1)])
def test_message_passing_equals_dense(
    scatter: str, num_graphs: int, num_frames: int, iterations: int, training: bool
) -> None:
    module = build(iterations=iterations).train(training)
    x, cotangent = motion(num_graphs, num_frames), torch.randn(num_graphs, M, M, dtype=torch.float64)
    statistics = {key: value.clone() for key, value in module.state_dict().items() if "running" in key}
    dense = values_and_gradients(module, module, x, cotangent)
    after_dense = {key: module.state_dict()[key].clone() for key in statistics}
    module.load_state_dict(statistics, strict=False)
    edgewise = values_and_gradients(module, module.infer_edgewise, x, cotangent)
    assert dense.keys() == edgewise.keys() == {"adj", "x", *(name for name, _ in module.named_parameters())}
    for name, value in dense.items():
        torch.testing.assert_close(value, edgewise[name], atol=1e-9, rtol=0)
        assert value.any(), f"{name} is zero, which shows nothing"
    for key, value in after_dense.items():
        torch.testing.assert_close(module.state_dict()[key], value, atol=1e-9, rtol=0)
        assert torch.equal(value, statistics[key]) is not training


def perceptron(mlp: PropagationMLP, rows: Tensor, training: bool) -> Tensor:
    """Linear, ReLU, linear, ReLU, batch norm, written out for ``[rows, D]``."""
    hidden = (rows @ mlp.first.weight.T + mlp.first.bias).clamp(min=0)
    hidden = (hidden @ mlp.second.weight.T + mlp.second.bias).clamp(min=0)
    mean, var = mlp.norm.running_mean, mlp.norm.running_var
    if training:
        mean, var = hidden.mean(dim=0), hidden.var(dim=0, correction=0)
    assert mean is not None
    assert var is not None
    return (hidden - mean) / (var + mlp.norm.eps).sqrt() * mlp.norm.weight + mlp.norm.bias


@torch.no_grad()
def joint_by_joint(module: ActionalGraphInference, x: Tensor, num_joints: int, training: bool) -> Tensor:
    """Eq. 1 and 2 for one motion ``[T, M, D]`` whose length is the module's own."""
    # vec(X[:, i, :]) stacks columns: all frames of the first feature, then of the next.
    trajectories = torch.stack([x[:, i].T.flatten() for i in range(num_joints)])
    p = perceptron(module.joint_embedding, trajectories, training)
    for edge_mlp, joint_mlp in zip(module.edge_mlps, module.joint_mlps, strict=True):
        assert isinstance(edge_mlp, PropagationMLP)
        assert isinstance(joint_mlp, PropagationMLP)
        pairs = [(i, j) for i in range(num_joints) for j in range(num_joints) if j != i]
        edges = perceptron(edge_mlp, torch.stack([torch.cat([p[i], p[j]]) for i, j in pairs]), training)
        q = dict(zip(pairs, edges, strict=True))
        means = []
        for i in range(num_joints):
            total = torch.zeros_like(p[i])
            for j in range(num_joints):
                if j != i:
                    total += q[i, j]
            means.append(total / (num_joints - 1))
        p = perceptron(joint_mlp, torch.stack(means), training)
    adj = torch.zeros(num_joints, num_joints, dtype=x.dtype)
    for i in range(num_joints):
        affinity = [torch.dot(module.f_embedding(p[i]), module.g_embedding(p[j])) for j in range(num_joints)]
        total = torch.stack(affinity).exp().sum()
        for j in range(num_joints):
            adj[i, j] = affinity[j].exp() / total
    return adj


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("iterations", [0, 1, 2])
def test_equals_eq_1_and_2_joint_by_joint(iterations: int, training: bool) -> None:
    module = build(TINY, iterations=iterations).train(training)
    [x] = motion(1, num_joints=4)
    expected = joint_by_joint(module, x, 4, training)
    torch.testing.assert_close(module(x[None])[0].detach(), expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("num_frames", [1, 2, 3, FRAMES, 20])
def test_any_length_is_resampled_with_its_ends_kept(num_frames: int) -> None:
    module, x = build().eval(), motion(num_frames=num_frames)
    times = np.linspace(0, num_frames - 1, FRAMES)
    resampled = np.empty((2, FRAMES, M, D))
    for graph, joint, feature in np.ndindex(2, M, D):
        series = x[graph, :, joint, feature].numpy()
        resampled[graph, :, joint, feature] = np.interp(times, np.arange(num_frames), series)
    expected = module(torch.from_numpy(resampled))
    torch.testing.assert_close(module(x), expected, atol=1e-9, rtol=0)


def test_rows_sum_to_one_and_the_graph_is_not_symmetric() -> None:
    adj = build()(motion(3))
    assert adj.shape == (3, M, M)
    assert (adj >= 0).all()
    torch.testing.assert_close(adj.sum(dim=-1), torch.ones(3, M, dtype=torch.float64))
    assert not torch.allclose(adj, adj.mT, atol=1e-3)
    assert not torch.allclose(adj.sum(dim=-2), torch.ones(3, M, dtype=torch.float64), atol=1e-3)


def test_graphs_of_a_batch_are_inferred_one_by_one_in_evaluation() -> None:
    module, x = build().eval(), motion(3)
    for person in range(3):
        torch.testing.assert_close(module(x[person, None])[0], module(x)[person], atol=1e-9, rtol=0)


@pytest.mark.parametrize("iterations", [0, 2])
def test_equivariant(iterations: int) -> None:
    assert_equivariant(
        lambda skeleton: build(skeleton, iterations=iterations), SKELETON, motion(), graph_output=True
    )


@pytest.mark.parametrize("iterations", [0, 1, 2, 3])
def test_gradients_reach_every_parameter(iterations: int) -> None:
    module = build(iterations=iterations)
    module(motion()).square().sum().backward()
    assert_every_parameter_gets_a_gradient(module)


def test_dropout_acts_in_training_alone() -> None:
    module, x = build(dropout=0.5), motion()
    assert not torch.equal(module(x), module(x))
    module.eval()
    assert torch.equal(module(x), module(x))


def test_a_single_joint_is_an_error() -> None:
    point = Skeleton(
        name="point",
        joints=("a",),
        bones=(),
        center="a",
        parts={"all": ("a",)},
        part_bones=(),
        mirror=(),
        coordinates="xy",
        units="m",
    )
    with pytest.raises(ValueError, match="needs 2 joints or more, but skeleton 'point' has 1"):
        build(point)


def test_repr() -> None:
    module = ActionalGraphInference(3, load_skeleton("ntu25"))
    assert repr(module) == "ActionalGraphInference(3 -> 25x25, hidden=128, iterations=2, frames=50)"
