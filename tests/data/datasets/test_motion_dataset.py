"""Samples compared with their clips, frame by frame."""

import pytest
import torch
from memory_store import Store
from torch import Tensor
from torch_geometric.data import Batch

from pyg_sybio.data.datasets.clip_transforms import ClipTransforms, SomebodySeen
from pyg_sybio.data.datasets.motion_dataset import MotionDataset
from pyg_sybio.data.datasets.sampling import Span
from pyg_sybio.data.datasets.two_tasks import Part
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms import Crop, FillMissing, Pad
from pyg_sybio.skeleton import load_skeleton

NTU = load_skeleton("ntu25")


def clip(num_frames: int, label: str | None = "wave", *, num_persons: int = 1, drop: float = 0.0) -> Motion:
    present = torch.rand(num_persons, num_frames, 25) >= drop
    return Motion(
        poses=torch.randn(num_persons, num_frames, 25, 3) * present[..., None],
        present=present,
        skeleton=NTU,
        frame_rate=30.0,
        label=label,
        source=f"clip of {num_frames}",
    )


def dataset(motions: list[Motion], **arguments: object) -> MotionDataset:
    settings = {"class_names": ("sit", "wave"), "num_observed": 6, "num_future": 4}
    return MotionDataset.from_settings(store=Store(motions), **(settings | arguments))  # type: ignore[arg-type]


def frames_first(values: Tensor, num_persons: int = 1) -> Tensor:
    """Convert features `[P·M, T, D]` to `[P, T, M, D]`."""
    return torch.stack([person.transpose(0, 1) for person in values.chunk(num_persons)])


def test_data_sets_and_samples_have_the_documented_attributes() -> None:
    clips = dataset([clip(10, "sit"), clip(12)])
    assert repr(clips) == "MotionDataset(2, skeleton='ntu25', classes=2, frames=6+4 at 30 Hz)"
    assert (clips.skeleton, clips.class_names, clips.num_classes) == (NTU, ("sit", "wave"), 2)
    assert (clips.num_observed, clips.num_future, clips.frame_rate) == (6, 4, 30.0)
    sample = clips[1]
    assert sample.x.shape == (25, 6, 3)
    assert sample.future.shape == (25, 4, 3)
    assert sample.future_mask.shape == (25, 4, 1)
    assert (sample.x.dtype, sample.future_mask.dtype, sample.y.dtype) == (
        torch.float32,
        torch.bool,
        torch.int64,
    )
    assert [int(item.y) for item in clips] == [0, 1]


def test_a_sample_is_the_end_of_its_clip_with_persons_stacked() -> None:
    motion = clip(13, num_persons=2, drop=0.3)
    sample = dataset([motion])[0]
    filled = FillMissing()(motion.frames(slice(3, 9)))
    torch.testing.assert_close(frames_first(sample.x, 2), filled.poses)
    unfilled = dataset([motion], fill=[])[0]
    torch.testing.assert_close(frames_first(unfilled.x, 2), motion.poses[:, 3:9])
    torch.testing.assert_close(frames_first(sample.future, 2), motion.poses[:, 9:])
    assert torch.equal(frames_first(sample.future_mask, 2)[..., 0], motion.present[:, 9:])


def test_frames_after_the_end_of_a_short_clip_are_masked() -> None:
    sample = dataset([clip(5)])[0]  # three frames are observed, two remain
    assert sample.future_mask[:, :2].all() and not sample.future_mask[:, 2:].any()
    assert not sample.future[:, 2:].any()
    assert torch.equal(sample.x[:, :3], sample.x[:, 3:])


