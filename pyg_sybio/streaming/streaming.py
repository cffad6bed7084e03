r"""Live poses, one after another: what is being done, and what comes next."""

import contextlib
import math
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from pyg_sybio.data.datasets.motion_folder import SAME_RATE
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms import (
    FillMissing,
    FillNullFrames,
    JoinTracks,
    SelectBodies,
    SelectByConfidence,
)
from pyg_sybio.models.sybio_gnn import SybioGNN, SybioOutput
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.streaming.track import Track, window_of
from pyg_sybio.trained.preparation import Preparation, Prepared, rate_notice

# Of several persons, these choose some; a track is one person.
_CHOOSE_PERSONS = (JoinTracks, SelectBodies, SelectByConfidence)
# Those that fill what was not seen, in whose place 'missing' comes.
_FILL = (FillMissing, FillNullFrames)
# Poses a second that are kept at most, as a multiple of the higher one of the two frame rates.
_MAX_RATE = 4
# The measured rate is that of so many poses; a share by which it may differ from the announced one.
_RATE_POSES, _RATE_TOLERANCE = 30, 0.1
# Larger numbers are no coordinates in any unit, and might overflow in a model's single precision.
_LARGEST = 1e9


class Model(Protocol):
    """What a stream needs of a model."""

    num_classes: int
    num_future: int

    def __call__(self, batch: Tensor) -> SybioOutput:
        """Recognise and forecast clips `[N, T, M, D]`."""


Pose = Tensor | np.ndarray | Sequence[Sequence[float]]


@dataclass(frozen=True, eq=False)
class StreamOutput:
    r"""What is known of a track after its newest pose.

    Args:
        track_id: The track.
        timestamp: Of the newest pose, in seconds.
        probabilities: Of the classes; None from a model without recognition, and while nobody was seen.
        label: Name of the likeliest class, where there are probabilities.
        class_names: Of the classes, in the order of `probabilities`.
        observed_ratio: Share of the window's joints that were seen, from 0 to 1.
        enough: Whether that share is large enough to go by.
        future: The next poses, with the joints, in the space and the units of those that came in, NaN for
            joints that the model does not have; None from a model without prediction, and while nobody was
            seen.
        future_times: When they are expected, in seconds, on the clock of `timestamp`.
        latency: How long this update took, in seconds.

    Shapes:
        - **probabilities:** `[C]`
        - **future:** `[T_future, M, D]`
        - **future_times:** `[T_future]`, double precision
    """

    track_id: int
    timestamp: float
    probabilities: Tensor | None
    label: str | None
    class_names: tuple[str, ...]
    observed_ratio: float
    enough: bool
    future: Tensor | None
    future_times: Tensor
    latency: float


