"""Properties of every transform of motions."""

import inspect
import pickle
from collections.abc import Iterable
from math import inf

import pytest
import torch
from random_motions import NAMES, random_motion
from torch_geometric.transforms import BaseTransform, Compose

import pyg_sybio.data.transforms as transforms
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms import (
    AlignView,
    Center,
    Crop,
    DropAxis,
    DropFrames,
    DropJoints,
    FillMissing,
    FillNullFrames,
    InvertibleTransform,
    JitterJoints,
    JoinTracks,
    LimitLength,
    Mirror,
    MotionTransform,
    Pad,
    RandomCrop,
    RandomMirror,
    RandomRotation,
    RandomScale,
    RandomShear,
    RandomTimeWarp,
    Resample,
    ResampleLength,
    SelectBodies,
    SelectByConfidence,
    Shift,
    Smooth,
    TrimNullFrames,
)
from pyg_sybio.testing import permuted_skeleton

# No argument has its default value, so that an argument missing from the representation is detected.
TRANSFORMS: list[MotionTransform] = [
    AlignView(vertical=("spine", "neck"), horizontal=("right_hip", "left_hip")),
    Center(joint="left_knee", frame="each"),
    Crop(num_frames=11, position="center"),
    DropAxis(p=1, share=0.7),
    DropFrames(p=0.3),
    DropJoints(p=0.3, each_frame=True, share=0.8),
    FillMissing(mode="hold", edges=False),
    FillNullFrames(mode="hold"),
    JitterJoints(std=0.2),
    JoinTracks(),
    LimitLength(num_frames=17),
    Mirror(axis="y"),
    Pad(num_frames=70, mode="hold", side="start"),
    RandomCrop(min_share=0.2, max_share=0.7),
    RandomMirror(p=0.9, axis="y"),
    RandomRotation(max_degrees=[10, 20, 30]),
    RandomScale(low=0.5, high=2, each_axis=True),
    RandomShear(amount=0.3),
    RandomTimeWarp(strength=0.3, tempo=1.5),
    Resample(frame_rate=20),
    ResampleLength(num_frames=17),
    SelectBodies(num_bodies=1, min_frames=2, max_spread_ratio=inf, max_wide_share=1),
    SelectByConfidence(num_bodies=2),
    Shift(offset=[0.5, 1]),
    Smooth(std=1.3),
    TrimNullFrames(),
]
POSITIONS_ONLY = (
    *(AlignView, Center, DropAxis, RandomRotation, RandomScale, RandomShear, SelectBodies, Shift, Smooth),
)
FIRST_PERSON = (AlignView, Center)  # the order of persons matters
NOISE = (DropJoints, JitterJoints)  # each person and joint has independent random values
SCORES_CHANGE = (
    DropFrames,
    DropJoints,
    FillNullFrames,
    LimitLength,
    RandomTimeWarp,
    Resample,
    ResampleLength,
)


def cases(transforms: Iterable[MotionTransform], kinds: Iterable[str] = NAMES) -> pytest.MarkDecorator:
    """Run the test with every transform and every kind of coordinates that it supports."""
    pairs = []
    for transform in transforms:
        for kind in kinds:
            refused = isinstance(transform, POSITIONS_ONLY) if kind == "expmap" else False
            if refused or (isinstance(transform, AlignView) and kind != "xyz"):
                continue
            name = type(transform).__name__
            fits = Shift(offset=[0.5, 1, -2]) if name == "Shift" and kind == "xyz" else transform
            pairs.append(pytest.param(fits, kind, id=f"{name}-{kind}"))
    return pytest.mark.parametrize(("transform", "kind"), pairs)


def without(*classes: type) -> list[MotionTransform]:
    return [transform for transform in TRANSFORMS if not isinstance(transform, classes)]


every = pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda transform: type(transform).__name__)


def run(transform: BaseTransform, motion: Motion, seed: int = 1) -> Motion:
    torch.manual_seed(seed)
    result = transform(motion)
    assert isinstance(result, Motion)
    return result


def nearly_equal(one: Motion, other: Motion, tolerance: float = 1e-9) -> bool:
    return (
        one.poses.shape == other.poses.shape
        and bool((one.poses - other.poses).abs().max() <= tolerance)
        and one.replace(poses=other.poses).equal(other)
    )


def test_every_transform_is_tested() -> None:
    exported = set(filter(inspect.isclass, vars(transforms).values()))
    assert {cls for cls in exported if not inspect.isabstract(cls)} == set(map(type, TRANSFORMS))


@every
def test_the_representation_shows_every_argument(transform: MotionTransform) -> None:
    arguments = inspect.signature(type(transform)).parameters.values()
    assert all(argument.kind is argument.KEYWORD_ONLY for argument in arguments)
    again = eval(repr(transform))
    assert vars(again) == vars(transform) and repr(again) == repr(transform)
    for argument in arguments:
        assert getattr(transform, argument.name) != argument.default
        assert f"{argument.name}=" in repr(transform)
    assert vars(pickle.loads(pickle.dumps(transform))) == vars(transform)


