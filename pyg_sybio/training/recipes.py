r"""Train from recipes, which are YAML files with the settings of data, model and trainer.

A recipe may be based on another recipe (`base`), and then only contains the settings that differ. A
dictionary of class arguments, such as `data.settings`, replaces the dictionary of the base completely.
"""

import difflib
import re
import sys
from argparse import ArgumentError
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import lightning as L
import yaml
from jsonargparse import set_parsing_settings
from lightning.pytorch.accelerators import Accelerator
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.plugins import CheckpointIO, LayerSync
from lightning.pytorch.utilities import rank_zero_only

from pyg_sybio.trained.torch_file import read_torch_file
from pyg_sybio.training.checkpoint_files import CheckpointFiles
from pyg_sybio.training.data_module import ClipDataModule
from pyg_sybio.training.keep_checkpoint import KeepCheckpoint
from pyg_sybio.training.loggers import new_loggers
from pyg_sybio.training.module import SybioModule
from pyg_sybio.training.precision import resolve_precision
from pyg_sybio.training.synchronised import SynchronisedStatistics

_CONFIGS = Path(__file__).parent / "configs"

RENAMED_SETTINGS = {"data.looks": "data.views"}
"""Old and new names of settings; recipes and overrides may still use the old ones."""


class RecipeError(ValueError):
    """Raised if a recipe or an override is invalid."""


class RunFinishedError(ValueError):
    """Raised if the run of a checkpoint is finished."""


# The values that Lightning's trainer accepts, and "auto".
Precision = Literal[
    "auto", "transformer-engine", "transformer-engine-float16", "16-true", "16-mixed", "bf16-true",
    "bf16-mixed", "32-true", "64-true", "bf16", "16", "32", "64", 16, 32, 64,
]  # fmt: skip


class RecipeTrainer(L.Trainer):
    """Lightning's trainer with ``precision="auto"``, which prints the precision that it chose.

    Checkpoints are read and written by :class:`~pyg_sybio.training.checkpoint_files.CheckpointFiles`. With
    several processes, statistics are synchronised
    (:class:`~pyg_sybio.training.synchronised.SynchronisedStatistics`) unless ``sync_batchnorm=False``.
    """

    def __init__(
        self,
        *,
        accelerator: str | Accelerator = "auto",
        precision: Precision | None = None,
        plugins: Any = None,
        sync_batchnorm: bool = True,
        **kwargs: Any,
    ) -> None:
        kind = accelerator if isinstance(accelerator, str) else accelerator.name()
        resolved, reason = resolve_precision(precision, kind)
        if reason:
            rank_zero_only(print)(f"precision: {resolved} ({reason})", file=sys.stderr)
        given = plugins if isinstance(plugins, list) else [plugins] if plugins else []
        if not any(isinstance(plugin, CheckpointIO) for plugin in given):
            given = [*given, CheckpointFiles()]
        if sync_batchnorm and not any(isinstance(plugin, LayerSync) for plugin in given):
            given = [*given, SynchronisedStatistics()]
        super().__init__(accelerator=accelerator, precision=resolved, plugins=given, **kwargs)