class MotionStream:
    r"""Recognise and forecast from live poses, for any number of persons at a time.

    It is a sliding window. At every update, the last `num_observed` frames of each track, at the model's
    frame rate and up to the newest pose, are prepared exactly as a recording of these frames is
    (:class:`~pyg_sybio.trained.preparation.Preparation`), and go through the model, all tracks in one call.
    Nothing older has any influence. Each track is a clip of its own: persons do not see one another.

    .. code-block:: python

        stream = checkpoint.stream(fps=30)
        for pose in camera:  # [M, D], NaN where a joint was not seen
            out = stream.update(pose)
            if out.enough:
                print(out.label, out.future.shape)

    Args:
        model: The model, or anything that is called as one.
        preparation: What it wants to see.
        skeleton: The joints of the poses that come; the model's are found among them by their names.
            (default: those that the preparation takes)
        fps: Poses a second that are going to come.
        class_names: Names of the classes.
        missing: What becomes of a joint that was not seen in some frames of the window
            (:class:`~pyg_sybio.data.transforms.FillMissing`): `"hold"` takes it from the last frame that has
            it (before the first such frame, from that one); `"interpolate"` draws a line between the frames
            that have it, and holds it at both ends; `"mask"` leaves it zero in the prepared frames. (default:
            what was done in training)
        min_confidence: A joint whose confidence is not above this was not seen.
        enough: The share of the window that has to be seen before `enough` is said of an output.
        max_gap: After so many seconds without a pose a track begins anew.
        max_tracks: Tracks that are held at most: a new one takes the place of the one that had none for the
            longest.
        forget_after: A track without a pose for so many seconds is forgotten.

    Raises:
        ValueError: If an argument is out of its range, or the skeletons do not fit.

    Note:
        *Time.* Timestamps are seconds on one clock for all tracks, any one. They need not be regular: between
        two poses, the window is interpolated, as a recording of another frame rate is. Without timestamps
        poses are `1 / fps` apart. A timestamp that is not later than the newest one of its track is refused
        with a `ValueError`, and nothing of that update is taken in. Once, a warning says that poses come at
        another rate than `fps`.

        *Threads.* Any number of threads may use a stream; they take turns.

        *Nothing is reused* from one update to the next but the poses. In an actional graph, each joint
        depends on the whole window, and so does every feature of every block that uses the graph. A model
        that is only structural could reuse features of its backbone, and those only between updates whose
        windows fall alike on its strides, away from the edges of the window: of the `realtime` preset, where
        the second block has four frames left, hardly any. The whole backbone is 26% of such a model's update
        with one track, 47% with ten; preparation is 9% and 5% of an update of the full model's (``sybio
        benchmark streaming``, one processor).
    """

    def __init__(
        self,
        model: Model,
        preparation: Preparation,
        *,
        skeleton: Skeleton | None = None,
        fps: float = 30.0,
        class_names: Sequence[str] = (),
        missing: str | None = None,
        min_confidence: float = 0.0,
        enough: float = 0.5,
        max_gap: float = 1.0,
        max_tracks: int = 32,
        forget_after: float = 10.0,
    ) -> None:
        _check_positive(fps=fps, max_gap=max_gap, forget_after=forget_after)
        if not 0 <= enough <= 1:
            raise ValueError(f"'enough' is {enough}, expected a share from 0 to 1")
        if max_tracks < 1:
            raise ValueError(f"'max_tracks' is {max_tracks}, expected at least 1")
        if max_gap * fps < 1:
            raise ValueError(
                f"'max_gap' is {max_gap:g} s, expected at least {1 / fps:g} s, the time between two poses"
            )
        fill = preparation.fill
        if missing is not None:
            others = (step for step in fill if not isinstance(step, _FILL))
            fill = (FillMissing(mode=missing), *others)  # type: ignore[arg-type]
        steps = tuple(step for step in preparation.preprocess if not isinstance(step, _CHOOSE_PERSONS))
        self.preparation = replace(preparation, preprocess=steps, fill=fill)
        self.skeleton = skeleton or preparation.skeleton
        self.class_names = tuple(class_names)
        # Frame rates that differ by less are taken to be the same in recordings, too.
        same = abs(fps - preparation.frame_rate) <= SAME_RATE * preparation.frame_rate
        self.fps = preparation.frame_rate if same else float(fps)
        self.num_future = model.num_future
        self.min_confidence = min_confidence
        self.enough = enough
        self.max_gap = max_gap
        self.max_tracks = max_tracks
        self.forget_after = forget_after
        self._apart = self.preparation.can_apart
        self._joints = _joints_among(self.skeleton, preparation.skeleton)
        self._model: Callable[[Tensor], SybioOutput] = model
        self._like = _input_example(model)
        if model.num_classes not in (0, len(self.class_names)):
            raise ValueError(
                f"'class_names' has {len(self.class_names)} names, but the model knows "
                f"{model.num_classes} classes"
            )
        if isinstance(model, SybioGNN):
            self._model = model.folded(self._like.dtype)
        self._tracks: dict[int, Track] = {}
        self._lock = threading.RLock()
        self._told_rate = False
        self._warm_up()

    @property
    def frame_rate(self) -> float:
        """Of the window and of the forecast, in Hz."""
        return self.preparation.frame_rate

    @property
    def num_observed(self) -> int:
        """Frames of the window."""
        return self.preparation.num_observed

    @property
    def notices(self) -> tuple[str, ...]:
        """What a user should know of the way from the poses to the forecast, beginning with a verb."""
        notice = rate_notice(self.fps, self.frame_rate)
        return (() if notice is None else (notice,)) + self.preparation.notices

    @property
    def track_ids(self) -> tuple[int, ...]:
        """The tracks that are held."""
        with self._lock:
            return tuple(self._tracks)

    def update(
        self,
        pose: Pose,
        confidence: Tensor | np.ndarray | Sequence[float] | None = None,
        timestamp: float | None = None,
        track_id: int = 0,
    ) -> StreamOutput:
        r"""Take in the next pose of one track.

        Args:
            pose: NaN where a joint was not seen.
            confidence: How far a detector trusts each joint.
            timestamp: In seconds. (default: `1 / fps` after the track's newest pose)
            track_id: Which track.

        Shapes:
            - **pose:** `[M, D]`
            - **confidence:** `[M]`

        Raises:
            ValueError: If the pose does not fit the skeleton, or the timestamp is not later than the last.
        """
        start = time.perf_counter()
        with self._lock:
            if timestamp is None and track_id in self._tracks:
                timestamp = self._tracks[track_id].newest + 1 / self.fps
            elif timestamp is None:
                timestamp = max((track.newest for track in self._tracks.values()), default=0.0)
            confidences = {} if confidence is None else {track_id: confidence}
            [outputs] = _update_together([Update(self, {track_id: pose}, confidences, timestamp)], start)
        return _or_raise(outputs)[track_id]

    def update_many(
        self,
        poses: Mapping[int, Pose],
        confidences: Mapping[int, Tensor | np.ndarray | Sequence[float]] | None = None,
        timestamp: float | None = None,
    ) -> dict[int, StreamOutput]:
        r"""Take in the next pose of several tracks, of one moment, and answer for them in one model call.

        Args:
            poses: Pose of each track `[M, D]`, NaN where a joint was not seen.
            confidences: Confidence of each joint `[M]`, of any of the tracks.
            timestamp: In seconds. (default: `1 / fps` after the newest pose of all tracks)

        Raises:
            ValueError: If a pose does not fit the skeleton, the timestamp is not later than the last of a
                track, or there are more tracks than `max_tracks`. Then no pose is taken in.
        """
        start = time.perf_counter()
        [outputs] = _update_together([Update(self, poses, confidences or {}, timestamp)], start)
        return _or_raise(outputs)

    def reset(self, track_id: int | None = None) -> None:
        """Forget a track, or all of them; its next pose begins it anew."""
        with self._lock:
            if track_id is None:
                self._tracks.clear()
            else:
                self._tracks.pop(track_id, None)

    def _take_in(
        self, poses: Mapping[int, Pose], confidences: Mapping[int, Any], timestamp: float | None
    ) -> list["_Together"]:
        """Take in poses of one moment; their windows, as the model wants them."""
        if timestamp is None:
            newest = max((track.newest for track in self._tracks.values()), default=None)
            timestamp = 0.0 if newest is None else newest + 1 / self.fps
        timestamp = _seconds(timestamp)
        if len(poses) > self.max_tracks:
            raise ValueError(f"'poses' has {len(poses)} tracks, expected at most {self.max_tracks}")
        if unknown := [track_id for track_id in confidences if track_id not in poses]:
            raise ValueError(f"'confidences' has track {unknown[0]}, which 'poses' has not")
        # All is checked before anything is taken in.
        seen = {track_id: self._seen(pose, confidences.get(track_id)) for track_id, pose in poses.items()}
        for track_id in poses:
            self._check_time(track_id, timestamp)
        for track_id, (pose, present) in seen.items():
            self._append(track_id, timestamp, pose, present)
        self._forget(timestamp)
        if not self._told_rate:
            self._compare_rate(poses)
        return self._prepared(list(poses))

    def _check_time(self, track_id: int, timestamp: float) -> None:
        track = self._tracks.get(track_id)
        if track is not None and timestamp <= track.newest:
            raise ValueError(
                f"'timestamp' is {timestamp:g} s, expected one later than {track.newest:g} s, the last of "
                f"track {track_id} (reset begins it anew)"
            )

    def _seen(self, pose: Pose, confidence: Any) -> tuple[np.ndarray, np.ndarray]:
        """The joints that the preparation takes `[M, D]`, zero where not seen, and which were `[M]`."""
        skeleton = self.skeleton
        values = _numbers(pose, "pose")
        trust = None if confidence is None else _numbers(confidence, "confidence")
        if trust is not None and trust.shape != (skeleton.num_joints,):
            raise ValueError(
                f"'confidence' has shape {list(trust.shape)}, expected [{skeleton.num_joints}], one a joint"
            )
        scored = skeleton.coordinates == "xy+score"
        if scored and trust is not None and values.shape == (skeleton.num_joints, 2):
            values = np.concatenate([values, trust[:, None]], axis=-1)
        if values.shape != (skeleton.num_joints, skeleton.num_features):
            raise ValueError(
                f"'pose' has shape {list(values.shape)}, expected [{skeleton.num_joints}, "
                f"{skeleton.num_features}] for skeleton '{skeleton.name}' ({skeleton.coordinates})"
            )
        if (np.abs(values) > _LARGEST).any():  # a NaN is not
            raise ValueError(
                f"'pose' has {values[np.abs(values) > _LARGEST][0]:g}, expected numbers of a size up to "
                f"{_LARGEST:g}, and NaN for what was not seen"
            )
        if scored and trust is None:
            trust = values[:, 2]
        present = ~np.isnan(values).any(-1)
        if trust is not None:
            present = present & (trust > self.min_confidence)  # a NaN is not above anything
        values, present = values[self._joints], present[self._joints]
        return np.where(present[:, None], values, 0.0), present

    def _append(self, track_id: int, timestamp: float, pose: np.ndarray, present: np.ndarray) -> None:
        track = self._tracks.pop(track_id, None)
        if track is None:
            track = Track(
                self.preparation.skeleton,
                num_frames=self.num_observed,
                frame_rate=self.frame_rate,
                max_rate=_MAX_RATE * max(self.fps, self.frame_rate),
            )
        elif timestamp - track.newest > self.max_gap:
            track.clear()
        self._tracks[track_id] = track  # the newest last
        track.append(timestamp, pose, present)

    def _compare_rate(self, track_ids: Iterable[int]) -> None:
        for track in (self._tracks[track_id] for track_id in track_ids):
            if len(track) < _RATE_POSES:
                continue
            rate = 1 / float(np.median(np.diff(track.times[-_RATE_POSES:])))
            if abs(rate - self.fps) > _RATE_TOLERANCE * self.fps:
                self._told_rate = True
                warnings.warn(
                    f"poses come at {rate:.3g} a second, but 'fps' is {self.fps:g}: "
                    "the timestamps are believed",
                    stacklevel=5,  # whoever called the update
                )
                return

    def _forget(self, now: float) -> None:
        for track_id, track in list(self._tracks.items()):
            if now - track.newest > self.forget_after:
                del self._tracks[track_id]
        while len(self._tracks) > self.max_tracks:
            del self._tracks[next(iter(self._tracks))]  # they are in the order of their newest poses

    def _warm_up(self) -> None:
        """Run the model once, as its first run takes longest."""
        skeleton = self.preparation.model_skeleton
        with torch.inference_mode():
            self._model(
                self._like.new_zeros(1, self.num_observed, skeleton.num_joints, skeleton.num_features)
            )

    def _prepared(self, track_ids: Sequence[int]) -> list["_Together"]:
        """The windows of tracks as the model wants them: those of one length together, where that can be."""
        by_length: dict[int, list[tuple[int, np.ndarray]]] = {}
        for track_id in track_ids:
            places = self._tracks[track_id].places()
            by_length.setdefault(len(places), []).append((track_id, places))
        whole = self.num_observed * self.preparation.skeleton.num_joints
        result = []
        for alike in by_length.values():
            ids, places_of_all = zip(*alike, strict=True)
            window = window_of([self._tracks[track_id] for track_id in ids], places_of_all)
            ratios = (window.present.sum((1, 2)) / whole).tolist()
            if self._apart:
                result.append(_Together(self, ids, ratios, self.preparation(window, apart=True)))
            else:
                for person, (track_id, ratio) in enumerate(zip(ids, ratios, strict=True)):
                    prepared = self.preparation(window.persons([person]))
                    result.append(_Together(self, (track_id,), [ratio], prepared))
        return result

    def _outputs(self, together: "_Together") -> Iterator[StreamOutput]:
        rate = together.prepared.observed.frame_rate or self.frame_rate
        steps = torch.arange(1, self.num_future + 1, dtype=torch.float64) / rate
        answer = 0
        for track_id, ratio, seen in zip(
            together.track_ids, together.ratios, together.seen.tolist(), strict=True
        ):
            newest = self._tracks[track_id].newest
            probabilities, future = together.probabilities, together.future
            own = None if probabilities is None or not seen else probabilities[answer]
            yield StreamOutput(
                track_id=track_id,
                timestamp=newest,
                probabilities=own,
                label=None if own is None else self.class_names[int(own.argmax())],
                class_names=self.class_names,
                observed_ratio=ratio,
                enough=0 < ratio >= self.enough,
                future=None if future is None or not seen else future[answer],
                future_times=newest + steps,
                latency=math.nan,
            )
            answer += seen

    def _in_recording(self, future: Tensor, together: "_Together") -> Tensor:
        """Predicted poses `[P, T, M, D]` of who was seen in the space and with the joints of what came in."""
        observed, seen = together.prepared.observed, together.seen
        poses = future.new_zeros(len(seen), *future.shape[1:])
        poses[seen] = future
        motion = Motion(
            poses=poses, skeleton=observed.skeleton, frame_rate=observed.frame_rate, check_values=False
        )
        poses = together.prepared.to_recording(motion).poses[seen].float()
        whole = poses.new_full((*poses.shape[:2], self.skeleton.num_joints, poses.size(-1)), math.nan)
        whole[:, :, self._joints] = poses
        return whole


