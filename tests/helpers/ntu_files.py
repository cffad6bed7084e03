"""Random `.skeleton` files of NTU RGB+D, with the size and the peculiarities of the real files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BODY = 72057594037931101
"""ID of a body as in the real files: a float would round it to 72057594037931104."""

# A person three metres from the camera, in metres, in the joint order of Kinect v2.
_REST = np.array(
    [
        (0.0, -0.1), (0.0, 0.2), (0.0, 0.5), (0.0, 0.65), (-0.18, 0.4), (-0.25, 0.15), (-0.28, -0.1),
        (-0.28, -0.18), (0.18, 0.4), (0.25, 0.15), (0.28, -0.1), (0.28, -0.18), (-0.08, -0.1), (-0.1, -0.5),
        (-0.1, -0.9), (-0.12, -0.95), (0.08, -0.1), (0.1, -0.5), (0.1, -0.9), (0.12, -0.95), (0.0, 0.42),
        (-0.28, -0.25), (-0.25, -0.2), (0.28, -0.25), (0.25, -0.2),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Body:
    """A body that is listed in the frames from `start` to `stop` (None: to the end)."""

    number: int = BODY
    start: int = 0
    stop: int | None = None


def write_ntu_file(
    path: Path, rng: np.random.Generator, num_frames: int = 85, bodies: Sequence[Body] = (Body(),)
) -> list[dict[int, np.ndarray]]:
    """Write a file, and return for each frame the values of each body's joints, `[25, 12]`.

    The bodies of a frame are listed in the given order, lines end in CRLF, and numbers have seven digits.
    """
    motions = {body.number: _motion(rng, num_frames, place) for place, body in enumerate(bodies)}
    written: list[dict[int, np.ndarray]] = []
    lines = [str(num_frames)]
    for frame in range(num_frames):
        listed = [
            body for body in bodies if body.start <= frame < (num_frames if body.stop is None else body.stop)
        ]
        lines.append(str(len(listed)))
        for body in listed:
            lean = " ".join(f"{value:.7g}" for value in rng.normal(0, 0.1, 2))
            lines += [f"{body.number} 0 1 1 0 0 0 {lean} 2", "25"]
            lines += [_JOINT % tuple(joint) for joint in motions[body.number][frame].tolist()]
        written.append({body.number: motions[body.number][frame] for body in listed})
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode("ascii"))
    return written


_JOINT = " ".join(["%.7g"] * 12)


def _motion(rng: np.random.Generator, num_frames: int, place: int) -> np.ndarray:
    """A slow random walk: positions and further sensor values, rounded as in the file."""
    steps = 0.01 * rng.normal(size=(num_frames, 25, 3))
    rest = np.concatenate([_REST, np.full((25, 1), 3.0)], axis=1)
    position = rest + np.array([0.8 * place, 0, 0]) + steps.cumsum(0)
    depth = 365 * position[..., :2] / position[..., 2:] * (1, -1) + (256, 212)
    colour = 1058 * position[..., :2] / position[..., 2:] * (1, -1) + (960, 540)
    orientation = rng.normal(size=(num_frames, 25, 4))
    orientation /= np.linalg.norm(orientation, axis=-1, keepdims=True)
    state = rng.choice([0.0, 1.0, 2.0], p=(0.02, 0.08, 0.9), size=(num_frames, 25, 1))
    numbers = np.concatenate([position, depth, colour, orientation, state], axis=-1)
    # The file has seven digits.
    return np.array([float(f"{value:.7g}") for value in numbers.ravel()]).reshape(numbers.shape)
