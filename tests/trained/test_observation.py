"""What a model sees of a file is what it saw in training, and the way back leads to the file's own space."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ntu_files import Body, write_ntu_file

from pyg_sybio.data.datasets.motion_folder import MotionFolder
from pyg_sybio.data.datasets.ntu_rgbd import NTURGBD
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.data.readers.ntu import read_ntu
from pyg_sybio.data.reading import read_motion
from pyg_sybio.data.transforms import AlignView, Center
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.trained.evaluation import answers
from pyg_sybio.trained.observation import observe, observe_one
from pyg_sybio.trained.prediction import (
    future_motion,
    predict,
    predict_folder,
    predict_recording,
    write_prediction,
)
from pyg_sybio.trained.preparation import Preparation
from pyg_sybio.trained.trained import Checkpoint, dataset_class
from pyg_sybio.trained.views import Looks

NTU = load_skeleton("ntu25")
CENTER = {"class_path": "pyg_sybio.data.transforms.Center", "init_args": {"joint": "spine"}}
EACH = {"class_path": "pyg_sybio.data.transforms.Center", "init_args": {"joint": "spine", "frame": "each"}}
ALIGN = {"class_path": "pyg_sybio.data.transforms.AlignView"}


def _checkpoint(dataset: str = "motion_folder.MotionFolder", **settings: Any) -> Checkpoint:
    model = SybioGNN.from_preset(
        "demo",
        skeleton=NTU,
        num_classes=3,
        num_future=5,
        channels=[8, 8],
        strides=[2, 2],
        fusions=[1],
        head_channels=8,
        actional_channels=8,
        **settings.pop("variant", {}),
    )
    data = {
        "dataset": f"pyg_sybio.data.{dataset}",
        "settings": settings,
        "class_names": ["a", "b", "c"],
        "frame_rate": 30.0,
        "num_observed": 20,
    }
    return Checkpoint(model.eval(), data, torch.ones(3, dtype=torch.bool), epoch=1, global_step=1)


def _walk(num_frames: int, num_persons: int = 1, **changes: Any) -> Motion:
    poses = torch.randn(num_persons, 1, 25, 3) + 0.1 * torch.randn(num_persons, num_frames, 25, 3).cumsum(1)
    return Motion(poses=poses, skeleton=NTU, frame_rate=30.0, **changes)


@pytest.mark.parametrize("num_frames", [40, 18])
@pytest.mark.parametrize(
    ("preprocess", "transforms"),
    [
        (None, None),
        (CENTER, Center(joint="spine")),
        ([CENTER, ALIGN], [Center(joint="spine"), AlignView()]),
        (EACH, Center(joint="spine", frame="each")),
    ],
    ids=["nothing", "centre", "align", "each"],
)
def test_a_file_looks_as_in_training(
    num_frames: int, preprocess: Any, transforms: Any, tmp_path: Path
) -> None:
    whole = _walk(num_frames, label="a")
    write_motion(whole, tmp_path / "clips" / "1.npz")
    write_motion(_walk(num_frames, label="b"), tmp_path / "clips" / "2.npz")
    (tmp_path / "clips" / "clips.csv").write_text("file,split\n1.npz,train\n2.npz,test\n")
    item = MotionFolder.from_settings(
        root=tmp_path / "clips", num_observed=20, num_future=5, preprocess=transforms, progress=False
    )[0]
    # The file that a user has ends where the observed part of the clip does.
    write_motion(whole.frames(slice(0, num_frames - 5)), tmp_path / "now.npz")
    observation = observe_one(tmp_path / "now.npz", _checkpoint(preprocess=preprocess))
    assert torch.equal(observation.x[0].transpose(0, 1), item.x)
    assert not observation.notices
    back = observation.to_recording(observation.observed)
    if num_frames == 40 and preprocess is not EACH:
        torch.testing.assert_close(back.poses, whole.poses[:, 15:35], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("num_persons", [1, 2])
def test_a_recording_is_looked_at_as_clips_are_where_the_model_is_judged(
    num_persons: int, tmp_path: Path
) -> None:
    parts = ((0.0, 0.7), (0.4, 1.0))
    checkpoint = _checkpoint(preprocess=CENTER, padding="hold")
    checkpoint.data["looks"] = {"mirror": "x", "parts": [list(part) for part in parts]}
    # The second person leaves before the second part begins.
    present = torch.ones(num_persons, 24, 25, dtype=torch.bool)
    present[1:, 9:] = False
    motion = _walk(24, num_persons, label="a")
    motion = motion.replace(poses=motion.poses * present[..., None], present=present)
    write_motion(motion, tmp_path / "1.npz")
    recordings = tmp_path / "of training"
    for label in "abc":
        write_motion(motion.replace(label=label), recordings / f"{label}.npz")
    (recordings / "clips.csv").write_text("file,split\na.npz,test\nb.npz,train\nc.npz,train\n")
    clips = MotionFolder.from_settings(
        root=recordings,
        split="test",
        num_observed=20,
        num_future=5,
        reserved=0,
        padding="hold",
        preprocess=Center(joint="spine"),
        progress=False,
    )
    judged = answers(checkpoint.model, clips, looks=Looks(mirror="x", parts=parts))
    observation = observe_one(tmp_path / "1.npz", checkpoint)
    assert [part.num_persons for part in observation.parts] == [num_persons, 1]
    asked = predict_recording(checkpoint, observation)
    assert asked.probabilities is not None and judged.logits is not None
    torch.testing.assert_close(asked.probabilities, judged.logits[0].softmax(-1))

    once, of_image = (predict(checkpoint, x) for x in (observation.x, clips.mirrored(observation.x, "x")))
    assert asked.future is not None and once.future is not None and of_image.future is not None
    assert asked.future.shape == (num_persons, 5, 25, 3)
    torch.testing.assert_close(asked.future, (once.future + clips.mirrored(of_image.future, "x")) / 2)
    in_folder = next(predict_folder(checkpoint, recordings))
    assert in_folder.prediction.ranked() == asked.ranked()


def test_of_a_data_set_without_parts_none_is_seen() -> None:
    preparation = Preparation(NTU, num_observed=5, frame_rate=30.0, padding=None)
    assert preparation(_walk(9)).observed.num_frames == 5
    with pytest.raises(ValueError, match=r"'part' is \(0\.5, 1\.0\), but the clips of this model's data set"):
        preparation(_walk(9), part=(0.5, 1.0))


def test_centred_in_each_frame_the_future_stays_where_the_last_frame_was(tmp_path: Path) -> None:
    motion = _walk(30)
    write_motion(motion, tmp_path / "a.npz")
    observation = observe_one(tmp_path / "a.npz", _checkpoint(preprocess=EACH))
    spine = NTU.joint_index("spine")
    future = observation.to_recording(observation.observed.frames(slice(0, 7)))
    torch.testing.assert_close(future.poses[0, :, spine], motion.poses[0, -1:, spine].expand(7, 3))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_future_goes_back_in_any_precision(dtype: torch.dtype, tmp_path: Path) -> None:
    motion = _walk(30)
    motion = motion.replace(poses=motion.poses.to(dtype))
    write_motion(motion, tmp_path / "a.npz")
    checkpoint = _checkpoint(preprocess=[CENTER, ALIGN])
    observation = observe_one(tmp_path / "a.npz", checkpoint)
    prediction = predict(checkpoint, observation.x)
    write_prediction(prediction, observation, tmp_path / "b.npz")
    future = read_motion(tmp_path / "b.npz").poses.double()
    # The way back by hand, from the first frame of the recording.
    first = motion.poses[0, 0].double()
    turn = AlignView().matrix(motion.frames(slice(0, 1)).replace(poses=motion.poses[:, :1].double()))
    assert prediction.future is not None
    expected = prediction.future.double() @ turn + first[NTU.joint_index("spine")]
    assert (future - expected).abs().max() < 1e-4


def test_another_frame_rate_is_resampled_from_the_end(tmp_path: Path) -> None:
    motion = _walk(50).replace(frame_rate=60.0)
    write_motion(motion, tmp_path / "a.npz")
    observation = observe_one(tmp_path / "a.npz", _checkpoint())
    assert torch.equal(observation.x, motion.poses[:, 11::2])  # 20 of the frames 1, 3, ..., 49
    assert observation.notices == ("is resampled from 60 Hz to 30 Hz",)
    slow = motion.replace(frame_rate=15.0)
    write_motion(slow, tmp_path / "a.npz")
    x = observe_one(tmp_path / "a.npz", _checkpoint()).x
    assert torch.equal(x[:, 1::2], motion.poses[:, -10:])
    torch.testing.assert_close(x[:, 2::2], (motion.poses[:, -10:-1] + motion.poses[:, -9:]) / 2)
    write_motion(motion.replace(frame_rate=29.99), tmp_path / "a.npz")
    assert torch.equal(observe_one(tmp_path / "a.npz", _checkpoint()).x, motion.poses[:, -20:])


def test_the_benchmark_s_own_preparation(tmp_path: Path) -> None:
    path = tmp_path / "S001C002P003R002A013.skeleton"
    write_ntu_file(path, np.random.default_rng(0), num_frames=40, bodies=[Body(7, start=5), Body(8, 10, 12)])
    recorded = read_ntu(path)
    expected = recorded
    for transform in NTURGBD.default_preprocess:
        expected = transform(expected)
    observation = observe_one(path, _checkpoint("ntu_rgbd.NTURGBD"))
    (fill,) = NTURGBD.default_fill
    assert torch.equal(observation.x, fill(expected.frames(slice(-20, None))).poses[: len(observation.x)])
    back = observation.to_recording(observation.observed)
    torch.testing.assert_close(back.poses[0], recorded.poses[0, -20:], rtol=1e-4, atol=1e-4)
    raw = observe_one(path, _checkpoint("ntu_rgbd.NTURGBD", preprocess=[], fill=[]))
    assert torch.equal(raw.x[0], recorded.poses[0, -20:])


def test_persons_who_are_not_seen_are_left_out(tmp_path: Path) -> None:
    present = torch.ones(3, 30, 25, dtype=torch.bool)
    present[1, 5:] = False
    motion = _walk(30, 3, tracks=(4, 5, 6))
    motion = motion.replace(poses=motion.poses * present[..., None], present=present)
    write_motion(motion, tmp_path / "a.npz")
    observation = observe_one(tmp_path / "a.npz", _checkpoint())
    assert observation.observed.tracks == (4, 6)
    future = future_motion(predict(_checkpoint(), observation.x), observation)
    assert (future.num_persons, future.num_frames, future.tracks) == (2, 5, (4, 6))
    nobody = motion.persons([1])
    write_motion(nobody, tmp_path / "a.npz")
    with pytest.raises(ValueError, match="shows nobody in its last 20 frames"):
        observe_one(tmp_path / "a.npz", _checkpoint())


def test_a_step_without_a_way_back_is_noticed(tmp_path: Path) -> None:
    write_motion(_walk(30), tmp_path / "a.npz")
    jitter = {"class_path": "pyg_sybio.data.transforms.JitterJoints", "init_args": {"std": 0.1}}
    observation = observe_one(tmp_path / "a.npz", _checkpoint(preprocess=[CENTER, jitter]))
    assert observation.notices == (
        "has its future in the space that JitterJoints makes, as that has no way back",
    )


def test_a_file_of_several(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 9, 150)).astype(np.float32), np.eye(3, dtype=np.float32)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y[:2], x_test=x, y_test=y[:2])
    with pytest.raises(ValueError, match=r"a.npz holds several motions, expected one"):
        observe_one(tmp_path / "a.npz", _checkpoint())
    assert len(list(observe(tmp_path / "a.npz", _checkpoint()))) == 4
    assert [clip.name for clip in predict_folder(_checkpoint(), tmp_path)] == [
        "a.npz", "a.npz: 1", "a.npz: 2", "a.npz: 3",
    ]  # fmt: skip


def test_the_skeleton_s_file_may_lie_in_the_folder(tmp_path: Path) -> None:
    write_motion(_walk(30), tmp_path / "a.npz")
    NTU.save(tmp_path / "mine.json")
    checkpoint = _checkpoint(skeleton=str(tmp_path / "mine.json"))
    assert [clip.name for clip in predict_folder(checkpoint, tmp_path)] == ["a.npz"]


def test_labels_of_a_folder(tmp_path: Path) -> None:
    for name in ("a_1", "b_2", "other"):
        write_motion(_walk(30, label="c"), tmp_path / f"{name}.npz")
    plain = {clip.name: clip.label for clip in predict_folder(_checkpoint(), tmp_path)}
    assert set(plain.values()) == {"c"}
    named = predict_folder(_checkpoint(pattern=r"(?P<label>\w)_\d\.npz"), tmp_path)
    assert [clip.label for clip in named] == ["a", "b", "c"]
    (tmp_path / "clips.csv").write_text("file,label\na_1.npz,x\nb_2.npz,y\nother.npz,z\n")
    assert [clip.label for clip in predict_folder(_checkpoint(), tmp_path)] == ["x", "y", "z"]


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_what_is_written_is_a_motion(suffix: str, tmp_path: Path) -> None:
    write_motion(_walk(30, ids={"subject": "1"}), tmp_path / "a.npz")
    checkpoint = _checkpoint(preprocess=CENTER)
    observation = observe_one(tmp_path / "a.npz", checkpoint)
    prediction = predict(checkpoint, observation.x)
    write_prediction(prediction, observation, tmp_path / f"out{suffix}")
    written = read_motion(tmp_path / f"out{suffix}")
    assert written.equal(future_motion(prediction, observation))
    assert written.skeleton == NTU and written.ids == {"subject": "1"} and written.label is None
    assert not torch.equal(written.poses, prediction.future)  # no longer about the spine


def test_a_model_of_one_task(tmp_path: Path) -> None:
    write_motion(_walk(30), tmp_path / "a.npz")
    only = _checkpoint(variant={"prediction": False})
    observation = observe_one(tmp_path / "a.npz", only)
    write_prediction(predict(only, observation.x), observation, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as arrays:
        assert sorted(arrays) == ["class_names", "probabilities"]
    with pytest.raises(ValueError, match="trained without prediction"):
        future_motion(predict(only, observation.x), observation)
    other = _checkpoint(variant={"recognition": False})
    assert predict(other, observation.x).ranked() == []
    write_prediction(predict(other, observation.x), observation, tmp_path / "out.npz")
    assert read_motion(tmp_path / "out.npz").num_frames == 5


def test_a_checkpoint_may_name_nothing_but_a_dataset() -> None:
    with pytest.raises(ValueError, match=r"names 'os.system', which is not a data set class"):
        dataset_class({"dataset": "os.system"})
    for path in ("pyg_sybio.data.datasets.nw_ucla.NWUCLB", "Clips", 5):
        with pytest.raises(ValueError, match=f"the checkpoint names {path!r}, which is not a registered"):
            dataset_class({"dataset": path})
