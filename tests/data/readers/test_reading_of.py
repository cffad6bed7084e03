"""The meaning of keypoints without names: found from values, given by the user, or refused with the
options."""

from pathlib import Path

import numpy as np
import pytest

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.keypoints import read_keypoints
from pyg_sybio.skeleton import load_skeleton


def body(num_joints: int, *, num_frames: int = 6, seed: int = 0) -> np.ndarray:
    """A body in metres that stands, with z up."""
    rest = np.random.default_rng(seed).uniform([-0.4, -0.3, 0], [0.4, 0.3, 1.8], (num_joints, 3))
    return np.stack([rest + np.array([0.01 * t, 0, 0]) for t in range(num_frames)])


def image(num_joints: int, *, scale: float = 600, seed: int = 0) -> np.ndarray:
    """The same number of keypoints in an image: x, y and a score."""
    rng = np.random.default_rng(seed)
    places = scale * rng.uniform(0.1, 0.9, (6, num_joints, 2))
    return np.concatenate([places, rng.uniform(0.2, 1, (6, num_joints, 1))], axis=-1)


def read(values: np.ndarray, folder: Path, skeleton: str | None = None) -> Motion:
    np.save(folder / "a.npy", values)
    return read_keypoints(folder / "a.npy", skeleton=None if skeleton is None else load_skeleton(skeleton))


@pytest.mark.parametrize(
    ("values", "skeleton", "units"),
    [
        (body(17), "h36m17", "m"),
        (1000 * body(17), "h36m17", "mm"),
        (100 * body(17), "h36m17", "cm"),
        (body(17) - 1, "h36m17", "m"),
        (image(17), "coco17", "px"),
        (image(17)[..., :2], "coco17", "px"),
        (image(17, scale=1)[..., :2], "coco17", "image fraction"),
        (body(25) + np.array([0, 0, 2]), "ntu25", "m"),
        (image(25), "openpose25", "px"),
        (image(18), "openpose18", "px"),
        (image(18, scale=1), "openpose18", "image fraction"),
        (image(26), "halpe26", "px"),
        (image(133), "coco133", "px"),
        (body(22), "smpl22", "m"),
        (np.concatenate([body(33), image(33)[..., 2:], image(33)[..., 2:]], -1), "mediapipe33", "m"),
        (image(17).reshape(6, -1)[:, : 17 * 3], "coco17", "px"),
        (np.concatenate([body(33), image(33)[..., 2:]], -1).reshape(6, -1), "mediapipe33", "m"),
    ],
)
def test_values_decide_between_skeletons_with_the_same_number_of_joints(
    values: np.ndarray, skeleton: str, units: str, tmp_path: Path
) -> None:
    motion = read(values, tmp_path)
    assert (motion.skeleton.name, motion.skeleton.units) == (skeleton, units)
    assert motion.skeleton.joints == load_skeleton(skeleton).joints
    assert motion.present.all() and motion.num_persons == 1
    spatial = values.reshape(6, motion.skeleton.num_joints, -1)[..., : motion.num_spatial]
    assert np.allclose(motion.poses[0, ..., : motion.num_spatial], spatial)
    (note,) = motion.notes
    assert note.startswith("is read as x, y") and f"of {skeleton}, judged by" in note


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (image(17, scale=1), "--skeleton coco17' or '--skeleton h36m17' to say which"),
        (image(25, scale=1), "--skeleton ntu25' or '--skeleton openpose25' to say which"),
        (body(18), "do not fit x, y, score of openpose18: value 3 is between .* expected a score"),
        (
            np.concatenate([body(33), -body(33)[..., :1]], -1),
            "do not fit x, y, z, score of mediapipe33: value 4 is between -0.4",
        ),
    ],
)
def test_ambiguous_values_are_refused(values: np.ndarray, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read(values, tmp_path)


def test_positions_are_refused_as_scores_of_a_given_skeleton(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"do not fit x, y, score of coco17: value 3 is .* and 1\.7"):
        read(body(17), tmp_path, "coco17")
    assert read(body(17), tmp_path, "h36m17").notes == ()


def test_keypoints_without_scores_are_missing_at_the_origin_and_where_they_are_nan(tmp_path: Path) -> None:
    values = image(17)[..., :2]
    values[2, 5] = 0
    values[3, 6] = np.nan
    values[4, 7, 0] = 0  # at the left edge of the image
    motion = read(values, tmp_path)
    assert (~motion.present[0]).nonzero().tolist() == [[2, 5], [3, 6]]
    assert motion.poses[0, ..., 2][motion.present[0]].eq(1).all()
    centred = values - values[:, :1]
    assert read(centred, tmp_path).present[0, :, 0].all()


def test_joints_of_a_larger_skeleton_are_found_by_name(tmp_path: Path) -> None:
    values = image(133)
    for name in ("coco17", "coco133:body"):
        motion = read(values, tmp_path, name)
        assert motion.skeleton == load_skeleton(name)
        assert np.allclose(motion.poses[0], values[:, :17])


def test_arrays_in_the_axis_order_of_st_gcn_are_read_if_unambiguous(tmp_path: Path) -> None:
    values = np.stack([body(25), body(25) + np.array([1, 0, 0])])  # [P, T, M, C]
    motion = read(values.transpose(3, 1, 2, 0), tmp_path, "ntu25")
    assert np.allclose(motion.poses, values)
    with pytest.raises(ValueError, match=r"may be \[C, T, M, P\] as in ST-GCN or \[P, T, M, C\]: expected"):
        read(values.transpose(3, 1, 2, 0), tmp_path)
    with pytest.raises(ValueError, match=r"without the axes of size 1 \(MoveNet has .* y, x, score: save"):
        read(image(17)[:, None, None], tmp_path)
