"""NTU RGB+D files compared with an independent parser, body by body, and damaged files."""

import re
from collections.abc import Callable
from math import isfinite
from pathlib import Path

import numpy as np
import pytest
import torch
from mutations import assert_safe, mutations
from ntu_files import BODY, Body, write_ntu_file

from pyg_sybio.data.datasets.ntu_samples import missing_skeletons
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.ntu import ACTIONS, read_ntu
from pyg_sybio.skeleton import load_skeleton

NTU25 = load_skeleton("ntu25")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?|[+-]?nan", re.IGNORECASE)


def second_parse(content: bytes, path: Path) -> list[Motion] | None:
    """Parse a file, whose name is not from the data set, number by number; None if it is not valid."""
    try:
        lines = iter(content.decode("ascii").rstrip().replace("\r\n", "\n").split("\n"))
        frames = [_frame(lines) for _ in _whole(next(lines))]
    except (ValueError, StopIteration):
        return None
    if next(lines, None) is not None or not frames:
        return None
    tracks: list[int] = []
    for frame in frames:
        tracks += [body for body in frame if body not in tracks]
    shape = (max(1, len(tracks)), len(frames), 25)
    poses, confidence = torch.zeros(*shape, 3), torch.zeros(shape)
    present = torch.zeros(shape, dtype=torch.bool)
    for t, frame in enumerate(frames):
        for body, joints in frame.items():
            for joint, (x, y, z, *_, state) in enumerate(joints):
                place = (tracks.index(body), t, joint)
                if not (x == y == z == 0):
                    poses[place] = torch.tensor([x, y, z])
                    confidence[place] = {0: 0.0, 1: 0.5, 2: 1.0}[state]
                    present[place] = True
    return [
        Motion(
            poses=poses, present=present, confidence=confidence, skeleton=NTU25, frame_rate=30.0,
            tracks=tuple(tracks), source=str(path),
        )
    ]  # fmt: skip


def _frame(lines) -> dict[int, list[list[float]]]:  # type: ignore[no-untyped-def]
    frame: dict[int, list[list[float]]] = {}
    for _ in _whole(next(lines)):
        number, *others = next(lines).split()
        if not re.fullmatch(r"\d{1,1000}", number) or len(_numbers(others)) != 9 or int(number) in frame:
            raise ValueError
        if list(_whole(next(lines))) != list(range(25)):
            raise ValueError
        frame[int(number)] = joints = [_numbers(next(lines).split()) for _ in range(25)]
        for joint in joints:
            used = [*joint[:3], joint[-1]]
            if len(joint) != 12 or joint[-1] not in (0, 1, 2) or not all(map(isfinite, used)):
                raise ValueError
            if max(map(abs, used)) > torch.finfo(torch.float32).max:
                raise ValueError
    return frame


def _whole(line: str) -> range:
    if not re.fullmatch(r"\s*\d{1,18}\s*", line):
        raise ValueError
    return range(int(line))


def _numbers(fields: list[str]) -> list[float]:
    if not all(map(NUMBER.fullmatch, fields)):
        raise ValueError
    return [float(field) for field in fields]


BODIES = {
    "one body": (Body(),),
    "two bodies": (Body(), Body(72057594037931102)),
    # Bodies with ids that floats cannot distinguish appear and disappear; the first and last frame are empty.
    "five, coming and going": (
        Body(BODY + 3, 4, 9),
        Body(BODY, 1),
        Body(BODY + 1, 0, 6),
        Body(BODY + 2, 1, 2),
        Body(10**25, 7, 12),
    ),
    "nobody in the middle": (Body(BODY, 0, 3), Body(BODY + 1, 8, 12)),
    "nobody": (),
}


