"""Several views of a clip compared with the output of the model for each of them."""

from typing import Any

import pytest
import torch
from memory_store import Store
from torch import Tensor
from torch_geometric.data import Batch

from pyg_sybio.data.datasets.motion_dataset import MotionDataset
from pyg_sybio.data.motion import Motion
from pyg_sybio.data.synthetic.synthetic import SyntheticMotions
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.trained.evaluation import answers
from pyg_sybio.trained.views import Views

NTU = load_skeleton("ntu25")
PARTS = ((0.0, 0.75), (0.25, 1.0))


@pytest.fixture(scope="module")
def model() -> SybioGNN:
    torch.manual_seed(0)
    small = {"channels": [8, 8], "strides": [2, 2], "fusions": [1], "head_channels": 8}
    return SybioGNN.from_preset(
        "demo", skeleton=NTU, num_classes=2, num_future=4, actional_channels=8, **small
    ).eval()


@pytest.fixture(scope="module")
def poses() -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randn(1, num_frames, 25, 3).cumsum(1) / 5 for num_frames in (12, 20, 16)]


@pytest.fixture(scope="module")
def clips(poses: list[Tensor]) -> MotionDataset:
    motions = [Motion(poses=each, skeleton=NTU, frame_rate=30.0, label="wave") for each in poses]
    names = {"class_names": ("sit", "wave")}
    return MotionDataset.from_settings(
        store=Store(motions), num_observed=8, num_future=4, padding="hold", **names
    )  # type: ignore[arg-type]


def said_of(model: SybioGNN, shown: Tensor) -> Any:
    """The output of a model for the last eight frames, with the first frame repeated if there are fewer."""
    held = shown[:, :1].expand(-1, max(0, 8 - shown.size(1)), -1, -1)
    with torch.no_grad():
        return model(torch.cat([held, shown], dim=1)[:, -8:])


def test_recognition_averages_all_views_and_the_forecast_only_views_of_whole_clips(
    model: SybioGNN, clips: MotionDataset, poses: list[Tensor]
) -> None:
    signs, other_side = torch.tensor([-1.0, 1.0, 1.0]), list(NTU.mirror_permutation)
    means, errors = [], []
    for clip in poses:
        observed = clip[:, :-4]
        count = observed.size(1)  # 8, 16 or 12 frames, divisible by four
        shown = [observed, observed[:, : 3 * count // 4], observed[:, count // 4 :]]
        shown += [each[:, :, other_side] * signs for each in shown]
        outs = [said_of(model, each) for each in shown]
        means.append(torch.stack([out.logits.softmax(-1) for out in outs]).mean(0))
        future = (outs[0].future + outs[3].future[:, :, other_side] * signs) / 2
        errors.append((future - clip[:, -4:]).square().sum(-1).sqrt().mean(-1))
    views = Views(mirror="x", parts=PARTS)
    found = answers(model, clips, batch_size=2, views=views)
    assert found.logits is not None and views.count == 6
    torch.testing.assert_close(found.logits.softmax(-1), torch.cat(means))
    measured = found.errors["mpjpe_mm"]["model"].means()["mean_of_clips"]
    torch.testing.assert_close(measured.float(), 1000 * torch.cat(errors).mean(0))

    parts_alone = answers(model, clips, views=Views(parts=PARTS))
    once = answers(model, clips)
    assert once.logits is not None and parts_alone.logits is not None
    assert not torch.allclose(parts_alone.logits.softmax(-1), once.logits.softmax(-1), rtol=0, atol=1e-6)
    for name, of_model in once.errors.items():
        assert torch.equal(
            of_model["model"].means()["mean_of_clips"],
            parts_alone.errors[name]["model"].means()["mean_of_clips"],
        )


def test_stretched_views_are_resampled_to_the_observed_frames(
    model: SybioGNN, clips: MotionDataset, poses: list[Tensor]
) -> None:
    means = []
    for clip in poses:
        observed = clip[:, :-4]
        shown = [observed, observed[:, : 3 * observed.size(1) // 4]]
        for each in shown[:2]:
            if each.size(1) < 8:  # 6 frames
                rows = each.flatten(2).mT
                longer = torch.nn.functional.interpolate(rows, size=8, mode="linear", align_corners=True)
                each = longer.mT.unflatten(2, each.shape[2:])
            shown.append(each)
        means.append(torch.stack([said_of(model, each).logits.softmax(-1) for each in shown]).mean(0))
    views = Views.from_settings({"parts": PARTS[:1], "stretch": True})
    found = answers(model, clips, batch_size=2, views=views)
    assert found.logits is not None and views.count == 4
    torch.testing.assert_close(found.logits.softmax(-1), torch.cat(means))
    assert Views.from_settings(views.to_settings()) == views
    padded = answers(model, clips, views=Views(parts=PARTS[:1])).logits
    assert padded is not None and not torch.allclose(padded.softmax(-1), found.logits.softmax(-1), atol=1e-6)


def test_views_work_for_models_with_one_task(clips: MotionDataset) -> None:
    views = Views(mirror="x", parts=PARTS)
    for left_out in ("recognition", "prediction"):
        small = {"channels": [8, 8], "strides": [2, 2], "fusions": [1], "head_channels": 8, left_out: False}
        one_task = SybioGNN.from_preset(
            "demo", skeleton=NTU, num_classes=2, num_future=4, actional_channels=8, **small
        )
        found = answers(one_task, clips, views=views)
        assert (found.logits is None) == (left_out == "recognition")
        assert bool(found.errors) == (left_out == "recognition")


def test_a_single_view_gives_the_output_of_the_model(model: SybioGNN, clips: MotionDataset) -> None:
    batch = Batch.from_data_list(list(clips))
    with torch.no_grad():
        direct = model(batch)
        assert torch.equal(Views().answer(model, clips, [batch]).logits, direct.logits)
    assert Views().count == 1 and Views(parts=PARTS).count == 3


def test_views_of_parts_need_a_data_set_that_supports_them(model: SybioGNN) -> None:
    made = SyntheticMotions(num_clips=2, num_observed=8, num_future=4)
    with pytest.raises(
        ValueError, match=r"SyntheticMotions has no method 'in_part\(part\)' for parts of clips"
    ):
        Views(parts=PARTS).versions(made)
    with pytest.raises(ValueError, match=r"'part' is \(1\.0, 0\.5\), expected two fractions"):
        Views(parts=((1.0, 0.5),))
