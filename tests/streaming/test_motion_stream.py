"""A stream says what the model says of the same frames, whatever comes in between and however it comes."""

import math
import threading
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from live_models import FUTURE, NTU, OBSERVED, Echo, small_checkpoint, small_model
from torch import Tensor

from pyg_sybio.data.datasets.standardize import Normalisation, Standardize, used_columns
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.data.transforms import Center, JitterJoints, SelectByConfidence
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.streaming.motion_stream import MotionStream, StreamOutput
from pyg_sybio.streaming.updates import Update, update_together
from pyg_sybio.testing import permuted_skeleton
from pyg_sybio.trained.preparation import Preparation

CENTER = {"class_path": "pyg_sybio.data.transforms.Center", "init_args": {"joint": "spine"}}
EACH = {"class_path": "pyg_sybio.data.transforms.Center", "init_args": {"joint": "spine", "frame": "each"}}
ALIGN = {"class_path": "pyg_sybio.data.transforms.AlignView"}
FILL = {"class_path": "pyg_sybio.data.transforms.FillMissing"}


def walk(num_frames: int, joints: int = 25, features: int = 3) -> Tensor:
    """A pose that moves a little from frame to frame, [T, M, D]."""
    steps = 0.1 * torch.randn(num_frames, joints, features, dtype=torch.float64)
    return torch.randn(joints, features, dtype=torch.float64) + steps.cumsum(0)


def echo(num_observed: int = 6, frame_rate: float = 30.0, **arguments: Any) -> tuple[MotionStream, Echo]:
    """A stream, and the model that it shows its windows to."""
    model = Echo()
    settings = {name: arguments.pop(name) for name in ("preprocess", "padding") if name in arguments}
    preparation = Preparation(NTU, num_observed, frame_rate, **settings)
    stream = MotionStream(model, preparation, **arguments)
    model.seen.clear()  # the run to warm up
    return stream, model


def feed(stream: MotionStream, poses: Tensor, times: Any = None) -> StreamOutput:
    """The answer to the last of several poses."""
    for frame, pose in enumerate(poses):
        out = stream.update(pose, timestamp=None if times is None else float(times[frame]))
    return out


# Streaming equals offline ---------------------------------------------------------------------------------


def test_a_full_window_is_one_call_of_the_model() -> None:
    model, poses = small_model(), walk(40)
    stream = model.stream(fps=25, num_observed=12, class_names=["a", "b", "c"])
    for frame, pose in enumerate(poses):
        out = stream.update(pose)
        if frame >= 11:
            whole = model(poses[None, frame - 11 : frame + 1].float())
            torch.testing.assert_close(out.probabilities, whole.logits[0].softmax(-1), rtol=0, atol=1e-5)
            torch.testing.assert_close(out.future, whole.future[0], rtol=1e-5, atol=1e-5)
            assert out.label == "abc"[int(whole.logits.argmax())]
            assert out.observed_ratio == 1 and out.enough
            assert out.timestamp == pytest.approx(frame / 25)
            expected = (frame + torch.arange(1, FUTURE + 1, dtype=torch.float64)) / 25
            torch.testing.assert_close(out.future_times, expected)
            assert out.latency > 0
    assert out.future is not None and out.probabilities is not None
    for given in (out.future, out.probabilities):
        given += 1  # whoever gets it may change it


@pytest.mark.parametrize(
    ("rate", "num_frames"), [(30, 20), (30, 7), (60, 39), (60, 38), (15, 10), (50, 32), (29.99, 20)]
)
@pytest.mark.parametrize(
    ("preprocess", "padding"),
    [(None, "repeat"), (CENTER, "hold"), ([CENTER, ALIGN], "repeat"), (EACH, "hold")],
    ids=["nothing", "centre", "align", "each"],
)
def test_a_stream_says_what_predict_says(
    rate: float, num_frames: int, preprocess: Any, padding: str, tmp_path: Path
) -> None:
    poses = walk(num_frames)
    present = torch.rand(1, num_frames, 25) > 0.1
    seen = poses.masked_fill(~present[0, :, :, None], math.nan)
    motion = Motion(poses=seen.nan_to_num(0.0)[None], present=present, skeleton=NTU, frame_rate=rate)
    write_motion(motion, tmp_path / "a.npz")
    checkpoint = small_checkpoint(preprocess=preprocess, padding=padding, fill=[FILL])
    prediction = checkpoint.predict(tmp_path / "a.npz")
    future = prediction.future_motion.poses[0].float()

    stream = checkpoint.stream(fps=rate)
    assert stream.notices == prediction.notices
    out = feed(stream, seen)
    torch.testing.assert_close(out.probabilities, prediction.probabilities, rtol=0, atol=1e-5)
    torch.testing.assert_close(out.future, future, rtol=1e-5, atol=1e-5)
    assert out.label == prediction.ranked()[0][0]
    assert out.class_names == ("a", "b", "c")


