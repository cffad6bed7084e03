"""Writing of a scene as a GIF, a video, or an HTML page with a player."""

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
from PIL import Image
from tqdm import tqdm

from pyg_sybio.files import write_whole
from pyg_sybio.visualization import clip_figure, theme
from pyg_sybio.visualization.figures import bare, new_figure
from pyg_sybio.visualization.pose import ERROR, bone_sides, joint_sides
from pyg_sybio.visualization.scene import Scene
from pyg_sybio.visualization.view import View

# Viewers slow down GIFs with higher frame rates, and videos do not need them.
_MAX_RATE = 30.0
_UNKNOWN_RATE = 25.0
_SIZE = (9.0, 4.2)  # largest width and height of a scene in inches
_DPI = 100
_LONGEST = 655_350  # longest time of a GIF frame in ms
_DIGITS = 4  # decimal digits of coordinates relative to the extent of the motion


def write_gif(scene: Scene, path: str | Path, *, up: str | None = None, progress: bool = False) -> View:
    """Write a scene as an animated GIF that repeats in real time, with at most 30 frames per second.

    Args:
        scene: The scene; without a frame rate it is played at 25 frames per second.
        path: File to write.
        up: The axis that points up (:func:`~pyg_sybio.visualization.view.view_of`).
        progress: Show a progress bar on stderr.

    Returns:
        The view, whose note states which axis points up.

    Raises:
        ValueError: If the motion contains rotations, not positions.
    """
    view = scene.view(up)
    step, rate = _sampling(scene)
    # The unit of time in a GIF is 10 ms. End times are rounded instead of durations, which prevents drift.
    count = len(range(0, scene.motion.num_frames, step))
    ends = [round(100 * (number + 1) / rate) * 10 for number in range(count)]
    lengths = [min(end - start, _LONGEST) for start, end in zip([0, *ends], ends, strict=False)]
    palette = _palette(scene)
    images = (
        Image.fromarray(image).quantize(palette=palette, dither=Image.Dither.NONE)
        for image in _images(scene, view, step, progress)
    )
    first = next(images)
    options: dict[str, Any] = {"save_all": True, "append_images": images, "duration": lengths, "loop": 0}
    write_whole(path, lambda file: first.save(file, format="GIF", **options))
    return view


def write_mp4(scene: Scene, path: str | Path, *, up: str | None = None, progress: bool = False) -> View:
    """Write a scene as an H.264 video in real time; see :func:`write_gif` for the arguments.

    Raises:
        FileNotFoundError: If the program `ffmpeg` is not installed.
        ValueError: If `ffmpeg` fails, with its last message, or the motion contains rotations.
    """
    view = scene.view(up)
    program = find_ffmpeg(path)
    step, rate = _sampling(scene)
    images = _images(scene, view, step, progress)
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
                pass  # ffmpeg has exited early; its last message gives the reason
            said = process.stderr.read().decode(errors="replace").split("\n")
        if process.returncode:
            reason = next((line for line in reversed(said) if line.strip()), f"code {process.returncode}")
            raise ValueError(f"{path}: ffmpeg failed: {reason}")

    write_whole(path, write)
    return view


