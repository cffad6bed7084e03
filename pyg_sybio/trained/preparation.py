r"""Preprocessing of recorded frames for a trained model, and the inverse conversion of its forecasts."""

import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor

from pyg_sybio.data import transforms as T
from pyg_sybio.data.datasets.clip_transforms import Transform
from pyg_sybio.data.datasets.motion_folder import SAME_RATE
from pyg_sybio.data.datasets.standardize import Standardize, used_columns
from pyg_sybio.data.datasets.two_tasks import WHOLE, Part, split_tasks
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import hide
from pyg_sybio.data.transforms.fill_missing import FillMode
from pyg_sybio.data.transforms.from_settings import build_transforms, settings_of, steps_of
from pyg_sybio.data.transforms.mirror import mirrored_poses
from pyg_sybio.data.transforms.resample import at_times, most_frames
from pyg_sybio.models.bounds import bounded_skeleton
from pyg_sybio.skeleton import Skeleton

CHOOSE_PERSONS = (T.JoinTracks, T.SelectBodies, T.SelectByConfidence)
"""Transforms that select some of several persons."""

# Transforms that decide what a model sees in place of missing joints.
_FILL = (T.FillMissing, T.FillNullFrames)

# Transforms that select, repeat, smooth or resample persons and frames, and keep the coordinates.
_KEEP_COORDINATES = (
    *CHOOSE_PERSONS, T.Crop, T.FillMissing, T.FillNullFrames, T.LimitLength, T.Pad, T.Resample,
    T.ResampleLength, T.Smooth, T.TrimNullFrames,
)  # fmt: skip

# Transforms that treat persons independently, and transforms with an option to do so.
_EACH_ALONE = (
    T.Crop, T.FillMissing, T.FillNullFrames, T.LimitLength, T.Mirror, T.Pad, T.ResampleLength, T.Shift,
    T.Smooth, Standardize,
)  # fmt: skip
_APART = (T.Center, T.LinearTransform)

WayBack = Callable[[Motion], Motion]


@dataclass(frozen=True)
class Prepared:
    r"""A motion as a model sees it.

    Args:
        observed: The observed frames of all persons.
        seen: Whether each joint was recorded in any of these frames, before they were filled.
        undone: The inverse steps, from the coordinates of `observed` to the coordinates of the motion.

    Shapes:
        - **seen:** `[P, M]`
    """

    observed: Motion
    seen: Tensor
    undone: tuple[WayBack, ...] = ()

    def to_recording(self, future: Motion) -> Motion:
        """Convert a forecast to the recording's coordinates, without joints that were never observed."""
        future = hide(future, ~self.seen[:, None])
        for step in self.undone:
            future = step(future)
        return future

    def of_seen_persons(self) -> "Prepared":
        """Select the persons who are seen; the first person if none is seen, as in data sets."""
        persons = self.observed.present.flatten(1).any(1).nonzero().flatten().tolist() or [0]
        return replace(self, observed=self.observed.persons(persons), seen=self.seen[persons])


