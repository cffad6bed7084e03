r"""SybioGNN optimised for evaluation."""

import copy
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_sybio.accelerate.dense_actional import DENSE, replace_submodules
from pyg_sybio.accelerate.fast_head import FastPredictionHead
from pyg_sybio.accelerate.folded_backbone import FoldedMultiscaleGCN
from pyg_sybio.accelerate.folded_norm import FoldedInputNorm
from pyg_sybio.models.output import SybioOutput
from pyg_sybio.nn.backbone import MultiscaleGCN
from pyg_sybio.nn.input_norm import InputNorm
from pyg_sybio.nn.prediction_head import PredictionHead

# The class that replaces each class of the reference model.
REPLACEMENTS: dict[type[nn.Module], Any] = {
    **DENSE,
    InputNorm: FoldedInputNorm,
    MultiscaleGCN: FoldedMultiscaleGCN,
    PredictionHead: FastPredictionHead,
}


class FoldedSybioGNN(nn.Module):
    r"""Copy of a model for evaluation, made by :meth:`SybioGNN.folded`.

    Submodules of the copy are replaced by faster modules with the same outputs (:data:`REPLACEMENTS`): batch
    norms are folded into the preceding convolutions, products are merged, and weights are prepared once. The
    copy cannot be trained, and later changes of the original model do not affect it.

    Args:
        model: The model (:class:`~pyg_sybio.models.sybio_gnn.SybioGNN`), which is not changed.
        dtype: Type in which blocks and linear layers compute: the type of the model, or ``torch.bfloat16``
            for half of the time and memory. Norms, softmaxes and poses keep the type of the model.
            (default: the type of the model)

    Shapes:
        See :class:`~pyg_sybio.models.sybio_gnn.SybioGNN`.

    Attributes:
        skeleton, config, num_classes, num_future: As in :class:`~pyg_sybio.models.sybio_gnn.SybioGNN`.

    Raises:
        ValueError: If ``dtype`` is neither of these types, or if :meth:`train` is called with :obj:`True`.
    """

    def __init__(self, model: Any, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        own = next(model.parameters()).dtype
        half = (torch.bfloat16, torch.float16)
        dtype = own if dtype is None else dtype
        if dtype not in (own, torch.bfloat16):
            raise ValueError(f"'dtype' is {dtype}, expected the model's {own} or torch.bfloat16")
        self.lowered = dtype in half
        self.dtype = dtype
        self.skeleton, self.config = model.skeleton, model.config
        self.num_classes, self.num_future = model.num_classes, model.num_future
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        if own in half:
            self.model.float()  # norms, softmaxes and poses stay in float32
        bones = self.model.bone_network
        if bones is not None and self.model.joint_network is not None and self.model.bone_correction is None:
            bones.prediction_head = None  # with a joint network, the bone network predicts only in training
        replace_submodules(self.model, REPLACEMENTS)
        if self.lowered:
            for module in self.model.modules():
                if isinstance(module, nn.Linear | nn.GRUCell):
                    module.to(dtype)
                elif isinstance(module, FoldedMultiscaleGCN):
                    module.joint_blocks.to(dtype)
                    module.part_blocks.to(dtype)
        super().train(False)

    def forward(
        self,
        batch: Data | Tensor | np.ndarray,
        present: Tensor | None = None,
        num_future: int | None = None,
    ) -> SybioOutput:
        """Recognise and predict, as :meth:`SybioGNN.forward`."""
        if not self.lowered:
            return self.model(batch, present, num_future)
        device = next(self.model.buffers()).device.type
        with torch.autocast(device, self.dtype, cache_enabled=False):
            return self.model(batch, present, num_future)

    def dense(self, batch: Data, key: str) -> Tensor:
        """Return a node attribute of a PyG ``Batch`` in the layout of the outputs, ``[N, (P,) T, M, D]``."""
        return self.model.dense(batch, key)

    def folded(self, dtype: torch.dtype | None = None) -> "FoldedSybioGNN":
        """Return this model, which is already folded.

        Raises:
            ValueError: If ``dtype`` is not the type of this model.
        """
        if dtype not in (None, self.dtype):
            raise ValueError(f"'dtype' is {dtype}, but the model is already folded in {self.dtype}")
        return self

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode; raise an error if ``mode`` is :obj:`True`."""
        if mode:
            raise ValueError("a folded model is only for evaluation: train the original model instead")
        return super().train(mode)

    def extra_repr(self) -> str:
        """Return the extra representation of the module."""
        return f"dtype={self.dtype}"
