r"""AMC files (Acclaim): motions of the skeleton in an ASF file (:mod:`pyg_sybio.data.readers.asf`)."""

from array import array
from math import radians
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.readers.asf import AcclaimLines, AsfRig, load_asf
from pyg_sybio.data.readers.text import few, shown, to_count, to_floats
from pyg_sybio.skeleton import Skeleton

FRAME_RATE = 120.0


def read_amc(path: str | Path, *, asf: str | Path | None = None, skeleton: Skeleton | None = None) -> Motion:
    r"""The motion of an AMC file: root and ends of the bones, by forward kinematics in double precision.

    Args:
        path: The file.
        asf: The file of its skeleton. (default: in the same folder, `02.asf` for `02_01.amc`, or the only
            `.asf` file)
        skeleton: The requested skeleton, whose joints are found by name among root and bones. (default: root
            and all bones, as :func:`~pyg_sybio.data.readers.proposed_skeleton.skeleton_of_rig` proposes)

    Returns:
        One person, `[1, T, M, 3]`, in metres, at 120 Hz as in the CMU library, because the format does not
        contain the frame rate.

    Raises:
        ValueError: If a file is damaged (the message names the line), or lacks a joint of the skeleton.
        FileNotFoundError: If there is no such file, or its skeleton is not found in the same folder.
    """
    path = Path(path)
    rig = load_asf(asf if asf is not None else find_asf(path))
    return rig.motion(load_amc(path, rig), skeleton or rig.skeleton(), frame_rate=FRAME_RATE, path=path)


def find_asf(path: Path) -> Path:
    """The skeleton in the folder of an AMC file: `02.asf` or `02_01.asf` for `02_01.amc`, or the only `.asf`
    file.

    Raises:
        FileNotFoundError: If there is no `.asf` file, or there are several with other names.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    others = path.parent.iterdir()
    skeletons = sorted(other for other in others if other.suffix.lower() == ".asf" and other.is_file())
    for stem in (path.stem.split("_")[0], path.stem):
        if named := [other for other in skeletons if other.stem.lower() == stem.lower()]:
            return named[0]
    if len(skeletons) != 1:
        names = few((other.name for other in skeletons), 10) or "none"
        expected = f"expected {path.stem.split('_')[0]}.asf, or only one .asf file"
        raise FileNotFoundError(f"{path}: the .asf files in its folder are {names}, {expected}")
    return skeletons[0]


def load_amc(path: str | Path, rig: AsfRig) -> Tensor:
    """The values of all frames of an AMC file, `[T, C]`, double precision: metres and radians.

    Frames are numbered without gaps, starting from any number. Each frame has the root and all bones with
    degrees of freedom, in any order.

    Raises:
        ValueError: If the file has another form; the message names the line.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    lines = AcclaimLines(path)
    bones = zip(rig.names, rig.columns, strict=True)
    columns = {name: slice(own[0][1], own[-1][1] + 1) for name, own in bones if own}
    degrees = rig.degrees
    values = array("d")
    frame: list[float] = []
    missing: set[str] = set()
    number: int | None = None

    def finish() -> None:
        if missing:
            expected = f"expected the root and all bones that move in {rig.source}"
            raise ValueError(f"{lines.where}: frame {number} lacks {few(sorted(missing), 5)}, {expected}")
        values.extend(frame)

    for words in lines.words():
        first = words[0]
        if first in columns:
            own = columns[first]
            if first not in missing:
                where = "before a frame number" if number is None else f"twice in frame {number}"
                lines.fail(f"'{first}' {where}", "it once, in a frame")
            if len(words) - 1 != own.stop - own.start:
                expected = f"{own.stop - own.start} as in {rig.source}"
                lines.fail(f"{len(words) - 1} values for '{first}'", expected)
            frame[own] = to_floats(words[1:], lines.where)
            missing.remove(first)
        elif first.isdecimal() and len(words) == 1:
            finish()
            following = to_count(first, lines.where)
            if number is not None and following != number + 1:
                lines.fail(f"frame {following}", f"frame {number + 1} after frame {number}")
            number, frame, missing = following, [0.0] * rig.num_channels, set(columns)
        elif first.startswith(":") and number is None:
            angles = {":degrees": True, ":radians": False, ":fully-specified": degrees}
            if first.lower() not in angles:
                lines.fail(shown(first), ":FULLY-SPECIFIED, :DEGREES, :RADIANS or a frame number")
            degrees = angles[first.lower()]
        else:
            lines.fail(shown(first), f"a frame number, the root or a bone that moves in {rig.source}")
    if number is None:
        raise ValueError(f"{path} has no frames, expected frame numbers, each followed by the root and bones")
    finish()
    turn = radians(1) if degrees else 1.0
    channels = (channel for bone in rig.joints for channel in bone.channels)
    factors = [rig.metres if channel.endswith("position") else turn for channel in channels]
    frames = torch.from_numpy(np.array(values)).view(-1, rig.num_channels)
    return frames * torch.tensor(factors, dtype=torch.float64)
