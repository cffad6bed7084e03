"""The complete model: fusion of both networks, variants, lengths and skeletons."""

import copy
from typing import Any

import pytest
import torch
from small_gnn import SKELETON, SMALL, B, C, D, M, T, build, close, graph_of, motion
from torch import nn
from torch_geometric.data import Batch

from pyg_sybio.graphs import dense_adjacency, skeleton_graph
from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.models.bone_correction import BoneCorrection
from pyg_sybio.models.presets import VARIANTS
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.nn.bone_vectors import BoneVectors
from pyg_sybio.nn.joint_conv import StructuralConv
from pyg_sybio.skeleton import available_skeletons, load_skeleton
from pyg_sybio.testing import (
    assert_every_parameter_gets_a_gradient,
    copy_permuted,
    permuted_skeleton,
)

# Outputs of the two networks --------------------------------------------------------------------------------


def test_probabilities_are_the_mean_of_both_networks_and_enter_the_prediction() -> None:
    model, x = build().double(), motion(5, T).double()
    assert model.bone_network is not None
    bones = torch.stack([x[:, :, outer] - x[:, :, inner] for inner, outer in SKELETON.bone_pairs], dim=2)
    probabilities, clip = [], torch.arange(5)
    for network, each in ((model.joint_network, x), (model.bone_network, bones)):
        _, features, _ = network(each)
        assert network.recognition_head is not None
        probabilities.append(network.recognition_head(features, clip, 5).softmax(dim=-1))
    assert not torch.allclose(probabilities[0], probabilities[1], atol=1e-3)
    mean = (probabilities[0] + probabilities[1]) / 2
    out = model(x)
    close(out.logits.softmax(dim=-1), mean, 1e-9)
    close(out.logits.exp(), mean, 1e-9)
    orders, features, actional = model.joint_network(x)
    close(out.actional, actional, 1e-9)
    close(out.future, model.joint_network.predict(orders, features, actional, mean, 3), 1e-9)


def test_prediction_loss_reaches_the_recognition_heads() -> None:
    model = build().train()
    model(motion(5, T)).future.square().sum().backward()
    for network in (model.joint_network, model.bone_network):
        for name, weight in network.recognition_head.named_parameters():
            assert weight.grad is not None and weight.grad.any(), name


@pytest.mark.parametrize("left_out", [{}, {"joints": False}, {"bones": False}])
def test_the_output_has_the_logits_of_each_network_in_training(left_out: dict[str, bool]) -> None:
    model, x = build(**left_out).double().train(), motion(5, T).double()
    twin = copy.deepcopy(model)
    out = model(x)
    expected = []
    for network, each in ((twin.joint_network, x), (twin.bone_network, BoneVectors(SKELETON)(x))):
        if network is not None:
            features = network(each).features
            expected.append(network.recognition_head(features, torch.arange(5), 5).softmax(dim=-1))
    close(out.network_logits.exp(), torch.stack(expected), 1e-9)
    close(out.logits.exp(), torch.stack(expected).mean(0), 1e-9)
    assert model.eval()(x).network_logits is None
    assert build(**left_out, recognition=False).train()(x.float()).network_logits is None


def test_the_actional_graph_comes_from_positions_and_all_branches_take_standardised_inputs() -> None:
    network, x = build().double().joint_network, motion(2, T).double()
    velocities = torch.cat([torch.zeros_like(x[:, :1]), x[:, 1:] - x[:, :-1]], dim=1)
    accelerations = torch.zeros_like(x)
    accelerations[:, 2:] = x[:, 2:] - 2 * x[:, 1:-1] + x[:, :-2]
    orders, features, actional = network(x)
    close(orders, torch.stack([x, velocities, accelerations]), 1e-9)
    mean, scale = network.input_norm.mean[:, None, None], network.input_norm.scale[:, None, None]
    standardised = (orders - mean) / scale
    # AGIM's input is standardised by the mean and the standard deviation over all joints.
    means, variances = network.input_norm.mean[0].numpy(), network.input_norm.var[0].numpy()
    body_mean = means.mean(axis=0)
    body_variance = (variances + means**2).mean(axis=0) - body_mean**2
    poses = torch.from_numpy((x.numpy() - body_mean) / body_variance**0.5)
    assert network.actional_graph is not None
    close(actional, network.actional_graph(poses), 1e-9)
    assert actional is not None
    for other in (standardised[0], standardised[1]):
        assert not torch.allclose(actional, network.actional_graph(other), atol=1e-6)
    close(features, network.backbone(standardised, actional), 1e-9)


