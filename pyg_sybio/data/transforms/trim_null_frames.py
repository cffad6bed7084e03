r"""A clip from the first frame in which somebody is seen to the last."""

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform


class TrimNullFrames(MotionTransform):
    r"""Drop the leading and the trailing frames in which nobody is seen.

    Empty frames between others stay, since dropping them would make the motion jump. A clip in which nobody
    is ever seen stays as it is.
    """

    def forward(self, motion: Motion) -> Motion:
        seen = motion.seen.any(0).nonzero()
        if not len(seen):
            return motion
        return motion.frames(slice(int(seen[0]), int(seen[-1]) + 1))
