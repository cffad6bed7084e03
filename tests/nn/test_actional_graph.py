"""AGIM compared with a loop over joints, and properties of the inferred graphs."""

import sys
from types import FrameType

import numpy as np
import pytest
import torch
import torch_geometric.typing
from small_skeletons import make
from torch import Tensor, nn

from pyg_sybio.nn.actional_graph import ActionalGraphInference, ActionalMLP
from pyg_sybio.skeleton import Skeleton, load_skeleton
from pyg_sybio.testing import assert_equivariant, assert_every_parameter_gets_a_gradient, randomize
from pyg_sybio.trained.liveness import row_distances, row_entropies

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


def perceptron(mlp: ActionalMLP, rows: Tensor, training: bool) -> Tensor:
    """Compute linear, ReLU, linear, ReLU, batch norm from their formulas, for ``[rows, D]``."""
    hidden = (rows @ mlp.first.weight.T + mlp.first.bias).clamp(min=0)
    hidden = (hidden @ mlp.second.weight.T + mlp.second.bias).clamp(min=0)
    mean, var = mlp.norm.running_mean, mlp.norm.running_var
    if training:
        mean, var = hidden.mean(dim=0), hidden.var(dim=0, correction=0)
    assert mean is not None
    assert var is not None
    normalised = (hidden - mean) / (var + mlp.norm.eps).sqrt() * mlp.norm.weight
    return normalised if mlp.norm.bias is None else normalised + mlp.norm.bias


