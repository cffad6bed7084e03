"""A store of clips in memory, without files."""

from dataclasses import dataclass

from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import Skeleton


@dataclass
class Store:
    """Clips in memory, with the attributes of a store that data sets use."""

    motions: list[Motion]
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def clips(self) -> list[Motion]:
        return self.motions

    @property
    def skeleton(self) -> Skeleton:
        return self.motions[0].skeleton

    def motion(self, index: int, frames: slice = slice(None)) -> Motion:
        return self.motions[index].frames(frames)
