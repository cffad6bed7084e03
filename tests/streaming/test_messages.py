"""Messages contain the results of streams, and invalid input is refused."""

import json
import math
import random
from typing import Any

import numpy as np
import pytest
import torch
from live_models import FUTURE, NTU, OBSERVED, small_checkpoint

from pyg_sybio.data.transforms import Center
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.streaming.messages import (
    Frame,
    Reset,
    encode,
    error_message,
    hello_message,
    parse_message,
    result_message,
)
from pyg_sybio.streaming.motion_stream import MotionStream, StreamOutput
from pyg_sybio.trained.preparation import Preparation

JOINTS: list[Any] = [[0.5, -1, 2e-3]] * 25


def frame(**person: Any) -> dict[str, Any]:
    return {"type": "frame", "people": [{"track": 3, "joints": JOINTS} | person]}


def test_a_frame_is_parsed() -> None:
    joints = [[index, index + 0.5, -index] for index in range(25)]
    joints[4], joints[5] = None, [1.0, None, 2.0]
    message = {
        "type": "frame",
        "timestamp": 12,
        "people": [
            {"track": -7, "joints": joints, "confidence": [0.5] * 24 + [None]},
            {"joints": JOINTS},
        ],
    }
    for text in (json.dumps(message), json.dumps(message).encode()):
        parsed = parse_message(text, NTU)
        assert isinstance(parsed, Frame)
        assert parsed.timestamp == 12.0
        assert list(parsed.poses) == [-7, 0]
        assert list(parsed.confidences) == [-7]
        assert parsed.poses[-7].shape == (25, 3) and parsed.poses[-7].dtype == np.float64
        assert np.isnan(parsed.poses[-7][[4, 5]]).all()
        assert parsed.poses[-7][6].tolist() == [6, 6.5, -6]
        assert parsed.confidences[-7].tolist() == [0.5] * 24 + [0.0]
    bare = parse_message('{"type": "frame", "people": []}', NTU)
    assert isinstance(bare, Frame)
    assert (bare.timestamp, bare.poses, bare.confidences) == (None, {}, {})


def test_a_score_may_be_given_as_confidence() -> None:
    skeleton = load_skeleton("openpose18")
    person = {"joints": [[0.1, 0.2]] * 18, "confidence": [0.7] * 18}
    parsed = parse_message(json.dumps({"type": "frame", "people": [person]}), skeleton)
    assert isinstance(parsed, Frame) and parsed.poses[0].shape == (18, 2)
    whole = {"joints": [[0.1, 0.2, 0.7]] * 18}
    parsed = parse_message(json.dumps({"type": "frame", "people": [whole]}), skeleton)
    assert isinstance(parsed, Frame) and parsed.poses[0].shape == (18, 3)
    with pytest.raises(ValueError, match=r"'joints'\[0\] \('nose'\) has 2 entries, expected 3"):
        parse_message(json.dumps({"type": "frame", "people": [person | {"confidence": None}]}), skeleton)


