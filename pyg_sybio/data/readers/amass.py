"""The `.npz` files of AMASS: rotations of the joints of SMPL, SMPL+H or SMPL-X."""

from dataclasses import replace
from pathlib import Path

import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.npz_file import NpzFile
from pyg_sybio.skeleton import load_skeleton

SKELETON = replace(
    load_skeleton("smpl22"),
    name="smpl22_rotations",
    description="The first 22 joints of SMPL as exponential maps, each relative to its parent, as in AMASS.",
    source="https://amass.is.tue.mpg.de",
    coordinates="expmap",
    units="rad",
)
"""The joints of the body that all models of the SMPL family share, without hands and face."""

_RATES = ("mocap_framerate", "mocap_frame_rate")


def read_amass(path: str | Path) -> Motion:
    r"""The rotations of the body's joints in a file of AMASS, and the path of the root.

    Args:
        path: The file, with the arrays `poses` `[T, K]`, `trans` `[T, 3]` and `mocap_framerate` (Hz). The
            first 66 columns of `poses` are the axis angles of the body's joints in radians; the columns of
            hands and face are not read.

    Shapes:
        - **poses:** `[1, T, 22, 3]`, radians, in the precision of the file
        - **translation:** `[1, T, 3]`, metres

    Raises:
        ValueError: If an array is missing, damaged, or has another shape.
        FileNotFoundError: If there is no such file.
    """
    path, width = Path(path), 3 * SKELETON.num_joints
    with NpzFile(path) as file:
        rate = next((name for name in _RATES if name in file.names), None)
        if rate is None:
            raise ValueError(f"{path} has no frame rate, expected the array {_RATES[0]!r} of AMASS")
        poses, translation, hertz = map(file.array, ("poses", "trans", rate))
    for name, array in (("poses", poses), ("trans", translation)):
        if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8) or array.ndim != 2:
            raise ValueError(f"{path}, array {name!r}: {array.dtype} {list(array.shape)}, expected [T, K]")
    if poses.shape[1] < width or translation.shape != (len(poses), 3) or hertz.size != 1:
        found = f"'poses' {list(poses.shape)} and 'trans' {list(translation.shape)}"
        raise ValueError(f"{path} has {found}, expected [T, {width}] or more columns, and [T, 3]")
    dtype = torch.float64 if poses.dtype.itemsize == 8 else torch.float32
    try:
        return Motion(
            poses=torch.tensor(poses[:, :width], dtype=dtype).unflatten(-1, (-1, 3))[None],
            translation=torch.tensor(translation, dtype=dtype)[None],
            skeleton=SKELETON,
            frame_rate=float(hertz.reshape(())),
            source=str(path),
        )
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{path}: {error}") from None
