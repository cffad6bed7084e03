"""The motion container: validation, and consistent selection of its fields."""

import pytest
import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.skeleton import load_skeleton

SKELETON = load_skeleton("ntu25")


def _motion(**changes: object) -> Motion:
    values: dict[str, object] = {"poses": torch.randn(2, 6, 25, 3), "skeleton": SKELETON, "source": "a test"}
    return Motion(**(values | changes))  # type: ignore[arg-type]


def test_repr_shows_sizes_and_metadata_and_defaults_are_set() -> None:
    motion = _motion(frame_rate=30.0, label="wave")
    assert repr(motion) == "Motion(2 x 6 frames at 30 Hz, 'ntu25' [2, 6, 25, 3], 'wave', 'a test')"
    one, other = (_motion(label="wave\n" * 99, source=f"folder/{9 * 'long'}/{name}.npz") for name in "ab")
    assert repr(one) != repr(other) and "/a.npz'" in repr(one)
    assert len(repr(one)) <= 120 and "\n" not in repr(one)
    assert motion.present.all() and motion.present.shape == (2, 6, 25)
    assert motion.tracks == (0, 1)
    assert motion.num_spatial == 3
    assert motion.seen.shape == (2, 6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"poses": torch.zeros(2, 6, 20, 3)}, r"expected \[P, T, 25, 3\] for skeleton 'ntu25'"),
        ({"poses": torch.zeros(6, 25, 3)}, "'poses' has shape"),
        ({"poses": torch.zeros(2, 0, 25, 3)}, "expected at least one person and frame"),
        ({"poses": torch.zeros(0, 6, 25, 3)}, "expected at least one person and frame"),
        ({"poses": torch.zeros(2, 6, 25, 3, dtype=torch.int64)}, "expected floating point"),
        ({"poses": torch.full((2, 6, 25, 3), torch.nan)}, r"not a finite number at \[0, 0, 0, 0\]"),
        ({"present": torch.ones(2, 6)}, "'present' has shape"),
        ({"present": torch.ones(2, 6, 25)}, "expected booleans"),
        ({"present": torch.zeros(2, 6, 25, dtype=torch.bool)}, "frame 0, joint 'pelvis', which is not pres"),
        ({"confidence": -torch.ones(2, 6, 25)}, "expected at least 0"),
        ({"confidence": torch.full((2, 6, 25), torch.inf)}, "'confidence' has a value that is not a finite"),
        ({"translation": torch.ones(2, 6, 3)}, "'translation' is only for rotations"),
        ({"frame_rate": 0.0}, "'frame_rate' is 0.0"),
        ({"tracks": (7,)}, "'tracks' has 1 entries for 2 persons"),
    ],
)
def test_inconsistent_fields_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _motion(**changes)


def test_selecting_frames_persons_and_joints_keeps_fields_aligned() -> None:
    poses = torch.randn(3, 6, 25, 3)
    present = torch.rand(3, 6, 25) > 0.3
    poses[~present] = 0
    motion = _motion(
        poses=poses, present=present, confidence=present * torch.rand(3, 6, 25), tracks=(9, 8, 7)
    )

    part = motion.frames(torch.tensor([4, 4, 1])).persons([2, 0])
    assert part.tracks == (7, 9)
    for name in ("poses", "present", "confidence"):
        assert torch.equal(getattr(part, name), getattr(motion, name)[[2, 0]][:, [4, 4, 1]])

    shuffled = SKELETON.to_dict() | {"name": "other", "joints": list(reversed(SKELETON.joints))}
    other = type(SKELETON).from_dict(shuffled)
    assert torch.equal(motion.joints(other).poses, motion.poses.flip(2))
    assert motion.joints(other).joints(SKELETON).equal(motion)


def test_joints_of_an_incompatible_skeleton_are_refused() -> None:
    with pytest.raises(ValueError, match="skeleton 'ntu25' has no joint 'left_clavicle'"):
        _motion().joints(load_skeleton("azure32"))
    with pytest.raises(ValueError, match="coordinates 'xy'"):
        _motion().joints(load_skeleton("jhmdb15"))


def test_equal_compares_every_field() -> None:
    motion = _motion()
    assert motion.equal(motion.replace())
    changes = {
        "poses": motion.poses + 1,
        "confidence": torch.ones(2, 6, 25),
        "frame_rate": 25.0,
        "label": "wave",
        "ids": {"view": "2"},
        "tracks": (3, 4),
        "source": "elsewhere",
    }
    for name, value in changes.items():
        assert not motion.equal(motion.replace(**{name: value})), name


def test_frames_of_rotations_keep_their_translation() -> None:
    skeleton = load_skeleton("h36m32")
    motion = Motion(
        poses=torch.randn(1, 4, 32, 3), skeleton=skeleton, translation=torch.arange(12.0).view(1, 4, 3)
    )
    assert torch.equal(motion.frames(slice(1, 3)).translation, torch.tensor([[[3.0, 4, 5], [6, 7, 8]]]))
    assert motion.num_spatial == 0


def test_check_values_false_skips_value_checks_but_not_shape_checks() -> None:
    wrong = torch.full((2, 6, 25, 3), torch.nan)
    assert _motion(poses=wrong, check_values=False).poses.isnan().all()
    with pytest.raises(ValueError, match="'poses' has shape"):
        _motion(poses=wrong[0], check_values=False)
    # Only this motion is exempt: motions derived from it are checked again.
    with pytest.raises(ValueError, match="not a finite number"):
        _motion(poses=wrong, check_values=False).replace(label="wave")