def test_resets_are_parsed() -> None:
    assert parse_message('{"type": "reset"}', NTU) == Reset(None)
    assert parse_message('{"type": "reset", "track": 4}', NTU) == Reset(4)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("", "not JSON, line 1, column 1: Expecting value"),
        ("{", "not JSON, line 1, column 2: "),
        (b"\xff\xfe{}", "not UTF-8|not JSON"),
        (b'{"type": "\xff"}', "not UTF-8: byte 10 is invalid"),
        ("[" * 100_000, "nested too deeply"),
        ("NaN", "not JSON: NaN is not JSON, expected a finite number"),
        ('{"type": "reset", "track": ' + "9" * 5000 + "}", "not JSON: "),
        ("5", "the message is 5, expected an object with 'type'"),
        ("{}", "'type' is null, expected 'frame' or 'reset'"),
        ({"type": ["frame"]}, "'type' is a list of 1, expected"),
        ({"type": "reset", "track": None}, "'track' is null, expected an integer"),
        ({"type": "reset", "track": True}, "'track' is true, expected an integer"),
        (
            {"type": "reset", "track": 2**63},
            "'track' is 9223372036854775808, expected an integer of up to 64 bits",
        ),
        ({"type": "reset", "trakc": 1}, "the message has the unknown key 'trakc', expected track, type"),
        ({"type": "frame"}, "'people' is null, expected a list"),
        ({"type": "frame", "people": {}}, "'people' is an object of 0, expected a list"),
        ({"type": "frame", "people": [5]}, r"'people'\[0\] is 5, expected an object"),
        (frame() | {"timestamp": "now"}, "'timestamp' is 'now', expected a number"),
        (frame() | {"timestamp": True}, "'timestamp' is true, expected a number"),
        (
            '{"type": "frame", "timestamp": 1e999, "people": []}',
            "'timestamp' is inf, expected a finite number",
        ),
        (frame() | {"time": 1}, "unknown key 'time', expected people, timestamp, type"),
        (frame(name="x"), r"'people'\[0\] has the unknown key 'name'"),
        (frame(track="a"), r"'people'\[0\]: 'track' is 'a', expected an integer"),
        (frame(track=1.0), "'track' is 1.0"),
        (frame(joints=None), r"'people'\[0\]: 'joints' is null, expected a list of 25"),
        (
            frame(joints=JOINTS[1:]),
            "'joints' has 24 entries, expected 25",
        ),
        (
            frame(joints=[[1, 2]] * 25),
            r"'joints'\[0\] \('\w+'\) has 2 entries, expected 3",
        ),
        (frame(joints=[*JOINTS[1:], 5]), r"'joints'\[24\] .* is 5, expected a list of 3"),
        (frame(joints=[*JOINTS[1:], [1, 2, "3"]]), r"'joints'\[24\] .*\[2\] is '3', expected a number"),
        (
            frame(joints=[*JOINTS[1:], [1, None, True]]),
            r"'joints'\[24\] .*\[2\] is true, expected a number",
        ),
        (frame(joints=[*JOINTS[1:], [1, 2, 10**400]]), r"'joints'\[24\] .*\[2\] is 1000"),
        (frame(confidence=[1]), "'confidence' has 1 entries, expected 25"),
        (frame(confidence=1), "'confidence' is 1, expected a list of 25"),
        (frame(confidence=["1"] * 25), r"'confidence'\[0\] is '1', expected a number"),
        (
            {"type": "frame", "people": [frame()["people"][0]] * 2},
            r"'people'\[1\]: duplicate track 3, expected different tracks",
        ),
    ],
)
def test_invalid_messages_are_refused(message: Any, expected: str) -> None:
    text = json.dumps(message) if isinstance(message, dict) else message
    with pytest.raises(ValueError, match=expected) as refused:
        parse_message(text, NTU)
    line = str(refused.value)
    assert type(refused.value) is ValueError
    assert "\n" not in line and len(line) < 300


def test_damaged_messages_raise_a_one_line_error_or_are_parsed_as_frames() -> None:
    generator = random.Random(0)
    good = json.dumps({**frame(confidence=[0.5] * 25), "timestamp": 1.5})
    pieces = ["null", "{", "}", "[", "]", '"', ",", ":", "1e999", "-", "true", "\\u0000", "\x00", "é", "NaN"]
    refused = 0
    for _ in range(1500):
        text = good
        for _ in range(generator.randint(1, 3)):
            start = generator.randrange(len(text))
            stop = start + generator.choice([0, 1, 1, 5, 50])
            text = text[:start] + generator.choice(pieces) + text[stop:]
        try:
            parsed = parse_message(text.encode(), NTU)
        except ValueError as error:
            refused += 1
            assert type(error) is ValueError
            assert len(str(error).splitlines()) == 1
        else:
            assert isinstance(parsed, Frame)
            assert all(pose.shape == (25, 3) and not np.isinf(pose).any() for pose in parsed.poses.values())
    assert 1000 < refused < 1500


# Output messages --------------------------------------------------------------------------------------------


def test_hello_describes_the_stream() -> None:
    checkpoint = small_checkpoint()
    message = json.loads(encode(hello_message(checkpoint.stream())))
    assert message["type"] == "hello"
    assert message["skeleton"]["joints"] == list(NTU.joints)
    assert message["skeleton"]["coordinates"] == "xyz"
    names = [[NTU.joints[i], NTU.joints[j]] for i, j in message["skeleton"]["bones"]]
    assert names == [list(bone) for bone in NTU.bones]
    for left, right in message["skeleton"]["mirror"]:
        assert NTU.joints[left] == NTU.joints[right].replace("right", "left")
    assert (len(message["skeleton"]["mirror"]), message["skeleton"]["units"]) == (len(NTU.mirror), "m")
    assert message["classes"] == ["a", "b", "c"]
    assert [message[key] for key in ("frame_rate", "num_observed", "num_future")] == [30, OBSERVED, FUTURE]


