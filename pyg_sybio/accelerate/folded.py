r"""SybioGNN prepared for evaluation alone."""

import copy
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_sybio.accelerate.folded_block import PreparedBlock
from pyg_sybio.nn.backbone import MultiscaleGCN
from pyg_sybio.nn.blocks import GraphTemporalBlock
from pyg_sybio.skeleton import Skeleton

if TYPE_CHECKING:
    from pyg_sybio.models.sybio_gnn import SybioGNN, SybioOutput


class FoldedSybioGNN(nn.Module):
    r"""A copy of a model for evaluation alone, made by :meth:`SybioGNN.folded`.

    What :class:`~pyg_sybio.models.sybio_gnn.SybioGNN` works out in every evaluation, from weights that do not
    change any more, is worked out once: batch norms are folded into the convolutions before them, and weights
    are laid out, and rounded, as the products take them. Nothing in it can be trained, and later changes of
    the model that it was made from do not reach it.

    Args:
        model: The model; it stays as it is.
        dtype: The type in which blocks and linear layers compute: the model's own, or ``torch.bfloat16`` for
            half of the time and memory. Norms, softmaxes and poses keep the model's own type.

    Shapes:
        As :class:`~pyg_sybio.models.sybio_gnn.SybioGNN`'s.

    Raises:
        ValueError: If ``dtype`` is neither of the two, or :meth:`train` asks for training.
    """

    def __init__(self, model: "SybioGNN", dtype: torch.dtype) -> None:
        super().__init__()
        own = next(model.parameters()).dtype
        if dtype not in (own, torch.bfloat16):
            raise ValueError(f"'dtype' must be {own}, as the model's, or torch.bfloat16, but it is {dtype}")
        self.lowered = dtype != own
        self.dtype = dtype
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        bones = self.model.bone_network
        if bones is not None and self.model.joint_network is not None and self.model.bone_correction is None:
            bones.prediction_head = None  # beside joints in training only
        for module in list(self.model.modules()):
            if isinstance(module, MultiscaleGCN):
                for blocks in (module.joint_blocks, module.part_blocks):
                    for i, block in enumerate(blocks):
                        assert isinstance(block, GraphTemporalBlock)
                        blocks[i] = PreparedBlock(block, dtype)
            elif isinstance(module, nn.Linear | nn.GRUCell) and self.lowered:
                module.to(dtype)
        super().train(False)

    @property
    def skeleton(self) -> Skeleton:
        """That of the model."""
        return self.model.skeleton

    @property
    def num_classes(self) -> int:
        """Those of the model."""
        return self.model.num_classes

    @property
    def num_future(self) -> int:
        """The future frames of the model."""
        return self.model.num_future

    def forward(
        self, batch: Data | Tensor, present: Tensor | None = None, num_future: int | None = None
    ) -> "SybioOutput":
        """Recognise and predict, as :meth:`SybioGNN.forward`."""
        if not self.lowered:
            return self.model(batch, present, num_future)
        device = next(self.model.buffers()).device.type
        with torch.autocast(device, self.dtype, cache_enabled=False):
            return self.model(batch, present, num_future)

    def train(self, mode: bool = True) -> Self:
        """Raise, unless ``mode`` is :obj:`False`."""
        if mode:
            raise ValueError("a folded model is for evaluation alone: train the model it was made from")
        return super().train(mode)

    def extra_repr(self) -> str:
        """What tells two of these apart."""
        return f"dtype={self.dtype}"