def test_what_lies_before_the_window_has_no_influence() -> None:
    checkpoint = small_checkpoint(preprocess=[CENTER, ALIGN])
    poses = walk(OBSERVED)
    alone = feed(checkpoint.stream(), poses)
    stream = checkpoint.stream()
    feed(stream, 100 * walk(60))
    after = feed(stream, poses)
    torch.testing.assert_close(after.future, alone.future, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(after.probabilities, alone.probabilities, rtol=0, atol=1e-6)


def test_a_data_set_that_fills_nothing_leaves_short_windows_short() -> None:
    checkpoint = small_checkpoint("SyntheticMotions")
    stream, poses = checkpoint.stream(), walk(9)
    for frame, pose in enumerate(poses):
        # Windows of two lengths in one update.
        both = {1: pose, 2: pose + 1} if frame > 3 else {1: pose}
        out = stream.update_many(both)
    for track_id, x in ((1, poses), (2, poses[4:] + 1)):
        prediction = checkpoint.predict(x)
        torch.testing.assert_close(out[track_id].probabilities, prediction.probabilities, rtol=0, atol=1e-5)
        torch.testing.assert_close(out[track_id].future, prediction.future[0], rtol=1e-5, atol=1e-5)


def test_rotations_are_normalised_and_come_back() -> None:
    skeleton = load_skeleton("cmu38")
    used = skeleton.subset("used")
    rows = 0.3 * torch.randn(80, 3 + 3 * 38, dtype=torch.float64)
    normalisation = Normalisation.fit([rows], used_columns(skeleton, used))
    model = Echo()
    preparation = Preparation(skeleton, 8, 25.0, preprocess=(Standardize(normalisation, used),))
    stream = MotionStream(model, preparation, fps=50)
    poses = rows[:, 3:].unflatten(-1, (-1, 3))
    out = feed(stream, poses[:21])
    window = rows[6:21:2]  # every second frame, the newest among them
    torch.testing.assert_close(model.seen[-1][0], normalisation.normalise(window).float())
    # The forecast of this model is what it saw; joints that it does not see take their mean.
    torch.testing.assert_close(
        out.future,
        normalisation.restore(normalisation.normalise(window))[:3, 3:].unflatten(-1, (-1, 3)).float(),
    )
    assert stream.notices == ("is resampled from 50 Hz to 25 Hz",)


# Time -----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:poses come at")
def test_irregular_timestamps_are_interpolated() -> None:
    # x(t) = sin(2 t + phase): linear interpolation is off by at most h^2 / 8 max|x''| = h^2 / 2.
    phase = torch.rand(25, 3, dtype=torch.float64)
    generator = np.random.default_rng(0)
    times = 5 + generator.uniform(0.004, 0.016, 150).cumsum()
    stream, model = echo(fps=80)
    for time in times:
        stream.update(torch.sin(2 * time + phase), timestamp=time)
    moments = torch.from_numpy(times[-1] - np.arange(6)[::-1] / 30)
    truth = torch.sin(2 * moments[:, None, None] + phase).float()
    error = (model.seen[-1][0] - truth).abs().max().item()
    assert 0 < error <= 0.016**2 / 2
    assert (model.seen[-1][0, -1] - truth[-1]).abs().max() < 1e-6  # the newest frame is as it came


@pytest.mark.parametrize("rate", [10.0, 24.0, 30.0, 47.0, 200.0])
def test_a_straight_motion_is_interpolated_exactly(rate: float) -> None:
    start, velocity = torch.randn(2, 25, 3, dtype=torch.float64)
    times = 1.7e9 + np.arange(60) / rate + 0.3 / rate * np.random.default_rng(1).uniform(-1, 1, 60)
    stream, model = echo(fps=rate)
    for time in times:
        stream.update(start + (time - 1.7e9) * velocity, timestamp=time)
    moments = torch.from_numpy(times[-1] - 1.7e9 - np.arange(6)[::-1] / 30)
    truth = (start + moments[:, None, None] * velocity).float()
    torch.testing.assert_close(model.seen[-1][0], truth, rtol=1e-5, atol=1e-5)


def test_timestamps_on_the_grid_give_the_poses_as_they_came() -> None:
    poses = walk(10)
    stream, model = echo()
    feed(stream, poses, 1.7e9 + np.arange(10) / 30)  # seconds since 1970, which are rounded to 0.2 µs
    assert torch.equal(model.seen[-1][0], poses[-6:].float())


def test_a_rate_that_was_not_announced_is_warned_of_once() -> None:
    stream, _ = echo(fps=30)
    with pytest.warns(
        UserWarning, match="poses come at 20 Hz, but 'fps' is 30: the timestamps are used"
    ) as told:
        feed(stream, walk(60), np.arange(60) / 20)
    assert len(told) == 1 and told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        feed(echo(fps=20)[0], walk(60), np.arange(60) / 20.5)
        feed(echo(fps=20)[0], walk(60))


def test_a_timestamp_that_is_not_later_is_refused_and_nothing_taken_in() -> None:
    poses = walk(8)
    stream, model = echo()
    feed(stream, poses[:4], np.arange(4) / 30)
    for late in (0.1, 3 / 30, -5):
        with pytest.raises(
            ValueError,
            match=r"is \S+ s, but the newest pose of track 0 is at 0.1 s: expected a later time",
        ):
            stream.update_many({7: poses[0], 0: poses[0]}, timestamp=late)
    with pytest.raises(ValueError, match="'timestamp' is nan, expected a finite number of seconds"):
        stream.update(poses[0], timestamp=math.nan)
    assert stream.track_ids == (0,)
    feed(stream, poses[4:], np.arange(4, 8) / 30)
    assert torch.equal(model.seen[-1][0], poses[-6:].float())
    stream.reset()
    assert stream.update(poses[0], timestamp=0.0).timestamp == 0.0


def test_after_a_gap_a_track_begins_anew() -> None:
    poses = walk(12)
    stream, model = echo(max_gap=0.25, padding="hold")
    feed(stream, poses[:6], np.arange(6) / 30)
    out = stream.update(poses[6], timestamp=5 / 30 + 0.2)
    assert out.observed_ratio == 1  # interpolated over 0.2 s
    between = poses[5] + (poses[6] - poses[5]) / 6
    torch.testing.assert_close(model.seen[-1][0, 0], between.float())
    out = stream.update(poses[7], timestamp=5 / 30 + 0.2 + 0.3)
    assert out.observed_ratio == pytest.approx(1 / 6) and not out.enough
    assert torch.equal(model.seen[-1][0], poses[7:8].float().expand(6, 25, 3))


def test_without_timestamps_poses_are_evenly_spaced() -> None:
    poses = walk(8)
    stream, model = echo(frame_rate=30.0, fps=15)
    first = stream.update(poses[0])
    for pose in poses[1:]:
        out = stream.update(pose)
    assert (first.timestamp, out.timestamp) == (0.0, pytest.approx(7 / 15))
    middle = (poses[-2] + poses[-1]) / 2
    torch.testing.assert_close(model.seen[-1][0, -2], middle.float())
    # A track that comes later is on the same clock; all tracks of one update are of one moment.
    assert stream.update(poses[0], track_id=1).timestamp == out.timestamp
    both = stream.update_many({0: poses[0], 2: poses[0]})
    assert both[0].timestamp == both[2].timestamp == pytest.approx(8 / 15)


def test_poses_that_come_fast_give_the_whole_window() -> None:
    stream, model = echo(fps=30)
    velocity = torch.randn(25, 3, dtype=torch.float64)
    with pytest.warns(UserWarning, match="poses come at"):
        stream.update(0 * velocity, timestamp=0.0)
        for time in np.arange(1, 2500) / 2500:  # a second of poses
            out = stream.update(time * velocity, timestamp=time)
    assert out.observed_ratio == 1
    moments = torch.from_numpy(2499 / 2500 - np.arange(6)[::-1] / 30)
    torch.testing.assert_close(
        model.seen[-1][0], (moments[:, None, None] * velocity).float(), rtol=0, atol=1e-6
    )


# What was not seen ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("hold", [1.0, 1.0, 1.0, 1.0, 4.0, 4.0]),
        ("interpolate", [1.0, 1.0, 2.0, 3.0, 4.0, 4.0]),
        ("mask", [0.0, 1.0, 0.0, 0.0, 4.0, 0.0]),
    ],
)
def test_missing_joints(missing: str, expected: list[float]) -> None:
    stream, model = echo(missing=missing)
    for frame in range(6):
        pose = torch.full((25, 3), float(frame))
        if frame not in (1, 4):
            pose[3, frame % 3] = math.nan  # one coordinate is enough
        out = stream.update(pose)
    assert model.seen[-1][0, :, 3].tolist() == [[value] * 3 for value in expected]
    assert model.seen[-1][0, :, 4].tolist() == [[value] * 3 for value in range(6)]
    assert out.observed_ratio == pytest.approx(1 - 4 / (6 * 25))


