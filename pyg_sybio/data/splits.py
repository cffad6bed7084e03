r"""The training, validation and test clips of one data set class, from plain settings."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from torch_geometric.data import Dataset

from pyg_sybio.arguments import check_known, check_value
from pyg_sybio.data.datasets.protocols import SPLITS
from pyg_sybio.data.datasets.settings import flat_parameters, with_value_objects
from pyg_sybio.data.registry import Resolver, registered_name, transform_named
from pyg_sybio.data.transforms.from_settings import build_transforms, settings_of, steps_of
from pyg_sybio.data.transforms.random_mirror import RandomMirror

DATA_ROOT_VARIABLE = "PYG_SYBIO_DATA"
TRANSFORMS = ("preprocess", "augment", "corrupt", "fill")
"""Arguments of a data set that are transforms."""

NOT_SHARED = ("cache", "labels", "num_processes", "pattern", "progress", "root", "skeleton")
"""Arguments that are not stored in model files: paths, patterns, and settings of one machine."""

# Arguments that change clips at random.
_RANDOM = ("augment", "corrupt", "window_tempo")
# Arguments that model files do not store, although they are needed to find the same clips again.
_ONLY_IN_RECIPES = ("labels", "pattern")
_FOLDER = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Splits:
    r"""The clips for training, validation and test, each built when it is first used.

    A split is ``dataset(**settings, **split)``, with the settings that all splits share and its own
    arguments.

    Args:
        dataset: Dataset class with keyword arguments.
        settings: Arguments of all three splits; transforms as
            :func:`~pyg_sybio.data.transforms.from_settings.build_transforms` reads them.
        train: Arguments of the training split.
        val: Arguments of the validation split.
        test: Arguments of the test split.
        root: Folder of all recordings, for a class with an argument ``root``. (default: the environment
            variable ``PYG_SYBIO_DATA``)
        folder: The folder of this data set in `root`.
        resolve: Function that finds the class of a transform. (default: only registered ones)

    Raises:
        ValueError: If an argument is unknown or wrong, or would change validation or test clips at random.
    """

    def __init__(
        self,
        dataset: type[Dataset],
        *,
        settings: Mapping[str, Any] | None = None,
        train: Mapping[str, Any] | None = None,
        val: Mapping[str, Any] | None = None,
        test: Mapping[str, Any] | None = None,
        root: str | Path | None = None,
        folder: str = "",
        resolve: Resolver = transform_named,
    ) -> None:
        self.dataset, self.root, self.folder = dataset, root, folder
        given = {"settings": settings, "train": train, "val": val, "test": test}
        self._places = {place: arguments or {} for place, arguments in given.items()}
        self._resolve = resolve
        self._arguments = {split: self._dataset_arguments(split) for split in SPLITS}
        self._built: dict[str, Dataset] = {}

    def clips(self, split: str) -> Dataset:
        """The data set of one split: ``"train"``, ``"val"`` or ``"test"``."""
        if split not in self._built:
            arguments = self._arguments[split]
            if "root" in flat_parameters(self.dataset):
                arguments = {"root": str(Path(self._root()) / self.folder)} | arguments
            self._built[split] = self.dataset(**with_value_objects(self.dataset, arguments))
        return self._built[split]

    def arguments(self, split: str) -> Mapping[str, Any]:
        """The arguments of a split's data set, with its transforms built."""
        return self._arguments[split]

    def changed(self, split: str, **arguments: Any) -> Self:
        """The same data with other arguments for one split."""
        places = self._places | {split: {**self._places[split], **arguments}}
        return type(self)(self.dataset, root=self.root, folder=self.folder, resolve=self._resolve, **places)

    @property
    def mirror_axis(self) -> str | None:
        """The axis across which training clips are mirrored at random; None if they are not."""
        steps = steps_of(self._arguments["train"].get("augment"))
        return next((step.axis for step in steps if isinstance(step, RandomMirror)), None)

    def describe(self) -> dict[str, Any]:
        r"""Describe the data for a model file: names and plain values, without paths and patterns.

        ``only_in_recipe`` lists the arguments that cannot be stored, but are needed to find the clips again.

        Raises:
            ValueError: If a transform is not registered.
        """
        known = flat_parameters(self.dataset)
        lacks = {"dataset"} if registered_name(self.dataset) is None else set()
        described: dict[str, dict[str, Any]] = {place: {} for place in self._places}
        for place, given in self._places.items():
            for key, value in given.items():
                if key in NOT_SHARED:
                    default = key in known and value == known[key].default
                    lacks |= {key} if key in _ONLY_IN_RECIPES and value is not None and not default else set()
                elif key in TRANSFORMS and value is not None:
                    made = build_transforms(value, f"data.{place}.{key}", self._resolve)
                    several = isinstance(made, list)
                    described[place][key] = [*map(settings_of, made)] if several else settings_of(made)
                elif _is_plain(value):
                    described[place][key] = value
                else:
                    lacks.add(key)
        return {
            "dataset": self.dataset.__name__,
            "folder": self.folder if _FOLDER.fullmatch(self.folder) else "",
            "only_in_recipe": sorted(lacks),
            **described,
        }

    def _root(self) -> str | Path:
        root = self.root or os.environ.get(DATA_ROOT_VARIABLE)
        if not root:
            raise ValueError(
                f"{self.dataset.__name__} needs the folder of the recordings: "
                f"set {DATA_ROOT_VARIABLE} or pass --data.root (sybio fit) or --data-root (other commands)"
            )
        return root

    def _dataset_arguments(self, split: str) -> dict[str, Any]:
        """The arguments of a split's data set, with its transforms built."""
        known = flat_parameters(self.dataset)
        arguments: dict[str, Any] = {}
        for place in ("settings", split):
            for key, value in self._places[place].items():
                check_known(key, known, place=f"'data.{place}'", of=self.dataset.__name__)
                if key in _RANDOM and place != "train":
                    reason = "clips for evaluation are not changed at random"
                    raise ValueError(f"'data.{place}' has {key!r}, which is only for 'data.train': {reason}")
                if key == "observation_ratio" and isinstance(value, list | tuple) and place != "train":
                    raise ValueError(
                        f"'data.{place}' has the range {value} as 'observation_ratio', expected a number: "
                        "only 'data.train' may have a range, from which each sample draws at random"
                    )
                if key in TRANSFORMS and value is not None:
                    value = build_transforms(value, f"data.{place}.{key}", self._resolve)
                check_value(value, known[key].annotation, name=f"'data.{place}.{key}'")
                arguments[key] = value
        return arguments


def _is_plain(value: Any) -> bool:
    """Whether a value is a number, a text that is not a path, or a list or object of these."""
    if isinstance(value, str):
        return len(value) <= 200 and value.isprintable() and not {"/", "\\"} & {*value}
    if isinstance(value, Mapping):
        return all(map(_is_plain, [*value, *value.values()]))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float)
