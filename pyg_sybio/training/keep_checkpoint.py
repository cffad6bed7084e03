r"""A checkpoint from which an interrupted training continues."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint

SECONDS_BETWEEN_CHECKPOINTS = 120.0

Say = Callable[[str], None]


class OutOfTimeError(Exception):
    """The deadline has passed; the run has a checkpoint to continue from."""


class KeepCheckpoint(Checkpoint):
    """Periodically writes a resumable checkpoint, with the training time and the state of torch's generator.

    The file is replaced as a whole: a process that is killed leaves the new or the previous one. As Lightning
    runs a :class:`~lightning.pytorch.callbacks.Checkpoint` after all other callbacks, averaged weights are
    those of the current step.

    Args:
        path: The file. (default: ``last.ckpt`` in the folder ``checkpoints`` of the run's logs)
        every_seconds: Interval between checkpoints within an epoch.
        deadline: Time (:func:`time.monotonic`) at which to save and raise :class:`OutOfTimeError`.
            (default: none)
        say: Receives a message about the progress at every checkpoint. (default: none)

    Note:
        After an interruption within an epoch, the remaining steps of the epoch draw from all clips again.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        every_seconds: float = SECONDS_BETWEEN_CHECKPOINTS,
        deadline: float | None = None,
        say: Say = lambda text: None,
    ) -> None:
        self.path = path
        self.deadline = deadline
        self.say = say
        self.every_seconds = every_seconds
        self._seconds = 0.0  # training time of earlier processes
        self._started: float | None = None
        self._saved = time.monotonic()

    @property
    def seconds(self) -> float:
        """Training time of this process and, up to their last checkpoints, of the interrupted ones."""
        return self._seconds + (0.0 if self._started is None else time.monotonic() - self._started)

    def state_dict(self) -> dict[str, Any]:
        """The training time and the state of torch's generator."""
        return {"seconds": self.seconds, "random": torch.get_rng_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with the training time and the random numbers of the checkpoint."""
        self._seconds = state_dict["seconds"]
        torch.set_rng_state(state_dict["random"])

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        if self.path is None:
            self.path = Path(trainer.log_dir or trainer.default_root_dir) / "checkpoints" / "last.ckpt"
        self._started = self._saved = time.monotonic()
        if trainer.global_step:
            self.say(f"  continues after step {trainer.global_step}")

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Save if the interval or the deadline has passed."""
        now = time.monotonic()
        if now - self._saved >= self.every_seconds or self._is_late(now):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save."""
        self._save(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock."""
        self._seconds, self._started = self.seconds, None

    def _save(self, trainer: L.Trainer) -> None:
        assert self.path is not None, "training has begun"
        part = self.path.with_name(f".{self.path.name}.part")
        trainer.save_checkpoint(part, weights_only=False)
        if trainer.is_global_zero:
            part.replace(self.path)
        self._saved = time.monotonic()
        total, step = int(trainer.estimated_stepping_batches), trainer.global_step
        left = self.seconds / max(1, step) * (total - step)
        self.say(f"  step {step} of {total}, {duration(self.seconds)}, about {duration(left)} left")
        if self._is_late(self._saved) and step < total:
            raise OutOfTimeError

    def _is_late(self, now: float) -> bool:
        return self.deadline is not None and now >= self.deadline


def duration(seconds: float) -> str:
    """Format a duration for humans."""
    minutes, hours = round(seconds / 60), seconds / 3600
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if hours < 2 else f"{hours:.1f} h"
