"""``sybio stream``: one result per input line, and a summary at the end."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from live_models import FUTURE, NTU, OBSERVED, save_checkpoint, small_checkpoint

from pyg_sybio.cli import main as cli
from pyg_sybio.data.datasets.standardize import Normalisation, frames_of, used_columns
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.data.reading import read_motion, read_motions
from pyg_sybio.streaming.json_lines import MAX_LINE, Pace
from pyg_sybio.trained.load import load_trained
from pyg_sybio.trained.trained import Trained

CENTER = {
    "class_path": "pyg_sybio.data.transforms.Center",
    "init_args": {"joint": "spine", "frame": "each"},
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    made = small_checkpoint(preprocess=[CENTER])
    return save_checkpoint(made, tmp_path_factory.mktemp("run") / "last.ckpt")


def recording(num_frames: int = OBSERVED, num_persons: int = 1, rate: float = 30.0) -> Motion:
    steps = 0.1 * torch.randn(num_persons, num_frames, 25, 3)
    return Motion(poses=torch.randn(num_persons, 1, 25, 3) + steps.cumsum(1), skeleton=NTU, frame_rate=rate)


def line(pose: Any, track: int = 0, **frame: Any) -> str:
    people = [{"track": track, "joints": torch.as_tensor(pose).tolist()}]
    return json.dumps({"type": "frame", "people": people} | frame)


class Streamed:
    """A run of the command: its exit code, the messages on stdout, and the text on stderr."""

    def __init__(self, capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
        self.code = cli.main(["stream", *argv])
        said = capsys.readouterr()
        self.messages = [json.loads(text) for text in said.out.splitlines()]
        self.err = said.err

    @property
    def results(self) -> list[dict[str, Any]]:
        assert self.messages[0]["type"] == "hello"
        return [message for message in self.messages if message["type"] == "result"]

    @property
    def errors(self) -> list[str]:
        return [message["message"] for message in self.messages if message["type"] == "error"]


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the standard input of the command."""

    def give(lines: str | bytes) -> None:
        content = lines if isinstance(lines, bytes) else lines.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return give


def said_by_predict(trained: Trained, path: Path) -> tuple[dict[str, float], torch.Tensor]:
    prediction = trained.predict(path)
    last = prediction.persons[0].windows[-1].tolist()
    return dict(zip(trained.class_names, last, strict=True)), prediction.future_motion.poses[0].float()