def test_only_the_joint_network_is_used_without_bones() -> None:
    model, x = build(bones=False), motion(2, T)
    _, features, _ = model.joint_network(x)
    assert model.joint_network.recognition_head is not None
    expected = model.joint_network.recognition_head(features, torch.arange(2), 2).softmax(dim=-1)
    close(model(x).logits.softmax(dim=-1), expected)


@pytest.mark.parametrize("overrides", [{}, {"recognition": False}, {"prediction": False}])
@pytest.mark.parametrize("training", [False, True])
def test_a_model_with_only_the_bone_network_predicts_bones(
    training: bool, overrides: dict[str, bool]
) -> None:
    model, x = build(joints=False, **overrides).double().train(training), motion(2, T).double()
    twin = copy.deepcopy(model)
    out = model(x)
    assert model.joint_network is None and twin.bone_network is not None
    assert not any(name.startswith("joint_network") for name, _ in model.named_parameters())
    encoded = twin.bone_network(twin.bone_vectors(x))
    probabilities = None
    if model.num_classes:
        logits = twin.bone_network.recognition_head(encoded.features, torch.arange(2), 2)
        probabilities = logits.softmax(dim=-1)
        close(out.logits.exp(), probabilities, 1e-9)
    assert out.future is None and out.actional is None
    if overrides.get("prediction", True):
        close(out.bone_future, twin.bone_network.predict(*encoded, probabilities, 3), 1e-9)
        assert model(x, num_future=5).bone_future.shape == (2, 5, B, D)
    else:
        assert out.bone_future is None


def test_a_model_with_only_the_bone_network_ignores_absent_persons() -> None:
    model, x = build(joints=False), motion(2, 2, T)
    x[1, 1] = 0
    out = model(x)
    alone = model(x[1:, :1])
    close(out.logits[1:], alone.logits)
    close(out.bone_future[1, 0], alone.bone_future[0, 0])
    assert not out.bone_future[1, 1].any()
    batch = Batch.from_data_list([graph_of(x[0]), graph_of(x[1, :1])])
    close(model(batch).bone_future, out.bone_future)


@pytest.mark.parametrize("choice", ["joints", "bone_weight"])
def test_a_config_without_a_newer_argument_gets_the_default_value(choice: str) -> None:
    config = build().config
    assert SybioGNN.from_config({k: v for k, v in config.items() if k != choice}).config == config


def test_the_bone_network_predicts_its_own_future_in_training() -> None:
    model = build().train()
    twin = copy.deepcopy(model)
    x = motion(2, T)
    out = model(x)
    assert out.bone_future.shape == (2, 3, B, D)
    assert twin.bone_network is not None
    assert twin.bone_vectors is not None
    orders, features, actional = twin.bone_network(twin.bone_vectors(x))
    close(
        out.bone_future, twin.bone_network.predict(orders, features, actional, out.logits.softmax(dim=-1), 3)
    )


def count_calls(module: nn.Module) -> list[str]:
    """Return a list that grows with every forward pass of the module or one of its submodules."""
    calls: list[str] = []
    for name, each in module.named_modules():
        each.register_forward_hook(lambda module, args, out, name=name: calls.append(name))
    return calls


def test_the_prediction_head_of_the_bone_network_does_not_run_in_evaluation() -> None:
    model = build()
    assert model.bone_network is not None
    assert model.bone_network.prediction_head is not None
    calls = count_calls(model.bone_network.prediction_head)
    assert model(motion(2, T)).bone_future is None
    assert not calls
    assert model.train()(motion(2, T)).bone_future is not None
    assert calls


