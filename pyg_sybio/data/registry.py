r"""Data sets and transforms by name; model files may refer to no other classes.

A model file holds names such as ``"NWUCLA"`` or ``"Center"``, never paths of modules. A name stands for a
class of this package, whose module is imported when the class is requested, or for a class that user code has
registered:

.. code-block:: python

    @register_transform
    class FlipUp(MotionTransform):
        ...
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import isabstract, isclass
from typing import Any, TypeVar

from torch_geometric.data import Dataset
from torch_geometric.transforms import BaseTransform

from pyg_sybio.data import transforms
from pyg_sybio.data.datasets.standardize import Standardize

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
_TRANSFORMS: dict[str, type[BaseTransform]] = {
    name: cls for name, cls in vars(transforms).items() if isclass(cls) and not isabstract(cls)
}
_TRANSFORMS["Standardize"] = Standardize
_registered: dict[str, type] = {}


def register_dataset(dataset: C) -> C:
    """Decorator that lets model files refer to a data set class by its name.

    Raises:
        ValueError: If it is not a data set class, or the name stands for another class already.
    """
    return _register(dataset, Dataset, "data set")


def register_transform(transform: C) -> C:
    """Decorator that lets model files refer to a transform by its class name.

    The transform must store each argument of its constructor as an attribute of the same name, from which the
    model file is written.

    Raises:
        ValueError: If it is not a transform class, or the name stands for another class already.
    """
    return _register(transform, BaseTransform, "transform")


def dataset_named(name: str, *, where: str = "the model file") -> type[Dataset]:
    r"""The data set class of a name.

    Args:
        name: A name such as ``"NWUCLA"``. In a path ``"pyg_sybio.[...].NWUCLA"``, as earlier versions wrote,
            only the last part counts.
        where: The location of the name, for error messages.

    Raises:
        ValueError: If neither the package nor user code has registered such a data set. In that case, nothing
            is imported.
    """
    return _named(name, _DATASETS, Dataset, where, "data set")


def transform_named(name: str, *, where: str = "the model file") -> type[BaseTransform]:
    """The transform class of a name; arguments and errors of :func:`dataset_named`."""
    return _named(name, _TRANSFORMS, BaseTransform, where, "transform")


def registered_name(cls: type) -> str | None:
    """The name by which a model file may refer to a class; None if it has none."""
    name = cls.__name__
    found = _registered.get(name) is cls or _TRANSFORMS.get(name) is cls
    return name if found or cls.__module__ == f"pyg_sybio.data.{_DATASETS.get(name)}" else None


def _register(cls: C, base: type, what: str) -> C:
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise ValueError(f"{cls!r} is not a {what}: expected a subclass of {base.__name__}")
    name, other = cls.__name__, _registered.get(cls.__name__)
    # A notebook cell that is run twice registers the same class again.
    again = other is not None and (other.__module__, other.__qualname__) == (cls.__module__, cls.__qualname__)
    if name in _DATASETS or name in _TRANSFORMS or (other is not None and not again):
        raise ValueError(f"the name of {cls.__module__}.{cls.__qualname__} is taken: expected a new one")
    _registered[name] = cls
    return cls


def _named(name: str, known: Mapping[str, Any], base: type, where: str, what: str) -> type:
    last = name.rpartition(".")[2] if isinstance(name, str) and name.startswith("pyg_sybio.") else str(name)
    found = known.get(last) or _registered.get(last)
    if isinstance(found, str):
        found = getattr(import_module(f"pyg_sybio.data.{found}"), last)
    if found is None or not issubclass(found, base):
        raise ValueError(
            f"{where} names {name!r:.80}, which is not a registered {what}: expected {', '.join(known)}, "
            f"or one that your code registers (pyg_sybio.data.registry.register_{what.replace(' ', '')})"
        )
    return found
