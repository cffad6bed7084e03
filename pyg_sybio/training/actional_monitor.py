"""A guard of the actional graphs during training."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor, nn
from torch.optim import Optimizer

from pyg_sybio.models.network import SymbioticNetwork
from pyg_sybio.trained.liveness import DEAD, row_distances, row_entropies


class ActionalGraphMonitor(L.Callback):
    r"""Log how much the actional graphs of each network say, and warn once when a network's are dead.

    Every ``log_every_n_steps`` steps, with ``joints`` or ``bones`` in place of ``*``:

    * ``actional_distance_*``: mean total variation between the rows of two joints;
    * ``actional_entropy_*``: mean entropy of a row, as a fraction of that of a uniform row;
    * ``actional_gradient_*``: norm of the gradient of AGIM, as a fraction of that of the network.

    Graphs are dead when, at the end of an epoch, the rows of a network differ by less than
    :data:`~pyg_sybio.trained.liveness.DEAD`.
    """

    def __init__(self) -> None:
        self._distances: dict[str, Tensor] = {}
        self._warned: set[str] = set()

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer
    ) -> None:
        """Log AGIM's share of the gradient."""
        if self._is_due(trainer):
            for name in ("joints", "bones"):
                network = getattr(pl_module.model, f"{name[:-1]}_network")
                if (share := _gradient_share(network)) is not None:
                    pl_module.log(f"actional_gradient_{name}", share)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log distance and entropy of the rows."""
        if not (trainer.global_step and self._is_due(trainer)):
            return
        for name, graphs in outputs["actional"].items():
            present = graphs.detach().flatten(0, -3)
            weights = present.flatten(1).any(dim=1).float()  # the graph of an absent person is zero
            weights /= weights.sum()
            self._distances[name] = (row_distances(present) * weights).sum()
            pl_module.log(f"actional_distance_{name}", self._distances[name])
            pl_module.log(f"actional_entropy_{name}", (row_entropies(present) * weights).sum())

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Warn about dead graphs."""
        for name, distance in self._distances.items():
            if distance < DEAD and name not in self._warned:
                self._warned.add(name)
                rank_zero_warn(
                    f"the actional graphs of the {name} are dead after {trainer.global_step} steps: their "
                    f"rows differ by {float(distance):.4f} on average, so all joints receive the same "
                    f"(alive: above {DEAD})"
                )

    @staticmethod
    def _is_due(trainer: L.Trainer) -> bool:
        return trainer.global_step % trainer.log_every_n_steps == 0


def _gradient_share(network: SymbioticNetwork | None) -> Tensor | None:
    """Norm of the gradient of AGIM as a fraction of that of the network."""
    if network is None or network.actional_graph is None:
        return None
    of_agim, of_all = _norm(network.actional_graph), _norm(network)
    return of_agim / of_all.clamp(min=torch.finfo(of_all.dtype).tiny)


def _norm(module: nn.Module) -> Tensor:
    return nn.utils.get_total_norm([p.grad for p in module.parameters() if p.grad is not None])
