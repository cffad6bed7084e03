"""The content of a figure or video of motions: bodies over time, their colours, and texts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pyg_sybio.data.motion import Motion
from pyg_sybio.visualization.figures import to_numpy
from pyg_sybio.visualization.pose import Colors, person_colors
from pyg_sybio.visualization.view import View, view_of


class Key(NamedTuple):
    """An entry of the legend. In a player, it has a checkbox that hides its bodies and links.

    Args:
        color: The colour.
        label: Meaning of the colour.
        bodies: Indices of the bodies that have only this colour.
        links: Whether links have this colour.
    """

    color: str
    label: str
    bodies: tuple[int, ...] = ()
    links: bool = False


@dataclass(frozen=True, eq=False)
class Scene:
    """Moving bodies for a strip of frames, a video or a player.

    Args:
        motion: All bodies as persons of one motion.
        recorded: Which of the bodies were recorded `[P]`; only these determine the view and its center.
        colors: Colours of each body.
        keys: Entries of the legend.
        times: Text of each frame, usually its time.
        title: Title of the scene.
        facts: Short facts about the scene for the caption.
        links: Pairs of bodies whose corresponding joints are connected by lines.
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
        """The view of the recorded bodies (:func:`~pyg_sybio.visualization.view.view_of`)."""
        return view_of(self.motion.persons(np.flatnonzero(self.recorded).tolist()), up=up)

    def when(self, frame: int) -> str:
        """Text of a frame: its time, and a note if no person was recorded in the frame."""
        return self.times[frame] + ("" if self.motion.seen[:, frame].any() else " · nobody seen")

    @property
    def points(self) -> np.ndarray:
        """The poses `[P, T, M, D]`, NaN for joints that are not shown."""
        return np.where(self.motion.present[..., None], to_numpy(self.motion.poses), np.nan)


def scene_of(motion: Motion) -> Scene:
    """The scene of a recorded motion."""
    return Scene(
        motion=motion,
        recorded=np.ones(motion.num_persons, dtype=bool),
        colors=tuple(person_colors(motion.num_persons)),
        keys=tuple(_side_keys(motion)),
        times=tuple(
            f"frame {frame}" if motion.frame_rate is None else f"{frame / motion.frame_rate:.2f} s"
            for frame in range(motion.num_frames)
        ),
        title=Path(motion.source).name,
        facts=tuple(facts(motion)),
    )


def unit_of(motion: Motion) -> str:
    """The unit of the positions, such as m or mm; in brackets if it is described in words."""
    units = motion.skeleton.units
    return f"({units})" if " " in units else units


def _side_keys(motion: Motion) -> Iterator[Key]:
    """Legend entries for the colours of persons and sides."""
    for person, colors in enumerate(person_colors(motion.num_persons), 1):
        name = [] if motion.num_persons == 1 else [f"person {person}"]
        if motion.skeleton.mirror:
            yield Key(colors.left, ", ".join([*name, "left"]))
            yield Key(colors.right, ", ".join([*name, "right"]))
        elif name:
            yield Key(colors.left, name[0])


def facts(motion: Motion) -> list[str]:
    """Short facts about a motion: class, ids, skeleton, length and frame rate."""
    label = [] if motion.label is None else [f"class {motion.label}"]
    ids = [f"{name} {value}" for name, value in motion.ids.items()]
    frames = f"{motion.num_frames} frame{'s' if motion.num_frames != 1 else ''}"
    if motion.frame_rate is None:
        length = f"{frames}, frame rate unknown"
    else:
        length = f"{frames} at {motion.frame_rate:g} Hz"
    return [*label, *ids, motion.skeleton.name, length]
