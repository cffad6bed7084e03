r"""Motions at another frame rate."""

from math import floor

import torch
from torch import Tensor

from pyg_sybio.data.motion import MAX_RATE, MIN_RATE, Motion
from pyg_sybio.data.transforms.base import MotionTransform, check_range
from pyg_sybio.data.transforms.interpolate import interpolate

# Maximum number of values of a motion that becomes longer by resampling.
_MAX_NUMBERS = 2**23

# A time this close to a frame (in frames) counts as that frame; the difference is a rounding error.
_SAME_FRAME = 1e-6


class Resample(MotionTransform):
    r"""The motion at another frame rate.

    Frame `k` of the result is the pose at the time :math:`k / f'` after the first frame, up to the last frame
    of the clip: :math:`T' = \lfloor (T-1) f'/f \rfloor + 1`. Between two frames, positions, scores,
    confidence and the path of the root are interpolated linearly, rotations on the shortest arc. A joint is
    present between two frames if it is present in both. A time that coincides with a frame gives exactly that
    frame, so half the frame rate gives every second frame.

    Args:
        frame_rate: The new frame rate, in Hz.

    Raises:
        ValueError: If `frame_rate` is out of range, a motion has none, or the result would be too long
            (:func:`most_frames`).

    Note:
        No low-pass filter is applied before downsampling, as in the benchmarks that downsample.
    """

    def __init__(self, *, frame_rate: float) -> None:
        self.frame_rate = check_range("frame_rate", frame_rate, MIN_RATE, MAX_RATE)

    def forward(self, motion: Motion) -> Motion:
        if motion.frame_rate is None:
            raise ValueError(f"Resample needs 'frame_rate', but {motion.source or 'the motion'} has none")
        step = motion.frame_rate / self.frame_rate  # in units of the clip's frames
        num_frames = floor((motion.num_frames - 1) / step + _SAME_FRAME) + 1
        if num_frames > (most := most_frames(motion)):
            raise ValueError(
                f"{motion.source or 'the motion'} has {num_frames} frames at {self.frame_rate:g} Hz, "
                f"resampled from {motion.num_frames} at {motion.frame_rate:g} Hz: expected at most {most}"
            )
        times = step * torch.arange(num_frames, dtype=torch.float64)
        return at_times(motion, times).replace(frame_rate=self.frame_rate)


def most_frames(motion: Motion) -> int:
    """Maximum number of frames after resampling, which bounds the memory for any frame rate."""
    return max(motion.num_frames, _MAX_NUMBERS // motion.poses[:, 0].numel())


def at_times(motion: Motion, times: Tensor) -> Motion:
    r"""The motion at other times; its frame rate does not change.

    Args:
        motion: The motion.
        times: Times from 0 to `T - 1`, in frames of the motion, in double precision.

    Shapes:
        - **times:** `[T']`
    """
    nearest = times.round()
    times = times.where((times - nearest).abs() > _SAME_FRAME, nearest).to(motion.poses.device)
    before, after = times.floor().long(), times.ceil().long()
    weight = (times - before).to(motion.poses.dtype)[:, None]  # [T', 1]
    present = motion.present[:, before] & motion.present[:, after]
    start, end = motion.poses[:, before], motion.poses[:, after]
    poses = interpolate(start, end, weight[..., None], rotations=not motion.num_spatial)
    confidence, translation = (
        None if value is None else value[:, before].lerp(value[:, after], weight.to(value.dtype))
        for value in (motion.confidence, motion.translation)
    )
    if confidence is not None:
        confidence = confidence.masked_fill(~present & (weight > 0), 0)
    poses = poses.masked_fill(~present[..., None], 0)
    return motion.replace(poses=poses, present=present, confidence=confidence, translation=translation)
