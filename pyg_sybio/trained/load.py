r"""Read a trained model from a checkpoint, a folder, an ONNX file, or the Hugging Face hub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from pyg_sybio.models import pretrained
from pyg_sybio.models.bounds import check_config_bounds, check_window, read_document
from pyg_sybio.models.pretrained import WEIGHTS_FILE
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.trained import hub, old_form
from pyg_sybio.trained.digest import weights_digest
from pyg_sybio.trained.document import DATA_FILE, DOCUMENT_KEY, check_document, parse_document
from pyg_sybio.trained.torch_file import read_torch_file
from pyg_sybio.trained.trained import Trained

_PREFIX = "model."  # names of the network's weights in a checkpoint begin with this
_DAMAGED = "the weights are damaged: their digest differs from the digest in the document"


def load_trained(path: str | Path, *, root: str | Path | None = None) -> Trained:
    r"""Read a trained model.

    A model file is read as data, even if it is untrusted: no code in it is run, no module named in it is
    imported, and every number is bounded.

    Args:
        path: A checkpoint that ``sybio fit`` wrote, a folder or an ``.onnx`` file that ``sybio export``
            wrote, or the name of such a folder on the Hugging Face hub
            (:func:`~pyg_sybio.trained.hub.repository_of`).
        root: The folder of the training recordings, only for checkpoints of earlier versions, which lack the
            mean and standard deviation of exponential maps.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If the file is not a trained model, is damaged, or has contents that are not allowed in
            model files.
    """
    repository = hub.repository_of(path)
    path = Path(path) if repository is None else hub.pull(repository)
    try:
        if path.is_file():
            is_onnx = path.suffix.lower() == ".onnx"
            return _from_onnx(path) if is_onnx else _from_checkpoint(path, root)
        if path.is_dir():
            return _from_folder(path)
    except ValueError as error:
        raise error if str(path) in str(error) else ValueError(f"{path}: {error}") from error
    raise FileNotFoundError(
        f"no model at {path}: expected a .ckpt file that 'sybio fit' wrote, a folder or an .onnx file that "
        "'sybio export' wrote, or hf://owner/name for a folder on the Hugging Face hub"
    )


def _from_checkpoint(path: Path, root: str | Path | None) -> Trained:
    content = read_torch_file(path)
    try:
        config, state = content["model_config"], content["state_dict"].items()
        weights = {key.removeprefix(_PREFIX): value for key, value in state if key.startswith(_PREFIX)}
        digest = weights_digest(weights)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a checkpoint that 'sybio fit' wrote") from error
    if DOCUMENT_KEY in content:
        document = parse_document(content[DOCUMENT_KEY])
    else:
        document = old_form.upgrade(old_form.document_of_checkpoint(content), config, digest, root=root)
    return _trained(config, weights, document, digest, path)


def _from_folder(folder: Path) -> Trained:
    if not (folder / DATA_FILE).is_file():
        raise FileNotFoundError(f"{folder}: no trained model here, expected the file {DATA_FILE}")
    document = read_document(folder / DATA_FILE)
    config, weights = pretrained.read(folder)
    digest = weights_digest(weights)
    if old_form.is_old(document):
        document = old_form.upgrade(document, config, digest)
    return _trained(config, weights, document, digest, folder / WEIGHTS_FILE)


def _from_onnx(path: Path) -> Trained:
    from pyg_sybio.trained.onnx_model import OnnxModel

    model = OnnxModel.load(path)
    document: Any = model.about
    if old_form.is_old(document):
        document = old_form.upgrade(document, model.config, model.digest)
    trained = Trained.from_document(model, document)
    if document["digest"] != model.digest:
        raise ValueError(_DAMAGED)
    return trained


def _trained(config: Any, weights: Mapping[str, Tensor], document: Any, digest: str, file: Path) -> Trained:
    """Check all contents of a model file, then build the model."""
    check_document(document)
    check_config_bounds(config, "the model's config", weights_file=file)
    check_window(config, document["preparation"]["num_observed"], "the model's config")
    if document["digest"] != digest:
        raise ValueError(_DAMAGED)
    model = SybioGNN.from_config(config)
    model.load_weights(weights, where=str(file))
    return Trained.from_document(model, document)
