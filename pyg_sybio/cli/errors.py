"""Errors and notes of the command line."""

import sys

from pyg_sybio.data.printable import printable

_EXTRAS = {
    "train": ("lightning", "jsonargparse", "torchmetrics", "tensorboard"),
    "viz": ("matplotlib", "scipy", "sklearn"),
    "export": ("onnx", "onnxscript", "onnxruntime"),
    "hub": ("huggingface_hub",),
    "serve": ("starlette", "uvicorn", "websockets"),
}
"""Optional packages that each extra of this package installs."""


def note(text: str, kind: str = "note") -> None:
    """Print a note, a warning or an error for the user."""
    print(f"sybio: {kind}: {printable(text)}", file=sys.stderr)


class UsageError(ValueError):
    """Wrong usage that :mod:`argparse` cannot detect: exit code 2."""


class IncompleteError(ValueError):
    """The command has finished, but without some of its inputs: exit code 3."""


def describe(error: Exception) -> str:
    """Describe an error in one line."""
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        package = error.name.partition(".")[0]
        for extra, packages in _EXTRAS.items():
            if package in packages:
                return f'this command needs {package}: pip install "pyg_sybio[{extra}]"'
    message = " ".join(str(error).split())
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, (ValueError, OSError, FloatingPointError)):
        return message
    # For an unexpected error, also show its type and how to get the traceback.
    return f"{type(error).__name__}: {message} (--debug shows the traceback)"
