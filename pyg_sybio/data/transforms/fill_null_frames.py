r"""Fill the frames before a person appears and after the person has left."""

from typing import Literal

import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_choice


class FillNullFrames(MotionTransform):
    r"""Fill the frames before a person is first seen and after the last time (NTU RGB+D's null frames).

    With `f` and `l` the first and the last frame in which a person has any joint, and `L = l - f + 1`, a
    frame `t` outside `f … l` becomes a copy of frame

    .. math::
        f + (t - f) \bmod L \quad (\text{repeat}), \qquad \min(\max(t, f), l) \quad (\text{hold}),

    separately for each person. So "repeat" plays the person's own sequence again and again, forwards after
    the person has left, and so that it ends where the person appears before that; "hold" keeps the person
    still. All values of a frame are copied: poses, presence, confidence, translation.

    Gaps in between are not filled: :class:`~pyg_sybio.data.transforms.FillMissing` does that, with
    `edges=False` if nothing else is to be filled (before this transform, otherwise the gaps are repeated). A
    person who is never seen stays unseen.

    Args:
        mode: `"repeat"` or `"hold"`. (default: `"repeat"`, the field's)

    Raises:
        ValueError: If `mode` has another value.

    Note:
        A filled frame counts as present afterwards, as in the benchmarks, whose networks are trained on it.
        Forecasts must not be compared with it: apply the transform to the observed part of a clip, not to the
        clip before it is split into observed and future frames. In the field, the sequence of a person who
        appears late is also moved to the start of the clip; then two persons who meet no longer act at the
        same time, so here everyone keeps their time.
    """

    def __init__(self, *, mode: Literal["repeat", "hold"] = "repeat") -> None:
        self.mode = check_choice("mode", mode, ("repeat", "hold"))

    def forward(self, motion: Motion) -> Motion:
        seen = motion.seen
        if seen.all():
            return motion
        num_frames = seen.size(1)
        frame = torch.arange(num_frames, device=seen.device).expand_as(seen)
        # For a person who is never seen, these are the first and the last frame: every frame is kept.
        first = seen.int().argmax(1, keepdim=True)
        last = num_frames - 1 - seen.flip(1).int().argmax(1, keepdim=True)
        if self.mode == "hold":
            index = frame.clamp(first, last)
        else:
            index = first + (frame - first) % (last - first + 1)  # inside the span, this is the frame itself
        person = torch.arange(motion.num_persons, device=seen.device)[:, None]
        return motion.mapped(lambda values: values[person, index])
