"""Each measure compared with loops over clips and their frames."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from memory_store import Store
from torch import Tensor
from torch.utils.benchmark import Timer

from pyg_sybio.data.datasets.cmu_mocap import BENCHMARK, CMUMocap
from pyg_sybio.data.datasets.motion_dataset import MotionDataset
from pyg_sybio.data.datasets.sampling import Sampling
from pyg_sybio.data.datasets.standardize import used_columns
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.synthetic.synthetic import SyntheticMotions
from pyg_sybio.data.transforms import FillMissing
from pyg_sybio.experiments import measures
from pyg_sybio.experiments.experiment import MeasuredModel
from pyg_sybio.experiments.rows import Row
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import Skeleton, load_skeleton
from pyg_sybio.training.data_module import ClipDataModule

NUM_VALUES = 117
USED_COLUMNS = used_columns(BENCHMARK.skeleton, BENCHMARK.used)

SMALL = {
    "channels": [8, 8],
    "strides": [2, 2],
    "fusions": [1],
    "head_channels": 8,
    "actional_channels": 8,
}
NAMES = ("hop", "sit", "skip", "sway", "wave", "yawn")
NTU = load_skeleton("ntu25")
OBSERVED, FUTURE = 8, 9
UNSEEN = 3  # a class without training clips
Numbers = dict[tuple[str, str, float | None], float]


def recording(number: int, names: Sequence[str], skeleton: Skeleton, scale: float) -> Motion:
    """A recording of 13 to 28 frames with some missing joints; its content depends on `number`."""
    generator = torch.Generator().manual_seed(number)
    shape = (1, 13 + number % 16, skeleton.num_joints)
    present = torch.rand(shape, generator=generator) > 0.1
    steps = 0.03 * torch.randn(*shape, 3, generator=generator)
    poses = torch.randn(1, 1, *shape[2:], 3, generator=generator) + steps.cumsum(1)
    return Motion(
        poses=scale * poses * present[..., None],
        present=present,
        skeleton=skeleton,
        frame_rate=25.0,
        label=names[number * 7 % 5 % len(names)],  # the sixth class has no clips
        source=f"clip {number}",
    )


class Recorded(MotionDataset):
    """Data set of clips with one person, whose missing joints are filled."""

    default_fill = (FillMissing(),)

    def __init__(
        self,
        *,
        names: Sequence[str] = NAMES,
        skeleton: Skeleton = NTU,
        scale: float = 1.0,
        num_future: int = FUTURE,
        reserved: int | None = None,
        observation_ratio: float = 1.0,
    ) -> None:
        super().__init__(
            store=Store([recording(number, names, skeleton, scale) for number in range(23)]),  # type: ignore[arg-type]
            class_names=names,
            sampling=Sampling(
                num_observed=OBSERVED,
                num_future=num_future,
                reserved=reserved,
                observation_ratio=observation_ratio,
            ),
        )


def model_of(skeleton: Skeleton = NTU, num_classes: int = len(NAMES), **variant: Any) -> SybioGNN:
    torch.manual_seed(1)
    arguments = {"skeleton": skeleton, "num_classes": num_classes, "num_future": FUTURE, **SMALL, **variant}
    return SybioGNN.from_preset("demo", **arguments).eval()


def trained_of(data: ClipDataModule, model: SybioGNN, seen: Tensor | None = None) -> MeasuredModel:
    num_classes = len(data.clips("test").class_names)
    every = torch.ones(num_classes, dtype=torch.bool)
    seen = every if seen is None else seen
    return MeasuredModel(model, data.splits, seen, "test", data.views, data.batch_size)


def fresh(batch_size: int = 7, **variant: Any) -> MeasuredModel:
    """A model and clips of six classes: one without training clips, and one without any clip."""
    seen = torch.arange(len(NAMES)) != UNSEEN
    return trained_of(ClipDataModule(Recorded, batch_size=batch_size), model_of(**variant), seen)


@pytest.fixture(scope="module")
def trained() -> MeasuredModel:
    return fresh()


def numbers(rows: list[Row]) -> Numbers:
    found = {(row.metric, row.group, row.at): row.value for row in rows}
    assert len(found) == len(rows)
    return found


@dataclass
class Said:
    """The output of a model for one clip, and the recorded poses `[T, M, D]`."""

    logits: Tensor
    future: Tensor
    last: Tensor
    target: Tensor
    mask: Tensor
    y: int


def said_of(
    trained: MeasuredModel,
    observe: Callable[[int, Motion], Tensor] | None = None,
    *,
    share: float = 1.0,
) -> list[Said]:
    """Evaluate each clip separately; `observe` returns the observed frames `[T, M, D]` of a clip."""
    found = []
    for number, motion in enumerate(trained.data.clips("test").store.motions):
        split = max(motion.num_frames - FUTURE, math.ceil(motion.num_frames / 2))
        split = max(1, round(share * split))
        index = [split - OBSERVED + place for place in range(OBSERVED)]
        while min(index) < 0:  # observed frames are repeated at the front
            index = [place + split if place < 0 else place for place in index]
        seen = motion.frames(torch.tensor(index))
        x = filled(seen) if observe is None else observe(number, seen)
        with torch.no_grad():
            out = trained.model(x[None])
        target, mask = torch.zeros(FUTURE, 25, 3), torch.zeros(FUTURE, 25, dtype=torch.bool)
        length = min(FUTURE, motion.num_frames - split)
        target[:length] = motion.poses[0, split : split + length]
        mask[:length] = motion.present[0, split : split + length]
        y = NAMES.index(motion.label)
        found.append(Said(out.logits[0], out.future[0], x[-1], target, mask, y))
    return found


def filled(motion: Motion) -> Tensor:
    """Fill missing joints of `[T, M, D]`: linear interpolation between frames, and constant at both ends.

    A joint that is missing in all frames gets the positions of the nearest other joint.
    """
    poses, frames = motion.poses[0].clone(), np.arange(motion.num_frames)
    recorded = motion.present[0].any(0)
    for joint in range(poses.shape[1]):
        nearest = {joint}
        while not any(recorded[each] for each in nearest):
            nearest |= {a for a, b in NTU.edges if b in nearest} | {b for a, b in NTU.edges if a in nearest}
        source = min(each for each in nearest if recorded[each])
        known = motion.present[0, :, source].numpy()
        for axis in range(3):
            values = motion.poses[0, known, source, axis].numpy()
            poses[:, joint, axis] = torch.from_numpy(np.interp(frames, frames[known], values))
    return poses


def accuracy(said: list[Said]) -> float:
    hits = [int(each.logits.argmax()) == each.y for each in said if each.y != UNSEEN]
    return sum(hits) / len(hits)


def distances(said: Said, poses: Tensor, frame: int) -> list[float]:
    """Distance in millimetres between each recorded joint and its prediction."""
    joints = said.mask[frame].nonzero().flatten().tolist()
    return [1000 * (poses[frame, m] - said.target[frame, m]).norm().item() for m in joints]


def mean_errors(said: list[Said], frame: int, *, still: bool) -> dict[int, float]:
    """Mean error of each class in a future frame (mean over clips of the mean distance), including classes
    that do not occur in training.
    """
    by_class: dict[int, list[float]] = {}
    for each in said:
        poses = each.last.expand_as(each.future) if still else each.future
        if each.mask[frame].any():
            by_class.setdefault(each.y, []).append(float(np.mean(distances(each, poses, frame))))
    return {y: float(np.mean(errors)) for y, errors in by_class.items()}


def short_term(said: list[Said], *, still: bool) -> float:
    """Mean error over classes and over 80, 160 and 320 ms, the horizons within nine future frames."""
    at_horizons = [mean_errors(said, frame, still=still) for frame in (1, 3, 7)]
    return float(np.mean([np.mean(list(errors.values())) for errors in at_horizons]))


def check_corruption(found: Numbers, group: str, strength: float, said: list[Said]) -> None:
    error = "mpjpe_mm"
    assert found["top1", group, strength] == pytest.approx(accuracy(said))
    assert found[error, group, strength] == pytest.approx(short_term(said, still=False), rel=1e-3)
    still = found[f"{error} of zero velocity", group, strength]
    assert still == pytest.approx(short_term(said, still=True), rel=1e-3)


# Unchanged clips -------------------------------------------------------------------------------


def test_recognition_equals_counting_clips(trained: MeasuredModel) -> None:
    found, said = numbers(measures.recognition(trained)), said_of(trained)
    counted = [each for each in said if each.y != UNSEEN]
    assert 0 < len(counted) < len(said)
    assert found.pop(("top1", "", None)) == pytest.approx(accuracy(said))
    top5 = [each.y in each.logits.topk(5).indices.tolist() for each in counted]
    assert found.pop(("top5", "", None)) == pytest.approx(np.mean(top5))
    recall = {
        NAMES[y]: np.mean([int(each.logits.argmax()) == y for each in counted if each.y == y])
        for y in {each.y for each in counted}
    }
    assert found.pop(("mean_class_accuracy", "", None)) == pytest.approx(np.mean(list(recall.values())))
    assert found == {("recall", name, None): pytest.approx(share) for name, share in recall.items()}


def test_motion_equals_mean_errors_by_action_and_horizon(trained: MeasuredModel) -> None:
    found, said = numbers(measures.motion(trained)), said_of(trained)
    metrics = dict.fromkeys(metric for metric, _, _ in found)
    assert list(metrics)[:2] == ["mpjpe_mm", "mpjpe_mm of zero velocity"]
    assert "pck@0.05" in metrics
    for metric, still in (("mpjpe_mm", False), ("mpjpe_mm of zero velocity", True)):
        for ms, frame in ((80, 1), (160, 3), (320, 7)):
            errors = mean_errors(said, frame, still=still)
            assert UNSEEN in errors
            for y, error in errors.items():
                assert found.pop((metric, NAMES[y], ms)) == pytest.approx(error, rel=1e-3)
            mean = np.mean(list(errors.values()))
            assert found.pop((metric, "mean of classes", ms)) == pytest.approx(mean, rel=1e-3)
        assert not [key for key in found if key[0] == metric]


def test_pck_equals_counting_joints_frame_by_frame(trained: MeasuredModel) -> None:
    found, said = numbers(measures.pck(trained)), said_of(trained)
    for metric, still in (("pck", False), ("pck of zero velocity", True)):
        for frame in range(FUTURE):
            shares = []
            for each in said:
                recorded = each.target[each.mask]
                limit = 50 * (recorded.amax(0) - recorded.amin(0)).max().item()  # 5 % of the body size in mm
                poses = each.last.expand_as(each.future) if still else each.future
                if each.mask[frame].any():
                    shares.append(np.mean([d < limit for d in distances(each, poses, frame)]))
            assert len(shares) < len(said) or frame < 6  # some clips have an incomplete future
            assert found.pop((metric, "", frame + 1)) == pytest.approx(np.mean(shares), abs=1e-6)
    assert not found
    assert any(0 < row.value < 1 for row in measures.pck(trained))


def test_calibration_equals_a_loop_over_confidence_bins(trained: MeasuredModel) -> None:
    found = numbers(measures.calibration(trained))
    said = [each for each in said_of(trained) if each.y != UNSEEN]
    probabilities = [each.logits.double().softmax(-1).tolist() for each in said]
    surprise = [-math.log(p[each.y]) for p, each in zip(probabilities, said, strict=True)]
    assert found.pop(("nll", "", None)) == pytest.approx(np.mean(surprise), rel=1e-4)
    squares = [
        sum((share - (c == each.y)) ** 2 for c, share in enumerate(p))
        for p, each in zip(probabilities, said, strict=True)
    ]
    assert found.pop(("brier", "", None)) == pytest.approx(np.mean(squares), rel=1e-4)
    error = 0.0
    for number in range(1, 16):
        inside = [
            (max(p), int(each.logits.argmax()) == each.y)
            for p, each in zip(probabilities, said, strict=True)
            if (number - 1) / 15 < max(p) <= number / 15
        ]
        assert found.pop(("count", "", number)) == len(inside)
        if inside:
            confidence, right = np.mean(inside, axis=0)
            assert found.pop(("confidence", "", number)) == pytest.approx(confidence, rel=1e-4)
            assert found.pop(("accuracy", "", number)) == pytest.approx(right)
            error += len(inside) / len(said) * abs(right - confidence)
    assert found.pop(("ece", "", None)) == pytest.approx(error, rel=1e-4)
    assert not found


def test_confusion_has_a_row_for_every_pair_of_classes(trained: MeasuredModel) -> None:
    found = numbers(measures.confusion(trained))
    said = [each for each in said_of(trained) if each.y != UNSEEN]
    counts = Counter((each.y, int(each.logits.argmax())) for each in said)
    shown = [y for y in range(len(NAMES)) if y != UNSEEN]
    pairs = {(y, taken) for y in {each.y for each in said} for taken in shown} | set(counts)
    assert found == {("confusion", f"{NAMES[y]} -> {NAMES[t]}", None): counts[y, t] for y, t in pairs}
    assert sum(found.values()) == len(said) and 0 in found.values()


class Clock:
    """A mock clock that only advances when an operation is marked as taking time."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


