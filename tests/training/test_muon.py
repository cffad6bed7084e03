"""Steps of Muon compared with singular value decompositions, PyTorch's Muon, and AdamW."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import AdamW

from pyg_sybio.training.muon import Muon, orthogonal


def network() -> nn.Module:
    """A convolution and two linear layers, the last of which has few outputs."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(20, 24, (5, 1)), nn.ReLU(), nn.Flatten(), nn.Linear(24 * 6, 32), nn.ReLU(), nn.Linear(32, 4)
    ).double()


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        clips = torch.randn(8, 20, 10, 1, generator=generator, dtype=torch.double)
        optimizer.zero_grad()
        (model(clips) - clips.mean(dim=(2, 3))[:, :4]).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("shape", [(30, 70), (70, 30), (3, 40, 40)])
def test_singular_vectors_are_kept_and_singular_values_become_about_one(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    u, _, vh = torch.linalg.svd(torch.randn(shape, dtype=torch.double), full_matrices=False)
    # The singular values are between 0.1 and 1, so they are above a hundredth of the norm, which is about 3.
    values = torch.linspace(0.1, 1, u.size(-1), dtype=torch.double)
    found = u.mT @ orthogonal(7 * u @ torch.diag(values) @ vh) @ vh.mT
    on_diagonal = found.diagonal(dim1=-2, dim2=-1)
    assert torch.allclose(found, torch.diag_embed(on_diagonal), atol=1e-12)
    assert on_diagonal.min() > 0.68 and on_diagonal.max() < 1.14


def test_orthogonalising_a_zero_matrix_gives_zero() -> None:
    assert orthogonal(torch.zeros(2, 5, 4)).eq(0).all()


@pytest.mark.parametrize("size", [1e-13, 1e-19, 1e-22, 1e-25, 1e-38])
def test_nearly_zero_matrices_stay_small(size: float) -> None:
    torch.manual_seed(0)
    assert orthogonal(size * torch.randn(16, 30)).norm() < 0.1  # 4 if all singular values were one


def test_a_weight_without_further_gradients_stops_moving() -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(20, 25))
    optimizer = Muon([weight], lr=0.01, weight_decay=0.0)
    stepped(optimizer, weight, [torch.randn(20, 25)])
    # The momentum decays by a twentieth per step, until it leaves the range of single precision.
    nothing = [torch.zeros(20, 25)] * 1000
    after = stepped(optimizer, weight, nothing).clone()
    assert torch.allclose(stepped(optimizer, weight, nothing), after, atol=1e-6)


def stepped(optimizer: torch.optim.Optimizer, weight: Tensor, gradients: list[Tensor]) -> Tensor:
    for gradient in gradients:
        weight.grad = gradient
        optimizer.step()
    return weight.detach()


def test_steps_of_a_matrix_equal_pytorchs_muon() -> None:
    torch.manual_seed(0)
    start, gradients = torch.randn(40, 25), [torch.randn(40, 25) for _ in range(3)]
    ours, theirs = (nn.Parameter(start.clone()) for _ in range(2))
    found = stepped(Muon([ours], lr=0.1, weight_decay=0.3, momentum=0.8), ours, gradients)
    expected = stepped(
        torch.optim.Muon([theirs], lr=0.1, weight_decay=0.3, momentum=0.8, adjust_lr_fn="match_rms_adamw"),
        theirs,
        gradients,
    )
    # PyTorch multiplies in bfloat16, which has eight significant bits.
    assert (found - expected).abs().max() < 0.02 * (expected - start).abs().max()


def test_steps_of_a_convolution_equal_the_steps_of_its_flattened_matrix() -> None:
    torch.manual_seed(0)
    start, gradients = torch.randn(24, 20, 5, 1), [torch.randn(24, 20, 5, 1) for _ in range(3)]
    conv, matrix = nn.Parameter(start.clone()), nn.Parameter(start.clone().flatten(1))
    found = stepped(Muon([conv]), conv, gradients)
    expected = stepped(Muon([matrix]), matrix, [gradient.flatten(1) for gradient in gradients])
    assert torch.equal(found.flatten(1), expected)


def test_matrices_of_the_same_shape_are_orthogonalised_separately() -> None:
    torch.manual_seed(0)
    starts, gradients = torch.randn(2, 20, 30), torch.randn(2, 20, 30)
    together = [nn.Parameter(start.clone()) for start in starts]
    optimizer = Muon(together)
    for weight, gradient in zip(together, gradients, strict=True):
        weight.grad = gradient
    optimizer.step()
    for weight, start, gradient in zip(together, starts, gradients, strict=True):
        alone = nn.Parameter(start.clone())
        assert torch.allclose(weight, stepped(Muon([alone]), alone, [gradient]), atol=1e-6)


