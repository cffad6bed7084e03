"""Read and check the file that describes peers (schema: `peers.schema.json`)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
from modes import Case
from samples import SAMPLES

from pyg_sybio import load_skeleton

# Default preset and skeleton by number of joints.
JOINTS = {
    25: ("ntu", "ntu25"),
    18: ("ntu", "openpose18"),
    20: ("mocap", "h36m32:used"),
    26: ("mocap", "cmu38:used"),
}


@dataclass(frozen=True)
class Peer:
    """A public implementation.

    Args:
        name: Name in the table.
        description: Arguments of `peers_model.py`: ``folders``, ``module``, ``class``, ``arguments``,
            ``copies``, ``inputs`` and ``call``.
        ours: Settings of our model and of its input.
    """

    name: str
    description: Mapping[str, Any]
    ours: Case


def read_peers(path: Path) -> list[Peer]:
    """Read the descriptions of all peers, without importing their code.

    Raises:
        ValueError: If the file is not YAML, or a value is missing, unknown or invalid.
        OSError: If the file cannot be read.
    """
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    schema = json.loads((Path(__file__).parent / "peers.schema.json").read_text(encoding="utf-8"))
    errors = jsonschema.Draft202012Validator(schema).iter_errors(document)
    if (error := jsonschema.exceptions.best_match(errors)) is not None:
        # Remove '$.', the root of a JSON path.
        raise ValueError(f"{path}: {error.json_path[2:] or 'the document'}: {error.message:.200}")
    peers = [_peer(entry, path.parent, f"{path}: peer {entry['name']!r}") for entry in document["peers"]]
    names = [peer.name for peer in peers]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{path}: two peers have the name {name!r}, expected unique names")
    return peers


def _peer(entry: Mapping[str, Any], beside: Path, where: str) -> Peer:
    folders = [entry["folder"]] if isinstance(entry["folder"], str) else entry["folder"]
    if ("input" in entry) == ("inputs" in entry):
        raise ValueError(f"{where}: expected either 'input' or 'inputs'")
    inputs = entry.get("inputs") or [entry["input"]]
    sizes: dict[str, int] = {}
    for each in inputs:
        if "layout" in each:
            sizes = sizes or _sizes(each["layout"], each["shape"], where)
    defaults = {"arguments": {}, "copies": 1, "call": {}}
    description = {
        **{key: entry.get(key, default) for key, default in defaults.items()},
        "folders": [str((beside / Path(folder).expanduser()).resolve()) for folder in folders],
        "module": entry["module"],
        "class": entry["class"],
        "inputs": [{"kind": "float", "below": 2, "name": None, **each} for each in inputs],
    }
    return Peer(entry["name"], description, _ours(entry.get("ours", {}), sizes, where))


def _sizes(layout: str | list[str], shape: list[int], where: str) -> dict[str, int]:
    """Return the size of each letter of a layout."""
    letters = [letter.replace("M", "P") for letter in layout if letter not in (" ", ",")]
    if len(letters) != len(shape) or len({*letters}) < len(letters) or not {*letters} <= {*"NCTVP"}:
        expected = f"one of N, C, T, V, P (or M) for each of {len(shape)} dimensions"
        raise ValueError(f"{where}: 'layout' is {layout!r}, expected {expected}")
    return dict(zip(letters, shape, strict=True))


def _ours(given: Mapping[str, Any], sizes: Mapping[str, int], where: str) -> Case:
    preset, skeleton = JOINTS.get(sizes.get("V", 0), (None, None))
    preset = given.get("preset", preset)
    if preset is None:
        known = ", ".join(map(str, sorted(JOINTS)))
        raise ValueError(
            f"{where}: 'ours' has no 'preset', and only layouts with {known} joints (V) have a default"
        )
    sample = SAMPLES[preset]
    name = given.get("skeleton", skeleton or sample.skeleton)
    try:
        load_skeleton(name)
    except (ValueError, OSError) as error:
        raise ValueError(f"{where}: 'skeleton' is {name!r}, expected a skeleton: {error}") from error
    settings = {
        "skeleton": name,
        # A layout without the letter P or M means one person.
        "persons": given.get("persons", sizes.get("P", 1) if sizes else sample.persons),
        "observed": given.get("frames", sizes.get("T", sample.observed)),
        "batch": given.get("batch", sizes.get("N", 1)),
        "num_future": given.get("future", sample.future),
        "num_classes": given.get("classes", sample.classes),
    }
    return Case(preset, "eager", settings)