def test_the_training_s_own_filling_unless_told_otherwise() -> None:
    held = {"class_path": "pyg_sybio.data.transforms.FillMissing", "init_args": {"mode": "hold"}}
    checkpoint, poses = small_checkpoint(fill=[held]), walk(OBSERVED)
    poses[5:9, 2] = math.nan
    answers = {
        missing: feed(checkpoint.stream(missing=missing), poses).probabilities
        for missing in (None, "hold", "interpolate", "mask")
    }
    assert torch.equal(answers[None], answers["hold"])
    for other in ("interpolate", "mask"):
        assert not torch.allclose(answers[None], answers[other])
    with pytest.raises(ValueError, match="'mode' is 'guess', expected one of 'hold', 'interpolate', 'mask'"):
        checkpoint.stream(missing="guess")


def test_other_steps_of_the_training_s_filling_stay() -> None:
    smooth = {"class_path": "pyg_sybio.data.transforms.Smooth", "init_args": {"std": 1.0}}
    smoothed, poses = small_checkpoint(fill=[FILL, smooth]), walk(OBSERVED)
    poses[5:9, 2] = math.nan
    expected = feed(smoothed.stream(), poses).future
    assert torch.equal(feed(smoothed.stream(missing="interpolate"), poses).future, expected)
    preparation = replace(smoothed.preparation, fill=smoothed.preparation.fill[:1])
    rough = replace(smoothed, preparation=preparation)
    assert not torch.allclose(feed(rough.stream(missing="interpolate"), poses).future, expected)


