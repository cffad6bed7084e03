r"""Trim empty frames."""

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform


class TrimNullFrames(MotionTransform):
    r"""Drop the leading and the trailing frames in which nobody is seen.

    Empty frames between other frames are kept, since dropping them would make the motion jump. A motion in
    which nobody is ever seen is unchanged.
    """

    def forward(self, motion: Motion) -> Motion:
        seen = motion.seen.any(0).nonzero()
        if not len(seen):
            return motion
        return motion.frames(slice(int(seen[0]), int(seen[-1]) + 1))
