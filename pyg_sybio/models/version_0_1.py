r"""The actional graph inference of version 0.1, for model files of that version; a later release will remove
it.
"""

from collections.abc import Container

from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_sybio.models.network import SymbioticNetwork
from pyg_sybio.nn.actional_graph import ActionalGraphInference
from pyg_sybio.nn.input_norm import InputNorm


class OldActionalGraph(ActionalGraphInference):
    r"""AGIM as in version 0.1: each joint is standardised separately, and embeddings have no batch norm.

    Args:
        module: The AGIM of the current version, whose arguments and data type are copied.
        input_norm: The input normalisation of the network.
    """

    def __init__(self, module: ActionalGraphInference, input_norm: InputNorm) -> None:
        width = module.hidden_channels
        super().__init__(
            module.in_channels,
            Data(num_nodes=module.num_joints),
            hidden_channels=width,
            iterations=module.iterations,
            num_frames=module.num_frames,
            dropout=module.joint_embedding.dropout.p,
            scale=1.0,
        )
        self.f_embedding: nn.Module = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
        )
        self.g_embedding: nn.Module = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width, bias=False)
        )
        self.register_parameter("node_embedding", None)
        self._norm = (input_norm,)  # a tuple, so that the norm is not registered twice
        self.to(module.joint_embedding.first.weight).train(module.training)

    def trajectories(self, x: Tensor) -> Tensor:
        """Standardise each joint separately, and flatten its motion over the resampled frames."""
        [norm] = self._norm
        return super().trajectories(norm.by_joint(x))


def use_old_actional_graphs(model: nn.Module, names: Container[str]) -> None:
    """Replace every AGIM in a model by the AGIM of version 0.1 if the weights are from that version.

    Args:
        model: The model, which is changed in place.
        names: Names of the weights, which differ between versions.
    """
    for name, network in model.named_modules():
        if isinstance(network, SymbioticNetwork) and f"{name}.actional_graph.f_embedding.0.weight" in names:
            module = network.actional_graph
            if isinstance(module, ActionalGraphInference):
                network.actional_graph = OldActionalGraph(module, network.input_norm)
