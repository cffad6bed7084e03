"""What the page is told, beside what it is made from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from served import CLASSES, SKELETON, Streams, made_up_pose, made_up_recording

from pyg_sybio import load_skeleton
from pyg_sybio.serving.page_messages import (
    HORIZONS,
    decimals,
    page_frame,
    page_hello,
    page_view,
    view_of_frames,
)
from pyg_sybio.streaming.messages import hello_message
from pyg_sybio.visualization.view import view_of


def test_the_hello_says_which_side_a_bone_is_on() -> None:
    hello = hello_message(Streams()())
    told = page_hello(hello, SKELETON)
    assert {key: told[key] for key in hello if key != "skeleton"} == {
        key: hello[key] for key in hello if key != "skeleton"
    }
    drawn = told["skeleton"]
    assert drawn["bones"] == hello["skeleton"]["bones"]
    for (a, b), side in zip(SKELETON.bones, drawn["bone_sides"], strict=True):
        named = {word for joint in (a, b) for word in joint.split("_")}
        assert side == ("left" in named) - ("right" in named)
    ends = {SKELETON.joints[joint] for joint in drawn["ends"]}
    assert ends == {joint for joint in SKELETON.joints if sum(joint in bone for bone in SKELETON.bones) == 1}


def test_a_frame_has_a_few_rounded_poses_of_the_forecast() -> None:
    stream = Streams()()
    poses = {3: made_up_pose(track=3), 5: made_up_pose(track=5)}
    poses[5][2] = np.nan
    outputs = {
        track: replace(output, future=torch.randn(12, 25, 3), future_times=2 + torch.arange(1, 13) / 30)
        for track, output in stream.update_many(poses, timestamp=2.0).items()
    }
    message = page_frame("7", 2.0, poses, outputs, spatial=3, digits=2)
    assert [person["track"] for person in message["people"]] == [3, 5]
    assert message["horizons"] == pytest.approx([3 / 30, 6 / 30, 9 / 30, 12 / 30], abs=1e-3)
    assert len(message["horizons"]) <= HORIZONS
    for person in message["people"]:
        output = outputs[person["track"]]
        assert person["label"] == output.label
        assert dict(zip(CLASSES, person["probabilities"], strict=True))[output.label] == max(
            person["probabilities"]
        )
        assert torch.tensor(person["future"]).numpy() == pytest.approx(output.future[2::3].numpy(), abs=0.006)
        assert all(value == round(value, 2) for joint in person["joints"] if joint for value in joint)
    assert message["people"][1]["joints"][2] is None
    assert np.array(message["people"][0]["joints"]) == pytest.approx(poses[3], abs=0.006)


def test_a_frame_of_a_model_that_does_only_one_thing() -> None:
    poses = {0: made_up_pose()}
    (output,) = Streams()().update_many(poses).values()
    bare = replace(output, probabilities=None, label=None, future=None)
    message = page_frame("0", 1.0, poses, {0: bare}, spatial=3, digits=3)
    assert message["horizons"] == []
    assert message["people"][0]["probabilities"] is None
    assert message["people"][0]["future"] == []
    rotations = page_frame("0", 1.0, poses, {0: output}, spatial=0, digits=3)
    assert rotations["people"][0]["joints"] == rotations["people"][0]["future"] == []


def test_live_poses_are_looked_at_as_recordings_are() -> None:
    motion = made_up_recording(frames=12, people=2)
    frames = [{p: motion.poses[p, t].numpy() for p in range(2)} for t in range(12)]
    view, whole = view_of_frames(frames, SKELETON), view_of(motion)
    assert view is not None
    assert view.note == whole.note == "up is y (where the head points)"
    assert view.axes == pytest.approx(whole.axes)
    assert page_view("1", view) == {
        "type": "view",
        "source": "1",
        "axes": view.axes.round(6).tolist(),
        "note": view.note,
    }


def test_a_view_needs_somebody() -> None:
    assert view_of_frames([{}], SKELETON) is None
    assert view_of_frames([{0: np.full((25, 3), np.nan)}], SKELETON) is None
    # Somebody who is there in one of the frames is enough.
    assert view_of_frames([{}, {4: made_up_pose()}], SKELETON) is not None
    flat = view_of_frames([{0: np.ones((17, 2))}], load_skeleton("coco17"))
    assert flat is not None
    assert flat.axes.tolist() == [[1, 0], [0, -1]]


@pytest.mark.parametrize(("size", "expected"), [(1.8, 4), (180.0, 2), (1800.0, 1), (90000.0, 0)])
def test_decimals_follow_the_size_of_a_body(size: float, expected: int) -> None:
    pose = np.array([[0.0, 0.0, 0.0], [0.1 * size, size, 0.0], [np.nan, 1e9, 0.0]])
    assert decimals({0: pose}, 3) == expected
    assert decimals({0: pose[:1]}, 3) is None
