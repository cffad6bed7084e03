"""A JSON parser as strict as the readers, for an independent parse of damaged files."""

import json
from typing import Any


def strict_json(content: bytes) -> Any:
    """Parse UTF-8 JSON, and raise `ValueError` for a repeated key and for NaN or an infinity."""
    return json.loads(content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError
    return dict(pairs)


def _refuse(name: str) -> float:
    raise ValueError(name)