def test_persons_who_are_not_observed_are_left_out() -> None:
    motion = clip(10, num_persons=3)
    present = motion.present.clone()
    present[1, :6] = False  # appears only in the future
    motion = motion.replace(poses=motion.poses * present[..., None], present=present)
    sample = dataset([motion])[0]
    torch.testing.assert_close(frames_first(sample.x, 2), motion.poses[[0, 2], :6])
    torch.testing.assert_close(frames_first(sample.future, 2), motion.poses[[0, 2], 6:])

    nobody = motion.present.clone()
    nobody[:, :6] = False
    sample = dataset([motion.replace(poses=motion.poses * nobody[..., None], present=nobody)])[0]
    assert sample.x.shape == (25, 6, 3) and not sample.x.any()
    torch.testing.assert_close(frames_first(sample.future), motion.poses[:1, 6:])


def test_windows_begin_at_multiples_of_the_stride_and_short_clips_are_one_sample() -> None:
    motions = [clip(17), clip(9), clip(10)]
    clips = dataset(motions, window_stride=3)
    starts = [
        (c, s) for c, motion in enumerate(motions) for s in range(0, 20, 3) if s + 10 <= motion.num_frames
    ]
    assert starts == [(0, 0), (0, 3), (0, 6), (2, 0)]
    assert [(span.clip, span.start) for span in clips.spans] == [*starts[:3], (1, 0), starts[3]]
    for index in range(3):
        window = motions[0].poses[:, 3 * index : 3 * index + 10]
        torch.testing.assert_close(frames_first(clips[index].x), window[:, :6])
        torch.testing.assert_close(frames_first(clips[index].future), window[:, 6:])
        torch.testing.assert_close(clips.motion(index).poses, window)
    torch.testing.assert_close(frames_first(clips[3].future), motions[1].poses[:, 5:])


def test_a_window_may_have_more_future_than_observed_frames() -> None:
    motion = clip(20)
    clips = dataset([motion], num_observed=2, num_future=8, window_stride=10)
    assert len(clips) == 2
    torch.testing.assert_close(frames_first(clips[1].x), motion.poses[:, 10:12])
    torch.testing.assert_close(frames_first(clips[1].future), motion.poses[:, 12:])
    assert clips[1].future_mask.all()


def test_samples_come_only_from_the_given_spans_or_clips() -> None:
    motions = [clip(30), clip(30)]
    clips = dataset(motions, spans=[Span(1, 5, 15), Span(0, 2, 30, split=20)])
    torch.testing.assert_close(frames_first(clips[0].x), motions[1].poses[:, 5:11])
    torch.testing.assert_close(frames_first(clips[1].future), motions[0].poses[:, 20:24])
    assert [span.clip for span in dataset(motions, clips=[1]).spans] == [1]


def test_early_recognition_observes_fewer_frames() -> None:
    motion = clip(24)
    sample = dataset([motion], observation_ratio=0.5, padding="hold")[0]
    torch.testing.assert_close(frames_first(sample.x), motion.poses[:, 4:10])
    sample = dataset([motion], observation_ratio=0.1, padding="hold")[0]
    torch.testing.assert_close(frames_first(sample.x), motion.poses[:, [0, 0, 0, 0, 0, 1]])


def test_partially_observed_clips_keep_their_future() -> None:
    motion = clip(14)
    clips = dataset([motion], num_observed=4)
    part = clips.in_part(Part(0.2, 0.6))
    torch.testing.assert_close(frames_first(part[0].x), motion.poses[:, 2:6])
    torch.testing.assert_close(frames_first(clips[0].x), motion.poses[:, 6:10])
    assert torch.equal(part[0].future, clips[0].future)
    with pytest.raises(ValueError, match=r"'part' is \(0\.6, 0\.2\), expected two fractions"):
        clips.in_part(Part(0.6, 0.2))


def test_reserved_frames_are_never_observed() -> None:
    motions = [clip(24), clip(3)]
    clips = dataset(motions, reserved=1)
    torch.testing.assert_close(frames_first(clips[0].x), motions[0].poses[:, 17:23])
    assert clips[0].future_mask[:, 0].all() and not clips[0].future_mask[:, 1:].any()
    whole = dataset(motions, reserved=0, num_observed=3)
    for index, motion in enumerate(motions):
        torch.testing.assert_close(frames_first(whole[index].x), motion.poses[:, -3:])
        assert not whole[index].future.any() and not whole[index].future_mask.any()


