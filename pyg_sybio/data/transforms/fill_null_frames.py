r"""Frames before a person comes and after a person has left."""

from typing import Literal

import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_choice
from pyg_sybio.data.transforms.frame_index import take_frames


class FillNullFrames(MotionTransform):
    r"""Fill the frames before a person is first seen and after the last time (NTU RGB+D's null frames).

    With `f` and `l` the first and the last frame in which a person has any joint, and `L = l - f + 1`, the
    frame `t` outside `f … l` becomes a copy of frame

    .. math::
        f + (t - f) \bmod L \quad (\text{repeat}), \qquad \min(\max(t, f), l) \quad (\text{hold}),

    each person for itself. So "repeat" plays the person's own sequence again and again, forwards after it has
    left and so that it ends where the person comes before that; "hold" has it stand still. All that belongs
    to a frame is copied: poses, which joints are present, confidence, translation.

    Gaps in between stay: :class:`~pyg_sybio.data.transforms.FillMissing` closes them, with `edges=False` if
    nothing else is to be filled (before this transform, or what is repeated has the same gaps). A person who
    is never seen stays unseen.

    Args:
        mode: `"repeat"` or `"hold"`. (default: `"repeat"`, the field's)

    Raises:
        ValueError: If `mode` is another word.

    Note:
        What was filled counts as present from then on, as it does in the benchmarks, whose networks are fed
        it. It must not be what a forecast is measured on: transform the observed part of a clip with it, not
        the clip before it is split into observed and future frames. The field also moves the sequence of a
        person who comes late to the start of the clip; then two persons who meet no longer act at the same
        time, so here everyone keeps their place.
    """

    def __init__(self, *, mode: Literal["repeat", "hold"] = "repeat") -> None:
        self.mode = check_choice("mode", mode, ("repeat", "hold"))

    def forward(self, motion: Motion) -> Motion:
        seen = motion.seen
        if seen.all():
            return motion
        num_frames = seen.size(1)
        frame = torch.arange(num_frames, device=seen.device).expand_as(seen)
        # Of who is never seen, these are the first and the last frame of the clip: every frame stays.
        first = seen.int().argmax(1, keepdim=True)
        last = num_frames - 1 - seen.flip(1).int().argmax(1, keepdim=True)
        if self.mode == "hold":
            index = frame.clamp(first, last)
        else:
            index = first + (frame - first) % (last - first + 1)  # inside the span, this is the frame itself
        person = torch.arange(motion.num_persons, device=seen.device)[:, None]
        return take_frames(motion, person, index)
