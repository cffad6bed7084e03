r"""Recognition and forecasts for live poses."""

import math
import threading
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pyg_sybio.data.datasets.motion_folder import SAME_RATE
from pyg_sybio.data.motion import MAX_RATE, MIN_RATE
from pyg_sybio.data.transforms.base import check_count, check_range
from pyg_sybio.data.transforms.fill_missing import FillMode
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import AnySkeleton, load_skeleton
from pyg_sybio.streaming.inference import Model, Windows, answer, input_example
from pyg_sybio.streaming.poses import Confidence, Pose, PoseReader
from pyg_sybio.streaming.window import Track, window_of
from pyg_sybio.trained.preparation import CHOOSE_PERSONS, Preparation, rate_notices
from pyg_sybio.trained.timeline import Segment

# Maximum rate of stored poses, as a multiple of the higher of `fps` and the window's frame rate.
_MAX_RATE = 4
# Poses that arrive faster than this multiple of the window's frame rate are not all stored.
_MAX_RATIO = 32
# Fraction of the joints in a window that must be observed to rely on the result.
_ENOUGH = 0.5
# Number of poses from which the rate is measured, and the tolerated relative difference from 'fps'.
_RATE_POSES, _RATE_TOLERANCE = 30, 0.1


@dataclass(frozen=True, eq=False)
class StreamOutput:
    r"""The result for one track after its newest pose.

    Args:
        track_id: The track.
        timestamp: Time of the newest pose, in seconds.
        probabilities: Class probabilities; None from a model without recognition, and while no joint is
            observed.
        label: Name of the most likely class; None without probabilities.
        class_names: Names of the classes, in the order of `probabilities`.
        observed_ratio: Fraction of the window's joints that were observed, from 0 to 1.
        enough: Whether the window is long enough and `observed_ratio` is large enough to rely on the result.
        future: The predicted poses, with the joints, coordinates and units of the incoming poses. Joints that
            the model does not have, and joints that were not observed in any frame of the window, are NaN.
            None from a model without prediction, and while no joint is observed.
        future_times: Times of the predicted poses, in seconds, on the clock of `timestamp`.
        latency: Duration of this update, in seconds.
        segments: The actions of this track so far, at most the last 16, as in the timeline of a recording
            (:class:`~pyg_sybio.trained.timeline.Timeline`): `label` describes the window, whose actions began
            up to one window earlier. The times are on the clock of `timestamp`, and the end of the last
            segment is the end of the last window that was added.

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
    segments: tuple[Segment, ...] = ()


class MotionStream:
    r"""Recognise and forecast from live poses of any number of persons.

    A stream is a sliding window. Each update prepares the last `num_observed` frames of every track, at the
    model's frame rate and ending with the newest pose, exactly as a recording of these frames
    (:class:`~pyg_sybio.trained.preparation.Preparation`), and passes all tracks to the model in one call.
    Older poses have no effect. Each track is a separate clip: persons do not affect each other.

    .. code-block:: python

        stream = trained.stream(fps=30)
        for pose in camera:  # [M, D], NaN where a joint was not observed
            out = stream.update(pose)
            if out.enough:
                print(out.label, out.future.shape)

    Args:
        model: The model, or any callable like it. A :class:`~pyg_sybio.models.sybio_gnn.SybioGNN` is replaced
            by its :meth:`~pyg_sybio.models.sybio_gnn.SybioGNN.folded` copy.
        preparation: The preparation of the model's input.
        skeleton: The skeleton of the incoming poses, which contains the joints of the preparation's skeleton,
            by name. (default: the preparation's skeleton)
        fps: Expected number of poses per second.
        class_names: Names of the classes.
        missing: How to fill a joint that was not observed in some frames of the window
            (:class:`~pyg_sybio.data.transforms.FillMissing`): `"hold"` repeats its last position (or, before
            the first observation, its first one); `"interpolate"` interpolates linearly and holds at both
            ends; `"mask"` leaves it zero in the prepared frames. (default: as the model's file says,
            `"interpolate"` unless the model was trained with gaps)
        min_confidence: A joint counts as observed if its confidence exceeds this value.
        enough: Fraction of the window that must be observed for :attr:`StreamOutput.enough`. (default: half
            of the joints, in a window without padding)
        enough_frames: Without `enough`, the number of frames that suffice, such as the length of the training
            clips. (default: all)
        max_gap: A track restarts after this many seconds without a pose.
        max_tracks: Maximum number of tracks; a new track replaces the one that has had no pose for longest.
        forget_after: A track is forgotten after this many seconds without a pose.

    Raises:
        ValueError: If an argument is out of range, or the skeletons do not match.

    Note:
        *Time.* Timestamps are seconds on one clock of your choice, shared by all tracks. If they are
        irregular, the window is interpolated between poses, like a recording with another frame rate. Without
        timestamps, poses are `1 / fps` apart. A timestamp that is not later than the newest pose of its track
        raises a `ValueError`, and the update has no effect. A warning is issued once if the rate of the poses
        differs from `fps`.

        *Threads.* Several threads may use a stream; its updates run one at a time.

        *Reuse.* Updates share the stored poses, but no features of the network. An actional graph depends on
        the whole window, and so does every feature that is computed with it. A purely structural model could
        reuse features of its backbone, but only between updates whose windows are aligned with its strides,
        and away from the edges of the window. With the `realtime` preset, whose second block has only four
        frames, hardly any feature can be reused. The backbone takes 26% of an update of a purely structural
        model with one track, and 47% with ten tracks. Preparation takes 9% and 5% of an update of the full
        model (``sybio benchmark streaming``, one processor).
    """

    def __init__(
        self,
        model: Model,
        preparation: Preparation,
        *,
        skeleton: AnySkeleton | None = None,
        fps: float = 30.0,
        class_names: Sequence[str] = (),
        missing: FillMode | None = None,
        min_confidence: float = 0.0,
        enough: float | None = None,
        enough_frames: int | None = None,
        max_gap: float = 1.0,
        max_tracks: int = 32,
        forget_after: float = 10.0,
    ) -> None:
        check_range("fps", fps, MIN_RATE, MAX_RATE)
        check_range("enough", _ENOUGH if enough is None else enough, 0, 1)
        check_count("max_tracks", max_tracks)
        for name, value in {"max_gap": max_gap, "forget_after": forget_after}.items():
            if not 0 < value < math.inf:
                raise ValueError(f"'{name}' is {value}, expected a positive number")
        if max_gap * fps < 1:
            raise ValueError(
                f"'max_gap' is {max_gap:g} s, expected at least {1 / fps:g} s, the time between two poses"
            )
        if model.num_classes not in (0, len(class_names)):
            raise ValueError(
                f"'class_names' has {len(class_names)} names, but the model has {model.num_classes} classes"
            )
        if missing is not None:
            preparation = preparation.filled(missing)
        # Selecting persons is not necessary, because a track is a single person.
        steps = tuple(step for step in preparation.preprocess if not isinstance(step, CHOOSE_PERSONS))
        self.preparation = replace(preparation, preprocess=steps)
        self.skeleton = load_skeleton(preparation.skeleton if skeleton is None else skeleton)
        self.class_names = tuple(class_names)
        # Frame rates of recordings are compared with the same tolerance.
        same = abs(fps - preparation.frame_rate) <= SAME_RATE * preparation.frame_rate
        self.fps = preparation.frame_rate if same else float(fps)
        self.enough = _ENOUGH if enough is None else enough
        needed = preparation.num_observed if enough_frames is None else enough_frames
        self.enough_frames = min(needed, preparation.num_observed) if enough is None else 1
        self.max_gap = max_gap
        self.max_tracks = max_tracks
        self.forget_after = forget_after
        self.num_future = model.num_future
        like = input_example(model)
        self.model: Model = model.folded() if isinstance(model, SybioGNN) else model
        self.lock = threading.RLock()
        self._read = PoseReader(self.skeleton, preparation.skeleton, min_confidence)
        self._tracks: dict[int, Track] = {}  # in the order of their latest updates
        self._warned_of_rate = False
        # The first call of a model is the slowest.
        seen = self.preparation.model_skeleton
        with torch.inference_mode():
            self.model(like.new_zeros(1, self.num_observed, seen.num_joints, seen.num_features))

    @property
    def frame_rate(self) -> float:
        """Frame rate of the window and of the forecast, in Hz."""
        return self.preparation.frame_rate

    @property
    def num_observed(self) -> int:
        """Length of the window in frames."""
        return self.preparation.num_observed

    @property
    def notices(self) -> tuple[str, ...]:
        """Remarks for the user about the conversion of poses and forecasts; each begins with a verb."""
        return rate_notices(self.fps, self.frame_rate) + self.preparation.notices

    @property
    def track_ids(self) -> tuple[int, ...]:
        """The current tracks."""
        with self.lock:
            return tuple(self._tracks)

    def update(
        self,
        pose: Pose,
        confidence: Confidence | None = None,
        timestamp: float | None = None,
        track_id: int = 0,
    ) -> StreamOutput:
        r"""Add the next pose of one track.

        Args:
            pose: The pose, NaN where a joint was not observed.
            confidence: Confidence of the detector in each joint.
            timestamp: Time of the pose, in seconds. (default: `1 / fps` after the track's newest pose)
            track_id: The track.

        Shapes:
            - **pose:** `[M, D]`
            - **confidence:** `[M]`

        Raises:
            ValueError: If the pose does not fit the skeleton, or the timestamp is not later than the newest
                pose.
        """
        with self.lock:
            if timestamp is None and track_id in self._tracks:
                timestamp = self._tracks[track_id].newest + 1 / self.fps
            elif timestamp is None:
                timestamp = max((track.newest for track in self._tracks.values()), default=0.0)
            confidences = {} if confidence is None else {track_id: confidence}
            return self._update({track_id: pose}, confidences, timestamp)[track_id]

    def update_many(
        self,
        poses: Mapping[int, Pose],
        confidences: Mapping[int, Confidence] | None = None,
        timestamp: float | None = None,
    ) -> dict[int, StreamOutput]:
        r"""Add the next poses of several tracks, all at the same time, and evaluate them in one model call.

        Args:
            poses: Pose of each track `[M, D]`, NaN where a joint was not observed.
            confidences: Confidence in each joint `[M]`, for any of the tracks.
            timestamp: Time of the poses, in seconds. (default: `1 / fps` after the newest pose of all tracks)

        Raises:
            ValueError: If a pose does not fit the skeleton, the timestamp is not later than the newest
                pose of a track, or there are more tracks than `max_tracks`. Then the update has no effect.
        """
        return self._update(poses, confidences or {}, timestamp)

    def reset(self, track_id: int | None = None) -> None:
        """Forget a track, or all tracks; the next pose starts a new window."""
        with self.lock:
            if track_id is None:
                self._tracks.clear()
            else:
                self._tracks.pop(track_id, None)

    # Steps of an update; `update_together` runs each step for several streams ----------------------------

    def _update(
        self, poses: Mapping[int, Pose], confidences: Mapping[int, Confidence], timestamp: float | None
    ) -> dict[int, StreamOutput]:
        start = time.perf_counter()
        with self.lock:
            batches = self.take_in(poses, confidences, timestamp)
            answer(batches)
            return self.outputs(batches, time.perf_counter() - start)

    def take_in(
        self, poses: Mapping[int, Pose], confidences: Mapping[int, Confidence], timestamp: float | None
    ) -> list[Windows]:
        """Add poses at one time, and return the prepared windows of their tracks.

        Raises:
            ValueError: As :meth:`update_many`.
        """
        if timestamp is None:
            newest = max((track.newest for track in self._tracks.values()), default=-1 / self.fps)
            timestamp = newest + 1 / self.fps
        if not math.isfinite(timestamp):
            raise ValueError(f"'timestamp' is {timestamp}, expected a finite number of seconds")
        if len(poses) > self.max_tracks:
            raise ValueError(f"'poses' has {len(poses)} tracks, expected at most {self.max_tracks}")
        if unknown := [track_id for track_id in confidences if track_id not in poses]:
            raise ValueError(f"'confidences' has track {unknown[0]}, but 'poses' does not")
        # Everything is checked before anything changes.
        read = {track_id: self._read(pose, confidences.get(track_id)) for track_id, pose in poses.items()}
        for track_id in poses:
            track = self._tracks.get(track_id)
            if track is not None and timestamp <= track.newest:
                raise ValueError(
                    f"'timestamp' is {timestamp:g} s, but the newest pose of track {track_id} is at "
                    f"{track.newest:g} s: expected a later time (a reset restarts the track)"
                )
        for track_id, (pose, present) in read.items():
            track = self._tracks.pop(track_id, None)
            if track is None:
                track = Track(
                    self.preparation.skeleton,
                    num_frames=self.num_observed,
                    frame_rate=self.frame_rate,
                    class_names=self.class_names,
                    max_rate=_MAX_RATE * max(min(self.fps, _MAX_RATIO * self.frame_rate), self.frame_rate),
                )
            elif timestamp - track.newest > self.max_gap:
                track.clear()
            track.append(float(timestamp), pose, present)
            self._tracks[track_id] = track
        self._forget(timestamp)
        if not self._warned_of_rate:
            self._check_rate(poses)
        return self.windows(tuple(poses))

    def _forget(self, now: float) -> None:
        for track_id, track in list(self._tracks.items()):
            if now - track.newest > self.forget_after:
                del self._tracks[track_id]
        while len(self._tracks) > self.max_tracks:
            del self._tracks[next(iter(self._tracks))]

    def _check_rate(self, track_ids: Iterable[int]) -> None:
        """Warn if the poses of a track arrive at another rate than `fps`."""
        for track in (self._tracks[track_id] for track_id in track_ids):
            if len(track) < _RATE_POSES:
                continue
            rate = 1 / float(np.median(np.diff(track.times[-_RATE_POSES:])))
            if abs(rate - self.fps) > _RATE_TOLERANCE * self.fps:
                self._warned_of_rate = True
                warnings.warn(
                    f"poses come at {rate:.3g} Hz, but 'fps' is {self.fps:g}: the timestamps are used",
                    stacklevel=5,  # the line that calls the update
                )
                return

    def windows(self, track_ids: Iterable[int]) -> list[Windows]:
        """Prepare the windows of tracks, windows of the same length together if possible."""
        together = self.preparation.can_apart
        groups: dict[int, dict[int, np.ndarray]] = {}
        for track_id in track_ids:
            positions = self._tracks[track_id].positions()
            groups.setdefault(len(positions) if together else track_id, {})[track_id] = positions
        size = self.num_observed * self.preparation.skeleton.num_joints
        result = []
        for group in groups.values():
            window = window_of([self._tracks[track_id] for track_id in group], list(group.values()))
            ratios = (window.present.sum((1, 2)) / size).tolist()
            prepared = self.preparation(window, apart=together)
            result.append(Windows(self.model, self._read, tuple(group), ratios, prepared))
        return result

    def outputs(self, batches: Iterable[Windows], latency: float) -> dict[int, StreamOutput]:
        """Return the results for windows of this stream, in the order of the update."""
        found = {}
        for windows in batches:
            rate = windows.prepared.observed.frame_rate or self.frame_rate
            steps = torch.arange(1, self.num_future + 1, dtype=torch.float64) / rate
            for person, track_id in enumerate(windows.track_ids):
                probabilities, future = windows.answers(person)
                ratio = windows.observed_ratios[person]
                track = self._tracks[track_id]
                newest = track.newest
                if probabilities is not None:
                    track.add_window(probabilities.numpy())
                found[track_id] = StreamOutput(
                    track_id=track_id,
                    timestamp=newest,
                    probabilities=probabilities,
                    label=None if probabilities is None else self.class_names[int(probabilities.argmax())],
                    class_names=self.class_names,
                    observed_ratio=ratio,
                    enough=0 < ratio >= self.enough and track.has_frames(self.enough_frames),
                    future=future,
                    future_times=newest + steps,
                    latency=latency,
                    segments=track.segments,
                )
        return {track_id: found[track_id] for track_id in self._tracks if track_id in found}
