r"""Base class of data sets of positions: mirror images and errors."""

from torch import Tensor
from torch_geometric.data import Dataset

from pyg_sybio.data.transforms.mirror import mirrored_poses
from pyg_sybio.metrics import position_errors
from pyg_sybio.skeleton import Skeleton


class PositionDataset(Dataset):
    """A data set whose samples consist of positions.

    Attributes:
        skeleton: The skeleton of the samples.
    """

    skeleton: Skeleton

    @property
    def units(self) -> str:
        """Unit of the positions."""
        return self.skeleton.units

    def mirrored(self, poses: Tensor, axis: str) -> Tensor:
        """Poses `[..., M, D]` reflected as by :class:`~pyg_sybio.data.transforms.Mirror`."""
        return mirrored_poses(poses, self.skeleton, axis)

    def motion_errors(
        self, prediction: Tensor, target: Tensor, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        r"""Errors of predicted positions (:func:`~pyg_sybio.metrics.position_errors`).

        Args:
            prediction: Predicted frames, in the coordinates of the samples.
            target: Recorded frames.
            mask: Which joints were recorded; other joints are not part of the error. (default: all)

        Shapes:
            - **prediction, target:** `[N, T, M, D]`
            - **mask:** `[N, T, M]`
            - **output:** `[N, T]` each, NaN in a frame without a recorded joint

        Raises:
            ValueError: If the samples are rotations, whose error is defined by subclasses.
        """
        if not self.skeleton.num_spatial:
            raise ValueError(
                f"skeleton '{self.skeleton.name}' has coordinates '{self.skeleton.coordinates}', expected "
                f"positions (xyz, xy, xy+score): {type(self).__name__} has no error of rotations"
            )
        num_spatial, units = self.skeleton.num_spatial, self.units
        return position_errors(prediction, target, mask, num_spatial=num_spatial, units=units)