def test_cost_is_the_median_time_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, asked = Clock(), []
    monkeypatch.setattr(measures, "Timer", partial(Timer, timer=clock.perf_counter))
    trained = fresh()

    def takes_time(model: SybioGNN, args: object, kwargs: dict[str, Any], out: object) -> None:
        frames = kwargs.get("num_future") or FUTURE
        asked.append(frames)
        clock.now += 0.1 * frames * (50 if len(asked) == 6 else 1)  # one outlier, as on a busy machine

    trained.model.register_forward_hook(takes_time, with_kwargs=True)
    found = numbers(measures.cost(trained))
    assert found["parameters", "", None] == sum(p.numel() for p in trained.model.parameters())
    assert found["ms_per_clip", "", None] == pytest.approx(100 * FUTURE)
    assert set(asked) == {FUTURE, 10}  # 400 ms at 25 Hz
    assert found["frames_per_20ms", "", None] == pytest.approx(10 * 20 / 1000)
    assert len(found) == 3


def test_uncorrupted_clips_are_evaluated_once() -> None:
    trained, shown = fresh(batch_size=100), []
    trained.model.register_forward_hook(lambda *_: shown.append(1))
    for measure in (
        measures.recognition,
        measures.motion,
        measures.pck,
        measures.calibration,
        measures.confusion,
    ):
        measure(trained)
    assert len(shown) == 1
    measures.recognition(fresh())
    measures.missing_joints(trained)
    assert len(shown) == len(measures.MISSING_SHARES)  # without missing joints, the result is already known


