r"""A canonical human body: segments, landmarks, degrees of freedom, and posing by forward kinematics.

Metres, `y` up, facing `+z`, so that `+x` is the body's left. With all angles at zero, it stands upright with
hanging arms, about 1.7 m tall, and the origin is the middle of the pelvis. ``body.json`` contains the
segments, landmarks and degrees of freedom of the middle and the left side.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pyg_sybio.rotations import euler_to_matrix, forward_kinematics
from pyg_sybio.skeleton import Skeleton

EULER_ORDER = "XZY"  # flexion, abduction, then (innermost) the twist about the segment's axis

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Segment:
    """A rigid segment of the body.

    Args:
        parent: Name of the parent segment, None for the root.
        offset: Position of its joint, in the parent's frame (metres).
        region: The region of the body (:data:`REGIONS`) that determines its size.
    """

    parent: str | None
    offset: Point
    region: str


_BODY: dict[str, dict[str, dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "body.json").read_text(encoding="ascii")
)


def _of_side(segment: Any, side: str) -> Any:
    """The name of a segment on one side of the body; segments in the middle keep their names."""
    return f"{side}_{segment}" if segment in _BODY["segments"]["left"] else segment


def _entries(kind: str) -> Iterator[tuple[str, str, float, Any]]:
    """Name, side, sign of x and entry of each item; entries for the left side also apply to the right."""
    for name, entry in _BODY[kind]["middle"].items():
        yield name, "", 1.0, entry
    for name, entry in _BODY[kind]["left"].items():
        for side, sign in (("left", 1.0), ("right", -1.0)):
            yield f"{side}_{name}", side, sign, entry


REGIONS = ("trunk", "head", "arm", "leg")

# Parents before children, as forward kinematics requires.
SEGMENTS = {
    name: Segment(_of_side(parent, side), (sign * x, y, z), region)
    for name, side, sign, (parent, (x, y, z), region) in _entries("segments")
}

PARENTS = tuple(-1 if s.parent is None else list(SEGMENTS).index(s.parent) for s in SEGMENTS.values())

# Landmark -> (segment, position in the segment's frame in metres), with the names of the shipped skeletons.
LANDMARKS: dict[str, tuple[str, Point]] = {
    name: (_of_side(segment, side), (sign * x, y, z))
    for name, side, sign, (segment, (x, y, z)) in _entries("landmarks")
}

# The soles, which may touch the ground.
CONTACTS = tuple(f"{side}_{name}" for side in ("left", "right") for name in ("heel", "big_toe", "small_toe"))

# Degree of freedom -> {(segment, axis): weight}: one angle, in degrees, may rotate several segments. Angles
# that move the hips sideways or tilt the whole body rotate the feet back, so that the soles stay flat. A
# reflection in the sagittal plane keeps rotations about x and reverses rotations about y and z.
DEGREES_OF_FREEDOM: dict[str, dict[tuple[str, str], float]] = {
    name: {
        (_of_side(segment, side), axis): w if axis == "x" else sign * w for segment, axis, w in entry["turns"]
    }
    for name, side, sign, entry in _entries("freedoms")
}
FREEDOMS = tuple(DEGREES_OF_FREEDOM)
# Standard deviation of the slow swaying that synthetic motions have in each freedom, in degrees.
FREEDOM_SWAY = tuple(entry.get("sway", 0.0) for *_, entry in _entries("freedoms"))
# The region that each freedom moves; the pelvis tilts with the legs, so that the soles stay flat.
FREEDOM_REGIONS = tuple(
    "leg" if name == "tilt" else SEGMENTS[next(iter(turns))[0]].region
    for name, turns in DEGREES_OF_FREEDOM.items()
)


def mirrored(name: str) -> tuple[str, float]:
    """The mirror image of a degree of freedom (reflection in the sagittal plane), and its sign."""
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(side):
            return other + name.removeprefix(side), 1.0
    sideways = any(axis != "x" for _, axis in DEGREES_OF_FREEDOM[name])
    return name, -1.0 if sideways else 1.0


def _freedom_matrix() -> Tensor:
    """The map from freedoms in degrees to Euler angles in radians, `[freedoms, segments, 3]`."""
    matrix = torch.zeros(len(FREEDOMS), len(SEGMENTS), 3, dtype=torch.float64)
    order = list(SEGMENTS)
    for row, turns in enumerate(DEGREES_OF_FREEDOM.values()):
        for (segment, axis), weight in turns.items():
            matrix[row, order.index(segment), EULER_ORDER.lower().index(axis)] = weight
    return torch.deg2rad(matrix)


_FREEDOM_MATRIX = _freedom_matrix()


def check_landmarks(skeleton: Skeleton) -> None:
    """Check that the body has every joint of a skeleton, as a position.

    Raises:
        ValueError: If a joint of the skeleton is not a landmark of the body, or its poses are rotations.
    """
    if skeleton.coordinates == "expmap":
        raise ValueError(f"'skeleton' {skeleton.name!r} has rotations ('expmap'), expected positions")
    unknown = [joint for joint in skeleton.joints if joint not in LANDMARKS]
    if unknown:
        raise ValueError(
            f"'skeleton' {skeleton.name!r} has joints that the synthetic body lacks: {', '.join(unknown)}; "
            f"its landmarks are {', '.join(sorted(LANDMARKS))}"
        )


def segment_offsets(sizes: Mapping[str, Tensor]) -> Tensor:
    """Offsets of the segments of bodies of the given sizes.

    Args:
        sizes: Region of the body -> factor of its lengths, `[N]` each.

    Shapes:
        - **output:** `[N, S, 3]`, `S` segments, metres
    """
    offsets = torch.tensor([s.offset for s in SEGMENTS.values()], dtype=torch.float64)
    # The length of a segment's offset depends on the size of its parent.
    carriers = [SEGMENTS[s.parent or name] for name, s in SEGMENTS.items()]
    scale = torch.stack([sizes[carrier.region] for carrier in carriers], dim=-1)
    return scale.unsqueeze(-1) * offsets


def pose_body(freedoms: Tensor, sizes: Mapping[str, Tensor], landmarks: Sequence[str]) -> Tensor:
    """Positions of landmarks, relative to the middle of the pelvis, of bodies in given poses.

    Args:
        freedoms: Angles of :data:`FREEDOMS` in degrees.
        sizes: Region of the body -> factor of its lengths, `[N]` each.
        landmarks: Names of :data:`LANDMARKS`.

    Shapes:
        - **freedoms:** `[N, T, F]`, `F` freedoms
        - **output:** `[N, T, L, 3]`, `L` landmarks, metres
    """
    angles = torch.einsum("ntf,fsd->ntsd", freedoms, _FREEDOM_MATRIX.to(freedoms))
    offsets = segment_offsets(sizes).to(freedoms).unsqueeze(1).expand(-1, freedoms.size(1), -1, -1)
    positions, rotations = forward_kinematics(
        euler_to_matrix(angles, order=EULER_ORDER), offsets, PARENTS, angles.new_zeros(*angles.shape[:2], 3)
    )
    order = list(SEGMENTS)
    carriers = [order.index(LANDMARKS[name][0]) for name in landmarks]
    places = torch.tensor([LANDMARKS[name][1] for name in landmarks], dtype=torch.float64)
    scale = torch.stack([sizes[SEGMENTS[LANDMARKS[name][0]].region] for name in landmarks], dim=-1)
    local = (scale.unsqueeze(-1) * places).to(freedoms)[:, None, :, :, None]  # [N, 1, L, 3, 1]
    return positions[:, :, carriers] + (rotations[:, :, carriers] @ local).squeeze(-1)