@pytest.mark.parametrize("bodies", BODIES.values(), ids=BODIES)
def test_motions_equal_the_written_values(bodies: tuple[Body, ...], tmp_path: Path) -> None:
    path = tmp_path / "S017C003P008R002A120.skeleton"
    written = write_ntu_file(path, np.random.default_rng(0), num_frames=12, bodies=bodies)

    motion = read_ntu(path)

    assert motion.skeleton == NTU25
    assert motion.frame_rate == 30
    assert motion.ids == {"setup": "17", "view": "3", "subject": "8", "repetition": "2"}
    assert motion.label == "finger-guessing game (playing rock-paper-scissors)"
    assert motion.source == str(path)
    in_order = [body for frame in written for body in frame]
    assert motion.tracks == (tuple(dict.fromkeys(in_order)) or (0,))
    assert motion.num_frames == 12
    assert motion.confidence is not None
    for t, frame in enumerate(written):
        for person, body in enumerate(motion.tracks):
            if body in frame:
                assert motion.present[person, t].all()
                assert torch.equal(motion.poses[person, t], torch.tensor(frame[body][:, :3]).float())
                assert motion.confidence[person, t].tolist() == [state / 2 for state in frame[body][:, 11]]
            else:
                assert not motion.present[person, t].any()
                assert not motion.confidence[person, t].any()


@pytest.mark.parametrize("bodies", BODIES.values(), ids=BODIES)
def test_motions_equal_a_second_parse(bodies: tuple[Body, ...], tmp_path: Path) -> None:
    path = tmp_path / "walk.skeleton"
    write_ntu_file(path, np.random.default_rng(1), num_frames=12, bodies=bodies)
    expected = second_parse(path.read_bytes(), path)
    assert expected is not None
    assert read_ntu(path).equal(expected[0])
    assert read_ntu(path).label is None and read_ntu(path).ids == {}


def test_damaged_files_are_refused_or_read_correctly(tmp_path: Path) -> None:
    path = tmp_path / "walk.skeleton"
    write_ntu_file(path, np.random.default_rng(0), 3, (Body(), Body(BODY + 1, 1, 3)))
    damaged = mutations(path.read_bytes(), seed=0, count=300)
    refused = assert_safe(read_ntu, path, damaged, right=lambda content: second_parse(content, path))
    assert 200 < refused < 300


SOUND = 7  # 1-based line number of the third joint of the first body


def _replaced(line: int, field: int, text: str) -> Callable[[list[str]], None]:
    def damage(lines: list[str]) -> None:
        fields = lines[line - 1].split()
        fields[field] = text
        lines[line - 1] = " ".join(fields)

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_replaced(1, 0, "0"), "line 1 has '0', expected an integer of at least 1"),
        (_replaced(1, 0, "1"), "line 57 continues after the last of 1 frames"),
        (_replaced(1, 0, "4"), "line 139 is the last, expected more frames"),
        (_replaced(2, 0, "1.0"), "line 2 has '1.0', expected an integer"),
        (_replaced(4, 0, "24"), "line 4 has 24 joints, expected 25"),
        (_replaced(3, 0, "7.2e16"), "line 3 has body '7.2e16', expected an integer"),
        (_replaced(3, 0, "-1"), "line 3 has body '-1', expected an integer"),
        (_replaced(3, 0, "9" * 5000), "line 3 has body '99999"),
        (_replaced(30, 0, str(BODY)), f"line 30 has body {BODY} twice in frame 1"),
        (_replaced(3, 9, ""), "line 3 has 9 fields of a body, expected 10"),
        (_replaced(3, 7, "left"), "line 3 has 'left', expected a number"),
        (_replaced(SOUND, 4, ""), f"line {SOUND} has 11 numbers of a joint, expected 12"),
        (_replaced(SOUND, 4, "1 2"), f"line {SOUND} has 13 numbers of a joint, expected 12"),
        (_replaced(SOUND, 4, "1,5"), f"line {SOUND} has '1,5', expected a number"),
        (_replaced(SOUND, 4, "1_5"), f"line {SOUND} has '_', expected only numbers"),
        (_replaced(SOUND, 1, "nan"), f"line {SOUND} .* nan, .* expected finite numbers"),
        (_replaced(SOUND, 0, "-inf"), f"line {SOUND} .* -inf, .* expected finite numbers"),
        (_replaced(SOUND, 2, "1e39"), rf"line {SOUND} .* 1e\+39, .* expected finite numbers"),
        (_replaced(SOUND, 11, "3"), f"line {SOUND} .* 3, expected tracking state 0, 1 or 2"),
        (_replaced(SOUND, 11, "1.5"), f"line {SOUND} .* 1.5, expected tracking state 0, 1 or 2"),
        (lambda lines: lines.append("0"), "line 140 continues after the last of 3 frames"),
        (lambda lines: lines.pop(), "line 138 is the last, expected more frames, bodies or joints"),
    ],
)
def test_errors_name_the_line(damage: Callable[[list[str]], None], message: str, tmp_path: Path) -> None:
    path = tmp_path / "walk.skeleton"
    write_ntu_file(path, np.random.default_rng(0), 3, (Body(), Body(BODY + 1, 0, 2)))
    lines = path.read_text().splitlines()
    damage(lines)
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=f"walk.skeleton, {message}"):
        read_ntu(path)