# Shortened and corrupted clips -----------------------------------------------------------------


def test_observation_ratios_select_the_start_of_a_clip(trained: MeasuredModel) -> None:
    found = numbers(measures.observation_ratios(trained))
    assert [at for _, _, at in found] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    for ratio in (0.1, 0.5, 1.0):
        assert found["top1", "", ratio] == pytest.approx(accuracy(said_of(trained, share=ratio)))


def test_noise_depends_on_the_index_of_the_clip(trained: MeasuredModel) -> None:
    found = numbers(measures.noise(trained))
    assert sorted({at for _, _, at in found}) == [step / 100 for step in range(11)]

    def noisy(number: int, seen: Motion, sigma: float) -> Tensor:
        torch.manual_seed(number)
        noise = sigma * torch.randn(1, OBSERVED, 25, 3) * seen.present[..., None]
        return filled(seen.replace(poses=seen.poses + noise))

    for sigma in (0.0, 0.1):
        said = said_of(trained, lambda number, seen, sigma=sigma: noisy(number, seen, sigma))
        check_corruption(found, "noise", sigma, said)
    assert found["mpjpe_mm", "noise", 0.1] > found["mpjpe_mm", "noise", 0.0]


def test_noise_is_in_metres() -> None:
    centimetres = Skeleton.from_dict(NTU.to_dict() | {"units": "cm"})
    data = ClipDataModule(Recorded, {"skeleton": centimetres, "scale": 100.0})
    found = numbers(measures.noise(trained_of(data, model_of(centimetres))))
    expected = numbers(measures.noise(trained_of(ClipDataModule(Recorded), model_of())))
    for sigma in (0.0, 0.05, 0.1):
        key = ("mpjpe_mm of zero velocity", "noise", sigma)
        assert found[key] == pytest.approx(expected[key], rel=1e-4)