def test_joints_that_nobody_trusts_were_not_seen() -> None:
    poses, confidence = walk(6), torch.ones(25, dtype=torch.float64)
    confidence[7] = 0.3
    for threshold, joints in ((0.0, 25), (0.3, 24), (0.29, 25)):
        stream, model = echo(min_confidence=threshold, missing="mask")
        for pose in poses:
            out = stream.update(pose.tolist(), confidence=confidence.numpy())
        assert out.observed_ratio == pytest.approx(joints / 25)
        assert (model.seen[-1][0, :, 7] == 0).all() == (joints == 24)


def test_a_score_is_a_confidence() -> None:
    skeleton = load_skeleton("openpose18")
    poses, scores = walk(6, joints=18, features=2), torch.rand(6, 18, dtype=torch.float64)
    scores[:, 4] = 0
    answers = []
    for beside in (False, True):
        model = Echo()
        stream = MotionStream(model, Preparation(skeleton, 6, 30.0), min_confidence=0.0)
        for pose, score in zip(poses, scores, strict=True):
            if beside:
                out = stream.update(pose, score)
            else:
                out = stream.update(torch.cat([pose, score[:, None]], dim=-1))
        assert out.observed_ratio == pytest.approx(17 / 18)
        answers.append(model.seen[-1])
    assert torch.equal(*answers)
    assert (answers[0][0, :, 4] == 0).all()
    torch.testing.assert_close(answers[0][0, :, 5, 2], scores[:, 5].float())