@dataclass(frozen=True, repr=False)
class Preparation:
    r"""Preprocessing of recorded frames for a model, the same for files and for live poses.

    A motion of another frame rate is resampled, from its last frame backwards (:func:`at_rate`). Then
    `preprocess` is applied. The last `num_observed` frames of the result are observed; if there are too few,
    they are padded at the front. `fill` is applied last.

    Args:
        skeleton: The joints of the recordings.
        num_observed: The number of frames that the model observes.
        frame_rate: The frame rate of the observed frames, in Hz.
        preprocess: Transforms, in their order.
        fill: Transforms of the observed frames, in their order. With ``FillMissing(mode="mask")`` among them,
            the model sees missing joints as zeros. (default: missing joints are interpolated)
        padding: How clips with too few frames are padded, `"repeat"` or `"hold"`
            (:func:`~pyg_sybio.data.datasets.two_tasks.split_tasks`); None does not pad them.
    """

    skeleton: Skeleton
    num_observed: int
    frame_rate: float
    preprocess: tuple[Transform, ...] = ()
    fill: tuple[Transform, ...] = (T.FillMissing(),)
    padding: str | None = "repeat"

    def __repr__(self) -> str:
        steps = "".join(f", {type(step).__name__}" for step in (*self.preprocess, *self.fill)[:4])
        frames = f"{self.num_observed} frames at {self.frame_rate:g} Hz"
        return f"Preparation({reprlib.repr(self.skeleton.name)}, {frames}{steps})"

    def __call__(self, motion: Motion, *, apart: bool = False, part: Part = WHOLE) -> Prepared:
        """Prepare a motion, which ends with the newest frame.

        Args:
            motion: The motion.
            apart: Treat each person as a separate clip, which all steps have to support (:attr:`can_apart`).
            part: The segment of the frames that the model sees
                (:func:`~pyg_sybio.data.datasets.two_tasks.split_tasks`).

        Raises:
            ValueError: If `part` is given, but the clips of the model's data set are not padded.
        """
        motion = at_rate(motion, self.frame_rate, least=self.num_observed)
        undone: list[WayBack] = []
        for step in self.preprocess:
            motion, back = _applied(step, motion, apart)
            undone += [] if back is None else [back]
        if self.padding is None:
            if part != WHOLE:
                raise ValueError(f"'part' is {part[:2]}, but clips that are not padded have no parts")
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
        seen = observed.present.any(1)
        for step in self.fill:
            observed = step(observed)
        return Prepared(observed, seen, tuple(reversed(undone)))

    def filled(self, mode: FillMode) -> Self:
        """The preparation with missing joints filled by :class:`~pyg_sybio.data.transforms.FillMissing`."""
        preprocess, fill = (
            tuple(step for step in steps if not isinstance(step, _FILL))
            for steps in (self.preprocess, self.fill)
        )
        missing = T.FillMissing(mode=mode)
        if self.standardize is not None:  # z-scores cannot be interpolated as rotations
            return replace(self, preprocess=(missing, *preprocess), fill=fill)
        return replace(self, fill=(missing, *fill))

    @property
    def fills(self) -> bool:
        """Whether the steps determine the model's input in place of missing joints."""
        return any(isinstance(step, _FILL) for step in (*self.preprocess, *self.fill))

    def mirrored(self, poses: Tensor, axis: str) -> Tensor:
        """The mirror image of poses `[..., T, M, D]` as the model sees them."""
        if self.standardize is not None:
            return self.standardize.mirrored(poses, axis)
        return mirrored_poses(poses, self.skeleton, axis)

    @property
    def standardize(self) -> Standardize | None:
        """The transform to z-scores; None if the model does not use z-scores."""
        return next((step for step in reversed(self.preprocess) if isinstance(step, Standardize)), None)

    @property
    def can_apart(self) -> bool:
        """Whether persons can be prepared together as separate clips, which is three times as fast for ten
        persons."""
        return all(isinstance(step, (*_EACH_ALONE, *_APART)) for step in (*self.preprocess, *self.fill))

    @property
    def model_skeleton(self) -> Skeleton:
        """The joints that the model sees."""
        return self.skeleton if self.standardize is None else self.standardize.skeleton

    @property
    def notices(self) -> tuple[str, ...]:
        """Remarks for the user on the conversion back, each beginning with a verb."""
        return tuple(
            f"has its future in coordinates changed by {type(step).__name__}, which cannot be inverted"
            for step in self.preprocess
            if not isinstance(step, (T.InvertibleTransform, Standardize, *_KEEP_COORDINATES))
        )

    def to_document(self) -> dict[str, Any]:
        r"""The preparation as plain values for a model file, including the statistics of z-scores.

        Raises:
            ValueError: If a transform is not registered, or does not store its arguments.
        """
        document: dict[str, Any] = {
            "num_observed": self.num_observed,
            "frame_rate": self.frame_rate,
            "preprocess": [settings_of(step) for step in self.preprocess],
            "fill": [settings_of(step) for step in self.fill],
            "padding": self.padding,
        }
        # By default, the recordings have the model's skeleton, which is in the model's config.
        if self.model_skeleton != self.skeleton:
            document["skeleton"] = self.skeleton.to_dict()
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any], model_skeleton: Skeleton) -> Self:
        r"""The preparation that :meth:`to_document` described.

        Args:
            document: The plain values, checked against the schema.
            model_skeleton: The joints that the model sees.

        Raises:
            ValueError: If a transform is unknown or cannot be built, or the result does not fit the model.
        """
        steps = [*document["preprocess"], *document["fill"]]
        for each in (document, *(step.get("arguments", {}) for step in steps)):
            if "skeleton" in each:
                bounded_skeleton(each["skeleton"], "the preparation")
        skeleton = document.get("skeleton")
        preparation = cls(
            skeleton=model_skeleton if skeleton is None else Skeleton.from_dict(skeleton),
            num_observed=document["num_observed"],
            frame_rate=document["frame_rate"],
            preprocess=steps_of(build_transforms(document["preprocess"], "preparation.preprocess")),
            fill=steps_of(build_transforms(document["fill"], "preparation.fill")),
            padding=document["padding"],
        )
        # Earlier versions wrote no step for clips without gaps. With scores, a model has learned gaps.
        if not preparation.fills and model_skeleton.coordinates != "xy+score":
            preparation = preparation.filled("interpolate")
        preparation._check_statistics()
        if preparation.model_skeleton != model_skeleton:
            raise ValueError(
                f"the preparation gives skeleton '{preparation.model_skeleton.name}', but the model has "
                f"'{model_skeleton.name}'"
            )
        return preparation

    def _check_statistics(self) -> None:
        """Raise an error unless the statistics of the z-scores have the columns of the model's joints."""
        for step in self.preprocess:
            if isinstance(step, Standardize):
                used, columns = used_columns(self.skeleton, step.skeleton), 3 + 3 * self.skeleton.num_joints
                normalisation = step.normalisation
                if normalisation.used != used or len(normalisation.mean) != columns:
                    raise ValueError(
                        f"the statistics have {len(normalisation.used)} of {len(normalisation.mean)} "
                        f"columns, expected {len(used)} of {columns}, the columns of the model's joints"
                    )


