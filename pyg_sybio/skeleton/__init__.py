r"""The topology of a body as a value: joints, bones, parts, symmetry. No tensors here.

A skeleton is a JSON file (``skeletons/*.json``, described by ``skeletons/schema.json``). Everything in this
package that depends on a topology is derived from the :class:`Skeleton` that is read from it.
"""

from pyg_sybio.skeleton.contraction import contract
from pyg_sybio.skeleton.library import available_skeletons, load_skeleton
from pyg_sybio.skeleton.skeleton import COORDINATES, Skeleton

__all__ = ["COORDINATES", "Skeleton", "available_skeletons", "contract", "load_skeleton"]