@torch.no_grad()
def joint_by_joint(module: ActionalGraphInference, x: Tensor, num_joints: int, training: bool) -> Tensor:
    """Eq. 1 and 2 for one motion ``[T, M, D]`` with the length to which the module resamples."""
    # vec(X[:, i, :]) stacks columns: all frames of the first feature, then of the next.
    trajectories = torch.stack([x[:, i].T.flatten() for i in range(num_joints)])
    p = perceptron(module.joint_embedding, trajectories + module.node_embedding, training)
    for edge_mlp, joint_mlp in zip(module.edge_mlps, module.joint_mlps, strict=True):
        assert isinstance(edge_mlp, ActionalMLP)
        assert isinstance(joint_mlp, ActionalMLP)
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
    f, g = (perceptron(mlp, p, training) for mlp in (module.f_embedding, module.g_embedding))
    for i in range(num_joints):
        affinity = [torch.dot(f[i], g[j]) / 8**0.5 for j in range(num_joints)]
        total = torch.stack(affinity).exp().sum()
        for j in range(num_joints):
            adj[i, j] = affinity[j].exp() / total
    return adj


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("iterations", [0, 1, 2])
def test_agim_equals_eq_1_and_2_joint_by_joint(iterations: int, training: bool) -> None:
    module = build(TINY, iterations=iterations).train(training)
    [x] = motion(1, num_joints=4)
    expected = joint_by_joint(module, x, 4, training)
    torch.testing.assert_close(module(x[None])[0].detach(), expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("shape", [(7,), (3, 4)])
@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_the_perceptron_equals_its_formula(training: bool, shift: bool, shape: tuple[int, ...]) -> None:
    mlp = ActionalMLP(5, 8, dropout=0.0, shift=shift).double()
    randomize(mlp)
    mlp.train(training)
    x = torch.randn(*shape, 5, dtype=torch.float64)
    expected = perceptron(mlp, x.flatten(0, -2), training).view(*shape, 8)
    torch.testing.assert_close(mlp(x), expected, atol=1e-12, rtol=0)
    assert ("norm.bias" in dict(mlp.named_parameters())) == shift


def test_a_bias_of_the_sender_embeddings_would_cancel_in_the_softmax() -> None:
    module, x = build().eval(), motion()
    before = module(x)
    biased = ActionalMLP(8, 8, dropout=0.0).double()
    biased.load_state_dict({**module.g_embedding.state_dict(), "norm.bias": torch.randn(8)})
    module.g_embedding = biased.eval()
    torch.testing.assert_close(module(x), before, atol=1e-12, rtol=0)
    # In contrast, the bias of the receivers does not cancel.
    with torch.no_grad():
        module.f_embedding.norm.bias.add_(1)
    assert (module(x) - before).abs().max() > 1e-6


@pytest.mark.parametrize("scale", [0.1, 1.0, 2.5])
def test_scaling_the_affinities_raises_each_row_to_a_power(scale: float) -> None:
    module, x = build().eval(), motion()
    default = module(x)
    module.scale = scale
    # softmax(s z) is softmax(z / √d) to the power of s √d, normalised.
    power = default ** (scale * 8**0.5)
    torch.testing.assert_close(module(x), power / power.sum(dim=-1, keepdim=True), atol=1e-9, rtol=0)
    assert ActionalGraphInference(D, SKELETON, scale=scale).scale == scale


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
def test_a_scale_that_is_not_positive_is_an_error(scale: float) -> None:
    with pytest.raises(ValueError, match=f"'scale' must be positive and finite, but it is {scale}"):
        ActionalGraphInference(D, SKELETON, scale=scale)


def test_an_untrained_graph_is_neither_uniform_nor_concentrated() -> None:
    module = ActionalGraphInference(D, SKELETON).double().train()
    adj = module(motion(16, 50).cumsum(dim=1))
    distance = row_distances(adj).mean()
    assert 0.1 < distance < 0.9
    assert 0.3 < row_entropies(adj).mean() < 0.98


@pytest.mark.parametrize("training", [False, True])
def test_each_iteration_is_one_propagation(training: bool) -> None:
    module = build(iterations=3).train(training)
    edges: list[int] = []
    module.register_propagate_forward_hook(lambda module, inputs, out: edges.append(inputs[0].size(1)))
    module(motion())
    assert edges == [M * (M - 1)] * 3


@pytest.mark.message_passing
def test_aggregation_uses_torch_scatter_if_it_is_installed() -> None:
    library = pytest.importorskip("torch_scatter")
    assert torch_geometric.typing.WITH_TORCH_SCATTER
    module, x = build(iterations=2), motion()
    calls: list[str] = []
    code = library.segment_csr.__code__

    def count(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code is code:
            calls.append(frame.f_code.co_name)

    sys.setprofile(count)
    try:
        module(x)
    finally:
        sys.setprofile(None)
    assert calls == ["segment_csr"] * 2


@pytest.mark.parametrize("num_frames", [1, 2, 3, FRAMES, 20])
def test_motions_of_any_length_are_resampled_between_their_first_and_last_frame(num_frames: int) -> None:
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


def test_graphs_of_a_batch_are_independent_in_evaluation() -> None:
    module, x = build().eval(), motion(3)
    for person in range(3):
        torch.testing.assert_close(module(x[person, None])[0], module(x)[person], atol=1e-9, rtol=0)


@pytest.mark.parametrize("iterations", [0, 2])
def test_outputs_are_equivariant_to_the_order_of_joints(iterations: int) -> None:
    assert_equivariant(
        lambda skeleton: build(skeleton, iterations=iterations), SKELETON, motion(), graph_output=True
    )


def test_node_embeddings_distinguish_joints_with_the_same_motion() -> None:
    module, x = build(iterations=1).train(), motion(1)  # batch norms in training mode enlarge differences
    x[:, :, 1] = x[:, :, 0]
    nn.init.normal_(module.node_embedding)
    adj = module(x)[0]
    assert (adj[0] - adj[1]).abs().sum() > 0.01
    nn.init.zeros_(module.node_embedding)
    adj = module(x)[0]
    torch.testing.assert_close(adj[0], adj[1], atol=1e-9, rtol=0)


@pytest.mark.parametrize("iterations", [0, 1, 2, 3])
def test_gradients_reach_every_parameter(iterations: int) -> None:
    module = build(iterations=iterations)
    module(motion()).square().sum().backward()
    assert_every_parameter_gets_a_gradient(module)


def test_dropout_acts_only_in_training() -> None:
    module, x = build(dropout=0.5), motion()
    assert not torch.equal(module(x), module(x))
    module.eval()
    assert torch.equal(module(x), module(x))


def test_a_single_node_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs at least 2 nodes, but the graph has 1"):
        build(make("a", "", center="a"))


def test_the_repr_has_the_sizes_of_the_module() -> None:
    module = ActionalGraphInference(3, load_skeleton("ntu25"))
    assert repr(module) == "ActionalGraphInference(3 -> 25x25, hidden=128, iterations=1, frames=50)"
