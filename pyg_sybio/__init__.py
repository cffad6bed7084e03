"""Symbiotic graph neural networks: recognise an action and forecast the motion from one skeleton sequence."""

from typing import TYPE_CHECKING, Any

from pyg_sybio.skeleton import Skeleton, load_skeleton

if TYPE_CHECKING:
    from pyg_sybio.models.sybio_gnn import SybioGNN, SybioOutput

__all__ = ["Skeleton", "SybioGNN", "SybioOutput", "load_skeleton"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Importing torch takes seconds, and is not needed for skeletons or --help.
    if name in ("SybioGNN", "SybioOutput"):
        from pyg_sybio.models import sybio_gnn

        return getattr(sybio_gnn, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
