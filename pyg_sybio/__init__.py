"""Symbiotic graph neural networks: recognise an action and forecast the motion from one skeleton sequence."""

from pyg_sybio.models.sybio_gnn import SybioGNN, SybioOutput
from pyg_sybio.skeleton import Skeleton, load_skeleton

__all__ = ["Skeleton", "SybioGNN", "SybioOutput", "load_skeleton"]
__version__ = "0.1.0"
