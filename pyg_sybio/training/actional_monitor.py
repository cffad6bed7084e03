"""Logging of the actional graphs during training, with a warning if their rows are nearly equal."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor, nn
from torch.optim import Optimizer

from pyg_sybio.models.network import SymbioticNetwork
from pyg_sybio.nn.shared_graph import SharedGraph
from pyg_sybio.trained.liveness import DEAD, Liveness, MeanLiveness


class ActionalGraphMonitor(L.Callback):
    r"""Log statistics of the actional graphs of each network, and warn once if their rows are nearly equal.

    These values are logged every ``log_every_n_steps`` steps, with ``joints`` or ``bones`` in place of ``*``:

    * ``actional_distance_*``: mean total variation between the rows of two joints;
    * ``actional_entropy_*``: mean entropy of a row, as a fraction of the entropy of a uniform row;
    * ``actional_gradient_*``: norm of AGIM's gradient, as a fraction of the norm of the network's gradient.

    A warning calls inferred graphs dead if, at the end of an epoch, the mean distance between their rows in
    the last logged batch is below :data:`~pyg_sybio.trained.liveness.DEAD`. Shared and uniform graphs are
    logged without a warning.
    """

    def __init__(self) -> None:
        self._liveness: dict[str, Liveness] = {}
        self._warned: set[str] = set()

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer
    ) -> None:
        """Log the gradient norm of AGIM as a fraction of the gradient norm of the network."""
        # Lightning increments the step before it logs the values.
        if _is_due(trainer, trainer.global_step + 1):
            for name in ("joints", "bones"):
                if (share := _gradient_share(_network(pl_module, name))) is not None:
                    pl_module.log(f"actional_gradient_{name}", share)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the distance and the entropy of the rows of the graphs."""
        if not _is_due(trainer, trainer.global_step):
            return
        for name, graphs in outputs["actional"].items():
            mean = MeanLiveness()
            mean.update(graphs)
            self._liveness[name] = mean.value
            pl_module.log(f"actional_distance_{name}", mean.value.row_distance)
            pl_module.log(f"actional_entropy_{name}", mean.value.entropy)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Warn once if the rows of the graphs are nearly equal."""
        for name, liveness in self._liveness.items():
            inferred = not isinstance(_network(pl_module, name).actional_graph, SharedGraph)
            if inferred and name not in self._warned and liveness.is_dead:
                self._warned.add(name)
                rank_zero_warn(
                    f"the actional graphs of the {name} are dead after {trainer.global_step} steps: their "
                    f"rows differ by {liveness.row_distance:.4f} on average, so all joints receive the same "
                    f"(expected above {DEAD})"
                )


def _is_due(trainer: L.Trainer, step: int) -> bool:
    interval = trainer.log_every_n_steps  # 0 if logging is disabled
    return interval > 0 and step > 0 and step % interval == 0


def _network(pl_module: L.LightningModule, name: str) -> Any:
    """Return the network whose nodes are "joints" or "bones", or None if the model lacks it."""
    return getattr(pl_module.model, {"joints": "joint_network", "bones": "bone_network"}[name])


def _gradient_share(network: SymbioticNetwork | None) -> Tensor | None:
    """Return the gradient norm of AGIM as a fraction of the gradient norm of the network."""
    if network is None or network.actional_graph is None:
        return None
    of_agim, of_all = _gradients(network.actional_graph), _gradients(network)
    if not of_agim:  # the graph has no parameters
        return None
    norm = nn.utils.get_total_norm(of_all)
    return nn.utils.get_total_norm(of_agim) / norm.clamp(min=torch.finfo(norm.dtype).tiny)


def _gradients(module: nn.Module) -> list[Tensor]:
    return [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