def test_nobody_is_answered_with_nothing() -> None:
    checkpoint = small_checkpoint(preprocess=[CENTER, ALIGN], fill=[FILL])
    stream = checkpoint.stream(enough=0.0)
    nobody = torch.full((25, 3), math.nan)
    out = stream.update_many({0: nobody, 1: walk(1)[0]})
    assert out[0].probabilities is None and out[0].label is None and out[0].future is None
    assert out[0].observed_ratio == 0 and not out[0].enough
    assert out[1].probabilities is not None and out[1].enough
    # Somebody who is gone for a moment is still spoken of.
    out = stream.update_many({1: nobody})
    assert out[1].probabilities is not None and out[1].observed_ratio == pytest.approx(1 / OBSERVED)


def test_the_largest_poses_still_have_an_answer() -> None:
    for preprocess in (None, [CENTER, ALIGN]):
        stream = small_checkpoint(preprocess=preprocess).stream()
        for _ in range(4):
            out = stream.update(torch.empty(25, 3).uniform_(-1e9, 1e9))
        assert out.probabilities.isfinite().all() and out.future.isfinite().all()


def test_enough_is_a_share_of_the_window() -> None:
    stream, _ = echo(enough=0.5)
    said = [stream.update(pose) for pose in walk(6)]
    assert [out.observed_ratio for out in said] == pytest.approx([share / 6 for share in range(1, 7)])
    assert [out.enough for out in said] == [False, False, True, True, True, True]


# Tracks ---------------------------------------------------------------------------------------------------


def test_tracks_are_answered_together_as_if_alone() -> None:
    checkpoint = small_checkpoint(preprocess=[CENTER, ALIGN], fill=[FILL])
    motions = {track_id: walk(30) + 10 * (track_id % 7) for track_id in (3, 1, 2**40)}
    motions[1][3:6, 2] = math.nan
    alone = {track_id: feed(checkpoint.stream(), poses[:25]) for track_id, poses in motions.items()}
    stream = checkpoint.stream()
    calls: list[int] = []
    model = stream.model
    stream.model = lambda x: (calls.append(len(x)), model(x))[1]
    for frame in range(25):
        out = stream.update_many({track_id: poses[frame] for track_id, poses in motions.items()})
    assert calls == [3] * 25
    assert list(out) == [3, 1, 2**40]
    for track_id, expected in alone.items():
        assert out[track_id].track_id == track_id
        torch.testing.assert_close(out[track_id].probabilities, expected.probabilities, rtol=0, atol=1e-5)
        torch.testing.assert_close(out[track_id].future, expected.future, rtol=1e-5, atol=1e-5)


def test_streams_are_updated_together_as_if_alone() -> None:
    checkpoint = small_checkpoint(preprocess=[CENTER, ALIGN], fill=[FILL])
    motions = [walk(30), 5 + walk(30), walk(30)]
    alone = [feed(checkpoint.stream(), poses[:25]) for poses in motions]
    streams, (apart, _) = [checkpoint.stream() for _ in motions], echo()
    calls: list[int] = []
    model = streams[0].model

    def counted(x: Tensor) -> Any:
        calls.append(len(x))
        return model(x)

    for stream in streams:
        stream.model = counted
    for frame in range(25):
        updates = [Update(stream, {0: poses[frame]}) for stream, poses in zip(streams, motions, strict=True)]
        *answers, other, wrong = update_together(
            [*updates, Update(apart, {7: motions[0][frame]}), Update(checkpoint.stream(), {0: [[1.0]]})]
        )
        assert isinstance(other, dict) and list(other) == [7]  # of another model
        assert isinstance(wrong, ValueError) and "'pose' has shape [1, 1]" in str(wrong)
    assert calls == [3] * 25
    for answer, expected in zip(answers, alone, strict=True):
        assert isinstance(answer, dict)
        torch.testing.assert_close(answer[0].probabilities, expected.probabilities, rtol=0, atol=1e-5)
        torch.testing.assert_close(answer[0].future, expected.future, rtol=1e-5, atol=1e-5)
    assert len({answer[0].latency for answer in answers}) == 1

    before = streams[0].update(motions[0][25]).timestamp
    with pytest.raises(ValueError, match="'updates' has 2 of 1 streams, expected one per stream"):
        update_together([Update(streams[0], {0: motions[0][26]})] * 2)
    assert streams[0].update(motions[0][26]).timestamp == pytest.approx(before + 1 / streams[0].fps)


