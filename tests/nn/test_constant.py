"""Constants are rounded only once."""

import copy

import torch

from pyg_sybio.nn.constant import Constant


def test_casting_to_float64_restores_the_exact_constant() -> None:
    exact = torch.rand(4, 4, dtype=torch.float64)
    layer = Constant(exact)
    assert layer().dtype == torch.float32
    assert torch.equal(layer(), exact.float())
    assert not torch.equal(layer().double(), exact)
    assert torch.equal(layer.double()(), exact)
    assert torch.equal(layer.half()(), exact.half())
    assert torch.equal(copy.deepcopy(layer).double()(), exact)


def test_a_constant_is_not_part_of_the_state_dict() -> None:
    layer = Constant(torch.eye(3, dtype=torch.float64))
    assert not layer.state_dict()
    assert not list(layer.parameters())
    assert repr(layer) == "Constant((3, 3))"


def test_a_constant_in_another_module_survives_casts_and_the_meta_device() -> None:
    exact = torch.rand(3, dtype=torch.float64)
    outer = torch.nn.Sequential(Constant(exact))
    assert torch.equal(outer.double()[0](), exact)
    assert outer.to("meta")[0]().device.type == "meta"
    assert torch.equal(outer.to_empty(device="cpu")[0](), exact)
