r"""Live poses and answers as JSON: the messages of ``sybio stream`` and of the server's WebSocket.

Input is frames, and resets of one track or of all:

.. code-block:: json

    {"type": "frame", "timestamp": 12.033,
     "people": [{"track": 0, "joints": [[0.1, 1.2, 3.0], null], "confidence": [0.9, 0.0]}]}
    {"type": "reset", "track": 0}

A joint that was not observed is null, or one of its numbers is. ``timestamp`` (in seconds), ``confidence``
and ``track`` (default 0) are optional. Output is a greeting, results and errors:

.. code-block:: json

    {"type": "hello", "skeleton": {"name": "ntu25", "joints": ["pelvis"], "bones": [[0, 1]],
     "mirror": [[4, 8]], "coordinates": "xyz", "units": "m"}, "classes": ["walk"], "frame_rate": 30.0,
     "num_observed": 64, "num_future": 10}
    {"type": "result", "timestamp": 12.033, "latency_ms": 5.1,
     "people": [{"track": 0, "label": "walk", "probabilities": {"walk": 1.0}, "observed_ratio": 0.5,
                 "enough": true, "future": {"timestamps": [12.066], "joints": [[[0.1, 1.2, 3.0], null]]}}]}
    {"type": "error", "message": "line 3: not JSON: ..."}
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from pyg_sybio.skeleton import Skeleton
from pyg_sybio.streaming.motion_stream import MotionStream, StreamOutput

# Significant digits of the largest number of a forecast; single precision has seven.
_DIGITS = 6
# Track numbers fit into a signed integer of 64 bits.
_MAX_TRACK = 2**63 - 1


@dataclass(frozen=True, eq=False)
class Frame:
    r"""The poses of one moment.

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
        skeleton: The skeleton of its poses.

    Raises:
        ValueError: If it is not a frame of this skeleton or a reset; the error names the place and what was
            expected, in one line.
    """
    document = _document(message)
    kind = document.get("type")
    if kind == "frame":
        _check_keys(document, {"type", "timestamp", "people"}, "the message")
        return _frame(document, skeleton)
    if kind == "reset":
        _check_keys(document, {"type", "track"}, "the message")
        return Reset(_track(document["track"], "'track'") if "track" in document else None)
    raise ValueError(f"'type' is {_shown(kind)}, expected 'frame' or 'reset'")


def _document(message: str | bytes) -> dict[str, Any]:
    try:
        document = json.loads(message, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte {error.start} is invalid, expected JSON") from None
    except RecursionError:
        raise ValueError("not valid JSON: it is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"not JSON: {one_line(error)[:200]}") from None
    if not isinstance(document, dict):
        raise ValueError(f"the message is {_shown(document)}, expected an object with 'type'")
    return document


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON value; use null for a joint that was not observed")


def _frame(document: dict[str, Any], skeleton: Skeleton) -> Frame:
    people = document.get("people")
    if not isinstance(people, list):
        raise ValueError(f"'people' is {_shown(people)}, expected a list")
    timestamp = document.get("timestamp")
    if timestamp is not None:
        timestamp = _number(timestamp, "'timestamp'", "a number of seconds")
    poses: dict[int, np.ndarray] = {}
    confidences: dict[int, np.ndarray] = {}
    for index, person in enumerate(people):
        where = f"'people'[{index}]"
        if not isinstance(person, dict):
            raise ValueError(f"{where} is {_shown(person)}, expected an object with 'track' and 'joints'")
        _check_keys(person, {"track", "joints", "confidence"}, where)
        track = _track(person.get("track", 0), f"{where}: 'track'")
        if track in poses:
            raise ValueError(f"{where}: duplicate track {track}, expected different tracks")
        confidence = person.get("confidence")
        if confidence is not None:
            values = _list(confidence, skeleton.num_joints, f"{where}: 'confidence'", "one per joint")
            confidences[track] = np.array(
                [0.0 if v is None else _number(v, f"{where}: 'confidence'", "numbers") for v in values]
            )
        poses[track] = _pose(person.get("joints"), skeleton, confidence is not None, where)
    return Frame(poses, confidences, timestamp)


def _pose(joints: Any, skeleton: Skeleton, has_confidence: bool, where: str) -> np.ndarray:
    """Parse a pose `[M, D]`; its scores may be left out if there is a confidence."""
    size = skeleton.num_features
    _list(joints, skeleton.num_joints, f"{where}: 'joints'", f"one per joint of skeleton '{skeleton.name}'")
    lengths = {len(joint) for joint in joints if isinstance(joint, list)}
    if skeleton.coordinates == "xy+score" and has_confidence and lengths == {2}:
        size = 2
    pose = np.full((skeleton.num_joints, size), np.nan)
    for index, joint in enumerate(joints):
        if joint is None:
            continue
        place = f"{where}: 'joints'[{index}] ('{skeleton.joints[index]}')"
        if not isinstance(joint, list) or len(joint) != size:
            raise ValueError(
                f"{place} is {_shown(joint)}, expected {size} numbers ({skeleton.coordinates}) or null"
            )
        values = [math.nan if v is None else _number(v, place, "numbers or null") for v in joint]
        if None not in joint:
            pose[index] = values
    return pose


def _list(values: Any, length: int, where: str, meaning: str) -> list[Any]:
    if not isinstance(values, list) or len(values) != length:
        found = f"has {len(values)} entries" if isinstance(values, list) else f"is {_shown(values)}"
        raise ValueError(f"{where} {found}, expected a list of {length}, {meaning}")
    return values


def _track(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _MAX_TRACK:
        raise ValueError(f"{where} is {_shown(value)}, expected an integer of up to 64 bits")
    return value


def _number(value: Any, where: str, expected: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise ValueError(f"{where} has {_shown(value)}, expected {expected}")


def _check_keys(document: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in document:
        if key not in known:
            raise ValueError(
                f"{where} has the unknown key {_shown(key)}, expected {', '.join(sorted(known))}"
            )


def _shown(value: Any) -> str:
    """A value in a few characters of one line."""
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= 40 else f"{text[:40]}..."


# Output ---------------------------------------------------------------------------------------------------


def hello_message(stream: MotionStream) -> dict[str, Any]:
    """Return what a stream takes and gives."""
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

    Poses have six significant digits. What a model does not predict is null.
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
        "future": future,
    }
