"""Theorem 1: gradient ascent never exceeds the bound, and reaches it where the bound is tight."""

import math
from collections.abc import Callable

import networkx as nx
import numpy as np
import pytest
import torch
from small_skeletons import make
from torch import Tensor

from pyg_sybio.nn.actional_graph import ActionalGraphInference
from pyg_sybio.nn.joint_conv import JointConv
from pyg_sybio.nn.stability import fixed_graph_distortion, inferred_graph_distortion, stability_bound
from pyg_sybio.skeleton import Skeleton, load_skeleton
from pyg_sybio.testing import randomize

SKELETON = load_skeleton("jhmdb15")
M, D, FRAMES = SKELETON.num_joints, 3, 4
TERMS = {"only structural": (3, 0.0), "only actional": (0, 0.7), "both": (3, 0.7)}


def point() -> Skeleton:
    """A skeleton with a single joint, so every power of its graph is 1."""
    return make("a", "", center="a")


def build(terms: str) -> JointConv:
    hops, actional_weight = TERMS[terms]
    layer = JointConv(D, 5, SKELETON, hops=hops, actional_weight=actional_weight)
    randomize(layer.double())
    return layer


def on_sphere(x: Tensor, radius: float) -> Tensor:
    return radius * x / x.norm()


def largest_change(function: Callable[[Tensor], Tensor], x: Tensor, epsilon: float) -> tuple[float, float]:
    """The largest ``||f(x + d) - f(x)||`` over ``||d|| <= epsilon``, by projected gradient ascent and random
    search.
    """
    clean = function(x).detach()
    best, best_at_random = 0.0, 0.0
    for _ in range(3):
        perturbation = on_sphere(torch.randn_like(x), epsilon)
        best_at_random = max(best_at_random, (function(x + perturbation) - clean).norm().item())
        for _ in range(40):
            perturbation.requires_grad_()
            change = (function(x + perturbation) - clean).norm()
            best = max(best, change.item())
            [gradient] = torch.autograd.grad(change, perturbation)
            if not gradient.any():
                break
            perturbation = perturbation.detach() + on_sphere(gradient, 0.5 * epsilon)
            # Project the perturbation back into the ball.
            perturbation = perturbation * min(1.0, epsilon / perturbation.norm().item())
    return best, best_at_random


@pytest.mark.parametrize("epsilon", [0.01, 1.0, 10.0])
@pytest.mark.parametrize("terms", TERMS)
def test_ascent_stays_within_the_bound_of_a_fixed_graph(terms: str, epsilon: float) -> None:
    layer = build(terms)
    actional = torch.randn(1, M, M, dtype=torch.float64).softmax(dim=-1)
    x = torch.randn(1, FRAMES, M, D, dtype=torch.float64)
    distortion = fixed_graph_distortion(actional[0], epsilon=epsilon) if layer.actional_weight else 0.0
    bound = stability_bound(layer, epsilon=epsilon, actional_distortion=distortion)
    found, at_random = largest_change(lambda each: layer(each, actional).relu(), x, epsilon)
    assert found <= bound
    assert found > 1.3 * at_random, "the ascent found nothing, so it shows nothing"


@pytest.mark.parametrize("epsilon", [0.01, 0.5, 5.0])
@pytest.mark.parametrize("terms", ["only actional", "both"])
def test_ascent_stays_within_the_bound_of_an_inferred_graph(terms: str, epsilon: float) -> None:
    layer = build(terms)
    infer = ActionalGraphInference(D, SKELETON, hidden_channels=8, iterations=1, num_frames=FRAMES)
    randomize(infer.double()).eval()
    x = torch.randn(1, FRAMES, M, D, dtype=torch.float64)
    distortion = inferred_graph_distortion(x[0], epsilon=epsilon)

    found, _ = largest_change(lambda each: infer(each)[:, None] @ each, x, epsilon)
    assert found <= distortion

    found, at_random = largest_change(lambda each: layer(each, infer(each)).relu(), x, epsilon)
    assert found <= stability_bound(layer, epsilon=epsilon, actional_distortion=distortion)
    assert found > 1.3 * at_random, "the ascent found nothing, so it shows nothing"