def test_missing_joints_are_hidden_in_all_frames_and_filled_as_in_training(trained: MeasuredModel) -> None:
    found = numbers(measures.missing_joints(trained))

    def hidden(number: int, seen: Motion, share: float) -> Tensor:
        torch.manual_seed(number)
        lost = torch.rand(25) < share
        present = seen.present & ~lost
        return filled(seen.replace(poses=seen.poses * present[..., None], present=present))

    for share in (0.1, 0.5):
        said = said_of(trained, lambda number, seen, share=share: hidden(number, seen, share))
        check_corruption(found, "missing joints", share, said)
    check_corruption(found, "missing joints", 0.0, said_of(trained))


def test_dropped_frames_are_filled_as_in_training(trained: MeasuredModel) -> None:
    found = numbers(measures.dropped_frames(trained))

    def gaps(number: int, seen: Motion, share: float) -> Tensor:
        torch.manual_seed(number)
        draws = torch.rand(OBSERVED)
        lost = draws < share
        lost[draws.argmax()] = False
        present = seen.present & ~lost[:, None]
        return filled(seen.replace(poses=seen.poses * present[..., None], present=present))

    for share in (0.2, 0.5):
        said = said_of(trained, lambda number, seen, share=share: gaps(number, seen, share))
        check_corruption(found, "dropped frames", share, said)


