r"""The document of a trained model: the content of a model file apart from the network and its weights.

The document is JSON, with the same content in a ``.ckpt`` (under the key ``document``), in a folder
(``data.json``) and in the metadata of an ONNX file. A model file is data and is never executed. The schema of
the document, ``document.schema.json``, bounds every number. It allows names of registered data sets and
transforms and one plain folder name, but no other path and no pattern.
"""

from pathlib import Path
from typing import Any

from pyg_sybio.files import check_schema, parse_json
from pyg_sybio.models.bounds import check_plain
from pyg_sybio.trained.views import Views

DATA_FILE = "data.json"
DOCUMENT_KEY = "document"
FORMAT = 2

MAX_TRANSFORMS = 32
MAX_CHARACTERS = 2**22
"""Maximum length of a document in a checkpoint."""

_SCHEMA = Path(__file__).with_suffix(".schema.json")


def parse_document(text: Any) -> Any:
    """The JSON value of a document's text.

    Raises:
        ValueError: If the text is not a string, is too long, or is not strict JSON.
    """
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS:
        raise ValueError(f"expected a document of at most {MAX_CHARACTERS} characters")
    return parse_json(text, "the document")


def check_document(document: Any) -> None:
    r"""Check every value of an untrusted document against the schema.

    Raises:
        ValueError: If something is missing, unknown, of another type, or out of its bounds.
    """
    check_plain(document, "the document")
    check_schema(document, _SCHEMA)
    views = Views.from_settings(document["views"])
    if len(views.seen) > 1 and document["preparation"]["padding"] is None:
        raise ValueError("'views' has parts, but parts of clips need a 'padding' in 'preparation'")
    named, seen = len(document["class_names"]), len(document["seen_classes"])
    if seen != named:
        raise ValueError(f"'seen_classes' has {seen} entries, expected {named}, one per class")
