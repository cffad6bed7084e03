r"""Settings in the flat form of recipes, and the value objects that the data set classes take.

A recipe writes ``settings: {num_observed: 50, window_stride: 5, cache: /tmp}``; a class takes
``sampling=Sampling(num_observed=50, window_stride=5), storage=Storage(cache="/tmp")``.
"""

import inspect
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from torch_geometric.data import Dataset

from pyg_sybio.arguments import annotations
from pyg_sybio.data.datasets.clip_transforms import ClipTransforms
from pyg_sybio.data.datasets.sampling import Sampling
from pyg_sybio.data.store.storage import Storage

VALUE_OBJECTS = (Sampling, ClipTransforms, Storage)


def flat_parameters(dataset: type[Dataset]) -> dict[str, inspect.Parameter]:
    """The arguments of a class in recipes, where the fields of a value object replace the object."""
    hints, flat = annotations(dataset.__init__), {}
    for name, parameter in inspect.signature(dataset).parameters.items():
        if (kind := hints.get(name, Any)) not in VALUE_OBJECTS:
            flat[name] = parameter.replace(annotation=kind)
            continue
        types = annotations(kind)
        for field in fields(kind):
            default = getattr(parameter.default, field.name, field.default)
            flat[field.name] = parameter.replace(
                name=field.name, default=default, annotation=types[field.name]
            )
    return flat


def with_value_objects(dataset: type[Dataset], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a class from flat settings; fields that are not set keep the class's defaults."""
    arguments, hints = dict(settings), annotations(dataset.__init__)
    for name, parameter in inspect.signature(dataset).parameters.items():
        if (kind := hints.get(name, Any)) in VALUE_OBJECTS:
            own = {field.name: arguments.pop(field.name) for field in fields(kind) if field.name in arguments}
            if own:
                given = arguments.get(name, parameter.default)
                arguments[name] = replace(given, **own) if isinstance(given, kind) else kind(**own)
    return arguments
