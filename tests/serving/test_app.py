"""The responses of the server to producers, to viewers, and to invalid messages."""

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from served import CLASSES, SKELETON, Streams, made_up_frame, made_up_pose, made_up_recording, wait_for
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from pyg_sybio.serving.app import create_app
from pyg_sybio.serving.limits import Limits


@pytest.fixture(scope="module")
def streams() -> Streams:
    return Streams()


@pytest.fixture
def client(streams: Streams) -> Iterator[TestClient]:
    with TestClient(create_app(streams, name="small")) as client:
        yield client


def receive(socket: WebSocketTestSession, kind: str) -> dict[str, Any]:
    """Return the next message of a type."""
    while (message := socket.receive_json())["type"] != kind:
        pass
    return dict(message)


def end_of(socket: WebSocketTestSession) -> tuple[str, int, str]:
    """Return the error before a connection is closed, and the code and the reason of the close."""
    error = ""
    while True:
        try:
            message = socket.receive_json()
        except WebSocketDisconnect as end:
            return error, end.code, end.reason or ""
        if message["type"] == "error":
            error = message["message"]


# Pages ----------------------------------------------------------------------------------------------------


def test_the_page_loads_no_other_resources(client: TestClient) -> None:
    reply = client.get("/")
    assert reply.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert not re.search(r"""(?:src|href)=["'](?!data:)|@import|url\(|https?://""", reply.text)
    # Drawings have names for screen readers.
    assert 'aria-live="polite"' in reply.text
    assert reply.text.count("<canvas") == reply.text.count('role="img"')


def test_health_reports_the_state_of_the_server(client: TestClient) -> None:
    health = client.get("/health").json()
    assert health["status"] == "ok"
    assert health["model"] == {
        "name": "small",
        "skeleton": "ntu25",
        "classes": 3,
        "frame_rate": 30.0,
        "num_observed": 8,
        "num_future": 5,
    }
    assert health["latency_ms"] is None
    with client.websocket_connect("/ws/poses") as socket:
        socket.send_json(made_up_frame())
        receive(socket, "result")
        wait_for(lambda: client.get("/health").json()["frames"] == 1)
        health = client.get("/health").json()
        assert health["producers"] == 1
        assert [source["kind"] for source in health["sources"]] == ["live"]
        assert 0 < health["model_ms"]["p50"] <= health["latency_ms"]["p50"] == health["latency_ms"]["p99"]
    wait_for(lambda: client.get("/health").json()["producers"] == 0)


# Producers ------------------------------------------------------------------------------------------------


def test_results_equal_the_results_of_a_stream(client: TestClient, streams: Streams) -> None:
    stream = streams()
    with client.websocket_connect("/ws/poses") as socket:
        hello = socket.receive_json()
        assert hello["type"] == "hello"
        assert hello["classes"] == list(CLASSES)
        assert hello["skeleton"]["joints"] == list(SKELETON.joints)
        for step in range(12):
            tracks = (0,) if step < 4 else (0, 7)
            frame = made_up_frame(step, tracks)
            frame["people"][0]["joints"][3] = None
            socket.send_json(frame)
            result = receive(socket, "result")
            poses = {track: made_up_pose(step, track) for track in tracks}
            poses[0][3] = np.nan
            outputs = stream.update_many(poses, timestamp=step / 30)
            assert result["timestamp"] == pytest.approx(step / 30)
            assert result["dropped"] == 0
            assert [person["track"] for person in result["people"]] == list(tracks)
            for person in result["people"]:
                output = outputs[person["track"]]
                assert list(person["probabilities"].values()) == pytest.approx(
                    output.probabilities.tolist(), abs=1e-5
                )
                missing = [np.nan] * 3  # of a joint that was never observed
                future = [[joint or missing for joint in frame] for frame in person["future"]["joints"]]
                assert np.array(future) == pytest.approx(output.future.numpy(), abs=1e-4, nan_ok=True)


