r"""The actional graphs that a model infers from clips (Eq. 1)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Batch, Dataset
from tqdm import tqdm

from pyg_sybio.models.sybio_gnn import SybioOutput
from pyg_sybio.trained.evaluation import dense, numbered_clip


class ActionalGraphs(NamedTuple):
    r"""Actional graphs of single persons.

    Args:
        graphs: The weight with which joint `i` receives from joint `j`.
        poses: The last observed pose, in the space of the training clips.
        clip: The number of each graph's clip.
        y: The class of each graph's clip.

    Shapes:
        - **graphs:** `[n, M, M]`
        - **poses:** `[n, M, D]`
        - **clip, y:** `[n]`
    """

    graphs: Tensor
    poses: Tensor
    clip: Tensor
    y: Tensor

    def of_class(self, label: int) -> "ActionalGraphs":
        """The graphs of one class."""
        return ActionalGraphs(*(values[self.y == label] for values in self))

    def class_means(self) -> dict[int, Tensor]:
        """The mean graph `[M, M]` of each class that occurs, over all persons."""
        return {label: self.of_class(label).graphs.mean(0) for label in self.y.unique().tolist()}


@torch.no_grad()
def actional_graphs(
    model: Any,
    dataset: Dataset,
    numbers: Sequence[int] | None = None,
    *,
    batch_size: int = 32,
    progress: bool = False,
) -> ActionalGraphs:
    r"""The actional graphs of all persons in some clips.

    Args:
        model: The model on the device to use; it is left in evaluation mode.
        dataset: Clips as the model was trained on.
        numbers: The numbers of the clips. (default: all)
        batch_size: The number of clips in a batch; it does not change the result.
        progress: Show a progress bar on stderr.

    Raises:
        ValueError: If the model has no actional graphs.
    """
    model.eval()
    # An exported model has no weights that torch sees.
    device = next((each.device for each in model.parameters()), torch.device("cpu"))
    chosen = torch.arange(len(dataset)) if numbers is None else torch.tensor(numbers)
    found: list[ActionalGraphs] = []
    hidden = None if progress else True  # None: only shown on a terminal
    with tqdm(total=len(chosen), unit="clip", disable=hidden, leave=False) as bar:
        for part in chosen.split(batch_size):
            batch = Batch.from_data_list([numbered_clip(dataset, number) for number in part.tolist()])
            graphs = _actional(model(batch.to(device)))
            poses = dense(batch, "x", model.skeleton.num_joints)[..., -1, :, :]
            # [N, P, M, M], or [N, M, M] of clips with one person each.
            persons = graphs.shape[1] if graphs.dim() == 4 else 1
            found.append(
                ActionalGraphs(
                    graphs.flatten(0, -3).cpu(),
                    poses.flatten(0, -3).cpu(),
                    part.repeat_interleave(persons),
                    batch.y.cpu().repeat_interleave(persons),
                )
            )
            bar.update(len(part))
    together = ActionalGraphs(*(torch.cat(values) for values in zip(*found, strict=True)))
    # The graph of an absent person is zero; the rows of all others sum to one.
    present = together.graphs.flatten(1).any(1)
    return ActionalGraphs(*(values[present] for values in together))


@torch.no_grad()
def actional_graphs_of(model: Any, x: Tensor) -> Tensor:
    r"""The actional graphs `[P, M, M]` of the persons in one observation `[P, T, M, D]`.

    Raises:
        ValueError: If the model has no actional graphs.
    """
    present = torch.ones(1, len(x), dtype=torch.bool)
    return _actional(model(x[None], present=present))[0]


def _actional(out: SybioOutput) -> Tensor:
    if out.actional is None:
        raise ValueError(
            "the model has no actional graphs: it was made without them ('actional' or 'joints' is False), "
            "or is an export that leaves them out"
        )
    return out.actional
