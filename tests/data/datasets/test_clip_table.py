"""The table of a folder: valid forms, and errors with line and column."""

import csv
import io
import re
from pathlib import Path

import pytest
import torch
from mutations import mutations
from stick_body import stick_motion

from pyg_sybio.data.datasets.clip_table import ClipEntry, match_clip_pattern, read_clip_table
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.natural_order import natural

FILES = ["a/1.npz", "a/2.npz", "b c.bvh"]
TABLE = """file,label,split,subject,style
a/1.npz,"wave, both",train,3,old
a/2.npz,kick,test,3,
b c.bvh,kick,train,12,young
"""


def _table(folder: Path, text: str | bytes) -> Path:
    path = folder / "clips.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


ENTRIES = {
    "a/1.npz": [ClipEntry("wave, both", {"split": "train", "subject": "3", "style": "old"})],
    "a/2.npz": [ClipEntry("kick", {"split": "test", "subject": "3"})],
    "b c.bvh": [ClipEntry("kick", {"split": "train", "subject": "12", "style": "young"})],
}


def test_a_table_gives_the_entry_of_each_file(tmp_path: Path) -> None:
    assert read_clip_table(_table(tmp_path, TABLE), FILES) == ENTRIES


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + TABLE.encode(),  # as spreadsheets write it
        TABLE.replace("\n", "\r\n"),
        TABLE.replace("\n", "\n\n"),
        TABLE.rstrip("\n"),
        TABLE.replace(",", ", ").replace('"wave,  both"', '"wave, both"'),
        TABLE.replace("a/1", "./a/1"),
    ],
    ids=["byte order mark", "DOS", "blank lines", "no end", "spaces", "dots"],
)
def test_equivalent_csv_forms_give_the_same_entries(text: str | bytes, tmp_path: Path) -> None:
    assert read_clip_table(_table(tmp_path, text), FILES) == ENTRIES


