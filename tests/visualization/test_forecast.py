"""Forecasts: ground truth, prediction and error are drawn in strips, videos and players, and as angles."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from PIL import Image
from player_page import data_of
from stick_body import STICK, stick_motion, without

from pyg_sybio.data.motion import Motion
from pyg_sybio.rotations import expmap_to_matrix
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.visualization.clip_animation import write_gif, write_html
from pyg_sybio.visualization.clip_figure import strip_figure
from pyg_sybio.visualization.forecast import Forecast
from pyg_sybio.visualization.motion_figure import draw_forecast
from pyg_sybio.visualization.rotation_figure import draw_rotation_forecast, rotation_errors
from pyg_sybio.visualization.theme import BLUE, GREY, INK, VERMILLION


def forecast_of(persons: int = 1, *, observed: int = 9, future: int = 6, **fields: Any) -> Forecast:
    """The forecast of rising stick figures, with random errors."""
    motion = stick_motion(observed + future, persons)
    came = motion.frames(slice(observed, None))
    noise = 0.1 * torch.randn(came.poses.shape, generator=torch.Generator().manual_seed(0))
    predicted = came.replace(poses=came.poses + noise)
    return Forecast(motion.frames(slice(observed)), came, predicted, title="sticks", **fields)


def lines_of(axes: Axes) -> dict[str, np.ndarray]:
    """The ends `[n, 2, 2]` of all lines of each colour."""
    found: dict[str, list[np.ndarray]] = {}
    for lines in axes.collections:
        if isinstance(lines, LineCollection):
            segments = lines.get_segments()
            for color, segment in zip(
                np.resize(lines.get_colors(), (len(segments), 4)), segments, strict=True
            ):
                found.setdefault(to_hex(color).upper(), []).append(np.asarray(segment))
    return {color: np.array(segments) for color, segments in found.items() if segments}


# Strips ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("persons", [1, 2])
def test_error_lines_run_from_true_to_predicted_joints(persons: int) -> None:
    forecast = forecast_of(persons)
    scene = forecast.scene()
    view = scene.view(None)
    past, frames = 6, [6, 9, 11]  # six observed and six future frames are shown
    figure = strip_figure(scene, view, np.array(frames))
    for axes, frame in zip(figure.axes, frames, strict=True):
        lines = lines_of(axes)
        true, guess = (
            view.project(motion.poses[:, frame - past].double().numpy()).reshape(-1, 2)
            for motion in (forecast.future, forecast.prediction)
        )
        errors = lines[VERMILLION]
        assert len(errors) == 7 * persons
        # The drawing is shifted so that the true bodies are centred; relative positions do not change.
        moved = errors[0, 0] - true[0]
        np.testing.assert_allclose(errors[:, 0], true + moved, atol=1e-9)
        np.testing.assert_allclose(errors[:, 1], guess + moved, atol=1e-9)
        middle = (true.min(0) + true.max(0)) / 2
        assert middle[0] + moved[0] == pytest.approx(0)
        for color, pose in ((GREY, true), (BLUE, guess)):
            bones = {tuple(map(tuple, np.round(line - moved, 6))) for line in lines[color]}
            poses = np.round(pose.reshape(persons, 7, 2), 6)
            expected = {
                tuple(map(tuple, poses[person, list(pair)]))
                for person in range(persons)
                for pair in STICK.bone_pairs
            }
            assert bones == expected


def test_times_and_mean_errors_are_labelled(tmp_path: Path) -> None:
    forecast = forecast_of()
    times = forecast.scene().times
    assert times[:6] == ("−500 ms", "−400 ms", "−300 ms", "−200 ms", "−100 ms", "0 ms")
    for frame, text in enumerate(times[6:]):
        away = forecast.prediction.poses[0, frame] - forecast.future.poses[0, frame]
        expected = sum(float(joint.norm()) for joint in away) / 7
        found = re.fullmatch(r"\+(\d+) ms\nmean error ([\d.]+) m", text)
        assert found is not None
        assert int(found[1]) == 100 * (frame + 1)
        assert float(found[2]) == pytest.approx(expected, abs=6e-4)


def test_a_strip_shows_the_requested_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[list[int]] = []

    def spy(scene: Any, view: Any, frames: np.ndarray, rows: Any) -> Any:
        assert rows is None
        shown.append(frames.tolist())
        return strip_figure(scene, view, frames)

    monkeypatch.setattr("pyg_sybio.visualization.motion_figure.strip_figure", spy)
    forecast = forecast_of()
    draw_forecast(forecast, tmp_path / "a.png", times=[600, 190, 210, 100])
    draw_forecast(forecast, tmp_path / "a.svg")
    assert shown == [[1, 3, 5, 6, 7, 11], [1, 3, 5, *range(6, 12)]]
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")


def test_unrecorded_joints_have_no_ground_truth_and_no_error() -> None:
    forecast = forecast_of()
    missing = torch.zeros(1, 6, 7, dtype=torch.bool)
    missing[0, 0, 2] = missing[0, 1] = True
    forecast = Forecast(forecast.observed, without(forecast.future, missing), forecast.prediction)
    scene = forecast.scene()
    figure = strip_figure(scene, scene.view(None), np.array([6, 7, 8]))
    first, second, third = (lines_of(axes) for axes in figure.axes)
    assert [len(lines.get(VERMILLION, ())) for lines in (first, second, third)] == [6, 0, 7]
    assert [len(lines.get(GREY, ())) for lines in (first, second, third)] == [5, 0, 6]
    assert [len(lines[BLUE]) for lines in (first, second, third)] == [6, 6, 6]
    assert scene.times[7] == "+200 ms\nnot recorded"


def test_joints_that_were_not_observed_are_not_drawn() -> None:
    forecast, hand = forecast_of(), STICK.joint_index("left_hand")
    missing = torch.zeros(1, 9, 7, dtype=torch.bool)
    missing[0, :, hand] = missing[0, -1] = True
    observed = without(forecast.observed, missing)
    still = Forecast(observed, forecast.future, forecast.prediction).zero_velocity()
    assert not still.prediction.present[..., hand].any()
    others = [joint for joint in range(7) if joint != hand]
    assert torch.equal(
        still.prediction.poses[:, :, others], observed.poses[:, 7:8, others].expand(1, 6, 6, 3)
    )
    assert np.isnan(still.errors[..., hand]).all() and np.isfinite(still.errors[..., others]).all()
    points = still.scene().points
    assert np.isnan(points[2, :, hand]).all() and np.isnan(points[0, :, hand]).all()


def test_image_coordinates_are_drawn_upright_and_scores_are_ignored() -> None:
    skeleton = load_skeleton("coco17")
    poses = torch.rand(1, 8, skeleton.num_joints, skeleton.num_features)
    motion = Motion(poses=poses, skeleton=skeleton, frame_rate=25.0)
    came = motion.frames(slice(4, None))
    shifted = came.poses.clone()
    shifted[..., :2] += torch.tensor([3.0, 4.0])
    forecast = Forecast(motion.frames(slice(4)), came, came.replace(poses=shifted))
    np.testing.assert_allclose(forecast.errors, 5.0, rtol=1e-5)
    figure = strip_figure(forecast.scene(), forecast.scene().view(None), np.array([5]))
    errors = lines_of(figure.axes[0])[VERMILLION]
    np.testing.assert_allclose(errors[:, 1] - errors[:, 0], [[3.0, -4.0]] * 17, atol=1e-5)


# Videos and players ---------------------------------------------------------------------------------------


def test_a_video_contains_observed_and_future_frames(tmp_path: Path) -> None:
    write_gif(forecast_of().scene(), tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 6 + 6
        counts = []
        for frame in range(gif.n_frames):
            gif.seek(frame)
            picture = np.asarray(gif.convert("RGB"))
            colors = (INK, GREY, BLUE, VERMILLION)
            rgb = [[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in colors]
            counts.append([int((picture == color).all(-1).sum()) for color in rgb])
    # The legend contains all colours in every frame. The observed body is followed by both futures.
    past, future = np.array(counts[:6]), np.array(counts[6:])
    assert past[:, 0].min() > future[:, 0].max()
    for color in (1, 2, 3):
        assert future[:, color].min() > past[:, color].max() > 0


def test_a_player_contains_both_futures_and_error_lines(tmp_path: Path) -> None:
    forecast = forecast_of(2)
    write_html(forecast.scene(), tmp_path / "a.html")
    data, page = data_of(tmp_path / "a.html"), (tmp_path / "a.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|\bsrc\b|\bhref\b|\burl\(|@import|\bfetch\b", page)
    assert data["links"] == [[2, 4], [3, 5]]
    assert [key["bodies"] for key in data["keys"]] == [[0, 1], [2, 3], [4, 5], []]
    assert [key["links"] for key in data["keys"]] == [False, False, False, True]
    assert len(data["frames"]) == len(data["times"]) == 12
    view = forecast.scene().view(None)
    for frame, bodies in enumerate(data["frames"]):
        for body, pose in enumerate(bodies):
            kind, person = divmod(body, 2)
            motion = (forecast.observed, forecast.future, forecast.prediction)[kind]
            place = frame + 3 if kind == 0 else frame - 6  # the last six of nine observed frames
            if (kind == 0) != (frame < 6):
                assert pose == [None] * 7
                continue
            expected = motion.poses[person, place].double().numpy() @ view.axes.T
            np.testing.assert_allclose(pose, expected, atol=1e-3)


# Rotations ------------------------------------------------------------------------------------------------


def rotations(frames: int, seed: int) -> Motion:
    skeleton = load_skeleton("cmu38").subset("used")
    generator = torch.Generator().manual_seed(seed)
    poses = torch.randn(1, frames, skeleton.num_joints, 3, generator=generator)
    return Motion(poses=poses, skeleton=skeleton, frame_rate=25.0)


def test_errors_of_rotations_are_the_angles_between_them(tmp_path: Path) -> None:
    forecast = Forecast(rotations(7, 0), rotations(5, 1), rotations(5, 2))
    errors = rotation_errors(forecast)
    for frame, joint in ((0, 0), (4, 25), (2, 11)):
        one, other = (
            expmap_to_matrix(motion.poses[0, frame, joint].double()).numpy()
            for motion in (forecast.future, forecast.prediction)
        )
        angle = np.degrees(np.arccos((np.trace(one.T @ other) - 1) / 2))
        assert errors[0, frame, joint] == pytest.approx(angle)
    figure = draw_rotation_forecast(forecast, tmp_path / "a.pdf", times=[120])
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    recorded, predicted, off = (axes.images[0].get_array() for axes in figure.axes[:3])
    assert recorded.shape == (26, 10)  # the last five observed frames, and the future
    degrees = np.degrees(np.linalg.norm(forecast.future.poses[0].double().numpy(), axis=-1))
    np.testing.assert_allclose(recorded[:, 5:], degrees.T)
    np.testing.assert_allclose(off, errors[0].T)
    assert predicted.shape == (26, 5)
    caption = figure._suptitle.get_text().replace("\N{NO-BREAK SPACE}", " ")
    found = re.search(r"mean error of a joint ([\d.]+)° at 120 ms", caption)
    assert found is not None
    assert float(found[1]) == pytest.approx(errors[0, 2].mean(), rel=5e-3)
    with pytest.raises(ValueError, match="has coordinates 'xyz', expected 'expmap'"):
        draw_rotation_forecast(forecast_of(), tmp_path / "b.png")
    assert draw_forecast(forecast, tmp_path / "b.png").startswith("the angles of rotations are shown")
    with pytest.raises(ValueError, match="rotations without bone offsets have no body"):
        draw_forecast(forecast, tmp_path / "b.gif")


# Errors ---------------------------------------------------------------------------------------------------


def test_errors_name_mismatched_arguments(tmp_path: Path) -> None:
    good = forecast_of()
    with pytest.raises(ValueError, match="'future' has num_persons 2, but 'observed' has 1"):
        Forecast(good.observed, forecast_of(2).future, good.prediction)
    with pytest.raises(ValueError, match="'prediction' has 5 frames, but 'future' has 6"):
        Forecast(good.observed, good.future, good.prediction.frames(slice(5)))
    with pytest.raises(
        ValueError, match="'prediction' has skeleton 'cmu38:used', but 'observed' has 'stick'"
    ):
        Forecast(good.observed, good.future, rotations(6, 0))
    with pytest.raises(ValueError, match=r"'future' has frame_rate 20.0, but 'observed' has 10.0"):
        Forecast(good.observed, good.future.replace(frame_rate=20.0), good.prediction)
    nothing = without(good.future, torch.ones(1, 6, 7, dtype=torch.bool))
    with pytest.raises(ValueError, match="'future' has no recorded joint"):
        Forecast(good.observed, nothing, good.prediction)
    for time in (30, 651):
        with pytest.raises(ValueError, match=f"{time} ms is not within the future, expected 100 to 600 ms"):
            draw_forecast(good, tmp_path / "a.png", times=[time])
    with pytest.raises(ValueError, match=r"a\.jpg' is not a picture, expected a name that ends in \.png"):
        draw_forecast(good, tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())
