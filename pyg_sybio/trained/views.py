r"""How a clip is looked at when a model is judged: once, or several times for a mean answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

import torch
from torch import Tensor
from torch_geometric.data import Data, Dataset

from pyg_sybio.arguments import check_known
from pyg_sybio.data.datasets.two_tasks import check_part
from pyg_sybio.models.sybio_gnn import SybioOutput

if TYPE_CHECKING:
    from pyg_sybio.models.sybio_gnn import SybioGNN
    from pyg_sybio.trained.onnx_model import OnnxModel

Model: TypeAlias = "SybioGNN | OnnxModel"


class Mirrors(Protocol):
    """What knows the mirror image of poses as a model sees them."""

    def mirrored(self, poses: Tensor, axis: str) -> Tensor:
        """Poses `[..., M, D]` reflected across an axis, left and right swapped."""


@dataclass(frozen=True)
class Looks:
    r"""The looks that a model takes at a clip beside the one at all of it (test-time augmentation).

    With :math:`m` the reflection, which is its own inverse, and :math:`X_k` the clip and its parts,

    .. math::
        \bar y = \frac{1}{2K} \sum_k \big(\hat y(X_k) + \hat y(m X_k)\big), \qquad
        \bar X_{pred} = \tfrac12 \big(\hat X_{pred}(X) + m \hat X_{pred}(m X)\big),

    so that neither side of the body is preferred, it matters less where a recording was cut, and the errors
    of the looks in part cancel. Parts are for recognition alone: a future begins where all of a clip ends.

    Args:
        mirror: The axis from one side of the body to the other: each look is taken at the mirror image, too.
            (default: none is)
        parts: The shares of the observed frames between which a further look sees them, as
            ``((0.2, 1.0), (0.0, 0.8))``. (default: none)

    Raises:
        ValueError: If a part is not two shares, the lower one first.
    """

    mirror: str | None = None
    parts: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        for part in self.parts:
            check_part(part)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any] | None) -> Self:
        """The looks that a recipe or a checkpoint describes as ``{mirror: x, parts: [[0.2, 1.0]]}``.

        Args:
            settings: Either key may be missing; None is one look alone.

        Raises:
            ValueError: If a setting is unknown or wrong.
        """
        settings = {} if settings is None else settings
        if not isinstance(settings, Mapping):
            raise ValueError(f"'data.views' is {settings!r}, expected 'mirror', 'parts', or both")
        for key in settings:
            check_known(key, ("mirror", "parts"), place="'data.views'", of=cls.__name__)
        mirror, parts = settings.get("mirror"), settings.get("parts", [])
        if mirror not in (None, "x", "y", "z"):
            raise ValueError(f"'data.views.mirror' is {mirror!r}, expected x, y, z or null")
        if not isinstance(parts, Sequence) or not all(_is_pair(part) for part in parts):
            raise ValueError(f"'data.views.parts' is {parts!r}, expected a list of pairs of shares")
        return cls(mirror, tuple((float(low), float(high)) for low, high in parts))

    @property
    def count(self) -> int:
        """How many looks are taken at a clip."""
        return (1 + len(self.parts)) * (1 if self.mirror is None else 2)

    def versions(self, dataset: Dataset) -> list[Dataset]:
        """The clips that are looked at: all of each, then each part.

        Raises:
            ValueError: If the data set has no method ``mirrored(poses, axis)`` or ``in_part(part)``, and it
                is needed.
        """
        for needed, method, what in (
            (self.mirror is not None, "mirrored(poses, axis)", "mirror images"),
            (bool(self.parts), "in_part(part)", "parts of clips"),
        ):
            if needed and not hasattr(dataset, method.partition("(")[0]):
                raise ValueError(f"{type(dataset).__name__} has no method '{method}' for {what}")
        return [dataset, *(dataset.in_part(part) for part in self.parts)]

    def answer(self, model: Model, space: Mirrors, versions: Sequence[Data]) -> SybioOutput:
        r"""What a model says of clips.

        Args:
            model: The model, in evaluation mode.
            space: What mirrors poses as the model sees them: the clips' data set.
            versions: A batch of each of :meth:`versions`, of the same clips.

        Returns:
            The model's output for whole clips, with logits and futures of all looks together.
        """
        outs = [model(batch) for batch in versions]
        whole = outs[0]
        if self.count == 1:
            return whole
        future = whole.future
        if self.mirror is not None:
            images = [model(_image(model, space, batch, self.mirror)) for batch in versions]
            if future is not None:
                future = (future + space.mirrored(images[0].future, self.mirror)) / 2
            outs += images
        logits = whole.logits
        if logits is not None:
            logits = torch.stack([out.logits.log_softmax(-1) for out in outs]).logsumexp(0)
        return replace(whole, logits=logits, future=future)


ONE_LOOK = Looks()
"""At all of a clip, as it is."""


def _image(model: Model, space: Mirrors, batch: Data, axis: str) -> Data:
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