@pytest.mark.parametrize("terms", TERMS)
def test_the_bound_is_reached_by_a_layer_with_equal_weights_on_one_joint(terms: str) -> None:
    hops, actional_weight = TERMS[terms]
    layer = JointConv(D, 5, point(), hops=hops, actional_weight=actional_weight).double()
    with torch.no_grad():
        if layer.structural is not None:
            # η^(γ) = 2, 3, 4 and μ_str^(γ) = 0.5, 0.6, 0.7
            layer.structural.edge_weight.copy_(torch.tensor([2.0, 3.0, 4.0]).view(3, 1, 1))
            weights = [torch.full((5, D), each) for each in (0.5, 0.6, 0.7)]
            layer.structural.linear.weight.copy_(torch.cat(weights, dim=1))
        if layer.actional is not None:
            layer.actional.linear.weight.fill_(0.25)
    actional, epsilon = torch.ones(1, 1, 1, dtype=torch.float64), 0.1
    # The input is positive, so that the activation is the identity.
    x = torch.ones(1, 1, 1, D, dtype=torch.float64)
    distortion = fixed_graph_distortion(actional[0], epsilon=epsilon) if actional_weight else 0.0
    bound = stability_bound(layer, epsilon=epsilon, actional_distortion=distortion)
    found, _ = largest_change(lambda each: layer(each, actional).relu(), x, epsilon)
    assert found == pytest.approx(bound, rel=1e-3)
    assert found <= bound * (1 + 1e-12)


def test_the_bound_of_a_fixed_graph_is_reached_if_all_joints_receive_from_one_joint() -> None:
    layer = JointConv(D, 5, SKELETON, hops=0, actional_weight=0.7).double()
    assert layer.actional is not None
    with torch.no_grad():
        layer.actional.linear.weight.fill_(0.25)
    actional = torch.zeros(1, M, M, dtype=torch.float64)
    actional[:, :, 3] = 1
    epsilon = 0.1
    x = torch.ones(1, FRAMES, M, D, dtype=torch.float64)
    bound = stability_bound(
        layer, epsilon=epsilon, actional_distortion=fixed_graph_distortion(actional[0], epsilon=epsilon)
    )
    found, _ = largest_change(lambda each: layer(each, actional).relu(), x, epsilon)
    assert found == pytest.approx(bound, rel=1e-3)
    assert found <= bound * (1 + 1e-12)


@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_the_bound_of_an_inferred_graph_is_reached_if_all_joints_switch_to_the_farthest_joint(
    epsilon: float,
) -> None:
    x = torch.randn(1, M, D, dtype=torch.float64)
    near, far = max(((i, j) for i in range(M) for j in range(M)), key=lambda pair: math.dist(*x[0][[*pair]]))
    graph, other = torch.zeros(2, M, M, dtype=torch.float64)
    graph[:, near] = 1
    other[:, far] = 1
    perturbed = x.clone()
    perturbed[0, far] += on_sphere(x[0, far] - x[0, near], epsilon)
    distortion = (other @ perturbed - graph @ x).norm().item()
    assert distortion == pytest.approx(inferred_graph_distortion(x, epsilon=epsilon), rel=1e-9)


def test_distances_between_joints_are_accurate_far_from_the_origin() -> None:
    # In single precision, |a|² + |b|² - 2ab has errors of decimetres for joints one kilometre from the
    # origin.
    x = 1000 + 0.01 * torch.randn(2, 33, 3)
    exact = inferred_graph_distortion(x.double(), epsilon=0.0)
    assert inferred_graph_distortion(x, epsilon=0.0) == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("terms", TERMS)
def test_the_bound_equals_the_theorem_term_by_term(terms: str) -> None:
    layer, epsilon, distortion = build(terms), 0.3, 1.7
    total = 0.0
    if layer.actional is not None:
        total += 0.7 * np.abs(layer.actional.linear.weight.detach().numpy()).max() * distortion
    if layer.structural is not None:
        graph: nx.Graph = nx.Graph(list(SKELETON.edges))
        hops = dict(nx.all_pairs_shortest_path_length(graph))
        for power in (1, 2, 3):
            # Because of the self-loops, the γ-th power includes all joints at up to γ hops.
            reached = sum(length <= power for lengths in hops.values() for length in lengths.values())
            edge_weight = layer.structural.edge_weight.detach().numpy()[power - 1]
            weight = layer.structural.linear.weight.detach().numpy()[:, D * (power - 1) : D * power]
            total += epsilon * math.sqrt(reached) * np.abs(edge_weight).max() * np.abs(weight).max()
    bound = stability_bound(layer, epsilon=epsilon, actional_distortion=distortion)
    assert bound == pytest.approx(math.sqrt(D * 5) * total, rel=1e-12)


def test_the_bound_scales_with_the_radius() -> None:
    layer = build("both")
    actional = torch.randn(M, M, dtype=torch.float64).softmax(dim=-1)

    def bound(epsilon: float) -> float:
        distortion = fixed_graph_distortion(actional, epsilon=epsilon)
        return stability_bound(layer, epsilon=epsilon, actional_distortion=distortion)

    assert bound(0.0) == 0.0
    assert bound(0.6) == pytest.approx(3 * bound(0.2))


@pytest.mark.parametrize("arguments", [{"epsilon": -1.0}, {"epsilon": 1.0, "actional_distortion": -1.0}])
def test_negative_radii_are_an_error(arguments: dict[str, float]) -> None:
    with pytest.raises(
        ValueError, match="'epsilon' and 'actional_distortion' must not be negative, but they are"
    ):
        stability_bound(build("both"), **arguments)
