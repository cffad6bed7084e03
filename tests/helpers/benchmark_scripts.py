"""The scripts of ``benchmarks/`` as modules, with fixed peak rates instead of measured ones."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CEILINGS = {torch.float32: 100.0, torch.bfloat16: 200.0}  # GFLOP/s


class Scripts:
    """The modules of ``benchmarks/``, with fixed peak rates (ceilings), on a device with native bfloat16."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        patch.syspath_prepend(str(BENCHMARKS))
        self._patch = patch
        patch.setattr(self["timing"], "has_native_bf16", lambda device: True)

    def __getitem__(self, name: str) -> ModuleType:
        module = importlib.import_module(name)
        for ceiling in ("convolution_ceiling", "product_ceiling"):
            if hasattr(module, ceiling):
                self._patch.setattr(module, ceiling, lambda device, dtype=torch.float32: CEILINGS[dtype])
        return module
