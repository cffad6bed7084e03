r"""What a checkpoint holds beside its model, as JSON: the ``data.json`` of a shared folder."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import jsonschema
import torch
from torch import Tensor

from pyg_sybio.data.datasets.expmap import Normalisation

if TYPE_CHECKING:
    from pyg_sybio.trained.trained import Checkpoint

DATA_FILE = "data.json"
FORMAT = 1

_NAMED = {"type": "object", "description": "an object"}
_NUMBERS = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "number", "minimum": -1e30, "maximum": 1e30, "description": "a finite number"},
    "description": "a list of numbers",
}
_COLUMNS = {
    "type": "array",
    "minItems": 1,
    "uniqueItems": True,
    "items": {"type": "integer", "minimum": 0, "description": "the number of a column"},
    "description": "a list of columns",
}
_COUNT = {"type": "integer", "minimum": 0, "description": "a whole number"}
_FROM_ONE = {"type": "integer", "minimum": 1, "maximum": 10**6, "description": "a whole number from 1"}
_DATA = {
    "dataset": {"type": "string", "description": "the path of a dataset class"},
    "settings": _NAMED,
    "train": _NAMED,
    "val": _NAMED,
    "test": _NAMED,
    "folder": {"type": "string", "description": "the name of a folder"},
    "batch_size": _FROM_ONE,
    "shuffled_futures": {"type": "number", "minimum": 0, "maximum": 1, "description": "a share"},
    "looks": {"type": ["object", "null"], "description": "an object, or null"},
    "class_names": {
        "type": "array",
        "minItems": 1,
        "uniqueItems": True,
        "items": {"type": "string", "description": "a name"},
        "description": "a list of different names",
    },
    "frame_rate": {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 1e6,
        "description": "a frame rate in Hz",
    },
    "num_observed": _FROM_ONE,
}


def _object(properties: Mapping[str, Any], what: str, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """The schema of an object that has all of these, but for the optional ones, and nothing else."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
        "description": f"{what} with {', '.join(properties)}",
    }


_SCHEMA = _object(
    {
        "format": {
            "const": FORMAT,
            "description": f"format {FORMAT}: a later version of the package reads it",
        },
        "data": _object(_DATA, "the data", optional=("looks",)),  # earlier versions did not write it
        "seen_classes": {
            "type": "array",
            "items": {"type": "boolean", "description": "true or false"},
            "description": "true or false for each class",
        },
        "epoch": _COUNT,
        "global_step": _COUNT,
        "normalisation": {
            "oneOf": [
                {"type": "null"},
                _object(
                    {"mean": _NUMBERS, "deviation": _NUMBERS, "used": _COLUMNS, "varying": _COLUMNS},
                    "statistics",
                ),
            ],
            "description": "the statistics of z-scores, or null",
        },
    },
    "a document",
)


class Facts(NamedTuple):
    """What :class:`~pyg_sybio.trained.trained.Checkpoint` has beside its model, under the same names."""

    data: dict[str, Any]
    seen_classes: Tensor
    epoch: int
    global_step: int
    normalisation: Normalisation | None


def to_document(checkpoint: "Checkpoint", normalisation: Normalisation | None) -> dict[str, Any]:
    r"""A checkpoint without its model, as values that JSON has.

    What is true on the machine of the training alone is left out: the folders of its recordings and of its
    prepared files.

    Args:
        checkpoint: The checkpoint.
        normalisation: The statistics of its z-scores, if there are any.
    """
    data = {key: value for key, value in checkpoint.data.items() if key != "root"}
    data.setdefault("shuffled_futures", 0.0)  # not in checkpoints of before there was this choice
    for key in ("settings", "train", "val", "test"):
        data[key] = {name: _anywhere(name, value) for name, value in data[key].items() if name != "cache"}
    statistics = None
    if normalisation is not None:
        statistics = {
            "mean": normalisation.mean.tolist(),
            "deviation": normalisation.deviation.tolist(),
            "used": list(normalisation.used),
            "varying": list(normalisation.varying),
        }
    return {
        "format": FORMAT,
        "data": data,
        "seen_classes": checkpoint.seen_classes.tolist(),
        "epoch": checkpoint.epoch,
        "global_step": checkpoint.global_step,
        "normalisation": statistics,
    }


def from_document(document: Any, *, where: str) -> Facts:
    r"""What :func:`to_document` wrote.

    It may come from someone else: every value is checked for its type and range. A dataset class and
    transforms are names until something uses them, which accepts nothing but such classes.

    Args:
        document: As JSON was read.
        where: What errors call it.

    Raises:
        ValueError: If something is missing, unknown, of another type, or out of its range.
    """
    validator = jsonschema.Draft202012Validator(_SCHEMA)
    if (error := jsonschema.exceptions.best_match(validator.iter_errors(document))) is not None:
        path = error.json_path.removeprefix("$").removeprefix(".")
        at = f"'{path}': " if path else ""
        expected = error.schema.get("description", "another value")
        raise ValueError(f"{where}: {at}{error.message:.200}; expected {expected}")
    data, seen = document["data"], document["seen_classes"]
    if len(seen) != len(data["class_names"]):
        raise ValueError(
            f"{where}: 'seen_classes' has {len(seen)} entries, expected {len(data['class_names'])}, "
            "one for each class"
        )
    return Facts(
        data=data | {"root": None},
        seen_classes=torch.tensor(seen, dtype=torch.bool),
        epoch=document["epoch"],
        global_step=document["global_step"],
        normalisation=_normalisation(document["normalisation"], where),
    )


def _normalisation(statistics: Mapping[str, Any] | None, where: str) -> Normalisation | None:
    if statistics is None:
        return None
    mean, deviation = statistics["mean"], statistics["deviation"]
    used, varying = statistics["used"], statistics["varying"]
    if len(mean) != len(deviation) or max(used) >= len(mean) or not set(varying) <= set(used):
        raise ValueError(
            f"{where}: 'normalisation' has {len(mean)} means and {len(deviation)} deviations, expected as "
            "many of both, 'used' among them, and 'varying' among 'used'"
        )
    if min(deviation) <= 0:
        raise ValueError(f"{where}: 'normalisation.deviation' has {min(deviation)}, expected numbers above 0")
    return Normalisation(
        torch.tensor(mean, dtype=torch.float64),
        torch.tensor(deviation, dtype=torch.float64),
        tuple(used),
        tuple(varying),
    )


def _anywhere(name: str, value: Any) -> Any:
    """A setting without the folder of a skeleton's file: the model has the skeleton itself."""
    return PurePath(value).name if name == "skeleton" and isinstance(value, str) else value