def test_frame_rates_equal_evaluation_at_each_rate(trained: MeasuredModel) -> None:
    found = numbers(measures.frame_rates(trained))
    assert {group for _, group, _ in found} == {"as it comes", "resampled"}
    said = said_of(trained, lambda _, seen: filled(seen.frames(torch.tensor([1, 3, 5, 7, 1, 3, 5, 7]))))
    check_corruption(found, "as it comes", 0.5, said)

    def between(_: int, seen: Motion) -> Tensor:
        poses, present = seen.poses.clone(), seen.present.clone()
        for frame in (2, 4, 6):
            poses[:, frame] = (poses[:, frame - 1] + poses[:, frame + 1]) / 2
            present[:, frame] = present[:, frame - 1] & present[:, frame + 1]
        poses = poses * present[..., None]
        return filled(
            seen.replace(poses=poses, present=present).frames(torch.tensor([7, 1, 2, 3, 4, 5, 6, 7]))
        )

    check_corruption(found, "resampled", 0.5, said_of(trained, between))
    for group in ("as it comes", "resampled"):
        check_corruption(found, group, 1.0, said_of(trained))


# Reproducibility and side effects --------------------------------------------------------------

EVERY = (
    measures.recognition,
    measures.motion,
    measures.pck,
    measures.calibration,
    measures.confusion,
    measures.observation_ratios,
    measures.noise,
    measures.missing_joints,
    measures.dropped_frames,
    measures.frame_rates,
)


