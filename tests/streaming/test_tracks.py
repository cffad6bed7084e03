"""Tracks: several persons and several streams are evaluated in one batch."""

import math
import threading
from typing import Any

import pytest
import torch
from live_models import small_checkpoint
from streamed import echo, feed, walk
from torch import Tensor

from pyg_sybio.streaming.updates import Update, update_together

CENTER = {"class_path": "pyg_sybio.data.transforms.Center", "init_args": {"joint": "spine"}}
EACH = {"class_path": "pyg_sybio.data.transforms.Center", "init_args": {"joint": "spine", "frame": "each"}}
ALIGN = {"class_path": "pyg_sybio.data.transforms.AlignView"}
FILL = {"class_path": "pyg_sybio.data.transforms.FillMissing"}


def test_batched_tracks_give_the_same_results_as_single_tracks() -> None:
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


def test_batched_streams_give_the_same_results_as_single_streams() -> None:
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
        assert isinstance(other, dict) and list(other) == [7]  # a stream of another model
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


def test_tracks_may_disappear_and_reappear() -> None:
    stream, _ = echo(max_tracks=2, forget_after=1.0, max_gap=0.5)
    pose = walk(1)[0]
    stream.update_many({1: pose, 2: pose}, timestamp=0.0)
    stream.update(pose, timestamp=0.4, track_id=1)
    out = stream.update(pose, timestamp=0.5, track_id=2)
    assert out.observed_ratio == 1  # the track was absent for half a second
    assert stream.track_ids == (1, 2)
    stream.update(pose, timestamp=0.6, track_id=3)  # a third track replaces the least recently updated one
    assert stream.track_ids == (2, 3)
    assert stream.update(pose, timestamp=0.7, track_id=1).observed_ratio == pytest.approx(1 / 6)
    assert stream.track_ids == (3, 1)
    stream.update(pose, timestamp=1.65, track_id=1)
    assert stream.track_ids == (1,)  # track 3 had no pose for more than a second
    with pytest.raises(ValueError, match="'poses' has 3 tracks, expected at most 2"):
        stream.update_many({4: pose, 5: pose, 6: pose})
    assert stream.track_ids == (1,)
    stream.update_many({1: pose, 2: pose})
    stream.reset(1)
    stream.reset(99)
    assert stream.track_ids == (2,)
    assert stream.update_many({}) == {}


def test_threads_do_not_affect_each_other() -> None:
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
