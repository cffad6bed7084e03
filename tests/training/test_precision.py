"""The precision chosen by ``auto``, depending on the capabilities of the device."""

import pytest
import torch

from pyg_sybio.training.precision import has_native_bf16, resolve_precision
from pyg_sybio.training.recipes import RecipeError, prepare, recipe_names, settings

AMX = {"architecture": "x86_64", "avx512_bf16": True, "amx_bf16": True}
AVX512 = {"architecture": "x86_64", "avx512_bf16": True, "amx_bf16": False}
AVX2 = {"architecture": "x86_64", "avx512_bf16": False, "amx_bf16": False}
ARM = {"architecture": "aarch64", "bf16": True}


@pytest.fixture(autouse=True)
def no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)


@pytest.mark.parametrize(
    ("capabilities", "limit", "precision", "native"),
    [
        (AMX, None, "bf16-mixed", True),
        (AMX, "default", "bf16-mixed", True),
        (AMX, "ALL", "bf16-mixed", True),
        (AMX, "AVX512_CORE_AMX", "bf16-mixed", True),
        (AMX, "AVX10_1_512_AMX", "bf16-mixed", True),
        (AMX, "AVX512_CORE_FP16", "32-true", True),
        (AMX, "AVX512_CORE_BF16", "32-true", True),
        (AMX, "avx512_core_vnni", "32-true", False),
        (AMX, "AVX512_CORE", "32-true", False),
        (AMX, "AVX2_VNNI_2", "32-true", False),
        (AMX, "AVX2", "32-true", False),
        (AVX512, None, "32-true", True),
        (AVX512, "AVX512_CORE", "32-true", False),
        (AVX2, None, "32-true", False),
        (ARM, None, "32-true", True),
    ],
)
def test_auto_precision_on_a_cpu_depends_on_its_instruction_sets(
    capabilities: dict[str, object],
    limit: str | None,
    precision: str,
    native: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        with monkeypatch.context() as patch:
            if limit is not None:
                patch.setenv(name, limit)
            assert resolve_precision("auto", "cpu")[0] == precision
            assert has_native_bf16("cpu") == native


def test_without_onednn_there_is_no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: AMX)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert resolve_precision("auto", "cpu")[0] == "32-true"
    assert not has_native_bf16("cpu")


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
@pytest.mark.parametrize("accelerator", ["auto", "gpu", "cuda"])
def test_auto_precision_on_cuda_depends_on_native_bfloat16(
    accelerator: str, native: bool, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def supported(*, including_emulation: bool) -> bool:
        return native or including_emulation

    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert resolve_precision("auto", accelerator)[0] == precision


def test_auto_precision_on_mps_is_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_precision("auto")[0] == "32-true"


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed", 32, None])
def test_an_explicit_precision_is_kept(precision: str | int | None) -> None:
    assert resolve_precision(precision, "cpu") == (precision, "")


def test_every_recipe_except_the_demo_uses_auto() -> None:
    found = {name: settings(name)["trainer"]["precision"] for name in recipe_names()}
    assert found.pop("synthetic") == "32-true"
    assert set(found.values()) == {"auto"}


@pytest.mark.parametrize(("limit", "capabilities"), [("AVX2", AMX), (None, AMX), (None, AVX2)])
def test_the_trainer_reports_its_precision(
    limit: str | None,
    capabilities: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    if limit is not None:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    trainer = prepare("synthetic", ["--trainer.accelerator=cpu", "--trainer.precision=auto"]).trainer
    bf16 = limit is None and capabilities is AMX
    assert trainer.precision == ("bf16-mixed" if bf16 else "32-true")
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("precision: ")]
    assert said == [
        "precision: bf16-mixed (this processor has AMX)"
        if bf16
        else "precision: 32-true (this processor has no fast bfloat16)"
    ]


def test_the_precision_can_be_overridden(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--trainer.accelerator=cpu", "--trainer.precision=64-true"]
    assert prepare("synthetic", given).trainer.precision == "64-true"
    assert "precision:" not in capsys.readouterr().err
    with pytest.raises(RecipeError, match=r"trainer\.precision"):
        prepare("synthetic", ["--trainer.precision=33"])