@pytest.mark.parametrize("measure", EVERY, ids=lambda measure: measure.__name__)
def test_measures_do_not_depend_on_the_batch_size_and_have_no_side_effects(
    measure: Callable[[MeasuredModel], list[Row]],
) -> None:
    trained = fresh(batch_size=5)
    clips = trained.data.clips("test")
    weights = {key: value.clone() for key, value in trained.model.state_dict().items()}
    torch.rand(3)
    before = torch.get_rng_state()
    first = measure(trained)
    assert torch.equal(torch.get_rng_state(), before)
    for key, value in trained.model.state_dict().items():
        assert torch.equal(value, weights[key]), key
    assert not trained.model.training and trained.data.clips("test") is clips and clips.corrupt is None
    torch.manual_seed(99)
    again = measure(fresh(batch_size=23))
    assert [row[:3] for row in again] == [row[:3] for row in first]
    assert [row.value for row in again] == pytest.approx([row.value for row in first], rel=1e-4, abs=1e-6)


def test_cost_has_no_side_effects() -> None:
    trained = fresh()
    before = torch.get_rng_state()
    measures.cost(trained)
    assert torch.equal(torch.get_rng_state(), before)
    assert not trained.model.training


# Missing tasks and data ------------------------------------------------------------------------


def test_a_model_without_prediction_has_no_motion_errors() -> None:
    trained = fresh(prediction=False)
    assert measures.motion(trained) == []
    assert {row.metric for row in measures.missing_joints(trained)} == {"top1"}
    assert {row.metric for row in measures.cost(trained)} == {"parameters", "ms_per_clip"}
    assert measures.recognition(trained) and measures.observation_ratios(trained)
    with pytest.raises(ValueError, match="'pck' measures predicted joints, but the model does not predict"):
        measures.pck(trained)


def test_a_model_without_recognition_has_no_accuracies() -> None:
    trained = fresh(recognition=False)
    assert measures.recognition(trained) == []
    assert "top1" not in {row.metric for row in measures.noise(trained)}
    assert measures.motion(trained) and measures.pck(trained)
    for measure in (measures.calibration, measures.confusion, measures.observation_ratios):
        with pytest.raises(ValueError, match="the model does not recognise"):
            measure(trained)


def test_the_accuracy_is_one_with_one_class() -> None:
    data = ClipDataModule(Recorded, {"names": ["wave"]})
    trained = trained_of(data, model_of(num_classes=1))
    assert numbers(measures.recognition(trained)) == {
        ("top1", "", None): 1,
        ("mean_class_accuracy", "", None): 1,
        ("recall", "wave", None): 1,
    }
    calibration = numbers(measures.calibration(trained))
    assert [calibration[name, "", None] for name in ("ece", "nll", "brier")] == [0, 0, 0]
    assert calibration["count", "", 15] == 23
    assert measures.confusion(trained) == [("confusion", "wave -> wave", None, 23)]
    assert {row.value for row in measures.observation_ratios(trained)} == {1}


def test_pck_is_measured_for_a_single_future_frame() -> None:
    data = ClipDataModule(Recorded, {"names": ["wave"], "num_future": 1})
    found = numbers(measures.pck(trained_of(data, model_of(num_classes=1, num_future=1))))
    assert found.keys() == {("pck", "", 1), ("pck of zero velocity", "", 1)}


@pytest.mark.parametrize(
    "measure", [measures.recognition, measures.calibration, measures.confusion, measures.observation_ratios]
)
def test_recognition_without_clips_of_a_training_class_is_an_error(
    measure: Callable[[MeasuredModel], list[Row]],
) -> None:
    seen = torch.arange(len(NAMES)) == 5
    trained = trained_of(ClipDataModule(Recorded), model_of(), seen)
    with pytest.raises(ValueError, match="no clip of 'test' is of a class that occurred in training"):
        measure(trained)


def test_without_a_recorded_future_there_are_no_motion_errors() -> None:
    trained = trained_of(ClipDataModule(Recorded, {"reserved": 0}), model_of())
    assert measures.motion(trained) == []
    assert measures.recognition(trained)
    assert {row.metric for row in measures.dropped_frames(trained)} == {"top1"}
    with pytest.raises(ValueError, match="the clips of 'test' have no recorded future"):
        measures.pck(trained)


