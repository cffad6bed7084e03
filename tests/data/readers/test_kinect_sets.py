"""Files of SBU, MSR Action3D, UTD-MHAD, AMASS and VideoPose3D."""

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from pyg_sybio.data.reading import read_motion, read_motions
from pyg_sybio.skeleton import load_skeleton


def sbu(frames: list[int]) -> tuple[str, np.ndarray]:
    values = np.random.default_rng(0).uniform(0.1, 0.9, (len(frames), 2, 15, 3)).round(5)
    rows = [",".join([str(frame), *map(str, row.ravel())]) for frame, row in zip(frames, values, strict=True)]
    return "\n".join(rows) + "\n", values


def test_sbu_is_converted_to_millimetres_and_missing_frames_are_not_present(tmp_path: Path) -> None:
    text, values = sbu([55, 56, 58])
    (tmp_path / "skeleton_pos.txt").write_text(text)
    motion = read_motion(tmp_path / "skeleton_pos.txt")
    assert (motion.skeleton.name, motion.num_persons, motion.num_frames, motion.frame_rate) == (
        *("sbu15", 2, 4, 15.0),
    )
    assert motion.present.all(-1).tolist() == [[True, True, False, True]] * 2
    for person in range(2):
        x, y, z = values[2, person, 7]
        expected = [1280 - 2560 * x, 960 - 1920 * y, z * 10000 / 7.8125]
        assert motion.poses[person, 3, 7].tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("frames", "change", "message"),
    [
        ([4, 4], ("", ""), "line 2 is frame 4, expected a number above 4"),
        ([1, 2], ("\n2,", "\n2.5,"), "line 2 has '2.5', expected an integer"),
        ([1, 900_000_000], ("", ""), "expected a person in most frames"),
    ],
)
def test_wrong_frames_of_sbu_are_refused(
    frames: list[int], change: tuple[str, str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text(sbu(frames)[0].replace(*change))
    with pytest.raises(ValueError, match=message):
        read_motion(tmp_path / "a.txt")


def test_msr_files_need_a_skeleton_and_have_scores(tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(0.1, 0.9, (3, 20, 4)).round(4)
    values[1, 5, 3] = 0
    path = tmp_path / "a01_s01_e01_skeleton3D.txt"
    path.write_text("\n".join(" ".join(map(str, row)) for row in values.reshape(-1, 4)))
    motion = read_motion(path, skeleton=load_skeleton("utd20"))
    assert (~motion.present).nonzero().tolist() == [[0, 1, 5]]
    assert motion.poses[0, 2].numpy() == pytest.approx(values[2, :, :3], abs=1e-6)
    with pytest.raises(ValueError, match="skeleton"):
        read_motion(path)
    path.write_text(path.read_text() + "\n1 2 3 1")
    with pytest.raises(ValueError, match="has 61 lines, expected 20 per frame"):
        read_motion(path, skeleton=load_skeleton("utd20"))


def test_utd_mhad_is_read_with_its_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(20, 3, 4))
    path = tmp_path / "a7_s2_t3_skeleton.mat"
    savemat(path, {"d_skel": values})
    motion = read_motion(path)
    assert (motion.skeleton.name, motion.label, dict(motion.ids)) == (
        *("utd20", "7", {"subject": "2", "repetition": "3"}),
    )
    assert motion.poses[0, 3].numpy() == pytest.approx(values[..., 3], abs=1e-6)
    savemat(path, {"depth": values})
    with pytest.raises(ValueError, match=r"has depth \[20, 3, 4\], expected the array d_skel"):
        read_motion(path)
    path.write_bytes(b"MATLAB" * 99)
    with pytest.raises(ValueError, match=r"skeleton.mat: .*, expected the array d_skel"):
        read_motion(path)

    def without_scipy(name: str, *rest: Any) -> Any:
        if name.startswith("scipy"):
            raise ImportError
        return real(name, *rest)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without_scipy)
    with pytest.raises(ValueError, match=r"MATLAB files need the package scipy \(pip install scipy\)"):
        read_motion(path)


@pytest.mark.parametrize(("width", "rate"), [(156, "mocap_framerate"), (165, "mocap_frame_rate")])
def test_amass_gives_the_rotations_of_the_body(width: int, rate: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    poses, path = rng.normal(size=(4, width)), rng.normal(size=(4, 3))
    np.savez(tmp_path / "a.npz", poses=poses, trans=path, betas=np.zeros(16), **{rate: 120.0})
    motion = read_motion(tmp_path / "a.npz")
    assert (motion.skeleton.coordinates, motion.skeleton.num_joints, motion.frame_rate) == (
        "expmap",
        22,
        120.0,
    )
    assert motion.poses[0].flatten(1).numpy() == pytest.approx(poses[:, :66])
    assert motion.translation is not None and motion.translation[0].numpy() == pytest.approx(path)
    np.savez(tmp_path / "a.npz", poses=poses[:, :60], trans=path, **{rate: 120.0})
    with pytest.raises(ValueError, match=r"a.npz has 'poses' \[4, 60\] .*, expected \[T, 66\] or more"):
        read_motion(tmp_path / "a.npz")


def test_archives_of_videopose3d_contain_a_motion_per_subject_and_action(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    recorded = {"S1": {"Walking 1": rng.normal(size=(5, 32, 3)).astype(np.float32)}, "S5": {"Eating": None}}
    recorded["S5"]["Eating"] = rng.normal(size=(3, 17, 3))
    np.savez_compressed(tmp_path / "a.npz", positions_3d=np.array(recorded))
    whole, used = read_motions(tmp_path / "a.npz")
    assert (whole.label, dict(whole.ids), whole.frame_rate) == ("Walking 1", {"subject": "S1"}, 50.0)
    left_hip = recorded["S1"]["Walking 1"][:, 6]
    joint = whole.skeleton.joint_index("left_hip")
    assert whole.poses[0, :, joint].numpy() == pytest.approx(left_hip)
    assert (used.label, used.frame_rate, used.skeleton.name) == ("Eating", None, "h36m17")
    assert used.poses[0].numpy() == pytest.approx(recorded["S5"]["Eating"], abs=1e-6)


class _Attack:
    def __reduce__(self) -> Any:
        return print, ("executed",)


@pytest.mark.parametrize("content", [{"S1": {"a": _Attack()}}, {"S1": np.array([{}, {}])}, {"S1": 3}, {}])
def test_other_content_of_a_videopose3d_archive_is_refused(
    content: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "a.npz", positions_3d=np.array(content))
    with pytest.raises(ValueError, match=r"a.npz"):
        list(read_motions(tmp_path / "a.npz"))
    assert not capsys.readouterr().out
