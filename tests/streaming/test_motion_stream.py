"""The results of a stream equal the results of the model for the same frames."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from live_models import FUTURE, NTU, OBSERVED, Echo, small_checkpoint, small_model
from streamed import echo, feed, walk

from pyg_sybio.data.datasets.standardize import Normalisation, Standardize, used_columns
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.data.transforms import Center, JitterJoints, SelectByConfidence
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.streaming.motion_stream import MotionStream
from pyg_sybio.testing import permuted_skeleton
from pyg_sybio.trained.preparation import Preparation

CENTER = {"class_path": "pyg_sybio.data.transforms.Center", "init_args": {"joint": "spine"}}
EACH = {"class_path": "pyg_sybio.data.transforms.Center", "init_args": {"joint": "spine", "frame": "each"}}
ALIGN = {"class_path": "pyg_sybio.data.transforms.AlignView"}
FILL = {"class_path": "pyg_sybio.data.transforms.FillMissing"}


# Streaming equals offline prediction -----------------------------------------------------------------------


def test_results_of_a_full_window_equal_the_results_of_the_model() -> None:
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
        given += 1  # callers may modify results


@pytest.mark.parametrize(
    ("rate", "num_frames"), [(30, 20), (30, 7), (60, 39), (60, 38), (15, 10), (50, 32), (29.99, 20)]
)
@pytest.mark.parametrize(
    ("preprocess", "padding"),
    [(None, "repeat"), (CENTER, "hold"), ([CENTER, ALIGN], "repeat"), (EACH, "hold")],
    ids=["nothing", "centre", "align", "each"],
)
def test_a_stream_gives_the_same_results_as_predict(
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
    last = prediction.persons[0].windows[-1]
    torch.testing.assert_close(out.probabilities, last, rtol=0, atol=1e-5)
    torch.testing.assert_close(out.future, future, rtol=1e-5, atol=1e-5)
    assert out.label == "abc"[int(last.argmax())]
    assert out.class_names == ("a", "b", "c")


def test_frames_before_the_window_have_no_effect() -> None:
    checkpoint = small_checkpoint(preprocess=[CENTER, ALIGN])
    poses = walk(OBSERVED)
    alone = feed(checkpoint.stream(), poses)
    stream = checkpoint.stream()
    feed(stream, 100 * walk(60))
    after = feed(stream, poses)
    torch.testing.assert_close(after.future, alone.future, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(after.probabilities, alone.probabilities, rtol=0, atol=1e-6)


def test_short_windows_stay_short_without_padding() -> None:
    checkpoint = small_checkpoint("SyntheticMotions")
    stream, poses = checkpoint.stream(), walk(9)
    for frame, pose in enumerate(poses):
        # Windows of two lengths in one update.
        both = {1: pose, 2: pose + 1} if frame > 3 else {1: pose}
        out = stream.update_many(both)
    for track_id, x in ((1, poses), (2, poses[4:] + 1)):
        prediction = checkpoint.predict(x)
        torch.testing.assert_close(out[track_id].probabilities, prediction.probabilities, rtol=0, atol=1e-5)
        future = prediction.future_motion.poses[0].float()
        torch.testing.assert_close(out[track_id].future, future, rtol=1e-5, atol=1e-5)


def test_rotations_are_normalised_and_converted_back() -> None:
    skeleton = load_skeleton("cmu38")
    used = skeleton.subset("used")
    rows = 0.3 * torch.randn(80, 3 + 3 * 38, dtype=torch.float64)
    normalisation = Normalisation.fit([rows], used_columns(skeleton, used))
    model = Echo()
    preparation = Preparation(skeleton, 8, 25.0, preprocess=(Standardize(normalisation, used),))
    stream = MotionStream(model, preparation, fps=50)
    poses = rows[:, 3:].unflatten(-1, (-1, 3))
    out = feed(stream, poses[:21])
    window = rows[6:21:2]  # every second frame, including the newest
    torch.testing.assert_close(model.seen[-1][0], normalisation.normalise(window).float())
    # The model forecasts its input; missing joints are at their mean.
    torch.testing.assert_close(
        out.future,
        normalisation.restore(normalisation.normalise(window))[:3, 3:].unflatten(-1, (-1, 3)).float(),
    )
    assert stream.notices == ("is resampled from 50 Hz to 25 Hz",)


# Joints ---------------------------------------------------------------------------------------------------


def test_joints_are_matched_by_name() -> None:
    order = torch.randperm(25)
    other = permuted_skeleton(NTU, order.tolist())
    checkpoint, poses = small_checkpoint(preprocess=[CENTER]), walk(OBSERVED)
    expected = feed(checkpoint.stream(), poses)
    out = feed(checkpoint.stream(skeleton=other), poses[:, order])
    torch.testing.assert_close(out.probabilities, expected.probabilities)
    torch.testing.assert_close(out.future, expected.future[:, order])


def test_a_joint_that_the_model_does_not_have_is_not_predicted() -> None:
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


def test_incompatible_skeletons_are_refused() -> None:
    with pytest.raises(ValueError, match="'skeleton' 'jhmdb15' has coordinates 'xy', expected 'xyz'"):
        echo(skeleton=load_skeleton("jhmdb15"))
    with pytest.raises(ValueError, match="skeleton 'smpl24' has no joint 'left_hand_tip'"):
        echo(skeleton=load_skeleton("smpl24"))


# Errors and other behaviour -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pose", "confidence", "message"),
    [
        (torch.zeros(24, 3), None, r"'pose' has shape \[24, 3\], expected \[25, 3\] for skeleton 'ntu25'"),
        (torch.zeros(25, 2), None, r"'pose' has shape \[25, 2\], expected \[25, 3\]"),
        (torch.full((25, 3), math.inf), None, r"'pose' has inf, expected numbers between -1e\+09 and 1e\+09"),
        (torch.full((25, 3), -2e9), None, r"'pose' has -2e\+09, expected numbers between"),
        ([[0, 1, 2], [3]], None, "'pose' is not an array of numbers"),
        ("wave", None, "'pose' is not an array of numbers"),
        (torch.zeros(25, 3), [1.0] * 24 + [-0.1], "the confidence of '.*' is -0.1, expected a number from 0"),
        (torch.zeros(25, 3), [1.0] * 24 + [math.inf], "the confidence of '.*' is inf, expected"),
        (torch.zeros(25, 3), [1.0], r"'confidence' has shape \[1\], expected \[25\]"),
        (torch.zeros(25, 3), {"a": 1}, "'confidence' is not an array of numbers"),
    ],
)
def test_invalid_poses_are_refused(pose: Any, confidence: Any, message: str) -> None:
    stream, _ = echo()
    with pytest.raises(ValueError, match=message):
        stream.update(pose, confidence)
    assert stream.track_ids == ()


def test_invalid_confidence_is_refused() -> None:
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
        ({"max_tracks": 0}, "'max_tracks' is 0, expected an integer of at least 1"),
        ({"fps": 0.5}, "'max_gap' is 1 s, expected at least 2 s, the time between two poses"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        echo(**arguments)


def test_a_model_without_preparation_can_be_streamed() -> None:
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


def test_person_selection_is_skipped_and_steps_without_inverse_are_reported() -> None:
    stream, model = echo(preprocess=(SelectByConfidence(), Center(), JitterJoints(std=0.0)))
    out = feed(stream, walk(6))
    assert stream.notices == (
        "has its future in coordinates changed by JitterJoints, which cannot be inverted",
    )
    assert model.seen[-1][0, 0].abs().min() == 0 and out.future is not None


def test_a_folded_model_in_bfloat16_gives_close_results() -> None:
    model, poses = small_model(), walk(12)
    arguments: dict[str, Any] = {"class_names": ["a", "b", "c"]}
    preparation = Preparation(NTU, 12, 30.0)
    full = feed(MotionStream(model, preparation, **arguments), poses)
    half = feed(MotionStream(model.folded(torch.bfloat16), preparation, **arguments), poses)
    assert not torch.equal(half.future, full.future)
    torch.testing.assert_close(half.probabilities, full.probabilities, rtol=0, atol=0.05)
