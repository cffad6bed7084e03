r"""Transforms of motions, which compose with :class:`torch_geometric.transforms.Compose`.

Each transform takes a :class:`~pyg_sybio.data.motion.Motion` and returns another motion. Invertible
transforms are :class:`~pyg_sybio.data.transforms.base.InvertibleTransform`: `apply` also returns what
`invert` needs.
"""

from pyg_sybio.data.transforms.align_view import AlignView as AlignView
from pyg_sybio.data.transforms.base import InvertibleTransform as InvertibleTransform
from pyg_sybio.data.transforms.base import LinearTransform as LinearTransform
from pyg_sybio.data.transforms.base import MotionTransform as MotionTransform
from pyg_sybio.data.transforms.center import Center as Center
from pyg_sybio.data.transforms.crop import Crop as Crop
from pyg_sybio.data.transforms.drop_axis import DropAxis as DropAxis
from pyg_sybio.data.transforms.drop_frames import DropFrames as DropFrames
from pyg_sybio.data.transforms.drop_joints import DropJoints as DropJoints
from pyg_sybio.data.transforms.fill_missing import FillMissing as FillMissing
from pyg_sybio.data.transforms.fill_null_frames import FillNullFrames as FillNullFrames
from pyg_sybio.data.transforms.jitter_joints import JitterJoints as JitterJoints
from pyg_sybio.data.transforms.join_tracks import JoinTracks as JoinTracks
from pyg_sybio.data.transforms.limit_length import LimitLength as LimitLength
from pyg_sybio.data.transforms.mirror import Mirror as Mirror
from pyg_sybio.data.transforms.pad import Pad as Pad
from pyg_sybio.data.transforms.random_crop import RandomCrop as RandomCrop
from pyg_sybio.data.transforms.random_mirror import RandomMirror as RandomMirror
from pyg_sybio.data.transforms.random_rotation import RandomRotation as RandomRotation
from pyg_sybio.data.transforms.random_scale import RandomScale as RandomScale
from pyg_sybio.data.transforms.random_shear import RandomShear as RandomShear
from pyg_sybio.data.transforms.random_time_warp import RandomTimeWarp as RandomTimeWarp
from pyg_sybio.data.transforms.resample import Resample as Resample
from pyg_sybio.data.transforms.resample_length import ResampleLength as ResampleLength
from pyg_sybio.data.transforms.select_bodies import SelectBodies as SelectBodies
from pyg_sybio.data.transforms.select_by_confidence import SelectByConfidence as SelectByConfidence
from pyg_sybio.data.transforms.shift import Shift as Shift
from pyg_sybio.data.transforms.smooth import Smooth as Smooth
from pyg_sybio.data.transforms.trim_null_frames import TrimNullFrames as TrimNullFrames
