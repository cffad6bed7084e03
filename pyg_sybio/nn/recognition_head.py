r"""The action-recognition head (section 5.2)."""

from torch import Tensor, nn
from torch_geometric.utils import scatter


class RecognitionHead(nn.Module):
    r"""Action-recognition head: a classifier of the mean features of joints and persons (section 5.2).

    .. math::
        h = \frac{1}{P} \sum_{p} \frac{1}{M} \sum_{i} \mathrm{MLP}_{recg}([H_0, H_1, H_2])_{p,i}, \qquad
        \hat{y} = \mathrm{softmax}(W h + b)

    Args:
        in_channels: Total number of features of all branches.
        num_classes: Number of classes :math:`C`.
        hidden_channels: Width of the two-layer perceptron. (default: :obj:`256`)

    Shapes:
        - **features:** :math:`(G, M, D)`, :math:`G` persons
        - **clip:** :math:`(G)`, the index of each person's clip
        - **output:** :math:`(N, C)`, the logits
    """

    def __init__(self, in_channels: int, num_classes: int, *, hidden_channels: int = 256) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(in_channels, hidden_channels),
            nn.ReLU(),
            nn.Linear(hidden_channels, hidden_channels),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(hidden_channels, num_classes)

    def forward(self, features: Tensor, clip: Tensor, num_clips: int) -> Tensor:
        """Return the logits of each clip."""
        persons = self.mlp(features).mean(dim=1)  # [G, D_h]
        return self.classifier(scatter(persons, clip, dim=0, dim_size=num_clips, reduce="mean"))
