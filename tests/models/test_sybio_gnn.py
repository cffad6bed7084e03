"""The whole model: fusion of the networks, batching, lengths, files, and what is wrong with an input."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from pyg_sybio.graphs import dense_adjacency, skeleton_graph
from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.models.bone_correction import BoneCorrection
from pyg_sybio.models.presets import VARIANTS
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.nn.bone_vectors import BoneVectors
from pyg_sybio.nn.joint_conv import StructuralConv
from pyg_sybio.skeleton import Skeleton, available_skeletons, load_skeleton
from pyg_sybio.testing import (
    assert_every_parameter_gets_a_gradient,
    copy_permuted,
    permuted_skeleton,
    randomize,
)

SKELETON = load_skeleton("jhmdb15")
M, D, B, C, T = SKELETON.num_joints, 2, SKELETON.num_bones, 4, 7
SMALL: dict[str, Any] = {
    "channels": (4, 6),
    "strides": (1, 2),
    "fusions": (1,),
    "kernel_size": 3,
    "head_channels": 8,
    "actional_channels": 8,
    "actional_frames": 6,
}


def build(skeleton: Skeleton = SKELETON, **overrides: Any) -> SybioGNN:
    """A small model with random norms, as if it had been trained; in evaluation."""
    arguments = {"num_classes": C, "num_future": 3, **SMALL, **overrides}
    model = SybioGNN.from_preset("demo", skeleton=skeleton, **arguments)
    randomize(model)
    return model.eval()


def motion(*shape: int) -> Tensor:
    return torch.randn(*shape, M, D)


def graph_of(persons: Tensor, **attributes: Any) -> Data:
    """The persons ``[P, T, M, D]`` of a clip, stacked in the node dimension."""
    return Data(x=persons.transpose(1, 2).flatten(0, 1), **attributes)


def close(a: Tensor | None, b: Tensor | None, tolerance: float = 1e-5) -> None:
    assert a is not None
    assert b is not None
    torch.testing.assert_close(a, b, atol=tolerance, rtol=tolerance)


# What the two networks give ---------------------------------------------------------------------------------


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


@pytest.mark.parametrize("left_out", [{}, {"joints": False}, {"bones": False}])
def test_in_training_each_network_says_what_it_recognises(left_out: dict[str, bool]) -> None:
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
    assert network.actional_graph is not None
    close(actional, network.actional_graph(standardised[0]), 1e-9)
    assert actional is not None
    assert not torch.allclose(actional, network.actional_graph(standardised[1]), atol=1e-6)
    close(features, network.backbone(standardised, actional), 1e-9)


def test_without_bones_the_joint_network_answers_alone() -> None:
    model, x = build(bones=False), motion(2, T)
    _, features, _ = model.joint_network(x)
    assert model.joint_network.recognition_head is not None
    expected = model.joint_network.recognition_head(features, torch.arange(2), 2).softmax(dim=-1)
    close(model(x).logits.softmax(dim=-1), expected)


@pytest.mark.parametrize("overrides", [{}, {"recognition": False}, {"prediction": False}])
@pytest.mark.parametrize("training", [False, True])
def test_the_bone_network_alone_answers_for_itself(training: bool, overrides: dict[str, bool]) -> None:
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


def test_the_bone_network_alone_sees_the_persons_who_are_present() -> None:
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
def test_a_config_of_before_there_was_a_choice_has_the_default(choice: str) -> None:
    config = build().config
    assert SybioGNN.from_config({k: v for k, v in config.items() if k != choice}).config == config


def test_in_training_the_bone_network_predicts_its_own_future() -> None:
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
    """A list that grows with every forward pass of the module or of a part of it."""
    calls: list[str] = []
    for name, each in module.named_modules():
        each.register_forward_hook(lambda module, args, out, name=name: calls.append(name))
    return calls


def test_the_bone_networks_prediction_head_costs_nothing_in_evaluation() -> None:
    model = build()
    assert model.bone_network is not None
    assert model.bone_network.prediction_head is not None
    calls = count_calls(model.bone_network.prediction_head)
    assert model(motion(2, T)).bone_future is None
    assert not calls
    assert model.train()(motion(2, T)).bone_future is not None
    assert calls


@pytest.mark.parametrize("recognition", [True, False])
def test_bones_that_count_correct_the_joints_in_evaluation(recognition: bool) -> None:
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


def test_in_training_bones_correct_nothing() -> None:
    torch.manual_seed(0)
    model, x = build(bone_weight=0.5).train(), motion(2, T)
    alone = SybioGNN.from_config({**model.config, "bone_weight": 0.0}).train()
    alone.load_state_dict(model.state_dict())
    out, expected = model(x), alone(x)
    close(out.future, expected.future)
    close(out.bone_future, expected.bone_future)


@pytest.mark.parametrize("left_out", ["joints", "bones", "prediction"])
def test_bones_correct_nothing_where_one_of_the_predictions_is_left_out(left_out: str) -> None:
    with_weight, without = (build(bone_weight=weight, **{left_out: False}) for weight in (0.5, 0.0))
    without.load_state_dict(with_weight.state_dict())
    x = motion(2, T)
    for a, b in zip(vars(with_weight(x)).values(), vars(without(x)).values(), strict=True):
        assert a is b is None or torch.equal(a, b)


@pytest.mark.parametrize("weight", [-0.1, float("inf"), float("nan")])
def test_a_bone_weight_that_is_none(weight: float) -> None:
    with pytest.raises(ValueError, match="'bone_weight' must be finite and not negative, but it is"):
        build(bone_weight=weight)


def test_without_recognition_the_whole_bone_network_rests_in_evaluation() -> None:
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
def test_variants_return_what_they_have(variant: str, training: bool) -> None:
    settings = VARIANTS[variant]
    out = build(SKELETON, **settings).train(training)(motion(2, 2, T))
    predicts, recognizes = settings.get("prediction", True), settings.get("recognition", True)
    assert (out.logits is not None) == recognizes
    joints, bones = settings.get("joints", True), settings.get("bones", True)
    assert (out.future is not None) == (predicts and joints)
    assert (out.bone_future is not None) == (predicts and bones and (training or not joints))
    assert (out.actional is not None) == (settings.get("actional", True) and joints)
    if recognizes:
        assert out.logits.shape == (2, C)
        close(out.logits.exp().sum(dim=-1), torch.ones(2))
    if out.future is not None:
        assert out.future.shape == (2, 2, 3, M, D)
    if out.bone_future is not None:
        assert out.bone_future.shape == (2, 2, 3, B, D)
    if out.actional is not None:
        close(out.actional.sum(dim=-1), torch.ones(2, 2, M))


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


def test_one_hop_and_only_structural_uses_the_normalised_skeleton_everywhere() -> None:
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
    # Two blocks and a head, in two networks.
    assert len(found) == 6
    for module in found:
        [adj] = module.adjacency
        close(adj, expected[len(adj)], 1e-12)


def test_equivariant() -> None:
    order = torch.randperm(M)
    model = build().double()
    permuted = build(permuted_skeleton(SKELETON, order.tolist())).double()
    permuted.load_state_dict(model.state_dict())
    # The order of the bones stays, and so does the bone network.
    copy_permuted(model.joint_network, permuted.joint_network, order.tolist())
    x = motion(2, T).double()
    out, permuted_out = model(x), permuted(x[:, :, order])
    close(permuted_out.logits, out.logits, 1e-9)
    close(permuted_out.future, out.future[:, :, order], 1e-9)
    close(permuted_out.actional, out.actional[:, order][:, :, order], 1e-9)


# Clips, persons and batches ---------------------------------------------------------------------------------


def test_a_clip_does_not_depend_on_its_batch() -> None:
    model, x = build(), motion(6, T)
    whole = model(x)
    for clips in ([0], [3, 1], [5, 4, 3, 2, 1, 0]):
        part = model(x[clips])
        close(part.logits, whole.logits[clips])
        close(part.future, whole.future[clips])
        close(part.actional, whole.actional[clips])


def test_a_clip_does_not_depend_on_its_batch_with_persons() -> None:
    model, x = build(), motion(3, 2, T)
    present = torch.tensor([[True, True], [True, False], [False, True]])
    whole = model(x, present)
    for clip in range(3):
        alone = model(x[clip, None], present[clip, None])
        close(alone.logits[0], whole.logits[clip])
        close(alone.future[0], whole.future[clip])
        close(alone.actional[0], whole.actional[clip])


def test_an_absent_person_takes_part_in_nothing() -> None:
    model, x = build(), motion(2, 2, T)
    present = torch.tensor([[True, True], [True, False]])
    out = model(x, present)
    changed = x.clone()
    for filling in (1e3 * torch.randn(T, M, D), torch.tensor(float("nan"))):
        changed[1, 1] = filling
        other = model(changed, present)
        close(other.logits, out.logits, 0)
        close(other.future, out.future, 0)
    alone = model(x[1, :1])
    close(out.logits[1], alone.logits[0])
    close(out.future[1, 0], alone.future[0])
    assert not out.future[1, 1].any()
    assert not out.actional[1, 1].any()
    assert out.present.tolist() == present.tolist()


def test_an_absent_person_does_not_enter_the_statistics_of_training() -> None:
    x = motion(2, 2, T)
    x[1, 1] = 0
    padded, bare = build().train(), build().train()
    bare.load_state_dict(padded.state_dict())
    padded(x)
    bare(Batch.from_data_list([graph_of(x[0]), graph_of(x[1, :1])]))
    for key, value in padded.state_dict().items():
        torch.testing.assert_close(value, bare.state_dict()[key], atol=1e-6, rtol=1e-5)


def test_both_persons_count() -> None:
    model, x = build(), motion(1, 2, T)
    swapped = model(x.flip(1))
    out = model(x)
    close(swapped.logits, out.logits)
    close(swapped.future, out.future.flip(1))
    changed = x.clone()
    changed[0, 1] = motion(T)
    assert not torch.allclose(model(changed).logits, out.logits, atol=1e-3)


def test_batch_and_dense_inputs_give_the_same_numbers() -> None:
    model, x = build(), motion(3, T)
    batch = Batch.from_data_list([graph_of(clip[None]) for clip in x])
    flat, graphs, persons = model(x), model(batch), model(x[:, None])
    for key in ("logits", "future", "actional"):
        close(getattr(graphs, key), getattr(flat, key))
    close(persons.logits, flat.logits)
    close(persons.future, flat.future[:, None])
    close(persons.actional, flat.actional[:, None])
    single = model(graph_of(x[:1]))
    close(single.logits, flat.logits[:1])


def test_persons_stacked_or_as_graphs_of_their_own_give_the_same_numbers() -> None:
    model, x = build(), motion(3, 2, T)
    present = torch.tensor([[True, True], [True, False], [True, True]])
    dense = model(x, present)
    stacked = model(Batch.from_data_list([graph_of(x[0]), graph_of(x[1, :1]), graph_of(x[2])]))
    own = [
        graph_of(x[clip, slot, None], clip=torch.tensor([clip]))
        for clip in range(3)
        for slot in range(2)
        if present[clip, slot]
    ]
    for out in (stacked, model(Batch.from_data_list(own))):
        for key in ("logits", "future", "actional"):
            close(getattr(out, key), getattr(dense, key))
        assert torch.equal(out.present, present)


def test_dense_lays_out_an_attribute_as_the_outputs_are() -> None:
    model, x, future = build(), motion(2, 2, T), motion(2, 2, 3)
    graphs = [graph_of(x[clip], future=graph_of(future[clip]).x) for clip in range(2)]
    batch = Batch.from_data_list(graphs)
    assert torch.equal(model.dense(batch, "future"), future)
    assert model.dense(batch, "future").shape == model(batch).future.shape
    alone = Batch.from_data_list([graph_of(x[0, :1], future=graph_of(future[0, :1]).x)])
    assert torch.equal(model.dense(alone, "future"), future[:1, 0])


# Lengths and skeletons --------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("num_frames", [1, 2, 7, 60])
@pytest.mark.parametrize("num_future", [1, 40])
def test_any_observed_and_future_length(num_frames: int, num_future: int, training: bool) -> None:
    out = build().train(training)(motion(2, num_frames), num_future=num_future)
    assert out.future.shape == (2, num_future, M, D)
    assert out.logits.shape == (2, C)
    for each in (out.future, out.logits, out.actional):
        assert each.isfinite().all()


def test_a_shorter_forecast_is_the_start_of_a_longer_one() -> None:
    model, x = build(), motion(2, T)
    close(model(x).future, model(x, num_future=9).future[:, :3])


@pytest.mark.parametrize("name", [*available_skeletons(), "cmu38:used", "h36m32:used"])
def test_every_shipped_skeleton_runs(name: str) -> None:
    skeleton = load_skeleton(name)
    model = SybioGNN.from_preset("demo", skeleton=skeleton, num_classes=3, num_future=2).eval()
    out = model(torch.randn(2, 5, skeleton.num_joints, skeleton.num_features))
    assert out.future.shape == (2, 2, skeleton.num_joints, skeleton.num_features)
    assert out.future.isfinite().all()
    assert out.logits.isfinite().all()


def test_other_features_than_the_skeletons() -> None:
    model = build(in_channels=5)
    assert model(torch.randn(2, T, M, 5)).future.shape == (2, 3, M, 5)


# Files ------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path: Path) -> tuple[SybioGNN, Path]:
    model = build().train()
    model(motion(4, T))  # so that statistics of the input are among what is saved
    model.save_pretrained(tmp_path / "new" / "model")
    return model.eval(), tmp_path / "new" / "model"


@pytest.mark.parametrize("variant", VARIANTS)
def test_round_trip_gives_identical_outputs(variant: str, tmp_path: Path) -> None:
    model = build(SKELETON, **VARIANTS[variant], dropout=0.1, shared_branches=False).train()
    model(motion(4, T))
    model.eval().save_pretrained(tmp_path)
    other = SybioGNN.from_pretrained(tmp_path)
    assert not other.training
    assert other.config == model.config
    assert other.skeleton == SKELETON
    x = motion(2, T)
    for key in ("logits", "future", "actional", "bone_future"):
        mine, theirs = getattr(model(x), key), getattr(other(x), key)
        assert (mine is None and theirs is None) or torch.equal(mine, theirs)


def test_the_config_holds_the_skeleton_and_every_argument(saved: tuple[SybioGNN, Path]) -> None:
    model, folder = saved
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    config = json.loads((folder / "config.json").read_text())
    assert Skeleton.from_dict(config["skeleton"]) == SKELETON
    assert config["channels"] == [4, 6]
    assert config["num_classes"] == C
    fresh = SybioGNN.from_config(config)
    assert fresh.config == model.config
    assert {key: value.shape for key, value in fresh.state_dict().items()} == {
        key: value.shape for key, value in model.state_dict().items()
    }


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_an_error(saved: tuple[SybioGNN, Path], name: str) -> None:
    _, folder = saved
    (folder / name).unlink()
    with pytest.raises(
        FileNotFoundError, match=f"no pretrained model here, expected the file {name}"
    ) as error:
        SybioGNN.from_pretrained(folder)
    assert str(folder) in str(error.value)


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected the file config\.json"):
        SybioGNN.from_pretrained(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", r"config\.json, line 1, column 2: .*, expected JSON"),
        (b"\xff\xfe", r"config\.json, byte 0: not UTF-8 text, expected JSON"),
        (b"[]", r"the model's config must be an object, but it is \[\]"),
        (b"5", r"the model's config must be an object, but it is 5"),
        (b"{}", "the model's config has no 'skeleton'"),
        (b'{"skeleton": {"name": "x"}}', "the model's config"),
    ],
)
def test_a_broken_config_is_an_error(saved: tuple[SybioGNN, Path], text: bytes, message: str) -> None:
    _, folder = saved
    (folder / "config.json").write_bytes(text)
    with pytest.raises(ValueError, match=message) as error:
        SybioGNN.from_pretrained(folder)
    assert "\n" not in str(error.value)


def test_unknown_and_missing_keys_of_a_config_are_named(saved: tuple[SybioGNN, Path]) -> None:
    model, _ = saved
    with pytest.raises(ValueError, match="the model has no 'hop', did you mean 'hops'"):
        SybioGNN.from_config({**model.config, "hop": 3})
    without = {key: value for key, value in model.config.items() if key != "hops"}
    with pytest.raises(ValueError, match=r"^the model needs 'hops'$"):
        SybioGNN.from_config(without)


@pytest.mark.parametrize("content", [b"", b"not a tensor", b"\x08" + b"\0" * 20])
def test_broken_weights_are_an_error(saved: tuple[SybioGNN, Path], content: bytes) -> None:
    _, folder = saved
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.safetensors: not a safetensors file") as error:
        SybioGNN.from_pretrained(folder)
    assert "\n" not in str(error.value)


def test_weights_of_another_skeleton_are_an_error(saved: tuple[SybioGNN, Path], tmp_path: Path) -> None:
    _, folder = saved
    other = tmp_path / "other"
    build(load_skeleton("coco17")).save_pretrained(other)
    shutil.copy(folder / "model.safetensors", other)
    message = r"of another model or skeleton: '.*' is \(.*\) there, but \(.*\) for skeleton 'coco17'"
    with pytest.raises(ValueError, match=message) as error:
        SybioGNN.from_pretrained(other)
    assert "\n" not in str(error.value)


def test_a_missing_or_unknown_tensor_is_named_and_nothing_is_loaded(saved: tuple[SybioGNN, Path]) -> None:
    _, folder = saved
    weights = load_file(folder / "model.safetensors")
    lost = weights.pop("joint_network.recognition_head.classifier.bias")
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"classifier\.bias' is no such tensor there, but \(4,\)"):
        SybioGNN.from_pretrained(folder)
    model = build()
    before = copy.deepcopy(model.state_dict())
    weights["joint_network.recognition_head.classifier.bias"] = lost
    with pytest.raises(ValueError, match=r"here: .*'zzz' is \(4,\) there, but no such tensor"):
        model.load_weights({**weights, "zzz": lost}, where="here")
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])


# Errors -----------------------------------------------------------------------------------------------------


def broken(value: float) -> Tensor:
    x = motion(2, T)
    x[1, 2, 3, 1] = value
    return x


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.randn(2, T, M - 1, D), "'x' has 14 joints, but skeleton 'jhmdb15' has 15"),
        (torch.randn(2, T, M, D + 1), "'x' has 3 features a joint, but the model takes 2"),
        (torch.randn(T, M, D), r"'x' must be \[N, T, M, D\] or .* but it has shape \(7, 15, 2\)"),
        (torch.randn(0, T, M, D), r"'x' is empty: its persons have shape \(0, 7, 15, 2\)"),
        (torch.randn(2, 0, M, D), r"'x' is empty: its persons have shape \(2, 0, 15, 2\)"),
        (
            torch.ones(2, T, M, D, dtype=torch.long),
            "'x' must be of a floating-point type, but it is torch.int64",
        ),
        (broken(float("nan")), "'x' holds a NaN or an infinity"),
        (broken(float("inf")), "'x' holds a NaN or an infinity"),
        (torch.zeros(2, 2, T, M, D), "but none is present in clip 0"),
        (Data(x=torch.randn(M + 1, T, D)), "'x' has 16 nodes in graph 0, but the skeleton has 15 joints"),
        (Data(x=torch.randn(M, T, D + 1)), "'x' has 3 features a joint, but the model takes 2"),
        (Data(x=torch.randn(M, 0, D)), "'x' is empty"),
        (Data(x=torch.ones(M, T, D, dtype=torch.long)), "'x' must be of a floating-point type"),
        (graph_of(broken(float("nan"))), "'x' holds a NaN or an infinity"),
        (Data(y=torch.tensor([1])), "'x' of the batch must be .* but it is missing"),
    ],
)
def test_wrong_inputs(x: Tensor | Data, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        build()(x)
    assert "\n" not in str(error.value)


def test_wrong_masks_and_lengths() -> None:
    model = build()
    with pytest.raises(ValueError, match=r"'present' must be \[2, 2\], but it has shape \(2,\)"):
        model(motion(2, 2, T), present=torch.ones(2))
    with pytest.raises(ValueError, match="'present' is given, but 'x' has no person dimension"):
        model(motion(2, T), present=torch.ones(2, 1))
    with pytest.raises(ValueError, match="'present' goes with a dense tensor"):
        model(graph_of(motion(1, T)), present=torch.ones(1, 1))
    with pytest.raises(ValueError, match="'num_future' must be at least 1, but it is 0"):
        model(motion(2, T), num_future=0)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"hop": 3}, "the model has no 'hop', did you mean 'hops'"),
        ({"zoo": 3}, "^the model has no 'zoo'$"),
        ({"hops": 1.5}, "'hops' of the model must be a whole number, but it is 1.5"),
        ({"hops": True}, "'hops' of the model must be a whole number, but it is True"),
        (
            {"channels": 8},
            "'channels' of the model must be a list, of which each is a whole number, but it is 8",
        ),
        (
            {"channels": "88"},
            "'channels' of the model must be a list, of which each is a whole number, but it is '88'",
        ),
        ({"channels": (8, 8.5)}, r"each is a whole number, but it is \(8, 8\.5\)"),
        ({"in_channels": "3"}, "'in_channels' of the model must be a whole number or nothing, but it is '3'"),
        ({"dropout": "much"}, "'dropout' of the model must be a number, but it is 'much'"),
        ({"bone_weight": None}, "'bone_weight' of the model must be a number, but it is None"),
        ({"actional": 1}, "'actional' of the model must be true or false, but it is 1"),
        ({"recognition": False, "prediction": False}, "a model needs a task"),
        (
            {"joints": False, "bones": False},
            "a model needs a network, but 'joints' and 'bones' are both False",
        ),
        ({"num_classes": 0}, "'num_classes' must be at least 1, but it is 0"),
        ({"num_future": 0}, "'num_future' must be at least 1, but it is 0"),
        ({"actional": False, "structural": False, "parts": False}, "no graph is left"),
        ({"strides": (1,)}, "'strides' has 1 entries, but 'channels' has 2"),
    ],
)
def test_wrong_arguments(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**overrides)


def test_unknown_preset() -> None:
    with pytest.raises(ValueError, match="there is no preset 'huge'; there are ntu, mocap, demo"):
        SybioGNN.from_preset("huge", skeleton=SKELETON, num_classes=C, num_future=3)


def test_a_single_bone_makes_no_bone_network() -> None:
    stick = Skeleton(
        name="stick",
        joints=("a", "b"),
        bones=(("a", "b"),),
        center="a",
        parts={"all": ("a", "b")},
        part_bones=(),
        mirror=(),
        coordinates="xy",
        units="m",
    )
    with pytest.raises(ValueError, match="needs at least 2 nodes, but the graph has 1"):
        build(stick)
    assert build(stick, bones=False)(torch.randn(2, T, 2, 2)).logits.isfinite().all()
