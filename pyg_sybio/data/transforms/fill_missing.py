r"""Fill joints that were not recorded in some frames."""

from functools import cache
from typing import Literal

import networkx as nx
import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_choice
from pyg_sybio.data.transforms.frame_index import last_present, next_present
from pyg_sybio.data.transforms.interpolate import interpolate
from pyg_sybio.skeleton import Skeleton

FillMode = Literal["hold", "interpolate", "mask"]


class FillMissing(MotionTransform):
    r"""Fill missing joints from the frames that have them, separately for each joint of each person.

    With `a` the last frame before `t` that has the joint, and `b` the first one after it,

    .. math::
        x(t) = x(a) \;(\text{hold}), \qquad
        x(t) = x(a) + \frac{t - a}{b - a}\,\bigl(x(b) - x(a)\bigr) \;(\text{interpolate});

    where rotations are interpolated as rotations. Both modes copy the first frame that has the joint to all
    frames before it, and the last frame that has the joint to all later frames. A joint that is present in no
    frame gets the positions of the nearest joint of the skeleton that is present in some frame. In a skeleton
    of rotations, it stays zero and not present. "mask" fills nothing: missing joints stay zero and not
    present.

    Args:
        mode: `"hold"`, `"interpolate"` or `"mask"`. (default: `"interpolate"`)
        edges: Whether to fill also before the first and after the last frame that has the joint; False fills
            only gaps. (default: True)

    Raises:
        ValueError: If `mode` has another value.

    Note:
        A filled joint is present afterwards. Its score (the third feature of `xy+score`) and its confidence
        are not changed, so that a model can tell that it was not observed. Fill only the observed frames;
        otherwise, forecasts are compared with poses that were not recorded.
    """

    def __init__(self, *, mode: FillMode = "interpolate", edges: bool = True) -> None:
        self.mode = check_choice("mode", mode, ("hold", "interpolate", "mask"))
        self.edges = edges

    def forward(self, motion: Motion) -> Motion:
        present = motion.present
        if self.mode == "mask" or present.all():
            return motion
        before, after = last_present(present), next_present(present)
        has_before, has_after = before >= 0, after < motion.num_frames
        fillable = has_before | has_after if self.edges else has_before & has_after
        person, frame, joint = entries = (fillable & ~present).nonzero(as_tuple=True)
        start, end = before[entries], after[entries]
        start = start.where(has_before[entries], end)
        end = end.where(has_after[entries], start) if self.mode == "interpolate" else start
        share = (frame - start).to(motion.poses.dtype) / (end - start)
        features = slice(motion.num_spatial or None)  # all features except a score
        poses, present = motion.poses.clone(), present | fillable
        poses[person, frame, joint, features] = interpolate(
            motion.poses[person, start, joint, features],
            motion.poses[person, end, joint, features],
            share.where(start != end, 0.0)[:, None],
            rotations=not motion.num_spatial,
        )
        if motion.num_spatial and (unseen := ~present.any(1) & present.any((1, 2))[:, None]).any():
            person, joint = unseen.nonzero(as_tuple=True)
            distances = _distances(motion.skeleton).to(poses.device)[joint]  # [n, M]
            nearest = distances.masked_fill(~present.any(1)[person], torch.inf).argmin(-1)
            poses[person, :, joint, features] = poses[person, :, nearest, features]
            present[person, :, joint] = present[person, :, nearest]
        return motion.replace(poses=poses, present=present)


@cache
def _distances(skeleton: Skeleton) -> Tensor:
    """Number of edges between each two joints, `[M, M]`."""
    hops = dict(nx.all_pairs_shortest_path_length(skeleton.graph()))
    joints = range(skeleton.num_joints)
    return torch.tensor([[float(hops[a][b]) for b in joints] for a in joints])
