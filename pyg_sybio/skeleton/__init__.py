r"""The topology of a body: joints, bones, parts and symmetry. This subpackage does not use tensors.

Skeletons are JSON files (``skeletons/*.json``) that follow the schema ``skeletons/schema.json``. Everything
in pyg_sybio that depends on the topology is derived from a :class:`Skeleton`.
"""

from pyg_sybio.skeleton.contraction import contract
from pyg_sybio.skeleton.library import AnySkeleton, available_skeletons, load_skeleton, skeleton_errors
from pyg_sybio.skeleton.skeleton import COORDINATES, Skeleton

__all__ = [
    "COORDINATES",
    "AnySkeleton",
    "Skeleton",
    "available_skeletons",
    "contract",
    "load_skeleton",
    "skeleton_errors",
]
