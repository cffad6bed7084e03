r"""Assertions for properties of layers and models in tests.

A permutation of joints holds the old index of each new joint: ``new = old[permutation]``.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from pyg_sybio.nn.actional_graph import ActionalGraphInference
from pyg_sybio.nn.input_norm import InputNorm
from pyg_sybio.nn.joint_conv import StructuralConv
from pyg_sybio.skeleton import Skeleton


def permuted_skeleton(skeleton: Skeleton, permutation: Sequence[int]) -> Skeleton:
    """Return a skeleton with permuted joints; the order of bones and parts does not change."""
    return replace(skeleton, joints=tuple(skeleton.joints[i] for i in permutation))


def randomize(module: nn.Module) -> nn.Module:
    """Set all parameters and statistics to random values that preserve the scale of activations.

    Newly initialised layers contain ones and zeros, which hide errors. They also reduce the scale of their
    input, so that outputs hardly depend on inputs.
    """
    with torch.no_grad():
        for key, value in module.state_dict().items():
            if key.endswith(("var", "edge_weight")) or (value.dim() == 1 and key.endswith("weight")):
                value.uniform_(0.5, 1.5)
            elif key.endswith(("mean", "bias")) or "bias_" in key:
                value.normal_()
            elif value.dim() > 1:
                fan_in = value[0].numel()
                value.normal_(std=fan_in**-0.5)
    return module


def copy_permuted(source: nn.Module, target: nn.Module, permutation: Sequence[int]) -> None:
    """Copy the state of a module to a module of the permuted skeleton, permuting joint dimensions."""
    target.load_state_dict(source.state_dict())
    order = torch.as_tensor(permutation)
    with torch.no_grad():
        for module in target.modules():
            if isinstance(module, StructuralConv):
                module.edge_weight.copy_(module.edge_weight[:, order][:, :, order])
            elif isinstance(module, ActionalGraphInference):
                module.node_embedding.copy_(module.node_embedding[order])
            elif isinstance(module, InputNorm):
                module.mean.copy_(module.mean[:, order])
                module.var.copy_(module.var[:, order])


def assert_equivariant(
    make: Callable[[Skeleton], nn.Module],
    skeleton: Skeleton,
    x: Tensor,
    actional: Tensor | None = None,
    *,
    graph_output: bool = False,
    tolerance: float = 1e-9,
) -> None:
    """Assert that a layer is equivariant to permuting the joints of data and graph together.

    Args:
        make: Function that builds the layer for a skeleton.
        skeleton: The skeleton.
        x: Input of the layer, ``[..., M, D]``.
        actional: Actional graphs ``[G, M, M]``, if the layer takes them.
        graph_output: Whether the layer returns graphs ``[..., M, M]`` instead of features ``[..., M, D]``.
        tolerance: Maximum absolute difference.
    """
    permutation = torch.randperm(skeleton.num_joints)
    layer = randomize(make(skeleton).to(x.dtype)).eval()
    permuted_layer = make(permuted_skeleton(skeleton, permutation.tolist())).to(x.dtype).eval()
    copy_permuted(layer, permuted_layer, permutation.tolist())
    graphs = () if actional is None else (actional,)
    permuted_graphs = () if actional is None else (actional[:, permutation][:, :, permutation],)
    with torch.no_grad():
        expected = layer(x, *graphs)[..., permutation, :]
        if graph_output:
            expected = expected[..., permutation]
        came = permuted_layer(x[..., permutation, :], *permuted_graphs)
    torch.testing.assert_close(came, expected, atol=tolerance, rtol=0)
    assert not torch.allclose(came, layer(x, *graphs), atol=tolerance, rtol=0), (
        "the permutation had no effect"
    )


def assert_every_parameter_gets_a_gradient(module: nn.Module) -> None:
    """Assert, after a backward pass, that every parameter has a nonzero gradient without NaN."""
    gradients = {name: parameter.grad for name, parameter in module.named_parameters()}
    dead = [name for name, grad in gradients.items() if grad is None or not grad.any()]
    assert not dead, f"zero or missing gradient of {', '.join(dead)}"
    broken = [name for name, grad in gradients.items() if grad is not None and grad.isnan().any()]
    assert not broken, f"NaN in the gradient of {', '.join(broken)}"