@dataclass(frozen=True, eq=False)
class Update:
    r"""What :meth:`MotionStream.update_many` takes in, and in which stream.

    Args:
        stream: The stream.
        poses: Pose of each track.
        confidences: Confidence of each joint, of any of the tracks.
        timestamp: In seconds. (default: `1 / fps` after the newest pose of all tracks)

    Shapes:
        - **poses:** `[M, D]` each
        - **confidences:** `[M]` each
    """

    stream: MotionStream
    poses: Mapping[int, Pose]
    confidences: Mapping[int, Any] = field(default_factory=dict)
    timestamp: float | None = None


def update_together(updates: Sequence[Update]) -> list[dict[int, StreamOutput] | Exception]:
    r"""Update several streams, and answer for those that share a model in one call of it.

    Each answer is that of :meth:`MotionStream.update_many`, or the error that it would raise: what is wrong
    with the poses of one is nothing to the others. The latency is that of all of them together.

    Args:
        updates: At most one of each stream.

    Raises:
        ValueError: If there are several of one stream.
    """
    start = time.perf_counter()
    return _update_together(updates, start)


def _update_together(updates: Sequence[Update], start: float) -> list[dict[int, StreamOutput] | Exception]:
    """Updates that were wanted at `start` of the clock."""
    streams = {id(update.stream): update.stream for update in updates}
    if len(streams) < len(updates):
        raise ValueError(f"'updates' has {len(updates)} of {len(streams)} streams, expected one of each")
    with contextlib.ExitStack() as locks:
        for _, stream in sorted(streams.items()):  # in one order, or two threads might wait for each other
            locks.enter_context(stream._lock)
        taken: list[list[_Together] | Exception] = []
        for update in updates:
            try:
                taken.append(update.stream._take_in(update.poses, update.confidences, update.timestamp))
            except Exception as error:
                taken.append(error)
        _ask([each for windows in taken if not isinstance(windows, Exception) for each in windows])
        answers: list[dict[int, StreamOutput] | Exception] = []
        for update, windows in zip(updates, taken, strict=True):
            if isinstance(windows, Exception):
                answers.append(windows)
                continue
            outputs = {output.track_id: output for each in windows for output in update.stream._outputs(each)}
            answers.append({track_id: outputs[track_id] for track_id in update.poses})
    latency = time.perf_counter() - start
    return [
        answer
        if isinstance(answer, Exception)
        else {track_id: replace(output, latency=latency) for track_id, output in answer.items()}
        for answer in answers
    ]