@pytest.mark.parametrize("recognition", [True, False])
def test_a_bone_weight_corrects_the_joints_in_evaluation(recognition: bool) -> None:
    model, x = build(bone_weight=0.5, recognition=recognition).double(), motion(2, T).double()
    alone = SybioGNN.from_config({**model.config, "bone_weight": 0.0}).double().eval()
    alone.load_state_dict(model.state_dict())
    out, joints = model(x), alone(x).future
    assert out.bone_future is None
    assert model.bone_network is not None and model.bone_vectors is not None
    probabilities = out.logits.softmax(dim=-1) if recognition else None
    bones = model.bone_network.predict(*model.bone_network(model.bone_vectors(x)), probabilities, 3)
    close(out.future, BoneCorrection(SKELETON, 0.5).double()(joints, bones), 1e-9)
    assert (out.future - joints).abs().max() > 1e-3


def test_absent_persons_are_not_corrected() -> None:
    model, x = build(bone_weight=0.5), motion(2, 2, T)
    x[1, 1] = 0
    out = model(x)
    close(out.future[1, 0], model(x[1:, :1]).future[0, 0])
    assert not out.future[1, 1].any()


def test_joints_are_not_corrected_in_training() -> None:
    torch.manual_seed(0)
    model, x = build(bone_weight=0.5).train(), motion(2, T)
    alone = SybioGNN.from_config({**model.config, "bone_weight": 0.0}).train()
    alone.load_state_dict(model.state_dict())
    out, expected = model(x), alone(x)
    close(out.future, expected.future)
    close(out.bone_future, expected.bone_future)


@pytest.mark.parametrize("left_out", ["joints", "bones", "prediction"])
def test_bone_correction_needs_predictions_of_both_networks(left_out: str) -> None:
    with_weight, without = (build(bone_weight=weight, **{left_out: False}) for weight in (0.5, 0.0))
    without.load_state_dict(with_weight.state_dict())
    x = motion(2, T)
    for a, b in zip(vars(with_weight(x)).values(), vars(without(x)).values(), strict=True):
        assert a is b is None or torch.equal(a, b)


@pytest.mark.parametrize("weight", [-0.1, float("inf"), float("nan")])
def test_an_invalid_bone_weight_is_an_error(weight: float) -> None:
    with pytest.raises(ValueError, match="'bone_weight' must be finite and not negative, but it is"):
        build(bone_weight=weight)


def test_without_recognition_the_bone_network_does_not_run_in_evaluation() -> None:
    model = build(recognition=False)
    assert model.bone_network is not None
    calls = count_calls(model.bone_network)
    out = model(motion(2, T))
    assert out.logits is None
    assert out.bone_future is None
    assert out.future is not None
    assert not calls
    assert model.train()(motion(2, T)).bone_future is not None
    assert calls


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("training", [False, True])
def test_outputs_of_disabled_components_are_none(variant: str, training: bool) -> None:
    settings = VARIANTS[variant]
    out = build(SKELETON, **settings).train(training)(motion(2, 2, T))
    predicts, recognizes = settings.get("prediction", True), settings.get("recognition", True)
    assert (out.logits is not None) == recognizes
    joints, bones = settings.get("joints", True), settings.get("bones", True)
    assert (out.future is not None) == (predicts and joints)
    assert (out.bone_future is not None) == (predicts and bones and (training or not joints))
    actional = settings.get("actional", True)
    assert (out.actional is not None) == (actional and joints)
    # In evaluation, the bone network runs if the model recognises, or if there is no joint network.
    runs = bones and (training or recognizes or not joints)
    assert (out.bone_actional is not None) == (actional and runs)
    if recognizes:
        assert out.logits.shape == (2, C)
        close(out.logits.exp().sum(dim=-1), torch.ones(2))
    if out.future is not None:
        assert out.future.shape == (2, 2, 3, M, D)
    if out.bone_future is not None:
        assert out.bone_future.shape == (2, 2, 3, B, D)
    if out.actional is not None:
        close(out.actional.sum(dim=-1), torch.ones(2, 2, M))
    if out.bone_actional is not None:
        close(out.bone_actional.sum(dim=-1), torch.ones(2, 2, B))


