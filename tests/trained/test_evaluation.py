"""The report compared with an independent computation, clip by clip."""

import copy
import itertools
import json
import math
from collections import Counter
from pathlib import Path
from statistics import fmean

import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_sybio.data.datasets.motion_folder import MotionFolder
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.motion_file import write_motion
from pyg_sybio.data.synthetic.synthetic import SyntheticMotions
from pyg_sybio.files import read_json, write_json
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.trained.evaluation import (
    Report,
    answers,
    evaluate,
    horizon_frames,
    motion_errors,
    motions,
)
from pyg_sybio.trained.liveness import with_uniform_graphs
from pyg_sybio.trained.report import format_report
from pyg_sybio.trained.views import Views

SMALL = {
    "channels": [8, 8],
    "strides": [2, 2],
    "fusions": [1],
    "head_channels": 8,
    "actional_channels": 8,
}


@pytest.fixture(scope="module")
def clips() -> SyntheticMotions:
    return SyntheticMotions(num_clips=20, num_observed=8, num_future=9, seed=3)


@pytest.fixture(scope="module")
def model(clips: SyntheticMotions) -> SybioGNN:
    torch.manual_seed(1)
    return SybioGNN.from_preset("demo", skeleton=clips.skeleton, num_classes=12, num_future=9, **SMALL).eval()


@pytest.fixture(scope="module")
def report(model: SybioGNN, clips: SyntheticMotions) -> Report:
    return evaluate(model, clips, batch_size=7)


def test_results_with_mirror_images_are_means_and_symmetric(model: SybioGNN, clips: SyntheticMotions) -> None:
    joints = clips.skeleton.joints
    other_side = {"left": "right", "right": "left"}
    image_of = [
        joints.index("_".join(other_side.get(word, word) for word in joint.split("_"))) for joint in joints
    ]
    assert image_of != sorted(image_of)

    def image(poses: torch.Tensor) -> torch.Tensor:
        return poses[..., image_of, :] * torch.tensor([-1.0, 1.0, 1.0])

    images = copy.copy(clips)
    images.clips = image(clips.clips.transpose(1, 2)).transpose(1, 2)
    seen, seen_images = (
        answers(model, each, batch_size=7, views=Views(mirror="x")) for each in (clips, images)
    )
    with torch.no_grad():
        observed = torch.stack([clip.x.transpose(0, 1) for clip in clips])
        direct, reflected = model(observed), model(image(observed))
    assert not torch.allclose(direct.logits, reflected.logits, atol=1e-3)

    mean = (direct.logits.softmax(-1) + reflected.logits.softmax(-1)) / 2
    future = torch.stack([clip.future.transpose(0, 1) for clip in clips])
    distance = ((direct.future + image(reflected.future)) / 2 - future).square().sum(-1).sqrt().mean(-1)
    for found in (seen, seen_images):
        assert found.logits is not None
        torch.testing.assert_close(found.logits.softmax(-1), mean)
        means = found.errors["mpjpe_mm"]["model"].means()["mean_of_clips"]
        torch.testing.assert_close(means.float(), 1000 * distance.mean(0))


