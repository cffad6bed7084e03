r"""Resumable training runs, which experiments share.

A run is a recipe with overrides and a seed. Its name is a digest of the resulting settings, so that arms with
the same settings share one run. Its folder contains

* ``last.ckpt``: the checkpoint to resume from, replaced at the end of every epoch and every two minutes;
* ``finished.json``: facts about the run, such as its duration, written at the end;
* ``version_0``, ``version_1``, ...: the logs of the training; each start of the training adds a folder.
"""

import hashlib
import inspect
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from lightning.pytorch.callbacks import ModelCheckpoint, ProgressBar

from pyg_sybio.data.datasets.protocols import SPLITS
from pyg_sybio.data.datasets.settings import flat_parameters
from pyg_sybio.experiments.experiment import MeasuredModel
from pyg_sybio.files import write_whole
from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.models.presets import PRESETS
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.trained.load import load_trained
from pyg_sybio.training.data_module import ClipDataModule
from pyg_sybio.training.keep_checkpoint import SECONDS_BETWEEN_CHECKPOINTS, KeepCheckpoint, Say
from pyg_sybio.training.module import SybioModule, new_loss
from pyg_sybio.training.named_class import recipe_dataset
from pyg_sybio.training.recipes import RecipeCLI, prepare, train

# Settings that do not affect the trained model.
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
    """A training run.

    Args:
        recipe: Name of a shipped recipe, or path of a YAML file.
        overrides: All settings that differ from the recipe, including the seed.
        digest: Name of the run; see :func:`identify`.
        folder: Folder of the run.
        settings: The resulting :func:`~pyg_sybio.training.recipes.settings`.
    """

    recipe: str
    overrides: tuple[str, ...]
    digest: str
    folder: Path
    settings: Mapping[str, Any] = field(repr=False)

    @property
    def checkpoint(self) -> Path:
        """The checkpoint to resume from."""
        return self.folder / "last.ckpt"

    @property
    def finished(self) -> dict[str, Any] | None:
        """Facts about the run; None if it is not finished."""
        path = self.folder / "finished.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def lock(self) -> FileLock:
        """Lock held by the process that trains the run, and released when the process ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / "lock")

    def trained(self, *, split: str) -> MeasuredModel:
        """The model of the last checkpoint, with averaged weights if the recipe averages them."""
        data, chosen = ClipDataModule(**self.settings["data"]), self.settings["model"]
        arguments = {key: chosen[key] for key in inspect.signature(new_loss).parameters if key in chosen}

        def loss() -> SymbioticLoss:
            weights = data.class_weights(chosen.get("class_weights"))
            return new_loss(data.skeleton, data.feature_scale, **{**arguments, "class_weights": weights})

        return MeasuredModel.of(load_trained(self.checkpoint), data.splits, split, loss)


def identify(settings: Mapping[str, Any]) -> str:
    """The digest of settings."""
    text = json.dumps(identity(settings), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def identity(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings (:func:`~pyg_sybio.training.recipes.settings`) in a canonical form.

    The preset is replaced by its arguments, settings for all splits are copied to each split, and default
    values are left out. New options of the model or data set therefore do not change the digests of existing
    runs.

    Note:
        The default values of transforms are included, so a new option of a transform changes the digests of
        runs with this transform. Changed default values of the model or data set, or changed code, do not
        change digests.
    """
    model, data, trainer = settings["model"], settings["data"], dict(settings.get("trainer", {}))
    preset = model.get("preset", inspect.signature(SybioModule).parameters["preset"].default)
    if preset not in PRESETS:
        raise ValueError(f"no preset '{preset}', expected one of {', '.join(PRESETS)}")
    arguments = {**PRESETS[preset], **(model.get("variant") or {})}
    dataset = recipe_dataset(data["dataset"])
    known = flat_parameters(dataset)
    if trainer.get("precision") == "auto":  # what "auto" means depends on the machine
        del trainer["precision"]
    callbacks = [
        # Saving checkpoints does not affect the trained model.
        callback
        for callback in trainer.get("callbacks") or ()
        if callback["class_path"].rpartition(".")[2] != ModelCheckpoint.__name__
    ]
    identity = {
        "model": {
            **_without(model, ("preset", "variant")),
            "arguments": _without_defaults(arguments, inspect.signature(SybioGNN).parameters),
        },
        "data": {
            "dataset": dataset.__name__,
            **_without(data, ("dataset", "settings", *SPLITS, *_INCIDENTAL["data"])),
            **{
                split: _without_defaults({**(data.get("settings") or {}), **(data.get(split) or {})}, known)
                for split in SPLITS
            },
        },
        "trainer": {**_without(trainer, _INCIDENTAL["trainer"]), "callbacks": callbacks},
        "seed": settings["seed_everything"],
        **{key: settings[key] for key in ("init_from", "freeze") if settings.get(key)},
    }
    return _with_short_names(identity)