def test_equivalent_arguments_have_the_same_representation() -> None:
    for one, other in (
        (Shift(offset=[1, 2]), Shift(offset=(1.0, 2.0))),
        (RandomScale(low=1, high=2), RandomScale(low=1.0, high=2.0)),
        (RandomRotation(max_degrees=30), RandomRotation(max_degrees=[30.0, 30.0, 30.0])),
        (AlignView(vertical=["pelvis", "neck"]), AlignView(vertical=("pelvis", "neck"))),  # type: ignore[arg-type]
    ):
        assert repr(one) == repr(other)


@cases(TRANSFORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_input_does_not_change_and_results_depend_only_on_the_seed(
    transform: MotionTransform, kind: str, dtype: torch.dtype
) -> None:
    motion = random_motion(NAMES[kind], num_frames=40, dtype=dtype)
    before = pickle.loads(pickle.dumps(motion))
    result = run(transform, motion)
    assert motion.equal(before)
    assert run(pickle.loads(pickle.dumps(transform)), motion).equal(result)
    assert result.poses.dtype == dtype and result.skeleton == motion.skeleton
    assert (result.label, result.ids, result.source) == ("wave", {"subject": "1"}, "a test")
    # Absent joints are zero (the container checks this), and stay absent unless they are filled.
    assert not result.poses[~result.present].any()
    # JoinTracks changes nothing, because the persons share frames.
    assert not result.equal(motion) or isinstance(transform, JoinTracks)
    if isinstance(transform, POSITIONS_ONLY) and not isinstance(transform, SelectBodies):
        assert torch.equal(result.present, motion.present)


@cases(without(*SCORES_CHANGE), ["xy+score"])
def test_scores_and_confidence_do_not_change(transform: MotionTransform, kind: str) -> None:
    motion = random_motion(NAMES[kind], num_frames=40)
    result = run(transform, motion)
    assert torch.equal(result.poses[..., 2], result.confidence)
    if result.poses.shape == motion.poses.shape and not isinstance(transform, Mirror | RandomMirror):
        assert torch.equal(result.confidence, motion.confidence)


@pytest.mark.parametrize("transform", [t for t in TRANSFORMS if isinstance(t, POSITIONS_ONLY)], ids=repr)
def test_rotations_are_refused_by_transforms_of_positions(transform: MotionTransform) -> None:
    name = type(transform).__name__
    with pytest.raises(
        ValueError, match=f"{name} is only for positions, but skeleton 'h36m32' has rotations"
    ):
        transform(random_motion("h36m32"))


@cases(TRANSFORMS)
@pytest.mark.parametrize(("num_persons", "num_frames"), [(1, 1), (5, 2)])
def test_motions_of_any_size_are_accepted_even_without_persons(
    transform: MotionTransform, kind: str, num_persons: int, num_frames: int
) -> None:
    motion = random_motion(NAMES[kind], num_persons=num_persons, num_frames=num_frames, missing=0.0)
    assert run(transform, motion).seen.any()
    nobody = motion.replace(poses=motion.poses * 0, present=motion.present & False)
    assert not run(transform, nobody).seen.any()


@cases(without(*FIRST_PERSON, *NOISE))
def test_the_order_of_persons_does_not_matter(transform: MotionTransform, kind: str) -> None:
    motion = random_motion(NAMES[kind], num_persons=4, num_frames=40)
    order = [2, 0, 3, 1]
    result, permuted = run(transform, motion), run(transform, motion.persons(order))
    if isinstance(transform, SelectBodies | SelectByConfidence):
        assert permuted.equal(result)
    else:
        assert permuted.equal(result.persons(order))


@cases(without(*NOISE))
def test_joints_are_identified_by_name(transform: MotionTransform, kind: str) -> None:
    motion = random_motion(NAMES[kind], num_frames=40, dtype=torch.float64)
    other = permuted_skeleton(motion.skeleton, torch.randperm(motion.skeleton.num_joints).tolist())
    result, permuted = run(transform, motion), run(transform, motion.joints(other))
    assert nearly_equal(permuted, result.joints(other))


@cases([transform for transform in TRANSFORMS if isinstance(transform, InvertibleTransform)])
def test_inverses_restore_the_input(transform: InvertibleTransform, kind: str) -> None:
    motion = random_motion(NAMES[kind], num_frames=40, dtype=torch.float64)
    torch.manual_seed(1)
    result, parameters = transform.apply(motion)
    assert run(transform, motion).equal(result) and not result.equal(motion)
    assert nearly_equal(transform.invert(result, parameters), motion)


def test_a_pickled_composition_of_all_transforms_gives_the_same_result() -> None:
    chain = Compose([*without(Shift), Shift(offset=[1, 2, 3])])
    motion = random_motion(num_frames=60)
    result = run(chain, motion)
    assert result.equal(run(pickle.loads(pickle.dumps(chain)), motion))
    assert result.num_persons == 1 and result.seen.any()
    assert all(repr(transform) in repr(chain) for transform in chain.transforms)
