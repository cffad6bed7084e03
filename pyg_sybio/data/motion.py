r"""A recorded or predicted motion, as returned by every reader and used by every data set."""

import dataclasses
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Any

import torch
from torch import Tensor

from pyg_sybio.skeleton import Skeleton, load_skeleton

TENSORS = ("poses", "present", "confidence", "translation")
MIN_RATE, MAX_RATE = 1e-3, 1e6
"""The lowest and the highest frame rate of a motion, in Hz."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Motion:
    r"""The poses of one or more persons over time, with the metadata of the recording.

    Where a value was not recorded, `present` is False and the pose is zero.

    Args:
        poses: Poses, in the units of the skeleton.
        skeleton: The skeleton of the joints.
        present: Whether each joint of each person was recorded in each frame. (default: all were)
        confidence: The detector's confidence in each joint, from 0 (none) upwards, usually to 1; None for
            formats without it. In a skeleton with `xy+score` it is also the third feature.
        translation: Path of the root, for rotations (coordinates `expmap`), which do not contain it.
        frame_rate: Frame rate in Hz, from :data:`MIN_RATE` to :data:`MAX_RATE`; None if neither the format
            nor the user gives it.
        label: Name of the class, or its number as text for formats with numbers only; None without a class.
        ids: Other properties of the recording, such as `subject`, `view`, `setup`, `style`, as text.
        tracks: The tracker's number of each person. (default: 0, 1, ...)
        source: The origin of the motion: a file, or a file and an entry in it.
        notes: Decisions that a reader made because the file lacks information. Each completes a sentence that
            begins with the name of the file, such as "is read as x, y, score of coco17".
        check_values: Whether to check every value. False saves most of the time for values that are known to
            be valid, such as a selection from a motion; shapes are always checked.

    Shapes:
        - **poses:** `[P, T, M, D]`, single or double precision
        - **present:** `[P, T, M]`
        - **confidence:** `[P, T, M]`
        - **translation:** `[P, T, 3]`

    Raises:
        ValueError: If shapes or values are inconsistent, or a value is not finite.
    """

    poses: Tensor
    skeleton: Skeleton
    present: Tensor = None  # type: ignore[assignment]  # filled by __post_init__
    confidence: Tensor | None = None
    translation: Tensor | None = None
    frame_rate: float | None = None
    label: str | None = None
    ids: Mapping[str, str] = field(default_factory=dict)
    tracks: tuple[int, ...] = ()
    source: str = ""
    notes: tuple[str, ...] = ()
    check_values: InitVar[bool] = True

    def __post_init__(self, check_values: bool) -> None:
        object.__setattr__(self, "skeleton", load_skeleton(self.skeleton))
        if self.present is None:
            object.__setattr__(self, "present", torch.ones(self.poses.shape[:-1], dtype=torch.bool))
        if not self.tracks:
            object.__setattr__(self, "tracks", tuple(range(len(self.poses))))
        self._check_shapes()
        if check_values:
            self._check_values()

    def __repr__(self) -> str:
        rate = "" if self.frame_rate is None else f" at {self.frame_rate:g} Hz"
        skeleton, *shown = map(reprlib.repr, (self.skeleton.name, self.label, self.source[-27:]))
        label, source = (f", {text}" if text not in ("None", "''") else "" for text in shown)
        frames = f"{self.num_persons} x {self.num_frames} frames{rate}"
        return f"Motion({frames}, {skeleton} {list(self.poses.shape)}{label}{source})"

    @property
    def num_persons(self) -> int:
        return self.poses.size(0)

    @property
    def num_frames(self) -> int:
        return self.poses.size(1)

    @property
    def num_spatial(self) -> int:
        """Number of features that are coordinates in space: 3, 2, or 0 for rotations."""
        return self.skeleton.num_spatial

    @property
    def seen(self) -> Tensor:
        """Whether at least one joint of a person is present in a frame, `[P, T]`."""
        return self.present.any(-1)

    @property
    def body_size(self) -> float:
        """Root mean square distance of a person's present joints from their mean, in the largest frame.

        The size is in the unit of the skeleton, and 0 for rotations.
        """
        space, present = self.poses[..., : self.num_spatial].double(), self.present.unsqueeze(-1)
        count = present.sum(2, keepdim=True).clamp(min=1)
        away = (space - space.sum(2, keepdim=True) / count) * present
        return float((away.square().sum((2, 3)) / count[..., 0, 0]).max().sqrt())

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors that are not None, by name."""
        values = {name: getattr(self, name) for name in TENSORS}
        return {name: value for name, value in values.items() if value is not None}

    def replace(self, **changes: Any) -> "Motion":
        """A copy with some fields changed, checked again."""
        return dataclasses.replace(self, **changes)

    def mapped(self, function: Callable[[Tensor], Tensor], **changes: Any) -> "Motion":
        """A copy with a function applied to poses, `present`, confidence and translation `[P, T, ...]`.

        Args:
            function: Function that returns only values of its argument, or zeros.
            changes: Other fields to change.
        """
        mapped = {name: function(value) for name, value in self.tensors.items()}
        return self.replace(**mapped, **changes, check_values=False)

    def frames(self, index: slice | Tensor) -> "Motion":
        """Some of the frames: a slice, or the indices `[T']` of frames, which may repeat."""
        return self.mapped(lambda values: values[:, index])

    def persons(self, index: Sequence[int]) -> "Motion":
        """Some of the persons, at least one, in the given order."""
        tracks = tuple(self.tracks[person] for person in index)
        return self.mapped(lambda values: values[list(index)], tracks=tracks)

    def joints(self, skeleton: Skeleton) -> "Motion":
        """The joints of another skeleton, found by their names.

        Raises:
            ValueError: If this motion lacks one of the joints, or its skeleton has other coordinates.
        """
        if skeleton == self.skeleton:
            return self
        if skeleton.coordinates != self.skeleton.coordinates:
            found = f"'skeleton' {skeleton.name!r} has coordinates '{skeleton.coordinates}'"
            raise ValueError(f"{found}, but {self.source or 'the motion'} has '{self.skeleton.coordinates}'")
        index = [self.skeleton.joint_index(name) for name in skeleton.joints]
        chosen = {name: value[:, :, index] for name, value in self.tensors.items() if name != "translation"}
        return self.replace(**chosen, skeleton=skeleton, check_values=False)

    def equal(self, other: "Motion") -> bool:
        """Whether all fields are exactly equal."""
        mine, others = self.tensors, other.tensors
        fields = ("skeleton", "frame_rate", "label", "ids", "tracks", "source")
        return (
            mine.keys() == others.keys()
            and all(mine[name].dtype == others[name].dtype for name in mine)
            and all(torch.equal(mine[name], others[name]) for name in mine)
            and all(getattr(self, name) == getattr(other, name) for name in fields)
        )

    def _check_shapes(self) -> None:
        poses, skeleton = self.poses, self.skeleton
        expected = (skeleton.num_joints, skeleton.num_features)
        if poses.dim() != 4 or tuple(poses.shape[-2:]) != expected:
            found = f"'poses' has shape {list(poses.shape)}, expected [P, T, {expected[0]}, {expected[1]}]"
            raise ValueError(f"{found} for skeleton '{skeleton.name}' ({skeleton.coordinates})")
        if not poses.numel():
            raise ValueError(f"'poses' has shape {list(poses.shape)}, expected at least one person and frame")
        if not poses.is_floating_point():
            raise ValueError(f"'poses' is {poses.dtype}, expected floating point numbers")
        for name, value, shape in (
            ("present", self.present, poses.shape[:3]),
            ("confidence", self.confidence, poses.shape[:3]),
            ("translation", self.translation, (*poses.shape[:2], 3)),
        ):
            if value is not None and tuple(value.shape) != tuple(shape):
                raise ValueError(f"'{name}' has shape {list(value.shape)}, expected {list(shape)}")
        if self.present.dtype != torch.bool:
            raise ValueError(f"'present' is {self.present.dtype}, expected booleans")
        if self.translation is not None and skeleton.coordinates != "expmap":
            found = f"skeleton '{skeleton.name}' has coordinates '{skeleton.coordinates}'"
            raise ValueError(f"'translation' is only for rotations ('expmap'), but {found}")
        if self.frame_rate is not None and not MIN_RATE <= self.frame_rate <= MAX_RATE:
            raise ValueError(f"'frame_rate' is {self.frame_rate}, expected {MIN_RATE:g} to {MAX_RATE:g} Hz")
        if len(self.tracks) != self.num_persons:
            raise ValueError(f"'tracks' has {len(self.tracks)} entries for {self.num_persons} persons")

    def _check_values(self) -> None:
        for name, value in self.tensors.items():
            # The sum is fast to compute. Unless it overflows, it is finite if and only if all values are.
            if not value.sum().isfinite() and not value.isfinite().all():
                index = (~value.isfinite()).nonzero()[0].tolist()
                raise ValueError(f"'{name}' has a value that is not a finite number at {index}")
        if self.confidence is not None and (self.confidence < 0).any():
            raise ValueError(f"'confidence' has the value {self.confidence.min():g}, expected at least 0")
        if self.present.all():
            return
        hidden = (self.poses != 0).any(-1) & ~self.present
        if hidden.any():
            person, frame, joint = hidden.nonzero()[0].tolist()
            place = f"person {person}, frame {frame}, joint '{self.skeleton.joints[joint]}'"
            raise ValueError(f"'poses' has values for {place}, which is not present: expected zeros there")