def find_ffmpeg(path: str | Path) -> str:
    """Find the program that encodes videos.

    Args:
        path: The video to write, for the error message.

    Raises:
        FileNotFoundError: If the program is not installed.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise FileNotFoundError(f"{path}: no program ffmpeg, which an .mp4 needs; try .gif or .html")
    return program


def write_html(scene: Scene, path: str | Path, *, up: str | None = None, progress: bool = False) -> View:
    """Write a scene as an HTML page with a player; the file loads no other files.

    The page contains all frames, with coordinates rounded to 1/10,000 of the motion's extent. It plays in
    real time, has a slider to select a frame, and can rotate 3D motions. See :func:`write_gif` for the
    arguments; `progress` has no effect.
    """
    view = scene.view(up)
    player = files("pyg_sybio.visualization").joinpath("player.html").read_text(encoding="utf-8")
    # "<" in a string of the data could end the script ("</script>"), or hide its end ("<!--<script>").
    data = json.dumps(_player_data(scene, view), separators=(",", ":")).replace("<", "\\u003c")
    page = player.replace('"MOTION"', data)
    write_whole(path, lambda file: file.write(page.encode()))
    return view


def _player_data(scene: Scene, view: View) -> dict[str, Any]:
    """Data of the player: coordinates to the right, up and towards the viewer; null for missing joints."""
    motion = scene.motion
    points = scene.points[..., : len(view.axes)] @ view.axes.T
    low, high = clip_figure.box(points, axis=(0, 1, 2))
    low, high = np.nan_to_num(low), np.nan_to_num(high, nan=1.0)
    extent = float((high - low).max()) or 1.0
    frames = points.round(_DIGITS - math.ceil(math.log10(extent))).swapaxes(0, 1).tolist()
    return {
        "title": scene.title,
        "facts": [*scene.facts, view.note],
        "rate": motion.frame_rate,
        "times": [scene.when(frame).replace("\n", " · ") for frame in range(motion.num_frames)],
        "low": low.tolist(),
        "high": high.tolist(),
        "bones": motion.skeleton.bone_pairs,
        "boneSides": bone_sides(motion.skeleton).tolist(),
        "jointSides": joint_sides(motion.skeleton).tolist(),
        "colors": [{"0": color.middle, "1": color.left, "-1": color.right} for color in scene.colors],
        "links": scene.links,
        "linkColor": ERROR,
        "keys": [key._asdict() for key in scene.keys],
        # [T][P][M]
        "frames": [
            [[None if math.isnan(joint[0]) else joint for joint in pose] for pose in frame]
            for frame in frames
        ],
    }


def _palette(scene: Scene) -> Image.Image:
    """White and all colours of the scene, each with lighter shades for smooth edges."""
    colors = dict.fromkeys([theme.INK, *(color for body in scene.colors for color in body)])
    colors |= dict.fromkeys(key.color for key in scene.keys)
    steps = np.linspace(0, 0.8, 6)[:, None]
    shades = [np.ones((1, 3)), np.array([to_rgb(theme.LIGHT_GREY)])]
    shades += [steps + (1 - steps) * to_rgb(color) for color in colors]
    image = Image.new("P", (1, 1))
    image.putpalette((np.concatenate(shades) * 255).round().astype(np.uint8).tobytes())
    return image


def _sampling(scene: Scene) -> tuple[int, float]:
    """Step between the shown frames, and the frame rate after skipping."""
    rate = scene.motion.frame_rate or _UNKNOWN_RATE
    step = math.ceil(rate / _MAX_RATE)
    return step, rate / step


def _images(scene: Scene, view: View, step: int, progress: bool) -> Iterator[np.ndarray]:
    """Images `[H, W, 3]` of every `step`-th frame; H and W are even, as H.264 requires."""
    points = view.project(scene.points)
    low, high = clip_figure.box(points, axis=(0, 1, 2))
    points = points - np.nan_to_num((low + high) / 2)
    limits, height = clip_figure.reach(points), clip_figure.height_of(points)
    inches = np.maximum(2 * limits * min(_SIZE / (2 * limits)), (5.6, 1.0))
    lines = clip_figure.body_caption(scene, view, height)
    figure = new_figure(inches[0] + 0.2, inches[1] + 0.85, lines, size=theme.TEXT)
    figure.set_dpi(_DPI)
    axes = figure.subplots()
    bare(axes, limits)
    clip_figure.add_keys(figure, scene.keys)
    artist = clip_figure.SceneArtist(axes, scene, height, width=2.5)
    # The layout is computed once, with the text that has the most lines; then only the bodies move.
    time = clip_figure.write_below(axes, max(scene.times, key=lambda text: text.count("\n")))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_layout_engine("none")
    hidden = None if progress else True  # None shows the progress bar only on terminals
    for frame in tqdm(range(0, scene.motion.num_frames, step), unit="frame", disable=hidden, leave=False):
        time.set_text(scene.when(frame))
        artist.show(points[:, frame])
        canvas.draw()
        image = np.asarray(canvas.buffer_rgba())[..., :3]
        yield image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2].copy()
