"""Messages to the page, compared with the poses and results of the stream."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from served import CLASSES, SKELETON, Streams, made_up_pose, made_up_recording

from pyg_sybio import load_skeleton
from pyg_sybio.serving.page_messages import HORIZONS, PageFrames, decimals, view_of_frames
from pyg_sybio.visualization.view import view_of


def test_a_frame_has_a_few_rounded_poses_of_the_forecast() -> None:
    stream = Streams()()
    poses = {3: made_up_pose(track=3), 5: made_up_pose(track=5)}
    poses[5][2] = np.nan
    outputs = {
        track: replace(output, future=torch.randn(12, 25, 3), future_times=2 + torch.arange(1, 13) / 30)
        for track, output in stream.update_many(poses, timestamp=2.0).items()
    }
    message = PageFrames("7", SKELETON).frame_message(poses, outputs)
    assert (message["type"], message["source"], message["timestamp"]) == ("frame", "7", 2.0)
    assert [person["track"] for person in message["people"]] == [3, 5]
    assert message["horizons"] == pytest.approx([3 / 30, 6 / 30, 9 / 30, 12 / 30], abs=1e-3)
    assert len(message["horizons"]) <= HORIZONS
    digits = decimals(poses, 3)
    assert digits == 4
    for person in message["people"]:
        output = outputs[person["track"]]
        assert person["label"] == output.label
        assert dict(zip(CLASSES, person["probabilities"], strict=True))[output.label] == max(
            person["probabilities"]
        )
        assert torch.tensor(person["future"]).numpy() == pytest.approx(output.future[2::3].numpy(), abs=6e-5)
        assert all(value == round(value, 4) for joint in person["joints"] if joint for value in joint)
    assert message["people"][1]["joints"][2] is None
    assert np.array(message["people"][0]["joints"]) == pytest.approx(poses[3], abs=6e-5)


def test_a_frame_has_no_values_of_a_disabled_task() -> None:
    poses = {0: made_up_pose()}
    (output,) = Streams()().update_many(poses).values()
    bare = replace(output, probabilities=None, label=None, future=None)
    message = PageFrames("0", SKELETON).frame_message(poses, {0: bare})
    assert message["horizons"] == []
    assert message["people"][0]["probabilities"] is None
    assert message["people"][0]["future"] == []


def test_rotations_are_not_drawn() -> None:
    skeleton = load_skeleton("cmu38")
    (output,) = Streams()().update_many({0: made_up_pose()}).values()
    message = PageFrames("0", skeleton).frame_message({0: np.zeros((38, 3))}, {0: output})
    assert message["people"][0]["joints"] == message["people"][0]["future"] == message["horizons"] == []
    assert message["people"][0]["label"] == output.label


def test_a_frame_without_persons_keeps_the_last_timestamp() -> None:
    frames = PageFrames("0", SKELETON)
    poses = {0: made_up_pose()}
    frames.frame_message(poses, Streams()().update_many(poses, timestamp=3.5))
    assert frames.frame_message({}, {})["timestamp"] == 3.5


def test_the_view_of_live_poses_is_found_immediately_and_refined_with_more_frames() -> None:
    frames, stream = PageFrames("1", SKELETON), Streams()()
    found = []
    for step in range(40):
        poses = {0: made_up_pose(step)}
        frames.frame_message(poses, stream.update_many(poses))
        found.append(frames.view)
    first, second = found[0], found[-1]
    assert first is not None and second is not None and first is not second
    assert [view is first for view in found] == [True] * 29 + [False] * 11
    assert [view is second for view in found] == [False] * 29 + [True] * 11
    assert frames.view_message() == {
        "type": "view",
        "source": "1",
        "axes": second.axes.round(6).tolist(),
        "note": "up is y (as in skeleton 'ntu25')",
    }


def test_live_poses_have_the_same_view_as_recordings() -> None:
    motion = made_up_recording(frames=12, people=2)
    frames = [{p: motion.poses[p, t].numpy() for p in range(2)} for t in range(12)]
    view, whole = view_of_frames(frames, SKELETON), view_of(motion)
    assert view is not None
    assert view.note == whole.note == "up is y (as in skeleton 'ntu25')"
    assert view.axes == pytest.approx(whole.axes)


def test_a_view_is_only_found_if_a_person_is_observed() -> None:
    assert view_of_frames([{}], SKELETON) is None
    assert view_of_frames([{0: np.full((25, 3), np.nan)}], SKELETON) is None
    # One person in one of the frames suffices.
    assert view_of_frames([{}, {4: made_up_pose()}], SKELETON) is not None
    flat = view_of_frames([{0: np.ones((17, 2))}], load_skeleton("coco17"))
    assert flat is not None
    assert flat.axes.tolist() == [[1, 0], [0, -1]]


@pytest.mark.parametrize(("size", "expected"), [(1.8, 4), (180.0, 2), (1800.0, 1), (90000.0, 0)])
def test_the_number_of_decimals_depends_on_the_size_of_the_body(size: float, expected: int) -> None:
    pose = np.array([[0.0, 0.0, 0.0], [0.1 * size, size, 0.0], [np.nan, 1e9, 0.0]])
    assert decimals({0: pose}, 3) == expected
    assert decimals({0: pose[:1]}, 3) is None
