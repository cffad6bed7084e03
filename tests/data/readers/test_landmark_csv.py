"""Landmarks in CSV files."""

from pathlib import Path

import numpy as np
import pytest

from pyg_sybio.data.datasets.motion_folder import find_motion_files
from pyg_sybio.data.reading import is_readable, read_motion


def write(path: Path, values: np.ndarray, names: str = "xyzv") -> Path:
    header = ",".join(f"{name}{joint}" for joint in range(values.shape[1]) for name in names)
    rows = [f"{t}," + ",".join(f"{value:.4f}" for value in frame.ravel()) for t, frame in enumerate(values)]
    path.write_text("\n".join([f"frame,{header}", *rows]) + "\n")
    return path


def test_landmarks_are_read_from_named_columns(tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(0.1, 0.9, (4, 33, 4)).round(4)
    values[1, 2, 3] = 0
    motion = read_motion(write(tmp_path / "a.csv", values))
    assert motion.skeleton.name == "mediapipe33" and motion.num_persons == 1
    assert (~motion.present).nonzero().tolist() == [[0, 1, 2]]
    seen = motion.present[0]
    assert np.allclose(motion.poses[0][seen], values[..., :3][seen.numpy()], atol=1e-6)


def test_csv_files_without_landmark_columns_are_not_motions(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", np.full((2, 33, 4), 0.5))
    (tmp_path / "subjects.csv").write_text("subject,age\n1,30\n")
    assert not is_readable(tmp_path / "subjects.csv")
    with pytest.warns(UserWarning, match="not read as motions: 1 .csv"):
        assert find_motion_files(tmp_path) == [tmp_path / "a.csv"]


def test_a_field_that_is_not_a_number_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", np.full((2, 33, 4), 0.5))
    path.write_text(path.read_text().replace("1,0.5000", "1,left", 1))
    with pytest.raises(ValueError, match=r"a.csv, line 3 lacks a number, expected one"):
        read_motion(path)


def test_lines_of_the_same_frame_are_different_people_and_frames_may_be_left_out(tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(0.1, 0.9, (5, 33, 4)).round(4)
    path = write(tmp_path / "a.csv", values)
    header, *rows = path.read_text().splitlines()
    # Two people, whose order alternates; frame 12 is left out.
    order = [(10, 7), (10, 3), (11, 3), (11, 7), (13, 7)]
    lines = [f"{f},{p},{row.split(',', 1)[1]}" for (f, p), row in zip(order, rows, strict=True)]
    path.write_text("\n".join([header.replace("frame,", "frame,track_id,"), *lines]))
    motion = read_motion(path)
    assert sorted(motion.tracks) == [3, 7] and motion.num_frames == 4
    seven, three = motion.tracks.index(7), motion.tracks.index(3)
    assert motion.present[seven].all(-1).tolist() == [True, True, False, True]
    assert motion.present[three].all(-1).tolist() == [True, True, False, False]
    for person, frame, line in ((seven, 0, 0), (three, 0, 1), (three, 1, 2), (seven, 1, 3), (seven, 3, 4)):
        assert np.allclose(motion.poses[person, frame], values[line, :, :3], atol=1e-6)
    path.write_text(path.read_text().replace("\n11,3,", "\n11,x,"))
    with pytest.raises(ValueError, match=r"a.csv, line 4 has 'x', expected an integer"):
        read_motion(path)
    path.write_text(path.read_text().replace("\n11,x,", "\n11,\n"))
    with pytest.raises(ValueError, match=r"a.csv, line 4 has 2 fields, expected 134"):
        read_motion(path)
