r"""Data sets and transforms by name: all that a model file may refer to.

A model file holds names such as ``"NWUCLA"`` or ``"Center"``, never paths of modules. A name stands for a
class of this package, whose module is imported when the class is requested, or for a class that the user's
own code has registered:

.. code-block:: python

    @register_transform
    class FlipUp(MotionTransform):
        ...
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TypeVar

from torch_geometric.data import Dataset
from torch_geometric.transforms import BaseTransform

C = TypeVar("C", bound=type)
Resolver = Callable[..., type[BaseTransform]]
"""Finds a transform class: :func:`transform_named` for model files; recipes may name any class."""

_DATASETS = {
    "CMUMocap": "datasets.cmu_mocap",
    "Human36M": "datasets.human36m",
    "KineticsSkeleton": "datasets.kinetics",
    "MotionFolder": "datasets.motion_folder",
    "NTURGBD": "datasets.ntu_rgbd",
    "NWUCLA": "datasets.nw_ucla",
    "SyntheticMotions": "synthetic.synthetic",
}
_TRANSFORMS = {
    "AlignView": "transforms.align_view",
    "Center": "transforms.center",
    "Crop": "transforms.crop",
    "DropFrames": "transforms.drop_frames",
    "DropJoints": "transforms.drop_joints",
    "FillMissing": "transforms.fill_missing",
    "FillNullFrames": "transforms.fill_null_frames",
    "JitterJoints": "transforms.jitter_joints",
    "JoinTracks": "transforms.join_tracks",
    "LimitLength": "transforms.limit_length",
    "Mirror": "transforms.mirror",
    "Pad": "transforms.pad",
    "RandomCrop": "transforms.random_crop",
    "RandomMirror": "transforms.random_mirror",
    "RandomRotation": "transforms.random_rotation",
    "RandomScale": "transforms.random_scale",
    "RandomShear": "transforms.random_shear",
    "RandomTimeWarp": "transforms.random_time_warp",
    "Resample": "transforms.resample",
    "ResampleLength": "transforms.resample_length",
    "SelectBodies": "transforms.select_bodies",
    "SelectByConfidence": "transforms.select_by_confidence",
    "Shift": "transforms.shift",
    "Smooth": "transforms.smooth",
    "Standardize": "datasets.standardize",
    "TrimNullFrames": "transforms.trim_null_frames",
}
_registered: dict[str, type] = {}


def register_dataset(dataset: C) -> C:
    """Let model files name a data set class by its class name; a decorator.

    Raises:
        ValueError: If it is not a data set class, or the name stands for another class already.
    """
    return _register(dataset, Dataset, "data set")


def register_transform(transform: C) -> C:
    """Let model files name a transform by its class name; a decorator.

    The transform keeps each argument of its constructor as an attribute of the same name, from which a model
    file gets it.

    Raises:
        ValueError: If it is not a transform class, or the name stands for another class already.
    """
    return _register(transform, BaseTransform, "transform")


def dataset_named(name: str, *, where: str = "the model file") -> type[Dataset]:
    r"""The data set class of a name.

    Args:
        name: A name such as ``"NWUCLA"``. Earlier versions wrote paths ``"pyg_sybio.[...].NWUCLA"``, of which
            only the last part counts.
        where: What errors call the place of the name.

    Raises:
        ValueError: If neither the package nor the user's code has such a data set. Nothing is imported then.
    """
    return _named(name, _DATASETS, Dataset, where, "data set")


def transform_named(name: str, *, where: str = "the model file") -> type[BaseTransform]:
    """The transform class of a name; arguments and errors of :func:`dataset_named`."""
    return _named(name, _TRANSFORMS, BaseTransform, where, "transform")


def registered_name(cls: type) -> str | None:
    """The name by which a model file may refer to a class; None if it has none."""
    name, module = cls.__name__, (_DATASETS | _TRANSFORMS).get(cls.__name__)
    found = _registered.get(name) is cls or cls.__module__ == f"pyg_sybio.data.{module}"
    return name if found else None


def _register(cls: C, base: type, what: str) -> C:
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise ValueError(f"{cls!r} is not a {what}: expected a subclass of {base.__name__}")
    name, other = cls.__name__, _registered.get(cls.__name__)
    # The same class again is a cell of a notebook that was run twice.
    again = other is not None and (other.__module__, other.__qualname__) == (cls.__module__, cls.__qualname__)
    if name in _DATASETS or name in _TRANSFORMS or (other is not None and not again):
        raise ValueError(f"the name of {cls.__module__}.{cls.__qualname__} is taken: expected a new one")
    _registered[name] = cls
    return cls


def _named(name: str, modules: Mapping[str, str], base: type, where: str, what: str) -> type:
    last = name.rpartition(".")[2] if isinstance(name, str) and name.startswith("pyg_sybio.") else str(name)
    if last in modules:
        found: type = getattr(import_module(f"pyg_sybio.data.{modules[last]}"), last)
        return found
    own = _registered.get(last)
    if own is not None and issubclass(own, base):
        return own
    raise ValueError(
        f"{where} names {name!r:.80}, which is not a registered {what}: expected {', '.join(modules)}, "
        f"or one that your code registers (pyg_sybio.data.registry.register_{what.replace(' ', '')})"
    )
