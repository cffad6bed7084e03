r"""Bidirectional fusion between the joint scale and the part scale (section 5.1.2, Fig. 5).

Each scale receives the other's features beside its own,

.. math::
    X \leftarrow [X, \mathrm{part2joint}(X_p)], \qquad X_p \leftarrow [X_p, \mathrm{joint2part}(X)].

What follows is linear in both cases (a graph convolution and a residual), so the concatenation is never made:
the blocks take the two scales apart and map each where it has fewer nodes.
"""

import torch
from torch import Tensor, nn

from pyg_sybio.nn.constant import Constant
from pyg_sybio.skeleton import Skeleton


class Joint2Part(nn.Module):
    r"""Joint2part pooling: the mean of the joints of each part (section 5.1.2).

    .. math::
        X_{p,i} = \frac{1}{|P_i|} \sum_{j \in P_i} X_j

    Args:
        skeleton: Its parts say which joints are pooled.

    Shapes:
        - **input:** :math:`(*, M, D)`
        - **output:** :math:`(*, M_p, D)`
    """

    def __init__(self, skeleton: Skeleton) -> None:
        super().__init__()
        member = _membership(skeleton).t()
        self.assignment = Constant(member / member.sum(dim=1, keepdim=True))  # [M_p, M], rows sum to one

    def forward(self, x: Tensor) -> Tensor:
        """Pool joints to parts."""
        return self.assignment() @ x


class Part2Joint(nn.Module):
    r"""Part2joint matching: each joint gets a copy of its part's features (section 5.1.2).

    Args:
        skeleton: Its parts say which part a joint belongs to.

    Shapes:
        - **input:** :math:`(*, M_p, D)`
        - **output:** :math:`(*, M, D)`
    """

    joint_part: Tensor

    def __init__(self, skeleton: Skeleton) -> None:
        super().__init__()
        self.register_buffer("joint_part", torch.tensor(skeleton.joint_parts), persistent=False)
        self.assignment = Constant(_membership(skeleton))  # [M, M_p], a one in each row

    def forward(self, x: Tensor) -> Tensor:
        """Copy parts to joints."""
        return x.index_select(-2, self.joint_part)


def _membership(skeleton: Skeleton) -> Tensor:
    """Which part a joint belongs to, ``[M, M_p]``, as ones and zeros in float64."""
    return nn.functional.one_hot(torch.tensor(skeleton.joint_parts), skeleton.num_parts).double()
