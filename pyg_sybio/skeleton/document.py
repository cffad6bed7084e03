"""The JSON document of a skeleton: the path of its schema, and formatting."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parents[1]
# The skeleton files are inside the package in a wheel, and next to the package in a checkout.
FOLDER = _PACKAGE / "skeletons" if (_PACKAGE / "skeletons").is_dir() else _PACKAGE.parent / "skeletons"
SCHEMA = FOLDER / "schema.json"


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
