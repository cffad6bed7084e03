r"""Recorded frames as a trained model wants to see them, and the way back to the space they came in."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from pyg_sybio.data.datasets.expmap import Standardize
from pyg_sybio.data.datasets.motion_dataset import Transform
from pyg_sybio.data.datasets.motion_folder import SAME_RATE
from pyg_sybio.data.datasets.two_tasks import WHOLE, split_tasks
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms import (
    Center,
    Crop,
    FillMissing,
    FillNullFrames,
    InvertibleTransform,
    JoinTracks,
    LimitLength,
    LinearTransform,
    Mirror,
    Pad,
    ResampleLength,
    SelectBodies,
    SelectByConfidence,
    Shift,
    Smooth,
    TrimNullFrames,
)
from pyg_sybio.data.transforms.mirror import mirrored_poses
from pyg_sybio.data.transforms.resample import at_times, most_frames
from pyg_sybio.skeleton import Skeleton

# Transforms that choose, repeat or smooth persons and frames, and leave space as it is.
_KEEP_COORDINATES = (
    Crop, FillMissing, FillNullFrames, JoinTracks, Pad, SelectBodies, SelectByConfidence, Smooth,
    TrimNullFrames,
)  # fmt: skip

# Those that do to each person what they would do to it alone, and those that can, if asked to.
_EACH_ALONE = (
    Crop, FillMissing, FillNullFrames, LimitLength, Mirror, Pad, ResampleLength, Shift, Smooth, Standardize,
)  # fmt: skip
_APART = (Center, LinearTransform)

WayBack = Callable[[Motion], Motion]


@dataclass(frozen=True)
class Prepared:
    r"""What a model is to see of a motion.

    Args:
        observed: The observed frames, of all persons.
        undone: What leads from the space of `observed` back to that of the motion, step by step.
    """

    observed: Motion
    undone: tuple[WayBack, ...] = ()

    def to_recording(self, future: Motion) -> Motion:
        """A motion in the space of `observed`, such as a forecast, in the space of what was recorded."""
        for step in self.undone:
            future = step(future)
        return future


@dataclass(frozen=True)
class Preparation:
    r"""What is done to recorded frames before a model sees them, in one place for files and for live poses.

    A motion of another frame rate is resampled, from its last frame backwards
    (:func:`at_rate`). Then comes `preprocess`; of the result, the last `num_observed` frames are observed,
    and filled at the front if they are too few; at last comes `fill`.

    Args:
        skeleton: The joints of the motions that come.
        num_observed: Frames that the model observes.
        frame_rate: Of what it observes, Hz.
        preprocess: Transforms, one after the other.
        fill: Transforms of the observed frames, one after the other.
        padding: How too few frames are filled (:func:`~pyg_sybio.data.datasets.two_tasks.split_tasks`):
        `"repeat"` or
            `"hold"`; None leaves them few.
    """

    skeleton: Skeleton
    num_observed: int
    frame_rate: float
    preprocess: tuple[Transform, ...] = ()
    fill: tuple[Transform, ...] = ()
    padding: str | None = "repeat"

    def __call__(self, motion: Motion, *, apart: bool = False, part: tuple[float, float] = WHOLE) -> Prepared:
        """Prepare a motion, which ends with the newest frame.

        Args:
            motion: The motion.
            apart: Whether each person is a clip of its own. Then all steps have to be able to
                (:attr:`can_apart`).
            part: What of it is seen (:func:`~pyg_sybio.data.datasets.two_tasks.split_tasks`).

        Raises:
            ValueError: If a part is asked for, and the data set of the model has none.
        """
        motion = at_rate(motion, self.frame_rate, least=self.num_observed)
        undone: list[WayBack] = []
        for step in self.preprocess:
            motion, back = _applied(step, motion, apart)
            undone += [] if back is None else [back]
        if self.padding is None:
            if part != WHOLE:
                raise ValueError(f"'part' is {part}, but the clips of this model's data set have no parts")
            observed = motion.frames(slice(-self.num_observed, None))
        else:
            observed = split_tasks(
                motion,
                num_observed=self.num_observed,
                num_future=1,
                padding=self.padding,
                split=motion.num_frames,
                part=part,
            ).observed
        for step in self.fill:
            observed = step(observed)
        return Prepared(observed, tuple(reversed(undone)))

    def mirrored(self, poses: Tensor, axis: str) -> Tensor:
        """Poses `[..., T, M, D]` as the model sees them, of the mirror image of a motion."""
        for step in reversed(self.preprocess):
            if isinstance(step, Standardize):
                return step.mirrored(poses, axis)
        return mirrored_poses(poses, self.skeleton, axis)

    @property
    def can_apart(self) -> bool:
        """Whether persons can be prepared at once as if each were alone: ten take a third of the time."""
        return all(isinstance(step, (*_EACH_ALONE, *_APART)) for step in (*self.preprocess, *self.fill))

    @property
    def model_skeleton(self) -> Skeleton:
        """The joints that the model sees."""
        standardized = [step.skeleton for step in self.preprocess if isinstance(step, Standardize)]
        return standardized[-1] if standardized else self.skeleton

    @property
    def notices(self) -> tuple[str, ...]:
        """What a user should know of the way back, beginning with a verb."""
        return tuple(
            f"has its future in the space that {type(step).__name__} makes, as that has no way back"
            for step in self.preprocess
            if not isinstance(step, (InvertibleTransform, Standardize, *_KEEP_COORDINATES))
        )


def at_rate(motion: Motion, frame_rate: float, *, least: int = 1) -> Motion:
    r"""The motion at another frame rate; its last frame stays, as that is where a prediction goes on.

    Args:
        motion: The motion. One that does not say its rate is taken to have this one.
        frame_rate: In Hz.
        least: Frames that are kept, if there are as many, of a motion that would become too long
            (:func:`~pyg_sybio.data.transforms.resample.most_frames`).
    """
    rate = motion.frame_rate
    if rate is None:
        return motion.replace(frame_rate=frame_rate)
    if abs(rate - frame_rate) <= SAME_RATE * frame_rate:
        return motion
    step = rate / frame_rate
    last = motion.num_frames - 1
    # Of a motion that would become too long, the last frames: a window needs no others.
    num_frames = min(int(last / step) + 1, max(most_frames(motion), least))
    times = last - step * torch.arange(num_frames, dtype=torch.float64).flip(0)
    return at_times(motion, times.clamp(min=0)).replace(frame_rate=frame_rate)


def rate_notice(rate: float | None, frame_rate: float) -> str | None:
    """What :func:`at_rate` does to a motion, as a remark that begins with a verb; None if it does nothing."""
    if rate is None:
        return f"does not say its frame rate: taken for {frame_rate:g} Hz, as in training"
    if abs(rate - frame_rate) <= SAME_RATE * frame_rate:
        return None
    return f"is resampled from {rate:g} Hz to {frame_rate:g} Hz"


def _applied(transform: Transform, motion: Motion, apart: bool) -> tuple[Motion, WayBack | None]:
    """The transformed motion, and the way back, where there is one and it is needed."""
    if isinstance(transform, Standardize):
        return transform(motion), partial(transform.invert, skeleton=motion.skeleton)
    if isinstance(transform, _KEEP_COORDINATES) or not isinstance(transform, InvertibleTransform):
        return transform(motion), None
    if apart and isinstance(transform, _APART):
        motion, parameters = transform.apply_apart(motion)
    else:
        motion, parameters = transform.apply(motion)
    if isinstance(transform, Center):
        # Centred frame by frame, a motion has no path: the future stays where the last frame was.
        parameters = parameters[..., -1:, :]
    return motion, partial(transform.invert, parameters=parameters)
