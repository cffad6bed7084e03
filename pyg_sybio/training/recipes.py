r"""Training by recipe: a YAML file names data, model and trainer; Lightning's command line does the rest.

A recipe may name a `base`, another recipe, and then says only what differs. `data.settings` and what else is
up to a class are replaced as a whole.
"""

import difflib
import re
import sys
from argparse import ArgumentError
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import lightning as L
import yaml
from jsonargparse import set_parsing_settings
from lightning.pytorch.accelerators import Accelerator
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from pyg_sybio.training.data_module import ClipDataModule
from pyg_sybio.training.keep_checkpoint import KeepCheckpoint
from pyg_sybio.training.module import SybioModule
from pyg_sybio.training.precision import resolve_precision

RENAMED_SETTINGS = {"data.looks": "data.views"}
"""Settings by their old names, which recipes and overrides may still use."""


class RecipeError(ValueError):
    """A recipe or an override is invalid."""


# What Lightning's trainer accepts, and "auto".
Precision = Literal[
    "auto", "transformer-engine", "transformer-engine-float16", "16-true", "16-mixed", "bf16-true",
    "bf16-mixed", "32-true", "64-true", "bf16", "16", "32", "64", 16, 32, 64,
]  # fmt: skip


class RecipeTrainer(L.Trainer):
    """Lightning's trainer, which resolves ``precision="auto"`` and says to what."""

    def __init__(
        self,
        *,
        accelerator: str | Accelerator = "auto",
        precision: Precision | None = None,
        **kwargs: Any,
    ) -> None:
        kind = accelerator if isinstance(accelerator, str) else accelerator.name()
        resolved, reason = resolve_precision(precision, kind)
        if reason:
            rank_zero_only(print)(f"precision: {resolved} ({reason})", file=sys.stderr)
        super().__init__(accelerator=accelerator, precision=resolved, **kwargs)


class RecipeCLI(LightningCLI):
    """Lightning's command line with this package's module and data; the data tells the model its sizes."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Link what the data knows to the model, and let a run be resumed."""
        for name in ("skeleton", "num_classes", "num_future", "feature_scale"):
            parser.link_arguments(f"data.{name}", f"model.{name}", apply_on="instantiate")
        parser.add_argument("--base", type=str | None, default=None, help="Recipe that this one changes.")
        parser.add_argument(
            "--ckpt_path",
            type=str | None,
            default=None,
            help="Checkpoint to go on from; 'last' is the newest last.ckpt below trainer.default_root_dir.",
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Sequence[str]) -> None:
        """Parse, with an error of one line that names the key, and the nearest one that exists."""
        try:
            self.config = parser.parse_args(list(args))
        except ArgumentError as error:
            raise RecipeError(_one_line(str(error), parser)) from error

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        """A trainer that logs for TensorBoard and as CSV in one folder, unless the recipe says otherwise."""
        if self.config_init["trainer"]["logger"] is None:
            root = self.config_init["trainer"]["default_root_dir"] or "runs"
            tensorboard = TensorBoardLogger(root, name="")
            kwargs["logger"] = [tensorboard, CSVLogger(root, name="", version=tensorboard.version)]
        return super().instantiate_trainer(**kwargs)


class _ParsingCLI(RecipeCLI):
    """The command line without what it makes."""

    def instantiate_classes(self) -> None:
        """Make nothing: the settings are all that is asked for."""


def recipe_names() -> tuple[str, ...]:
    """The recipes that ship with the package."""
    return tuple(sorted(Path(f.name).stem for f in _configs().iterdir() if f.name.endswith(".yaml")))


def recipe_path(recipe: str) -> Path:
    """The YAML file of a shipped recipe's name, or of a path.

    Raises:
        FileNotFoundError: If there is neither such a recipe nor such a file.
    """
    if recipe in recipe_names():
        return Path(str(_configs() / f"{recipe}.yaml"))
    path = Path(recipe)
    if not path.is_file():
        raise FileNotFoundError(
            f"no recipe {recipe!r}: expected one of {', '.join(recipe_names())}, or the path of a YAML file"
        )
    return path


def prepare(recipe: str, overrides: Sequence[str] = ()) -> RecipeCLI:
    """Trainer, module and data of a recipe, ready to run.

    Args:
        recipe: Name of a shipped recipe, or the path of a YAML file.
        overrides: Settings that differ, as ``["--trainer.max_epochs", "3"]``.

    Raises:
        FileNotFoundError: If there is no such recipe, or no checkpoint to go on from.
        RecipeError: If the recipe or an override has a key or a value that is not known.
    """
    return _command_line(RecipeCLI, recipe, overrides)


