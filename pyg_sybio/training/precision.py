"""``precision: auto`` in recipes: the fastest precision that a device supports natively."""

import os

import torch


def resolve_precision(precision: str | int | None, accelerator: str = "auto") -> tuple[str | int | None, str]:
    r"""Return the precision to train in, and the reason.

    ``"auto"`` is ``"bf16-mixed"`` on a CUDA device with native bfloat16 and on a processor with AMX, and
    ``"32-true"`` on all other devices. The recipes train more slowly with the bfloat16 of AVX-512 than in
    single precision, and far more slowly with emulated bfloat16.

    Args:
        precision: ``"auto"``, or any precision of Lightning's trainer, which is returned unchanged.
        accelerator: Name of a Lightning accelerator. (default: ``"auto"``)

    Returns:
        The precision, and the reason in words, which is empty if `precision` is not ``"auto"``.
    """
    if precision != "auto":
        return precision, ""
    device = _device_type(accelerator)
    if device == "cpu":
        fast = _has_amx()
        reason = "this processor has AMX" if fast else "this processor has no fast bfloat16"
    else:
        fast = has_native_bf16(device)
        reason = f"{device} with{'' if fast else 'out'} native bfloat16"
    return "bf16-mixed" if fast else "32-true", reason


def has_native_bf16(device: str) -> bool:
    r"""Whether a type of device supports bfloat16 natively, without emulation.

    Args:
        device: Type of device, such as ``"cpu"`` or ``"cuda"``.
    """
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    capabilities = torch.cpu.get_capabilities()
    if capabilities.get("architecture") != "x86_64":
        return bool(capabilities.get("bf16"))
    return bool(capabilities.get("avx512_bf16")) and _onednn_may_use("bf16", "fp16", "amx", "avx10")


def _has_amx() -> bool:
    available = torch.backends.mkldnn.is_available() and torch.cpu.get_capabilities().get("amx_bf16")
    return bool(available) and _onednn_may_use("amx")


def _onednn_may_use(*names: str) -> bool:
    """Whether the environment allows oneDNN to use one of these instruction sets, which torch does not
    report.
    """
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "default"
    return any(name in limit.lower() for name in ("all", "default", *names))


def _device_type(accelerator: str) -> str:
    """The type of device that Lightning selects."""
    if accelerator in ("auto", "gpu"):
        if torch.backends.mps.is_available():
            return "mps"
        return "cuda" if torch.cuda.is_available() else "cpu"
    return accelerator
