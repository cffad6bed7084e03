"""A picture of a motion that is known as rotations: how far each joint is turned over time."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pyg_sybio.data.motion import Motion
from pyg_sybio.visualization.clip_figure import caption
from pyg_sybio.visualization.figures import BLUE, INK, ORANGE, SMALL, TEXT, new_figure, save_figure, to_numpy
from pyg_sybio.visualization.pose import joint_sides
from pyg_sybio.visualization.scene import scene_of

_WIDTH, _ROW = 10.0, 0.15  # inches


def draw_rotations(motion: Motion, path: str | Path) -> None:
    r"""Draw the angle :math:`|v|` of every joint's exponential map `v` in every frame, as a map in degrees.

    A body cannot be drawn from rotations alone: the bones' lengths and directions at rest are in other files.

    Args:
        motion: Rotations (coordinates `expmap`).
        path: PNG file to write.

    Raises:
        ValueError: If the motion holds positions.
    """
    if motion.skeleton.coordinates != "expmap":
        kind = motion.skeleton.coordinates
        raise ValueError(f"{motion.source or 'the motion'} has coordinates '{kind}', expected 'expmap'")
    save_figure(rotation_figure(motion), path)


def rotation_figure(motion: Motion) -> Figure:
    """The figure that :func:`draw_rotations` saves."""
    skeleton = motion.skeleton
    angles = np.degrees(np.linalg.norm(to_numpy(motion.poses), axis=-1))  # [P, T, M]
    angles = np.where(motion.present.numpy(), angles, np.nan)
    rate = motion.frame_rate
    lines = caption(scene_of(motion), "how far each joint is turned from rest", width=_WIDTH)
    figure = new_figure(_WIDTH, 1.2 + _ROW * skeleton.num_joints * motion.num_persons)
    panels = figure.subplots(motion.num_persons, sharex=True, squeeze=False)[:, 0]
    for person, axes in enumerate(panels):
        image = axes.imshow(
            angles[person].T,
            aspect="auto",
            interpolation="nearest",
            cmap="cividis",
            vmin=0,
            vmax=np.nanmax(angles) if np.isfinite(angles).any() else 1,
            extent=(0, motion.num_frames / (rate or 1), skeleton.num_joints - 0.5, -0.5),
        )
        axes.set_yticks(range(skeleton.num_joints), skeleton.joints, fontsize=SMALL, parse_math=False)
        for tick, side in zip(axes.get_yticklabels(), joint_sides(skeleton), strict=True):
            tick.set_color({0: INK, 1: BLUE, -1: ORANGE}[int(side)])
        axes.tick_params(axis="x", labelsize=SMALL)
    panels[-1].set_xlabel("frame" if rate is None else "time (s)", fontsize=TEXT)
    bar = figure.colorbar(image, ax=list(panels), fraction=0.03, pad=0.01)
    bar.set_label("angle (degrees)", fontsize=TEXT)
    bar.ax.tick_params(labelsize=SMALL)
    figure.suptitle(lines, fontsize=TEXT, color=INK, x=0.01, ha="left", linespacing=1.4, parse_math=False)
    return figure
