"""A skeleton from a file with a rig: BVH and ASF."""

from pathlib import Path

from pyg_sybio.data.readers.asf import load_asf
from pyg_sybio.data.readers.bvh import BVH_UNITS, load_bvh_rig
from pyg_sybio.skeleton import Skeleton


def skeleton_from_file(
    path: str | Path, *, name: str | None = None, units: str | None = None, end_sites: bool = False
) -> Skeleton:
    r"""The skeleton of a rig's joints, with a proposed centre, mirror pairs and parts
    (:func:`~pyg_sybio.data.readers.proposed_skeleton.skeleton_of_rig`).

    The readers of motions (:func:`~pyg_sybio.data.readers.bvh.read_bvh`,
    :func:`~pyg_sybio.data.readers.amc.read_amc`) accept the result as `skeleton` and find its joints by their
    names. It may therefore be edited: joints can be left out and parts changed.

    Args:
        path: A `.bvh` or `.asf` file.
        name: Name of the skeleton. (default: `rig` and the number of its joints)
        units: Unit of the coordinates. (default: metres for `.asf` files, which state their units; unnamed
            for `.bvh`)
        end_sites: Whether the end sites of a `.bvh` file that do not coincide with their joint become joints
            too, named `NAME_end`.

    Raises:
        ValueError: If the file has another suffix or is damaged; the message names the line.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".bvh":
        rig = load_bvh_rig(path)
        return rig.skeleton(name=name, units=units or BVH_UNITS, end_sites=end_sites)
    if suffix != ".asf":
        raise ValueError(f"{path} is not a rig, expected a .bvh or .asf file")
    if end_sites:
        raise ValueError(f"'end_sites' is True, but {path} has none: expected a .bvh file")
    if units not in (None, "m"):
        raise ValueError(f"'units' is {units!r}, expected 'm': motions of {path} are read in metres")
    return load_asf(path).skeleton(name=name)
