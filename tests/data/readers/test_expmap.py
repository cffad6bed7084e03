"""Exponential-map text files, compared with a naive parser, and hundreds of damaged ones."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mutations import assert_safe, mutations

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.expmap import read_expmap
from pyg_sybio.skeleton import Skeleton, load_skeleton

THREE = Skeleton(
    name="three",
    joints=("hip", "knee", "foot"),
    bones=(("hip", "knee"), ("knee", "foot")),
    center="hip",
    parts={"leg": ("hip", "knee", "foot")},
    part_bones=(),
    mirror=(),
    coordinates="expmap",
    units="rad",
)
VALUES = 12


def sound(num_frames: int = 20) -> bytes:
    values = np.random.default_rng(0).normal(size=(num_frames, VALUES))
    return "".join(",".join(f"{value:.6g}" for value in row) + "\n" for row in values).encode()


def naive(content: bytes) -> list[Motion] | None:
    """Parse a file by splitting its lines; None if it is not rows of decimal numbers, or not in radians."""
    text = content.decode("ascii", errors="replace").rstrip()
    rows = [[field.strip() for field in line.split(",")] for line in text.split("\n")]
    number = re.compile(r"[-+]?\d*\.?\d*([eE][-+]?\d+)?", re.ASCII)
    if not all(
        len(row) == VALUES and all(field and number.fullmatch(field) for field in row) for row in rows
    ):
        return None
    values = np.array([[float(field) for field in row] for row in rows])
    if not np.isfinite(values).all() or np.abs(values[:, 3:]).max() > 100:
        return None
    return [
        Motion(
            poses=torch.tensor(values[:, 3:].reshape(1, -1, 3, 3)),
            translation=torch.tensor(values[None, :, :3]),
            skeleton=THREE,
            frame_rate=50.0,
            source="",
        )
    ]


def read(path: Path) -> Motion:
    return read_expmap(path, skeleton=THREE).replace(source="")


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_reading_equals_splitting_lines(tmp_path: Path) -> None:
    path = tmp_path / "motion.txt"
    path.write_bytes(sound())
    motion = read_expmap(path, skeleton=THREE)
    assert motion.poses.dtype == motion.translation.dtype == torch.float64
    assert motion.poses.shape == (1, 20, 3, 3) and motion.present.all()
    assert motion.source == str(path) and motion.frame_rate == 50.0 and motion.label is None
    (expected,) = naive(sound())  # type: ignore[misc]
    assert torch.equal(motion.poses, expected.poses) and torch.equal(motion.translation, expected.translation)


def test_windows_line_ends_spaces_and_final_blank_lines_are_ignored(tmp_path: Path) -> None:
    row = "1, 2,-0,4,5e-1,6,7,8,9,.5,11.,+12"
    path = write(tmp_path / "motion.txt", f"{row}\r\n{row}\r\n\r\n")
    motion = read(path)
    expected = [[4.0, 0.5, 6], [7, 8, 9], [0.5, 11, 12]]
    assert motion.poses[0].tolist() == [expected, expected]
    assert motion.translation.tolist() == [[[1, 2, 0], [1, 2, 0]]]


def test_a_byte_order_mark_is_not_a_value(tmp_path: Path) -> None:
    path = tmp_path / "motion.txt"
    path.write_bytes(sound())
    motion = read(path)
    path.write_bytes(b"\xef\xbb\xbf" + sound())
    assert read(path).equal(motion)


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("MAX_BYTES", 100, "motion.txt has 102 bytes, expected at most 100"),
        ("MAX_LINES", 3, "motion.txt has 4 lines, expected at most 3"),
        ("MAX_LINE", 50, "motion.txt, line 3 is longer than 50 characters"),
    ],
)
def test_too_large_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, message: str
) -> None:
    row = ",".join("1" * VALUES)
    path = write(tmp_path / "motion.txt", f"{row}\n{row}\n{row},{'1' * 28}\n1")
    monkeypatch.setattr(f"pyg_sybio.data.readers.text.{limit}", value)
    with pytest.raises(ValueError, match=re.escape(message)):
        read(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[1].pop(), "motion.txt, line 2 has 11 values, expected 12"),
        (lambda rows: rows.insert(1, [""]), "motion.txt, line 2 has 1 values, expected 12"),
        (lambda rows: rows[2].append("7"), "motion.txt, line 3 has 13 values, expected 12"),
        (lambda rows: rows[2].__setitem__(4, "x5"), "motion.txt, line 3 has 'x5', expected a number"),
        (lambda rows: rows[2].__setitem__(4, "1-2"), "motion.txt, line 3 has '1-2', expected a number"),
        (lambda rows: rows[0].__setitem__(0, ""), "motion.txt, line 1 has '', expected a number"),
        (
            lambda rows: rows[0].__setitem__(0, "1_0"),
            "motion.txt, line 1 has '1_0', expected a number in dec",
        ),
        (lambda rows: rows[0].__setitem__(0, "\u0663"), "line 1 has '\u0663', expected a number in decimal"),
        (lambda rows: rows[1].__setitem__(11, " nan"), "line 2 has 'nan', expected a finite number"),
        (lambda rows: rows[1].__setitem__(11, "-inf"), "line 2 has '-inf', expected a finite number"),
        (lambda rows: rows[1].__setitem__(3, "1e999"), "line 2 has '1e999', expected a finite number"),
        (
            lambda rows: rows[1].__setitem__(3, "-180"),
            "motion.txt, line 2 has a rotation of 180 rad, expected",
        ),
        (lambda rows: rows.clear(), "motion.txt has no frames, expected lines of 12 comma-separated values"),
    ],
)
def test_errors_name_the_file_and_line(tmp_path: Path, change: object, message: str) -> None:
    rows = [[str(value) for value in range(VALUES)] for _ in range(3)]
    change(rows)  # type: ignore[operator]
    path = write(tmp_path / "motion.txt", "".join(",".join(row) + "\n" for row in rows))
    with pytest.raises(ValueError, match=re.escape(message)):
        read(path)


def test_a_skeleton_of_positions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'skeleton' 'ntu25' has coordinates 'xyz', expected 'expmap'"):
        read_expmap(tmp_path / "motion.txt", skeleton=load_skeleton("ntu25"))


def test_damaged_files_are_refused_or_read_correctly(tmp_path: Path) -> None:
    damaged = mutations(sound(), seed=1, count=400)
    refused = assert_safe(read, tmp_path / "motion.txt", damaged, right=naive)
    assert 150 < refused < 400  # changed numbers and lost lines can leave a valid file


@pytest.mark.real_data
def test_real_files_equal_numpy_loadtxt(data_root: Path) -> None:
    skeleton = load_skeleton("cmu38")
    files = sorted(data_root.glob("cmu_mocap/*/*/*.txt"))
    assert files
    for path in files:
        motion = read_expmap(path, skeleton=skeleton)
        whole = torch.cat([motion.translation[0], motion.poses[0].flatten(1)], dim=1)
        rows = [line.split(",") for line in path.read_text().split()]
        np.testing.assert_array_equal(whole, np.array(rows, dtype=object).astype(float))
