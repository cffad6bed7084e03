"""Atomic writing of files, and strict JSON."""

import contextlib
import glob
import json
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from pyg_sybio.arguments import did_you_mean

_ABANDONED_SECONDS = 3600.0
"""Temporary files that have not changed for this time are left over from processes that were killed."""


def write_whole(path: str | Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file atomically: `write` fills a temporary file, which is then renamed to `path`.

    Raises:
        OSError: If the file cannot be written, for example because the disk is full. The error names the
            file, whose previous version is kept.
    """
    path = Path(path)
    # The temporary file is hidden, and its name contains the process, so that processes never share it.
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        with part.open("wb") as file:
            write(file)
        part.replace(path)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(part)):
            raise  # the error concerns another file, which its message names
        raise OSError(error.errno, f"cannot be written: {os.strerror(error.errno)}", str(path)) from None
    finally:
        part.unlink(missing_ok=True)


def _remove_abandoned(path: Path) -> None:
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with contextlib.suppress(OSError):  # another process may remove it as well
            if part.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                part.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Write a text in UTF-8, atomically (:func:`write_whole`)."""
    write_whole(path, lambda file: file.write(text.encode()))


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as strict JSON, atomically (:func:`write_whole`); NaN and infinities become null."""
    write_text(path, json.dumps(_without_nan(value), indent=2, allow_nan=False) + "\n")


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path, *, expected: str = "JSON") -> Any:
    """The document of a JSON file.

    Args:
        path: The file.
        expected: Description of the expected content in error messages.

    Raises:
        ValueError: If the file is not UTF-8 text or not JSON, contains `NaN` or `Infinity` (which JSON does
            not have), an object with the same key twice, or is nested too deeply.
        FileNotFoundError: If there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: expected {expected}")
    try:
        text = path.read_bytes().decode("utf-8-sig")  # Windows writes a byte order mark
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}, byte {error.start}: not UTF-8 text, expected {expected}") from None
    return parse_json(text, str(path), expected=expected)


def parse_json(text: str, where: str, *, expected: str = "JSON") -> Any:
    """The document in a JSON text, with the checks of :func:`read_json`; errors begin with `where`."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{where}, {place}: {error.msg}, expected {expected}") from None
    except RecursionError:
        raise ValueError(f"{where}: nested too deeply, expected {expected}") from None
    except ValueError as error:  # for example, a repeated key
        raise ValueError(f"{where}: {error}") from None


def check_schema(document: Any, schema: Path, where: str = "") -> None:
    """Check a document against a JSON schema in a file.

    Args:
        document: The document.
        schema: The file of the schema, whose descriptions say what is expected.
        where: Name of the document in error messages.

    Raises:
        ValueError: If the document does not follow the schema.
    """
    from jsonschema.exceptions import best_match

    if (error := best_match(_validator(schema).iter_errors(document))) is not None:
        raise ValueError((f"{where}: " if where else "") + _described(error))


def schema_errors(document: Any, schema: Path) -> list[tuple[Any, str]]:
    """All errors of a document against a JSON schema: the field (None for the document itself) and a
    description."""
    errors = sorted(_validator(schema).iter_errors(document), key=lambda error: error.json_path)
    return [(next(iter(error.path), None), _described(error)) for error in errors]


def _described(error: Any) -> str:
    """Describe an error of jsonschema in one line."""
    path = error.json_path.removeprefix("$").removeprefix(".")
    given: list[Any] = [error.instance] if error.validator == "enum" else []
    known: list[Any] = error.validator_value if given else [*error.schema.get("properties", ())]
    if error.validator == "additionalProperties":
        given = [name for name in error.instance if name not in known][:3]
    names = [name for name in known if isinstance(name, str)]
    hint = "".join(did_you_mean(name, names) for name in given if isinstance(name, str))
    expected = error.schema.get("description", "another value")
    return (f"'{path}': " if path else "") + f"{error.message:.200}{hint}; expected {expected}"


@cache
def _validator(schema: Path) -> Any:
    import jsonschema  # takes a third of a second; not needed for the package's own files

    validator = jsonschema.Draft202012Validator
    # jsonschema itself accepts 3.0 as an integer.
    types = validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    return jsonschema.validators.extend(validator, type_checker=types)(read_json(schema))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {twice!r} is repeated in one object, expected it once")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON, expected a finite number")
