r"""Conversion between clips with one or more persons and flat batches of persons."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_sybio.skeleton import Skeleton


@dataclass(frozen=True)
class Persons:
    r"""The persons of a batch of clips, concatenated.

    The batch contains only the present persons or, if ``padded``, all persons of all clips, with zeros for
    absent persons.

    Args:
        x: Motions of the persons, :math:`(G, T, M, D)`.
        clip: Index of each person's clip, :math:`(G)`. Absent persons have the number of clips :math:`N` as
            index.
        slot: Index of each person within the clip, :math:`(G)`.
        present: Which persons are present, :math:`(N, P)`.
        has_slots: Whether the clips have a person dimension.
        padded: Whether absent persons are included.
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
        """The number of possible values in ``clip``: the number of clips, plus one if padded."""
        return self.num_clips + 1 if self.padded else self.num_clips

    def dense(self, values: Tensor) -> Tensor:
        """Reshape values of persons ``[G, ...]`` to ``[N, (P,) ...]``, with zeros for absent persons."""
        if not self.has_slots:
            return values
        if self.padded:
            absent = ~self.present.flatten().view(-1, *(1 for _ in values.shape[1:]))
            return values.masked_fill(absent, 0).unflatten(0, self.present.shape)
        out = values.new_zeros(self.present.numel(), *values.shape[1:])
        out = out.index_copy(0, self.clip * self.present.size(1) + self.slot, values)
        return out.unflatten(0, self.present.shape)

    def from_clips(self, values: Tensor) -> Tensor:
        """Repeat values of clips ``[N, ...]`` for each person ``[G, ...]``. Values of absent persons are
        arbitrary.
        """
        return values.index_select(0, self.clip.clamp(max=self.num_clips - 1) if self.padded else self.clip)


def persons_of_tensor(x: Tensor, present: Tensor | None = None, *, padded: bool = False) -> Persons:
    r"""Return the persons of a dense batch.

    Args:
        x: Motions, :math:`(N, T, M, D)` or :math:`(N, P, T, M, D)`.
        present: Which persons are present, :math:`(N, P)`. Only for motions with a person dimension.
            (default: persons whose motion is not all zeros, because datasets pad clips with zeros)
        padded: Whether to include absent persons in the result if removing them requires a device
            synchronisation. Then the model must not mix persons, as batch norms do in training.

    Raises:
        ValueError: If the shapes do not match, or a clip has no person. (The second check is skipped if
            reading the mask requires a synchronisation.)

    Note:
        Removing absent persons requires their number on the host. If ``present`` is on the CPU, this needs no
        synchronisation, even if ``x`` is on another device. Otherwise it needs one device synchronisation, or
        a data-dependent shape in compiled models, which ``fullgraph=True`` supports.
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
        # Values of absent persons are arbitrary, possibly NaN: replace them by zeros.
        x = x.masked_fill(~present[:, :, None, None, None], 0).flatten(0, 1)
        return Persons(x, clip, slot, present, has_slots=True, padded=True)
    place = present.flatten().nonzero().squeeze(1)
    torch._check(place.size(0) > 0)  # a hint for the compiler, which cannot infer the shape
    present, place = _to_device(present, x.device), _to_device(place, x.device)
    chosen = x.flatten(0, 1).index_select(0, place)
    return Persons(chosen, place // num_slots, place % num_slots, present, has_slots=True)


def persons_of_data(data: Data, num_joints: int, key: str = "x") -> Persons:
    r"""Return the persons of a PyG ``Data`` or ``Batch``.

    Each graph of the batch is a clip whose persons are concatenated along the nodes: :obj:`key` is
    :math:`(P \cdot M, T, D)`. Alternatively, each person is a graph, and the attribute ``clip`` of each graph
    holds the index of its clip, from 0.

    Args:
        data: The clip, or the batch of clips.
        num_joints: Number of joints :math:`M` per person.
        key: Name of the node attribute.

    Raises:
        ValueError: If the attribute is missing or does not have :math:`M` nodes per person.

    Note:
        A ``Batch`` made by PyG's loader or ``Batch.from_data_list`` stores the number of nodes of each graph
        on the host, so no device synchronisation is needed. For a batch that was made by hand, or that has
        the attribute ``clip``, the numbers are read back from the device.
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
                    f"expected a multiple of the skeleton's {num_joints} joints"
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


