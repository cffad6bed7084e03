"""Errors of the command line: what a user reads, and the exit code."""

_EXTRAS = {
    "lightning": "train",
    "jsonargparse": "train",
    "torchmetrics": "train",
    "tensorboard": "train",
    "matplotlib": "viz",
    "plotly": "viz",
    "sklearn": "viz",
    "onnx": "export",
    "onnxscript": "export",
    "onnxruntime": "export",
    "huggingface_hub": "hub",
    "starlette": "serve",
    "uvicorn": "serve",
    "websockets": "serve",
}
"""The extra of this package that installs an optional package."""


class UsageError(ValueError):
    """Wrong usage that :mod:`argparse` cannot detect: exit code 2."""


def describe(error: Exception) -> str:
    """An error as one line that says what was wrong and what was expected."""
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        package = error.name.partition(".")[0]
        if package in _EXTRAS:
            return f'this command needs {package}: pip install "pyg_sybio[{_EXTRAS[package]}]"'
    message = " ".join(str(error).split())
    if isinstance(error, (ValueError, OSError)):
        return message
    # An unforeseen error: its type helps, and the traceback more.
    return f"{type(error).__name__}: {message} (--debug shows the traceback)"
