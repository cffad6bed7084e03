"""Missing joints and persons in a stream."""

import math
from dataclasses import replace

import pytest
import torch
from live_models import OBSERVED, Echo, small_checkpoint
from streamed import echo, feed, walk

from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.streaming.motion_stream import MotionStream
from pyg_sybio.trained.preparation import Preparation

CENTER = {"class_path": "pyg_sybio.data.transforms.Center", "init_args": {"joint": "spine"}}
ALIGN = {"class_path": "pyg_sybio.data.transforms.AlignView"}
FILL = {"class_path": "pyg_sybio.data.transforms.FillMissing"}


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("hold", [1.0, 1.0, 1.0, 1.0, 4.0, 4.0]),
        ("interpolate", [1.0, 1.0, 2.0, 3.0, 4.0, 4.0]),
        ("mask", [0.0, 1.0, 0.0, 0.0, 4.0, 0.0]),
    ],
)
def test_missing_joints_are_filled_as_requested(missing: str, expected: list[float]) -> None:
    stream, model = echo(missing=missing)
    for frame in range(6):
        pose = torch.full((25, 3), float(frame))
        if frame not in (1, 4):
            pose[3, frame % 3] = math.nan  # one missing coordinate is enough
        out = stream.update(pose)
    assert model.seen[-1][0, :, 3].tolist() == [[value] * 3 for value in expected]
    assert model.seen[-1][0, :, 4].tolist() == [[value] * 3 for value in range(6)]
    assert out.observed_ratio == pytest.approx(1 - 4 / (6 * 25))


def test_missing_joints_are_filled_as_in_training_by_default() -> None:
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


def test_other_filling_transforms_of_training_are_kept() -> None:
    smooth = {"class_path": "pyg_sybio.data.transforms.Smooth", "init_args": {"std": 1.0}}
    smoothed, poses = small_checkpoint(fill=[FILL, smooth]), walk(OBSERVED)
    poses[5:9, 2] = math.nan
    expected = feed(smoothed.stream(), poses).future
    assert torch.equal(feed(smoothed.stream(missing="interpolate"), poses).future, expected)
    preparation = replace(smoothed.preparation, fill=smoothed.preparation.fill[:1])
    rough = replace(smoothed, preparation=preparation)
    assert not torch.allclose(feed(rough.stream(missing="interpolate"), poses).future, expected)


def test_joints_with_low_confidence_are_missing() -> None:
    poses, confidence = walk(6), torch.ones(25, dtype=torch.float64)
    confidence[7] = 0.3
    for threshold, joints in ((0.0, 25), (0.3, 24), (0.29, 25)):
        stream, model = echo(min_confidence=threshold, missing="mask")
        for pose in poses:
            out = stream.update(pose.tolist(), confidence=confidence.numpy())
        assert out.observed_ratio == pytest.approx(joints / 25)
        assert (model.seen[-1][0, :, 7] == 0).all() == (joints == 24)


def test_scores_are_used_as_confidence() -> None:
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
    assert (answers[0][0, :, 4, 2] == 0).all()
    # A missing joint is replaced by the nearest joint.
    assert torch.equal(answers[0][0, :, 4, :2], answers[0][0, :, 3, :2])
    torch.testing.assert_close(answers[0][0, :, 5, 2], scores[:, 5].float())


def test_an_update_without_persons_has_no_results() -> None:
    checkpoint = small_checkpoint(preprocess=[CENTER, ALIGN], fill=[FILL])
    stream = checkpoint.stream(enough=0.0)
    nobody = torch.full((25, 3), math.nan)
    out = stream.update_many({0: nobody, 1: walk(1)[0]})
    assert out[0].probabilities is None and out[0].label is None and out[0].future is None
    assert out[0].observed_ratio == 0 and not out[0].enough
    assert out[1].probabilities is not None and out[1].enough
    # A person who is absent in one frame still gets results.
    out = stream.update_many({1: nobody})
    assert out[1].probabilities is not None and out[1].observed_ratio == pytest.approx(1 / OBSERVED)


def test_the_largest_allowed_poses_give_results() -> None:
    for preprocess in (None, [CENTER, ALIGN]):
        stream = small_checkpoint(preprocess=preprocess).stream()
        for _ in range(4):
            out = stream.update(torch.empty(25, 3).uniform_(-1e9, 1e9))
        assert out.probabilities.isfinite().all() and out.future.isfinite().all()


def test_the_minimum_observation_is_a_fraction_of_the_window() -> None:
    stream, _ = echo(enough=0.5)
    said = [stream.update(pose) for pose in walk(6)]
    assert [out.observed_ratio for out in said] == pytest.approx([share / 6 for share in range(1, 7)])
    assert [out.enough for out in said] == [False, False, True, True, True, True]
