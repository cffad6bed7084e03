r"""Arrays of all clips of NTU RGB+D in one ``.npz`` file, the input of much skeleton recognition code.

``x_train`` and ``x_test`` are `[N, T, 150]`, which is `[N, T, 2, 25, 3]`: two persons, the joints of a Kinect
v2 and their coordinates; ``y_train`` and ``y_test`` are the one-hot classes `[N, C]`. Such a file has ten
gigabytes or more, so the clips are read from the archive one at a time.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.nested import single_precision
from pyg_sybio.data.readers.npz_file import ArrayHeader, NpzFile
from pyg_sybio.data.readers.people import check_coordinates
from pyg_sybio.skeleton import Skeleton, load_skeleton

SPLITS = ("train", "test")
NUM_PERSONS = 2
MAX_CLIP_BYTES = 2**24
"""Largest size of one clip, which is read as a whole: 27,000 frames in single precision."""


def read_feeder_arrays(path: str | Path, *, skeleton: Skeleton | None = None) -> Iterator[Motion]:
    r"""The clips of an ``.npz`` file with ``x_train``, ``y_train``, ``x_test`` and ``y_test``, one at a time.

    Args:
        path: The file.
        skeleton: The skeleton of the joints, with positions in space. (default: ``ntu25``)

    Returns:
        Motions in single precision, the training clips first. The `label` is the number of the class, from 0,
        as text; the id `split` is ``"train"`` or ``"test"``.

    Raises:
        ValueError: If the file is damaged, an array is missing or has another shape, type or order, or a clip
            is wrong. The message names the file, the array, and the index of the clip. Damaged values are
            detected by the archive's checksum, and therefore only at the last clip of an array.
        FileNotFoundError: If there is no such file.

    Note:
        Frames of zeros at the end of a clip are padding and are left out; a clip of zeros becomes one frame
        in which nobody is seen. A person is present in a frame, with all joints, unless all of them are zero:
        clips are usually centred on a joint, so a single joint at the origin is not missing. A person who is
        never present is left out; the tracks are the indices of the persons in the file.
    """
    skeleton = skeleton or load_skeleton("ntu25")
    check_coordinates(skeleton, ("xyz",), str(path))
    num_values = NUM_PERSONS * skeleton.num_joints * skeleton.num_features
    with NpzFile(path) as file:
        for split in SPLITS:
            if (x := _num_clips(file, f"x_{split}")) != (y := _num_clips(file, f"y_{split}")):
                raise ValueError(f"{path}, array 'y_{split}' has {y} clips, but 'x_{split}' has {x}")
        for split in SPLITS:
            x_rows = _rows(file, f"x_{split}", kinds="f", shape=("N", "T", num_values))
            y_rows = _rows(file, f"y_{split}", kinds="fiub", shape=("N", "C"))
            for index, (frames, one_hot) in enumerate(zip(x_rows, y_rows, strict=True)):
                yield _motion(
                    frames.reshape(-1, NUM_PERSONS, skeleton.num_joints, skeleton.num_features),
                    skeleton=skeleton,
                    label=_label(one_hot, f"{path}, array 'y_{split}', clip {index}"),
                    ids={"split": split},
                    source=f"{path}: x_{split}[{index}]",
                )


def _num_clips(file: NpzFile, name: str) -> int:
    if name not in file.names:
        raise ValueError(f"{file.path} has no array {name!r}, expected x_train, y_train, x_test and y_test")
    with file.open(name) as (header, _):
        return header.shape[0] if header.shape else 0


def _rows(file: NpzFile, name: str, *, kinds: str, shape: tuple[str | int, ...]) -> Iterator[np.ndarray]:
    """The clips of an array; errors name the array."""
    with file.open(name) as (header, stream):
        _check(header, kinds, shape)
        size = header.num_bytes // header.shape[0]
        for index in range(header.shape[0]):
            content = stream.read(size)
            if len(content) != size:
                raise ValueError(f"clip {index} ends after {len(content)} of {size} bytes")
            row = np.frombuffer(content, header.dtype).reshape(header.shape[1:])
            yield single_precision(row, f"clip {index}")


def _check(header: ArrayHeader, kinds: str, shape: tuple[str | int, ...]) -> None:
    if header.dtype.kind not in kinds:
        expected = "numbers" if "i" in kinds else "floating point numbers"
        raise ValueError(f"holds {header.dtype}, expected {expected}")
    if header.fortran_order:
        raise ValueError("is in Fortran order, expected C order, in which a clip is contiguous")
    fits = len(header.shape) == len(shape) and all(
        size > 0 if isinstance(expected, str) else size == expected
        for size, expected in zip(header.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(f"has shape {list(header.shape)}, expected [{', '.join(map(str, shape))}]")
    size = header.num_bytes // header.shape[0]
    if size > MAX_CLIP_BYTES:
        raise ValueError(f"has {size} bytes per clip, expected at most {MAX_CLIP_BYTES}")


def _label(one_hot: np.ndarray, where: str) -> str:
    ones = np.flatnonzero(one_hot)
    if len(ones) != 1 or one_hot[ones[0]] != 1:
        shown = f"{one_hot[ones][:4].tolist()}{'...' if len(ones) > 4 else ''}"
        raise ValueError(f"{where} has {shown}, expected a single 1 among zeros (one-hot)")
    return str(ones[0])


def _motion(frames: np.ndarray, **fields: Any) -> Motion:
    """The motion of frames `[T, P, M, D]`, zero where nobody is seen."""
    present = (frames != 0).any((2, 3))  # [T, P]
    length = int(present.any(1).nonzero()[0].max(initial=0)) + 1
    seen = np.flatnonzero(present.any(0)).tolist() or [0]
    poses = torch.from_numpy(frames[:length, seen].swapaxes(0, 1).copy())
    shown = torch.from_numpy(present[:length, seen].T)[..., None].expand(poses.shape[:-1]).contiguous()
    return Motion(poses=poses, present=shown, tracks=tuple(seen), **fields)
