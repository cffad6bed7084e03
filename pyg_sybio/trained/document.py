r"""The document of a trained model: all that a model file holds apart from the network and its weights.

It is JSON, the same in a ``.ckpt`` (under the key ``document``), in a folder (``data.json``) and in the
metadata
of an ONNX file. A model file is data: the document holds names of registered data sets and transforms, no
path except one plain folder name, no pattern, and a bound for every number.
"""

from collections.abc import Mapping
from typing import Any

from pyg_sybio.data.splits import NOT_SHARED, TRANSFORMS
from pyg_sybio.files import parse_json
from pyg_sybio.models.bounds import check_plain
from pyg_sybio.trained.views import Views

DATA_FILE = "data.json"
DOCUMENT_KEY = "document"
FORMAT = 2

MAX_TRANSFORMS = 32
MAX_CHARACTERS = 2**22
"""A longer document in a checkpoint is refused."""

_MAX_LIST = 10_000
_MAX_TEXT = 200


def _number(low: float, high: float, what: str, kind: str = "number") -> dict[str, Any]:
    return {"type": kind, "minimum": low, "maximum": high, "description": f"{what} from {low:g} to {high:g}"}


def _text(pattern: str, what: str) -> dict[str, Any]:
    return {"type": "string", "maxLength": _MAX_TEXT, "pattern": rf"^{pattern}\Z", "description": what}


def _choice(*values: str | None) -> dict[str, Any]:
    return {"enum": list(values), "description": ", ".join(value or "null" for value in values)}


def _list(items: Mapping[str, Any], what: str, most: int = _MAX_LIST, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxItems": most, "description": what, **more}


def _object(what: str, optional: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    """The schema of an object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
        "description": f"{what} with {', '.join(properties)}",
    }


_NAME = _text("[A-Za-z_][A-Za-z0-9_]{0,63}", "a name")
_LABEL = _text(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]+", "a short text without control characters")
_FRAMES = _number(1, 10_000, "an integer", "integer")
_COUNT = _number(0, 2**53, "a non-negative integer", "integer")
_RATE = _number(1e-3, 10_000, "a frame rate in Hz")
_SKELETON = {"type": "object", "description": "a skeleton"}

# Arguments that decide how much memory or time a clip takes, wherever they occur.
_BOUNDED = {
    **dict.fromkeys(("num_observed", "num_future", "num_frames", "window_stride"), _FRAMES),
    "frame_rate": _RATE,
    "num_clips": _number(1, 100_000, "a number of clips", "integer"),
    "skeleton": _SKELETON,
}


def _value(depth: int) -> dict[str, Any]:
    """The schema of an argument: a short plain value, nested no deeper than `depth`."""
    # Neither a path nor a URL.
    value = _text(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029/\\]*", "a plain value, whose texts have no slashes")
    value |= {"type": ["null", "boolean", "number", "string"], "minimum": -1e15, "maximum": 1e15}
    if depth:
        inner = _value(depth - 1)
        value |= {
            "type": [*value["type"], "array", "object"],
            "items": inner,
            "maxItems": _MAX_LIST,
            "propertyNames": {"maxLength": 64, "pattern": value["pattern"]},
            "maxProperties": 100,
            "additionalProperties": inner,
        }
    return value


def _arguments(*refused: str, **known: Any) -> dict[str, Any]:
    """The schema of arguments by name, each of which may be null."""
    known = {name: {"anyOf": [{"type": "null"}, each]} for name, each in (_BOUNDED | known).items()}
    return {
        "type": "object",
        "propertyNames": _NAME | {"not": {"enum": list(refused)}, "description": "a setting for model files"},
        "properties": known,
        "additionalProperties": _value(3),
        "maxProperties": 100,
        "description": "arguments by name",
    }


_TRANSFORM = _object("a transform", name=_NAME, arguments=_arguments(), optional=("arguments",))
_TRANSFORMS = _list(_TRANSFORM, "a list of transforms", MAX_TRANSFORMS)
_SETTINGS = _arguments(*NOT_SHARED, **{name: {"anyOf": [_TRANSFORM, _TRANSFORMS]} for name in TRANSFORMS})
_SHARES = _list(_number(0, 1, "a number"), "two shares", 2, minItems=2)
_SCHEMA = _object(
    "a document",
    format={"const": FORMAT, "description": f"format {FORMAT}; a later version of the package reads it"},
    class_names=_list(_LABEL, "a list of different names", minItems=1, uniqueItems=True),
    seen_classes=_list({"type": "boolean"}, "true or false for each class"),
    preparation=_object(
        "the preparation",
        skeleton=_SKELETON,
        num_observed=_FRAMES,
        frame_rate=_RATE,
        preprocess=_TRANSFORMS,
        fill=_TRANSFORMS,
        padding=_choice("repeat", "hold", None),
        optional=("skeleton",),
    ),
    views=_object(
        "the views",
        mirror=_choice("x", "y", "z", None),
        parts=_list(_SHARES, "a list of pairs of shares", 32),
    ),
    training=_object(
        "the training",
        epoch=_COUNT,
        global_step=_COUNT,
        batch_size=_number(1, 4096, "a batch size", "integer"),
        dataset=_NAME,
        folder=_text("[A-Za-z0-9_-]{0,64}", "the plain name of a folder"),
        only_in_recipe=_list(_NAME, "names of settings", 16),
        settings=_SETTINGS,
        train=_SETTINGS,
        val=_SETTINGS,
        test=_SETTINGS,
    ),
    digest=_text("[0-9a-f]{64}", "a SHA-256 of the weights"),
)


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
    import jsonschema  # takes a third of a second, which only model files need

    check_plain(document, "the document")
    errors = jsonschema.Draft202012Validator(_SCHEMA).iter_errors(document)
    if (error := jsonschema.exceptions.best_match(errors)) is not None:
        path = error.json_path.removeprefix("$").removeprefix(".")
        at = f"'{path}': " if path else ""
        expected = error.schema.get("description", "another value")
        raise ValueError(f"{at}{error.message:.200}; expected {expected}")
    Views.from_settings(document["views"])
    if document["views"]["parts"] and document["preparation"]["padding"] is None:
        raise ValueError("'views.parts' is given, but clips that are not padded have no parts")
    named, seen = len(document["class_names"]), len(document["seen_classes"])
    if seen != named:
        raise ValueError(f"'seen_classes' has {seen} entries, expected {named}, one per class")
