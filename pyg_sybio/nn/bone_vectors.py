r"""From joints to bones (section 5.5)."""

import torch
from torch import Tensor, nn

from pyg_sybio.skeleton import Skeleton


class BoneVectors(nn.Module):
    r"""Bone attributes, the outer joint minus the inner joint (section 5.5).

    .. math::
        b_{i,j} = x_j - x_i

    with :math:`v_i` the joint nearer to the skeleton's centre and :math:`v_j` the joint farther from it.

    Args:
        skeleton: The skeleton whose joints come in; its bones, in its order, come out.

    Shapes:
        - **input:** :math:`(*, M, D)`
        - **output:** :math:`(*, B, D)`

    Note:
        Every feature is subtracted, a detector's score (``xy+score``) and an exponential map's components
        included: the paper defines one attribute for all of its datasets.
    """

    inner: Tensor
    outer: Tensor

    def __init__(self, skeleton: Skeleton) -> None:
        super().__init__()
        inner, outer = torch.tensor(skeleton.bone_pairs, dtype=torch.long).unbind(dim=1)
        self.register_buffer("inner", inner, persistent=False)
        self.register_buffer("outer", outer, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the bones of the joints ``x``."""
        return x.index_select(-2, self.outer) - x.index_select(-2, self.inner)

    def extra_repr(self) -> str:
        """What tells two of these apart."""
        return f"num_bones={self.inner.numel()}"