def test_tracks_come_and_go_and_return() -> None:
    stream, _ = echo(max_tracks=2, forget_after=1.0, max_gap=0.5)
    pose = walk(1)[0]
    stream.update_many({1: pose, 2: pose}, timestamp=0.0)
    stream.update(pose, timestamp=0.4, track_id=1)
    out = stream.update(pose, timestamp=0.5, track_id=2)
    assert out.observed_ratio == 1  # away for half a second
    assert stream.track_ids == (1, 2)
    stream.update(pose, timestamp=0.6, track_id=3)  # a third: the one that had no pose for longest goes
    assert stream.track_ids == (2, 3)
    assert stream.update(pose, timestamp=0.7, track_id=1).observed_ratio == pytest.approx(1 / 6)
    assert stream.track_ids == (3, 1)
    stream.update(pose, timestamp=1.65, track_id=1)
    assert stream.track_ids == (1,)  # nothing of 3 for more than a second
    with pytest.raises(ValueError, match="'poses' has 3 tracks, expected at most 2"):
        stream.update_many({4: pose, 5: pose, 6: pose})
    assert stream.track_ids == (1,)
    stream.update_many({1: pose, 2: pose})
    stream.reset(1)
    stream.reset(99)
    assert stream.track_ids == (2,)
    assert stream.update_many({}) == {}


def test_threads_do_not_disturb_one_another() -> None:
    checkpoint = small_checkpoint(preprocess=[EACH])
    motions = [walk(24) for _ in range(4)]
    stream, answers, errors = checkpoint.stream(), {}, []

    def run(track_id: int) -> None:
        try:
            for pose in motions[track_id]:
                answers[track_id] = stream.update(pose, track_id=track_id)
                stream.reset(100 + track_id)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(track_id,)) for track_id in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for track_id, poses in enumerate(motions):
        expected = feed(checkpoint.stream(), poses)
        torch.testing.assert_close(answers[track_id].future, expected.future, rtol=1e-5, atol=1e-5)


def test_streams_of_a_checkpoint_share_its_model() -> None:
    checkpoint = small_checkpoint()
    one, other = checkpoint.stream(), checkpoint.stream(fps=15)
    assert one.model is other.model
    one.update(walk(1)[0])
    assert other.track_ids == ()


# Joints ---------------------------------------------------------------------------------------------------


def test_joints_are_found_by_their_names() -> None:
    order = torch.randperm(25)
    other = permuted_skeleton(NTU, order.tolist())
    checkpoint, poses = small_checkpoint(preprocess=[CENTER]), walk(OBSERVED)
    expected = feed(checkpoint.stream(), poses)
    out = feed(checkpoint.stream(skeleton=other), poses[:, order])
    torch.testing.assert_close(out.probabilities, expected.probabilities)
    torch.testing.assert_close(out.future, expected.future[:, order])


def test_a_joint_that_the_model_does_not_have_has_no_future() -> None:
    whole = load_skeleton("h36m32")
    used = whole.subset("used")
    model = Echo()
    stream = MotionStream(model, Preparation(used, 6, 30.0), skeleton=whole)
    poses = walk(6, joints=32)
    out = feed(stream, poses)
    kept = [whole.joint_index(name) for name in used.joints]
    assert torch.equal(model.seen[-1][0], poses[:, kept].float())
    assert torch.equal(out.future[:, kept], poses[:3, kept].float())
    rest = sorted(set(range(32)) - set(kept))
    assert out.future[:, rest].isnan().all()