class RecipeCLI(LightningCLI):
    """Lightning's command line with the module and the data of this package; the data determine the model's
    sizes.
    """

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Link the data to the model, and add the options `base` and `ckpt_path`."""
        for name in ("skeleton", "class_names", "num_future", "feature_scale"):
            parser.link_arguments(f"data.{name}", f"model.{name}", apply_on="instantiate")
        parser.add_argument("--base", type=str | None, default=None, help="Recipe to start from.")
        parser.add_argument(
            "--ckpt_path",
            type=str | None,
            default=None,
            help="Checkpoint to resume from; 'last' is the newest last.ckpt below trainer.default_root_dir.",
        )
        parser.add_argument(
            "--init_from",
            type=str | None,
            default=None,
            help="Trained model to fine-tune: a .ckpt file, a model folder, or hf://OWNER/NAME.",
        )
        parser.add_argument(
            "--freeze",
            type=list[str] | str | None,
            default=None,
            help="Modules that fine-tuning does not change: backbone, or a list such as '[actional_graph]'.",
        )
        for name in ("init_from", "freeze"):
            parser.link_arguments(name, f"model.{name}")

    def parse_arguments(self, parser: LightningArgumentParser, args: Sequence[str]) -> None:
        """Parse the settings; an error message is one line with the wrong key and similar valid keys."""
        try:
            self.config = parser.parse_args(list(args))
        except ArgumentError as error:
            raise RecipeError(_one_line(str(error), parser)) from error

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        """Create a trainer, without a logger unless the recipe defines one (:func:`train`)."""
        if self.config_init["trainer"]["logger"] is None:
            kwargs["logger"] = False
        return super().instantiate_trainer(**kwargs)


class _ParsingCLI(RecipeCLI):
    """The command line without trainer, module and data."""

    def instantiate_classes(self) -> None:
        """Do nothing, because only the settings are needed."""


def recipe_names() -> tuple[str, ...]:
    """Names of the recipes that ship with the package."""
    return tuple(sorted(path.stem for path in _CONFIGS.glob("*.yaml")))


def recipe_path(recipe: str) -> Path:
    """Return the YAML file of a recipe, given the name of a shipped recipe or a path.

    Raises:
        FileNotFoundError: If the recipe or file does not exist.
    """
    if recipe in recipe_names():
        return _CONFIGS / f"{recipe}.yaml"
    path = Path(recipe)
    if not path.is_file():
        raise FileNotFoundError(
            f"no recipe {recipe!r}: expected one of {', '.join(recipe_names())}, or the path of a YAML file"
        )
    return path


def prepare(recipe: str, overrides: Sequence[str] = ()) -> RecipeCLI:
    """Return the trainer, module and data of a recipe, ready to run.

    Args:
        recipe: Name of a shipped recipe, or the path of a YAML file.
        overrides: Settings that differ, such as ``["--trainer.max_epochs", "3"]``.

    Raises:
        FileNotFoundError: If the recipe or the checkpoint to resume from does not exist.
        RecipeError: If the recipe or an override has an unknown key or a wrong value.
    """
    return _command_line(RecipeCLI, recipe, overrides)


def settings(recipe: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return the settings of a recipe with overrides that differ from the defaults, as plain values.

    No object is built and no recording is read. See :func:`prepare` for the arguments and errors.
    """
    cli = _command_line(_ParsingCLI, recipe, overrides)
    text = cli.parser.dump(cli.config, skip_default=True, skip_validation=True)
    # Seed 1 equals the default True, which means a random seed.
    return {**yaml.safe_load(text), "seed_everything": cli.config.seed_everything}


def data_of(recipe: str, overrides: Sequence[str] = ()) -> ClipDataModule:
    """Return the data of a recipe without a model. The arguments and errors are the same as in
    :func:`prepare`.
    """
    return ClipDataModule(**settings(recipe, overrides)["data"])


def _command_line(kind: type[RecipeCLI], recipe: str, overrides: Sequence[str]) -> RecipeCLI:
    # The data module builds its transforms from plain values, because checkpoints contain plain values.
    set_parsing_settings(instantiate_subclass_spec_in_any=False)
    return kind(
        SybioModule,
        ClipDataModule,
        trainer_class=RecipeTrainer,
        args=[*_config_arguments(recipe), *map(_renamed_override, overrides)],
        run=False,
        auto_configure_optimizers=False,
        # Checkpoints already contain the model's arguments; see SybioModule.on_save_checkpoint.
        load_from_checkpoint_support=False,
        # Abbreviations are disabled, because they may match a wrong key.
        parser_kwargs={"exit_on_error": False, "allow_abbrev": False},
        # Overwriting is allowed, because a resumed run may write its settings to the same folder again.
        save_config_kwargs={"overwrite": True},
    )


def fit(recipe: str, overrides: Sequence[str] = ()) -> RecipeCLI:
    """Train a recipe, from the beginning or from a checkpoint.

    In addition to the checkpoints of the recipe, ``last.ckpt`` is written after every epoch, every two
    minutes and at the end. (Lightning's ``save_last`` is the last of the best checkpoints.) See
    :func:`prepare` for the arguments and errors.

    Raises:
        RunFinishedError: If the run of the checkpoint has reached its last epoch or step.
    """
    cli = prepare(recipe, overrides)
    if cli.trainer.checkpoint_callback is not None:
        cli.trainer.callbacks.append(KeepCheckpoint())
    checkpoint = _resume_path(cli.config.ckpt_path, cli.trainer.default_root_dir)
    if checkpoint is not None:
        _check_unfinished(checkpoint, cli.trainer)
    train(cli, checkpoint)
    return cli


