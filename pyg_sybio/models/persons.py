r"""Clips with one or more persons as one flat batch of persons, and back."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_sybio.skeleton import Skeleton


@dataclass(frozen=True)
class Persons:
    r"""The persons of a batch of clips, one after another.

    Either the present ones alone, or (``padded``) every place of every clip, with zeros where nobody is.

    Args:
        x: Their motions, :math:`(G, T, M, D)`.
        clip: The clip of each, :math:`(G)`; :math:`N`, one more than the last clip, for who is absent.
        slot: Its place among the persons of that clip, :math:`(G)`.
        present: Which persons are present, :math:`(N, P)`.
        has_slots: Whether the clips have a person dimension.
        padded: Whether the absent are among the persons.
    """

    x: Tensor
    clip: Tensor
    slot: Tensor
    present: Tensor
    has_slots: bool
    padded: bool = False

    @property
    def num_clips(self) -> int:
        """The number of clips :math:`N`."""
        return self.present.size(0)

    @property
    def num_groups(self) -> int:
        """How many different numbers ``clip`` may hold: one more than there are clips if padded."""
        return self.num_clips + 1 if self.padded else self.num_clips

    def dense(self, values: Tensor) -> Tensor:
        """Lay values of persons ``[G, ...]`` out as ``[N, (P,) ...]``; zeros where a person is absent."""
        if not self.has_slots:
            return values
        if self.padded:
            absent = ~self.present.flatten().view(-1, *(1 for _ in values.shape[1:]))
            return values.masked_fill(absent, 0).unflatten(0, self.present.shape)
        out = values.new_zeros(self.present.numel(), *values.shape[1:])
        out = out.index_copy(0, self.clip * self.present.size(1) + self.slot, values)
        return out.unflatten(0, self.present.shape)

    def from_clips(self, values: Tensor) -> Tensor:
        """Give each person its clip's values ``[N, ...]``, as ``[G, ...]``; an absent one gets any."""
        return values.index_select(0, self.clip.clamp(max=self.num_clips - 1) if self.padded else self.clip)