def test_skeletons_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="'skeleton' 'jhmdb15' has coordinates 'xy', expected 'xyz'"):
        echo(skeleton=load_skeleton("jhmdb15"))
    with pytest.raises(ValueError, match="skeleton 'smpl24' has no joint 'left_hand_tip'"):
        echo(skeleton=load_skeleton("smpl24"))


# What is refused, and the rest ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pose", "confidence", "message"),
    [
        (torch.zeros(24, 3), None, r"'pose' has shape \[24, 3\], expected \[25, 3\] for skeleton 'ntu25'"),
        (torch.zeros(25, 2), None, r"'pose' has shape \[25, 2\], expected \[25, 3\]"),
        (torch.full((25, 3), math.inf), None, r"'pose' has inf, expected numbers between -1e\+09 and 1e\+09"),
        (torch.full((25, 3), -2e9), None, r"'pose' has -2e\+09, expected numbers between"),
        ([[0, 1, 2], [3]], None, "'pose' is not an array of numbers"),
        ("wave", None, "'pose' is not an array of numbers"),
        (torch.zeros(25, 3), [1.0], r"'confidence' has shape \[1\], expected \[25\]"),
        (torch.zeros(25, 3), {"a": 1}, "'confidence' is not an array of numbers"),
    ],
)
def test_poses_that_are_none(pose: Any, confidence: Any, message: str) -> None:
    stream, _ = echo()
    with pytest.raises(ValueError, match=message):
        stream.update(pose, confidence)
    assert stream.track_ids == ()


def test_a_confidence_of_nobody() -> None:
    with pytest.raises(ValueError, match="'confidences' has track 4, but 'poses' does not"):
        echo()[0].update_many({1: walk(1)[0]}, {4: [1.0] * 25})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fps": 0}, r"'fps' is 0, expected a number from 0.001 to 1e\+06"),
        ({"fps": 1e300}, r"'fps' is 1e\+300, expected a number from 0.001 to 1e\+06"),
        ({"fps": math.nan}, "'fps' is nan, expected a number from 0.001"),
        ({"max_gap": math.inf}, "'max_gap' is inf, expected a positive number"),
        ({"forget_after": -1}, "'forget_after' is -1"),
        ({"enough": 1.5}, "'enough' is 1.5, expected a number from 0 to 1"),
        ({"max_tracks": 0}, "'max_tracks' is 0, expected a whole number of at least 1"),
        ({"fps": 0.5}, "'max_gap' is 1 s, expected at least 2 s, the time between two poses"),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        echo(**arguments)


def test_a_bare_model() -> None:
    model = small_model()
    stream = model.stream()
    assert (stream.num_observed, stream.frame_rate, stream.class_names) == (50, 30.0, ("0", "1", "2"))
    assert stream.notices == ()
    assert model.stream(fps=60, frame_rate=25).notices == ("is resampled from 60 Hz to 25 Hz",)
    with pytest.raises(ValueError, match="'class_names' has 2 names, but the model has 3 classes"):
        model.stream(class_names=["a", "b"])
    only = small_model(prediction=False).stream(num_observed=8)
    assert feed(only, walk(3)).future is None
    other = small_model(recognition=False).stream(num_observed=8)
    out = feed(other, walk(3))
    assert out.probabilities is None and out.label is None and out.future is not None


def test_a_step_that_chooses_persons_is_left_out_and_one_without_a_way_back_is_told() -> None:
    stream, model = echo(preprocess=(SelectByConfidence(), Center(), JitterJoints(std=0.0)))
    out = feed(stream, walk(6))
    assert stream.notices == ("has its future in the space of JitterJoints, which cannot be inverted",)
    assert model.seen[-1][0, 0].abs().min() == 0 and out.future is not None


def test_half_precision() -> None:
    model, poses = small_model(), walk(12)
    arguments: dict[str, Any] = {"class_names": ["a", "b", "c"]}
    preparation = Preparation(NTU, 12, 30.0)
    full = feed(MotionStream(model, preparation, **arguments), poses)
    half = feed(MotionStream(model.folded(torch.bfloat16), preparation, **arguments), poses)
    assert not torch.equal(half.future, full.future)
    torch.testing.assert_close(half.probabilities, full.probabilities, rtol=0, atol=0.05)