def _or_raise(outputs: dict[int, StreamOutput] | Exception) -> dict[int, StreamOutput]:
    if isinstance(outputs, Exception):
        raise outputs
    return outputs


class _Together:
    """Tracks of a stream that are prepared together, and what the model says of those who were seen."""

    def __init__(
        self, stream: MotionStream, track_ids: Sequence[int], ratios: Sequence[float], prepared: Prepared
    ) -> None:
        self.stream = stream
        self.track_ids = track_ids
        self.ratios = ratios
        self.prepared = prepared
        self.seen = prepared.observed.present.flatten(1).any(1)
        self.probabilities: Tensor | None = None
        self.future: Tensor | None = None


def _ask(together: Sequence[_Together]) -> None:
    """Ask each model in one call, unless a preparation leaves windows of several lengths."""
    groups: dict[tuple[int, int], list[_Together]] = {}
    for each in together:
        if each.seen.any():
            key = id(each.stream._model), each.prepared.observed.num_frames
            groups.setdefault(key, []).append(each)
    for alike in groups.values():
        stream = alike[0].stream
        x = torch.cat([each.prepared.observed.poses[each.seen] for each in alike])
        with torch.inference_mode():
            out = stream._model(x.to(stream._like))
        # What follows makes tensors of its own, which whoever gets them may change.
        counts = [int(each.seen.sum()) for each in alike]
        if out.logits is not None:
            probabilities = out.logits.float().cpu().softmax(-1)
            for each, own in zip(alike, probabilities.split(counts), strict=True):
                each.probabilities = own
        if out.future is not None:
            future = out.future.double().cpu()
            for each, own in zip(alike, future.split(counts), strict=True):
                each.future = each.stream._in_recording(own, each)


