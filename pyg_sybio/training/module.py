r"""Training of :class:`~pyg_sybio.models.SybioGNN` by Lightning."""

import inspect
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import lightning as L
import torch
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch_geometric.data import Batch

from pyg_sybio.accelerate.dense_actional import use_dense_actional
from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.metrics import top_k_accuracy
from pyg_sybio.models.pretrained import check_weights
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.trained.digest import weights_digest
from pyg_sybio.trained.document import DOCUMENT_KEY
from pyg_sybio.trained.evaluation import dense, future_mask, motion_errors, motions
from pyg_sybio.trained.fine_tuning import FineTuned, fine_tuned
from pyg_sybio.trained.liveness import actional_of
from pyg_sybio.trained.load import load_trained
from pyg_sybio.trained.metrics import ErrorByHorizon
from pyg_sybio.trained.trained import Trained
from pyg_sybio.training.actional_monitor import ActionalGraphMonitor
from pyg_sybio.training.decay import parameter_groups
from pyg_sybio.training.keep_checkpoint import KeepCheckpoint
from pyg_sybio.training.resumable_loader import ResumableLoader
from pyg_sybio.training.schedule import WarmupCosine


class SchedulerCallable(Protocol):
    """Function that returns the learning rate schedule of an optimiser.

    The function gets ``total_steps``, the number of optimiser steps of the run, if it has an argument of this
    name. Recipes cannot set this argument.
    """

    def __call__(self, optimizer: Optimizer, /, *, total_steps: int) -> LRScheduler: ...


def new_loss(
    skeleton: Skeleton,
    feature_scale: Tensor,
    alpha: float = 0.9,
    label_smoothing: float = 0.0,
    distance: Literal["l1", "joint"] = "l1",
    time_exponent: float = 0.0,
    separate_networks: bool = False,
    class_weights: Tensor | None = None,
) -> SymbioticLoss:
    """Return the loss of a recipe; see :class:`SybioModule` for the arguments."""
    return SymbioticLoss(
        skeleton,
        alpha=alpha,
        label_smoothing=label_smoothing,
        feature_scale=feature_scale if distance == "joint" else None,
        time_exponent=time_exponent,
        separate_networks=separate_networks,
        class_weights=class_weights,
    )


