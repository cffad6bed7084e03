"""The canonical body: mirror symmetry, directions of the joints, and rigid segments."""

import pytest
import torch
from torch import Tensor

from pyg_sybio.data.synthetic.body import (
    FREEDOMS,
    LANDMARKS,
    REGIONS,
    SEGMENTS,
    check_landmarks,
    mirrored,
    pose_body,
    segment_offsets,
)
from pyg_sybio.skeleton import load_skeleton

NAMES = tuple(LANDMARKS)


def _sizes(num_clips: int = 1) -> dict[str, Tensor]:
    return {region: torch.ones(num_clips, dtype=torch.float64) for region in REGIONS}


def _pose(**angles: float) -> dict[str, Tensor]:
    """Positions of all landmarks in one pose."""
    freedoms = torch.zeros(1, 1, len(FREEDOMS), dtype=torch.float64)
    for name, angle in angles.items():
        freedoms[..., FREEDOMS.index(name)] = angle
    return dict(zip(NAMES, pose_body(freedoms, _sizes(), NAMES)[0, 0], strict=True))


def test_the_body_stands_upright_and_is_symmetric() -> None:
    place = _pose()
    stature = place["head_top"][1] - place["left_heel"][1]
    assert 1.6 < stature < 1.8
    for name in NAMES:
        if name.startswith("left_"):
            right = place[name.replace("left_", "right_")]
            assert place[name][0] > 0
            torch.testing.assert_close(
                right, place[name] * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
            )
        elif not name.startswith("right_"):
            assert place[name][0] == 0
    for front, back in [("nose", "head"), ("left_big_toe", "left_ankle")]:
        assert place[front][2] > place[back][2]


@pytest.mark.parametrize(
    ("freedom", "landmark", "axis", "sign"),
    [
        ("left_shoulder", "left_wrist", 2, 1),
        ("right_shoulder", "right_wrist", 2, 1),
        ("left_spread", "left_wrist", 0, 1),
        ("right_spread", "right_wrist", 0, -1),
        ("left_elbow", "left_wrist", 2, 1),
        ("left_hip", "left_knee", 2, 1),
        ("right_hip_spread", "right_ankle", 0, -1),
        ("left_knee", "left_ankle", 2, -1),
        ("left_ankle", "left_big_toe", 1, 1),
        ("left_crouch", "left_ankle", 1, 1),
        ("bow", "head", 2, 1),
        ("lean", "head", 0, -1),
        ("twist", "nose", 0, 1),
        ("tilt", "head", 2, 1),
        ("turn", "nose", 0, 1),
        ("nod", "nose", 1, -1),
        ("look", "nose", 0, 1),
        ("shift", "left_ankle", 0, 1),
        ("sway", "head", 2, 1),
    ],
)
def test_degrees_of_freedom_rotate_in_the_named_direction(
    freedom: str, landmark: str, axis: int, sign: int
) -> None:
    moved = _pose(**{freedom: 20.0})[landmark] - _pose()[landmark]
    assert sign * moved[axis] > 0.01


def test_a_bent_elbow_points_the_forearm_forward() -> None:
    place = _pose(left_elbow=90.0)
    forearm = torch.tensor(SEGMENTS["left_hand"].offset, dtype=torch.float64).norm()
    expected = place["left_elbow"] + torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64) * forearm
    torch.testing.assert_close(place["left_wrist"], expected)


def test_mirrored_degrees_of_freedom_give_the_mirror_image() -> None:
    angles = 40 * torch.randn(len(FREEDOMS), dtype=torch.float64)
    pose = dict(zip(FREEDOMS, angles.tolist(), strict=True))
    images = {name: mirrored(name) for name in FREEDOMS}
    image_pose = {image: sign * pose[name] for name, (image, sign) in images.items()}
    assert all(mirrored(image) == (name, sign) for name, (image, sign) in images.items())

    place, image = _pose(**pose), _pose(**image_pose)
    flip = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    swap = {"left": "right", "right": "left"}
    for name in NAMES:
        side, _, rest = name.partition("_")
        other = f"{swap[side]}_{rest}" if side in swap else name
        torch.testing.assert_close(image[other], flip * place[name])


def test_landmarks_of_a_segment_keep_their_distance() -> None:
    freedoms = 40 * torch.randn(3, 5, len(FREEDOMS), dtype=torch.float64)
    sizes = {region: torch.rand(3, dtype=torch.float64) + 0.5 for region in REGIONS}
    places = pose_body(freedoms, sizes, NAMES)
    for segment in SEGMENTS:
        index = [i for i, name in enumerate(NAMES) if LANDMARKS[name][0] == segment]
        if len(index) > 1:
            rigid = places[:, :, index]
            distances = torch.cdist(rigid, rigid)
            torch.testing.assert_close(distances, distances[:, :1].expand_as(distances))
            rest = torch.tensor([LANDMARKS[NAMES[i]][1] for i in index], dtype=torch.float64)
            size = sizes[SEGMENTS[segment].region][:, None, None]
            torch.testing.assert_close(distances[:, 0], size * torch.cdist(rest, rest))


def test_sizes_scale_only_their_regions() -> None:
    sizes = _sizes()
    sizes["leg"] = torch.full((1,), 2.0, dtype=torch.float64)
    offsets, plain = segment_offsets(sizes)[0], segment_offsets(_sizes())[0]
    for index, (name, segment) in enumerate(SEGMENTS.items()):
        factor = 2.0 if segment.parent is not None and SEGMENTS[segment.parent].region == "leg" else 1.0
        torch.testing.assert_close(offsets[index], factor * plain[index], msg=name)


def test_skeletons_with_unknown_joints_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"'hand21' has joints .* lacks: wrist, thumb_cmc.*its landmarks are chest"
    ):
        check_landmarks(load_skeleton("hand21"))
    with pytest.raises(ValueError, match=r"'h36m32' has rotations .*expected positions"):
        check_landmarks(load_skeleton("h36m32"))
