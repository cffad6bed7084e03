r"""Runs: trainings that go on after any interruption, and that experiments share.

A run is a recipe with all of its overrides and a seed. Its name is a digest of what these set, so that two
arms that say the same in different words are one run. Its folder has

* ``last.ckpt``: where training stands, replaced as a whole at the end of every epoch and every two minutes;
* ``finished.json``: written last, what was trained and how long it took;
* ``version_0``, ...: the logs of each sitting.
"""

import hashlib
import inspect
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning as L
import torch
from filelock import FileLock
from lightning.pytorch.callbacks import ModelCheckpoint, ProgressBar

from pyg_sybio.data.datasets.protocols import SPLITS
from pyg_sybio.data.datasets.settings import flat_parameters
from pyg_sybio.experiments.experiment import MeasuredModel
from pyg_sybio.files import write_whole
from pyg_sybio.models.presets import PRESETS
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.trained.load import load_trained
from pyg_sybio.training.data_module import ClipDataModule
from pyg_sybio.training.keep_checkpoint import SECONDS_BETWEEN_CHECKPOINTS, KeepCheckpoint, Say
from pyg_sybio.training.module import SybioModule
from pyg_sybio.training.named_class import recipe_dataset
from pyg_sybio.training.recipes import data_of, prepare, settings, train

# Settings that say where a run is written, read or computed, and not what is trained.
_INCIDENTAL = {
    "trainer": (
        "accelerator",
        "default_root_dir",
        "enable_checkpointing",
        "enable_model_summary",
        "enable_progress_bar",
        "log_every_n_steps",
        "logger",
    ),
    "data": ("root", "num_workers"),
}


