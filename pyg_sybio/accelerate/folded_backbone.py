r"""Multiscale GCN with folded blocks, for evaluation."""

from typing import Any

import torch
from torch import Tensor, nn

from pyg_sybio.accelerate.chunks import apply_in_chunks, num_chunks
from pyg_sybio.accelerate.folded_block import FoldedBlock
from pyg_sybio.nn.backbone import MultiscaleGCN


class FoldedMultiscaleGCN(MultiscaleGCN):
    r"""Evaluation of a :class:`~pyg_sybio.nn.backbone.MultiscaleGCN` with folded blocks.

    Fused blocks take the features of both scales as separate inputs, without materialising their
    concatenation. On a CPU, a batch is evaluated in chunks that fit the cache.

    Args:
        network: The network; later changes of its weights do not affect this copy.

    Shapes:
        See :class:`~pyg_sybio.nn.backbone.MultiscaleGCN`.
    """

    def __init__(self, network: MultiscaleGCN) -> None:
        nn.Module.__init__(self)
        self.checkpoint_activations = False
        self.fusions, self.out_channels = network.fusions, network.out_channels
        self.joint2part, self.part2joint = network.joint2part, network.part2joint
        to_parts = to_joints = None
        if network.joint2part is not None and network.part2joint is not None:
            to_parts = network.joint2part.assignment()
            parts = torch.eye(to_parts.size(0), dtype=to_parts.dtype, device=to_parts.device)
            to_joints = network.part2joint(parts)  # [M, M_p]
        # With two scales, the part blocks begin at block 1, whose input is pooled from the joints.
        first = len(network.joint_blocks) - len(network.part_blocks) if network.joint_blocks else 0
        self.joint_blocks = nn.ModuleList(
            FoldedBlock(block, to_joints if i in self.fusions else None)
            for i, block in enumerate(network.joint_blocks)
        )
        self.part_blocks = nn.ModuleList(
            FoldedBlock(block, to_parts if i in self.fusions and i > 1 else None)
            for i, block in enumerate(network.part_blocks, start=first)
        )
        self.eval()

    def forward(self, x: Tensor, actional: Tensor | None = None) -> Tensor:
        """Return the features of each joint, averaged over time."""
        chunks = num_chunks(x, self._widest(x) * x.element_size())
        return apply_in_chunks(super().forward, chunks, x, actional)

    def _fused(self, x: Tensor, other: Tensor, exchange: nn.Module) -> Any:
        """Return the features of both scales as separate tensors, the input of a fused
        :class:`FoldedBlock`.
        """
        return x, other

    def _widest(self, x: Tensor) -> int:
        """Return the number of values per motion in the largest features between two blocks."""
        num_frames, widest = x.size(1), 0
        for block in self.joint_blocks or self.part_blocks:
            assert isinstance(block, FoldedBlock)
            num_frames = -(-num_frames // block.stride)
            widest = max(widest, num_frames * x.size(2) * block.out_channels)
        return widest
