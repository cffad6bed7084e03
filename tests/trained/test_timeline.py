"""Timelines: labels and boundaries of a sequence of actions, for any number of persons."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from live_models import NTU, OBSERVED, small_checkpoint
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.models.sybio_gnn import SybioOutput
from pyg_sybio.trained.timeline import Timeline
from pyg_sybio.trained.trained import Trained

NAMES = ("walk", "wave", "kick")


class Codes:
    """A model that reads the class of each frame from the height of the first joint, and counts frames."""

    num_classes, num_future, skeleton = 3, 0, NTU

    def __call__(self, batch: Any) -> SybioOutput:
        if isinstance(batch, Tensor):
            heights, owner = batch[:, :, 0, 1], torch.arange(len(batch))
        else:
            heights = batch.x.view(-1, 25, batch.x.size(1), 3)[:, 0, :, 1]  # [persons, T]
            owner = batch.batch.view(-1, 25)[:, 0]
        clips = heights.round().long()
        counts = torch.zeros(int(owner.max()) + 1, 3)
        for person, clip in zip(clips, owner, strict=True):
            counts[clip] += person.bincount(minlength=3)
        logits = (counts / counts.sum(1, keepdim=True) + 1e-6).log()
        return SybioOutput(logits, None, None, None, torch.ones(len(counts), 1, dtype=torch.bool))


def trained_on_codes(**training: Any) -> Trained:
    trained = replace(small_checkpoint(), model=Codes(), class_names=NAMES)
    return replace(trained, training={**trained.training, **training})


def performed(*codes: tuple[int, int], rate: float | None = 30.0) -> Motion:
    """One person who performs each class for a number of frames."""
    heights = torch.cat([torch.full((count,), float(code)) for code, count in codes])
    poses = torch.zeros(1, len(heights), 25, 3)
    poses[0, :, 0, 1] = heights
    return Motion(poses=poses, skeleton=NTU, frame_rate=rate)


def together(*persons: Motion) -> Motion:
    return persons[0].replace(poses=torch.cat([each.poses for each in persons]), present=None, tracks=())


def found(segments: Any) -> list[tuple[str, float, float]]:
    return [(each.label, each.start, each.end) for each in segments]


def best_by_force(scores: np.ndarray, penalty: float) -> float:
    """The largest score of all sequences of labels, by brute force."""
    values = [
        scores[range(len(labels)), labels].sum() - penalty * sum(a != b for a, b in pairwise(labels))
        for labels in np.ndindex(*[scores.shape[1]] * len(scores))
    ]
    return float(max(values))


def test_segments_are_the_sequence_with_the_largest_score() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        windows = rng.dirichlet([0.3] * 3, size=6)
        timeline = Timeline(NAMES, 1.0)
        for number, window in enumerate(windows):
            timeline.add(number, number + 1, window)
        segments = timeline.segments
        value = sum(each.probability * (each.end - each.start) for each in segments)
        assert value - 0.5 * (len(segments) - 1) == pytest.approx(best_by_force(windows, 0.5))
        assert segments[0].start == 0 and segments[-1].end == 6
        assert all(a.end == b.start and a.label != b.label for a, b in pairwise(segments))


def test_probabilities_are_averaged_over_windows_and_short_errors_are_ignored() -> None:
    timeline = Timeline(NAMES, 4.0, keep=2)
    sure: list[Tensor] = list(torch.eye(3))
    for start in range(20):
        label = 0 if start < 9 else 1
        timeline.add(start, start + 4, sure[2 if start == 3 else label].numpy())
    assert found(timeline.segments) == [("walk", 0, 10), ("wave", 10, 23)] or found(timeline.segments) == [
        ("walk", 0, 11), ("wave", 11, 23),
    ]  # fmt: skip
    assert timeline.segments[1].probability > 0.8
    for start in range(20, 60):
        timeline.add(start, start + 4, sure[start // 20 % 3].numpy())
    assert len(timeline.segments) == 2


def test_five_successive_actions_of_two_persons_are_found() -> None:
    one = performed((0, 90), (1, 120), (2, 75), (0, 60), (1, 105))
    other = performed((2, 60), (0, 90), (1, 150), (2, 90), (0, 60))
    prediction = trained_on_codes().predict(together(one, other))
    expected = [
        [("walk", 0), ("wave", 3), ("kick", 7), ("walk", 9.5), ("wave", 11.5)],
        [("kick", 0), ("walk", 2), ("wave", 5), ("kick", 10), ("walk", 13)],
    ]
    for person, actions in zip(prediction.persons, expected, strict=True):
        assert [each.label for each in person.segments] == [label for label, _ in actions]
        assert [each.start for each in person.segments] == pytest.approx([t for _, t in actions], abs=0.1)
        assert person.segments[-1].end == 15 and all(each.probability > 0.8 for each in person.segments)
    assert "has a label for each person" in prediction.notices[-1]


def test_persons_are_one_clip_if_classes_are_interactions() -> None:
    pair = together(performed((0, 60)), performed((1, 60)))
    for trained in (trained_on_codes(interactions=True), trained_on_codes(dataset="NTURGBD")):
        (both,) = trained.predict(pair).persons
        assert both.track is None and both.probabilities.tolist() == pytest.approx([0.5, 0.5, 0], abs=1e-3)
    assert len(trained.predict(pair, together=False).persons) == 2


def test_times_are_measured_from_the_start_of_the_recording() -> None:
    trained = trained_on_codes()
    fast = performed((0, 120), (1, 120)).replace(frame_rate=60.0)
    assert [each.start for each in trained.predict(fast).persons[0].segments] == pytest.approx(
        [0, 2], abs=0.1
    )
    unknown = trained.predict(performed((0, 60), (1, 60), rate=None))
    assert unknown.unit == "frames"
    assert [each.start for each in unknown.persons[0].segments] == pytest.approx([0, 60], abs=3)
    # The person is seen from 2 s to 4 s, and again from 7 s.
    motion = performed((0, 60), (1, 60), (2, 90), (0, 90))
    present = torch.zeros(1, 300, 25, dtype=torch.bool)
    present[:, 60:120] = present[:, 210:] = True
    motion = motion.replace(poses=motion.poses * present[..., None], present=present)
    assert found(trained.predict(motion).persons[0].segments) == [("wave", 2, 4), ("walk", 7, 10)]


def test_windows_have_the_observed_length_of_the_model_by_default() -> None:
    motion = performed((0, 100), (1, 100))
    trained = trained_on_codes()
    assert trained.predict(motion).persons[0].num_windows == 1 + 180 / 2  # 20 frames, steps of 2
    assert trained.predict(motion, window=2.0, step=1.0).persons[0].num_windows == 6
    assert trained.predict(motion, window=60.0).persons[0].num_windows == 1
    limit = {"name": "LimitLength", "arguments": {"num_frames": OBSERVED}}
    preparation = small_checkpoint(preprocess=[limit]).preparation
    whole = replace(trained, preparation=preparation)  # clips of any length become 20 frames
    assert whole.predict(motion).persons[0].num_windows == 1
    known = replace(whole, training={**whole.training, "clip_seconds": 2.0})
    assert known.predict(motion).persons[0].num_windows > 10
    with pytest.raises(ValueError, match="'window' is 0, expected a positive number of seconds"):
        trained.predict(motion, window=0)


def test_a_stream_gives_the_same_segments_as_predict() -> None:
    trained = trained_on_codes()
    motion = together(performed((0, 90), (1, 121), (2, 75)), performed((2, 60), (0, 165), (1, 61)))
    stream = trained.stream(fps=30)
    for frame in range(motion.num_frames):
        outputs = stream.update_many(dict(enumerate(motion.poses[:, frame].numpy())), timestamp=frame / 30)
        assert all(each.enough == (frame >= OBSERVED - 1) for each in outputs.values())
    # The last window of the stream is also on the grid of the recording's windows.
    assert (motion.num_frames - OBSERVED) % 2 == 0
    for person, output in zip(trained.predict(motion, one_view=True).persons, outputs.values(), strict=True):
        assert found(output.segments) == [
            (label, pytest.approx(start), pytest.approx(end)) for label, start, end in found(person.segments)
        ]
        assert len(output.segments) == 3


def test_enough_is_true_if_the_window_is_as_long_as_the_training_clips() -> None:
    stream = trained_on_codes(clip_seconds=0.3).stream(fps=30)
    said = [stream.update(pose).enough for pose in performed((0, 12)).poses[0]]
    assert said == [False] * 9 + [True] * 3
