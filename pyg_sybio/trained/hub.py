r"""Models on the Hugging Face hub: a shared folder is pushed there, and pulled by its name ``owner/name``.

What travels are the files that ``sybio export pretrained`` writes, and no others.

Note:
    The hub's own mixin has a class beside the model, :class:`~pyg_sybio.trained.hub_mixin.HubSybioGNN`: as
    a base of every model it would make ``huggingface_hub`` a requirement.
"""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FILES = ("config.json", "model.safetensors", "data.json", "README.md")
"""The files of a shared folder."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_NO_NAME = (".ckpt", ".onnx", ".json", ".safetensors")


def is_hub_name(name: str) -> bool:
    """Whether something is the name of a repository, ``owner/name``, and not that of a file."""
    return len(name) <= 96 and _NAME.fullmatch(name) is not None and not name.endswith(_NO_NAME)


def is_installed() -> bool:
    """Whether there is ``huggingface_hub`` (``pip install "pyg_sybio[hub]"``)."""
    return find_spec("huggingface_hub") is not None


def push_to_hub(
    folder: str | Path,
    name: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    message: str = "Share a model",
) -> str:
    r"""Put a shared folder on the hub.

    Args:
        folder: What ``sybio export pretrained`` wrote.
        name: The repository, ``owner/name``; it is made if it does not exist.
        private: Whether a new repository is private. (default: as the owner has it)
        token: Who may write. (default: who is logged in)
        message: Of the commit.

    Returns:
        Where the commit is to be seen.

    Raises:
        ValueError: If there cannot be a repository of that name.
        FileNotFoundError: If the folder lacks one of :data:`FILES`.
        ModuleNotFoundError: Without ``huggingface_hub``.
    """
    _check_name(name)
    for file in FILES:
        if not (Path(folder) / file).is_file():
            raise FileNotFoundError(
                f"{folder} lacks the file {file}: expected what 'sybio export pretrained' wrote"
            )
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    api.create_repo(repo_id=name, private=private, exist_ok=True)
    commit = api.upload_folder(
        repo_id=name, folder_path=folder, allow_patterns=list(FILES), commit_message=message
    )
    return str(commit)


def pull(name: str, *, revision: str | None = None, token: str | None = None) -> Path:
    r"""Get a model from the hub, unless it is here already.

    Args:
        name: The repository, ``owner/name``.
        revision: Its branch, tag or commit. (default: the newest)
        token: Who may read. (default: who is logged in, if somebody is)

    Returns:
        The folder on this machine, for :meth:`SybioGNN.from_pretrained
        <pyg_sybio.models.sybio_gnn.SybioGNN.from_pretrained>` or
        :func:`~pyg_sybio.trained.trained.load_checkpoint`.

    Raises:
        ValueError: If there cannot be a repository of that name.
        FileNotFoundError: If the hub does not give it: it is not there, not for everyone, or out of reach.
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
            f"'{name}' is no folder here, and the hub does not give a model of that name: {error}"
        ) from error


def _check_name(name: str) -> None:
    if not is_hub_name(name):
        raise ValueError(
            f"'name' is {name!r}, expected the name of a repository on the hub, such as owner/name"
        )