@dataclass(frozen=True)
class Run:
    """A training that is to be, or has been.

    Args:
        recipe: Name of a shipped recipe, or path of a YAML file.
        overrides: All settings that differ from the recipe's, the seed among them.
        digest: What names the run; see :func:`identify`.
        folder: Where it lives.
    """

    recipe: str
    overrides: tuple[str, ...]
    digest: str
    folder: Path

    @property
    def checkpoint(self) -> Path:
        """Where its training stands."""
        return self.folder / "last.ckpt"

    @property
    def finished(self) -> dict[str, Any] | None:
        """What was trained; None if the run is not at its end."""
        path = self.folder / "finished.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def lock(self) -> FileLock:
        """Held by the process that trains the run; the system lets go of it when the process ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / "lock")

    def trained(self, *, split: str) -> MeasuredModel:
        """The trained model, of the last checkpoint: with averaged weights if the recipe averages them."""
        data = data_of(self.recipe, self.overrides)
        return MeasuredModel.of(load_trained(self.checkpoint), data.splits, split)


def identify(recipe: str, overrides: Sequence[str]) -> str:
    """The digest of what a recipe and overrides train."""
    text = json.dumps(identity(recipe, overrides), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def identity(recipe: str, overrides: Sequence[str]) -> dict[str, Any]:
    """What a recipe and overrides train, said in one way only.

    The preset's arguments are written out, those of all splits are joined with their own, and what equals a
    default is left out: an option of model or data set that later versions add changes no digest of a run
    that does not use it.

    Note:
        Transforms are written with their defaults: an option that one is given later changes the digests of
        runs that use it. A change of a default of model or data set, or of the code, does not show.
    """
    given = settings(recipe, overrides)
    model, data, trainer = given["model"], given["data"], given.get("trainer", {})
    preset = model.get("preset", inspect.signature(SybioModule).parameters["preset"].default)
    if preset not in PRESETS:
        raise ValueError(f"there is no preset '{preset}'; there are {', '.join(PRESETS)}")
    arguments = {**PRESETS[preset], **(model.get("variant") or {})}
    dataset = recipe_dataset(data["dataset"])
    known = flat_parameters(dataset)
    if trainer.get("precision") == "auto":  # depends on the machine
        del trainer["precision"]
    identity = {
        "model": {
            **{key: value for key, value in model.items() if key not in ("preset", "variant")},
            "arguments": _without_defaults(arguments, inspect.signature(SybioGNN).parameters),
        },
        "data": {
            "dataset": dataset.__name__,
            **{
                key: value
                for key, value in data.items()
                if key not in ("dataset", "settings", *SPLITS, *_INCIDENTAL["data"])
            },
            **{
                split: _without_defaults({**(data.get("settings") or {}), **(data.get(split) or {})}, known)
                for split in SPLITS
            },
        },
        "trainer": {
            **{key: value for key, value in trainer.items() if key not in _INCIDENTAL["trainer"]},
            "callbacks": [c for c in trainer.get("callbacks") or () if not _saves(c)],
        },
        "seed": given["seed_everything"],
    }
    return _with_short_names(identity)


def that_matter(overrides: Sequence[str]) -> tuple[str, ...]:
    """Overrides without those that only say where a run is written, read or computed."""
    incidental = {f"--{part}.{key}" for part, keys in _INCIDENTAL.items() for key in keys}
    kept, words = True, []
    for word in overrides:
        if word.startswith("--"):
            kept = word.partition("=")[0] not in incidental
        if kept:
            words.append(word)
    return tuple(words)


def setting(recipe: str, overrides: Sequence[str], name: str) -> Any:
    """What a recipe sets of the argument of its dataset class, for all splits."""
    return settings(recipe, overrides)["data"]["settings"].get(name)


def finish(run: Run, *, deadline: float | None = None, say: Say = print) -> dict[str, Any]:
    """Train a run to its end, from where it stands.

    Args:
        run: The run; the caller holds its lock.
        deadline: The time (:func:`time.monotonic`) at which to stop at a checkpoint.
        say: Is told how far it is.

    Returns:
        What was trained, as in ``finished.json``.

    Raises:
        OutOfTimeError: If the deadline comes first.
        KeyboardInterrupt: On Ctrl+C.
    """
    if (finished := run.finished) is not None:
        return finished
    quiet = ("--trainer.enable_model_summary=false", f"--trainer.default_root_dir={run.folder}")
    cli = prepare(run.recipe, [*run.overrides, *quiet])
    goes_on = KeepCheckpoint(
        run.checkpoint, every_seconds=SECONDS_BETWEEN_CHECKPOINTS, deadline=deadline, say=say
    )
    trainer = cli.trainer
    # One checkpoint is enough, and a log of a terminal is no place for a bar.
    others = [c for c in trainer.callbacks if not isinstance(c, ModelCheckpoint | ProgressBar)]
    trainer.callbacks = [*others, goes_on]
    train(cli, str(run.checkpoint) if run.checkpoint.is_file() else None)
    facts = _facts(run, cli.config, trainer, cli.model, cli.datamodule) | {
        "seconds": round(goes_on.seconds, 1)
    }
    text = json.dumps(facts, indent=2) + "\n"
    write_whole(run.folder / "finished.json", lambda file: file.write(text.encode()))
    return facts


def machine() -> dict[str, Any]:
    """What computes, and with which versions."""
    return {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "lightning", "pyg_sybio")},
        },
    }


def _facts(
    run: Run, config: Any, trainer: L.Trainer, module: SybioModule, data: ClipDataModule
) -> dict[str, Any]:
    return {
        "run": run.digest,
        "recipe": Path(run.recipe).stem,
        "settings": identity(run.recipe, run.overrides),
        "preset": config.model.preset,
        "dataset": type(data.clips("train")).__name__,
        "training_clips": len(data.clips("train")),
        "classes": data.num_classes,
        "batch_size": data.batch_size,
        "steps": trainer.global_step,
        "epochs": trainer.current_epoch,
        "precision": str(trainer.precision),
        "parameters": sum(p.numel() for p in module.model.parameters()),
        **machine(),
    }


def _with_short_names(settings: Any) -> Any:
    """Settings in which classes are named without their modules, which may be moved."""
    if isinstance(settings, Mapping):
        short = {key: _with_short_names(value) for key, value in settings.items()}
        return (
            short | {"class_path": short["class_path"].rpartition(".")[2]} if "class_path" in short else short
        )
    return [_with_short_names(value) for value in settings] if isinstance(settings, list) else settings


def _without_defaults(
    arguments: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter]
) -> dict[str, Any]:
    """Keyword arguments without those that equal the defaults."""
    plain = json.loads(json.dumps(dict(arguments), default=str))  # a tuple is a list in YAML
    return {
        key: value
        for key, value in plain.items()
        if key not in parameters or parameters[key].default != value
    }


def _saves(callback: Mapping[str, Any]) -> bool:
    """Whether a callback of a recipe keeps checkpoints, which is the run's own affair."""
    return callback["class_path"].rpartition(".")[2] == ModelCheckpoint.__name__
