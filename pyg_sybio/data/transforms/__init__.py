r"""Transforms of motions, which compose with :class:`torch_geometric.transforms.Compose`.

Each takes a :class:`~pyg_sybio.data.motion.Motion` and returns another one. Invertible ones are
:class:`~pyg_sybio.data.transforms.base.InvertibleTransform`: `apply` also returns what `invert` needs.
"""

from pyg_sybio.data.transforms.align_view import AlignView
from pyg_sybio.data.transforms.base import InvertibleTransform, MotionTransform
from pyg_sybio.data.transforms.center import Center
from pyg_sybio.data.transforms.crop import Crop
from pyg_sybio.data.transforms.fill_missing import FillMissing
from pyg_sybio.data.transforms.fill_null_frames import FillNullFrames
from pyg_sybio.data.transforms.select_bodies import SelectBodies
from pyg_sybio.data.transforms.select_by_confidence import SelectByConfidence
from pyg_sybio.data.transforms.shift import Shift
from pyg_sybio.data.transforms.trim_null_frames import TrimNullFrames

__all__ = [
    "AlignView",
    "Center",
    "Crop",
    "FillMissing",
    "FillNullFrames",
    "InvertibleTransform",
    "MotionTransform",
    "SelectBodies",
    "SelectByConfidence",
    "Shift",
    "TrimNullFrames",
]