def at_rate(motion: Motion, frame_rate: float, *, least: int = 1) -> Motion:
    r"""Resample a motion. Its last frame does not change, because a prediction continues from it.

    Args:
        motion: The motion. If it has no frame rate, `frame_rate` is assumed.
        frame_rate: The new frame rate, in Hz.
        least: If the result would be too long (:func:`~pyg_sybio.data.transforms.resample.most_frames`), at
            least this many of its last frames are kept.
    """
    rate = motion.frame_rate
    if rate is None:
        return motion.replace(frame_rate=frame_rate)
    if abs(rate - frame_rate) <= SAME_RATE * frame_rate:
        return motion
    step = rate / frame_rate
    last = motion.num_frames - 1
    # If the result would be too long, only its last frames are kept, at least as many as a window has.
    num_frames = min(int(last / step) + 1, max(most_frames(motion), least))
    times = last - step * torch.arange(num_frames, dtype=torch.float64).flip(0)
    return at_times(motion, times.clamp(min=0)).replace(frame_rate=frame_rate)


def rate_notices(rate: float | None, frame_rate: float) -> tuple[str, ...]:
    """Describe what :func:`at_rate` does to a motion, beginning with a verb; empty if it does nothing."""
    if rate is None:
        return (f"does not contain its frame rate: taken to be {frame_rate:g} Hz, as in training",)
    if abs(rate - frame_rate) <= SAME_RATE * frame_rate:
        return ()
    return (f"is resampled from {rate:g} Hz to {frame_rate:g} Hz",)


def _applied(transform: Transform, motion: Motion, apart: bool) -> tuple[Motion, WayBack | None]:
    """Return the transformed motion, and the inverse transform if one exists and is needed."""
    if isinstance(transform, Standardize):
        return transform(motion), partial(transform.invert, skeleton=motion.skeleton)
    if isinstance(transform, _KEEP_COORDINATES) or not isinstance(transform, T.InvertibleTransform):
        return transform(motion), None
    if apart and isinstance(transform, _APART):
        motion, parameters = transform.apply_apart(motion)
    else:
        motion, parameters = transform.apply(motion)
    if isinstance(transform, T.Center):
        # Centring every frame removes the path of the body, so the future stays at the last position.
        parameters = parameters[..., -1:, :]
    return motion, partial(transform.invert, parameters=parameters)
