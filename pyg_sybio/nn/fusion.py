r"""Bidirectional fusion between the joint scale and the part scale (section 5.1.2, Fig. 5)."""

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
        member = nn.functional.one_hot(torch.tensor(skeleton.joint_parts), skeleton.num_parts).t().double()
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

    def forward(self, x: Tensor) -> Tensor:
        """Copy parts to joints."""
        return x.index_select(-2, self.joint_part)


class BidirectionalFusion(nn.Module):
    r"""Each scale receives the other's features beside its own (section 5.1.2, Fig. 5).

    .. math::
        X \leftarrow [X, \mathrm{part2joint}(X_p)], \qquad X_p \leftarrow [X_p, \mathrm{joint2part}(X)]

    Args:
        skeleton: Its parts tie the two scales.

    Shapes:
        - **joints:** :math:`(*, M, D)` to :math:`(*, M, 2D)`
        - **parts:** :math:`(*, M_p, D)` to :math:`(*, M_p, 2D)`
    """

    def __init__(self, skeleton: Skeleton) -> None:
        super().__init__()
        self.joint2part = Joint2Part(skeleton)
        self.part2joint = Part2Joint(skeleton)

    def forward(self, joints: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
        """Exchange features between the scales."""
        return (
            torch.cat([joints, self.part2joint(parts)], dim=-1),
            torch.cat([parts, self.joint2part(joints)], dim=-1),
        )
