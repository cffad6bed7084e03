r"""Live poses and results as JSON: the messages of ``sybio stream`` and of the server's WebSocket.

The input consists of frames, and of resets of one track or of all tracks:

.. code-block:: json

    {"type": "frame", "timestamp": 12.033,
     "people": [{"track": 0, "joints": [[0.1, 1.2, 3.0], null], "confidence": [0.9, 0.0]}]}
    {"type": "reset", "track": 0}

A joint that was not observed is null or contains null. ``timestamp`` (in seconds), ``confidence``
and ``track`` (default 0) are optional. The output consists of a greeting, results and errors:

.. code-block:: json

    {"type": "hello", "skeleton": {"name": "ntu25", "joints": ["pelvis"], "bones": [[0, 1]],
     "mirror": [[4, 8]], "coordinates": "xyz", "units": "m"}, "classes": ["walk"], "frame_rate": 30.0,
     "num_observed": 64, "num_future": 10}
    {"type": "result", "timestamp": 12.033, "latency_ms": 5.1,
     "people": [{"track": 0, "label": "walk", "probabilities": {"walk": 1.0}, "observed_ratio": 0.5,
                 "enough": true,
                 "segments": [{"label": "walk", "start": 11.0, "end": 12.06, "probability": 0.9}],
                 "future": {"timestamps": [12.066], "joints": [[[0.1, 1.2, 3.0], null]]}}]}
    {"type": "error", "message": "line 3: not JSON: ..."}
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import orjson

from pyg_sybio.data.readers.nested import shown, to_array
from pyg_sybio.files import parse_json
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.streaming.motion_stream import MotionStream, StreamOutput

# Significant digits of the largest number of a forecast; single precision has seven.
_DIGITS = 6
# Track numbers fit into a signed integer of 64 bits.
_MAX_TRACK = 2**63 - 1


@dataclass(frozen=True, eq=False)
class Frame:
    r"""The poses of all tracks at one time.

    Args:
        poses: Pose of each track, NaN where a joint was not observed.
        confidences: Confidence in each joint, for the tracks that have it.
        timestamp: Time in seconds; None if the message has none.

    Shapes:
        - **poses:** `[M, D]` each, double precision
        - **confidences:** `[M]` each, double precision
    """

    poses: Mapping[int, np.ndarray]
    confidences: Mapping[int, np.ndarray] = field(default_factory=dict)
    timestamp: float | None = None


@dataclass(frozen=True)
class Reset:
    """Forget a track, or all tracks.

    Args:
        track: The track; None for all.
    """

    track: int | None = None


# Input ----------------------------------------------------------------------------------------------------


def parse_message(message: str | bytes, skeleton: Skeleton) -> Frame | Reset:
    r"""Parse an incoming message.

    Args:
        message: JSON, in UTF-8.
        skeleton: The skeleton of the poses.

    Raises:
        ValueError: If the message is not a reset or a frame of this skeleton; one line names the wrong value
            and what was expected.
    """
    try:
        text = message if isinstance(message, str) else message.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte {error.start} is invalid, expected JSON") from None
    document = parse_json(text, "not JSON", expected="a message")
    if not isinstance(document, dict):
        raise ValueError(f"the message is {shown(document)}, expected an object with 'type'")
    kind = document.get("type")
    if kind == "frame":
        _check_keys(document, {"type", "timestamp", "people"}, "the message")
        return _frame(document, skeleton)
    if kind == "reset":
        _check_keys(document, {"type", "track"}, "the message")
        return Reset(_track(document["track"], "'track'") if "track" in document else None)
    raise ValueError(f"'type' is {shown(kind)}, expected 'frame' or 'reset'")


def _frame(document: dict[str, Any], skeleton: Skeleton) -> Frame:
    people, timestamp = document.get("people"), document.get("timestamp")
    if not isinstance(people, list):
        raise ValueError(f"'people' is {shown(people)}, expected a list")
    poses: dict[int, np.ndarray] = {}
    confidences: dict[int, np.ndarray] = {}
    for index, person in enumerate(people):
        where = f"'people'[{index}]"
        if not isinstance(person, dict):
            raise ValueError(f"{where} is {shown(person)}, expected an object with 'track' and 'joints'")
        _check_keys(person, {"track", "joints", "confidence"}, where)
        track = _track(person.get("track", 0), f"{where}: 'track'")
        if track in poses:
            raise ValueError(f"{where}: duplicate track {track}, expected different tracks")
        joints, confidence = person.get("joints"), person.get("confidence")
        poses[track] = _pose(joints, skeleton, confidence is not None, f"{where}: 'joints'")
        if confidence is not None:
            values = _numbers(confidence, [skeleton.num_joints], f"{where}: 'confidence'", null=True)
            confidences[track] = np.nan_to_num(values)
    seconds = None if timestamp is None else float(_numbers(timestamp, [], "'timestamp'"))
    return Frame(poses, confidences, seconds)


def _pose(joints: Any, skeleton: Skeleton, has_confidence: bool, where: str) -> np.ndarray:
    """Parse a pose `[M, D]`; its scores may be left out if the message has confidences."""
    size = skeleton.num_features
    if isinstance(joints, list):
        lengths = {len(joint) for joint in joints if isinstance(joint, list)}
        if skeleton.coordinates == "xy+score" and has_confidence and lengths == {2}:
            size = 2
        joints = [[None] * size if joint is None else joint for joint in joints]
    names = [f"[{index}] ({name!r})" for index, name in enumerate(skeleton.joints)]
    pose = _numbers(joints, [skeleton.num_joints, size], where, entries=names, null=True)
    pose[np.isnan(pose).any(-1)] = np.nan
    return pose


_numbers = partial(to_array, dtype=np.float64)


def _track(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _MAX_TRACK:
        raise ValueError(f"{where} is {shown(value)}, expected an integer of up to 64 bits")
    return value


def _check_keys(document: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in document:
        if key not in known:
            raise ValueError(f"{where} has the unknown key {shown(key)}, expected {', '.join(sorted(known))}")


# Output ---------------------------------------------------------------------------------------------------


def hello_message(stream: MotionStream) -> dict[str, Any]:
    """Return a description of the input and output of a stream."""
    skeleton = stream.skeleton
    index = skeleton.joint_index
    return {
        "type": "hello",
        "skeleton": {
            "name": skeleton.name,
            "joints": skeleton.joints,
            "bones": [(index(one), index(other)) for one, other in skeleton.bones],
            "mirror": [(index(left), index(right)) for left, right in skeleton.mirror],
            "coordinates": skeleton.coordinates,
            "units": skeleton.units,
        },
        "classes": stream.class_names,
        "frame_rate": stream.frame_rate,
        "num_observed": stream.num_observed,
        "num_future": stream.num_future,
    }


def result_message(outputs: Mapping[int, StreamOutput]) -> dict[str, Any]:
    """Return the result of an update of :class:`~pyg_sybio.streaming.motion_stream.MotionStream`.

    Poses have six significant digits. Outputs that the model does not have are null.
    """
    newest = max(outputs.values(), key=lambda output: output.timestamp, default=None)
    return {
        "type": "result",
        "timestamp": None if newest is None else newest.timestamp,
        "latency_ms": None if newest is None else round(1e3 * newest.latency, 3),
        "people": [_person(output) for output in outputs.values()],
    }


def error_message(error: str | Exception) -> dict[str, Any]:
    """Return an error in one line."""
    return {"type": "error", "message": one_line(error)}


def encode(message: Mapping[str, Any]) -> str:
    """Return a message as one line of JSON; NaN and infinity become null."""
    return orjson.dumps(message).decode()


def one_line(error: str | BaseException) -> str:
    """Return the text of an error without line breaks and control characters, shortened if it is long."""
    text = " ".join(str(error).split())
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= 300 else f"{text[:297]}..."


def rounded(poses: np.ndarray, digits: int) -> list[Any]:
    """Return poses `[T, M, D]` as rounded numbers, with None for a joint that is not finite."""
    known = np.isfinite(poses).all(-1)
    numbers: list[Any] = np.round(poses, digits).tolist()
    if known.all():
        return numbers
    return [
        [joint if finite else None for joint, finite in zip(*rows, strict=True)]
        for rows in zip(numbers, known.tolist(), strict=True)
    ]


def _person(output: StreamOutput) -> dict[str, Any]:
    probabilities, future = output.probabilities, None
    if probabilities is not None and not probabilities.isfinite().all():
        raise ValueError(f"track {output.track_id}: the model's probabilities are not finite")
    if output.future is not None:
        poses = output.future.double().numpy()
        largest = float(np.max(np.abs(poses), initial=0.0, where=np.isfinite(poses)))
        digits = _DIGITS - 1 - math.floor(math.log10(largest)) if largest else 0
        times = np.round(output.future_times.numpy(), 6).tolist()
        future = {"timestamps": times, "joints": rounded(poses, digits)}
    return {
        "track": output.track_id,
        "label": output.label,
        "probabilities": None
        if probabilities is None
        else dict(zip(output.class_names, np.round(probabilities.double().numpy(), 6).tolist(), strict=True)),
        "observed_ratio": round(output.observed_ratio, 4),
        "enough": output.enough,
        "segments": [
            {"label": each.label, "start": round(each.start, 3), "end": round(each.end, 3)}
            | {"probability": round(each.probability, 4)}
            for each in output.segments
        ],
        "future": future,
    }