def test_every_sample_draws_a_new_observation_ratio() -> None:
    motion = clip(104)  # the value is the index of the frame in the clip
    motion = motion.replace(poses=torch.arange(104.0).view(1, -1, 1, 1).expand_as(motion.poses).clone())
    clips = dataset([motion], observation_ratio=[0.2, 0.6])
    last = [int(clips[0].x[0, -1, 0]) + 1 for _ in range(200)]
    assert 20 <= min(last) < 25 and 55 < max(last) <= 60
    assert all(int(sample.future[0, 0, 0]) == int(sample.x[0, -1, 0]) + 1 for sample in (clips[0], clips[0]))
    torch.manual_seed(3)
    one = [clips[0].x for _ in range(3)]
    torch.manual_seed(3)
    assert all(torch.equal(clips[0].x, x) for x in one)
    # A fixed ratio does not use the random generator.
    before = torch.get_rng_state()
    dataset([motion], observation_ratio=[0.5, 0.5])[0]
    assert torch.equal(torch.get_rng_state(), before)


def counting(num_frames: int) -> Motion:
    """A clip in which every coordinate is the index of the frame."""
    frames = torch.arange(num_frames, dtype=torch.float32)[None, :, None, None]
    return clip(num_frames).replace(poses=frames.expand(1, -1, 25, 3))


def played(clips: MotionDataset, index: int) -> Tensor:
    """The observed and future frames of a counting clip that a sample contains."""
    sample = clips[index]
    return torch.cat([sample.x, sample.future], dim=1)[0, :, 0]


def test_windows_are_sped_up_and_slowed_down_about_their_center() -> None:
    clips = dataset([counting(60)], window_stride=25, window_tempo=2.0)  # windows 0-9, 25-34, 50-59
    speeds = []
    for _ in range(50):
        window = played(clips, 1)
        steps = window.diff()
        torch.testing.assert_close(steps, steps[:1].expand(9), atol=1e-4, rtol=0)
        assert window.mean().item() == pytest.approx(29.5, abs=1e-4)
        speeds.append(steps[0].item())
    assert 0.5 - 1e-4 <= min(speeds) < 0.6 and 1.7 < max(speeds) <= 2 + 1e-4
    assert 15 < sum(speed < 1 for speed in speeds) < 35  # faster and slower about equally often
    # At the ends of the clip, the window is shifted so that it stays inside.
    for index in (0, 2):
        for _ in range(20):
            window = played(clips, index)
            assert window[0] >= -1e-4 and window[-1] <= 59 + 1e-4


def test_a_window_of_the_whole_clip_can_only_be_slowed_down() -> None:
    clips = dataset([counting(11)], window_stride=1, window_tempo=4.0)
    for _ in range(30):
        assert played(clips, 0).diff().max() <= 10 / 9 + 1e-4


def double(motion: Motion) -> Motion:
    return motion.replace(poses=2 * motion.poses)


def hide_first_joint(motion: Motion) -> Motion:
    present = motion.present.clone()
    present[:, :, 0] = False
    return motion.replace(poses=motion.poses * present[..., None], present=present)


def fill_with_ones(motion: Motion) -> Motion:
    return motion.replace(
        poses=torch.where(motion.present[..., None], motion.poses, 1.0),
        present=torch.ones_like(motion.present),
    )


def test_all_frames_are_augmented_and_observed_frames_corrupted_then_filled() -> None:
    motion = clip(10, drop=0.2)
    sample = dataset([motion], augment=double, corrupt=hide_first_joint, fill=fill_with_ones)[0]
    seen = motion.present[:, :6].clone()
    seen[:, :, 0] = False
    expected = torch.where(seen[..., None], 2 * motion.poses[:, :6], 1.0)
    torch.testing.assert_close(frames_first(sample.x), expected)
    torch.testing.assert_close(frames_first(sample.future), 2 * motion.poses[:, 6:])
    assert torch.equal(frames_first(sample.future_mask)[..., 0], motion.present[:, 6:])