class SybioModule(L.LightningModule):
    r"""Model, loss (Eq. 11) and optimiser as a Lightning module.

    Args:
        skeleton: Skeleton of the clips (from the data).
        class_names: Names of the classes (from the data).
        num_future: Number of frames to predict (from the data).
        feature_scale: Factors [M, D] that convert differences of poses to radians or body sizes (from the
            data).
        preset: Size of the model: ``ntu``, ``mocap``, ``demo`` or ``realtime``.
        variant: Constructor arguments of the model that differ from the preset, such as
            ``{"actional": False}`` for a row of the paper's Table 1.
        init_from: A trained model to fine-tune: a ``.ckpt`` file, a model folder, or ``hf://OWNER/NAME``
            (:func:`~pyg_sybio.trained.load.load_trained`). The architecture is then the trained model's, and
            ``preset`` is not used (:func:`~pyg_sybio.trained.fine_tuning.fine_tuned`).
        freeze: Names of the modules that fine-tuning does not change, such as ``"backbone"`` or
            ``["recognition_head"]`` (:func:`~pyg_sybio.trained.fine_tuning.fine_tuned`).
        alpha: Weight of recognition in the loss; the weight of prediction is ``1 - alpha``.
        label_smoothing: Fraction of each label that is spread over all classes. (default: ``0.0``, as in the
            paper)
        distance: Loss of the prediction: ``l1``, the sum over frames, joints and coordinates as in the paper
            (Eq. 12), or ``joint``, the mean distance of a joint in radians or body sizes, which gave better
            results on CMU Mocap. The two losses differ by orders of magnitude, so they need different values
            of ``alpha``. (default: ``l1``)
        time_exponent: Exponent p of the weight t^(-p) of future frame t = 1, 2, ... in the loss. (default:
            ``0.0``, equal weights as in the paper)
        separate_networks: Compute the recognition loss from the class probabilities of each network, instead
            of the paper's mean of both networks. (default: :obj:`False`)
        class_weights: Weights of the classes in the recognition loss, for classes with different numbers of
            clips: one number per class, in the order of ``class_names``, or ``balanced``
            (:meth:`~pyg_sybio.training.data_module.ClipDataModule.class_weights`). (default: equal weights)
        optimizer: Function that returns the optimiser, given the parameters.
        lr_scheduler: Function that returns the learning rate schedule, given the optimiser: any class of
            :mod:`torch.optim.lr_scheduler`, or one of :mod:`pyg_sybio.training.schedule`. A schedule with an
            argument ``total_steps`` gets the number of optimiser steps of the run. ``ReduceLROnPlateau``
            monitors ``val_loss``; with ``lightning.pytorch.cli.ReduceLROnPlateau``, the argument ``monitor``
            names another logged value.
        lr_interval: Whether the schedule is stepped once per ``step`` of the optimiser or per ``epoch``.
            (default: ``step`` for schedules with ``total_steps``, ``epoch`` for others, as in Lightning)
        compile: Compile the model's forward pass. The first steps then take minutes, and later steps are
            faster. Checkpoints are the same as without compilation. (default: :obj:`False`)
        dense_actional: Infer the actional graphs by dense products instead of message passing. The results
            are the same; training steps of small models are faster. (default: :obj:`False`)
        checkpoint_activations: Recompute the activations inside of blocks in the backward pass instead of
            storing them, which saves memory for long clips. (default: :obj:`False`)

    Note:
        The schedule ends with ``max_epochs`` or ``max_steps``; ``max_time`` does not shorten it.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        class_names: Sequence[str],
        num_future: int,
        feature_scale: Tensor,
        preset: str = "ntu",
        variant: dict[str, Any] | None = None,
        init_from: str | None = None,
        freeze: list[str] | str | None = None,
        alpha: float = 0.9,
        label_smoothing: float = 0.0,
        distance: Literal["l1", "joint"] = "l1",
        time_exponent: float = 0.0,
        separate_networks: bool = False,
        class_weights: list[float] | Literal["balanced"] | None = None,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        lr_scheduler: SchedulerCallable = WarmupCosine,
        lr_interval: Literal["step", "epoch"] | None = None,
        compile: bool = False,
        dense_actional: bool = False,
        checkpoint_activations: bool = False,
    ) -> None:
        super().__init__()
        self.init_from = None if init_from is None else load_trained(Path(init_from))
        self.fine_tuned: FineTuned | None = None
        if self.init_from is None:
            if freeze:
                raise ValueError(f"'freeze' is {freeze!r}, expected it only with 'init_from'")
            self.model = SybioGNN.from_preset(
                preset,
                skeleton=skeleton,
                num_classes=len(class_names),
                num_future=num_future,
                **(variant or {}),
            )
        else:
            self.fine_tuned = fine_tuned(
                self.init_from,
                class_names=class_names,
                skeleton=skeleton,
                num_future=num_future,
                freeze=[freeze] if isinstance(freeze, str) else freeze or (),
                **(variant or {}),
            )
            self.model = self.fine_tuned.model
        self.model.checkpoint_activations = checkpoint_activations
        if dense_actional:
            use_dense_actional(self.model)
        if compile:
            # Compiled in place, which keeps the names of the weights.
            self.model.compile(fullgraph=True)
        self.loss = new_loss(
            skeleton, feature_scale, alpha, label_smoothing, distance, time_exponent, separate_networks
        )
        self.optimizer = optimizer
        self.class_weights = class_weights
        self.lr_scheduler, self.lr_interval = lr_scheduler, lr_interval
        # Classes that occurred in training: recognition is only evaluated on these.
        self.register_buffer("seen_classes", torch.zeros(len(class_names), dtype=torch.bool))
        self._val_errors: dict[str, ErrorByHorizon] = {}
        self._loader_state: dict[str, Any] = {}  # state of the checkpoint that training resumes from
        # The trainer of recipes synchronises statistics. Torch would also broadcast the buffers of the first
        # process in validation, and wait forever if the processes have different numbers of batches.
        self._ddp_params_and_buffers_to_ignore = [name for name, _ in self.named_buffers()]

    def setup(self, stage: str) -> None:
        """Take the weights of the classes from the data."""
        self.loss.class_weights = self.trainer.datamodule.class_weights(self.class_weights)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the ``loss`` of a batch, and its ``actional`` graphs by network.

        Raises:
            FloatingPointError: If the loss is not a finite number.
        """
        self.seen_classes[batch.y] = True
        out, terms = self._forward(batch, "train", on_step=True)
        if not terms.total.isfinite():
            raise FloatingPointError(self._diverged(terms.total.item()))
        # The graphs are for the callback. They are detached here, because Lightning only detaches the loss.
        graphs = {network: graphs.detach() for network, graphs in actional_of(out).items()}
        return {"loss": terms.total, "actional": graphs}

    def configure_callbacks(self) -> list[L.Callback]:
        """Log statistics of the actional graphs, and warn if their rows are nearly equal."""
        return [ActionalGraphMonitor()]

    def on_validation_epoch_start(self) -> None:
        """Reset the motion errors; if there are several processes, copy the buffers of the first process."""
        self._val_errors = {}
        if self.trainer.world_size > 1:
            # With `sync_batchnorm=False`, each process has separate running statistics, and the checkpoint
            # contains the statistics of the first process.
            self._gather_seen_classes()
            for buffer in self.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def _gather_seen_classes(self) -> None:
        """Combine the classes that occurred in training in any process."""
        seen = self.seen_classes.int()
        torch.distributed.all_reduce(seen, torch.distributed.ReduceOp.MAX)
        self.seen_classes.copy_(seen)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log loss and accuracy of one batch, and accumulate its motion errors."""
        out, _ = self._forward(batch, "val", on_step=False)
        if out.logits is not None:
            accuracy = top_k_accuracy(out.logits, batch.y)
            self._log({"val_accuracy": accuracy}, batch, on_step=False)
        if out.future is not None:
            dataset = self.trainer.datamodule.clips("val")
            persons = motions(out, batch)
            errors = motion_errors(dataset, persons.model, persons.target, persons.recorded)
            for name, error in errors.items():
                if name not in self._val_errors:
                    # Processes sum these values on their devices, and some devices do not support double
                    # precision.
                    device = self.device if self.trainer.world_size > 1 else "cpu"
                    self._val_errors[name] = ErrorByHorizon(error.size(1), len(dataset.class_names), device)
                self._val_errors[name].update(error, persons.y)

    def on_validation_epoch_end(self) -> None:
        """Log the motion errors, averaged over classes (as in the tables) and over frames."""
        for name, errors in self._val_errors.items():
            if self.trainer.world_size > 1:
                for values in errors.sums:
                    torch.distributed.all_reduce(values)
            mean = float(errors.means()["mean_of_classes"].nanmean())
            if not math.isnan(mean):  # NaN if nothing was recorded
                self.log(f"val_{name}", mean, prog_bar=True, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Return the optimiser, and its learning rate schedule."""
        optimizer, make = self.optimizer(parameter_groups(self)), self.lr_scheduler
        # In a recipe, the schedule is a partial function whose arguments include the class.
        made = next((arg for arg in getattr(make, "args", ()) if isinstance(arg, type)), make)
        knows_length = "total_steps" in inspect.signature(made).parameters
        length = {"total_steps": int(self.trainer.estimated_stepping_batches)} if knows_length else {}
        scheduler = make(optimizer, **length)
        is_plateau = isinstance(scheduler, ReduceLROnPlateau)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": scheduler,
                "interval": self.lr_interval or ("step" if knows_length else "epoch"),
                "monitor": getattr(scheduler, "monitor", "val_loss"),
                "frequency": (is_plateau and self.trainer.check_val_every_n_epoch) or 1,
            },
        }

    def on_fit_start(self) -> None:
        """Check before training that the model can be saved, and print the start of fine-tuning.

        Raises:
            ValueError: If a transform of the data is not registered, so that no model file can name it.
        """
        document = self.trained().document(digest="0" * 64)
        if self.init_from is not None and self.fine_tuned is not None:
            lines = self.fine_tuned.summary()
            old, new = self.init_from.preparation.to_document(), document["preparation"]
            differing = [key for key in new if new[key] != old.get(key)]
            if differing:
                lines.append(f"the recordings are prepared differently than before: {', '.join(differing)}")
            rank_zero_only(print)("\n".join(f"fine-tuning: {line}" for line in lines), file=sys.stderr)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that training of this model can resume from a checkpoint.

        Raises:
            ValueError: If the checkpoint belongs to another model, or to version 0.1, whose checkpoints are
                only for inference.
        """
        check_weights(
            self.model.state_dict(),
            _model_weights(checkpoint),
            where="training cannot resume from this checkpoint",
            skeleton=self.model.skeleton,
        )
        states = checkpoint["loops"]["fit_loop"]["state_dict"].get("combined_loader", [])
        self._loader_state = states[0] if states else {}

    def on_train_start(self) -> None:
        """Continue within the epoch of the checkpoint, which Lightning itself would not do."""
        loader, batches = self.trainer.train_dataloader, self._loader_state.get("batches", 0)
        if isinstance(loader, ResumableLoader) and 0 < batches < self.trainer.num_training_batches:
            loader.load_state_dict(self._loader_state)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Complete the checkpoint: add the model's arguments, and the document of the trained model.

        Raises:
            FloatingPointError: If training has diverged; the previous checkpoint is kept.
        """
        diverged = [name for name, weight in self.model.named_parameters() if not weight.isfinite().all()]
        if diverged:
            raise FloatingPointError(
                f"training has diverged: after step {self.global_step} the model's '{diverged[0]}' and "
                f"{len(diverged) - 1} more weights are not finite numbers"
            )
        if self.trainer.world_size > 1:
            self._gather_seen_classes()
        document = self.trained().document(weights_digest(_model_weights(checkpoint)))
        checkpoint["model_config"] = self.model.config
        checkpoint[DOCUMENT_KEY] = json.dumps(document, allow_nan=False)

    def trained(self) -> Trained:
        """Return the current model with everything needed for inference."""
        data = self.trainer.datamodule
        return Trained(
            model=self.model,
            preparation=data.preparation,
            class_names=tuple(data.clips("train").class_names),
            seen_classes=tuple(self.seen_classes.tolist()),
            views=data.views,
            training={
                "epoch": self.current_epoch,
                "global_step": self.global_step,
                "batch_size": data.batch_size,
                **data.splits.describe(),
                **getattr(data.clips("train"), "clip_facts", {}),
            },
        )

    def _diverged(self, loss: float) -> str:
        """Error message for a loss that is not a finite number."""
        path = next(
            (
                callback.path
                for callback in self.trainer.callbacks
                if isinstance(callback, KeepCheckpoint) and callback.path and callback.path.exists()
            ),
            None,
        )
        last = "there is no checkpoint yet" if path is None else f"the last checkpoint is {path}"
        return (
            f"training has diverged: the loss of step {self.global_step + 1} is {loss}, expected a finite "
            f"number; {last}; try a lower learning rate, and look for wrong values in the data"
        )

    def _forward(self, batch: Batch, stage: str, *, on_step: bool) -> tuple[Any, Any]:
        """Return output and loss terms of a batch, and log the terms."""
        out, num_joints = self.model(batch), self.model.skeleton.num_joints
        terms = self.loss(
            out,
            y=batch.y,
            future=dense(batch, "future", num_joints),
            future_mask=future_mask(batch, num_joints),
        )
        named = {
            "loss": terms.total,
            "recognition_loss": terms.recognition,
            "prediction_loss": terms.prediction,
        }
        logged = {f"{stage}_{name}": value for name, value in named.items() if value is not None}
        self._log(logged, batch, on_step=on_step)
        return out, terms

    def _log(self, values: dict[str, Tensor], batch: Batch, *, on_step: bool) -> None:
        """Log means over the clips of a batch, averaged over the clips of all processes."""
        # The number of clips is a float, because Lightning rounds means of integers over processes down: with
        # 17 and 16 clips, it would divide by 16 instead of 16.5.
        size: Any = float(batch.num_graphs)
        self.log_dict(
            values, on_step=on_step, on_epoch=not on_step, prog_bar=True, batch_size=size, sync_dist=True
        )


def _model_weights(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the weights of the model in a checkpoint; if the recipe averages weights, these are the
    averages.
    """
    state, prefix = checkpoint["state_dict"], "model."
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
