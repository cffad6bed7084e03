r"""Base classes of transforms of motions, and functions that they share."""

import inspect
from abc import abstractmethod

import torch
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from pyg_sybio.data.motion import Motion


class MotionTransform(BaseTransform):
    r"""A transform from a :class:`~pyg_sybio.data.motion.Motion` to another one, which composes with PyG's
    transforms.

    A transform never writes into the tensors of its input, and poses stay zero where they are not present.
    Random transforms draw from torch's global generator.

    The representation shows every argument of the constructor, so that two transforms with the same
    representation do the same.
    """

    @abstractmethod
    def forward(self, motion: Motion) -> Motion:
        """The transformed motion."""

    def __repr__(self) -> str:
        names = inspect.signature(type(self)).parameters
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


class InvertibleTransform(MotionTransform):
    r"""A transform that can be undone.

    The transform has no state: :meth:`apply` returns the transformed motion and the parameters, with which
    :meth:`invert` undoes the transform. The inverse also applies to another motion, such as a prediction. If
    each frame has its own parameters, both motions need the same number of frames.

    .. code-block:: python

        centred, offset = Center(joint="pelvis").apply(motion)
        motion = Center(joint="pelvis").invert(centred, offset)
    """

    @abstractmethod
    def apply(self, motion: Motion) -> tuple[Motion, Tensor]:
        """The transformed motion, and the parameters of :meth:`invert`."""

    @abstractmethod
    def invert(self, motion: Motion, parameters: Tensor) -> Motion:
        """Undo :meth:`apply`, which returned these `parameters`."""

    def forward(self, motion: Motion) -> Motion:
        return self.apply(motion)[0]


class LinearTransform(InvertibleTransform):
    r"""A linear map of space, the same for all persons, joints and frames of a motion.

    .. math::
        x' = A\,x

    The parameters of :meth:`apply` are `A`; :meth:`invert` solves :math:`A x = x'`.

    Shapes:
        - **parameters:** `[S, S]`, with `S` the number of coordinates in space
    """

    @abstractmethod
    def matrix(self, motion: Motion) -> Tensor:
        """The map `A` for this motion, `[S, S]`, in the precision of its poses."""

    def apply(self, motion: Motion) -> tuple[Motion, Tensor]:
        space = space_of(motion, self)
        matrix = self.matrix(motion)
        return with_space(motion, space @ matrix.mT.contiguous()), matrix  # a contiguous copy is faster

    def matrices(self, motion: Motion) -> Tensor:
        """The map of each person as if the motion had no other persons, `[P, S, S]`."""
        return torch.stack([self.matrix(motion.persons([person])) for person in range(motion.num_persons)])

    def apply_apart(self, motion: Motion) -> tuple[Motion, Tensor]:
        """Like :meth:`apply`, separately for each person; parameters are `[P, 1, S, S]`."""
        space, matrices = space_of(motion, self), self.matrices(motion)[:, None]
        return with_space(motion, space @ matrices.mT.contiguous()), matrices

    def invert(self, motion: Motion, parameters: Tensor) -> Motion:
        return with_space(motion, space_of(motion, self) @ torch.linalg.inv(parameters).mT.contiguous())


def space_of(motion: Motion, transform: BaseTransform) -> Tensor:
    r"""The coordinates in space, `[P, T, M, S]`: the first 3 or 2 features, without a score.

    Raises:
        ValueError: If the poses are rotations; the message names `transform`.
    """
    if not motion.num_spatial:
        found = f"skeleton '{motion.skeleton.name}' has rotations ('{motion.skeleton.coordinates}')"
        raise ValueError(f"{type(transform).__name__} is only for positions, but {found}")
    return motion.poses[..., : motion.num_spatial]


def with_space(motion: Motion, space: Tensor) -> Motion:
    """The motion with other coordinates in space `[P, T, M, S]`, zero where not present; scores are kept."""
    if motion.num_spatial == motion.poses.size(-1):
        return motion.replace(poses=space)
    return motion.replace(poses=torch.cat([space, motion.poses[..., motion.num_spatial :]], dim=-1))


def shift_space(motion: Motion, offset: Tensor, transform: BaseTransform) -> Motion:
    """The motion with an offset, which broadcasts to `[P, T, M, S]`, added to every joint that is present."""
    return with_space(motion, (space_of(motion, transform) + offset) * motion.present[..., None])


def hide(motion: Motion, hidden: Tensor) -> Motion:
    """The motion without the joints in `hidden`, which broadcasts to `[P, T, M]`."""
    hidden = hidden.expand_as(motion.present)
    return motion.replace(
        poses=motion.poses.masked_fill(hidden[..., None], 0),
        present=motion.present & ~hidden,
        confidence=None if motion.confidence is None else motion.confidence.masked_fill(hidden, 0),
    )


def random_stretch(num_frames: int, share: float, *size: int) -> Tensor:
    """Masks `[*size, T]`, each True in one random run of ``round(share * num_frames)`` frames."""
    length = round(share * num_frames)
    start = torch.randint(num_frames - length + 1, (*size, 1))
    frames = torch.arange(num_frames)
    return (frames >= start) & (frames < start + length)


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    """The value, if it is one of the choices; otherwise a :class:`ValueError`."""
    if value not in choices:
        raise ValueError(f"'{name}' is {value!r}, expected one of {', '.join(map(repr, choices))}")
    return value


def check_count(name: str, value: int, least: int = 1) -> int:
    """The value, if it is an integer of at least `least`; otherwise a :class:`ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"'{name}' is {value!r}, expected an integer of at least {least}")
    return value


def check_range(name: str, value: float, low: float, high: float) -> float:
    """The value as a float, if it is from `low` to `high` inclusive; otherwise a :class:`ValueError`."""
    if not low <= value <= high:
        raise ValueError(f"'{name}' is {value!r}, expected a number from {low:g} to {high:g}")
    return float(value)
