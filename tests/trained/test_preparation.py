"""Persons prepared together have the same results as persons prepared separately, in both directions."""

from typing import Any

import pytest
import torch
from random_motions import random_motion

from pyg_sybio.data.datasets.standardize import Normalisation, Standardize, used_columns
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms import (
    AlignView,
    Center,
    Crop,
    FillMissing,
    FillNullFrames,
    JitterJoints,
    JoinTracks,
    LimitLength,
    Mirror,
    Pad,
    ResampleLength,
    SelectBodies,
    Shift,
    TrimNullFrames,
)
from pyg_sybio.data.transforms.from_settings import steps_of
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.trained.preparation import Preparation, at_rate, rate_notices

STEPS = [
    AlignView(),
    Center(),
    Center(joint="left_knee", frame="each"),
    Crop(num_frames=11, position="center"),
    FillMissing(),
    FillNullFrames(),
    LimitLength(num_frames=17),
    Mirror(axis="y"),
    Pad(num_frames=50, side="start"),
    ResampleLength(num_frames=17),
    Shift(offset=[0.5, 1, -2]),
]
NOT_APART = [JitterJoints(std=0.1), JoinTracks(), SelectBodies(), TrimNullFrames()]


def equal(one: Motion, other: Motion) -> bool:
    close = torch.allclose(one.poses, other.poses, rtol=0, atol=1e-9)
    return close and one.replace(poses=other.poses, tracks=other.tracks).equal(other)


def check_apart(preparation: Preparation, motion: Motion) -> None:
    assert preparation.can_apart
    together = preparation(motion, apart=True)
    future = together.observed.frames(slice(0, 4))
    back = together.to_recording(future)
    for person in range(motion.num_persons):
        alone = preparation(motion.persons([person]))
        assert equal(together.observed.persons([person]), alone.observed)
        assert equal(back.persons([person]), alone.to_recording(future.persons([person])))


@pytest.mark.parametrize("step", STEPS, ids=repr)
def test_persons_are_prepared_independently(step: Any) -> None:
    motion = random_motion("ntu25", num_frames=30, dtype=torch.float64)
    check_apart(Preparation(motion.skeleton, 20, 30.0, preprocess=(step,)), motion)


def test_persons_are_independent_with_several_steps_and_another_rate() -> None:
    motion = random_motion("ntu25", num_frames=40, dtype=torch.float64)
    steps = (Center(), AlignView(), Mirror(axis="x"))
    preparation = Preparation(motion.skeleton, 30, 20.0, steps, fill=(FillMissing(mode="hold"),))
    check_apart(preparation, motion)
    check_apart(preparation, motion.frames(slice(0, 9)))


def test_rotations_of_several_persons_are_prepared_independently() -> None:
    motion = random_motion("h36m32", dtype=torch.float64)
    used = load_skeleton("h36m32").subset("used")
    columns = used_columns(motion.skeleton, used)
    normalisation = Normalisation.fit([torch.randn(50, 99, dtype=torch.float64)], columns)
    preparation = Preparation(motion.skeleton, 20, 30.0, preprocess=(Standardize(normalisation, used),))
    assert preparation.model_skeleton == used
    check_apart(preparation, motion)


def test_gaps_of_rotations_are_filled_before_they_become_z_scores() -> None:
    motion, used = random_motion("h36m32", dtype=torch.float64), load_skeleton("h36m32").subset("used")
    columns = used_columns(motion.skeleton, used)
    step = Standardize(Normalisation.fit([torch.randn(50, 99, dtype=torch.float64)], columns), used)
    filled = Preparation(motion.skeleton, 20, 30.0, (step,), (), None).filled("interpolate")
    x = filled(motion).observed
    assert x.equal(step(FillMissing()(motion)).frames(slice(-20, None))) and filled.fills
    assert [*filled.filled("mask").preprocess[0].__dict__.values()] == ["mask", True]


@pytest.mark.parametrize(
    ("name", "fill", "expected"),
    [
        ("ntu25", [], ["interpolate"]),  # a model file of an earlier version, which did not train with gaps
        ("ntu25", [{"name": "FillMissing", "arguments": {"mode": "mask"}}], ["mask"]),
        ("openpose18", [], []),
    ],
)
def test_a_model_file_determines_how_gaps_are_filled(name: str, fill: list[Any], expected: list[str]) -> None:
    skeleton = load_skeleton(name)
    document = Preparation(skeleton, 20, 30.0).to_document()
    assert document["fill"] == [{"name": "FillMissing", "arguments": {"mode": "interpolate", "edges": True}}]
    read = Preparation.from_document(document | {"fill": fill}, skeleton)
    assert [step.mode for step in read.fill] == expected  # type: ignore[attr-defined]
    assert Preparation.from_document(document, skeleton).fill[0].mode == "interpolate"  # type: ignore[attr-defined]


@pytest.mark.parametrize("step", NOT_APART, ids=repr)
def test_steps_that_depend_on_all_persons_are_refused(step: Any) -> None:
    skeleton = load_skeleton("ntu25")
    assert not Preparation(skeleton, 20, 30.0, preprocess=(Center(), step)).can_apart
    assert not Preparation(skeleton, 20, 30.0, fill=(step,)).can_apart


def test_resampling_starts_from_the_last_frame() -> None:
    motion = random_motion("ntu25", num_frames=10, missing=0.0, dtype=torch.float64)
    half = at_rate(motion, 15.0)
    assert torch.equal(half.poses, motion.poses[:, 1::2]) and half.frame_rate == 15
    assert at_rate(motion, 30.01) is motion
    assert at_rate(motion.replace(frame_rate=None), 15.0).frame_rate == 15
    assert rate_notices(30.0, 30.01) == ()
    assert rate_notices(30.0, 15.0) == ("is resampled from 30 Hz to 15 Hz",)
    (notice,) = rate_notices(None, 15.0)
    assert notice == "does not contain its frame rate: taken to be 15 Hz, as in training"


def test_steps_of_nested_compositions_are_listed_in_order() -> None:
    from torch_geometric.transforms import Compose

    one, two, three = Center(), Mirror(axis="x"), AlignView()
    assert steps_of(Compose([one, Compose([two, three])])) == (one, two, three)
    assert steps_of(one) == (one,) and steps_of(None) == ()