def that_matter(overrides: Sequence[str]) -> tuple[str, ...]:
    """Return the overrides that affect the trained model."""
    incidental = {f"--{part}.{key}" for part, keys in _INCIDENTAL.items() for key in keys}
    return selected(overrides, lambda key: key not in incidental)


def selected(overrides: Sequence[str], wanted: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the overrides whose key is selected; they have the form ``--key value`` or ``--key=value``."""
    kept, words = True, []
    for word in overrides:
        kept = wanted(word.partition("=")[0]) if word.startswith("--") else kept
        if kept:
            words.append(word)
    return tuple(words)


def finish(run: Run, *, deadline: float | None = None, say: Say = print) -> dict[str, Any]:
    """Train a run to the end, and resume from its checkpoint if it exists.

    Args:
        run: The run, whose lock the caller must hold.
        deadline: Time (:func:`time.monotonic`) at which to stop at a checkpoint. (default: none)
        say: Function that receives progress messages.

    Returns:
        Facts about the run, with the content of ``finished.json``.

    Raises:
        OutOfTimeError: If the deadline passes first.
        KeyboardInterrupt: On Ctrl+C.
    """
    if (finished := run.finished) is not None:
        return finished
    quiet = ("--trainer.enable_model_summary=false", f"--trainer.default_root_dir={run.folder}")
    cli = prepare(run.recipe, [*run.overrides, *quiet])
    seconds = SECONDS_BETWEEN_CHECKPOINTS
    keep = KeepCheckpoint(run.checkpoint, every_seconds=seconds, deadline=deadline, say=say)
    # Keep a single checkpoint, and print messages instead of a progress bar.
    others = [c for c in cli.trainer.callbacks if not isinstance(c, ModelCheckpoint | ProgressBar)]
    cli.trainer.callbacks = [*others, keep]
    train(cli, str(run.checkpoint) if run.checkpoint.is_file() else None)
    facts = _facts(run, cli) | {"seconds": round(keep.seconds, 1)}
    text = json.dumps(facts, indent=2) + "\n"
    write_whole(run.folder / "finished.json", lambda file: file.write(text.encode()))
    return facts


def machine() -> dict[str, Any]:
    """Return the device, the number of threads and the versions of packages."""
    return {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "lightning", "pyg_sybio")},
        },
    }


def _facts(run: Run, cli: RecipeCLI) -> dict[str, Any]:
    trainer, data = cli.trainer, cli.datamodule
    return {
        "run": run.digest,
        "recipe": Path(run.recipe).stem,
        "settings": identity(run.settings),
        "preset": cli.config.model.preset,
        "dataset": type(data.clips("train")).__name__,
        "training_clips": len(data.clips("train")),
        "classes": data.num_classes,
        "batch_size": data.batch_size,
        "steps": trainer.global_step,
        "epochs": trainer.current_epoch,
        "precision": str(trainer.precision),
        "parameters": sum(p.numel() for p in cli.model.model.parameters()),
        **machine(),
    }


def _with_short_names(settings: Any) -> Any:
    """Remove the modules from class names in settings, because modules may be renamed."""
    if isinstance(settings, list):
        return [_with_short_names(value) for value in settings]
    if not isinstance(settings, Mapping):
        return settings
    return {
        key: value.rpartition(".")[2] if key == "class_path" else _with_short_names(value)
        for key, value in settings.items()
    }


def _without(settings: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in keys}


def _without_defaults(
    arguments: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter]
) -> dict[str, Any]:
    """The arguments that differ from the defaults of a function."""
    plain = json.loads(json.dumps(dict(arguments), default=str))  # YAML turns tuples into lists
    return {
        key: value
        for key, value in plain.items()
        if key not in parameters or parameters[key].default != value
    }
