"""JSON from others: strict, and with errors that name file and place."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn


def read_json(path: Path) -> Any:
    """The document of a JSON file.

    Raises:
        ValueError: If the file is not UTF-8 text or not JSON, has `NaN` or `Infinity` (which are no JSON), an
            object with the same key twice, or is nested too deeply.
        FileNotFoundError: If there is no such file.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")  # Windows writes a byte order mark
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}, byte {error.start}: not UTF-8 text, expected JSON") from None
    return parse_json(text, str(path))


def parse_json(text: str, where: str) -> Any:
    """The document that a text holds, by the rules of :func:`read_json`; errors begin with `where`."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{where}, {place}: {error.msg}, expected JSON") from None
    except RecursionError:
        raise ValueError(f"{where}: nested too deeply, expected the JSON of a motion") from None
    except ValueError as error:  # a key twice, a constant, an integer of thousands of digits
        raise ValueError(f"{where}: {error}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {twice!r} twice in one object, expected it once")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON, expected a finite number")