@pytest.mark.parametrize("augment", [Crop(num_frames=9), Pad(num_frames=99)])
def test_augmentation_of_windows_keeps_their_length(augment: Crop | Pad) -> None:
    with pytest.raises(ValueError, match=r"'augment' changed a window of 10 frames to \d+"):
        dataset([clip(30)], window_stride=5, augment=augment)[0]
    assert dataset([clip(30)], augment=Crop(num_frames=9))[0].future_mask.all()


def test_a_data_set_class_has_default_preprocess_and_fill_transforms() -> None:
    class Benchmark(MotionDataset):
        default_preprocess = (double, hide_first_joint)
        default_fill = (fill_with_ones,)

    motion = clip(10, drop=0.5)
    settings = {"store": Store([motion]), "class_names": ["wave"], "num_observed": 6, "num_future": 4}
    filled = Benchmark.from_settings(**settings)[0]
    assert (frames_first(filled.x)[~motion.present[:, :6]] == 1).all()
    unfilled = Benchmark.from_settings(**settings, fill=[])[0]
    assert torch.equal(frames_first(unfilled.x), motion.poses[:, :6])
    assert Benchmark.preparation(ClipTransforms(preprocess=None))(motion).equal(
        hide_first_joint(double(motion))
    )
    assert Benchmark.preparation(ClipTransforms(preprocess=[]))(motion) is motion
    assert torch.equal(
        Benchmark.preparation(ClipTransforms(preprocess=double))(motion).poses, 2 * motion.poses
    )


def test_transforms_of_the_observed_part_keep_persons_and_frames() -> None:
    for wrong in (lambda motion: motion.persons([1, 0]), lambda motion: motion.frames(slice(2))):
        with pytest.raises(
            ValueError, match=r"'corrupt' and 'fill' changed .* expected the same persons and frames"
        ):
            dataset([clip(10, num_persons=2)], corrupt=wrong)[0]


def test_samples_with_different_numbers_of_persons_make_a_batch() -> None:
    clips = dataset([clip(10, num_persons=2), clip(9, "sit")])
    batch = Batch.from_data_list([clips[0], clips[1]])
    assert batch.x.shape == (75, 6, 3)
    assert batch.batch.bincount().tolist() == [50, 25]
    assert batch.y.tolist() == [1, 0]


def test_weights_draw_classes_then_clips_then_windows_uniformly() -> None:
    clips = dataset([clip(10, "sit"), clip(13), clip(10)], window_stride=1)
    weights = clips.sample_weights
    assert weights.tolist() == pytest.approx([1 / 2, *[1 / 2 / 2 / 4] * 4, 1 / 2 / 2])
    assert weights.sum().item() == pytest.approx(1)
    assert clips[1:5].sample_weights.tolist() == pytest.approx([1 / 4] * 4)


