"""Symbiotic graph neural networks: recognise an action and forecast the motion from one skeleton sequence."""

from importlib import import_module
from typing import Any

from pyg_sybio.skeleton import Skeleton, load_skeleton

__all__ = ["Skeleton", "SybioGNN", "SybioOutput", "Trained", "load_skeleton", "load_trained"]
__version__ = "0.1.0"

_LAZY = {
    "SybioGNN": "models.sybio_gnn",
    "SybioOutput": "models.sybio_gnn",
    "Trained": "trained.trained",
    "load_trained": "trained.load",
}


def __getattr__(name: str) -> Any:
    # torch takes seconds to import, and skeletons and --help do not need it.
    if name in _LAZY:
        return getattr(import_module(f"pyg_sybio.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
