r"""Multiscale GCN with folded blocks, for evaluation."""

import torch
from torch import Tensor, nn

from pyg_sybio.accelerate.chunks import apply_in_chunks, num_chunks
from pyg_sybio.accelerate.folded_block import FoldedBlock
from pyg_sybio.nn.backbone import MultiscaleGCN
from pyg_sybio.nn.blocks import GraphTemporalBlock

# Size (motions × frames × nodes) from which minimal filtering speeds up temporal convolutions.
_LONG = 2**14


class FoldedMultiscaleGCN(nn.Module):
    r"""Evaluation of a :class:`~pyg_sybio.nn.backbone.MultiscaleGCN` with folded blocks.

    Fused blocks take the features of both scales as separate inputs, without materialising their
    concatenation. On a CPU, a batch is evaluated in chunks that fit the cache.

    Args:
        network: The network; later changes of its weights do not affect this copy.

    Shapes:
        See :class:`~pyg_sybio.nn.backbone.MultiscaleGCN`.
    """

    def __init__(self, network: MultiscaleGCN) -> None:
        super().__init__()
        self.fusions, self.out_channels = network.fusions, network.out_channels
        self.joint2part, self.part2joint = network.joint2part, network.part2joint
        to_parts = to_joints = None
        if network.joint2part is not None and network.part2joint is not None:
            to_parts = network.joint2part.assignment()
            parts = torch.eye(to_parts.size(0), dtype=to_parts.dtype, device=to_parts.device)
            to_joints = network.part2joint(parts)  # [M, M_p]
        # With two scales, the part blocks begin at block 1, whose input is the pooled joints.
        first = len(network.joint_blocks) - len(network.part_blocks) if network.joint_blocks else 0
        self.joint_blocks = nn.ModuleList(
            self._folded(block, to_joints, fused=i in self.fusions)
            for i, block in enumerate(network.joint_blocks)
        )
        self.part_blocks = nn.ModuleList(
            self._folded(block, to_parts, fused=i in self.fusions and i > 1)
            for i, block in enumerate(network.part_blocks, start=first)
        )
        self.eval()

    @staticmethod
    def _folded(block: nn.Module, assignment: Tensor | None, *, fused: bool) -> FoldedBlock:
        assert isinstance(block, GraphTemporalBlock)
        if not fused:
            return FoldedBlock(block)
        # Each scale contributes half of the input features.
        return FoldedBlock(block, assignment=assignment, other_channels=block.graph_conv.in_channels // 2)

    def forward(self, x: Tensor, actional: Tensor | None = None) -> Tensor:
        """Return the features of each joint, averaged over time."""
        long = x.device.type == "cpu" and not torch.compiler.is_compiling() and x[..., 0].numel() >= _LONG
        chunks = num_chunks(x, self._widest(x) * x.element_size())
        return apply_in_chunks(lambda *inputs: self._scales(*inputs, tiled=long), chunks, x, actional)

    def _scales(self, x: Tensor, actional: Tensor | None, *, tiled: bool) -> Tensor:
        """Apply the blocks of both scales."""
        if self.joint2part is None or self.part2joint is None:
            for block in self.joint_blocks:
                x = block(x, actional, tiled=tiled)
            return x.mean(dim=1)
        if not self.joint_blocks:
            x = self.joint2part(x)
            for block in self.part_blocks:
                x = block(x, tiled=tiled)
            return self.part2joint(x.mean(dim=1))
        x = self.joint_blocks[0](x, actional, tiled=tiled)
        x_parts = self.joint2part(x)
        blocks = zip(self.joint_blocks[1:], self.part_blocks, strict=True)
        for i, (joint_block, part_block) in enumerate(blocks, start=1):
            fused = i in self.fusions
            x, x_parts = (
                joint_block(x, actional, x_parts if fused else None, tiled=tiled),
                part_block(x_parts, other=x if fused and i > 1 else None, tiled=tiled),
            )
        return x.mean(dim=1) + self.part2joint(x_parts.mean(dim=1))

    def _widest(self, x: Tensor) -> int:
        """Return the number of values per motion in the largest features between two blocks."""
        num_frames, widest = x.size(1), 0
        for block in self.joint_blocks or self.part_blocks:
            assert isinstance(block, FoldedBlock)
            num_frames = -(-num_frames // block.stride)
            widest = max(widest, num_frames * x.size(2) * block.out_channels)
        return widest
