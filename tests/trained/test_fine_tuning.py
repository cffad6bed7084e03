"""Fine-tuning: which weights are taken, which are new, and which stay frozen."""

from dataclasses import replace

import pytest
import torch
from live_models import NTU, small_model
from torch import Tensor

from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.skeleton import Skeleton, load_skeleton
from pyg_sybio.trained.fine_tuning import fine_tuned
from pyg_sybio.trained.preparation import Preparation
from pyg_sybio.trained.trained import Trained
from pyg_sybio.trained.views import ONE_VIEW

CLASSES = ("hop", "sit", "wave")


def trained(skeleton: Skeleton = NTU, **variant: object) -> Trained:
    return Trained(
        model=small_model(skeleton, len(CLASSES), **variant),
        preparation=Preparation(skeleton=skeleton, num_observed=20, frame_rate=30.0),
        class_names=CLASSES,
        seen_classes=(True,) * len(CLASSES),
        views=ONE_VIEW,
        training={},
    )


def poses(*shape: int) -> Tensor:
    return torch.randn(*shape, NTU.num_joints, 3)


def step(model: SybioGNN, x: Tensor) -> None:
    """Train for one step with a high learning rate."""
    optimizer = torch.optim.SGD([w for w in model.parameters() if w.requires_grad], lr=0.1)
    out = model(x)
    assert out.logits is not None
    assert out.future is not None
    assert out.bone_future is not None
    torch.cat(
        [each.flatten() for each in (out.logits, out.future, out.bone_future)]
    ).square().sum().backward()
    optimizer.step()


def test_shared_classes_keep_their_logits_and_graphs_if_the_backbone_is_frozen() -> None:
    old = trained()
    new = fine_tuned(old, class_names=("wave", "jump", "hop"), freeze=["backbone"])
    assert not new.new
    assert not new.left_out
    assert {name.partition(".")[2] for name in new.partly} == {
        "recognition_head.classifier.weight",
        "recognition_head.classifier.bias",
        "prediction_head.gru.weight_ih",
    }
    assert "the trained model has 2 of its 3 classes" in set(new.partly.values())

    x = poses(2, 12)
    with torch.no_grad():
        for name in ("joint_network", "bone_network"):
            encoded = getattr(old.model, name)(x if name == "joint_network" else old.model.bone_vectors(x))
            group, count = torch.arange(2), 2
            logits = getattr(old.model, name).recognition_head(encoded.features, group, count)
            again = getattr(new.model, name).recognition_head(encoded.features, group, count)
            torch.testing.assert_close(again[:, [0, 2]], logits[:, [2, 0]])
        torch.testing.assert_close(new.model.eval()(x).actional, old.model(x).actional)


def test_joints_are_matched_by_name() -> None:
    order = torch.randperm(NTU.num_joints).tolist()
    shuffled = replace(NTU, name="shuffled", joints=tuple(NTU.joints[place] for place in order))
    old = trained()
    new = fine_tuned(old, skeleton=shuffled, freeze=["backbone"])
    assert not new.partly
    assert not new.new
    x = poses(2, 12)
    with torch.no_grad():
        ours, theirs = new.model.eval()(x[:, :, order]), old.model(x)
    torch.testing.assert_close(ours.logits, theirs.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.future, theirs.future[:, :, order], rtol=1e-4, atol=1e-4)


def test_weights_of_shared_joints_are_taken_for_another_skeleton() -> None:
    old = trained()
    legs = ("knee", "foot", "ankle")
    kept = tuple(joint for joint in NTU.joints if not any(part in joint for part in legs))
    upper = replace(NTU, subsets={"upper": kept}).subset("upper")
    new = fine_tuned(old, skeleton=upper)
    name = "joint_network.actional_graph.node_embedding"
    places = [NTU.joint_index(joint) for joint in upper.joints]
    assert name in new.taken
    torch.testing.assert_close(new.model.state_dict()[name], old.model.state_dict()[name][places])
    assert new.new["joint_network.input_norm.mean"] == "the statistics are estimated from the new data"
    assert new.model.joint_network is not None
    assert new.model.joint_network.input_norm.num_batches == 0
    assert new.model(poses(2, 12)[:, :, places]).logits.shape == (2, 3)

    other = fine_tuned(old, skeleton="coco17")
    shared = len({*NTU.joints} & {*load_skeleton("coco17").joints})
    assert other.partly[name] == f"the trained model has {shared} of its 17 joints"
    first = "joint_network.backbone.branches.0.joint_blocks.0.graph_conv.structural.linear.weight"
    assert first in other.taken  # x, y, score in place of x, y, z
    assert any(other.partly[name] in line for line in other.summary())


def test_a_frozen_module_does_not_change_in_training() -> None:
    new = fine_tuned(trained(dropout=0.5), class_names=("a", "b"), freeze=["backbone", "joint_blocks.0"])
    before = {name: weight.clone() for name, weight in new.model.state_dict().items()}
    step(new.model, poses(4, 12))
    changed = {
        name for name, weight in new.model.state_dict().items() if not torch.equal(weight, before[name])
    }
    assert changed
    assert all("_head." in name for name in changed)


def test_all_weights_are_trained_without_freezing() -> None:
    new = fine_tuned(trained(), class_names=("a", "b"))
    before = {name: weight.clone() for name, weight in new.model.named_parameters()}
    step(new.model, poses(4, 12))
    kept = [name for name, weight in new.model.named_parameters() if torch.equal(weight, before[name])]
    assert kept == []


def test_arguments_that_would_change_the_meaning_of_weights_are_ignored_and_named() -> None:
    new = fine_tuned(trained(), strides=(1, 1), dropout=0.25, prediction=False)
    assert new.model.config["strides"] == [2, 2]
    assert new.model.config["dropout"] == 0.25
    assert new.summary()[-1] == "ignored: 'strides' [1, 1]: the trained model has [2, 2]"
    assert any("prediction_head" in name for name in new.left_out)
    assert any(line.startswith("left out: prediction_head") for line in new.summary())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"freeze": ["backbon"]}, "'freeze' has 'backbon', expected modules of the model, such as backbone"),
        ({"freeze": ["joint_network", "bone_network"]}, "which leaves no weight to train"),
        (
            {"freeze": ["backbone"], "skeleton": load_skeleton("coco17")},
            "includes the input normalisation, but",
        ),
        ({"stride": (1, 1)}, r"the model has no 'stride' \(did you mean 'strides'"),
    ],
)
def test_wrong_arguments_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fine_tuned(trained(), **settings)  # type: ignore[arg-type]
