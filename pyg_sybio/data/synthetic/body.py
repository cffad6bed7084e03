r"""A canonical human body: segments, landmarks, degrees of freedom, and posing by forward kinematics.

Metres, `y` up, facing `+z`, so that `+x` is the body's left. With all angles at zero, it stands upright with
hanging arms, about 1.7 m tall, and the origin is the middle of the pelvis.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


def _both_sides(left: Mapping[str, Segment]) -> dict[str, Segment]:
    """The segments of the left side, each followed by its mirror image."""
    segments = {}
    for name, segment in left.items():
        x, y, z = segment.offset
        for side, sign in (("left", 1.0), ("right", -1.0)):
            parent = f"{side}_{segment.parent}" if segment.parent in left else segment.parent
            segments[f"{side}_{name}"] = Segment(parent, (sign * x, y, z), segment.region)
    return segments


REGIONS = ("trunk", "head", "arm", "leg")

# Parents before children, as forward kinematics requires.
SEGMENTS: dict[str, Segment] = {
    "pelvis": Segment(None, (0.0, 0.0, 0.0), "trunk"),
    "lower_spine": Segment("pelvis", (0.0, 0.0, 0.0), "trunk"),
    "upper_spine": Segment("lower_spine", (0.0, 0.24, 0.0), "trunk"),
    "neck": Segment("upper_spine", (0.0, 0.25, 0.0), "trunk"),
    "head": Segment("neck", (0.0, 0.13, 0.01), "head"),
} | _both_sides(
    {
        "clavicle": Segment("upper_spine", (0.03, 0.20, 0.0), "trunk"),
        "upper_arm": Segment("clavicle", (0.15, 0.0, 0.0), "arm"),
        "forearm": Segment("upper_arm", (0.0, -0.28, 0.0), "arm"),
        "hand": Segment("forearm", (0.0, -0.25, 0.0), "arm"),
        "thigh": Segment("pelvis", (0.09, -0.05, 0.0), "leg"),
        "shank": Segment("thigh", (0.0, -0.42, 0.0), "leg"),
        "foot": Segment("shank", (0.0, -0.42, 0.0), "leg"),
    }
)

PARENTS = tuple(-1 if s.parent is None else list(SEGMENTS).index(s.parent) for s in SEGMENTS.values())


def _landmarks(
    middle: Mapping[str, tuple[str, Point]], left: Mapping[str, tuple[str, Point]]
) -> dict[str, tuple[str, Point]]:
    """All landmarks: those of the midline, and those of the left side with their mirror images.

    Segments of the left side are named without their side, those of the midline (the head of the eyes) in
    full.
    """
    landmarks = dict(middle)
    for name, (segment, (x, y, z)) in left.items():
        for side, sign in (("left", 1.0), ("right", -1.0)):
            carrier = segment if segment in SEGMENTS else f"{side}_{segment}"
            landmarks[f"{side}_{name}"] = (carrier, (sign * x, y, z))
    return landmarks


# Landmark -> (segment, position in the segment's frame in metres), with the names of the shipped skeletons.
LANDMARKS: dict[str, tuple[str, Point]] = _landmarks(
    middle={
        "pelvis": ("pelvis", (0.0, 0.0, 0.0)),
        "lower_spine": ("lower_spine", (0.0, 0.10, 0.0)),
        "spine": ("upper_spine", (0.0, 0.0, 0.0)),
        "chest": ("upper_spine", (0.0, 0.18, 0.0)),
        "neck": ("neck", (0.0, 0.0, 0.0)),
        "head": ("head", (0.0, 0.0, 0.0)),
        "head_top": ("head", (0.0, 0.14, 0.0)),
        "nose": ("head", (0.0, 0.0, 0.11)),
    },
    left={
        "eye": ("head", (0.032, 0.03, 0.085)),
        "eye_inner": ("head", (0.018, 0.03, 0.09)),
        "eye_outer": ("head", (0.046, 0.03, 0.075)),
        "ear": ("head", (0.075, 0.01, 0.0)),
        "mouth": ("head", (0.024, -0.035, 0.09)),
        "clavicle": ("clavicle", (0.0, 0.0, 0.0)),
        "shoulder": ("upper_arm", (0.0, 0.0, 0.0)),
        "elbow": ("forearm", (0.0, 0.0, 0.0)),
        "wrist": ("hand", (0.0, 0.0, 0.0)),
        "hand": ("hand", (0.0, -0.08, 0.0)),
        "hand_tip": ("hand", (0.0, -0.17, 0.0)),
        "thumb": ("hand", (-0.01, -0.09, 0.05)),
        "index": ("hand", (-0.005, -0.10, 0.025)),
        "pinky": ("hand", (0.005, -0.09, -0.03)),
        "hip": ("thigh", (0.0, 0.0, 0.0)),
        "knee": ("shank", (0.0, 0.0, 0.0)),
        "ankle": ("foot", (0.0, 0.0, 0.0)),
        "foot": ("foot", (0.0, -0.06, 0.13)),
        "heel": ("foot", (0.0, -0.08, -0.05)),
        "big_toe": ("foot", (-0.02, -0.08, 0.18)),
        "small_toe": ("foot", (0.035, -0.08, 0.14)),
    },
)

# The soles, which may touch the ground.
CONTACTS = tuple(f"{side}_{name}" for side in ("left", "right") for name in ("heel", "big_toe", "small_toe"))

# Degree of freedom -> {(segment, axis): weight}: one angle, in degrees, may rotate several segments. Angles
# that move the hips sideways or tilt the whole body rotate the feet back, so that the soles stay flat.
_MIDDLE: dict[str, dict[tuple[str, str], float]] = {
    "tilt": {("pelvis", "x"): 1.0},  # forward, trunk and legs together
    "turn": {("pelvis", "y"): 1.0},  # to the left
    "bow": {("lower_spine", "x"): 0.5, ("upper_spine", "x"): 0.5},  # trunk forward
    "twist": {("lower_spine", "y"): 0.4, ("upper_spine", "y"): 0.6},  # trunk to the left
    "lean": {("lower_spine", "z"): 0.5, ("upper_spine", "z"): 0.5},  # trunk to the right
    "nod": {("neck", "x"): 0.5, ("head", "x"): 0.5},
    "look": {("neck", "y"): 0.4, ("head", "y"): 0.6},  # to the left
    "sway": {("pelvis", "x"): 1.0, ("left_foot", "x"): -1.0, ("right_foot", "x"): -1.0},
    "shift": {
        ("left_thigh", "z"): 1.0,
        ("right_thigh", "z"): 1.0,
        ("left_foot", "z"): -1.0,
        ("right_foot", "z"): -1.0,
    },
}
_LEFT: dict[str, dict[tuple[str, str], float]] = {
    "shoulder": {("upper_arm", "x"): -1.0},  # raise the arm forwards
    "spread": {("upper_arm", "z"): 1.0},  # away from the midline
    "arm_twist": {("upper_arm", "y"): -1.0},  # inwards
    "elbow": {("forearm", "x"): -1.0},
    "wrist": {("hand", "x"): -1.0},
    "hip": {("thigh", "x"): -1.0},  # raise the knee
    "hip_spread": {("thigh", "z"): 1.0, ("foot", "z"): -1.0},
    "knee": {("shank", "x"): 1.0},  # bring the heel back
    "ankle": {("foot", "x"): -1.0},  # lift the toes
    "crouch": {("thigh", "x"): -1.0, ("shank", "x"): 2.0, ("foot", "x"): -1.0},  # lower the hip, sole flat
}


def _degrees_of_freedom() -> dict[str, dict[tuple[str, str], float]]:
    freedoms = dict(_MIDDLE)
    for name, turns in _LEFT.items():
        for side in ("left", "right"):
            # A reflection in the sagittal plane keeps rotations about x and reverses the others.
            freedoms[f"{side}_{name}"] = {
                (f"{side}_{segment}", axis): weight if side == "left" or axis == "x" else -weight
                for (segment, axis), weight in turns.items()
            }
    return freedoms


DEGREES_OF_FREEDOM = _degrees_of_freedom()
FREEDOMS = tuple(DEGREES_OF_FREEDOM)
# The region that each freedom moves; the pelvis tilts with the legs, so that the soles stay flat.
FREEDOM_REGIONS = tuple(
    "leg" if name == "tilt" else SEGMENTS[next(iter(turns))[0]].region
    for name, turns in DEGREES_OF_FREEDOM.items()
)


def mirrored(name: str) -> tuple[str, float]:
    """The freedom that a reflection in the sagittal plane exchanges with `name`, and its sign."""
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
        raise ValueError(
            f"'skeleton' must have positions for synthetic motions, but {skeleton.name!r} has rotations "
            "(coordinates 'expmap')"
        )
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