@pytest.mark.parametrize("rate", [30.0, 15.0])
def test_every_frame_of_a_file_gets_a_result(
    rate: float, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The recording is as long as the window, so the window contains no older frames.
    motion = recording(OBSERVED if rate == 30 else OBSERVED // 2, rate=rate)
    write_motion(motion, tmp_path / "a.npz")
    run = Streamed(capsys, [str(checkpoint), str(tmp_path / "a.npz")])
    assert run.code == 0 and not run.errors
    assert len(run.results) == motion.num_frames
    probabilities, future = said_by_predict(load_trained(checkpoint), tmp_path / "a.npz")
    (person,) = run.results[-1]["people"]
    assert person["probabilities"] == pytest.approx(probabilities, abs=1e-5)
    assert person["label"] == max(probabilities, key=probabilities.__getitem__)
    torch.testing.assert_close(torch.tensor(person["future"]["joints"]), future, rtol=1e-4, atol=1e-4)
    times = [(motion.num_frames - 1) / rate + step / 30 for step in range(1, FUTURE + 1)]
    assert person["future"]["timestamps"] == pytest.approx(times, abs=1e-5)
    assert ("sybio: note: the input is resampled from 15 Hz to 30 Hz" in run.err) == (rate == 15)
    assert f"{motion.num_frames} frames, 0 dropped, 0 refused, " in run.err
    for share in ("p50", "p95", "p99"):
        assert f"{share} " in run.err.splitlines()[-1]


def test_persons_of_a_file_become_tracks(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    motion = recording(12, num_persons=2)
    present = motion.present.clone()
    present[1, :5] = False
    present[:, 8] = False
    motion = motion.replace(poses=motion.poses * present[..., None], present=present)
    write_motion(motion, tmp_path / "a.npz")
    run = Streamed(capsys, [str(checkpoint), str(tmp_path / "a.npz"), "--fps", "60", "--enough", "0.2"])
    tracks = [[person["track"] for person in result["people"]] for result in run.results]
    assert tracks == [[0]] * 5 + [[0, 1]] * 3 + [[]] + [[0, 1]] * 3
    assert [result["timestamp"] for result in run.results] == pytest.approx([n / 60 for n in range(12)])
    # Eleven frames at 60 Hz are six frames at 30 Hz; the window has 20 frames.
    assert [person["enough"] for person in run.results[-1]["people"]] == [True, True]
    assert [person["enough"] for person in run.results[5]["people"]] == [False, False]


def test_results_of_lines_from_standard_input_equal_results_of_a_file(
    checkpoint: Path, tmp_path: Path, stdin: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    motion = recording()
    lines = [line(pose) for pose in motion.poses[0]]
    stdin("\n".join(lines) + "\n\n")
    run = Streamed(capsys, [str(checkpoint)])
    assert run.code == 0
    write_motion(motion, tmp_path / "a.npz")
    of_file = Streamed(capsys, [str(checkpoint), str(tmp_path / "a.npz")])
    for one, other in zip(run.results, of_file.results, strict=True):
        assert one["timestamp"] == pytest.approx(other["timestamp"])
        assert one["people"][0]["probabilities"] == pytest.approx(
            other["people"][0]["probabilities"], abs=1e-5
        )
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    again = Streamed(capsys, [str(checkpoint), str(tmp_path / "a.jsonl")])
    assert [result["people"] for result in again.results] == [result["people"] for result in run.results]


def test_a_bad_line_is_reported_by_number_and_the_stream_continues(
    checkpoint: Path, stdin: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    poses = recording().poses[0]
    lines = [
        line(poses[0], timestamp=1.0),
        "{not json",
        line(poses[1], timestamp=1.1),
        line(poses[2], timestamp=1.05),
        "",
        line(poses[3][:7], timestamp=1.15),
        "x" * (MAX_LINE + 10),
        line(poses[4], track=1),
        '{"type": "reset", "track": 0}',
        line(poses[5], timestamp=0.5),
    ]
    stdin("\n".join(lines))
    run = Streamed(capsys, [str(checkpoint)])
    assert run.code == 1
    assert [error.split(":")[0] for error in run.errors] == ["line 2", "line 4", "line 6", "line 7"]
    assert "not JSON" in run.errors[0] and "newest pose of track 0 is at 1.1 s" in run.errors[1]
    assert "'joints' has 7 entries, expected 25" in run.errors[2]
    assert f"expected at most {MAX_LINE} bytes" in run.errors[3]
    # A frame without a timestamp follows the last accepted frame; after a reset, timestamps may be earlier.
    assert [result["timestamp"] for result in run.results] == pytest.approx([1.0, 1.1, 1.1 + 1 / 30, 0.5])
    assert "5 frames, 0 dropped, 4 refused" in run.err
    last = run.err.splitlines()[-1]
    assert last.startswith("sybio: error: 4 invalid lines, the first: line 2: not JSON")


def test_missing_and_uncertain_joints_lower_the_observed_ratio(
    checkpoint: Path, tmp_path: Path, stdin: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    poses = recording(4).poses[0]
    people = [{"joints": [None, *poses[0].tolist()[1:]], "confidence": [1.0] * 20 + [0.2] * 5}]
    stdin(json.dumps({"type": "frame", "people": people}))
    run = Streamed(capsys, [str(checkpoint), "--min-confidence", "0.2", "--missing", "hold"])
    assert run.results[0]["people"][0]["observed_ratio"] == pytest.approx(19 / 25 / OBSERVED)
    motion = recording(3).replace(confidence=torch.linspace(0, 1, 25).expand(1, 3, 25).clone())
    write_motion(motion, tmp_path / "a.npz")
    for threshold, joints in (("0.0", 24), ("0.5", 12)):
        run = Streamed(capsys, [str(checkpoint), str(tmp_path / "a.npz"), "--min-confidence", threshold])
        assert run.results[0]["people"][0]["observed_ratio"] == pytest.approx(joints / 25 / OBSERVED)


def test_joints_in_another_order_give_the_same_result(
    checkpoint: Path, tmp_path: Path, stdin: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    document = NTU.to_dict()
    document["joints"] = document["joints"][::-1]
    (tmp_path / "other.json").write_text(json.dumps(document))
    pose = recording(1).poses[0, 0]
    stdin(line(pose))
    expected = Streamed(capsys, [str(checkpoint)]).results[0]["people"][0]
    stdin(line(pose.flip(0)))
    run = Streamed(capsys, [str(checkpoint), "--skeleton", str(tmp_path / "other.json")])
    assert run.messages[0]["skeleton"]["joints"] == list(NTU.joints)[::-1]
    person = run.results[0]["people"][0]
    assert person["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)
    np.testing.assert_allclose(
        person["future"]["joints"], np.flip(expected["future"]["joints"], 1), atol=1e-4
    )


def test_recordings_in_one_file_are_streamed_separately(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 9, 150)).astype(np.float32), np.eye(2, dtype=np.float32)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:1], y_test=y[:1])
    run = Streamed(capsys, [str(checkpoint), str(tmp_path / "a.npz")])
    assert len(run.results) == 27
    last = [run.results[frame]["people"] for frame in (8, 17, 26)]
    assert last[0][0]["probabilities"] == pytest.approx(last[2][0]["probabilities"], abs=1e-6)
    assert last[0][0]["probabilities"] != last[1][0]["probabilities"]


def test_an_interrupted_stream_prints_its_summary(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            text = super().readline(-1 if size is None else size)
            if not text:
                raise KeyboardInterrupt
            return text

    poses = recording(2).poses[0]
    content = "".join(line(pose) + "\n" for pose in poses).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Interrupted(content)))
    run = Streamed(capsys, [str(checkpoint)])
    assert run.code == 130 and len(run.results) == 2
    summary, last = run.err.splitlines()
    assert summary.startswith("2 frames, 0 dropped, 0 refused") and last == "sybio: interrupted"


def test_a_closed_output_pipe_ends_the_command_without_a_traceback(checkpoint: Path, tmp_path: Path) -> None:
    write_motion(recording(300), tmp_path / "a.npz")
    argv = [sys.executable, "-m", "pyg_sybio", "stream", str(checkpoint), str(tmp_path / "a.npz")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert json.loads(process.stdout.readline())["type"] == "hello"
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait() == 1
    assert "Traceback" not in said and "error" not in said
    assert "frames, 0 dropped, 0 refused" in said


def test_the_number_of_threads_is_set_only_if_requested(
    checkpoint: Path, stdin: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    for argv in ([], ["--threads", "3"]):
        stdin("")
        assert Streamed(capsys, [str(checkpoint), *argv]).code == 0
    assert asked == [3]


@pytest.mark.real_data
def test_the_last_result_of_a_stream_of_another_rig_equals_predict(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = data_root / "bandai2" / "dataset-2_wave-both-hands_normal_001.bvh"
    motion = read_motion(path)
    made = small_checkpoint(skeleton=motion.skeleton, preprocess=[{**CENTER, "init_args": {"frame": "each"}}])
    saved = save_checkpoint(made, tmp_path / "rig.ckpt")
    run = Streamed(capsys, [str(saved), str(path)])
    assert len(run.results) == motion.num_frames
    # The preparation treats frames independently, so the frames before the window have no effect.
    probabilities, future = said_by_predict(made, path)
    person = run.results[-1]["people"][0]
    assert person["probabilities"] == pytest.approx(probabilities, abs=1e-4)
    torch.testing.assert_close(torch.tensor(person["future"]["joints"]), future, rtol=1e-4, atol=1e-2)  # cm


@pytest.mark.real_data
def test_the_last_result_of_a_stream_of_rotations_equals_predict(data_root: Path) -> None:
    path = data_root / "cmu_mocap" / "test" / "walking" / "walking_1.txt"
    (recorded,) = read_motions(path)
    used = recorded.skeleton.subset("used")
    normalisation = Normalisation.fit([frames_of(recorded)], used_columns(recorded.skeleton, used))
    made = small_checkpoint("CMUMocap", used, normalisation=normalisation, frame_rate=25.0)
    stream = made.stream(fps=50)
    for pose in recorded.poses[0]:
        out = stream.update(pose)
    prediction = made.predict(path)
    future = prediction.future_motion.poses[0].float()
    torch.testing.assert_close(out.probabilities, prediction.persons[0].windows[-1], rtol=0, atol=1e-5)
    torch.testing.assert_close(out.future, future, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["nowhere.npz"], "no file nowhere.npz: expected a motion file, or a .jsonl file of messages"),
        (["--skeleton", "jhmdb15"], "'skeleton' 'jhmdb15' has coordinates 'xy', expected 'xyz'"),
        (["--fps", "0.1"], "'max_gap' is 1 s, expected at least 10 s"),
    ],
)
def test_errors_name_the_cause(
    argv: list[str], message: str, checkpoint: Path, stdin: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stdin("")
    run = Streamed(capsys, [str(checkpoint), *argv])
    assert run.code == 1 and not run.messages
    assert message in run.err.splitlines()[-1]


@pytest.mark.parametrize(
    "argv",
    [
        ["--speed", "0"],
        ["--speed", "fast"],
        ["--enough", "2"],
        ["--fps", "nan"],
        ["--threads", "0"],
        ["--missing", "guess"],
    ],
)
def test_invalid_options_are_usage_errors(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["stream", "a.ckpt", *argv])
    assert end.value.code == 2


# Real speed -----------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 50.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_frames_are_processed_when_due_and_dropped_when_late() -> None:
    clock = Clock()
    pace = Pace(2, max_delay=0.1, max_pause=1.0, clock=clock, sleep=clock.sleep)
    assert pace.wait(7.0) and not clock.slept  # the first frame is due immediately
    assert pace.wait(7.2) and clock.slept == [pytest.approx(0.1)]  # twice as fast
    clock.now += 0.14
    assert pace.wait(7.3) and len(clock.slept) == 1  # late by 0.09 s, below max_delay
    clock.now += 0.2
    assert not pace.wait(7.4)  # late by 0.24 s
    assert not pace.wait(7.5)  # 0.19 s
    assert pace.wait(7.8)  # 0.04 s
    assert pace.wait(8.0) and clock.slept[1:] == [pytest.approx(0.06)]
    assert pace.wait(500.0) and clock.slept[2:] == [pytest.approx(0.5)]  # max_pause at twice the speed
    assert pace.wait(3.0) and len(clock.slept) == 3  # earlier timestamps restart the clock


def test_late_frames_are_dropped_and_counted(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answered = iter([True, True, False, False, True, True])
    seen = []

    def wait(self: Pace, timestamp: float) -> bool:
        seen.append(timestamp)
        assert (self.speed, self.max_delay) == (4.0, 0.05)
        return next(answered)

    monkeypatch.setattr(Pace, "wait", wait)
    motion = recording(6)
    write_motion(motion, tmp_path / "a.npz")
    argv = [str(checkpoint), str(tmp_path / "a.npz"), "--speed", "4", "--max-delay", "0.05"]
    run = Streamed(capsys, argv)
    assert seen == pytest.approx([frame / 30 for frame in range(6)])
    assert [result["timestamp"] for result in run.results] == pytest.approx(
        [frame / 30 for frame in (0, 1, 4, 5)]
    )
    assert "6 frames, 2 dropped, 0 refused" in run.err
    # Dropped frames are interpolated, so the window is complete.
    assert run.results[-1]["people"][0]["observed_ratio"] == pytest.approx(6 / OBSERVED)
