r"""Fine-tuning: start a model for other classes or another skeleton from the weights of a trained model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pyg_sybio.arguments import check_arguments
from pyg_sybio.models.network import SymbioticNetwork
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.nn.actional_graph import ActionalGraphInference
from pyg_sybio.nn.input_norm import InputNorm
from pyg_sybio.nn.joint_conv import StructuralConv
from pyg_sybio.nn.part_conv import PartConv
from pyg_sybio.nn.prediction_head import PredictionHead
from pyg_sybio.nn.recognition_head import RecognitionHead
from pyg_sybio.nn.shared_graph import SharedGraph
from pyg_sybio.skeleton import Skeleton, load_skeleton
from pyg_sybio.trained.trained import Trained

# Arguments of the model that may differ from the trained model without changing the meaning of its weights.
_MAY_DIFFER = ("actional_scale", "bone_weight", "bones", "dropout", "joints", "prediction", "recognition")

_FROZEN_WITH = {"backbone": ("input_norm", "actional_graph", "backbone")}
"""Modules that are frozen together: everything that the features of the backbone depend on."""

_STATISTICS = "the statistics are estimated from the new data"


@dataclass(frozen=True)
class Axis:
    """Names of the rows of a tensor, so that rows are found again in a model with other joints or classes.

    Args:
        kind: What the rows are, such as ``"joints"``.
        names: The name of each row.
    """

    kind: str
    names: tuple[Any, ...]


@dataclass(frozen=True)
class FineTuned:
    """A model that starts from trained weights.

    Args:
        model: The model, in training mode except for its frozen modules.
        taken: Tensors whose values are all from the trained model.
        partly: Tensors with some rows from the trained model, and which rows.
        new: Tensors with new values, and the reason.
        left_out: Tensors of the trained model that the new model does not have.
        ignored: Arguments that keep the trained model's value: the requested and the used value.
    """

    model: SybioGNN
    taken: tuple[str, ...]
    partly: Mapping[str, str]
    new: Mapping[str, str]
    left_out: tuple[str, ...]
    ignored: Mapping[str, tuple[Any, Any]]

    def summary(self) -> list[str]:
        """Describe in lines which tensors were taken from the trained model."""
        total = len(self.taken) + len(self.partly) + len(self.new)
        lines = [f"{len(self.taken)} of {total} tensors are taken from the trained model"]
        for state, reasons in (("taken in part", self.partly), ("new", self.new)):
            for reason in dict.fromkeys(reasons.values()):
                names = [name for name, other in reasons.items() if other == reason]
                lines.append(f"{state}: {_listed(names)}: {reason}")
        if self.left_out:
            lines.append(f"left out: {_listed(self.left_out)}: the new model has no such tensor")
        for name, (requested, used) in self.ignored.items():
            lines.append(f"ignored: '{name}' {requested!r}: the trained model has {used!r}")
        return lines


def fine_tuned(
    trained: Trained,
    *,
    class_names: Sequence[str] | None = None,
    skeleton: Skeleton | str | None = None,
    num_future: int | None = None,
    freeze: Sequence[str] = (),
    **arguments: Any,
) -> FineTuned:
    r"""Build a model that starts from the weights of a trained model.

    The architecture is the trained model's. A weight of a joint, bone, part or class is taken if the trained
    model has one of the same name, and is new otherwise. Any other tensor is taken if its shape is the same.

    Args:
        trained: The trained model.
        class_names: The classes. (default: the classes of the trained model)
        skeleton: The skeleton of the poses, or its name or path. (default: the trained model's)
        num_future: Number of future frames. (default: as in the trained model)
        freeze: Names of modules that training does not change: ``"joint_network"``, ``"recognition_head"``,
            ``"joint_blocks.0"``, or ``"backbone"`` for everything in front of the heads (the input
            normalisation, the actional graphs and the backbone). Their weights get no gradients, and their
            norms and dropouts run as in evaluation.
        **arguments: Arguments of :class:`~pyg_sybio.models.sybio_gnn.SybioGNN` that differ: ``dropout``,
            tasks, networks and ``bone_weight``. Other arguments, which would change the meaning of the
            weights, are ignored; :meth:`FineTuned.summary` names them.

    Raises:
        ValueError: If the model is from an ONNX file, no module has a name in `freeze`, nothing is left to
            train, or the input normalisation is frozen and the trained model lacks one of the joints.

    Note:
        The statistics of the input normalisation are estimated from the new data, which may have other units,
        unless the normalisation is frozen. All other weights and running statistics start from the trained
        model.
    """
    old = trained.model
    if not isinstance(old, SybioGNN):
        raise ValueError("the trained model is from an ONNX file: expected a checkpoint or a model folder")
    skeleton = old.skeleton if skeleton is None else load_skeleton(skeleton)
    names = tuple(trained.class_names if class_names is None else class_names)
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in arguments.items()}
    own = {key: value for key, value in old.config.items() if key != "skeleton"}
    check_arguments(SybioGNN.__init__, {**own, **plain}, of="the model")
    model = SybioGNN.from_config(
        {
            **own,
            **{key: value for key, value in plain.items() if key in _MAY_DIFFER},
            "skeleton": skeleton.to_dict(),
            "in_channels": None,
            "num_classes": len(names),
            "num_future": num_future or old.num_future,
        }
    )
    _freeze(model, freeze)
    from_data = {
        f"{name}.{statistic}"
        for name, module in model.named_modules()
        if isinstance(module, InputNorm) and module.training
        for statistic in module.state_dict()
    }
    taken: list[str] = []
    partly: dict[str, str] = {}
    new: dict[str, str] = {}
    weights, old_weights = model.state_dict(), old.state_dict()
    axes, old_axes = dict(_axes(model, names)), dict(_axes(old, trained.class_names))
    for name, weight in weights.items():
        if name in from_data:
            new[name] = _STATISTICS
        elif name not in old_weights:
            new[name] = "the trained model has no such tensor"
        else:
            copied, reason = _copy(weight, old_weights[name], axes.get(name), old_axes.get(name))
            if not reason:
                taken.append(name)
            elif ".input_norm." in name:
                raise ValueError(f"'freeze' includes the input normalisation, but for '{name}', {reason}")
            else:
                (partly if copied else new)[name] = reason
    return FineTuned(
        model=model,
        taken=tuple(taken),
        partly=partly,
        new=new,
        left_out=tuple(sorted(old_weights.keys() - weights.keys())),
        ignored={
            key: (value, model.config[key]) for key, value in plain.items() if value != model.config[key]
        },
    )


def _freeze(model: nn.Module, names: Sequence[str]) -> None:
    """Exclude modules from training; see :func:`fine_tuned` for the arguments and errors."""
    modules = dict(model.named_modules())
    for name in names:
        paths = tuple(f".{each}" for each in _FROZEN_WITH.get(name, (name,)))
        found = [module for path, module in modules.items() if path and f".{path}".endswith(paths)]
        if not found:
            heads = "backbone, actional_graph, recognition_head, prediction_head, joint_network, bone_network"
            raise ValueError(f"'freeze' has {name!r}, expected modules of the model, such as {heads}")
        for module in found:
            module.eval().requires_grad_(False)
    if not any(weight.requires_grad for weight in model.parameters()):
        raise ValueError(f"'freeze' is {list(names)}, which leaves no weight to train")


def _axes(model: SybioGNN, class_names: Sequence[str]) -> Iterator[tuple[str, tuple[Axis | None, ...]]]:
    """The named axes of the tensors of a model that depend on joints, bones, parts or classes."""
    skeleton, classes = model.skeleton, Axis("classes", tuple(class_names))
    networks = {"joint_network": skeleton}
    if model.bone_network is not None:
        networks["bone_network"] = skeleton.dual()
    for prefix, topology in networks.items():
        nodes = Axis("joints" if topology is skeleton else "bones", topology.joints)
        parts = Axis("parts", tuple(topology.parts))
        inputs = [(skeleton.coordinates, index) for index in range(3 * model.in_channels)]
        network = getattr(model, prefix)
        if not isinstance(network, SymbioticNetwork):
            continue
        for name, module in network.named_modules(prefix=prefix):
            match module:
                case InputNorm():
                    yield from ((f"{name}.{each}", (None, nodes, None)) for each in ("mean", "var"))
                case ActionalGraphInference():
                    yield f"{name}.node_embedding", (nodes, None)
                case SharedGraph():
                    yield f"{name}.logits", (nodes, nodes)
                case StructuralConv():
                    yield f"{name}.edge_weight", (None, nodes, nodes)
                case PartConv():
                    yield f"{name}.edge_weight", (parts, parts)
                case RecognitionHead():
                    yield f"{name}.classifier.weight", (classes, None)
                    yield f"{name}.classifier.bias", (classes,)
                case PredictionHead():
                    names = (*inputs, *(classes.names if model.num_classes else ()))
                    yield f"{name}.gru.weight_ih", (None, Axis("classes", names))


def _copy(
    new: Tensor, old: Tensor, axes: tuple[Axis | None, ...] | None, old_axes: tuple[Axis | None, ...] | None
) -> tuple[bool, str]:
    """Copy the rows that two tensors have in common.

    Returns:
        Whether the tensors have common rows, and why the other rows are new (empty if no row is new).
    """
    axes, old_axes = axes or (None,) * new.dim(), old_axes or (None,) * old.dim()
    sizes, old_sizes = (
        [size for size, axis in zip(tensor.shape, each, strict=True) if axis is None]
        for tensor, each in ((new, axes), (old, old_axes))
    )
    if sizes != old_sizes:
        return False, f"its shape is {list(new.shape)}, in the trained model {list(old.shape)}"
    places, old_places, reason = [], [], ""
    for size, axis, old_axis in zip(new.shape, axes, old_axes, strict=True):
        if axis is None or old_axis is None:
            places.append(torch.arange(size))
            old_places.append(torch.arange(size))
            continue
        where = {name: place for place, name in enumerate(old_axis.names)}
        common = [place for place, name in enumerate(axis.names) if name in where]
        if not common:
            return False, f"the trained model has none of its {axis.kind}"
        if len(common) < size:
            named = [name for name in axis.names if isinstance(name, str)]
            known = sum(name in where for name in named)
            reason = f"the trained model has {known} of its {len(named)} {axis.kind}"
        places.append(torch.tensor(common))
        old_places.append(torch.tensor([where[axis.names[place]] for place in common]))
    with torch.no_grad():
        if new.dim():
            grid, old_grid = (torch.meshgrid(*each, indexing="ij") for each in (places, old_places))
            new[grid] = old[old_grid].to(new)
        else:
            new.copy_(old)
    return True, reason


def _listed(names: Sequence[str]) -> str:
    """List names of tensors without the network, each name once, and at most four of them."""
    short = dict.fromkeys(name.partition(".")[2].removeprefix("backbone.") for name in names)
    shown = list(short)[:4]
    return ", ".join(shown) + (f" and {len(short) - 4} more" if len(short) > 4 else "")
