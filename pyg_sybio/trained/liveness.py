r"""Statistics that detect dead actional graphs (Eq. 1 and 2), whose rows are the same for all joints."""

import copy
import math
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_sybio.models.network import SymbioticNetwork
from pyg_sybio.models.output import SybioOutput
from pyg_sybio.nn.shared_graph import SharedGraph

_Model = TypeVar("_Model", bound=nn.Module)

DEAD = 0.01
"""Distance between the rows below which a network's actional graphs count as dead."""


class Liveness(NamedTuple):
    r"""How much the actional graphs of a network differ from :math:`1/M`, as means over persons.

    Args:
        row_distance: Total variation :math:`\frac{1}{2} \sum_k |A_{ik} - A_{jk}|` between the rows of two
            joints, averaged over all pairs: 0 if all joints receive the same, at most 1.
        entropy: Entropy of a row, as a fraction of the entropy of a uniform row, :math:`\log M`.
    """

    row_distance: float
    entropy: float

    @property
    def is_dead(self) -> bool:
        """Whether the distance between rows is below :data:`DEAD`."""
        return self.row_distance < DEAD


def row_distances(graphs: Tensor) -> Tensor:
    r"""Return the mean total variation ``[*]`` between two rows of each graph ``[*, M, M]``."""
    num_nodes = graphs.size(-1)
    return torch.cdist(graphs, graphs, p=1).mean((-2, -1)) / 2 * num_nodes / (num_nodes - 1)


def row_entropies(graphs: Tensor) -> Tensor:
    r"""Return the mean entropy ``[*]`` of a row of each graph ``[*, M, M]``, as a fraction of :math:`\log
    M`."""
    return torch.special.entr(graphs).sum(-1).mean(-1) / math.log(graphs.size(-1))


class MeanLiveness:
    """The liveness of the graphs of several batches.

    Attributes:
        count: Number of graphs so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sums = torch.zeros(2, dtype=torch.float64)

    def update(self, graphs: Tensor) -> None:
        """Add graphs ``[*, M, M]``; the graph of an absent person, which is zero, does not count."""
        graphs = graphs.detach().cpu().double().flatten(0, -3)
        graphs = graphs[graphs.flatten(1).any(dim=1)]
        self.count += len(graphs)
        self._sums += torch.stack([row_distances(graphs).sum(), row_entropies(graphs).sum()])

    @property
    def value(self) -> Liveness:
        """The mean over all graphs."""
        return Liveness(*(self._sums / self.count).tolist())


def actional_of(out: SybioOutput) -> dict[str, Tensor]:
    """Return the actional graphs of each network that has them, by name: ``"joints"`` and ``"bones"``."""
    found = {"joints": out.actional, "bones": out.bone_actional}
    return {network: graphs for network, graphs in found.items() if graphs is not None}


def with_uniform_graphs(model: _Model) -> _Model:
    """Return a copy of a model with uniform graphs, :math:`1/M`, as a baseline for inferred graphs."""
    model = copy.deepcopy(model)
    for network in model.modules():
        if isinstance(network, SymbioticNetwork) and network.actional_graph is not None:
            mean = network.input_norm.mean
            network.actional_graph = SharedGraph(Data(num_nodes=mean.size(1)), learned=False).to(mean)
    return model
