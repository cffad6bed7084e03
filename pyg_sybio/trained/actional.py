r"""The actional graphs that a model infers from clips (Eq. 1)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Dataset

from pyg_sybio.models.sybio_gnn import SybioOutput
from pyg_sybio.trained.evaluation import batches, dense


class ActionalGraphs(NamedTuple):
    r"""Actional graphs of single persons.

    Args:
        graphs: Entry `[i, j]` is the weight of the edge from joint `j` to joint `i`.
        poses: The last observed pose, in the coordinates of the training clips.
        clip: The index of each graph's clip.
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

    def of_class(self, *labels: int) -> "ActionalGraphs":
        """The graphs of one or more classes."""
        chosen = torch.isin(self.y, torch.tensor(labels))
        return ActionalGraphs(*(values[chosen] for values in self))

    def class_means(self) -> dict[int, Tensor]:
        """The mean graph `[M, M]` of each class with clips, over all persons."""
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
        dataset: Clips, prepared as in training.
        numbers: Indices of the clips. (default: all)
        batch_size: The number of clips in a batch; it does not change the result.
        progress: Show a progress bar on stderr.

    Raises:
        ValueError: If the model has no actional graphs.
    """
    found: list[ActionalGraphs] = []
    chosen = None if numbers is None else torch.tensor(numbers)
    for part, batch, out in batches(model, dataset, chosen, batch_size=batch_size, progress=progress):
        graphs, poses = _actional(out), dense(batch, "x", model.skeleton.num_joints)[..., -1, :, :]
        # [N, P, M, M], or [N, M, M] if each clip has one person.
        persons = graphs.shape[1] if graphs.dim() == 4 else 1
        clip, y = (each.repeat_interleave(persons) for each in (part, batch.y.cpu()))
        found.append(ActionalGraphs(graphs.flatten(0, -3).cpu(), poses.flatten(0, -3).cpu(), clip, y))
    together = ActionalGraphs(*(torch.cat(values) for values in zip(*found, strict=True)))
    # The graph of an absent person is zero; the rows of other graphs sum to one.
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
            "the model has no actional graphs: it was built without them ('actional' or 'joints' is False), "
            "or was exported without them"
        )
    return out.actional