def settings(recipe: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """All that a recipe and overrides set to something else than its default, as plain values.

    Nothing is built and no recording is read. Arguments and errors are those of :func:`prepare`.
    """
    cli = _command_line(_ParsingCLI, recipe, overrides)
    text = cli.parser.dump(cli.config, skip_default=True, skip_validation=True)
    # Seed 1 equals the default, True, which is another seed at every start.
    return {**yaml.safe_load(text), "seed_everything": cli.config.seed_everything}


def _command_line(kind: type[RecipeCLI], recipe: str, overrides: Sequence[str]) -> RecipeCLI:
    # The data module makes its transforms itself, from the plain values that a checkpoint keeps, too.
    set_parsing_settings(instantiate_subclass_spec_in_any=False)
    return kind(
        SybioModule,
        ClipDataModule,
        trainer_class=RecipeTrainer,
        args=[*_config_arguments(recipe), *map(_renamed_override, overrides)],
        run=False,
        auto_configure_optimizers=False,
        # Checkpoints hold the model's own arguments; see SybioModule.on_save_checkpoint.
        load_from_checkpoint_support=False,
        # Abbreviated keys would let a wrong key pass for another.
        parser_kwargs={"exit_on_error": False, "allow_abbrev": False},
        # A run that is resumed in its own folder writes the same settings again.
        save_config_kwargs={"overwrite": True},
    )


def fit(recipe: str, overrides: Sequence[str] = ()) -> RecipeCLI:
    """Train by a recipe, from the beginning or from a checkpoint; arguments and errors of :func:`prepare`.

    Beside the checkpoints that the recipe asks for, ``last.ckpt`` is where training stands: after an epoch,
    every two minutes, and in the end. (Lightning's ``save_last`` would be the last one that was best.)
    """
    cli = prepare(recipe, overrides)
    if cli.trainer.checkpoint_callback is not None:
        cli.trainer.callbacks.append(KeepCheckpoint())
    train(cli, _resume_path(cli.config.ckpt_path, cli.trainer.default_root_dir))
    return cli


def train(cli: RecipeCLI, checkpoint: str | None = None) -> None:
    """Train what :func:`prepare` has prepared, from a checkpoint's file if there is one.

    Raises:
        KeyboardInterrupt: If Ctrl+C ends it.
    """
    try:
        cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as end:
        # Lightning ends the process on Ctrl+C; here the caller decides what that means.
        if isinstance(end.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from end
        raise


def _config_arguments(recipe: str) -> list[str]:
    """The recipe as options of the command line, after the recipes that it is based on."""
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
    """Give the settings of a recipe their new names; whether there was an old one."""
    renamed = False
    for old, new in RENAMED_SETTINGS.items():
        (part, key), new_key = old.split("."), new.rpartition(".")[2]
        values = document.get(part)
        if isinstance(values, dict) and key in values:
            _note_renamed(old, new, str(path))
            values[new_key] = values.pop(key)
            renamed = True
    return renamed


def _renamed_override(word: str) -> str:
    """An override with the new name of its setting."""
    for old, new in RENAMED_SETTINGS.items():
        if re.match(rf"--{re.escape(old)}(?![^.=])", word):
            _note_renamed(old, new, "override")
            return word.replace(old, new, 1)
    return word


@cache  # one line per process
def _note_renamed(old: str, new: str, where: str) -> None:
    print(f"note: {where}: '{old}' is now '{new}'", file=sys.stderr)


def _configs() -> resources.abc.Traversable:
    return resources.files("pyg_sybio.training") / "configs"


def _resume_path(ckpt_path: str | None, root: str) -> str | None:
    """The checkpoint file to go on from; never silently none where one was asked for."""
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


def _one_line(message: str, parser: LightningArgumentParser) -> str:
    """An error of the parser on one line, with the nearest keys that exist."""
    line = " ".join(message.split())
    known = list(parser.get_defaults().keys(branches=True))
    words = (word.strip("'\"-:,=") for word in line.split())
    near = [key for word in words if word not in known for key in difflib.get_close_matches(word, known, n=3)]
    return f"{line} (did you mean {', '.join(dict.fromkeys(near))}?)" if near else line