def test_only_values_that_are_used_must_be_finite(tmp_path: Path) -> None:
    path = tmp_path / "walk.skeleton"
    write_ntu_file(path, np.random.default_rng(0), 2)
    sound = read_ntu(path)
    lines = path.read_text().splitlines()
    for field in range(3, 11):
        _replaced(SOUND, field, "-inf" if field % 2 else "NaN")(lines)
    _replaced(3, 7, "nan")(lines)
    path.write_text("\n".join(lines))
    assert read_ntu(path).equal(sound)


def test_a_joint_at_the_origin_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "walk.skeleton"
    write_ntu_file(path, np.random.default_rng(0), 2)
    lines = path.read_text().splitlines()
    lines[SOUND - 1] = "0 0 0 0 0 0 0 0 0 0 0 1"
    path.write_text("\n".join(lines))
    motion = read_ntu(path)
    assert (~motion.present).nonzero().tolist() == [[0, 0, SOUND - 5]]
    assert motion.confidence is not None and motion.confidence[0, 0, SOUND - 5] == 0


def test_small_files_do_not_create_huge_arrays(tmp_path: Path) -> None:
    """One body, and 100,000 empty frames: 200 KB on disk, but 50 MB of zeros."""
    path = tmp_path / "walk.skeleton"
    write_ntu_file(path, np.random.default_rng(0), 1)
    path.write_bytes(b"100001" + path.read_bytes()[1:] + b"0\n" * 100_000)
    with pytest.raises(ValueError, match=r"walk.skeleton has 1 poses for 1 persons in 100001 frames"):
        read_ntu(path)


@pytest.mark.parametrize("action", ["000", "121"])
def test_a_name_with_an_unknown_action_is_refused(action: str, tmp_path: Path) -> None:
    path = tmp_path / f"S001C001P001R001A{action}.skeleton"
    write_ntu_file(path, np.random.default_rng(0), 1)
    with pytest.raises(ValueError, match=f"A{action}.skeleton is named for action {int(action)}"):
        read_ntu(path)


def test_the_error_of_a_missing_file_names_it() -> None:
    with pytest.raises(FileNotFoundError, match="S001C001P001R001A001"):
        read_ntu("S001C001P001R001A001.skeleton")


def test_actions_equal_the_published_list() -> None:
    assert len(ACTIONS) == len(set(ACTIONS)) == 120
    assert (ACTIONS[0], ACTIONS[59], ACTIONS[60]) == (
        "drink water",
        "walking apart from each other",
        "put on headphone",
    )


def test_missing_skeletons_equal_the_published_lists() -> None:
    large = missing_skeletons()
    small = {name for name in large if int(name[-3:]) <= 60}
    assert (len(small), len(large)) == (302, 535)  # the numbers in the headers of the lists
    for name in large:
        setup, camera, subject, repetition, action = map(
            int, re.fullmatch(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})", name).groups()  # type: ignore[union-attr]
        )  # fmt: skip
        assert (setup <= 17) == (action <= 60) == (name in small)
        assert 1 <= setup <= 32 and 1 <= camera <= 3 and 1 <= subject <= 106 and 1 <= repetition <= 2
        assert 1 <= action <= 120
