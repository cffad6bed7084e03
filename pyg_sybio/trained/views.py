r"""Test-time augmentation: average the predictions over several views of a clip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import torch
from torch import Tensor
from torch_geometric.data import Data, Dataset

from pyg_sybio.arguments import check_known
from pyg_sybio.data.datasets.two_tasks import WHOLE, Part, check_part
from pyg_sybio.models.sybio_gnn import SybioOutput


class Mirrors(Protocol):
    """Interface of an object that mirrors poses in the coordinates of a model's input."""

    def mirrored(self, poses: Tensor, axis: str) -> Tensor:
        """Poses `[..., M, D]` reflected across an axis, left and right swapped."""


@dataclass(frozen=True)
class Views:
    r"""The views of a clip over which predictions are averaged, in addition to the whole clip.

    With :math:`m` the reflection, which is its own inverse, and :math:`X_k` the clip and its parts,

    .. math::
        \bar y = \frac{1}{2K} \sum_k \big(\hat y(X_k) + \hat y(m X_k)\big), \qquad
        \bar X_{pred} = \tfrac12 \big(\hat X_{pred}(X) + m \hat X_{pred}(m X)\big),

    so neither side of the body is preferred, the start and end of the recording matter less, and the errors
    of the views partly cancel. Parts are only used for recognition, because the future follows the whole
    clip.

    Args:
        mirror: The left-right axis of the body; the mirror image of each view along this axis is added.
            (default: no mirror images)
        parts: Start and end of further views, as fractions of the observed frames, such as ``((0.2, 1.0),
            (0.0, 0.8))``. (default: none)
        stretch: Whether to add views in which the clip and its parts are stretched to the number of frames
            that the model observes, which changes their tempo. (default: :obj:`False`)

    Raises:
        ValueError: If a part is not a pair of increasing fractions.
    """

    mirror: str | None = None
    parts: tuple[tuple[float, float], ...] = ()
    stretch: bool = False

    def __post_init__(self) -> None:
        for part in self.seen:
            check_part(part)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any] | None) -> Self:
        """The views described by a recipe or model file: ``{mirror: x, parts: [[0.2, 1]], stretch: true}``.

        Args:
            settings: All keys are optional; None is a single view.

        Raises:
            ValueError: If a setting is unknown or wrong.
        """
        settings = {} if settings is None else settings
        if not isinstance(settings, Mapping):
            raise ValueError(f"'data.views' is {settings!r}, expected 'mirror', 'parts' or 'stretch'")
        for key in settings:
            check_known(key, ("mirror", "parts", "stretch"), place="'data.views'", of=cls.__name__)
        mirror, parts = settings.get("mirror"), settings.get("parts", [])
        stretch = settings.get("stretch", False)
        if not isinstance(stretch, bool):
            raise ValueError(f"'data.views.stretch' is {stretch!r}, expected true or false")
        if mirror not in (None, "x", "y", "z"):
            raise ValueError(f"'data.views.mirror' is {mirror!r}, expected x, y, z or null")
        if not isinstance(parts, Sequence) or not all(_is_pair(part) for part in parts):
            raise ValueError(f"'data.views.parts' is {parts!r}, expected a list of pairs of fractions")
        return cls(mirror, tuple((float(low), float(high)) for low, high in parts), stretch)

    def to_settings(self) -> dict[str, Any]:
        """Return the settings that :meth:`from_settings` reads."""
        parts = [list(part) for part in self.parts]
        return {"mirror": self.mirror, "parts": parts, "stretch": self.stretch}

    @property
    def count(self) -> int:
        """The number of views of each clip."""
        return len(self.seen) * (1 if self.mirror is None else 2)

    @property
    def seen(self) -> list[Part]:
        """The part of a clip that each view shows, the whole clip first."""
        parts = [WHOLE, *(Part(*part) for part in self.parts)]
        return parts + [part._replace(stretched=True) for part in parts if self.stretch]

    def versions(self, dataset: Dataset) -> list[Dataset]:
        """The data sets of the views (:attr:`seen`), without mirror images.

        Raises:
            ValueError: If the data set lacks a method ``mirrored(poses, axis)`` or ``in_part(part)`` that is
                needed.
        """
        for needed, method, what in (
            (self.mirror is not None, "mirrored(poses, axis)", "mirror images"),
            (len(self.seen) > 1, "in_part(part)", "parts of clips"),
        ):
            if needed and not hasattr(dataset, method.partition("(")[0]):
                raise ValueError(f"{type(dataset).__name__} has no method '{method}' for {what}")
        return [dataset, *(dataset.in_part(part) for part in self.seen[1:])]

    def answer(self, model: Any, space: Mirrors, versions: Sequence[Data]) -> SybioOutput:
        r"""The mean prediction of a model over all views.

        Args:
            model: The model, which may be folded or exported, in evaluation mode.
            space: Object that mirrors poses in the coordinates of the model's input: the data set of the
                clips, or a preparation.
            versions: One batch from each data set of :meth:`versions`, all with the same clips.

        Returns:
            The model's output for whole clips, with the mean probabilities and futures.
        """
        outs = [model(batch) for batch in versions]
        whole = outs[0]
        if self.count == 1:
            return whole
        future = whole.future
        if self.mirror is not None:
            images = [model(_image(model, space, batch, self.mirror)) for batch in versions]
            mirrored = images[0].future
            if future is not None and mirrored is not None:
                future = (future + space.mirrored(mirrored, self.mirror)) / 2
            outs += images
        logits = whole.logits
        if logits is not None:
            each = [out.logits.log_softmax(-1) for out in outs if out.logits is not None]
            logits = torch.stack(each).logsumexp(0)
        return replace(whole, logits=logits, future=future)


ONE_VIEW = Views()
"""A single view: the whole clip."""


def _image(model: Any, space: Mirrors, batch: Data, axis: str) -> Data:
    """The mirror images of a batch's observed frames."""
    image = batch.clone()
    frames = batch.x.unflatten(0, (-1, model.skeleton.num_joints)).transpose(1, 2)
    image.x = space.mirrored(frames, axis).transpose(1, 2).flatten(0, 1)
    return image


def _is_pair(part: Any) -> bool:
    return (
        isinstance(part, Sequence)
        and len(part) == 2
        and all(isinstance(share, int | float) and not isinstance(share, bool) for share in part)
    )
