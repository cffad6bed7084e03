r"""Models on the Hugging Face hub: push a saved folder, and pull it by its name ``owner/name``.

Only the files that ``sybio export pretrained`` writes are transferred.
"""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FILES = ("config.json", "model.safetensors", "data.json", "README.md")
"""The files of a saved model."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_NOT_A_NAME = (".ckpt", ".onnx", ".json", ".safetensors")


def is_hub_name(name: str) -> bool:
    """Whether a string is the name of a repository, ``owner/name``, and not the name of a file."""
    return len(name) <= 96 and _NAME.fullmatch(name) is not None and not name.endswith(_NOT_A_NAME)


def repository_of(model: str | Path) -> str | None:
    """The repository ``owner/name`` that is meant by the name of a model, or None if it is a local path.

    ``hf://owner/name`` always means a repository. ``owner/name`` means one if it is a string, there is no
    local folder ``owner``, and ``huggingface_hub`` is installed. A :class:`~pathlib.Path` without ``hf://``
    is local, so that commands do not search the hub for a mistyped path.
    """
    path = Path(model)
    if match := re.fullmatch(r"hf:/{1,2}(.+)", path.as_posix()):
        return match[1]
    if isinstance(model, str) and is_hub_name(model) and not path.exists() and not path.parent.exists():
        return model if is_installed() else None
    return None


def is_installed() -> bool:
    """Whether ``huggingface_hub`` is installed (``pip install "pyg_sybio[hub]"``)."""
    return find_spec("huggingface_hub") is not None


def push_to_hub(
    folder: str | Path,
    name: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    message: str = "Share a model",
) -> str:
    r"""Upload a saved model to the hub.

    Args:
        folder: A folder that ``sybio export pretrained`` wrote.
        name: The repository, ``owner/name``; it is created if it does not exist.
        private: Whether a new repository is private. (default: the owner's setting)
        token: An access token with write permission. (default: the user who is logged in)
        message: The commit message.

    Returns:
        The URL of the commit.

    Raises:
        ValueError: If the name is not valid for a repository.
        FileNotFoundError: If the folder lacks one of :data:`FILES`.
        ModuleNotFoundError: Without ``huggingface_hub``.
    """
    _check_name(name)
    for file in FILES:
        if not (Path(folder) / file).is_file():
            raise FileNotFoundError(
                f"{folder} lacks the file {file}: expected a folder that 'sybio export pretrained' wrote"
            )
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    api.create_repo(repo_id=name, private=private, exist_ok=True)
    commit = api.upload_folder(
        repo_id=name, folder_path=folder, allow_patterns=list(FILES), commit_message=message
    )
    return str(commit)


def pull(name: str, *, revision: str | None = None, token: str | None = None) -> Path:
    r"""Download a model from the hub, unless it is in the local cache.

    Args:
        name: The repository, ``owner/name``.
        revision: A branch, tag or commit. (default: the newest commit)
        token: An access token. (default: the user who is logged in, if any)

    Returns:
        The local folder, for :func:`~pyg_sybio.trained.load.load_trained` or :meth:`SybioGNN.from_pretrained
        <pyg_sybio.models.sybio_gnn.SybioGNN.from_pretrained>`.

    Raises:
        ValueError: If the name is not valid for a repository.
        FileNotFoundError: If the hub does not have the model, denies access to it, or cannot be reached.
        ModuleNotFoundError: Without ``huggingface_hub``.
    """
    _check_name(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    arguments: dict[str, Any] = {"revision": revision, "token": token}
    try:
        return Path(snapshot_download(name, allow_patterns=list(FILES), **arguments))
    except (HfHubHTTPError, OSError) as error:
        raise FileNotFoundError(
            f"'{name}' is not a local folder, and cannot be downloaded from the hub: {error}"
        ) from error


def _check_name(name: str) -> None:
    if not is_hub_name(name):
        raise ValueError(
            f"'name' is {name!r}, expected the name of a repository on the hub, such as owner/name"
        )
