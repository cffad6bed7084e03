r"""A trained model as a folder for others: weights, config, what it was trained on, and a model card."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyg_sybio.data.datasets.expmap import Normalisation, Standardize
from pyg_sybio.files import write_whole
from pyg_sybio.models.sybio_gnn import SybioGNN
from pyg_sybio.trained.document import DATA_FILE, to_document
from pyg_sybio.trained.model_card import model_card
from pyg_sybio.trained.trained import Checkpoint

if TYPE_CHECKING:
    from pyg_sybio.export import Exported

CARD_FILE = "README.md"


def share(
    checkpoint: Checkpoint,
    folder: str | Path,
    *,
    report: Mapping[str, Any] | None = None,
    title: str | None = None,
    root: str | None = None,
) -> None:
    r"""Write a model with all that others need to use it.

    The folder gets ``config.json`` and ``model.safetensors``
    (:meth:`~pyg_sybio.models.sybio_gnn.SybioGNN.save_pretrained`), ``data.json`` with the classes and how
    motions are prepared, for exponential maps the statistics of their z-scores as well, and the model card
    ``README.md``. :func:`~pyg_sybio.trained.trained.load_checkpoint` reads it. The recordings are not in
    it, and need not be there to predict.

    Args:
        checkpoint: The model.
        folder: Where to.
        report: What ``sybio evaluate`` found, for the card.
        title: The name of the model in its card. (default: that of the folder)
        root: Folder of the training recordings, whose statistics are taken. (default: as in training)

    Raises:
        ValueError: If the model is an exported one, or the report is of another model.
        FileNotFoundError: If statistics are needed, and the recordings are not there.
    """
    folder = Path(folder)
    model = _trainable(checkpoint)
    document = about(checkpoint, root=root)
    # Of the data, what is shared and no more.
    shown, title = replace(checkpoint, data=document["data"]), title or folder.absolute().name
    card = model_card(shown, report, title=title)
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    model.save_pretrained(folder)
    write_whole(folder / DATA_FILE, lambda file: file.write(text.encode()))
    write_whole(folder / CARD_FILE, lambda file: file.write(card.encode()))


def export_checkpoint(
    checkpoint: Checkpoint, path: str | Path, *, root: str | None = None, **settings: Any
) -> "Exported":
    r"""Write a model as an ONNX file that :func:`~pyg_sybio.trained.trained.load_checkpoint` reads.

    Args:
        checkpoint: The model.
        path: The file.
        root: Folder of the training recordings, as in :func:`share`.
        **settings: Of :func:`~pyg_sybio.export.export_onnx`.

    Raises:
        ValueError: If the model is an exported one, or a setting is wrong.
        FileNotFoundError: If statistics are needed, and the recordings are not there.
        ExportError: If the file would not answer as the model.
    """
    # Imported here: a folder is written without onnxruntime.
    from pyg_sybio.export import export_onnx

    return export_onnx(_trainable(checkpoint), path, about=about(checkpoint, root=root), **settings)


def about(checkpoint: Checkpoint, *, root: str | None = None) -> dict[str, Any]:
    """What others need to know beside the model (:mod:`~pyg_sybio.trained.document`)."""
    normalisation: Normalisation | None = None
    for step in checkpoint.preparation(root=root).preprocess:
        if isinstance(step, Standardize):
            normalisation = step.normalisation
    return to_document(checkpoint, normalisation)


def _trainable(checkpoint: Checkpoint) -> SybioGNN:
    if not isinstance(checkpoint.model, SybioGNN):
        raise ValueError("the model was exported already: expected the checkpoint that it was made from")
    return checkpoint.model