def _numbers(values: Any, name: str) -> np.ndarray:
    """Numbers in double precision."""
    if isinstance(values, Tensor):
        return values.detach().cpu().double().numpy()
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"'{name}' is no array of numbers, such as [[0.1, 0.2, 0.3], ...]") from None


def _seconds(timestamp: float) -> float:
    if not math.isfinite(timestamp):
        raise ValueError(f"'timestamp' is {timestamp}, expected a finite number of seconds")
    return float(timestamp)


def _input_example(model: Model) -> Tensor:
    """A number of the type and on the device of a model's poses; in single precision if it does not say."""
    # Constants, not weights, which a folded model may have rounded.
    buffers = model.buffers() if isinstance(model, nn.Module) else ()
    return next((value.new_zeros(()) for value in buffers if value.is_floating_point()), torch.zeros(()))


def _joints_among(skeleton: Skeleton, wanted: Skeleton) -> np.ndarray:
    """The place of each wanted joint among those of a skeleton."""
    for name in ("coordinates", "units"):
        came, expected = getattr(skeleton, name), getattr(wanted, name)
        if came != expected:
            raise ValueError(f"'skeleton' {skeleton.name!r} has {name} {came!r}, expected {expected!r}")
    return np.array([skeleton.joint_index(name) for name in wanted.joints])


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ValueError(f"'{name}' is {value}, expected a positive number")
