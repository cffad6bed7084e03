"""What a picture of motions shows: bodies over time, their colours, and what is written about them."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pyg_sybio.data.motion import Motion
from pyg_sybio.visualization.figures import to_numpy
from pyg_sybio.visualization.pose import Colors, color_keys, person_colors
from pyg_sybio.visualization.view import View, view_of


class Key(NamedTuple):
    """What a colour means, and what of the scene a player may hide by it.

    Args:
        color: The colour.
        label: What it means.
        bodies: Bodies that have it alone.
        links: Whether the links have it.
    """

    color: str
    label: str
    bodies: tuple[int, ...] = ()
    links: bool = False


@dataclass(frozen=True, eq=False)
class Scene:
    """Bodies that move, for a strip of frames, a film or a player.

    Args:
        motion: All bodies, each as a person of it, in one space.
        recorded: Which of them were recorded `[P]`: these choose the view and stay in the middle.
        colors: Of each body.
        keys: What the colours mean.
        times: What is written at each frame (:meth:`when`).
        title: What is shown.
        facts: What is known about it, in a few words each.
        links: Pairs of bodies whose joints are joined by lines.
    """

    motion: Motion
    recorded: np.ndarray
    colors: tuple[Colors, ...]
    keys: tuple[Key, ...]
    times: tuple[str, ...]
    title: str
    facts: tuple[str, ...]
    links: tuple[tuple[int, int], ...] = ()

    def view(self, up: str | None) -> View:
        """From where the recorded bodies are looked at (:func:`~pyg_sybio.visualization.view.view_of`)."""
        return view_of(self.motion.persons(np.flatnonzero(self.recorded).tolist()), up=up)

    def when(self, frame: int) -> str:
        """A frame as people read it."""
        return self.times[frame] + ("" if self.present[:, frame].any() else " · nobody seen")

    @property
    def points(self) -> np.ndarray:
        """The poses `[P, T, M, D]`."""
        return to_numpy(self.motion.poses)

    @property
    def present(self) -> np.ndarray:
        """Which joints are shown `[P, T, M]`."""
        return self.motion.present.numpy()

    @property
    def anchored(self) -> np.ndarray:
        """Which joints `[P, T, M]` are shown and recorded."""
        return self.present & self.recorded[:, None, None]


def scene_of(motion: Motion) -> Scene:
    """A recorded motion as a scene."""
    return Scene(
        motion=motion,
        recorded=np.ones(motion.num_persons, dtype=bool),
        colors=tuple(person_colors(motion.num_persons)),
        keys=tuple(Key(color, label) for color, label in color_keys(motion.skeleton, motion.num_persons)),
        times=tuple(time_of(motion, frame) for frame in range(motion.num_frames)),
        title=Path(motion.source).name,
        facts=tuple(facts(motion)),
    )


def time_of(motion: Motion, frame: int) -> str:
    """A frame as people read it: its time, or its number where the frame rate is not known."""
    return f"frame {frame}" if motion.frame_rate is None else f"{frame / motion.frame_rate:.2f} s"


def facts(motion: Motion) -> list[str]:
    """What is known about a motion, in a few words each: class, ids, frame rate and length."""
    label = [] if motion.label is None else [f"class {motion.label}"]
    ids = [f"{name} {value}" for name, value in motion.ids.items()]
    frames = f"{motion.num_frames} frame{'s' if motion.num_frames != 1 else ''}"
    if motion.frame_rate is None:
        length = f"{frames}, frame rate unknown"
    else:
        length = f"{frames} at {motion.frame_rate:g} Hz"
    return [*label, *ids, motion.skeleton.name, length]
