"""``sybio serve``: it starts, reports errors and stops."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from live_models import save_checkpoint, small_checkpoint
from served import made_up_frame, made_up_recording
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from pyg_sybio.cli.main import main
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.serving.listening import listen
from pyg_sybio.serving.run import in_bfloat16
from pyg_sybio.trained.load import load_trained


@pytest.fixture(autouse=True)
def _logs_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevent the command from changing the loggers of the test process."""
    monkeypatch.setattr("pyg_sybio.serving.run.log_to_stderr", lambda **_: None)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(small_checkpoint(), tmp_path_factory.mktemp("serve") / "small.ckpt")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "sway.npz"
    write_motion(made_up_recording(), path)
    return path


@pytest.fixture
def server(checkpoint: Path, recording: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "pyg_sybio", "serve", str(checkpoint), "--play", str(recording)]
    process = subprocess.Popen(
        [*command, "--port", "0", "--token", "secret"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    yield process
    process.kill()
    process.communicate()


def test_the_server_runs_until_it_is_interrupted(server: subprocess.Popen[str]) -> None:
    assert server.stdout is not None
    page, poses = server.stdout.readline(), server.stdout.readline()
    found = re.fullmatch(r"page:  (http://127\.0\.0\.1:\d+/)\?token=TOKEN\n", page)
    assert found is not None
    assert poses == f"poses: {found[1].replace('http', 'ws')}ws/poses?token=TOKEN\n"
    with urlopen(f"{found[1]}health?token=secret", timeout=30) as reply:
        health = json.load(reply)
    assert health["model"]["name"] == "small.ckpt"
    assert [source["name"] for source in health["sources"]] == ["sway.npz"]

    with connect(f"{found[1].replace('http', 'ws')}ws/poses?token=secret") as producer:
        producer.send(json.dumps(made_up_frame()))
        assert json.loads(producer.recv())["classes"] == ["a", "b", "c"]
        assert json.loads(producer.recv())["type"] == "result"
        producer.send("nonsense")
        assert json.loads(producer.recv())["type"] == "error"
        server.send_signal(signal.SIGINT)
        with pytest.raises(ConnectionClosed):
            producer.recv(timeout=10)
    _, errors = server.communicate(timeout=20)
    assert server.returncode == 0
    assert errors.endswith("sybio: stopped\n")
    assert "Traceback" not in errors
    assert re.search(r"\d\d:\d\d:\d\d 127\.0\.0\.1:\d+: refused: not JSON", errors)
    assert "secret" not in errors


def test_a_port_in_use_is_a_one_line_error(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with listen("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        assert main(["serve", str(checkpoint), "--port", str(port)]) == 1
    assert capsys.readouterr().err == (
        f"sybio: error: cannot listen on 127.0.0.1 port {port}: Address already in use "
        "(--port selects another)\n"
    )


def test_an_unsuitable_recording_is_a_one_line_error(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", str(checkpoint), "--port", "0", "--play", str(tmp_path / "none.npz")]) == 1
    assert re.fullmatch(r"sybio: error: no file .*none\.npz: expected .*\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--port", "65536", "expected a port from 0 to 65535, got '65536'"),
        ("--max-people", "0", "expected a positive integer, got '0'"),
        ("--max-rate", "fast", "expected a positive number, got 'fast'"),
        ("--token", "", "expected visible characters without spaces, got ''"),
        ("--token", "s\udce9", "expected visible characters without spaces, got 's\\udce9'"),
        ("--idle", "-1", "expected a positive number, got '-1'"),
    ],
)
def test_invalid_option_values_are_usage_errors(
    option: str, value: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["serve", "x.ckpt", f"{option}={value}"])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_serve_warns_without_access_control(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    monkeypatch.setattr("gc.freeze", lambda: None)  # would affect all later tests
    warning = "sybio: warning: anybody who can reach this machine can connect (--token prevents that)"
    for options, warned in (
        (["--host", "0.0.0.0"], True),
        (["--host", "0.0.0.0", "--token", "x"], False),
        ([], False),
    ):
        assert main(["serve", str(checkpoint), "--port", "0", *options]) == 0
        assert (warning in capsys.readouterr().err) == warned


@pytest.mark.parametrize(
    ("native", "options", "warned"), [(True, ["--bf16"], 0), (False, ["--bf16"], 1), (False, [], 0)]
)
def test_serve_warns_about_emulated_bfloat16(
    native: bool,
    options: list[str],
    warned: int,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    monkeypatch.setattr("gc.freeze", lambda: None)  # would affect all later tests
    monkeypatch.setattr("pyg_sybio.training.precision.has_native_bf16", lambda device: native)
    assert main(["serve", str(checkpoint), "--port", "0", *options]) == 0
    assert (
        capsys.readouterr().err.count("--bf16 is slow here: this processor has no native bfloat16") == warned
    )


def test_bfloat16_is_refused_for_models_with_a_fixed_precision(checkpoint: Path) -> None:
    whole = load_trained(checkpoint)
    half = in_bfloat16(whole)
    pose = made_up_recording().poses[0, 0]
    one, other = (each.stream().update(pose) for each in (whole, half))
    assert one.probabilities.tolist() != other.probabilities.tolist()
    assert one.probabilities.tolist() == pytest.approx(other.probabilities.tolist(), abs=0.05)
    with pytest.raises(ValueError, match=r"--bf16 needs a checkpoint or a model folder"):
        in_bfloat16(half)