def test_a_table_may_omit_labels(tmp_path: Path) -> None:
    path = _table(tmp_path, "file,subject\n" + "".join(f"{name},1\n" for name in FILES))
    assert read_clip_table(path, FILES) == {name: [ClipEntry(None, {"subject": "1"})] for name in FILES}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((TABLE, ""), "line 0 has the columns nothing, expected 'file'"),
        (("file,label", "name,label"), "line 1 has the columns 'name', 'label', 'split'"),
        (("subject,style", "style,style"), "line 1 has the column 'style' 2 times"),
        (("subject,style", "subject,"), "line 1 has the column '' 1 times"),
        (
            ("a/2.npz", "a/3.npz"),
            "line 3, column 'file' has 'a/3.npz', expected one of the 3 motion files",
        ),
        (("a/2.npz", "../2.npz"), "line 3, column 'file' has '../2.npz', expected one of"),
        (("a/2.npz", "clips.csv"), "line 3, column 'file' has 'clips.csv', expected one of"),
        (("a/2.npz", "a/1.npz"), "line 3, column 'file': 'a/1.npz' is already in line 2"),
        (("a/2.npz", "./a//1.npz"), "line 3, column 'file': 'a/1.npz' is already in line 2"),
        (
            ("a/2.npz,kick,test,3,\n", ""),
            "column 'file' lacks a/2.npz, expected a line for every motion file",
        ),
        (("kick,test", ",test"), "line 3, column 'label' is empty"),
        (("kick,test", "kick,tst"), "line 3, column 'split' is 'tst', expected train, val or test"),
        (("kick,test", "kick,"), "line 3, column 'split' is '', expected train, val or test"),
        (("test,3,", "test,3"), "line 3 has 4 fields, expected 5: file, label, split, subject, style"),
        (('"wave, both"', '"wave"x'), "line 2: .* expected a CSV file"),
        (('"wave, both"', '"wave'), "line 4: .* expected a CSV file"),
        (("kick", "k\xff"), "not UTF-8 text, expected a CSV file"),
        (("kick", "x" * 200_000), "line 3: field larger than field limit .* expected a CSV file"),
    ],
)
def test_errors_name_line_and_column(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    text = TABLE.replace(*change, 1)
    path = _table(tmp_path, text.encode("latin-1" if "\xff" in text else "utf-8"))
    with pytest.raises(ValueError, match=message) as error:
        read_clip_table(path, FILES)
    assert str(path) in str(error.value)


def test_damaged_tables_are_refused(tmp_path: Path) -> None:
    refused = 0
    for mutation in mutations(TABLE.encode(), count=300):
        path = _table(tmp_path, mutation.content)
        try:
            entries = read_clip_table(path, FILES)
        except ValueError as error:
            refused += 1
            assert path.name in str(error) and len(str(error)) < 1000, mutation.name
        else:
            assert entries == _second_parse(mutation.content), mutation.name
    assert refused > 150


def _second_parse(content: bytes) -> dict[str, list[ClipEntry]]:
    entries: dict[str, list[ClipEntry]] = {}
    for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")):
        assert set(row) - {None} == set(row) and None not in row.values()
        said = {key.strip(): value.strip() for key, value in row.items() if value.strip()}
        name = re.sub(r"/+", "/", said.pop("file")).replace("./", "")
        assert name not in entries
        entries[name] = [ClipEntry(said.pop("label", None), said)]
    return entries


def test_named_groups_of_a_pattern_give_label_split_and_ids() -> None:
    files = ["train/walk/s1_2.bvh", "test/jump up/s10_3.bvh"]
    entries = match_clip_pattern(r"(?P<split>\w+)/(?P<label>[^/]+)/s(?P<subject>\d+)_\d+\.bvh", files)
    assert entries == {
        files[0]: [ClipEntry("walk", {"split": "train", "subject": "1"})],
        files[1]: [ClipEntry("jump up", {"split": "test", "subject": "10"})],
    }


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(?P<label>", "'pattern' .* is not a regular expression"),
        (".*", "has no named group"),
        (
            r"(?P<label>walk).*",
            "does not match jump_1.bvh, expected it to match the path of every motion file",
        ),
        (r"(?P<label>[a-z]+)_\d", "does not match walk_1.bvh, jump_1.bvh, expected"),
        (r"(?P<label>x?).*", "column 'label' is empty"),
        (r"(?P<label>\w+)_(?P<split>\d)\.bvh", "file 'walk_1.bvh', column 'split' is '1', expected train"),
    ],
)
def test_wrong_patterns_are_refused(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        match_clip_pattern(pattern, ["walk_1.bvh", "jump_1.bvh"])


def test_numbers_in_names_are_sorted_by_value() -> None:
    names = ["A010", "2", "walk 10", "10", "walk", "walk 2", "1", "A9"]
    assert sorted(names, key=natural) == ["1", "2", "10", "A9", "A010", "walk", "walk 2", "walk 10"]
    # Numbers that differ in leading zeros are equal, so they are sorted by their text.
    for names in (["012", "11", "01", "1"], ["1", "01", "11", "012"]):
        assert sorted(names, key=natural) == ["01", "1", "11", "012"]


# Segments -------------------------------------------------------------------------------------------------


def _recording(frame_rate: float | None = 10.0) -> Motion:
    """Two persons, tracks 3 and 7, whose first coordinate is the number of the frame."""
    motion = stick_motion(30, 2, label=None, frame_rate=frame_rate)
    poses = motion.poses.clone()
    poses[..., 0] = torch.arange(30.0)[None, :, None] + 100 * torch.arange(2)[:, None, None]
    return motion.replace(poses=poses, tracks=(3, 7), source="day.npz")


def _clips(folder: Path, text: str, motion: Motion) -> list[Motion]:
    entries = read_clip_table(_table(folder, text), ["day.npz"])
    return [entry.clip(motion) for entry in entries["day.npz"]]


@pytest.mark.parametrize(
    ("segments", "frames"),
    [
        ([("0", "10"), ("10", "30")], [(0, 10), (10, 30)]),
        ([("", "10"), ("10", "")], [(0, 10), (10, 30)]),
        ([("0", "1.5"), ("1.5", "2")], [(0, 15), (15, 20)]),  # "1.5" makes all numbers seconds
        ([("0s", "1s"), ("1 s", "3 s")], [(0, 10), (10, 30)]),
        ([("0.0", "3.05")], [(0, 30)]),  # a rounded duration, slightly too long
    ],
)
def test_segments_are_in_frames_or_seconds(
    segments: list[tuple[str, str]], frames: list[tuple[int, int]], tmp_path: Path
) -> None:
    rows = "".join(f"day.npz,class {k},{a},{b}\n" for k, (a, b) in enumerate(segments))
    clips = _clips(tmp_path, "file,label,start,end\n" + rows, _recording())
    for number, (clip, (first, end)) in enumerate(zip(clips, frames, strict=True)):
        assert clip.poses[0, :, 0, 0].tolist() == [*range(first, end)]
        assert (clip.label, clip.ids, clip.num_persons) == (f"class {number}", {}, 2)
        assert clip.source == f"day.npz, frames {first} to {end - 1}"
        unit = "seconds" if re.search(r"\.|\ds", rows.replace("day.npz", "")) else "frames"
        assert clip.notes[-1].startswith(f"is cut into segments by {unit}")


def test_each_person_may_have_a_label(tmp_path: Path) -> None:
    clips = _clips(tmp_path, "file,label,person\nday.npz,wave,7\nday.npz,kick,3\n", _recording())
    assert [(clip.label, clip.tracks) for clip in clips] == [("wave", (7,)), ("kick", (3,))]
    assert clips[0].poses[0, 5, 0, 0] == 105


@pytest.mark.parametrize(
    ("row", "frame_rate", "message"),
    [
        ("10,31,", 10.0, "day.npz has 30 frames, which do not contain 10 to 31"),
        ("10,10,", 10.0, "day.npz has 30 frames, which do not contain 10 to 10"),
        ("0.0,3.5,", 10.0, "day.npz has 3 seconds, which do not contain 0 to 3.5"),
        ("0.0,3.0,", None, "day.npz has no frame rate, but its segments are in seconds"),
        ("first,3,", 10.0, "line 2, column 'start' is 'first', expected a frame such as 150, or seconds"),
        ("-1,3,", 10.0, "line 2, column 'start' is '-1', expected a frame"),
        (",,anna", 10.0, "line 2, column 'person' is 'anna', expected a track number"),
        (",,0", 10.0, "day.npz has no person 0, expected one of the tracks 3, 7"),
    ],
)
def test_errors_of_segments_name_the_file_or_line(
    row: str, frame_rate: float | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        _clips(tmp_path, f"file,label,start,end,person\nday.npz,wave,{row}\n", _recording(frame_rate))


def test_a_repeated_segment_is_refused(tmp_path: Path) -> None:
    text = "file,label,start,end\nday.npz,wave,0,9\nday.npz,kick,0,9\n"
    with pytest.raises(ValueError, match=r"line 3, column 'file': 'day.npz' is already in line 2"):
        read_clip_table(_table(tmp_path, text), ["day.npz"])