def train(cli: RecipeCLI, checkpoint: str | None = None) -> None:
    """Run the training that :func:`prepare` returns.

    The run logs to TensorBoard and CSV files in a new folder, unless the recipe defines loggers.

    Args:
        cli: Trainer, module and data.
        checkpoint: File of a checkpoint to resume from. (default: none)

    Raises:
        KeyboardInterrupt: On Ctrl+C; the handlers of other signals may raise other exceptions.
    """
    if cli.config.trainer.logger is None:
        cli.trainer.loggers = new_loggers(cli.config.trainer.default_root_dir or "runs")
    try:
        cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as end:
        # Lightning would end the process on Ctrl+C; raise KeyboardInterrupt for the caller instead.
        if isinstance(end.__context__, KeyboardInterrupt):
            raise end.__context__ from None
        raise


def _config_arguments(recipe: str) -> list[str]:
    """Return the command-line options for a recipe, after the options for its bases."""
    arguments: list[str] = []
    paths: list[Path] = []
    base: str | None = recipe
    while base is not None:
        path = recipe_path(base)
        if path in paths:
            raise RecipeError(f"{paths[-1]}: 'base' is {base!r}, which is based on this recipe")
        paths.append(path)
        document = _read_recipe(path)
        renamed = _rename_settings(document, path)
        arguments = ["--config", yaml.safe_dump(document) if renamed else str(path), *arguments]
        base = document.get("base")
    return arguments


def _read_recipe(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    return document if isinstance(document, dict) else {}


def _rename_settings(document: dict[str, Any], path: Path) -> bool:
    """Replace old names of settings in a recipe by new names, and return whether there were any."""
    renamed = False
    for old, new in RENAMED_SETTINGS.items():
        part, key = old.split(".")
        if isinstance(values := document.get(part), dict) and key in values:
            _note_renamed(old, new, str(path))
            values[new.rpartition(".")[2]] = values.pop(key)
            renamed = True
    return renamed


def _renamed_override(word: str) -> str:
    """Return the override with the new name of its setting."""
    for old, new in RENAMED_SETTINGS.items():
        if re.match(rf"--{re.escape(old)}(?![^.=])", word):
            _note_renamed(old, new, "override")
            return word.replace(old, new, 1)
    return word


@cache  # each renamed setting is reported once per process
def _note_renamed(old: str, new: str, where: str) -> None:
    print(f"note: {where}: '{old}' is now '{new}'", file=sys.stderr)


def _resume_path(ckpt_path: str | None, root: str) -> str | None:
    """Return the file of the checkpoint to resume from."""
    if ckpt_path is None:
        return None
    if ckpt_path == "last":
        found = sorted(Path(root).rglob("last.ckpt"), key=lambda file: file.stat().st_mtime)
        if not found:
            raise FileNotFoundError(f"--ckpt_path last: there is no last.ckpt below {root}")
        return str(found[-1])
    if not Path(ckpt_path).is_file():
        raise FileNotFoundError(f"--ckpt_path: no checkpoint at {ckpt_path}")
    return ckpt_path


def _check_unfinished(checkpoint: str, trainer: L.Trainer) -> None:
    content = read_torch_file(Path(checkpoint))
    try:
        progress = content["loops"]["fit_loop"]["epoch_progress"]["current"]
        reached = {"max_epochs": int(progress["processed"]), "max_steps": int(content["global_step"])}
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f"{checkpoint} is not a checkpoint of a run: expected last.ckpt of 'sybio fit'"
        ) from None
    for name, count in reached.items():
        most = getattr(trainer, name)
        if most is not None and 0 <= most <= count:  # -1 means no limit
            raise RunFinishedError(
                f"the run of {checkpoint} is finished: it has trained {count} of {most} "
                f"{name.removeprefix('max_')}; to train longer, add --trainer.{name} {2 * count}, for example"
            )


def _one_line(message: str, parser: LightningArgumentParser) -> str:
    """Return an error of the parser as one line, with similar valid keys."""
    line = " ".join(message.split())
    known = list(parser.get_defaults().keys(branches=True))
    words = (word.strip("'\"-:,=") for word in line.split())
    near = [key for word in words if word not in known for key in difflib.get_close_matches(word, known, n=3)]
    return f"{line} (did you mean {', '.join(dict.fromkeys(near))}?)" if near else line
