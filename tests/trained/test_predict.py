"""Files are prepared as in training, and predictions are returned in the coordinates of the file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from live_models import small_checkpoint
from ntu_files import Body, write_ntu_file

from pyg_sybio.data.datasets.clip_transforms import composed
from pyg_sybio.data.datasets.motion_folder import MotionFolder
from pyg_sybio.data.datasets.ntu_rgbd import NTURGBD
from pyg_sybio.data.datasets.two_tasks import Part
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.data.readers.ntu import read_ntu
from pyg_sybio.data.reading import read_motion
from pyg_sybio.data.transforms import AlignView, Center, FillMissing
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.testing import permuted_skeleton
from pyg_sybio.trained.evaluation import answers
from pyg_sybio.trained.preparation import Preparation
from pyg_sybio.trained.trained import Trained
from pyg_sybio.trained.views import Views

NTU = load_skeleton("ntu25")
CENTER = {"class_path": "pyg_sybio.data.transforms.Center", "init_args": {"joint": "spine"}}
EACH = {"class_path": "pyg_sybio.data.transforms.Center", "init_args": {"joint": "spine", "frame": "each"}}
ALIGN = {"class_path": "pyg_sybio.data.transforms.AlignView"}


def _trained(dataset: str = "MotionFolder", **settings: Any) -> Trained:
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
    return small_checkpoint(dataset, model=model.eval(), **settings)


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
def test_a_file_is_prepared_as_in_training(
    num_frames: int, preprocess: Any, transforms: Any, tmp_path: Path
) -> None:
    whole = _walk(num_frames, label="a")
    write_motion(whole, tmp_path / "clips" / "1.npz")
    write_motion(_walk(num_frames, label="b"), tmp_path / "clips" / "2.npz")
    (tmp_path / "clips" / "clips.csv").write_text("file,split\n1.npz,train\n2.npz,test\n")
    item = MotionFolder.from_settings(
        root=tmp_path / "clips", num_observed=20, num_future=5, preprocess=transforms, progress=False
    )[0]
    # The file of the user ends where the observed part of the clip ends.
    write_motion(whole.frames(slice(0, num_frames - 5)), tmp_path / "now.npz")
    prediction = _trained(preprocess=preprocess).predict(tmp_path / "now.npz")
    observed = prediction.prepared.observed
    assert torch.equal(observed.poses[0].transpose(0, 1), item.x)
    assert not prediction.notices
    back = prediction.prepared.to_recording(observed)
    if num_frames == 40 and preprocess is not EACH:
        torch.testing.assert_close(back.poses, whole.poses[:, 15:35], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("num_persons", [1, 2])
def test_a_recording_has_the_same_views_as_clips_in_evaluation(num_persons: int, tmp_path: Path) -> None:
    parts = ((0.0, 0.7), (0.4, 1.0))
    views = Views(mirror="x", parts=parts)
    trained = _trained(preprocess=CENTER, padding="hold", views=views)
    # In the data set, all persons are one clip.
    trained = replace(trained, training={**trained.training, "interactions": True})
    # The second person disappears before the second part.
    present = torch.ones(num_persons, 20, 25, dtype=torch.bool)
    present[1:, 7:] = False
    motion = _walk(20, num_persons, label="a")
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
    judged = answers(trained.model, clips, views=views)
    asked = trained.predict(tmp_path / "1.npz")
    assert asked.probabilities is not None and judged.logits is not None
    torch.testing.assert_close(asked.probabilities, judged.logits[0].softmax(-1))

    # Call the model directly on one view of the poses and one of their mirror image.
    x = trained.predict(tmp_path / "1.npz", one_view=True).prepared.observed.poses
    with torch.no_grad():
        once, of_image = (trained.model(each[None]).future[0] for each in (x, clips.mirrored(x, "x")))
    assert asked.future is not None and asked.future.shape == (num_persons, 5, 25, 3)
    torch.testing.assert_close(asked.future, (once + clips.mirrored(of_image, "x")) / 2)
    in_folder = next(trained.predict_folder(recordings))
    assert in_folder.prediction.ranked() == asked.ranked()
    single = trained.predict(tmp_path / "1.npz", one_view=True)
    torch.testing.assert_close(single.future, once)
    assert single.ranked() != asked.ranked()


def test_a_part_of_a_clip_without_padding_is_refused() -> None:
    preparation = Preparation(NTU, num_observed=5, frame_rate=30.0, padding=None)
    assert preparation(_walk(9)).observed.num_frames == 5
    with pytest.raises(ValueError, match=r"'part' is \(0\.5, 1\.0\), but clips that are not padded"):
        preparation(_walk(9), part=Part(0.5, 1.0))


def test_the_future_stays_at_the_last_position_with_centring_per_frame(tmp_path: Path) -> None:
    motion = _walk(30)
    write_motion(motion, tmp_path / "a.npz")
    prepared = _trained(preprocess=EACH).predict(tmp_path / "a.npz").prepared
    spine = NTU.joint_index("spine")
    future = prepared.to_recording(prepared.observed.frames(slice(0, 7)))
    torch.testing.assert_close(future.poses[0, :, spine], motion.poses[0, -1:, spine].expand(7, 3))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_future_is_converted_back_in_any_precision(dtype: torch.dtype, tmp_path: Path) -> None:
    motion = _walk(30)
    motion = motion.replace(poses=motion.poses.to(dtype))
    write_motion(motion, tmp_path / "a.npz")
    prediction = _trained(preprocess=[CENTER, ALIGN]).predict(tmp_path / "a.npz")
    prediction.write(tmp_path / "b.npz")
    future = read_motion(tmp_path / "b.npz").poses.double()
    # The inverse by hand, from the first frame of the recording.
    first = motion.poses[0, 0].double()
    turn = AlignView().matrix(motion.frames(slice(0, 1)).replace(poses=motion.poses[:, :1].double()))
    assert prediction.future is not None
    expected = prediction.future.double() @ turn + first[NTU.joint_index("spine")]
    assert (future - expected).abs().max() < 1e-4


def test_recordings_at_another_rate_are_resampled_backwards_from_the_last_frame(tmp_path: Path) -> None:
    motion = _walk(50).replace(frame_rate=60.0)
    write_motion(motion, tmp_path / "a.npz")
    prediction = _trained().predict(tmp_path / "a.npz")
    x = prediction.prepared.observed.poses
    assert torch.equal(x, motion.poses[:, 11::2])  # 20 of the frames 1, 3, ..., 49
    assert prediction.notices == ("is resampled from 60 Hz to 30 Hz",)
    slow = motion.replace(frame_rate=15.0)
    x = _trained().predict(slow).prepared.observed.poses
    assert torch.equal(x[:, 1::2], motion.poses[:, -10:])
    torch.testing.assert_close(x[:, 2::2], (motion.poses[:, -10:-1] + motion.poses[:, -9:]) / 2)
    same = _trained().predict(motion.replace(frame_rate=29.99))
    assert torch.equal(same.prepared.observed.poses, motion.poses[:, -20:])


def test_a_file_of_ntu_is_prepared_as_in_the_data_set(tmp_path: Path) -> None:
    path = tmp_path / "S001C002P003R002A013.skeleton"
    write_ntu_file(path, np.random.default_rng(0), num_frames=40, bodies=[Body(7, start=5), Body(8, 10, 12)])
    recorded = read_ntu(path)
    expected = recorded
    for transform in NTURGBD.default_preprocess:
        expected = transform(expected)
    prepared = _trained("NTURGBD").predict(path).prepared
    expected = composed(NTURGBD.default_fill)(expected.frames(slice(-20, None)))
    x = prepared.observed.poses
    assert torch.equal(x, expected.poses[: len(x)])
    back = prepared.to_recording(prepared.observed)
    torch.testing.assert_close(back.poses[0], recorded.poses[0, -20:], rtol=1e-4, atol=1e-4)
    raw = _trained("NTURGBD", preprocess=[], fill=[]).predict(path).prepared
    assert torch.equal(raw.observed.poses[0], recorded.poses[0, -20:])


def test_gaps_are_filled_and_joints_that_were_never_seen_have_no_forecast() -> None:
    trained, poses = _trained(), _walk(20).poses[0]
    seen = poses.clone()
    seen[::5, 3] = torch.nan
    motion = Motion(
        poses=seen[None].nan_to_num(),
        present=~seen[None].isnan().any(-1),
        skeleton=trained.model.skeleton,
        frame_rate=30.0,
    )
    x = trained.predict(seen).prepared.observed
    assert torch.equal(x.poses, FillMissing()(motion).poses) and x.present.all()
    seen[:, 3] = torch.nan
    future = trained.predict(seen).future_motion
    assert not future.present[:, :, 3].any() and not future.poses[:, :, 3].any()
    assert future.present.sum() == 24 * future.num_frames


def test_absent_persons_are_left_out(tmp_path: Path) -> None:
    present = torch.ones(3, 30, 25, dtype=torch.bool)
    present[1, 5:] = False
    motion = _walk(30, 3, tracks=(4, 5, 6))
    motion = motion.replace(poses=motion.poses * present[..., None], present=present)
    write_motion(motion, tmp_path / "a.npz")
    prediction = _trained().predict(tmp_path / "a.npz")
    assert prediction.prepared.observed.tracks == (4, 6)
    future = prediction.future_motion
    assert (future.num_persons, future.num_frames, future.tracks) == (2, 5, (4, 6))
    write_motion(motion.persons([1]), tmp_path / "a.npz")
    gone = _trained().predict(tmp_path / "a.npz")
    assert gone.label is not None and gone.future is None
    assert gone.notices == ("has no forecast, because nobody is seen in its last 20 frames",)
    (person,) = gone.persons
    assert (person.track, person.num_windows, person.segments[-1].end) == (5, 1, pytest.approx(5 / 30))


def test_a_step_without_inverse_is_detected(tmp_path: Path) -> None:
    write_motion(_walk(30), tmp_path / "a.npz")
    jitter = {"class_path": "pyg_sybio.data.transforms.JitterJoints", "init_args": {"std": 0.1}}
    prediction = _trained(preprocess=[CENTER, jitter]).predict(tmp_path / "a.npz")
    assert prediction.notices == (
        "has its future in coordinates changed by JitterJoints, which cannot be inverted",
    )


def test_the_future_of_a_time_compressed_recording_has_a_lower_frame_rate() -> None:
    limit = {"name": "LimitLength", "arguments": {"num_frames": 25}}
    trained = _trained(preprocess=[limit])
    long, short = (trained.predict(_walk(num_frames)) for num_frames in (49, 25))
    assert (long.frame_rate, short.frame_rate) == (15.0, 30.0)
    assert long.future_motion.frame_rate == 15.0 and not long.notices


def test_poses_are_treated_as_a_recording_at_the_model_rate() -> None:
    motion = _walk(30, 2)
    trained = _trained(preprocess=[CENTER])
    expected = trained.predict(motion)
    for poses in (motion.poses, motion.poses.double()):
        found = trained.predict(poses)
        assert found.notices == expected.notices
        torch.testing.assert_close(found.future_motion.poses.float(), expected.future_motion.poses)
    present = torch.rand(2, 30, 25) > 0.1
    gaps = motion.replace(poses=motion.poses * present[..., None], present=present)
    poses = motion.poses.masked_fill(~present[..., None], torch.nan)
    assert torch.equal(trained.predict(poses).future, trained.predict(gaps).future)
    one = trained.predict(motion.poses[0])
    assert torch.equal(one.future, trained.predict(motion.persons([0])).future)
    for wrong in (motion.poses[..., :2], motion.poses[:, :, :20], motion.poses[0, 0], motion.poses[:, :0]):
        with pytest.raises(ValueError, match=r"'recording' has shape \[.*\], expected \[T, 25, 3\] or"):
            trained.predict(wrong)
    with pytest.raises(ValueError, match="the recording contains no person"):
        trained.predict(motion.poses * torch.nan)
    with pytest.raises(ValueError, match="not a finite number"):
        trained.predict(motion.poses + torch.inf)


def test_joints_of_a_motion_are_found_by_their_names() -> None:
    order = torch.randperm(25).tolist()
    motion, other = _walk(30), permuted_skeleton(NTU, order)
    trained = _trained(preprocess=[CENTER])
    found = trained.predict(motion.replace(poses=motion.poses[:, :, order], skeleton=other))
    assert torch.equal(found.future, trained.predict(motion).future)


def test_one_of_several_motions_in_a_file_is_read_by_index(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 9, 150)).astype(np.float32), np.eye(3, dtype=np.float32)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y[:2], x_test=x, y_test=y[:2])
    with pytest.raises(ValueError, match=r"a.npz contains several motions, expected one"):
        _trained().predict(tmp_path / "a.npz")
    assert _trained().read(tmp_path / "a.npz", 3).num_frames == 9
    with pytest.raises(ValueError, match=r"a.npz has 4 motions, but motion 4 is requested"):
        _trained().read(tmp_path / "a.npz", 4)
    assert [clip.name for clip in _trained().predict_folder(tmp_path)] == [
        "a.npz", "a.npz: 1", "a.npz: 2", "a.npz: 3",
    ]  # fmt: skip


def test_the_skeleton_file_may_be_in_the_folder(tmp_path: Path) -> None:
    write_motion(_walk(30), tmp_path / "a.npz")
    NTU.save(tmp_path / "mine.json")
    assert [clip.name for clip in _trained().predict_folder(tmp_path)] == ["a.npz"]


def test_labels_of_a_folder_come_from_files_or_file_names_or_a_table(tmp_path: Path) -> None:
    for name in ("a_1", "b_2", "other"):
        write_motion(_walk(30, label="c"), tmp_path / f"{name}.npz")
    plain = {clip.name: clip.label for clip in _trained().predict_folder(tmp_path)}
    assert set(plain.values()) == {"c"}
    named = _trained().predict_folder(tmp_path, pattern=r"(?P<label>\w)_\d\.npz")
    assert [clip.label for clip in named] == ["a", "b", "c"]
    (tmp_path / "clips.csv").write_text("file,label\na_1.npz,x\nb_2.npz,y\nother.npz,z\n")
    assert [clip.label for clip in _trained().predict_folder(tmp_path)] == ["x", "y", "z"]


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_the_written_prediction_is_a_motion_file(suffix: str, tmp_path: Path) -> None:
    write_motion(_walk(30, ids={"subject": "1"}), tmp_path / "a.npz")
    prediction = _trained(preprocess=CENTER).predict(tmp_path / "a.npz")
    prediction.write(tmp_path / f"out{suffix}")
    written = read_motion(tmp_path / f"out{suffix}")
    assert written.equal(prediction.future_motion)
    assert written.skeleton == NTU and written.ids == {"subject": "1"} and written.label is None
    assert not torch.equal(written.poses, prediction.future)  # no longer centred on the spine


def test_a_model_with_one_task_can_predict(tmp_path: Path) -> None:
    only = _trained(variant={"prediction": False}).predict(_walk(30))
    only.write(tmp_path / "out.npz")
    assert only.label == only.ranked()[0][0]
    with np.load(tmp_path / "out.npz") as arrays:
        assert sorted(arrays) == ["class_names", "probabilities"]
    with pytest.raises(ValueError, match="the model was trained without prediction"):
        _ = only.future_motion
    other = _trained(variant={"recognition": False}).predict(_walk(30))
    assert other.ranked() == [] and other.label is None
    other.write(tmp_path / "out.npz")
    assert read_motion(tmp_path / "out.npz").num_frames == 5


def test_representations_are_short_and_differ_between_models() -> None:
    one, other = _trained(), _trained()
    prediction = one.predict(_walk(60))
    shown = [repr(each) for each in (one, prediction, prediction.persons[0], prediction.future_motion)]
    assert all(len(text) <= 120 and "\n" not in text for text in shown)
    assert shown[0].endswith("3 classes, Preparation('ntu25', 20 frames at 30 Hz, FillMissing))")
    assert shown[0] != repr(other)
    assert f"{prediction.label!r}: {prediction.ranked()[0][1]:.3f}" in shown[1]