def test_samples_without_recordings_are_corrupted_as_tensors() -> None:
    data = ClipDataModule(SyntheticMotions, {"num_observed": 8, "num_future": 9}, test={"num_clips": 12})
    trained = trained_of(data, model_of(num_classes=12))
    found = numbers(measures.missing_joints(trained))
    clips, hits = data.clips("test"), []
    for number, clip in enumerate(clips):
        torch.manual_seed(number)
        lost = torch.rand(25) < 0.3
        with torch.no_grad():
            out = trained.model((clip.x * ~lost[:, None, None]).transpose(0, 1)[None])
        hits.append(int(out.logits.argmax()) == int(clip.y))
    assert found["top1", "missing joints", 0.3] == pytest.approx(np.mean(hits))
    for measure in (measures.noise, measures.dropped_frames, measures.frame_rates):
        assert measure(trained)
    ratios = {row.at: row.value for row in measures.observation_ratios(trained)}
    assert len(ratios) == 10 and ratios[1.0] == numbers(measures.recognition(trained))["top1", "", None]


@pytest.fixture(scope="module")
def angles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeasuredModel]:
    """A model of joint angles, with files of three actions."""
    root, generator = tmp_path_factory.mktemp("cmu"), np.random.default_rng(0)
    for part, count in (("train", 2), ("test", 1)):
        for action in ("jumping", "running", "walking"):
            (root / part / action).mkdir(parents=True)
            for number in range(1, count + 1):
                frames = np.zeros((190, NUM_VALUES))
                steps = 0.05 * generator.normal(size=(190, len(USED_COLUMNS)))
                frames[:, USED_COLUMNS] = steps.cumsum(0)
                np.savetxt(root / part / action / f"{action}_{number}.txt", frames, delimiter=",")
    settings = {"num_observed": 8, "num_future": 9, "validation_file": None}
    data = ClipDataModule(CMUMocap, settings, test={"split": "test"}, root=str(root))
    with pytest.warns(UserWarning, match="files of the benchmark are missing"):
        skeleton = data.clips("test").skeleton
    yield trained_of(data, model_of(skeleton, num_classes=8))


@pytest.mark.filterwarnings("ignore:.*files of the benchmark are missing")
def test_noise_on_joint_angles_is_in_z_scores(angles: MeasuredModel) -> None:
    clips = angles.data.clips("test")
    found = numbers(measures.noise(angles)) | numbers(measures.frame_rates(angles))
    half = torch.tensor([1, 3, 5, 7, 1, 3, 5, 7])
    for group, at in (("noise", 0.1), ("as it comes", 0.5)):
        errors: dict[int, list[Tensor]] = {}
        for number, clip in enumerate(clips):
            x = clip.x.transpose(0, 1)
            torch.manual_seed(number)
            noise = 0.1 * torch.randn(x.shape, dtype=torch.float64)  # the files have limited precision
            x = x + noise.float() if group == "noise" else x[half]
            with torch.no_grad():
                future = angles.model(x[None]).future
            error = clips.motion_errors(future, clip.future.transpose(0, 1)[None])["angle_mae"][0]
            errors.setdefault(int(clip.y), []).append(error[[1, 3, 7]])
        means = [torch.stack(of_class).mean(0) for of_class in errors.values()]
        expected = torch.stack(means).mean().item()
        assert found["angle_mae", group, at] == pytest.approx(expected, rel=1e-4)
    assert [row.at for row in measures.observation_ratios(angles)] == [step / 10 for step in range(1, 11)]


@pytest.mark.filterwarnings("ignore:.*files of the benchmark are missing")
def test_pck_for_exponential_maps_is_an_error(angles: MeasuredModel) -> None:
    message = "'pck' measures distances, expected positions, got coordinates 'expmap'"
    with pytest.raises(ValueError, match=message):
        measures.pck(angles)
