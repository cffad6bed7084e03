r"""Live poses and what is said of them as JSON: what ``sybio stream`` and the server's WebSocket speak.

In come frames, and resets of one track or of all:

.. code-block:: json

    {"type": "frame", "timestamp": 12.033,
     "people": [{"track": 0, "joints": [[0.1, 1.2, 3.0], null], "confidence": [0.9, 0.0]}]}
    {"type": "reset", "track": 0}

A joint, or one of its numbers, that is null was not seen. ``timestamp`` (seconds), ``confidence`` and
``track`` (0) may be left out. Out go a greeting, results and errors:

.. code-block:: json

    {"type": "hello", "skeleton": {"name": "ntu25", "joints": ["pelvis"], "bones": [[0, 1]],
     "coordinates": "xyz"}, "classes": ["walk"], "frame_rate": 30.0, "num_observed": 64, "num_future": 10}
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
from torch import Tensor

from pyg_sybio.skeleton import Skeleton
from pyg_sybio.streaming.motion_stream import MotionStream, StreamOutput

# Numbers of poses are written with so many digits, the largest of them; single precision has seven.
_DIGITS = 6
# Track numbers fit into a signed integer of 64 bits.
_LARGEST_TRACK = 2**63 - 1


@dataclass(frozen=True, eq=False)
class Frame:
    r"""The poses of one moment.

    Args:
        poses: Pose of each track, NaN where a joint was not seen.
        confidences: Confidence of each joint, of those tracks that have it.
        timestamp: In seconds; None where the message has none.

    Shapes:
        - **poses:** `[M, D]` each, double precision
        - **confidences:** `[M]` each, double precision
    """

    poses: Mapping[int, np.ndarray]
    confidences: Mapping[int, np.ndarray] = field(default_factory=dict)
    timestamp: float | None = None


@dataclass(frozen=True)
class Reset:
    """Forget a track, or all of them.

    Args:
        track: Which one; None for all.
    """

    track: int | None = None


def parse_message(message: str | bytes, skeleton: Skeleton) -> Frame | Reset:
    r"""Read a message that came in.

    Args:
        message: JSON, in UTF-8.
        skeleton: The joints of its poses.

    Raises:
        ValueError: If it is anything but a frame of this skeleton or a reset, in one line that names the
            place and what was expected.
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


def hello_message(stream: MotionStream) -> dict[str, Any]:
    """What a stream takes and gives."""
    skeleton = stream.skeleton
    return {
        "type": "hello",
        "skeleton": {
            "name": skeleton.name,
            "joints": list(skeleton.joints),
            "bones": [[skeleton.joint_index(a), skeleton.joint_index(b)] for a, b in skeleton.bones],
            "coordinates": skeleton.coordinates,
        },
        "classes": list(stream.class_names),
        "frame_rate": stream.frame_rate,
        "num_observed": stream.num_observed,
        "num_future": stream.num_future,
    }


def result_message(outputs: Mapping[int, StreamOutput]) -> dict[str, Any]:
    """What :meth:`~pyg_sybio.streaming.motion_stream.MotionStream.update_many` returned, all of one moment.

    Poses have six digits. What a model does not say is null.
    """
    newest = max(outputs.values(), key=lambda output: output.timestamp, default=None)
    return {
        "type": "result",
        "timestamp": None if newest is None else newest.timestamp,
        "latency_ms": None if newest is None else round(1e3 * newest.latency, 3),
        "people": [_person(output) for output in outputs.values()],
    }


def error_message(error: str | Exception) -> dict[str, Any]:
    """What was wrong, in one line."""
    return {"type": "error", "message": " ".join(str(error).split())}


def encode(message: Mapping[str, Any]) -> str:
    """A message as one line of JSON; a number that is none is null."""
    return orjson.dumps(message).decode()


def _person(output: StreamOutput) -> dict[str, Any]:
    probabilities = output.probabilities
    if probabilities is not None and not probabilities.isfinite().all():
        raise ValueError(f"track {output.track_id}: the model's probabilities are no numbers")
    return {
        "track": output.track_id,
        "label": output.label,
        "probabilities": None
        if probabilities is None
        else dict(zip(output.class_names, np.round(probabilities.double().numpy(), 6).tolist(), strict=True)),
        "observed_ratio": round(output.observed_ratio, 4),
        "enough": output.enough,
        "future": None
        if output.future is None
        else {
            "timestamps": np.round(output.future_times.numpy(), 6).tolist(),
            "joints": _numbers(output.future),
        },
    }


def _numbers(poses: Tensor) -> list[list[list[float] | None]]:
    """Poses `[T, M, D]` as numbers of few digits, null for a joint that has none."""
    values = poses.double().numpy()
    known = np.isfinite(values).all(-1)
    largest = float(np.abs(values[known]).max(initial=0.0))
    digits = _DIGITS - 1 - math.floor(math.log10(largest)) if largest else 0
    numbers: list[list[list[float] | None]] = np.round(values, digits).tolist()
    if known.all():
        return numbers
    return [
        [joint if there else None for joint, there in zip(frame, seen, strict=True)]
        for frame, seen in zip(numbers, known.tolist(), strict=True)
    ]


def _document(message: str | bytes) -> dict[str, Any]:
    try:
        document = json.loads(message, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte {error.start} is wrong, expected JSON") from None
    except RecursionError:
        raise ValueError("not JSON that can be read: it is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"not JSON: {_one_line(str(error))}") from None
    if not isinstance(document, dict):
        raise ValueError(f"the message is {_shown(document)}, expected an object with 'type'")
    return document


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON; a joint that was not seen is null")


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
            raise ValueError(f"{where}: track {track} is there twice, expected each once")
        confidence = person.get("confidence")
        if confidence is not None:
            confidences[track] = _confidence(confidence, skeleton, where)
        poses[track] = _pose(person.get("joints"), skeleton, confidence is not None, where)
    return Frame(poses, confidences, timestamp)


def _pose(joints: Any, skeleton: Skeleton, trusted: bool, where: str) -> np.ndarray:
    """A pose `[M, D]`; without its score, where a confidence stands for it."""
    if not isinstance(joints, list) or len(joints) != skeleton.num_joints:
        came = f"has {len(joints)} joints" if isinstance(joints, list) else f"is {_shown(joints)}"
        raise ValueError(
            f"{where}: 'joints' {came}, expected a list of {skeleton.num_joints}, those of "
            f"skeleton '{skeleton.name}'"
        )
    size = skeleton.num_features
    lengths = {len(joint) for joint in joints if isinstance(joint, list)}
    if skeleton.coordinates == "xy+score" and trusted and lengths == {2}:
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
        if None not in joint:
            pose[index] = [_number(value, place, "numbers") for value in joint]
        else:
            for value in joint:
                if value is not None:
                    _number(value, place, "numbers or null")
    return pose


def _confidence(values: Any, skeleton: Skeleton, where: str) -> np.ndarray:
    if not isinstance(values, list) or len(values) != skeleton.num_joints:
        came = f"has {len(values)} values" if isinstance(values, list) else f"is {_shown(values)}"
        raise ValueError(f"{where}: 'confidence' {came}, expected {skeleton.num_joints}, one a joint")
    place = f"{where}: 'confidence'"
    return np.array([0.0 if value is None else _number(value, place, "numbers") for value in values])


def _track(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST_TRACK:
        raise ValueError(f"{where} is {_shown(value)}, expected a whole number")
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


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
