r"""Transforms of motions, which compose with :class:`torch_geometric.transforms.Compose`.

Each takes a :class:`~pyg_sybio.data.motion.Motion` and returns another one. Invertible ones are
:class:`~pyg_sybio.data.transforms.base.InvertibleTransform`: `apply` also returns what `invert` needs.
"""

from pyg_sybio.data.transforms.align_view import AlignView
from pyg_sybio.data.transforms.base import InvertibleTransform, LinearTransform, MotionTransform
from pyg_sybio.data.transforms.center import Center
from pyg_sybio.data.transforms.crop import Crop
from pyg_sybio.data.transforms.drop_axis import DropAxis
from pyg_sybio.data.transforms.drop_frames import DropFrames
from pyg_sybio.data.transforms.drop_joints import DropJoints
from pyg_sybio.data.transforms.fill_missing import FillMissing
from pyg_sybio.data.transforms.fill_null_frames import FillNullFrames
from pyg_sybio.data.transforms.jitter_joints import JitterJoints
from pyg_sybio.data.transforms.join_tracks import JoinTracks
from pyg_sybio.data.transforms.limit_length import LimitLength
from pyg_sybio.data.transforms.mirror import Mirror
from pyg_sybio.data.transforms.pad import Pad
from pyg_sybio.data.transforms.random_crop import RandomCrop
from pyg_sybio.data.transforms.random_mirror import RandomMirror
from pyg_sybio.data.transforms.random_rotation import RandomRotation
from pyg_sybio.data.transforms.random_scale import RandomScale
from pyg_sybio.data.transforms.random_shear import RandomShear
from pyg_sybio.data.transforms.random_time_warp import RandomTimeWarp
from pyg_sybio.data.transforms.resample import Resample
from pyg_sybio.data.transforms.resample_length import ResampleLength
from pyg_sybio.data.transforms.select_bodies import SelectBodies
from pyg_sybio.data.transforms.select_by_confidence import SelectByConfidence
from pyg_sybio.data.transforms.shift import Shift
from pyg_sybio.data.transforms.smooth import Smooth
from pyg_sybio.data.transforms.trim_null_frames import TrimNullFrames

__all__ = [
    "AlignView",
    "Center",
    "Crop",
    "DropAxis",
    "DropFrames",
    "DropJoints",
    "FillMissing",
    "FillNullFrames",
    "InvertibleTransform",
    "JitterJoints",
    "JoinTracks",
    "LimitLength",
    "LinearTransform",
    "Mirror",
    "MotionTransform",
    "Pad",
    "RandomCrop",
    "RandomMirror",
    "RandomRotation",
    "RandomScale",
    "RandomShear",
    "RandomTimeWarp",
    "Resample",
    "ResampleLength",
    "SelectBodies",
    "SelectByConfidence",
    "Shift",
    "Smooth",
    "TrimNullFrames",
]
