r"""One of the two networks of Sybio-GNN: AGIM, backbone and both heads on one graph (Fig. 1)."""

from typing import Any, Literal, NamedTuple, get_args

from torch import Tensor, nn

from pyg_sybio.graphs import NetworkGraphs
from pyg_sybio.nn.actional_graph import ActionalGraphInference
from pyg_sybio.nn.backbone import Backbone, MultiscaleGCN
from pyg_sybio.nn.difference import Difference
from pyg_sybio.nn.input_norm import InputNorm
from pyg_sybio.nn.prediction_head import PredictionHead
from pyg_sybio.nn.recognition_head import RecognitionHead
from pyg_sybio.nn.shared_graph import SharedGraph

ActionalGraphs = Literal["inferred", "shared", "uniform"]


class Encoded(NamedTuple):
    r"""Encoding of the observed motion by a network.

    Args:
        orders: The input and its differences up to order 2.
        features: The features from the backbone.
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

    With :func:`~pyg_sybio.graphs.joint_graphs` the nodes are joints; with
    :func:`~pyg_sybio.graphs.dual_graphs` the nodes are bones.

    Args:
        topology: The node graph and the part graph.
        in_channels: Number of features :math:`D` per node and frame.
        num_classes: Number of classes :math:`C`; 0 omits the recognition head.
        prediction: Whether to build the prediction head.
        head_hops: Number of hops of the graph in the prediction head.
        head_channels: Width of both heads.
        actional_graphs: ``"inferred"`` from the motion by AGIM, ``"shared"`` for one learned graph, or
            ``"uniform"`` for equal weights (see :class:`~pyg_sybio.models.sybio_gnn.SybioGNN`).
        actional_channels, actional_iterations, actional_frames, actional_scale: Settings of AGIM: width,
        number of propagations :math:`K`, number of frames, and scale of the affinities.
        shared_branches: Whether the branches for the three orders of difference share their weights.
        actional_weight, dropout: See :class:`~pyg_sybio.nn.backbone.MultiscaleGCN`.
        **branch: Other arguments of :class:`~pyg_sybio.nn.backbone.MultiscaleGCN`.
    """

    def __init__(
        self,
        topology: NetworkGraphs,
        *,
        in_channels: int,
        num_classes: int,
        prediction: bool,
        head_hops: int,
        head_channels: int,
        actional_graphs: ActionalGraphs,
        actional_channels: int,
        actional_iterations: int,
        actional_frames: int,
        actional_scale: float | None,
        shared_branches: bool,
        actional_weight: float,
        dropout: float,
        **branch: Any,
    ) -> None:
        super().__init__()
        nodes = topology.nodes
        self.difference = Difference()
        num_orders = self.difference.num_orders
        self.input_norm = InputNorm(num_orders, nodes.num_nodes, in_channels)
        self.actional_graph: ActionalGraphInference | SharedGraph | None = None
        if actional_graphs not in get_args(ActionalGraphs):
            raise ValueError(
                f"'actional_graphs' is {actional_graphs!r}, expected {' or '.join(get_args(ActionalGraphs))}"
            )
        if actional_weight and actional_graphs != "inferred":
            self.actional_graph = SharedGraph(nodes, learned=actional_graphs == "shared")
        elif actional_weight:
            self.actional_graph = ActionalGraphInference(
                in_channels,
                nodes,
                hidden_channels=actional_channels,
                iterations=actional_iterations,
                num_frames=actional_frames,
                dropout=dropout,
                scale=actional_scale,
            )
        branches = [
            MultiscaleGCN(in_channels, topology, actional_weight=actional_weight, dropout=dropout, **branch)
            for _ in range(1 if shared_branches else num_orders)
        ]
        self.backbone = Backbone(branches, num_orders)
        width = self.backbone.out_channels
        self.recognition_head: RecognitionHead | None = None
        if num_classes:
            self.recognition_head = RecognitionHead(width, num_classes, hidden_channels=head_channels)
        self.prediction_head: PredictionHead | None = None
        if prediction:
            self.prediction_head = PredictionHead(
                width,
                in_channels,
                num_classes,
                nodes,
                hidden_channels=head_channels,
                hops=head_hops,
                actional_weight=actional_weight,
            )

    def forward(self, x: Tensor) -> Encoded:
        """Encode motions ``[G, T, M, D]``."""
        orders = self.difference(x)
        normalized = self.input_norm(orders)
        actional = None
        if self.actional_graph is not None:
            actional = self.actional_graph(self.input_norm.whole_body(orders[0]))
        return Encoded(orders, self.backbone(normalized, actional), actional)

    def predict(
        self,
        orders: Tensor,
        features: Tensor,
        actional: Tensor | None,
        probabilities: Tensor | None,
        num_future: int,
    ) -> Tensor:
        """Predict ``num_future`` poses ``[G, T_future, M, D]`` from the output of :meth:`forward`."""
        assert self.prediction_head is not None
        return self.prediction_head(
            features, orders, probabilities, actional, norm=self.input_norm, num_future=num_future
        )
