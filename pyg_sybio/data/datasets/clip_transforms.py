"""The transforms of a data set, and when each is applied."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch_geometric.transforms import Compose

from pyg_sybio.data.motion import Motion

Transform = Callable[[Motion], Motion]
Transforms = Transform | Sequence[Transform]


def composed(transforms: Transforms | None) -> Transform | None:
    """Compose transforms in order; None if there are none."""
    if not isinstance(transforms, Sequence):
        return transforms
    return Compose(list(transforms)) if transforms else None


def as_seen(observed: Motion, corrupt: Transform | None, fill: Transform | None) -> Motion:
    """The observed frames of a clip as a model sees them: corrupted, then filled.

    Raises:
        ValueError: If a transform changes the persons or the number of frames.
    """
    seen = observed
    for transform in (corrupt, fill):
        if transform is not None:
            seen = transform(seen)
    if seen.tracks != observed.tracks or seen.num_frames != observed.num_frames:
        raise ValueError(
            f"'corrupt' and 'fill' changed {observed} to {seen}, expected the same persons and frames"
        )
    return seen


@dataclass(frozen=True, kw_only=True)
class ClipTransforms:
    r"""Transforms of the clips of a data set. Each field is a transform, or a list that is applied in order.

    Args:
        preprocess: Applied once, before a clip is stored. (default: the class's `default_preprocess`; an
            empty list does nothing)
        augment: Applied to a clip, or to a window, before it is split into observed and future frames. A
            window has to keep its length.
        corrupt: Applied to the observed frames only, to imitate a bad sensor.
        fill: Applied to the observed frames after `corrupt`, to fill missing joints and frames. If clips were
            filled before they are split, targets could be poses that were never recorded. (default: the
            class's `default_fill`, which is :class:`~pyg_sybio.data.transforms.FillMissing` unless a
            benchmark has another; an empty list fills nothing, and the trained model expects gaps as zeros)
    """

    preprocess: Transforms | None = None
    augment: Transforms | None = None
    corrupt: Transforms | None = None
    fill: Transforms | None = None


DEFAULT_TRANSFORMS = ClipTransforms()


@dataclass(frozen=True)
class SomebodySeen:
    r"""Prepare a clip, or leave it out if it contains no person.

    Args:
        transform: Applied to the clip. (default: nothing)

    Returns:
        The transformed clip; None if no person is present in any frame.
    """

    transform: Transform | None = None

    def __call__(self, motion: Motion) -> Motion | None:
        """Transform a clip, or leave it out."""
        if motion.present.any() and self.transform is not None:
            motion = self.transform(motion)
        return motion if motion.present.any() else None
