"""Reading and writing of checkpoint files for Lightning."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from pyg_sybio.files import write_whole
from pyg_sybio.trained.torch_file import read_torch_file


class CheckpointFiles(TorchCheckpointIO):
    """Plugin that writes checkpoints atomically and reads them without running code; errors name the file.

    A full disk leaves the previous version of a checkpoint and no temporary file. Lightning itself handles
    the addresses of other file systems, such as ``s3://...``.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint."""
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        content = io.BytesIO()  # torch does not report errors of the file system
        torch.save(checkpoint, content)
        write_whole(path, lambda file: file.write(content.getbuffer()))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
        """Read a checkpoint; its tensors are on the CPU."""
        if "://" in str(path):
            return super().load_checkpoint(path, map_location, weights_only)
        return read_torch_file(Path(path))