@pytest.mark.parametrize("persons", [1, 2])
@pytest.mark.parametrize(
    "overrides", [{}, {"actional_iterations": 0}, {"hops": 1}, {"shared_branches": False}]
)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_gets_a_gradient(variant: str, overrides: dict[str, Any], persons: int) -> None:
    arguments: dict[str, Any] = {**SMALL, **VARIANTS[variant], **overrides}
    model = SybioGNN.from_preset("demo", skeleton=SKELETON, num_classes=C, num_future=3, **arguments).double()
    x, future = motion(3, persons, T).double(), motion(3, persons, 3).double()
    if persons == 1:
        x, future = x[:, 0], future[:, 0]
    else:
        x[1, 1] = 0
    terms = SymbioticLoss(SKELETON)(model(x), y=torch.tensor([0, 2, 1]), future=future)
    terms.total.backward()
    assert_every_parameter_gets_a_gradient(model)


def test_with_one_hop_and_no_actional_graphs_every_graph_is_the_normalised_skeleton() -> None:
    model = SybioGNN.from_preset(
        "demo", skeleton=SKELETON, num_classes=C, num_future=3, **SMALL, actional=False
    )
    model = SybioGNN.from_config({**model.config, "hops": 1}).double()
    torch.set_default_dtype(torch.float64)
    try:
        expected = {
            graph.num_joints: dense_adjacency(skeleton_graph(graph)) for graph in (SKELETON, SKELETON.dual())
        }
    finally:
        torch.set_default_dtype(torch.float32)
    found = [module for module in model.modules() if isinstance(module, StructuralConv)]
    # Each of the two networks has two blocks and a prediction head.
    assert len(found) == 6
    for module in found:
        [adj] = module.adjacency
        close(adj, expected[len(adj)], 1e-12)


def test_outputs_are_equivariant_to_the_order_of_joints() -> None:
    order = torch.randperm(M)
    model = build().double()
    permuted = build(permuted_skeleton(SKELETON, order.tolist())).double()
    permuted.load_state_dict(model.state_dict())
    # The order of the bones does not change, so the bone network does not change either.
    copy_permuted(model.joint_network, permuted.joint_network, order.tolist())
    x = motion(2, T).double()
    out, permuted_out = model(x), permuted(x[:, :, order])
    close(permuted_out.logits, out.logits, 1e-9)
    close(permuted_out.future, out.future[:, :, order], 1e-9)
    close(permuted_out.actional, out.actional[:, order][:, :, order], 1e-9)


# Lengths and skeletons --------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("num_frames", [1, 2, 7, 60])
@pytest.mark.parametrize("num_future", [1, 40])
def test_any_number_of_observed_and_future_frames_is_accepted(
    num_frames: int, num_future: int, training: bool
) -> None:
    out = build().train(training)(motion(2, num_frames), num_future=num_future)
    assert out.future.shape == (2, num_future, M, D)
    assert out.logits.shape == (2, C)
    for each in (out.future, out.logits, out.actional):
        assert each.isfinite().all()


def test_a_shorter_forecast_is_the_start_of_a_longer_one() -> None:
    model, x = build(), motion(2, T)
    close(model(x).future, model(x, num_future=9).future[:, :3])


@pytest.mark.parametrize("name", [*available_skeletons(), "cmu38:used", "h36m32:used"])
def test_the_model_runs_with_every_shipped_skeleton(name: str) -> None:
    skeleton = load_skeleton(name)
    model = SybioGNN.from_preset("demo", skeleton=skeleton, num_classes=3, num_future=2).eval()
    out = model(torch.randn(2, 5, skeleton.num_joints, skeleton.num_features))
    assert out.future.shape == (2, 2, skeleton.num_joints, skeleton.num_features)
    assert out.future.isfinite().all()
    assert out.logits.isfinite().all()


def test_the_argument_in_channels_may_differ_from_the_features_of_the_skeleton() -> None:
    model = build(in_channels=5)
    assert model(torch.randn(2, T, M, 5)).future.shape == (2, 3, M, 5)
