"""Loading of shipped skeletons and of skeletons from files."""

from functools import cache
from pathlib import Path
from typing import Any

from pyg_sybio.arguments import did_you_mean
from pyg_sybio.files import read_json, schema_errors
from pyg_sybio.skeleton.checks import inconsistencies
from pyg_sybio.skeleton.document import FOLDER, SCHEMA
from pyg_sybio.skeleton.skeleton import Skeleton

AnySkeleton = Skeleton | str | Path
"""A skeleton, or what :func:`load_skeleton` takes."""


def load_skeleton(name_or_path: AnySkeleton) -> Skeleton:
    """Load a shipped skeleton or a skeleton from a file.

    Args:
        name_or_path: Name of a shipped skeleton (``"ntu25"``) or path of a ``.json`` file, optionally with a
            subset (``"cmu38:used"``, ``"mine.json:upper_body"``). A skeleton is returned as it is.

    Raises:
        ValueError: If no skeleton or subset has the given name, or the file is not a valid skeleton.
        FileNotFoundError: If the path does not exist.
    """
    if isinstance(name_or_path, Skeleton):
        return name_or_path
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or ".json" in text:
        stem, colon, subset = text.rpartition(".json:")
        path = Path(f"{stem}.json" if colon else text)
        skeleton = Skeleton.from_dict(_document(path), where=str(path))
    else:
        name, colon, subset = text.partition(":")
        if name not in available_skeletons():
            known = available_skeletons()
            found = f"unknown skeleton '{name}'{did_you_mean(name, known)}"
            raise ValueError(f"{found}, expected {', '.join(known)}, or the path of a .json file")
        skeleton = _read_shipped(name)
    return skeleton.subset(subset) if colon else skeleton


def available_skeletons() -> tuple[str, ...]:
    """Names of the shipped skeletons, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != "schema"))


@cache
def _read_shipped(name: str) -> Skeleton:
    path = FOLDER / f"{name}.json"
    return Skeleton.from_valid_dict(_document(path), where=str(path))  # the tests check it against the schema


def skeleton_errors(path: Path) -> list[str]:
    """Describe all errors in the JSON file of a skeleton; empty if the file is valid.

    Raises:
        ValueError: If the file is not JSON.
        FileNotFoundError: If the path does not exist.
    """
    document = _document(path)
    invalid = schema_errors(document, SCHEMA)
    errors = [error for _, error in invalid]
    if isinstance(document, dict):
        errors += inconsistencies(document | {field: None for field, _ in invalid})
    return [f"{path}: {error}" for error in errors]


def _document(path: Path) -> Any:
    return read_json(path, expected="a skeleton's JSON file")
