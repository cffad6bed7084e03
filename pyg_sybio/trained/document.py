r"""The document of a trained model: all that a model file holds apart from the network and its weights.

It is JSON, the same in a ``.ckpt`` (under the key ``document``), in a folder (``data.json``) and in the
metadata
of an ONNX file. A model file is data: the document holds names of registered data sets and transforms, no
path but one plain folder name, no pattern, and every number has a bound.
"""

from collections.abc import Mapping
from typing import Any

import jsonschema

from pyg_sybio.data.splits import NOT_SHARED, TRANSFORMS
from pyg_sybio.files import parse_json
from pyg_sybio.models.bounds import check_plain
from pyg_sybio.trained.views import Views

DATA_FILE = "data.json"
DOCUMENT_KEY = "document"
FORMAT = 2

MAX_CLASSES = 10_000
MAX_FRAMES = 10_000
MAX_RATE = 10_000.0
MAX_CHARACTERS = 2**22
"""A longer document in a checkpoint is refused."""

_NAME = {"type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9_]{0,63}\Z", "description": "a name"}
_TEXT = {
    "type": "string",
    "minLength": 1,
    "maxLength": 200,
    "pattern": r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z",
    "description": "a short text without control characters",
}
_FRAMES = {
    "type": "integer",
    "minimum": 1,
    "maximum": MAX_FRAMES,
    "description": f"an integer from 1 to {MAX_FRAMES}",
}
_RATE = {
    "type": "number",
    "minimum": 1e-3,
    "maximum": MAX_RATE,
    "description": f"a frame rate from 0.001 to {MAX_RATE:g} Hz",
}
_COUNT = {"type": "integer", "minimum": 0, "maximum": 2**53, "description": "a non-negative integer"}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1, "description": "a number from 0 to 1"}
_SKELETON = {"type": "object", "description": "a skeleton"}

# Arguments that decide how much memory or time a clip takes, wherever they occur.
_BOUNDED = {
    "num_observed": _FRAMES,
    "num_future": _FRAMES,
    "num_frames": _FRAMES,
    "window_stride": _FRAMES,
    "frame_rate": _RATE,
    "num_clips": {"type": "integer", "minimum": 1, "maximum": 100_000, "description": "at most 100000 clips"},
    "skeleton": _SKELETON,
}


def _object(properties: Mapping[str, Any], what: str, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """The schema of an object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
        "description": f"{what} with {', '.join(properties)}",
    }


def _list(items: Mapping[str, Any], what: str, most: int, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxItems": most, "description": what, **more}


def _value(depth: int) -> dict[str, Any]:
    """The schema of an argument: a short plain value, nested no deeper than `depth`."""
    value: dict[str, Any] = {
        "type": ["null", "boolean", "number", "string"],
        "minimum": -1e15,
        "maximum": 1e15,
        "maxLength": 200,
        # No slash, no backslash, no control character: neither a path nor a URL.
        "pattern": r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029/\\]*\Z",
        "description": "a plain value: a number, a short text without slashes, or a list or object of them",
    }
    if depth:
        inner = _value(depth - 1)
        value |= {
            "type": [*value["type"], "array", "object"],
            "items": inner,
            "maxItems": 10_000,
            "propertyNames": {"maxLength": 64, "pattern": value["pattern"]},
            "maxProperties": 100,
            "additionalProperties": inner,
        }
    return value


def _arguments(*refused: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "propertyNames": _NAME | {"not": {"enum": list(refused)}, "description": "a setting for model files"},
        "properties": {
            **{name: {"anyOf": [{"type": "null"}, each]} for name, each in _BOUNDED.items()},
            **more,
        },
        "additionalProperties": _value(3),
        "maxProperties": 100,
        "description": "arguments by name",
    }


_TRANSFORM = _object({"name": _NAME, "arguments": _arguments()}, "a transform", optional=("arguments",))
_TRANSFORMS = _list(_TRANSFORM, "a list of transforms", 32)
_SETTINGS = _arguments(
    *NOT_SHARED,
    **{name: {"anyOf": [{"type": "null"}, _TRANSFORM, _TRANSFORMS]} for name in TRANSFORMS},
)
_SCHEMA = _object(
    {
        "format": {
            "const": FORMAT,
            "description": f"format {FORMAT}; a later version of the package reads it",
        },
        "class_names": _list(_TEXT, "a list of different names", MAX_CLASSES, minItems=1, uniqueItems=True),
        "seen_classes": _list({"type": "boolean"}, "true or false for each class", MAX_CLASSES),
        "preparation": _object(
            {
                "skeleton": _SKELETON,
                "num_observed": _FRAMES,
                "frame_rate": _RATE,
                "preprocess": _TRANSFORMS,
                "fill": _TRANSFORMS,
                "padding": {"enum": ["repeat", "hold", None], "description": "repeat, hold or null"},
            },
            "the preparation",
            optional=("skeleton",),
        ),
        "views": _object(
            {
                "mirror": {"enum": ["x", "y", "z", None], "description": "x, y, z or null"},
                "parts": _list(_list(_SHARE, "two shares", 2, minItems=2), "a list of pairs of shares", 32),
            },
            "the views",
        ),
        "training": _object(
            {
                "epoch": _COUNT,
                "global_step": _COUNT,
                "batch_size": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 4096,
                    "description": "a batch size",
                },
                "dataset": _NAME,
                "folder": {
                    "type": "string",
                    "pattern": r"^[A-Za-z0-9_-]{0,64}\Z",
                    "description": "the plain name of a folder",
                },
                "only_in_recipe": _list(_NAME, "names of settings", 16),
                "settings": _SETTINGS,
                "train": _SETTINGS,
                "val": _SETTINGS,
                "test": _SETTINGS,
            },
            "the training",
        ),
        "digest": {
            "type": "string",
            "pattern": r"^[0-9a-f]{64}\Z",
            "description": "a SHA-256 of the weights",
        },
    },
    "a document",
)
_VALIDATOR = jsonschema.Draft202012Validator(_SCHEMA)


def parse_document(text: Any) -> Any:
    """The JSON value of a document's text.

    Raises:
        ValueError: If it is not a text, is too long, or is not strict JSON.
    """
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS:
        raise ValueError(f"expected a document of at most {MAX_CHARACTERS} characters")
    return parse_json(text, "the document")


def check_document(document: Any) -> None:
    r"""Check every value of a document against the schema; it may come from anybody.

    Raises:
        ValueError: If something is missing, unknown, of another type, or out of its bounds.
    """
    check_plain(document, "the document")
    if (error := jsonschema.exceptions.best_match(_VALIDATOR.iter_errors(document))) is not None:
        path = error.json_path.removeprefix("$").removeprefix(".")
        at = f"'{path}': " if path else ""
        expected = error.schema.get("description", "another value")
        raise ValueError(f"{at}{error.message:.200}; expected {expected}")
    Views.from_settings(document["views"])
    named, seen = len(document["class_names"]), len(document["seen_classes"])
    if seen != named:
        raise ValueError(f"'seen_classes' has {seen} entries, expected {named}, one per class")
