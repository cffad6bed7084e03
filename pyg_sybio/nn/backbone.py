r"""The backbone: multi-branch multiscale graph convolution networks (section 5.1, Fig. 6)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pyg_sybio import graphs
from pyg_sybio.nn.blocks import GraphTemporalBlock
from pyg_sybio.nn.fusion import Joint2Part, Part2Joint
from pyg_sybio.nn.joint_conv import JointConv
from pyg_sybio.nn.part_conv import PartConv
from pyg_sybio.nn.recompute import recompute
from pyg_sybio.skeleton import AnySkeleton


class MultiscaleGCN(nn.Module):
    r"""Multiscale GCN: parallel J-GTC and P-GTC blocks with bidirectional fusion (section 5.1.2).

    The first block operates on joints; its pooled output is the input of the part scale. From the second
    block on, there is one block per scale. Before the blocks listed in ``fusions``, the features of each
    scale are concatenated with the features of the other scale. Finally, the part features are copied to
    their joints, added to the joint features, and averaged over time,

    .. math::
        H = \frac{1}{T'} \sum_t \big(X^{(t)} + \mathrm{part2joint}(X_p^{(t)})\big).

    Without the part scale there are only J-GTC blocks. Without a joint-scale graph (no hops and no actional
    weight) there are only P-GTC blocks, on the pooled input.

    Args:
        in_channels: Number of input features.
        topology: The graphs (:func:`~pyg_sybio.graphs.joint_graphs`, :func:`~pyg_sybio.graphs.dual_graphs`),
            or a skeleton.
        channels: Width of each block.
        strides: Temporal stride of each block.
        fusions: Indices, from 0, of the blocks whose inputs are fused.
        kernel_size: Size :math:`\tau` of the temporal kernels.
        hops: Number of hops :math:`\Gamma` of the structural graphs; 0 disables them.
        actional_weight: Weight :math:`\lambda_{act}` of the actional graph; 0 disables it.
        parts: Whether to use the part scale.
        dropout: Dropout probability in the blocks.

    Attributes:
        checkpoint_activations: In training, store only the inputs of the blocks, and recompute activations
            inside of blocks in the backward pass (:func:`~pyg_sybio.nn.recompute.recompute`). (default:
            :obj:`False`)

    Shapes:
        - **x:** :math:`(G, T, M, D)`
        - **actional:** :math:`(G, M, M)` or :obj:`None`
        - **output:** :math:`(G, M, D_h)`

    Raises:
        ValueError: If there are no blocks or no graphs, or the lengths or indices of the block settings do
            not match.

    Note:
        Fusion doubles the number of input features of a block. In the settings of the paper, the doubled
        number equals the output width of the fused block. The input of the first block of the part scale
        consists of pooled joint features, so it is not fused with joint features again.
    """

    def __init__(
        self,
        in_channels: int,
        topology: graphs.NetworkGraphs | AnySkeleton,
        *,
        channels: Sequence[int],
        strides: Sequence[int],
        fusions: Sequence[int],
        kernel_size: int,
        hops: int,
        actional_weight: float,
        parts: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        if not channels:
            raise ValueError("'channels' is empty, expected the width of at least one block")
        if actional_weight < 0:
            raise ValueError(f"'actional_weight' must not be negative, but it is {actional_weight}")
        joints = hops > 0 or actional_weight > 0
        if not joints and not parts:
            raise ValueError("expected at least one graph: set 'hops', 'actional_weight' or 'parts'")
        if len(strides) != len(channels):
            raise ValueError(f"'strides' has {len(strides)} entries, but 'channels' has {len(channels)}")
        self.fusions = frozenset(fusions) if joints and parts else frozenset()
        if not self.fusions <= set(range(1, len(channels))):
            raise ValueError(
                f"'fusions' is {tuple(fusions)}, expected block indices from 1 to {len(channels) - 1}"
            )
        if not isinstance(topology, graphs.NetworkGraphs):
            topology = graphs.joint_graphs(topology)

        joint_blocks, part_blocks = [], []
        for i, (out_channels, stride) in enumerate(zip(channels, strides, strict=True)):
            width = channels[i - 1] if i else in_channels
            fused = 2 * width if i in self.fusions else width
            block = partial(GraphTemporalBlock, kernel_size=kernel_size, stride=stride, dropout=dropout)
            if joints:
                joint_conv = JointConv(
                    fused, out_channels, topology.nodes, hops=hops, actional_weight=actional_weight
                )
                joint_blocks.append(block(joint_conv))
            if parts and (i > 0 or not joints):
                starts = joints and i == 1  # the input is pooled from the joints: nothing to fuse
                part_conv = PartConv(width if starts else fused, out_channels, topology.parts)
                part_blocks.append(block(part_conv))
        self.out_channels = channels[-1]
        self.checkpoint_activations = False
        self.joint_blocks, self.part_blocks = nn.ModuleList(joint_blocks), nn.ModuleList(part_blocks)
        self.joint2part = Joint2Part(topology.parts) if parts else None
        self.part2joint = Part2Joint(topology.parts) if parts else None

    def forward(self, x: Tensor, actional: Tensor | None = None) -> Tensor:
        """Return the features of each joint, averaged over time."""
        if self.joint2part is None or self.part2joint is None:
            for block in self.joint_blocks:
                x = self._apply_block(block, x, actional)
            return x.mean(dim=1)
        if not self.joint_blocks:
            x = self.joint2part(x)
            for block in self.part_blocks:
                x = self._apply_block(block, x)
            return self.part2joint(x.mean(dim=1))

        x = self._apply_block(self.joint_blocks[0], x, actional)
        x_parts = self.joint2part(x)
        blocks = zip(self.joint_blocks[1:], self.part_blocks, strict=True)
        for i, (joint_block, part_block) in enumerate(blocks, start=1):
            joints, parts = x, x_parts
            if i in self.fusions:
                joints = self._fused(x, x_parts, self.part2joint)
                parts = self._fused(x_parts, x, self.joint2part) if i > 1 else x_parts
            x = self._apply_block(joint_block, joints, actional)
            x_parts = self._apply_block(part_block, parts)
        # Average over time before copying parts to joints, so that only one frame is copied.
        return x.mean(dim=1) + self.part2joint(x_parts.mean(dim=1))

    def _fused(self, x: Tensor, other: Tensor, exchange: nn.Module) -> Any:
        """Concatenate the features of a scale with the features of the other scale."""
        return torch.cat([x, exchange(other)], dim=-1)

    def _apply_block(self, block: nn.Module, *inputs: Any) -> Tensor:
        recomputed = self.training and self.checkpoint_activations
        return recompute(block, *inputs) if recomputed else block(*inputs)


class Backbone(nn.Module):
    r"""Multi-branch multiscale GCN: branches for positions, velocities and accelerations (section 5.1.1).

    .. math::
        H = [H_0, H_1, H_2], \qquad H_\beta = \mathrm{MultiscaleGCN}_\beta(\Delta^\beta X)

    Args:
        branches: One network per order of difference, or a single network that all orders share. With a
            single network, the orders run as one batch.
        num_orders: Number of orders of difference in the input.

    Shapes:
        - **x:** :math:`(\text{num\_orders}, G, T, M, D)`
        - **actional:** :math:`(G, M, M)` or :obj:`None`
        - **output:** :math:`(G, M, \text{num\_orders} \cdot D_h)`

    Note:
        The paper describes three individual networks with the same architecture. With shared weights, the
        parameter counts of the whole model and of the joint network are near the paper's counts. For other
        variants, neither shared nor individual weights give the paper's counts (``docs/equations.md``).
    """

    def __init__(self, branches: Sequence[MultiscaleGCN], num_orders: int) -> None:
        super().__init__()
        if len(branches) not in (1, num_orders):
            raise ValueError(f"'branches' must hold 1 or {num_orders} networks, but it holds {len(branches)}")
        self.num_orders = num_orders
        self.branches = nn.ModuleList(branches)
        self.out_channels = num_orders * branches[0].out_channels

    def forward(self, x: Tensor, actional: Tensor | None = None) -> Tensor:
        """Return the concatenated features of all branches."""
        if len(self.branches) == 1:
            repeated = None if actional is None else actional.repeat(self.num_orders, 1, 1)
            features = self.branches[0](x.flatten(0, 1), repeated).unflatten(0, (self.num_orders, -1))
        else:
            features = torch.stack(
                [branch(each, actional) for branch, each in zip(self.branches, x, strict=True)]
            )
        return features.permute(1, 2, 0, 3).flatten(2)  # [G, M, orders·D_h]
