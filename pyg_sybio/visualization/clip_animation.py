"""A recorded motion that moves: a GIF, a film, or a page with a player."""

import json
import math
import shutil
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from tqdm import tqdm

from pyg_sybio.data.motion import Motion
from pyg_sybio.files import write_whole
from pyg_sybio.visualization.clip_figure import (
    add_keys,
    box,
    caption,
    facts,
    height_of,
    reach,
    time_of,
    write_below,
)
from pyg_sybio.visualization.figures import INK, LIGHT_GREY, TEXT, bare, new_figure, to_numpy
from pyg_sybio.visualization.pose import (
    Colors,
    PoseArtist,
    bone_sides,
    color_keys,
    joint_sides,
    person_colors,
)
from pyg_sybio.visualization.view import View, view_of

# Viewers show a GIF of more frames a second slowly, and films need no more.
_MAX_RATE = 30.0
_UNKNOWN_RATE = 25.0
_SIZE = (9.0, 4.2)  # inches, of the largest scene
_DPI = 100
_LONGEST = 655_350  # ms: no frame of a GIF is shown for longer
_DIGITS = 4


def write_gif(motion: Motion, path: str | Path, *, up: str | None = None, progress: bool = False) -> View:
    """Write a motion as an animated GIF that runs in real time, at most 30 frames a second, again and again.

    Args:
        motion: Positions; without a frame rate it runs at 25 frames a second.
        path: File to write.
        up: The axis that points up (:func:`~pyg_sybio.visualization.view.view_of`).
        progress: Whether to show a progress bar on stderr.

    Returns:
        The view, whose note says which way is up.

    Raises:
        ValueError: If the motion is rotations.
    """
    view = view_of(motion, up=up)
    step, rate = _sampling(motion)
    # A GIF counts in hundredths of a second: rounding the ends, not the lengths, keeps the whole in time.
    count = len(range(0, motion.num_frames, step))
    ends = [round(100 * (number + 1) / rate) * 10 for number in range(count)]
    lengths = [min(end - start, _LONGEST) for start, end in zip([0, *ends], ends, strict=False)]
    palette = _palette(motion)
    images = (
        Image.fromarray(image).quantize(palette=palette, dither=Image.Dither.NONE)
        for image in _images(motion, view, step, progress)
    )
    first = next(images)
    options: dict[str, Any] = {"save_all": True, "append_images": images, "duration": lengths, "loop": 0}
    write_whole(path, lambda file: first.save(file, format="GIF", **options))
    return view


def write_mp4(motion: Motion, path: str | Path, *, up: str | None = None, progress: bool = False) -> View:
    """Write a motion as an H.264 film in real time; arguments and errors as :func:`write_gif`.

    Raises:
        FileNotFoundError: If there is no program `ffmpeg`, which makes the film.
        ValueError: If `ffmpeg` fails, with the last it said.
    """
    view = view_of(motion, up=up)
    program = shutil.which("ffmpeg")
    if program is None:
        raise FileNotFoundError(f"{path}: no program ffmpeg, which an .mp4 needs; try .gif or .html")
    step, rate = _sampling(motion)
    images = _images(motion, view, step, progress)
    first = next(images)
    height, width = first.shape[:2]
    command = [program, "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{width}x{height}", "-r", f"{rate:.6f}", "-i", "-"]
    command += ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4"]

    def write(file: BinaryIO) -> None:
        pipe = subprocess.PIPE
        with subprocess.Popen([*command, file.name], stdin=pipe, stderr=pipe) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            try:
                for image in (first, *images):
                    process.stdin.write(image.tobytes())
                process.stdin.close()
            except BrokenPipeError:
                pass  # it has ended early, and says why
            said = process.stderr.read().decode(errors="replace").split("\n")
        if process.returncode:
            reason = next((line for line in reversed(said) if line.strip()), f"code {process.returncode}")
            raise ValueError(f"{path}: ffmpeg failed: {reason}")

    write_whole(path, write)
    return view


def write_html(motion: Motion, path: str | Path, *, up: str | None = None) -> View:
    """Write a motion as a page with a player, in one file that loads nothing from elsewhere.

    The page holds all frames, rounded to four digits of the motion's extent. It plays in real time, shows any
    frame, and turns what is in space. Arguments and errors as :func:`write_gif`.
    """
    view = view_of(motion, up=up)
    player = files("pyg_sybio.visualization").joinpath("player.html").read_text(encoding="utf-8")
    # "</" would end the script in which the data stands.
    data = json.dumps(_player_data(motion, view), separators=(",", ":")).replace("</", "<\\/")
    page = player.replace('"MOTION"', data)
    write_whole(path, lambda file: file.write(page.encode()))
    return view


