"""Model folders: the arguments of a model as JSON, and its weights as safetensors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from pyg_sybio.files import write_json, write_whole
from pyg_sybio.models.bounds import check_config_bounds, read_document
from pyg_sybio.skeleton import Skeleton

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"


def save(model: Any, folder: Path) -> None:
    """Write the config and the weights; see :meth:`SybioGNN.save_pretrained
    <pyg_sybio.models.sybio_gnn.SybioGNN.save_pretrained>`.
    """
    weights = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    write_whole(folder / WEIGHTS_FILE, lambda file: file.write(safetensors.save(weights)))
    write_json(folder / CONFIG_FILE, model.config)


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read the config and the weights.

    Raises:
        FileNotFoundError: If the folder lacks one of the two files.
        ValueError: If a file is invalid, or a number in the config is out of bounds
            (:func:`~pyg_sybio.models.bounds.check_config_bounds`).
    """
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder}: no pretrained model here, expected the file {name}")
    config = read_document(folder / CONFIG_FILE)
    check_config_bounds(config, str(folder / CONFIG_FILE), weights_file=folder / WEIGHTS_FILE)
    try:
        return config, safetensors.load_file(folder / WEIGHTS_FILE)
    except SafetensorError as error:
        raise ValueError(f"{folder / WEIGHTS_FILE}: invalid safetensors file: {error}") from error


def check_weights(
    own: Mapping[str, Tensor], weights: Mapping[str, Tensor], *, where: str, skeleton: Skeleton
) -> None:
    """Check that the weights fit a model's state dict; the error names the first tensor that differs.

    Raises:
        ValueError: If a tensor is missing, unknown or of another shape.
    """
    for key in sorted(own.keys() | weights.keys()):
        expected = f"shape {tuple(own[key].shape)}" if key in own else "no such tensor"
        found = f"shape {tuple(weights[key].shape)}" if key in weights else "no such tensor"
        if expected != found:
            raise ValueError(
                f"{where}: the weights belong to another model or skeleton: '{key}': found {found}, "
                f"expected {expected} for skeleton '{skeleton.name}'"
            )
