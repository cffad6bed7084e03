"""The part-scale convolution compared with a loop over the part bones."""

import numpy as np
import pytest
import torch

from pyg_sybio.nn.part_conv import PartConv
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.testing import assert_every_parameter_gets_a_gradient, permuted_skeleton, randomize


@pytest.mark.parametrize("name", ["ntu25", "jhmdb15", "hand21"])
def test_part_conv_equals_eq_7_part_by_part(name: str) -> None:
    skeleton = load_skeleton(name)
    layer = PartConv(3, 5, skeleton)
    randomize(layer.double())
    x = torch.randn(2, 4, skeleton.num_parts, 3, dtype=torch.float64)
    out = layer(x)
    names = list(skeleton.parts)
    for receiver, part in enumerate(names):
        senders = {part} | {b for a, b in skeleton.part_bones if a == part}
        senders |= {a for a, b in skeleton.part_bones if b == part}
        gathered = torch.zeros(2, 4, 3, dtype=torch.float64)
        for sender in map(names.index, senders):
            gathered += layer.edge_weight[receiver, sender] * x[:, :, sender] / len(senders)
        expected = gathered @ layer.linear.weight.T
        torch.testing.assert_close(out[:, :, receiver], expected, atol=1e-12, rtol=0)


def test_an_untrained_part_graph_averages_a_part_and_its_neighbours() -> None:
    skeleton = load_skeleton("ntu25")
    adjacency = PartConv(3, 5, skeleton).double().adjacency.detach().numpy()
    linked = {(a, b) for a, b in skeleton.part_edges} | {(b, a) for a, b in skeleton.part_edges}
    linked |= {(part, part) for part in range(skeleton.num_parts)}
    assert set(zip(*map(np.ndarray.tolist, adjacency.nonzero()), strict=True)) == linked
    np.testing.assert_allclose(adjacency.sum(axis=1), 1, atol=1e-15)


def test_the_output_does_not_depend_on_the_order_of_the_joints() -> None:
    skeleton = load_skeleton("ntu25")
    layer = PartConv(3, 5, skeleton)
    other = PartConv(3, 5, permuted_skeleton(skeleton, list(reversed(range(skeleton.num_joints)))))
    assert torch.equal(layer.normalized(), other.normalized())


def test_gradients_reach_every_parameter() -> None:
    skeleton = load_skeleton("jhmdb15")
    layer = PartConv(3, 5, skeleton)
    layer(torch.randn(2, 4, skeleton.num_parts, 3)).square().sum().backward()
    assert_every_parameter_gets_a_gradient(layer)


def test_the_repr_has_the_sizes_and_the_number_of_parts() -> None:
    assert repr(PartConv(3, 64, load_skeleton("ntu25"))) == "PartConv(3 -> 64, parts=10)"
