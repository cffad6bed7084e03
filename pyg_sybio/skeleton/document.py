"""The JSON document of a skeleton: schema and formatting."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parents[1]
# The skeleton files are inside the package in a wheel, and next to the package in a checkout.
FOLDER = _PACKAGE / "skeletons" if (_PACKAGE / "skeletons").is_dir() else _PACKAGE.parent / "skeletons"


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))
    return schema


def check_schema(document: Any, where: str) -> None:
    """Check a document against the schema.

    Raises:
        ValueError: If the document does not follow the schema; the message begins with `where`.
    """
    import jsonschema  # takes a third of a second, and shipped skeletons do not need it

    errors = jsonschema.Draft202012Validator(_schema()).iter_errors(document)
    error = jsonschema.exceptions.best_match(errors)
    if error is None:
        return
    path = error.json_path.removeprefix("$").removeprefix(".")
    at = f"'{path}': " if path else ""
    message = error.message if len(error.message) <= 200 else error.message[:197] + "..."
    raise ValueError(f"{where}: {at}{message}; expected {error.schema['description']}")


def to_text(document: Mapping[str, Any]) -> str:
    """Format a document as JSON with one joint, pair or part per line, which keeps diffs readable."""
    entries = []
    for key, value in document.items():
        if isinstance(value, dict):
            rows = [f"    {json.dumps(name)}: {json.dumps(item)}" for name, item in value.items()]
            text = "{\n" + ",\n".join(rows) + "\n  }" if rows else "{}"
        elif isinstance(value, list):
            rows = [f"    {json.dumps(item)}" for item in value]
            text = "[\n" + ",\n".join(rows) + "\n  ]" if rows else "[]"
        else:
            text = json.dumps(value, ensure_ascii=False)
        entries.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(entries) + "\n}\n"
