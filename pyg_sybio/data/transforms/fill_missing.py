r"""Fill joints that were not recorded in some frames."""

from typing import Literal

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_choice
from pyg_sybio.data.transforms.frame_index import last_present, next_present
from pyg_sybio.data.transforms.interpolate import interpolate


class FillMissing(MotionTransform):
    r"""Fill missing joints from the frames that have them, separately for each joint of each person.

    With `a` the last frame before `t` that has the joint, and `b` the first one after it,

    .. math::
        x(t) = x(a) \;(\text{hold}), \qquad
        x(t) = x(a) + \frac{t - a}{b - a}\,\bigl(x(b) - x(a)\bigr) \;(\text{interpolate});

    where rotations are interpolated as rotations. Both modes copy the first frame that has the joint to all
    frames before it, and the last one to all frames after it. "mask" fills nothing: the joint stays zero and
    not present. A joint that is present in no frame is never filled.

    Args:
        mode: `"hold"`, `"interpolate"` or `"mask"`. (default: `"interpolate"`)
        edges: Whether to fill also before the first and after the last frame that has the joint; False fills
            only gaps. (default: True)

    Raises:
        ValueError: If `mode` has another value.

    Note:
        A filled joint is present afterwards. Its score (the third feature of `xy+score`) and its confidence
        are not changed, so that a model can tell that it was not observed. Fill only the observed part of a
        clip: otherwise forecasts are compared with poses that were not recorded.
    """

    def __init__(
        self, *, mode: Literal["hold", "interpolate", "mask"] = "interpolate", edges: bool = True
    ) -> None:
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
        poses = motion.poses.clone()
        poses[person, frame, joint, features] = interpolate(
            motion.poses[person, start, joint, features],
            motion.poses[person, end, joint, features],
            share.where(start != end, 0.0)[:, None],
            rotations=not motion.num_spatial,
        )
        return motion.replace(poses=poses, present=present | fillable)
