r"""Clips with one or more persons as one flat batch of persons, and back."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data


@dataclass(frozen=True)
class Persons:
    r"""The present persons of a batch of clips, one after another; who is absent takes no place.

    Args:
        x: Their motions, :math:`(G, T, M, D)`.
        clip: The clip of each, :math:`(G)`.
        slot: Its place among the persons of that clip, :math:`(G)`.
        num_clips: The number of clips :math:`N`.
        num_slots: The number of places a clip :math:`P`; :obj:`None` where clips have no person dimension.
    """

    x: Tensor
    clip: Tensor
    slot: Tensor
    num_clips: int
    num_slots: int | None

    @property
    def present(self) -> Tensor:
        """Which persons are present, ``[N, P]``."""
        mask = torch.zeros(self.num_clips, self.num_slots or 1, dtype=torch.bool, device=self.clip.device)
        mask[self.clip, self.slot] = True
        return mask

    def dense(self, values: Tensor) -> Tensor:
        """Lay values of persons ``[G, ...]`` out as ``[N, (P,) ...]``; zeros where a person is absent."""
        if self.num_slots is None:
            return values
        out = values.new_zeros(self.num_clips, self.num_slots, *values.shape[1:])
        out[self.clip, self.slot] = values
        return out


def persons_of_tensor(x: Tensor, present: Tensor | None = None) -> Persons:
    r"""Return the present persons of a dense batch.

    Args:
        x: Motions, :math:`(N, T, M, D)` or :math:`(N, P, T, M, D)`.
        present: Which persons are present, :math:`(N, P)`; by default those that are not zero throughout,
            as the field pads its clips. For motions with a person dimension alone.

    Raises:
        ValueError: If the shapes do not fit, or a clip has no person.
    """
    if x.dim() == 4:
        if present is not None:
            raise ValueError("'present' is given, but 'x' has no person dimension: expected [N, P, T, M, D]")
        clip = torch.arange(x.size(0), device=x.device)
        return Persons(x, clip, torch.zeros_like(clip), num_clips=x.size(0), num_slots=None)
    if x.dim() != 5:
        raise ValueError(f"'x' must be [N, T, M, D] or [N, P, T, M, D], but it has shape {tuple(x.shape)}")
    if x.numel() == 0:
        raise ValueError(f"'x' is empty: it has shape {tuple(x.shape)}")
    if present is None:
        present = (x != 0).flatten(2).any(dim=2)
    elif present.shape != x.shape[:2]:
        raise ValueError(f"'present' must be {list(x.shape[:2])}, but it has shape {tuple(present.shape)}")
    present = present.bool()
    empty = (~present.any(dim=1)).nonzero().flatten().tolist()
    if empty:
        raise ValueError(f"every clip needs a person, but none is present in clip {empty[0]}")
    clip, slot = present.nonzero().unbind(dim=1)
    return Persons(x[present], clip, slot, num_clips=x.size(0), num_slots=x.size(1))


def persons_of_data(data: Data, num_joints: int, key: str = "x") -> Persons:
    r"""Return the persons of a PyG ``Data`` or ``Batch``.

    A graph of the batch is a clip, with its persons one after another: :obj:`key` is
    :math:`(P \cdot M, T, D)`. Where each person is a graph of its own, the attribute ``clip`` of every graph
    says which clip it belongs to, counted from 0.

    Args:
        data: The clip, or the batch of clips.
        num_joints: The number of joints :math:`M` of a person.
        key: The node attribute to take.

    Raises:
        ValueError: If the attribute is missing or does not have :math:`M` nodes a person.
    """
    values = data.get(key)
    if values is None or values.dim() != 3:
        came = "it is missing" if values is None else f"it has shape {tuple(values.shape)}"
        raise ValueError(f"'{key}' of the batch must be [nodes, T, D], but {came}")
    batch = data.batch if data.batch is not None else values.new_zeros(values.size(0), dtype=torch.long)
    nodes = torch.bincount(batch, minlength=data.num_graphs if isinstance(data, Batch) else 1)
    wrong = (nodes % num_joints != 0).nonzero().flatten().tolist() or (
        nodes == 0
    ).nonzero().flatten().tolist()
    if wrong:
        raise ValueError(
            f"'{key}' has {int(nodes[wrong[0]])} nodes in graph {wrong[0]}, "
            f"but the skeleton has {num_joints} joints a person"
        )
    num_persons = values.size(0) // num_joints
    x = values.view(num_persons, num_joints, *values.shape[1:]).transpose(1, 2)  # [G, T, M, D]
    clip = data.clip if "clip" in data else batch[::num_joints]
    if clip.numel() != x.size(0):
        raise ValueError(
            f"'clip' of the batch must name a clip for each of {x.size(0)} persons, but has {clip.numel()}"
        )
    # How many persons of the same clip came before.
    seen = torch.nn.functional.one_hot(clip).cumsum(dim=0)  # [G, N]
    if (seen[-1] == 0).any():
        raise ValueError(
            f"'clip' of the batch must count clips from 0 without a gap, but it is {clip.tolist()}"
        )
    slot = seen.gather(1, clip[:, None]).squeeze(1) - 1
    num_slots = int(slot.max()) + 1
    return Persons(x, clip, slot, num_clips=seen.size(1), num_slots=num_slots if num_slots > 1 else None)
