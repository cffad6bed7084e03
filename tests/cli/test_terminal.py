"""Text from files and file names cannot control the terminal on which a command prints it."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pyg_sybio.cli.errors import note
from pyg_sybio.cli.main import main
from pyg_sybio.cli.terminal import SafeOutput, safe_output
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.printable import printable
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.skeleton import load_skeleton

# Sequences that set a title, clear the screen, return to the start of the line, change the colour (with a
# one-byte introducer) and reorder text, and a byte of an undecodable file name.
HOSTILE = "\x1b]0;title\x07\x1b[2J\b\r\x9b1m\u202eabc\udcff"


def test_control_characters_are_escaped_as_in_json() -> None:
    assert printable(HOSTILE) == ("\\u001b]0;title\\u0007\\u001b[2J\\u0008\\u000d\\u009b1m\\u202eabc\\udcff")
    assert printable("naïve\tλ 歩く 🏃\u200d♀") == "naïve\tλ 歩く 🏃\u200d♀"
    assert printable("a\nb\rc\u2028d\x85e") == "a\\u000ab\\u000dc\\u2028d\\u0085e"
    assert printable("a\nb\x1b", keep="\n") == "a\nb\\u001b"


def test_only_progress_bars_move_the_cursor() -> None:
    stream = io.StringIO()
    output = SafeOutput(stream)
    for text in ("\r 10 %", "\n\n\x1b[A\x1b[A", "\r"):
        output.write(text)
    assert stream.getvalue() == "\r 10 %\n\n\x1b[A\x1b[A\r"
    output.writelines(["walk\x1b[A", "\x1b[2J"])
    assert stream.getvalue().endswith("\rwalk\\u001b[A\\u001b[2J")


def test_the_streams_are_restored(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with safe_output():
        print("a\x1b")
        print("b\x1b", file=sys.stderr)
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr() == ("a\\u001b\n", "b\\u001b\n")


def test_control_characters_in_errors_usage_and_tracebacks_are_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "a\x1b[31m.json"
    bad.write_text('{"name": "\x1b"')
    assert main(["skeleton", "validate", str(bad), "--debug"]) == 1
    with pytest.raises(SystemExit):
        main(["skeleton", f"{HOSTILE}"])
    shown = "".join(capsys.readouterr())
    assert "a\\u001b[31m.json" in shown
    assert not set("\x1b\x07\b\r\x9b\u202e\udcff") & set(shown)


def test_line_ends_in_names_from_files_do_not_end_the_printed_line(
    checkpoint: Path, clip: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forged, shown = "wave\nOK: forged\u2028line", "wave\\u000aOK: forged\\u2028line"
    (tmp_path / "body.json").write_text(json.dumps(load_skeleton("coco17").to_dict() | {"name": forged}))
    assert main(["skeleton", "validate", str(tmp_path / "body.json")]) == 0
    assert capsys.readouterr().out == f"OK: {shown}, 17 joints, 16 bones, 10 parts\n"

    clips = tmp_path / "clips"
    motion = Motion(poses=torch.from_numpy(clip)[None], skeleton="ntu25", label=forged, frame_rate=25.0)
    write_motion(motion, clips / "clip.npz")
    assert main(["data", "info", str(clips)]) == 0
    assert f"\n  {shown}  " in capsys.readouterr().out
    assert main(["predict", str(checkpoint), str(clips)]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith(f"  {shown}")
    note(forged)
    assert capsys.readouterr().err == f"sybio: note: {shown}\n"
