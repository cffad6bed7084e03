r"""Save a checkpoint from which an interrupted training can resume."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities import rank_zero_only

SECONDS_BETWEEN_CHECKPOINTS = 120.0

# The action that several processes agree on: none, save, stop after a signal (its number), or stop at the
# deadline.
_SAVE, _DEADLINE = 1, 1000

Say = Callable[[str], None]


class OutOfTimeError(Exception):
    """Raised if the deadline has passed; the run has a checkpoint to resume from."""


class KeepCheckpoint(Checkpoint):
    """Periodically writes a resumable checkpoint, with the training time and the state of torch's generator.

    The file is replaced atomically: a process that is killed leaves either the new or the previous
    checkpoint. Lightning runs a :class:`~lightning.pytorch.callbacks.Checkpoint` after all other callbacks,
    so averaged weights in the checkpoint include the current step.

    After SIGINT (Ctrl+C) or SIGTERM, the current step is completed and a checkpoint is saved before the
    signal takes effect; a second signal takes effect immediately.

    Args:
        path: The file. (default: ``last.ckpt`` in the folder ``checkpoints`` of the run's logs)
        every_seconds: Interval between checkpoints within an epoch.
        deadline: Time (:func:`time.monotonic`) at which to save and raise :class:`OutOfTimeError`.
            (default: none)
        say: Function that receives a progress message at every checkpoint. (default: none)
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
        self._signal = 0  # the number of a signal that was received
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        self._handlers = {
            number: handler for number, handler in handlers.items() if handler != signal.SIG_IGN
        }

    @property
    def seconds(self) -> float:
        """Training time in seconds, including interrupted processes up to their last checkpoint."""
        return self._seconds + (0.0 if self._started is None else time.monotonic() - self._started)

    def state_dict(self) -> dict[str, Any]:
        """The training time and the state of torch's generator."""
        return {"seconds": self.seconds, "random": torch.get_rng_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the training time and the state of the random generator from a checkpoint."""
        self._seconds = state_dict["seconds"]
        torch.set_rng_state(state_dict["random"])

    def on_sanity_check_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Delay signals until a batch is complete; the trainer restores the signal handlers at the end."""
        self._handle_signals(dict.fromkeys(self._handlers, self._note))

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        if self.path is None:
            self.path = Path(trainer.log_dir or trainer.default_root_dir) / "checkpoints" / "last.ckpt"
        self._started = self._saved = time.monotonic()
        self.on_sanity_check_start(trainer, pl_module)
        if trainer.global_step:
            self.say(f"  continues after step {trainer.global_step}")

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Save if the interval or the deadline has passed, or after a signal."""
        if not trainer.is_last_batch:  # after the last batch, on_train_epoch_end saves
            self._save(trainer, always=False)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save."""
        self._save(trainer, always=True)

    def on_validation_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Stop after a signal. If there are several processes, they first complete the validation, because
        their numbers of batches may differ.
        """
        if self._signal and trainer.world_size == 1:
            if not trainer.sanity_checking:
                self._write(trainer)
            self._stop(self._signal)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock; a signal that arrived since the last step takes effect."""
        self._seconds, self._started = self.seconds, None
        if self._signal:
            self._stop(self._signal)

    def _save(self, trainer: L.Trainer, *, always: bool) -> None:
        """Save a checkpoint if it is due, and stop if all processes agree to stop."""
        now = time.monotonic()
        late = self.deadline is not None and now >= self.deadline
        due = always or now - self._saved >= self.every_seconds
        reason = _DEADLINE if late else self._signal or _SAVE * due
        if trainer.world_size > 1:
            each = torch.tensor(reason, device=trainer.strategy.root_device)
            reason = int(trainer.strategy.reduce(each, reduce_op="max"))
        if not reason:
            return
        self._write(trainer)
        total, step = int(trainer.estimated_stepping_batches), trainer.global_step
        left = self.seconds / max(1, step) * (total - step)
        self.say(f"  step {step} of {total}, {duration(self.seconds)}, about {duration(left)} left")
        if step < total and reason == _DEADLINE:
            raise OutOfTimeError
        if reason not in (_SAVE, _DEADLINE):
            self._stop(reason)

    def _write(self, trainer: L.Trainer) -> None:
        assert self.path is not None, "training has begun"
        trainer.save_checkpoint(self.path, weights_only=False)
        self._saved = time.monotonic()
        if self._signal:
            where = f"interrupted after step {trainer.global_step}; checkpoint to resume from: {self.path}"
            rank_zero_only(print)(where, file=sys.stderr)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        self._handle_signals(self._handlers)

    def _stop(self, number: int) -> None:
        """Raise the delayed signal."""
        self._handle_signals(self._handlers)
        signal.raise_signal(number)

    @staticmethod
    def _handle_signals(handlers: Mapping[signal.Signals, Any]) -> None:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)


def duration(seconds: float) -> str:
    """Format a duration for humans."""
    minutes, hours = round(seconds / 60), seconds / 3600
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if hours < 2 else f"{hours:.1f} h"