def test_a_reset_clears_the_stream(client: TestClient) -> None:
    with client.websocket_connect("/ws/poses") as socket:
        for step in range(4):
            socket.send_json(made_up_frame(step))
            assert receive(socket, "result")["people"][0]["observed_ratio"] == (step + 1) / 8
        socket.send_json({"type": "reset"})
        socket.send_json(made_up_frame(0))
        assert receive(socket, "result")["people"][0]["observed_ratio"] == 1 / 8


MISTAKES = {
    "no JSON": ("{", "not JSON"),
    "no object": ("[1]", "expected an object"),
    "another type": ('{"type": "hello"}', "'type' is 'hello'"),
    "deep": ("[" * 50_000, "nested too deeply"),
    "NaN": ('{"type": "frame", "people": [{"joints": [NaN]}]}', "NaN"),
    "score below 0": (
        json.dumps(made_up_frame(2)).replace('"joints"', f'"confidence": {[-0.5] * 25}, "joints"'),
        "the confidence of 'pelvis' is -0.5, expected a number from 0",
    ),
    "infinite score": (
        json.dumps(made_up_frame(2)).replace('"joints"', f'"confidence": [{"1e999, " * 24}0], "joints"'),
        "'people'[0]: 'confidence'[0] is inf, expected a finite number",
    ),
    "a key twice": (
        '{"type": "frame", "people": [], "people": []}',
        "the key 'people' is repeated in one object, expected it once",
    ),
    "two lines": ('{"type":\n"fr\nme"}', "not JSON"),
    "few joints": ('{"type": "frame", "people": [{"joints": [[1, 2, 3]]}]}', "has 1 entries, expected"),
    "late": (json.dumps(made_up_frame(0)), "expected a later time"),
    "crowd": (json.dumps(made_up_frame(99, tuple(range(17)))), "has 17 entries, expected at most 16"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_an_error_is_reported_and_the_next_frame_is_accepted(
    client: TestClient, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    text, expected = MISTAKES[name]
    with client.websocket_connect("/ws/poses") as socket, caplog.at_level(logging.WARNING):
        socket.send_json(made_up_frame(1))
        assert receive(socket, "result")["timestamp"] == pytest.approx(1 / 30)
        socket.send_text(text)
        message = receive(socket, "error")["message"]
        assert expected in message
        assert len(message) <= 300 and "\n" not in message
        assert f"refused: {message}" in caplog.text
        socket.send_json(made_up_frame(2))
        assert receive(socket, "result")["timestamp"] == pytest.approx(2 / 30)
    assert client.get("/health").json()["refused"] == 1


@pytest.mark.parametrize("size", [1e30, 1e300])
def test_huge_poses_are_refused(client: TestClient, size: float) -> None:
    with client.websocket_connect("/ws/poses") as socket, client.websocket_connect("/ws/view") as viewer:
        while not (sources := receive(viewer, "sources")["sources"]):
            pass
        viewer.send_json({"type": "watch", "source": sources[0]["id"]})
        huge = made_up_frame()
        huge["people"][0]["joints"][4] = [size, -size, size]
        socket.send_json(huge)
        assert socket.receive_json()["type"] == "hello"
        assert "expected numbers between" in receive(socket, "error")["message"]
        socket.send_json({"type": "reset"})
        socket.send_json(made_up_frame(1))
        assert receive(socket, "result")["people"][0]["observed_ratio"] == 1 / 8
        assert receive(viewer, "frame")["people"]


def test_too_many_errors_close_the_connection(streams: Streams) -> None:
    with (
        TestClient(create_app(streams, limits=Limits(mistakes=3))) as client,
        client.websocket_connect("/ws/poses") as other,
        client.websocket_connect("/ws/poses") as socket,
    ):
        for _ in range(4):
            socket.send_text("nonsense")
        error, code, reason = end_of(socket)
        assert code == 4400
        assert error == reason
        assert "4 messages were invalid" in error
        other.send_json(made_up_frame())
        assert receive(other, "result")["people"][0]["track"] == 0


def test_a_binary_message_closes_the_connection(client: TestClient) -> None:
    with client.websocket_connect("/ws/poses") as socket:
        socket.send_bytes(b"\x00\xff")
        assert end_of(socket)[::2] == ("a binary message, expected text",) * 2


def test_a_flooding_client_only_loses_its_own_connection(
    streams: Streams, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        TestClient(create_app(streams, limits=Limits(rate=5))) as client,
        client.websocket_connect("/ws/poses") as other,
        client.websocket_connect("/ws/poses") as socket,
    ):
        for step in range(40):
            socket.send_json(made_up_frame(step))
        error, code, _ = end_of(socket)
        assert (error, code) == ("more than 5 messages per second", 4429)
        assert "refused: more than 5 messages per second" in caplog.text
        other.send_json(made_up_frame())
        assert receive(other, "result")["dropped"] == 0


def test_a_silent_producer_is_disconnected(streams: Streams) -> None:
    with (
        TestClient(create_app(streams, limits=Limits(idle=0.2))) as client,
        client.websocket_connect("/ws/poses") as socket,
    ):
        assert end_of(socket)[:2] == ("no message for 0.2 s", 4408)


def keep_busy(socket: WebSocketTestSession, path: str) -> None:
    """Send a valid message, and wait until the server has handled it."""
    if path == "/ws/poses":
        socket.send_json({"type": "reset"})
        socket.send_json(made_up_frame())
        receive(socket, "result")
    else:
        socket.send_json({"type": "watch", "source": None})
        socket.send_text("nonsense")
        receive(socket, "error")


@pytest.mark.parametrize("path", ["/ws/poses", "/ws/view"])
def test_a_silent_client_is_displaced_and_an_active_client_is_not(streams: Streams, path: str) -> None:
    with (
        TestClient(create_app(streams, limits=Limits(producers=2, viewers=2, per_address=2))) as client,
        client.websocket_connect(path) as silent,
        client.websocket_connect(path) as active,
    ):
        keep_busy(active, path)
        with client.websocket_connect(path) as new:
            error, code, _ = end_of(silent)
            assert (error, code) == ("displaced by another client, because no message was sent", 4503)
            keep_busy(new, path)
            with client.websocket_connect(path) as last:
                assert end_of(last)[1] == 4503
            keep_busy(new, path)
        keep_busy(active, path)


def test_one_address_may_open_only_half_of_the_connections(streams: Streams) -> None:
    with (
        TestClient(create_app(streams, limits=Limits(producers=3))) as client,
        client.websocket_connect("/ws/poses") as first,
        client.websocket_connect("/ws/poses") as second,
    ):
        for each in (first, second):
            keep_busy(each, "/ws/poses")
        with client.websocket_connect("/ws/poses") as third:
            assert end_of(third)[0] == "too many producers from address testclient: the limit is 2"


@pytest.mark.parametrize(("path", "kind"), [("/ws/poses", "producers"), ("/ws/view", "viewers")])
def test_the_number_of_connections_is_limited(streams: Streams, path: str, kind: str) -> None:
    limits = Limits(producers=1, viewers=1)
    with TestClient(create_app(streams, limits=limits), client=("127.0.0.1", 1)) as client:
        with client.websocket_connect(path) as first:
            keep_busy(first, path)
            with client.websocket_connect(path) as second:
                error, code, _ = end_of(second)
                assert (error, code) == (f"too many {kind}: the limit is 1", 4503)
        # Once the first client has left, another one can connect.
        wait_for(lambda: client.get("/health").json()[kind] == 0)
        with client.websocket_connect(path) as third:
            assert third.receive_json()["type"] == "hello"


def test_without_the_token_only_the_page_is_served(streams: Streams) -> None:
    with TestClient(create_app(streams, token="secret")) as client:
        assert client.get("/").status_code == 200
        assert client.get("/health").status_code == 401
        assert client.get("/health?token=secret").status_code == 200
        for path in ("/ws/poses", "/ws/view"):
            for query in ("", "?token=", "?token=secrets"):
                with client.websocket_connect(path + query) as socket:
                    error, code, _ = end_of(socket)
                    assert code == 4401
                    assert error.startswith("the token is missing or wrong")
            with client.websocket_connect(path, headers={"authorization": "Bearer secret"}) as socket:
                assert socket.receive_json()["type"] == "hello"


def test_an_error_of_the_server_ends_only_one_connection(
    streams: Streams, caplog: pytest.LogCaptureFixture
) -> None:
    broken = iter([False, True, False])

    def start(fps: float | None) -> Any:
        stream = streams(fps)
        if next(broken):
            stream.take_in = None  # type: ignore[method-assign, assignment]
        return stream

    with (
        TestClient(create_app(start)) as client,
        client.websocket_connect("/ws/poses") as bad,
        client.websocket_connect("/ws/poses") as good,
    ):
        bad.send_json(made_up_frame())
        error, code, _ = end_of(bad)
        assert (error, code) == ("internal error of the server: see its log", 1011)
        assert "TypeError" in caplog.text
        good.send_json(made_up_frame())
        assert receive(good, "result")["dropped"] == 0


# Viewers --------------------------------------------------------------------------------------------------


def test_a_viewer_receives_the_frames_of_a_producer(client: TestClient) -> None:
    with client.websocket_connect("/ws/view") as viewer:
        hello = viewer.receive_json()
        assert len(hello["skeleton"]["mirror"]) == len(SKELETON.mirror)
        assert viewer.receive_json() == {"type": "sources", "sources": []}
        with client.websocket_connect("/ws/poses") as producer:
            (source,) = receive(viewer, "sources")["sources"]
            assert source["kind"] == "live"
            viewer.send_json({"type": "watch", "source": source["id"]})
            wait_for(
                lambda: client.app.state.service.audience.channels[source["id"]].viewers  # type: ignore[attr-defined]
            )
            for step in range(3):
                producer.send_json(made_up_frame(step, (0, 4)))
                result = receive(producer, "result")
                if not step:
                    assert receive(viewer, "view")["note"] == "up is y (as in skeleton 'ntu25')"
                frame = receive(viewer, "frame")
                assert frame["source"] == source["id"]
                assert frame["number"] == step + 1
                assert frame["timestamp"] == result["timestamp"]
                assert [person["track"] for person in frame["people"]] == [0, 4]
                assert np.array(frame["people"][1]["joints"]) == pytest.approx(
                    made_up_pose(step, 4), abs=1e-3
                )
                assert frame["people"][0]["label"] == result["people"][0]["label"]
                assert frame["latency_ms"] >= result["latency_ms"]
        assert receive(viewer, "sources")["sources"] == []


def test_frames_without_persons_keep_their_timestamp(client: TestClient) -> None:
    with client.websocket_connect("/ws/poses") as producer, client.websocket_connect("/ws/view") as viewer:
        producer.receive_json()
        while not (sources := receive(viewer, "sources")["sources"]):
            pass
        source = sources[0]["id"]
        viewer.send_json({"type": "watch", "source": source})
        service = client.app.state.service  # type: ignore[attr-defined]
        wait_for(lambda: service.audience.channels[source].viewers)
        producer.send_json(made_up_frame(6))
        receive(viewer, "frame")
        producer.send_json({"type": "frame", "people": []})
        assert receive(producer, "result")["people"]
        assert receive(producer, "result") == {
            "type": "result",
            "timestamp": None,
            "latency_ms": None,
            "people": [],
            "dropped": 0,
        }
        frame = receive(viewer, "frame")
        assert (frame["people"], frame["timestamp"]) == ([], pytest.approx(0.2))


WISH = "{'type': 'watch' or 'pause', 'source': ...}"
VIEWERS_MISTAKES = {
    "watch": f"not JSON, line 1, column 1: Expecting value, expected {WISH}",
    '{"type": "jump"}': f"expected {WISH}",
    '{"type": "watch", "source": "x\\u0007"}': "source 'x\\x07' does not exist or has disconnected",
    '{"type": "pause", "source": "0"}': "'paused' is missing, expected true or false",
}


@pytest.mark.parametrize("text", VIEWERS_MISTAKES)
def test_a_viewer_gets_an_error_for_a_wrong_request(streams: Streams, text: str) -> None:
    recordings = [("sway", made_up_recording())]
    limits = Limits(mistakes=2)
    with (
        TestClient(create_app(streams, recordings=recordings, limits=limits)) as client,
        client.websocket_connect("/ws/view") as viewer,
    ):
        viewer.send_text(text)
        assert receive(viewer, "error")["message"] == VIEWERS_MISTAKES[text]
        viewer.send_json({"type": "watch", "source": "0"})
        assert receive(viewer, "frame")["source"] == "0"
        viewer.send_text(text)
        viewer.send_text(text)
        assert end_of(viewer)[1] == 4400


def test_a_viewer_with_too_long_or_too_many_requests_is_disconnected(client: TestClient) -> None:
    with client.websocket_connect("/ws/view") as viewer:
        viewer.send_text("x" * 5000)
        error, code, _ = end_of(viewer)
        assert (error, code) == ("a message of 5000 characters, expected at most 4096", 1009)


# Recordings -----------------------------------------------------------------------------------------------


def test_a_recording_loops_while_it_has_viewers(streams: Streams) -> None:
    motion = made_up_recording(frames=6, people=2)
    with TestClient(create_app(streams, recordings=[("sway", motion)])) as client:
        assert client.get("/health").json()["frames"] == 0
        with client.websocket_connect("/ws/view") as viewer:
            (source,) = receive(viewer, "sources")["sources"]
            assert source == {"id": "0", "name": "sway", "kind": "recording", "paused": False}
            viewer.send_json({"type": "watch", "source": "0"})
            assert receive(viewer, "view")["note"] == "up is y (as in skeleton 'ntu25')"
            seen = {}
            while len(seen) < 8:  # more frames than the recording
                frame = receive(viewer, "frame")
                step = round(frame["timestamp"] * 50)
                seen[step] = frame
            for step, frame in seen.items():
                assert [person["track"] for person in frame["people"]] == [0, 1]
                for person, pose in zip(frame["people"], motion.poses[:, step % 6], strict=True):
                    assert np.array(person["joints"]) == pytest.approx(pose.numpy(), abs=1e-3)

            viewer.send_json({"type": "pause", "source": "0", "paused": True})
            assert receive(viewer, "sources")["sources"][0]["paused"]
            stopped = client.get("/health").json()["frames"]
            wait_for(lambda: client.get("/health").json()["frames"] <= stopped + 2)
            viewer.send_json({"type": "pause", "source": "0", "paused": False})
            assert not receive(viewer, "sources")["sources"][0]["paused"]
            later = receive(viewer, "frame")
            assert later["timestamp"] > frame["timestamp"]
        wait_for(lambda: client.get("/health").json()["viewers"] == 0)


def test_joints_that_were_not_recorded_are_not_drawn(streams: Streams) -> None:
    motion = made_up_recording(frames=3)
    present = motion.present.clone()
    present[0, :, 5] = False
    motion = motion.replace(poses=motion.poses.masked_fill(~present[..., None], 0), present=present)
    with (
        TestClient(create_app(streams, recordings=[("sway", motion)])) as client,
        client.websocket_connect("/ws/view") as viewer,
    ):
        viewer.send_json({"type": "watch", "source": "0"})
        (person,) = receive(viewer, "frame")["people"]
        assert [joint for joint, place in enumerate(person["joints"]) if place is None] == [5]


def test_an_invalid_recording_ends_and_other_recordings_continue(
    streams: Streams, caplog: pytest.LogCaptureFixture
) -> None:
    motion = made_up_recording(frames=3)
    far = motion.replace(poses=1e12 * motion.poses)
    with (
        TestClient(create_app(streams, recordings=[("far", far), ("sway", motion)])) as client,
        client.websocket_connect("/ws/view") as viewer,
    ):
        viewer.send_json({"type": "watch", "source": "0"})
        while len(sources := receive(viewer, "sources")["sources"]) > 1:
            pass
        assert [source["name"] for source in sources] == ["sway"]
        assert "far: playback has failed" in caplog.text
        viewer.send_json({"type": "watch", "source": "1"})
        assert receive(viewer, "frame")["source"] == "1"
