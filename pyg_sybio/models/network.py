r"""One of the two networks of Sybio-GNN: AGIM, backbone and the two heads on one graph (Fig. 1)."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from pyg_sybio.nn.actional_graph import ActionalGraphInference
from pyg_sybio.nn.backbone import Backbone, MultiscaleGCN
from pyg_sybio.nn.difference import Difference
from pyg_sybio.nn.input_norm import InputNorm
from pyg_sybio.nn.prediction_head import PredictionHead
from pyg_sybio.nn.recognition_head import RecognitionHead
from pyg_sybio.skeleton import Skeleton


class Encoded(NamedTuple):
    r"""What a network makes of the observed motion.

    Args:
        orders: The differences of the input.
        features: The backbone's features.
        actional: The actional graphs; None without AGIM.

    Shapes:
        - **orders:** :math:`(3, G, T, M, D)`
        - **features:** :math:`(G, M, 3 D_h)`
        - **actional:** :math:`(G, M, M)`
    """

    orders: Tensor
    features: Tensor
    actional: Tensor | None


class SymbioticNetwork(nn.Module):
    r"""A symbiotic network on one graph: the joints of a skeleton, or the bones of its dual (section 5).

    The same class serves both, because the bone-dual of a skeleton is a skeleton whose nodes are the bones.

    Args:
        skeleton: The graph: a skeleton, or its dual.
        in_channels: Features :math:`D` a node and frame.
        num_classes: The number of actions :math:`C`; 0 leaves the recognition head out.
        prediction: Whether there is a prediction head.
        channels, strides, fusions, kernel_size, hops, actional_weight, parts, dropout: See
            :class:`~pyg_sybio.nn.backbone.MultiscaleGCN`.
        shared_branches: One set of branch weights for the three orders of difference.
        head_hops: The hops of the prediction head's graph.
        head_channels: Width of both heads.
        actional_channels, actional_iterations, actional_frames: Width, :math:`K` and frames of AGIM.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        in_channels: int,
        num_classes: int,
        prediction: bool,
        channels: Sequence[int],
        strides: Sequence[int],
        fusions: Sequence[int],
        kernel_size: int,
        hops: int,
        head_hops: int,
        actional_weight: float,
        parts: bool,
        shared_branches: bool,
        head_channels: int,
        actional_channels: int,
        actional_iterations: int,
        actional_frames: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.difference = Difference()
        self.input_norm = InputNorm(self.difference.num_orders, skeleton.num_joints, in_channels)
        self.actional_graph = (
            ActionalGraphInference(
                in_channels,
                skeleton,
                hidden_channels=actional_channels,
                iterations=actional_iterations,
                num_frames=actional_frames,
                dropout=dropout,
            )
            if actional_weight
            else None
        )
        branch = partial(
            MultiscaleGCN,
            in_channels,
            skeleton,
            channels=channels,
            strides=strides,
            fusions=fusions,
            kernel_size=kernel_size,
            hops=hops,
            actional_weight=actional_weight,
            parts=parts,
            dropout=dropout,
        )
        num_orders = self.difference.num_orders
        self.backbone = Backbone([branch() for _ in range(1 if shared_branches else num_orders)], num_orders)
        width = self.backbone.out_channels
        self.recognition_head = (
            RecognitionHead(width, num_classes, hidden_channels=head_channels) if num_classes else None
        )
        self.prediction_head = (
            PredictionHead(
                width,
                in_channels,
                num_classes,
                skeleton,
                hidden_channels=head_channels,
                hops=head_hops,
                actional_weight=actional_weight,
            )
            if prediction
            else None
        )

    def encode(self, x: Tensor) -> Encoded:
        """Return differences, features and actional graphs of motions ``[G, T, M, D]``."""
        orders = self.difference(x)
        normalized = self.input_norm(orders)
        actional = None if self.actional_graph is None else self.actional_graph(normalized[0])
        return Encoded(orders, self.backbone(normalized, actional), actional)

    def predict(
        self,
        orders: Tensor,
        features: Tensor,
        actional: Tensor | None,
        probabilities: Tensor | None,
        num_future: int,
    ) -> Tensor:
        """Return the next ``num_future`` poses ``[G, T_future, M, D]`` of what :meth:`encode` returned."""
        assert self.prediction_head is not None
        return self.prediction_head(
            features, orders, probabilities, actional, norm=self.input_norm, num_future=num_future
        )