def _player_data(motion: Motion, view: View) -> dict[str, Any]:
    """What the player draws: coordinates along right, up and towards the viewer; null where missing."""
    points = to_numpy(motion.poses)[..., : len(view.axes)] @ view.axes.T
    present = motion.present.numpy()
    if present.any():
        low, high = box(points, present, axis=(0, 1, 2))
    else:
        low, high = np.zeros(len(view.axes)), np.ones(len(view.axes))
    extent = float((high - low).max()) or 1.0
    decimals = _DIGITS - math.ceil(math.log10(extent))
    rounded = np.round(points, decimals)
    return {
        "title": Path(motion.source).name,
        "facts": [*facts(motion), view.note],
        "rate": motion.frame_rate,
        "times": [_when(motion, frame) for frame in range(motion.num_frames)],
        "low": low.tolist(),
        "high": high.tolist(),
        "bones": motion.skeleton.bone_pairs,
        "boneSides": bone_sides(motion.skeleton).tolist(),
        "jointSides": joint_sides(motion.skeleton).tolist(),
        "colors": [{"0": color.middle, "1": color.left, "-1": color.right} for color in _colors(motion)],
        "keys": [
            [line.get_color(), line.get_label()] for line in color_keys(motion.skeleton, motion.num_persons)
        ],
        # [T][P][M]: a joint is its coordinates, or null.
        "frames": [
            [
                [joint if seen else None for joint, seen in zip(pose, shown, strict=True)]
                for pose, shown in zip(poses, presence, strict=True)
            ]
            for poses, presence in zip(
                rounded.swapaxes(0, 1).tolist(), present.swapaxes(0, 1).tolist(), strict=True
            )
        ],
    }


def _palette(motion: Motion) -> Image.Image:
    """White and the colours of the picture, each in a few steps towards white for its smooth edges."""
    colors = dict.fromkeys([INK, *(color for person in _colors(motion) for color in person)])
    steps = np.linspace(0, 0.8, 6)[:, None]
    shades = [np.ones((1, 3)), np.array([to_rgb(LIGHT_GREY)])]
    shades += [steps + (1 - steps) * to_rgb(color) for color in colors]
    image = Image.new("P", (1, 1))
    image.putpalette((np.concatenate(shades) * 255).round().astype(np.uint8).tobytes())
    return image


def _colors(motion: Motion) -> list[Colors]:
    return person_colors(motion.num_persons)


def _sampling(motion: Motion) -> tuple[int, float]:
    """Every how many-th frame is shown, and how many of those a second."""
    rate = motion.frame_rate or _UNKNOWN_RATE
    step = math.ceil(rate / _MAX_RATE)
    return step, rate / step


def _when(motion: Motion, frame: int) -> str:
    nobody = "" if motion.seen[:, frame].any() else " · nobody seen"
    return time_of(motion, frame) + nobody


def _images(motion: Motion, view: View, step: int, progress: bool) -> Iterator[np.ndarray]:
    """Pictures `[H, W, 3]` of every `step`-th frame, one at a time; even numbers of pixels, as films need."""
    points, present = view.project(to_numpy(motion.poses)), motion.present.numpy()
    if present.any():
        low, high = box(points, present, axis=(0, 1, 2))
        points = points - (low + high) / 2
    height = height_of(points, present)
    figure, time, artists = _scene(motion, view, reach(points, present), height)
    canvas = FigureCanvasAgg(figure)
    hidden = None if progress else True  # None: shown on a terminal alone
    for frame in tqdm(range(0, motion.num_frames, step), unit="frame", disable=hidden, leave=False):
        time.set_text(_when(motion, frame))
        for person, artist in enumerate(artists):
            artist.show(points[person, frame], present[person, frame])
        canvas.draw()
        # What is drawn moves, but the page does not: lay it out once.
        figure.set_layout_engine("none")
        image = np.asarray(canvas.buffer_rgba())[..., :3]
        yield image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2].copy()


def _scene(
    motion: Motion, view: View, limits: np.ndarray, height: float
) -> tuple[Figure, Text, list[PoseArtist]]:
    """A page with the bodies to be moved, and the text below them."""
    scale = min(_SIZE / (2 * limits))
    inches = np.maximum(2 * limits * scale, (4.0, 1.0))
    size = f"height {height:.3g} ({motion.skeleton.units})"
    lines = caption(motion, view.note, size, width=inches[0])
    figure = new_figure(inches[0] + 0.2, inches[1] + 0.18 * lines.count("\n") + 1.0)
    figure.set_dpi(_DPI)
    axes = figure.subplots()
    bare(axes, limits)
    if motion.num_spatial == 3:
        axes.axhline(-height / 2, color=LIGHT_GREY, linewidth=1, zorder=0)
    figure.suptitle(lines, fontsize=TEXT, color=INK, x=0.02, ha="left", linespacing=1.4, parse_math=False)
    add_keys(figure, motion)
    artists = [PoseArtist(axes, motion.skeleton, colors, width=2.5) for colors in _colors(motion)]
    return figure, write_below(axes, time_of(motion, 0)), artists