def train_in_parallel(models: tuple[nn.Module, ...], optimizers: tuple[torch.optim.Optimizer, ...]) -> None:
    """Four steps of several models on the same clips."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        clips = torch.randn(8, 20, 10, 1, generator=generator, dtype=torch.double)
        for model in models:
            model.zero_grad()
            model(clips).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()


def test_steps_of_other_parameters_equal_adamw() -> None:
    model = network()
    adamws = [model[0].bias, model[3].bias, model[5].weight, model[5].bias]
    twin = copy.deepcopy(model)
    twins = [twin[0].bias, twin[3].bias, twin[5].weight, twin[5].bias]
    matrices = [twin[0].weight, twin[3].weight]
    settings = {"lr": 0.01, "weight_decay": 0.2, "betas": (0.8, 0.9)}
    ours = Muon(model.parameters(), **settings)
    both = (Muon(matrices, **settings), AdamW(twins, **settings))
    train_in_parallel((model, twin), (ours, *both))
    for weight, other in zip(adamws, twins, strict=True):
        assert torch.equal(weight, other)


def test_schedules_apply_to_both_types_of_parameters() -> None:
    model = network()
    optimizer = Muon(model.parameters(), lr=0.5)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.0)
    before = copy.deepcopy(model.state_dict())
    train(model, optimizer, 2)
    schedule.step()
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())


def test_training_continues_from_a_saved_state(tmp_path: Path) -> None:
    whole, stopped = network(), network()
    optimizer = Muon(whole.parameters(), lr=0.01)
    train(whole, optimizer, 3)
    train(whole, optimizer, 3)

    first = Muon(stopped.parameters(), lr=0.01)
    train(stopped, first, 3)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    resumed = Muon(stopped.parameters(), lr=0.9, momentum=0.1)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt"))
    train(stopped, resumed, 3)
    for weight, expected in zip(stopped.parameters(), whole.parameters(), strict=True):
        assert torch.equal(weight, expected)


def groups_of(model: nn.Module) -> list[dict[str, Any]]:
    """Two parameter groups, each with matrices and other weights."""
    return [
        {"params": [*model[0].parameters()], "weight_decay": 0.5},
        {"params": [*model[3].parameters(), *model[5].parameters()], "weight_decay": 0.0, "lr": 0.02},
    ]


def test_groups_keep_their_settings() -> None:
    model = network()
    optimizer = Muon(groups_of(model), lr=0.1, weight_decay=0.3)
    names = {id(weight): name for name, weight in model.named_parameters()}
    settings = {
        names[id(weight)]: (group["lr"], group["weight_decay"], "momentum" in group)
        for group in optimizer.param_groups
        for weight in group["params"]
    }
    assert settings == {
        "0.weight": (0.1, 0.5, True),
        "0.bias": (0.1, 0.5, False),
        "3.weight": (0.02, 0.0, True),
        "3.bias": (0.02, 0.0, False),
        "5.weight": (0.02, 0.0, False),
        "5.bias": (0.02, 0.0, False),
    }
    assert [len(group["params"]) for group in optimizer.param_groups] == [1, 1, 1, 3]


def test_steps_of_a_group_equal_a_separate_optimizer() -> None:
    model, twin = network(), network()
    together = Muon(groups_of(model), lr=0.1)
    first, second = groups_of(twin)
    apart = (Muon(first["params"], lr=0.1, weight_decay=0.5), Muon(second["params"], 0.02, 0.0))
    train_in_parallel((model, twin), (together, *apart))
    for weight, other in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(weight, other, atol=1e-12, rtol=1e-9)


def test_a_group_may_have_a_different_momentum() -> None:
    model = network()
    first, second = groups_of(model)
    optimizer = Muon([first | {"momentum": 0.5}, second])
    momenta = [group.get("momentum") for group in optimizer.param_groups]
    assert momenta == [0.5, 0.95, None, None]


def test_training_of_groups_continues_from_a_saved_state() -> None:
    whole, stopped = network(), network()
    optimizer = Muon(groups_of(whole), lr=0.01)
    train(whole, optimizer, 3)
    train(whole, optimizer, 3)
    first = Muon(groups_of(stopped), lr=0.01)
    train(stopped, first, 3)
    resumed = Muon(groups_of(stopped), lr=0.9, weight_decay=0.7)
    resumed.load_state_dict(copy.deepcopy(first.state_dict()))
    train(stopped, resumed, 3)
    for weight, expected in zip(stopped.parameters(), whole.parameters(), strict=True):
        assert torch.equal(weight, expected)


def test_parameters_without_gradients_do_not_change() -> None:
    model = network()
    before = copy.deepcopy(model.state_dict())
    model[0](torch.randn(1, 20, 10, 1, dtype=torch.double)).sum().backward()
    Muon(model.parameters(), lr=0.1, weight_decay=0.5).step()
    moved = [name for name, weight in model.state_dict().items() if not torch.equal(before[name], weight)]
    assert moved == ["0.weight", "0.bias"]


def test_the_closure_is_run_with_gradients() -> None:
    model = network()
    clips = torch.randn(8, 20, 10, 1, dtype=torch.double)

    def closure() -> Tensor:
        model.zero_grad()
        loss = model(clips).square().mean()
        loss.backward()
        return loss

    optimizer = Muon(model.parameters(), lr=0.01)
    first = optimizer.step(closure)
    assert all(optimizer.step(closure) < first for _ in range(3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"momentum": 1.0}, r"'momentum' is 1.0, expected a number in \[0, 1\)"),
        ({"momentum": -0.1}, "'momentum' is -0.1"),
        ({"min_side": 0}, "'min_side' is 0, expected at least 1"),
        ({"min_side": 200}, "no parameter is a matrix of at least 200 by 200 entries"),
        ({"lr": -1.0}, "Invalid learning rate"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Muon(network().parameters(), **settings)