def test_a_result_contains_the_output_of_the_stream() -> None:
    stream = small_checkpoint(preprocess=[{"class_path": "pyg_sybio.data.transforms.Center"}]).stream()
    poses = 100 + torch.randn(2, 25, 3)
    for step in range(3):
        outputs = stream.update_many({5: poses[0] + step, 2: poses[1]}, timestamp=7 + step / 30)
    message = json.loads(encode(result_message(outputs)))
    assert message["type"] == "result"
    assert message["timestamp"] == pytest.approx(7 + 2 / 30)
    assert message["latency_ms"] == pytest.approx(1e3 * outputs[5].latency, abs=1e-3)
    assert [person["track"] for person in message["people"]] == [5, 2]
    for person in message["people"]:
        output = outputs[person["track"]]
        assert output.probabilities is not None and output.future is not None
        assert (person["label"], person["enough"]) == (output.label, output.enough)
        assert person["observed_ratio"] == pytest.approx(output.observed_ratio, abs=1e-4)
        assert list(person["probabilities"]) == ["a", "b", "c"]
        said = torch.tensor(list(person["probabilities"].values()))
        torch.testing.assert_close(said, output.probabilities, rtol=0, atol=1e-6)
        joints = torch.tensor(person["future"]["joints"])
        assert joints.shape == (FUTURE, 25, 3)
        size = output.future.abs().max().item()
        torch.testing.assert_close(joints, output.future, rtol=0, atol=1e-5 * size)
        assert person["future"]["timestamps"] == pytest.approx(output.future_times.tolist(), abs=1e-6)
    digits = max(
        len(f"{abs(value):.10g}".replace(".", "").lstrip("0")) for value in joints.flatten().tolist()
    )
    assert digits <= 10


def test_missing_outputs_are_null() -> None:
    nothing = {
        "timestamp": 1.5, "probabilities": None, "label": None, "class_names": (), "observed_ratio": 0.0,
        "enough": False, "latency": 0.01, "future_times": torch.arange(2).double(),
    }  # fmt: skip
    future = torch.tensor([[[1.0, 2.0], [math.nan] * 2], [[3.0, 4.0], [math.nan] * 2]])
    outputs = {
        0: StreamOutput(track_id=0, future=None, **nothing),
        1: StreamOutput(track_id=1, future=future, **nothing),
        2: StreamOutput(track_id=2, future=torch.zeros(2, 2, 2), **nothing),
    }
    people = json.loads(encode(result_message(outputs)))["people"]
    assert [people[0][key] for key in ("label", "probabilities", "future")] == [None] * 3
    assert people[1]["future"]["joints"] == [[[1.0, 2.0], None], [[3.0, 4.0], None]]
    assert people[2]["future"]["joints"] == torch.zeros(2, 2, 2).tolist()
    empty = json.loads(encode(result_message({})))
    assert empty == {"type": "result", "timestamp": None, "latency_ms": None, "people": []}


def test_probabilities_that_are_nan_are_an_error() -> None:
    output = StreamOutput(
        track_id=3,
        timestamp=1.5,
        probabilities=torch.tensor([math.nan, 0.5]),
        label="a",
        class_names=("a", "b"),
        observed_ratio=1.0,
        enough=True,
        future=None,
        future_times=torch.arange(2).double(),
        latency=0.01,
    )
    with pytest.raises(ValueError, match="track 3: the model's probabilities are not finite"):
        result_message({3: output})


def test_an_error_message_is_a_single_line() -> None:
    assert error_message(ValueError("not\n  this")) == {"type": "error", "message": "not this"}
    assert error_message("no\x07") == {"type": "error", "message": "no?"}
    assert error_message("x" * 301)["message"] == "x" * 297 + "..."


def test_predicted_poses_can_be_sent_as_input() -> None:
    class Still:
        num_classes, num_future = 0, 4

        def __call__(self, batch: torch.Tensor) -> Any:
            from pyg_sybio.models.sybio_gnn import SybioOutput

            return SybioOutput(
                None, batch[:, -1:].expand(-1, 4, -1, -1), None, None, torch.ones(len(batch), 1)
            )

    stream = MotionStream(Still(), Preparation(NTU, 6, 30.0, preprocess=(Center(frame="each"),)))
    pose = torch.randn(25, 3)
    message = json.loads(encode(result_message(stream.update_many({4: pose}))))
    (person,) = message["people"]
    again = {"track": person["track"], "joints": person["future"]["joints"][0]}
    parsed = parse_message(json.dumps({"type": "frame", "people": [again]}), NTU)
    assert isinstance(parsed, Frame)
    np.testing.assert_allclose(parsed.poses[4], pose.numpy(), atol=1e-5)