def test_mirror_images_need_a_data_set_that_supports_them(model: SybioGNN, clips: SyntheticMotions) -> None:
    class Unmirrored(torch.utils.data.Dataset):
        skeleton, class_names = clips.skeleton, clips.class_names

    with pytest.raises(ValueError, match=r"Unmirrored has no method 'mirrored\(poses, axis\)'"):
        answers(model, Unmirrored(), views=Views(mirror="x"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'axis' is 'w', but skeleton 'ntu25' has coordinates 'xyz'"):
        answers(model, clips, views=Views(mirror="w"))


def test_horizons_are_converted_to_the_nearest_frames() -> None:
    # Frame 0 is the first predicted frame: 40 ms after the last observed one, at 25 Hz.
    assert horizon_frames(25.0, 25) == {80: 1, 160: 3, 320: 7, 400: 9, 560: 13, 1000: 24}
    assert list(horizon_frames(25.0, 10)) == [80, 160, 320, 400]
    assert horizon_frames(25.0, 1) == {40: 0}
    # At 30 Hz, no frame is at 80 ms; the last frame has a separate horizon.
    assert horizon_frames(30.0, 9) == {67: 1, 167: 4, 300: 8}
    for rate in (15.0, 30.0, 50.0):
        for ms, frame in horizon_frames(rate, 100).items():
            assert abs((frame + 1) / rate * 1000 - ms) <= 0.5


def test_motion_errors_equal_the_means_over_single_clips(
    model: SybioGNN, clips: SyntheticMotions, report: Report
) -> None:
    frames = [1, 3, 7, 8]
    assert report["horizons_ms"] == [80, 160, 320, 360]
    class_means = {"model": [], "zero_velocity": []}
    for index, name in enumerate(clips.class_names):
        errors = {"model": [], "zero_velocity": []}
        for clip in (clip for clip in clips if int(clip.y) == index):
            observed, future = clip.x.transpose(0, 1), clip.future.transpose(0, 1)
            with torch.no_grad():
                predicted = model(observed[None]).future[0]
            for predictor, poses in (("model", predicted), ("zero_velocity", observed[-1:])):
                distance = (poses - future).square().sum(-1).sqrt().mean(-1)
                errors[predictor].append(1000 * distance[frames])
        row = report["motion"]["mpjpe_mm"]["classes"][name]
        assert row["futures"] == len(errors["model"])
        for predictor, values in errors.items():
            mean = torch.stack(values).mean(0)
            class_means[predictor].append(mean)
            torch.testing.assert_close(torch.tensor(row[predictor]), mean, rtol=1e-4, atol=1e-3)
    mean_of_classes = report["motion"]["mpjpe_mm"]["mean_of_classes"]
    means = {predictor: torch.stack(rows).mean(0) for predictor, rows in class_means.items()}
    for predictor, mean in means.items():
        torch.testing.assert_close(torch.tensor(mean_of_classes[predictor]), mean, rtol=1e-4, atol=1e-3)
    ratio = means["model"] / means["zero_velocity"]
    torch.testing.assert_close(torch.tensor(mean_of_classes["ratio"]), ratio, rtol=1e-4, atol=1e-4)


def test_top_k_accuracy_equals_a_count_of_clips(
    model: SybioGNN, clips: SyntheticMotions, report: Report
) -> None:
    hits = {1: 0, 5: 0}
    for clip in clips:
        with torch.no_grad():
            ranked = model(clip.x.transpose(0, 1)[None]).logits[0].argsort(descending=True).tolist()
        for k in hits:
            hits[k] += int(clip.y) in ranked[:k]
    recognition = report["recognition"]
    assert recognition["clips"] == len(clips)
    assert recognition["top1"] == pytest.approx(hits[1] / len(clips))
    assert recognition["top5"] == pytest.approx(hits[5] / len(clips))


def test_recall_confusion_and_calibration_equal_counts_of_clips(
    model: SybioGNN, clips: SyntheticMotions, report: Report
) -> None:
    taken: dict[str, list[str]] = {}
    probabilities = []
    for clip in clips:
        with torch.no_grad():
            logits = model(clip.x.transpose(0, 1)[None]).logits[0]
        taken.setdefault(clips.class_names[int(clip.y)], []).append(clips.class_names[int(logits.argmax())])
        probabilities.append((float(logits.softmax(-1).max()), int(logits.argmax()) == int(clip.y)))
    recognition = report["recognition"]
    assert recognition["confusion"] == {name: dict(Counter(guesses)) for name, guesses in taken.items()}
    recall = {name: guesses.count(name) / len(guesses) for name, guesses in taken.items()}
    assert recognition["recall"] == pytest.approx(recall)
    assert recognition["mean_class_accuracy"] == pytest.approx(sum(recall.values()) / len(recall))
    gaps = [0.0] * 15  # sum of correct minus confidence per bin
    for confidence, right in probabilities:
        gaps[math.ceil(15 * confidence) - 1] += (right - confidence) / len(clips)
    assert recognition["ece"] == pytest.approx(sum(map(abs, gaps)), rel=1e-5)
    line = next(line for line in format_report(report).splitlines() if line.startswith("recognition: "))
    assert f"mean class accuracy {recognition['mean_class_accuracy']:.2%}" in line


def test_recognition_is_not_reported_without_clips_of_training_classes(
    model: SybioGNN, clips: SyntheticMotions
) -> None:
    report = evaluate(model, clips, seen_classes=torch.zeros(12, dtype=torch.bool))
    assert "not counted: 20 clips of classes without training clips: walking, " in format_report(report)
    unseen = report["recognition"].pop("not_in_training")
    forged = report | {"recognition": report["recognition"] | {"not_in_training": {"a\nmotion: b": 1}}}
    assert r"without training clips: a\u000amotion: b" in format_report(forged)
    assert unseen.keys() == {*clips.class_names} and sum(unseen.values()) == 20
    assert report["recognition"] == {"clips": 0, "classes": []}
    assert "recognition: 0 clips of 0 classes" in format_report(report)


class Noisy(SyntheticMotions):
    """Clips with noise from torch's global generator."""

    def get(self, idx: int) -> Data:
        data = super().get(idx)
        return Data(x=data.x + 0.1 * torch.randn_like(data.x), future=data.future, y=data.y)


def test_random_numbers_depend_on_the_index_of_the_clip(model: SybioGNN) -> None:
    clips = Noisy(num_clips=20, num_observed=8, num_future=9, seed=3)
    before = torch.get_rng_state()
    first = answers(model, clips, batch_size=7)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    again = answers(model, clips, batch_size=20)
    torch.testing.assert_close(again.logits, first.logits, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.manual_seed(3)
        third = model(clips[3].x.transpose(0, 1)[None]).logits[0]
    torch.testing.assert_close(first.logits[3], third, rtol=1e-4, atol=1e-5)


def test_recognition_ignores_classes_without_training_clips(
    model: SybioGNN, clips: SyntheticMotions, report: Report
) -> None:
    seen = torch.arange(12) != 2
    restricted = evaluate(model, clips, seen_classes=seen)
    assert clips.class_names[2] not in restricted["recognition"]["classes"]
    assert restricted["recognition"]["clips"] == int((clips.labels != 2).sum())
    assert (
        restricted["motion"]["mpjpe_mm"]["classes"].keys() == report["motion"]["mpjpe_mm"]["classes"].keys()
    )


def test_the_argument_actions_selects_the_classes_of_the_report(
    model: SybioGNN, clips: SyntheticMotions, report: Report
) -> None:
    names = clips.class_names[3:5]
    restricted = evaluate(model, clips, actions=names)
    errors, full = restricted["motion"]["mpjpe_mm"], report["motion"]["mpjpe_mm"]
    assert list(errors["classes"]) == list(names)
    assert restricted["clips"] == sum(errors["classes"][name]["futures"] for name in names)
    mean = [sum(pair) / 2 for pair in zip(*(full["classes"][name]["model"] for name in names), strict=True)]
    assert errors["mean_of_classes"]["model"] == pytest.approx(mean, rel=1e-4)


def test_top5_needs_five_classes(clips: SyntheticMotions) -> None:
    class FourClasses(SyntheticMotions):
        def __init__(self) -> None:
            super().__init__(num_clips=12, num_observed=8, num_future=9)
            self.class_names = self.class_names[:4]
            self.clips, self.labels = self.clips[self.labels < 4], self.labels[self.labels < 4]

    small = SybioGNN.from_preset("demo", skeleton=clips.skeleton, num_classes=4, num_future=9, **SMALL)
    recognition = evaluate(small, FourClasses())["recognition"]
    assert "top1" in recognition
    assert "top5" not in recognition


@pytest.mark.parametrize("left_out", ["prediction", "recognition"])
def test_a_disabled_task_is_left_out_of_the_report(left_out: str, clips: SyntheticMotions) -> None:
    one_task = SybioGNN.from_preset(
        "demo", skeleton=clips.skeleton, num_classes=12, num_future=9, **SMALL, **{left_out: False}
    )
    report = evaluate(one_task, clips)
    assert ("motion" in report) == (left_out == "recognition")
    assert ("recognition" in report) == (left_out == "prediction")
    assert format_report(report)


def test_each_person_has_the_class_of_its_clip(model: SybioGNN, clips: SyntheticMotions) -> None:
    pair = Data(
        x=torch.cat([clips[0].x, clips[1].x]),
        future=torch.cat([clips[0].future, clips[1].future]),
        y=clips[0].y,
    )
    batch = Batch.from_data_list([pair, clips[2]])
    with torch.no_grad():
        found = motions(model(batch), batch)
    assert found.y.tolist() == [int(clips[0].y), int(clips[0].y), int(clips[2].y)]
    for row in range(3):
        torch.testing.assert_close(found.target[row], clips[row].future.transpose(0, 1))
        still = clips[row].x[:, -1].expand_as(found.target[row])
        torch.testing.assert_close(found.zero_velocity[row], still)


def test_clips_of_a_single_class_and_a_single_future_frame_are_evaluated() -> None:
    class OneClass(SyntheticMotions):
        def __init__(self) -> None:
            super().__init__(num_clips=12, num_observed=8, num_future=1, frame_rate=12.5)
            self.class_names, self.labels = ("moving",), torch.zeros_like(self.labels)

    clips = OneClass()
    small = SybioGNN.from_preset("demo", skeleton=clips.skeleton, num_classes=1, num_future=1, **SMALL)
    report = evaluate(small, clips)
    assert report["recognition"]["confusion"] == {"moving": {"moving": 12}}
    assert (report["recognition"]["mean_class_accuracy"], report["recognition"]["ece"]) == (1, 0)
    assert report["horizons_ms"] == [80]
    still = torch.stack([clip.x[:, -1] - clip.future[:, 0] for clip in clips]).norm(dim=-1).mean().item()
    errors = report["motion"]["mpjpe_mm"]
    assert errors["mean_of_classes"]["zero_velocity"] == pytest.approx([1000 * still], rel=1e-4)
    assert errors["classes"]["moving"]["futures"] == 12
    assert format_report(report)


def test_data_with_another_skeleton_are_refused(model: SybioGNN) -> None:
    other = SyntheticMotions(skeleton="smpl24", num_clips=1, num_observed=8, num_future=9)
    with pytest.raises(ValueError, match="the model has skeleton 'ntu25', but the data has 'smpl24'"):
        evaluate(model, other)


def test_data_with_another_number_of_classes_are_refused(clips: SyntheticMotions) -> None:
    other = SybioGNN.from_preset(
        "demo", skeleton=load_skeleton("ntu25"), num_classes=3, num_future=9, **SMALL
    )
    with pytest.raises(ValueError, match="the model has 3 classes, but the data has 12"):
        evaluate(other, clips)


def test_an_unknown_action_is_refused(model: SybioGNN, clips: SyntheticMotions) -> None:
    with pytest.raises(ValueError, match="'actions' has 'flying', expected some of walking"):
        evaluate(model, clips, actions=["flying"])


def test_a_written_report_is_read_back_unchanged(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.json"
    write_json(path, report)
    assert json.loads(path.read_text()) == report
    assert [file.name for file in path.parent.iterdir()] == ["report.json"]


def test_numbers_that_are_not_finite_are_written_as_null(tmp_path: Path) -> None:
    write_json(tmp_path / "report.json", {"errors": [float("nan"), (1.5, math.inf)], "top1": math.nan})
    assert read_json(tmp_path / "report.json") == {"errors": [None, [1.5, None]], "top1": None}


def test_the_report_of_a_diverged_model_is_written(clips: SyntheticMotions, tmp_path: Path) -> None:
    model = SybioGNN.from_preset("demo", skeleton=clips.skeleton, num_classes=12, num_future=clips.num_future)
    for weight in model.parameters():
        torch.nn.init.constant_(weight, math.nan)
    found = evaluate(model, clips)
    assert "| model         |     inf |" in format_report(found, by_class=False)
    write_json(tmp_path / "report.json", found)
    written = read_json(tmp_path / "report.json")
    assert (
        written["recognition"]["ece"] is None
        and written["recognition"]["top1"] == found["recognition"]["top1"]
    )
    assert {*written["motion"]["mpjpe_mm"]["mean_of_classes"]["model"]} == {None}


def test_a_model_with_only_the_bone_network_has_no_motion_errors(clips: SyntheticMotions) -> None:
    model = SybioGNN.from_preset(
        "demo", skeleton=clips.skeleton, num_classes=12, num_future=9, **SMALL, joints=False
    )
    report = evaluate(model, clips)
    assert "motion" not in report
    assert report["recognition"]["clips"] == len(clips)


@pytest.fixture(scope="module")
def alive(model: SybioGNN, clips: SyntheticMotions) -> SybioGNN:
    """A model whose norms have the statistics of the clips, without which its graphs are nearly uniform."""
    alive = copy.deepcopy(model).train()
    for module in alive.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.momentum = 1.0
    alive(torch.stack([clip.x.transpose(0, 1) for clip in clips]))
    return alive.eval()


# Liveness is computed from the graphs of whole clips without mirror images.
@pytest.mark.parametrize("views", [Views(), Views(mirror="x")])
def test_the_liveness_is_the_mean_over_single_clips(
    alive: SybioGNN, clips: SyntheticMotions, views: Views
) -> None:
    report = evaluate(alive, clips, batch_size=7, views=views)
    distances: dict[str, list[float]] = {"joints": [], "bones": []}
    entropies: dict[str, list[float]] = {"joints": [], "bones": []}
    for clip in clips:
        with torch.no_grad():
            out = alive(clip.x.transpose(0, 1)[None])
        for network, graph in (("joints", out.actional[0]), ("bones", out.bone_actional[0])):
            rows = graph.double().tolist()
            pairs = itertools.combinations(rows, 2)
            distances[network].append(
                fmean(sum(abs(p - q) for p, q in zip(a, b, strict=True)) / 2 for a, b in pairs)
            )
            entropies[network].append(
                fmean(-sum(p * math.log(p) for p in row if p > 0) for row in rows) / math.log(len(rows))
            )
    assert report["actional_graphs"].keys() == {"joints", "bones"}
    for network, found in report["actional_graphs"].items():
        assert found["row_distance"] == pytest.approx(fmean(distances[network]), rel=1e-4)
        assert found["entropy"] == pytest.approx(fmean(entropies[network]), rel=1e-4)
        assert found["dead"] is False
    assert json.loads(json.dumps(report["actional_graphs"], allow_nan=False)) == report["actional_graphs"]


def test_the_report_contains_the_liveness_of_the_graphs(alive: SybioGNN, clips: SyntheticMotions) -> None:
    report = evaluate(alive, clips)
    lines = format_report(report).splitlines()
    for network, found in report["actional_graphs"].items():
        line = (
            f"actional graphs of the {network}: rows differ by {found['row_distance']:.3f}, "
            f"entropy {found['entropy']:.1%} of uniform"
        )
        assert lines.count(line) == 1
    dead = evaluate(with_uniform_graphs(alive), clips)
    for network in ("joints", "bones"):
        assert dead["actional_graphs"][network]["dead"] is True
        assert dead["actional_graphs"][network]["row_distance"] == pytest.approx(0, abs=1e-6)
        assert dead["actional_graphs"][network]["entropy"] == pytest.approx(1)
        line = f"actional graphs of the {network}: rows differ by 0.000, entropy 100.0% of uniform: dead"
        assert any(each.startswith(line) for each in format_report(dead).splitlines())


@pytest.mark.parametrize(
    ("overrides", "networks"),
    [({"bones": False}, {"joints"}), ({"joints": False}, {"bones"}), ({"actional": False}, None)],
)
def test_only_networks_with_actional_graphs_are_reported(
    overrides: dict[str, bool], networks: set[str] | None, clips: SyntheticMotions
) -> None:
    model = SybioGNN.from_preset(
        "demo", skeleton=clips.skeleton, num_classes=12, num_future=9, **SMALL, **overrides
    )
    report = evaluate(model, clips)
    assert ("actional_graphs" in report) == (networks is not None)
    assert report.get("actional_graphs", {}).keys() == (networks or set())
    assert ("actional graphs" in format_report(report)) == (networks is not None)


def test_the_table_shows_the_values_of_the_report(report: Report, clips: SyntheticMotions) -> None:
    text = format_report(report)
    for name in clips.class_names:
        for value in report["motion"]["mpjpe_mm"]["classes"][name]["model"]:
            assert f"{value:.3f}" in text
    means = format_report(report, by_class=False)
    assert clips.class_names[0] not in means
    assert f"{report['recognition']['top1']:.2%}" in means


class Masked(SyntheticMotions):
    """Clips with partly unrecorded futures, which contain `filler`."""

    def __init__(self, filler: float = 0.0) -> None:
        super().__init__(num_clips=20, num_observed=8, num_future=9, seed=3)
        generator = torch.Generator().manual_seed(5)
        self.masks = torch.rand(20, 25, 9, 1, generator=generator) > 0.4
        self.masks[:, :, 7:] = False  # no clip was recorded at 320 ms
        self.masks[4] = False
        self.masks[self.labels == self.labels[0], :, 3] = False  # one class was not recorded at 160 ms
        self.filler = filler

    def get(self, idx: int) -> Data:
        data = super().get(idx)
        future = data.future.masked_fill(~self.masks[idx], self.filler)
        return Data(x=data.x, future=future, future_mask=self.masks[idx], y=data.y)


def test_errors_include_only_recorded_frames(model: SybioGNN) -> None:
    clips = Masked()
    report = evaluate(model, clips, batch_size=7)
    errors = {"model": {}, "zero_velocity": {}}
    for index, clip in enumerate(clips):
        observed, mask = clip.x.transpose(0, 1), clips.masks[index, ..., 0]
        with torch.no_grad():
            predicted = model(observed[None]).future[0]
        for frame in (1, 3):
            joints = mask[:, frame].nonzero().flatten().tolist()
            for predictor, pose in (("model", predicted[frame]), ("zero_velocity", observed[-1])):
                distances = [1000 * (pose[m] - clip.future[m, frame]).norm().item() for m in joints]
                if distances:
                    mean = sum(distances) / len(distances)
                    errors[predictor].setdefault((int(clip.y), frame), []).append(mean)
    shown = report["motion"]["mpjpe_mm"]["classes"]
    for predictor, found in errors.items():
        assert {label for label, _ in found} == {clips.class_names.index(name) for name in shown}
        for name, row in shown.items():
            rows = [found.get((clips.class_names.index(name), frame)) for frame in (1, 3)]
            means = [values and pytest.approx(sum(values) / len(values), rel=1e-4) for values in rows]
            assert row[predictor] == [*means, None, None]
        assert shown[clips.class_names[int(clips.labels[0])]][predictor][1] is None
        for column, frame in enumerate((1, 3)):
            means = [sum(values) / len(values) for (_, at), values in found.items() if at == frame]
            mean = report["motion"]["mpjpe_mm"]["mean_of_classes"][predictor][column]
            assert mean == pytest.approx(sum(means) / len(means), rel=1e-4)
    assert sum(row["futures"] for row in shown.values()) == 19
    assert clips.class_names[int(clips.labels[4])] not in shown  # its only clip was not recorded
    assert report["motion"]["mpjpe_mm"]["mean_of_classes"]["ratio"][2] is None
    assert format_report(report)


def test_values_of_absent_joints_are_ignored(model: SybioGNN, tmp_path: Path) -> None:
    expected = evaluate(model, Masked())
    for filler in (1e6, float("nan")):
        assert evaluate(model, Masked(filler)) == expected
    write_json(tmp_path / "report.json", expected)
    assert json.loads((tmp_path / "report.json").read_text()) == expected


def test_horizons_without_recordings_are_reported(model: SybioGNN, tmp_path: Path) -> None:
    clips = Masked()
    of_first = clips.labels == clips.labels[0]
    clips.masks[~of_first] = False
    names = [name for name in clips.class_names if name != clips.class_names[int(clips.labels[0])]]
    assert "was not recorded" not in format_report(evaluate(model, clips))
    report = evaluate(model, clips, actions=names)
    assert report["motion"] == {}
    assert report["recognition"]["clips"] == int((~of_first).sum())
    text = format_report(report)
    assert text.count("motion: no errors, because the future of these clips was not recorded") == 1
    assert "nan" not in text and "|" not in text
    write_json(tmp_path / "report.json", report)
    assert json.loads((tmp_path / "report.json").read_text()) == report


def test_a_nan_prediction_has_an_infinite_error() -> None:
    clips = Masked()
    recorded = clips.masks[:2, ..., 0].transpose(1, 2)
    target = torch.stack([clips[i].future.transpose(0, 1) for i in range(2)])
    for mask, measured in ((recorded, recorded.any(-1)), (None, torch.ones(2, 9, dtype=torch.bool))):
        errors = motion_errors(clips, torch.full_like(target, torch.nan), target, mask)
        assert torch.equal(errors["mpjpe_mm"].isinf(), measured)
        assert torch.equal(errors["mpjpe_mm"].isnan(), ~measured)


def test_each_person_has_the_mask_of_its_future(model: SybioGNN) -> None:
    clips = Masked()
    pair = Data(
        x=torch.cat([clips[0].x, clips[1].x]),
        future=torch.cat([clips[0].future, clips[1].future]),
        future_mask=torch.cat([clips[0].future_mask, clips[1].future_mask]),
        y=clips[0].y,
    )
    batch = Batch.from_data_list([pair, clips[2]])
    with torch.no_grad():
        found = motions(model(batch), batch)
    assert found.recorded is not None
    for row in range(3):
        assert torch.equal(found.recorded[row], clips.masks[row, ..., 0].T)


def test_windows_are_not_counted_as_clips(tmp_path: Path) -> None:
    skeleton = load_skeleton("ntu25")
    for name, num_frames in (("a", 40), ("b", 9)):
        poses = torch.randn(1, num_frames, 25, 3)
        motion = Motion(poses=poses, skeleton=skeleton, frame_rate=30.0, label=name)
        write_motion(motion, tmp_path / f"{name}.npz")
    (tmp_path / "clips.csv").write_text("file,split\na.npz,test\nb.npz,test\n")
    clips = MotionFolder.from_settings(
        root=tmp_path,
        split="test",
        num_observed=8,
        num_future=9,
        window_stride=10,
        progress=False,
    )
    model = SybioGNN.from_preset("demo", skeleton=skeleton, num_classes=2, num_future=9, **SMALL).eval()
    report = evaluate(model, clips)
    assert (report["clips"], report["windows"]) == (2, 4)
    assert (report["recognition"]["clips"], report["recognition"]["windows"]) == (2, 4)
    text = format_report(report)
    assert text.startswith("MotionFolder: 4 windows of 2 clips")
    assert "(4 windows of 2 clips of 2 classes" in text
    assert "predicted frames 2, 5, 9, the nearest to 80, 160, " in text and "  67 ms |" in text