def persons_of_tensor(x: Tensor, present: Tensor | None = None, *, padded: bool = False) -> Persons:
    r"""Return the persons of a dense batch.

    Args:
        x: Motions, :math:`(N, T, M, D)` or :math:`(N, P, T, M, D)`.
        present: Which persons are present, :math:`(N, P)`; by default those that are not zero throughout,
            as the field pads its clips. For motions with a person dimension alone.
        padded: Whether absent persons may be among those returned, where leaving them out would make the
            host wait for the device. What follows must not mix persons then, as batch norms in training do.

    Raises:
        ValueError: If the shapes do not fit, or (where the mask is known to the host) a clip has no person.

    Note:
        Leaving the absent out asks for their number. On the CPU that is free, and so it is if ``present``
        lies there while ``x`` is on another device. Otherwise it is one synchronisation, and compiled it is
        a shape that depends on values, which ``fullgraph=True`` allows for.
    """
    if x.dim() == 4:
        if present is not None:
            raise ValueError("'present' is given, but 'x' has no person dimension: expected [N, P, T, M, D]")
        return _one_a_clip(x)
    if x.dim() != 5:
        raise ValueError(f"'x' must be [N, T, M, D] or [N, P, T, M, D], but it has shape {tuple(x.shape)}")
    if x.numel() == 0:
        raise ValueError(f"'x' is empty: it has shape {tuple(x.shape)}")
    num_clips, num_slots = x.shape[:2]
    if present is None:
        present = (x != 0).flatten(2).any(dim=2)
    elif present.shape != x.shape[:2]:
        raise ValueError(f"'present' must be {list(x.shape[:2])}, but it has shape {tuple(present.shape)}")
    present = present.bool()
    if _known_to_host(present):
        empty = (~present.any(dim=1)).nonzero().flatten().tolist()
        if empty:
            raise ValueError(f"every clip needs a person, but none is present in clip {empty[0]}")
    elif padded:
        present = _to_device(present, x.device)
        place = torch.arange(num_clips * num_slots, device=x.device)
        clip = (place // num_slots).masked_fill(~present.flatten(), num_clips)
        slot = place % num_slots
        # Who is absent may hold anything, a NaN included: zeros keep it from what follows.
        x = x.masked_fill(~present[:, :, None, None, None], 0).flatten(0, 1)
        return Persons(x, clip, slot, present, has_slots=True, padded=True)
    place = present.flatten().nonzero().squeeze(1)
    torch._check(place.size(0) > 0)  # said to the compiler, which does not know the number
    present, place = _to_device(present, x.device), _to_device(place, x.device)
    chosen = x.flatten(0, 1).index_select(0, place)
    return Persons(chosen, place // num_slots, place % num_slots, present, has_slots=True)


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

    Note:
        A ``Batch`` that PyG's loader or ``Batch.from_data_list`` made knows on the host how many nodes each
        graph has, wherever its tensors are, and nothing waits for the device. A batch put together by hand,
        or with the attribute ``clip``, is read back from its device.
    """
    values = data.get(key)
    if values is None or values.dim() != 3:
        came = "it is missing" if values is None else f"it has shape {tuple(values.shape)}"
        raise ValueError(f"'{key}' of the batch must be [nodes, T, D], but {came}")
    nodes = _nodes_of_graphs(data, key, values)
    if not torch.compiler.is_compiling():
        for graph, count in enumerate(nodes.tolist()):
            if count == 0 or count % num_joints:
                raise ValueError(
                    f"'{key}' has {count} nodes in graph {graph}, "
                    f"but the skeleton has {num_joints} joints a person"
                )
    x = values.unflatten(0, (-1, num_joints)).transpose(1, 2)  # [G, T, M, D]
    if data.get("clip") is not None:
        return _persons_of_named_clips(x, data.clip)
    num_persons, num_clips = x.size(0), nodes.size(0)
    if num_persons == num_clips:
        return _one_a_clip(x)
    persons = nodes // num_joints  # [N]
    clip = torch.arange(num_clips, device=nodes.device).repeat_interleave(persons, output_size=num_persons)
    first = persons.cumsum(dim=0) - persons
    slot = torch.arange(num_persons, device=nodes.device) - first.index_select(0, clip)
    return _with_slots(x, clip, slot, persons)


def check_poses(x: Tensor, skeleton: Skeleton, in_channels: int) -> None:
    """Raise unless motions ``[G, T, M, D]`` fit a model.

    Raises:
        ValueError: If joints, features or type are other ones, there is no value, or (on the CPU, where
            looking costs no synchronisation) a NaN or an infinity.
    """
    if not x.is_floating_point():
        raise ValueError(f"'x' must be of a floating-point type, but it is {x.dtype}")
    num_joints, num_features = x.shape[-2:]
    if num_joints != skeleton.num_joints:
        raise ValueError(
            f"'x' has {num_joints} joints, but skeleton '{skeleton.name}' has {skeleton.num_joints}"
        )
    if num_features != in_channels:
        raise ValueError(f"'x' has {num_features} features a joint, but the model takes {in_channels}")
    if x.numel() == 0:
        raise ValueError(f"'x' is empty: its persons have shape {tuple(x.shape)}")
    if _known_to_host(x) and not x.isfinite().all():
        raise ValueError("'x' holds a NaN or an infinity, but poses must be finite")


def _one_a_clip(x: Tensor) -> Persons:
    clip = torch.arange(x.size(0), device=x.device)
    present = torch.ones(x.size(0), 1, dtype=torch.bool, device=x.device)
    return Persons(x, clip, torch.zeros_like(clip), present, has_slots=False)


def _with_slots(x: Tensor, clip: Tensor, slot: Tensor, persons: Tensor) -> Persons:
    """The persons of clips of which some have more than one; ``persons`` counts them, ``[N]``."""
    num_slots = int(persons.max())
    present = torch.arange(num_slots, device=persons.device) < persons[:, None]
    clip, slot, present = (_to_device(each, x.device) for each in (clip, slot, present))
    return Persons(x, clip, slot, present, has_slots=True)


def _persons_of_named_clips(x: Tensor, clip: Tensor) -> Persons:
    """The persons of a batch whose attribute ``clip`` names the clip of each."""
    if clip.numel() != x.size(0):
        raise ValueError(
            f"'clip' of the batch must name a clip for each of {x.size(0)} persons, but has {clip.numel()}"
        )
    # How many persons of the same clip came before.
    seen = torch.nn.functional.one_hot(clip).cumsum(dim=0)  # [G, N]
    persons = seen[-1]
    if (persons == 0).any():
        raise ValueError(
            f"'clip' of the batch must count clips from 0 without a gap, but it is {clip.tolist()}"
        )
    if persons.size(0) == clip.size(0):
        return _one_a_clip(x.index_select(0, clip.argsort()))
    return _with_slots(x, clip, seen.gather(1, clip[:, None]).squeeze(1) - 1, persons)


def _nodes_of_graphs(data: Data, key: str, values: Tensor) -> Tensor:
    """How many nodes each graph has, ``[N]``, on the host where it knows."""
    if data.batch is None:
        return torch.tensor([values.size(0)])
    slices = getattr(data, "_slice_dict", {}).get(key)
    # They speak of the tensor that was collated, which may have been replaced since.
    if slices is not None and (not _known_to_host(slices) or slices[-1] == values.size(0)):
        return slices.diff()
    num_graphs = data.num_graphs if isinstance(data, Batch) else 0
    return torch.bincount(data.batch, minlength=num_graphs)


def _known_to_host(values: Tensor) -> bool:
    """Whether reading these values makes nothing wait and breaks no graph of a compiler."""
    return values.device.type == "cpu" and not torch.compiler.is_compiling()


def _to_device(values: Tensor, device: torch.device) -> Tensor:
    # Not waiting is safe from the host to a device: CUDA copies unpinned memory before the call returns.
    return values.to(device, non_blocking=True)
