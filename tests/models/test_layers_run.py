"""Every layer of a model runs by its own forward, in training and in evaluation."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pyg_sybio import graphs
from pyg_sybio.models.presets import PRESETS, VARIANTS
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.nn.actional_graph import ActionalGraphInference
from pyg_sybio.nn.joint_conv import JointConv
from pyg_sybio.skeleton import load_skeleton

SKELETON = load_skeleton("jhmdb15")
M, D = SKELETON.num_joints, SKELETON.num_features


def build(preset: str = "demo", **overrides: Any) -> SybioGNN:
    return SybioGNN.from_preset(preset, skeleton=SKELETON, num_classes=4, num_future=2, **overrides)


def motion() -> Tensor:
    return torch.randn(2, 12, M, D)


def left_out(model: SybioGNN) -> tuple[str, ...]:
    """Modules that do not run in evaluation: with a joint network, the bone network does not predict."""
    if model.training or model.joint_network is None or model.bone_correction is not None:
        return ()
    # Without recognition, the bone network is only needed for its own prediction.
    return ("bone_network.prediction_head",) if model.num_classes else ("bone_network",)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "variant", [*VARIANTS.values(), {"shared_branches": False}, {"bone_weight": 0.5}], ids=str
)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_module_with_parameters_is_called(preset: str, variant: dict[str, Any], training: bool) -> None:
    model = build(preset, **{"bones": True, **variant}).train(training)
    called: set[str] = set()
    for name, module in model.named_modules():
        module.register_forward_hook(lambda module, args, out, name=name: called.add(name))
    model(motion())
    expected = {
        name
        for name, module in model.named_modules()
        if next(module.parameters(), None) is not None and not isinstance(module, nn.ModuleList)
    }
    assert {name for name in expected - called if not name.startswith(left_out(model))} == set()


@pytest.mark.parametrize("training", [True, False])
def test_agim_runs_message_passing(training: bool) -> None:
    model, calls = build(actional_iterations=2).train(training), 0

    def count(module: nn.Module, inputs: tuple[Any, ...], out: Tensor) -> None:
        nonlocal calls
        calls += 1

    agims = [module for module in model.modules() if isinstance(module, ActionalGraphInference)]
    for module in agims:
        module.register_propagate_forward_hook(count)
    model(motion())
    assert calls == sum(module.iterations for module in agims) == 4


@pytest.mark.parametrize("training", [True, False])
def test_replacing_the_forward_of_a_layer_changes_the_output(
    training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model, x = build().train(training), motion()
    before = model(x)
    forward = JointConv.forward
    monkeypatch.setattr(JointConv, "forward", lambda self, *args: forward(self, *args).roll(1, dims=-2))
    after = model(x)
    assert not torch.allclose(before.future, after.future)
    assert not torch.allclose(before.logits, after.logits)


def test_flops_are_counted_by_module() -> None:
    model = build().eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(motion())
    counts = counter.get_flop_counts()
    assert counter.get_total_flops() > 0
    for name in ("SybioGNN.joint_network", "SybioGNN.joint_network.backbone", "SybioGNN.bone_network"):
        assert sum(counts[name].values()) > 0


@pytest.mark.filterwarnings("ignore:.*deprecated.*:UserWarning")
def test_dynamic_quantisation_replaces_the_linear_layers() -> None:
    torch.manual_seed(0)
    model, x = build().eval(), motion()
    quantized = torch.ao.quantization.quantize_dynamic(model, {nn.Linear, nn.GRUCell}, dtype=torch.qint8)
    assert not any(type(module) in (nn.Linear, nn.GRUCell) for module in quantized.modules())
    out, exact = quantized(x), model(x)
    assert not torch.equal(out.logits, exact.logits)
    torch.testing.assert_close(out.logits.softmax(-1), exact.logits.softmax(-1), atol=0.05, rtol=0)
    assert (out.future - exact.future).abs().max() < 0.1 * exact.future.abs().max()


@pytest.mark.parametrize(
    "builder", ["skeleton_graph", "structural_graph", "part_graph", "bone_graph", "complete_graph"]
)
def test_every_graph_builder_is_used(builder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError(f"{builder} was called")

    monkeypatch.setattr(graphs, builder, broken)
    with pytest.raises(RuntimeError, match=f"{builder} was called"):
        build()


def test_the_dual_network_is_built_on_the_bone_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    bone_graph = graphs.bone_graph

    def without_links(*args: Any) -> Any:
        graph = bone_graph(*args)
        loops = graph.edge_index[0] == graph.edge_index[1]
        graph.edge_index, graph.edge_weight = graph.edge_index[:, loops], graph.edge_weight[loops]
        return graph

    monkeypatch.setattr(graphs, "bone_graph", without_links)
    model = build()
    assert model.bone_network is not None
    block = model.bone_network.backbone.branches[0].joint_blocks[0]
    identity = torch.eye(len(SKELETON.bones))
    for power in block.graph_conv.structural.adjacency:
        torch.testing.assert_close(power.detach(), identity)