def persons_of_batch(
    batch: Data | Tensor | np.ndarray,
    present: Tensor | None,
    skeleton: Skeleton,
    in_channels: int,
    *,
    like: Tensor,
    padded: bool = False,
) -> Persons:
    """Return the persons of a model's input, after checking that the input fits the model.

    Args:
        batch: A PyG ``Data`` or ``Batch`` (:func:`persons_of_data`), or a dense tensor
            (:func:`persons_of_tensor`).
        present: Which persons of a dense tensor are present.
        skeleton: The joints of the model.
        in_channels: Features per joint.
        like: A tensor with the type of the model, to which the motions are converted.
        padded: Whether absent persons of a dense tensor may be included.

    Raises:
        ValueError: If the input is invalid, or does not fit the model.
    """
    if not isinstance(batch, Data):
        batch = batch if isinstance(batch, Tensor) else _tensor_of(batch, like.device)
        persons = persons_of_tensor(batch, present, padded=padded)
    elif present is not None:
        raise ValueError("'present' is only for dense tensors: a PyG batch contains no absent persons")
    else:
        persons = persons_of_data(batch, skeleton.num_joints)
    if persons.x.is_complex() or persons.x.dtype == torch.bool:
        raise ValueError(f"'x' has type {persons.x.dtype}, expected real numbers")
    persons = replace(persons, x=persons.x.to(like.dtype))
    check_poses(persons.x, skeleton, in_channels)
    return persons


def _tensor_of(values: Any, device: torch.device) -> Tensor:
    """Convert an array or nested lists of numbers to a tensor."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"'x' is {type(values).__name__} of type {array.dtype}, expected real numbers")
    known = array.dtype in (np.float16, np.float32, np.float64)
    return torch.from_numpy(np.ascontiguousarray(array, dtype=None if known else np.float64)).to(device)


def check_poses(x: Tensor, skeleton: Skeleton, in_channels: int) -> None:
    """Check that motions ``[G, T, M, D]`` fit a model.

    Raises:
        ValueError: If the motions have a different number of joints or features, are empty, or
            (checked only on the CPU, where it requires no synchronisation) are not finite.
    """
    num_joints, num_features = x.shape[-2:]
    if num_joints != skeleton.num_joints:
        raise ValueError(
            f"'x' has {num_joints} joints, but skeleton '{skeleton.name}' has {skeleton.num_joints}"
        )
    if num_features != in_channels:
        raise ValueError(f"'x' has {num_features} features per joint, but the model expects {in_channels}")
    if x.numel() == 0:
        raise ValueError(f"'x' is empty: its persons have shape {tuple(x.shape)}")
    if _known_to_host(x) and not x.isfinite().all():
        raise ValueError("'x' contains NaN or infinite values, but poses must be finite")


def _one_a_clip(x: Tensor) -> Persons:
    clip = torch.arange(x.size(0), device=x.device)
    present = torch.ones(x.size(0), 1, dtype=torch.bool, device=x.device)
    return Persons(x, clip, torch.zeros_like(clip), present, has_slots=False)


def _with_slots(x: Tensor, clip: Tensor, slot: Tensor, persons: Tensor) -> Persons:
    """Return persons with a person dimension, for clips with the numbers ``persons`` ``[N]`` of persons."""
    num_slots = int(persons.max())
    present = torch.arange(num_slots, device=persons.device) < persons[:, None]
    clip, slot, present = (_to_device(each, x.device) for each in (clip, slot, present))
    return Persons(x, clip, slot, present, has_slots=True)


def _persons_of_named_clips(x: Tensor, clip: Tensor) -> Persons:
    """Return the persons of a batch whose attribute ``clip`` contains the clip index of each person."""
    if clip.numel() != x.size(0):
        raise ValueError(
            f"'clip' of the batch has {clip.numel()} entries, expected one for each of {x.size(0)} persons"
        )
    # For each person, the number of persons of each clip so far, including this person.
    seen = torch.nn.functional.one_hot(clip).cumsum(dim=0)  # [G, N]
    persons = seen[-1]
    if (persons == 0).any():
        raise ValueError(f"'clip' of the batch is {clip.tolist()}, expected clip indices from 0 without gaps")
    if persons.size(0) == clip.size(0):
        return _one_a_clip(x.index_select(0, clip.argsort()))
    return _with_slots(x, clip, seen.gather(1, clip[:, None]).squeeze(1) - 1, persons)


def _nodes_of_graphs(data: Data, key: str, values: Tensor) -> Tensor:
    """Return the number of nodes of each graph, ``[N]``; on the host, if the batch stores it there."""
    if data.batch is None:
        return torch.tensor([values.size(0)])
    slices = getattr(data, "_slice_dict", {}).get(key)
    # The slices describe the collated tensor, which may have been replaced after collation.
    if slices is not None and (not _known_to_host(slices) or slices[-1] == values.size(0)):
        return slices.diff()
    num_graphs = data.num_graphs if isinstance(data, Batch) else 0
    return torch.bincount(data.batch, minlength=num_graphs)


def _known_to_host(values: Tensor) -> bool:
    """Return whether the values can be read without a synchronisation or a graph break."""
    return values.device.type == "cpu" and not torch.compiler.is_compiling()


def _to_device(values: Tensor, device: torch.device) -> Tensor:
    # CUDA copies unpinned memory before a non-blocking copy returns, but MPS may read the memory after it was
    # freed.
    return values.to(device, non_blocking=device.type != "mps")
