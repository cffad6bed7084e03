"""Presets have the sizes of the paper, and variants disable the components named in Tables 1 and 10."""

import pytest
import torch
from torch import nn

from pyg_sybio.losses import SymbioticLoss
from pyg_sybio.models.network import SymbioticNetwork
from pyg_sybio.models.presets import PRESETS, VARIANTS
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.nn.actional_graph import ActionalGraphInference
from pyg_sybio.nn.backbone import MultiscaleGCN
from pyg_sybio.nn.blocks import GraphTemporalBlock
from pyg_sybio.nn.joint_conv import ActionalConv, JointConv, StructuralConv
from pyg_sybio.nn.part_conv import PartConv
from pyg_sybio.nn.prediction_head import PredictionHead
from pyg_sybio.nn.recognition_head import RecognitionHead
from pyg_sybio.skeleton import load_skeleton
from pyg_sybio.testing import assert_every_parameter_gets_a_gradient

SKELETON = load_skeleton("jhmdb15")


def build(preset: str, skeleton: str = "ntu25", **overrides: object) -> SybioGNN:
    return SybioGNN.from_preset(
        preset, skeleton=load_skeleton(skeleton), num_classes=60, num_future=10, **overrides
    )


def blocks(network: SymbioticNetwork, scale: str) -> list[GraphTemporalBlock]:
    """Return the joint blocks or the part blocks of the only branch, in order."""
    [branch] = network.backbone.branches
    assert isinstance(branch, MultiscaleGCN)
    return [block for block in getattr(branch, f"{scale}_blocks") if isinstance(block, GraphTemporalBlock)]


@pytest.mark.parametrize(
    ("preset", "widths", "strides", "fusions", "kernel_size", "actional_weight"),
    [
        # 9 J-GTC and 8 P-GTC blocks, three of each width 64, 128 and 256; kernel size 9; stride 2 and
        # bidirectional fusion after the 3rd and the 6th block; λ = 0.5.
        (
            "ntu",
            [64] * 3 + [128] * 3 + [256] * 3,
            [1, 1, 1, 2, 1, 1, 2, 1, 1],
            {3: 128, 6: 256},
            9,
            0.5,
        ),
        # 4 J-GTC and 3 P-GTC blocks with widths 32, 64, 128 and 256; strides 1, 2, 2, 2; fusion at the last
        # three blocks; λ = 1.0. The paper does not give the kernel size.
        ("mocap", [32, 64, 128, 256], [1, 2, 2, 2], {1: 64, 2: 128, 3: 256}, None, 1.0),
    ],
)
def test_presets_match_the_paper(
    preset: str,
    widths: list[int],
    strides: list[int],
    fusions: dict[int, int],
    kernel_size: int | None,
    actional_weight: float,
) -> None:
    model = build(preset)
    assert model.bone_network is not None
    for network in (model.joint_network, model.bone_network):
        joint_blocks, part_blocks = blocks(network, "joint"), blocks(network, "part")
        assert len(joint_blocks) == len(widths)
        assert len(part_blocks) == len(widths) - 1
        for scale, first in ((joint_blocks, 0), (part_blocks, 1)):
            for number, block in enumerate(scale, start=first):
                conv, temporal = block.graph_conv, block.temporal_conv.conv
                assert conv.out_channels == temporal.out_channels == widths[number]
                assert temporal.stride == (strides[number], 1)
                assert temporal.kernel_size[0] == (kernel_size or temporal.kernel_size[0])
                pooled_alone = first == 1 and number == 1
                before = widths[number - 1] if number else 3
                assert conv.in_channels == (fusions.get(number, before) if not pooled_alone else before)
        for module in network.modules():
            if isinstance(module, JointConv):
                assert module.actional_weight == actional_weight
                assert module.structural is not None
                assert module.structural.hops == 4
        assert network.prediction_head is not None
        assert network.recognition_head is not None
        assert network.prediction_head.gru.hidden_size == 256
        assert network.recognition_head.classifier.in_features == 256
        assert network.actional_graph is not None
        assert network.actional_graph.hidden_channels == 128


def test_parameter_counts_with_shared_branches_are_near_the_papers_counts() -> None:
    def millions(network: nn.Module) -> float:
        return sum(parameter.numel() for parameter in network.parameters()) / 1e6

    shared = build("ntu", bones=False)
    assert 7.4 < millions(shared) < 7.8
    assert millions(shared) == millions(shared.joint_network)
    separate = build("ntu", bones=False, shared_branches=False)
    assert 19.0 < millions(separate) < 21.0
    both = build("ntu")
    assert 2 * 7.4 < millions(both) < 2 * 7.8


@pytest.mark.parametrize("preset", PRESETS)
def test_every_parameter_of_a_preset_gets_a_gradient(preset: str) -> None:
    model = build(preset, "jhmdb15")
    x, future = torch.randn(2, 9, 15, 2), torch.randn(2, 10, 15, 2)
    SymbioticLoss(SKELETON)(model(x), y=torch.tensor([0, 1]), future=future).total.backward()
    assert_every_parameter_gets_a_gradient(model)


def kinds(module: nn.Module) -> set[type[nn.Module]]:
    return {type(each) for each in module.modules()}


# The components that each variant disables, and the components that it keeps.
LEFT_OUT: dict[str, set[type[nn.Module]]] = {
    "full": set(),
    "only structural": {ActionalConv, ActionalGraphInference, PartConv},
    "only actional": {StructuralConv, PartConv},
    "only parts": {ActionalConv, ActionalGraphInference},
    "no bones": set(),
    "no joints": set(),
    "no prediction": {PredictionHead},
    "no recognition": {RecognitionHead},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_disables_only_the_named_parts(variant: str) -> None:
    every = kinds(build("demo", "jhmdb15")) & set().union(*LEFT_OUT.values())
    assert every == set().union(*LEFT_OUT.values())
    model = build("demo", "jhmdb15", **VARIANTS[variant])
    assert kinds(model) & every == every - LEFT_OUT[variant]
    assert (model.bone_network is None) == (variant == "no bones")
    assert (model.joint_network is None) == (variant == "no joints")


def test_the_variant_only_parts_keeps_the_structural_graph_only_in_the_prediction_head() -> None:
    model = build("demo", "jhmdb15", **VARIANTS["only parts"])
    assert StructuralConv not in kinds(model.joint_network.backbone)
    assert model.joint_network.prediction_head is not None
    assert StructuralConv in kinds(model.joint_network.prediction_head)


def test_the_variants_are_the_rows_of_tables_1_and_10() -> None:
    assert VARIANTS.keys() == LEFT_OUT.keys()


def test_realtime_has_only_the_joint_network_unless_bones_are_enabled() -> None:
    alone, both = build("realtime"), build("realtime", bones=True)
    assert alone.bone_network is None
    assert both.bone_network is not None
    assert sum(p.numel() for p in alone.parameters()) < sum(p.numel() for p in build("demo").parameters())
