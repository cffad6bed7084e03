r"""Fill the frames before a person appears and after the person has left."""

from typing import Literal

import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_choice


class FillNullFrames(MotionTransform):
    r"""Fill the frames before a person is first seen and after the person is last seen (NTU RGB+D).

    With `f` and `l` the first and the last frame in which a person is seen, and `L = l - f + 1`, a
    frame `t` outside `f … l` becomes a copy of frame

    .. math::
        f + (t - f) \bmod L \quad (\text{repeat}), \qquad \min(\max(t, f), l) \quad (\text{hold}),

    separately for each person. That is, "repeat" plays the sequence of the person in a loop, whose end
    precedes the first frame with the person, and whose start follows the last frame with the person. "hold"
    keeps the person still. All values of a frame are copied: poses, presence, confidence, translation.

    Gaps in between are not filled: use :class:`~pyg_sybio.data.transforms.FillMissing` for them, with
    `edges=False` to fill only gaps, before this transform (otherwise the gaps are repeated). A person who is
    never seen is not filled.

    Args:
        mode: `"repeat"` or `"hold"`. (default: `"repeat"`, as usual for NTU RGB+D)

    Raises:
        ValueError: If `mode` has another value.

    Note:
        A filled frame counts as present afterwards, as in the benchmarks, whose networks are trained on it.
        Forecasts must not be compared with it: apply the transform to the observed part of a clip, not to the
        clip before it is split into observed and future frames. Other implementations also move the sequence
        of a person who appears late to the start of the clip. Persons who interact are then no longer
        synchronised, so their times are not changed here.
    """

    def __init__(self, *, mode: Literal["repeat", "hold"] = "repeat") -> None:
        self.mode = check_choice("mode", mode, ("repeat", "hold"))

    def forward(self, motion: Motion) -> Motion:
        seen = motion.seen
        if seen.all():
            return motion
        num_frames = seen.size(1)
        frame = torch.arange(num_frames, device=seen.device).expand_as(seen)
        # For a person who is never seen, the span is the whole clip, so that no frame changes.
        first = seen.int().argmax(1, keepdim=True)
        last = num_frames - 1 - seen.flip(1).int().argmax(1, keepdim=True)
        if self.mode == "hold":
            index = frame.clamp(first, last)
        else:
            index = first + (frame - first) % (last - first + 1)  # unchanged inside the span
        person = torch.arange(motion.num_persons, device=seen.device)[:, None]
        return motion.mapped(lambda values: values[person, index])