@pytest.mark.parametrize(
    ("label", "message"),
    [(None, "clip of 10 has no label, expected one of sit, wave"), ("run", "clip of 10 has the label 'run'")],
)
def test_clips_without_a_known_class_are_refused(label: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataset([clip(12), clip(10, label)])


def test_repeated_class_names_are_refused() -> None:
    with pytest.raises(ValueError, match="'class_names' has 'wave' twice"):
        dataset([clip(12)], class_names=("wave", "wave"))


def test_clips_with_different_frame_rates_are_refused() -> None:
    other = clip(10).replace(frame_rate=25.0)
    with pytest.raises(ValueError, match="clip of 10 has 25 Hz, expected 30 Hz"):
        dataset([clip(12), other])
    with pytest.raises(ValueError, match="clip of 12 has 30 Hz, expected 25 Hz"):
        dataset([clip(12)], frame_rate=25)
    unknown = clip(10).replace(frame_rate=None)
    assert dataset([unknown, clip(12).replace(frame_rate=1 / 0.033333)]).frame_rate == pytest.approx(
        30, abs=1e-3
    )
    assert dataset([unknown], frame_rate=12).frame_rate == 12.0
    with pytest.raises(ValueError, match="'frame_rate' is None, and no clip has one"):
        dataset([unknown])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_observed": 0}, "'num_observed' is 0"),
        ({"num_future": 0}, "'num_future' is 0"),
        ({"reserved": -1}, "'reserved' is -1, expected an integer of at least 0"),
        (
            {"reserved": 2, "window_stride": 1, "num_observed": 4},
            "'reserved' is 2, expected None: the future of a window begins at a fixed frame",
        ),
        ({"observation_ratio": 2.0}, "'observation_ratio' is 2.0"),
        ({"observation_ratio": [0.5, 0.1]}, r"'observation_ratio' is \[0.5, 0.1\]"),
        ({"padding": "zero"}, "'padding' is 'zero'"),
        ({"window_stride": 0}, "'window_stride' is 0, expected an integer of at least 1"),
        ({"window_tempo": 0.9, "window_stride": 1}, "'window_tempo' is 0.9, expected a factor of at least 1"),
        ({"window_tempo": 1.2}, "'window_tempo' is 1.2, expected 1 for whole clips"),
        ({"clips": []}, "there is no clip to take samples from"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataset([clip(10)], **arguments)


def test_one_warning_names_the_clips_left_out_by_preparation() -> None:
    skipped = tuple((f"file {i}", "nobody") for i in range(5))
    with pytest.warns(
        UserWarning, match=r"5 clips are left out: file 0 \(nobody\), .* file 2 \(nobody\) and 2 more"
    ):
        MotionDataset.from_settings(
            store=Store([clip(10)], skipped), class_names=["wave"], num_observed=5, num_future=2
        )  # type: ignore[arg-type]


def test_a_clip_without_persons_is_left_out_by_preparation() -> None:
    motion = clip(10)
    empty = motion.replace(poses=torch.zeros_like(motion.poses), present=torch.zeros_like(motion.present))
    assert SomebodySeen()(motion) is motion
    assert SomebodySeen()(empty) is None
    assert torch.equal(SomebodySeen(double)(motion).poses, 2 * motion.poses)
    assert SomebodySeen(lambda motion: empty)(motion) is None


def test_position_errors_only_count_recorded_joints() -> None:
    clips = dataset([clip(10)])
    target, mask = torch.randn(3, 4, 25, 3), torch.rand(3, 4, 25) > 0.4
    mask[1, 2] = False
    prediction = target + 0.2 * torch.randn_like(target)
    errors = clips.motion_errors(prediction, target, mask)
    assert list(errors) == ["mpjpe_mm", "pck@0.05"]
    for n in range(3):
        recorded = target[n][mask[n]]
        size = (recorded.max(0).values - recorded.min(0).values).max()
        for t in range(4):
            distances = [(prediction[n, t, m] - target[n, t, m]).norm() for m in range(25) if mask[n, t, m]]
            if not distances:
                assert errors["mpjpe_mm"][n, t].isnan() and errors["pck@0.05"][n, t].isnan()
                continue
            near = [float(distance < 0.05 * size) for distance in distances]
            assert errors["mpjpe_mm"][n, t] == pytest.approx(
                1000 * float(sum(distances)) / len(distances), rel=1e-4
            )
            assert errors["pck@0.05"][n, t] == pytest.approx(sum(near) / len(near))


def test_rotations_have_no_position_error() -> None:
    skeleton = load_skeleton("h36m32")
    motion = Motion(poses=torch.randn(1, 10, 32, 3), skeleton=skeleton, label="sit", frame_rate=25.0)
    frames = torch.zeros(1, 4, 32, 3)
    with pytest.raises(ValueError, match="'h36m32' has coordinates 'expmap', expected positions"):
        dataset([motion]).motion_errors(frames, frames)
