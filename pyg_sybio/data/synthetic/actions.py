r"""The synthetic actions: a cycle of key poses each.

A key pose gives the angles (degrees, see :data:`~pyg_sybio.data.synthetic.body.FREEDOMS`) that are not zero
at a phase of the cycle, from 0 to 1. Between the keys, the angles are interpolated linearly, and a Gaussian
window on the harmonics rounds the corners, so that an action is a short Fourier series in its phase. All
actions are performed with the right hand or foot; the data set mirrors half of the clips.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pyg_sybio.data.synthetic.body import FREEDOMS, mirrored

Pose = dict[str, float]

NUM_HARMONICS = 10
ROUNDING = 0.03  # standard deviation of the smoothing, in cycles


@dataclass(frozen=True)
class Action:
    """A cyclic action.

    Args:
        name: The class.
        period: Shortest and longest cycle, in seconds.
        keys: Phase -> pose.
        flights: Intervals of the phase in which no foot is on the ground.
        travels: Whether the body moves forward at a steady speed; otherwise it stays where its feet are.
    """

    name: str
    period: tuple[float, float]
    keys: Mapping[float, Pose]
    flights: tuple[tuple[float, float], ...] = ()
    travels: bool = False

    def fourier_series(self) -> Tensor:
        r"""Coefficients of :math:`1, \cos 2\pi\varphi, \sin 2\pi\varphi, \cos 4\pi\varphi, \dots`.

        Shapes:
            - **output:** `[1 + 2 NUM_HARMONICS, F]`, `F` freedoms, degrees
        """
        phases = sorted(self.keys)
        grid = np.arange(1024) / 1024
        curves = np.stack(
            [
                np.interp(grid, phases, [self.keys[p].get(name, 0.0) for p in phases], period=1.0)
                for name in FREEDOMS
            ]
        )
        spectrum = np.fft.rfft(curves)[:, : NUM_HARMONICS + 1] / len(grid)
        spectrum *= np.exp(-0.5 * (2 * np.pi * ROUNDING * np.arange(NUM_HARMONICS + 1)) ** 2)
        harmonics = np.stack([2 * spectrum.real[:, 1:], -2 * spectrum.imag[:, 1:]], axis=-1)
        series = np.concatenate([spectrum.real[:, :1], harmonics.reshape(len(FREEDOMS), -1)], axis=1)
        return torch.from_numpy(np.ascontiguousarray(series.T))


def left(**angles: float) -> Pose:
    """A pose of the left limbs; the freedoms are named without their side."""
    return {f"left_{name}": angle for name, angle in angles.items()}


def right(**angles: float) -> Pose:
    """A pose of the right limbs."""
    return {f"right_{name}": angle for name, angle in angles.items()}


def both(**angles: float) -> Pose:
    """A pose in which left and right are the same."""
    return left(**angles) | right(**angles)


def body(**angles: float) -> Pose:
    """A pose of the pelvis, trunk and head."""
    return angles


def mirror(pose: Pose) -> Pose:
    """The mirror image of a pose."""
    images = {name: mirrored(name) for name in pose}
    return {image: sign * pose[name] for name, (image, sign) in images.items()}


def alternating(keys: Mapping[float, Pose]) -> dict[float, Pose]:
    """A cycle whose second half is the mirror image of the first, from the keys of the first half."""
    return dict(keys) | {phase + 0.5: mirror(pose) for phase, pose in keys.items()}


HANGING = both(shoulder=3, spread=8, elbow=15)
GUARD = both(shoulder=30, spread=8, elbow=118) | both(crouch=12) | body(bow=8)

ACTIONS: tuple[Action, ...] = (
    Action(
        "walking",
        period=(0.95, 1.3),
        travels=True,
        keys=alternating(
            {
                0.0: left(hip=28, knee=3, shoulder=-22, spread=8, elbow=15)
                | right(hip=-20, knee=12, ankle=6, shoulder=22, spread=8, elbow=32)
                | body(turn=-6, twist=10, bow=3),
                0.12: left(hip=23, knee=17, ankle=-6, shoulder=-17, spread=8, elbow=16)
                | right(hip=-8, knee=42, ankle=-16, shoulder=18, spread=8, elbow=30)
                | body(turn=-4, twist=7, bow=3, shift=-2),
                0.26: left(hip=4, knee=8, ankle=4, spread=8, elbow=22)
                | right(hip=18, knee=62, ankle=2, spread=8, elbow=22)
                | body(bow=3, shift=-4),
                0.4: left(hip=-13, knee=4, ankle=13, shoulder=15, spread=8, elbow=29)
                | right(hip=31, knee=28, ankle=4, shoulder=-15, spread=8, elbow=17)
                | body(turn=4, twist=-6, bow=3, shift=-2),
            }
        ),
    ),
    Action(
        "running",
        period=(0.64, 0.82),
        travels=True,
        flights=((0.33, 0.48), (0.83, 0.98)),
        keys=alternating(
            {
                0.0: left(hip=26, knee=20, ankle=-2, shoulder=-42, spread=12, elbow=80)
                | right(hip=-12, knee=75, ankle=-12, shoulder=30, spread=12, elbow=95)
                | body(turn=-6, twist=16, bow=14),
                0.13: left(hip=16, knee=40, ankle=24, shoulder=-25, spread=12, elbow=82)
                | right(hip=22, knee=108, shoulder=12, spread=12, elbow=92)
                | body(twist=7, bow=15),
                0.32: left(hip=-15, knee=15, ankle=-20, shoulder=20, spread=12, elbow=93)
                | right(hip=55, knee=85, ankle=4, shoulder=-36, spread=12, elbow=80)
                | body(turn=7, twist=-12, bow=13),
                0.42: left(hip=-18, knee=42, ankle=-20, shoulder=30, spread=12, elbow=96)
                | right(hip=46, knee=40, ankle=4, shoulder=-43, spread=12, elbow=78)
                | body(turn=7, twist=-16, bow=13),
            }
        ),
    ),
    Action(
        "jumping",
        period=(1.2, 1.6),
        flights=((0.4, 0.66),),
        keys={
            0.0: HANGING,
            0.24: both(hip=80, knee=95, ankle=27, shoulder=-45, spread=10, elbow=15)
            | body(tilt=12, bow=30, nod=-20),
            0.40: both(knee=4, ankle=-32, shoulder=135, spread=15, elbow=20),
            0.52: both(hip=16, knee=30, ankle=-22, shoulder=150, spread=20, elbow=25),
            0.66: both(hip=22, knee=24, ankle=-6, shoulder=95, spread=18, elbow=25) | body(bow=8),
            0.76: both(hip=58, knee=72, ankle=22, shoulder=45, spread=14, elbow=25) | body(tilt=8, bow=20),
            0.9: both(hip=10, knee=14, ankle=4, shoulder=10, spread=9, elbow=18) | body(bow=4),
        },
    ),
    Action(
        "jumping_jacks",
        period=(0.9, 1.25),
        flights=((0.16, 0.38), (0.66, 0.88)),
        keys={
            0.06: both(crouch=22, spread=10, elbow=12),
            0.16: both(hip_spread=4, ankle=-18, spread=45, elbow=10),
            0.38: both(hip_spread=24, ankle=-6, spread=140, elbow=15),
            0.5: both(hip_spread=27, spread=160, elbow=18, crouch=16),
            0.66: both(hip_spread=24, ankle=-12, spread=130, elbow=12),
            0.88: both(hip_spread=4, ankle=-8, spread=30, elbow=10),
        },
    ),
    Action(
        "waving",
        period=(0.6, 1.0),
        keys={
            0.0: left(shoulder=3, spread=8, elbow=15)
            | right(shoulder=95, spread=75, elbow=45)
            | body(lean=7, shift=-3, look=-8),
            0.5: left(shoulder=-3, spread=12, elbow=22)
            | right(shoulder=92, spread=90, elbow=112)
            | body(lean=-4, shift=3, look=-8),
        },
    ),
    Action(
        "clapping",
        period=(0.55, 0.95),
        keys={
            0.0: both(shoulder=30, spread=-6, elbow=72, arm_twist=20, crouch=3) | body(bow=6, nod=6),
            0.5: both(shoulder=34, spread=28, elbow=72, arm_twist=-14) | body(bow=0),
        },
    ),
    Action(
        "punching",
        period=(0.8, 1.2),
        keys=alternating(
            {
                0.0: GUARD,
                0.15: GUARD
                | right(shoulder=95, spread=8, elbow=0, crouch=18)
                | body(twist=30, turn=12, shift=5),
                0.23: GUARD
                | right(shoulder=95, spread=8, elbow=0, crouch=18)
                | body(twist=30, turn=12, shift=5),
                0.4: GUARD,
            }
        ),
    ),
    Action(
        "throwing",
        period=(1.3, 1.8),
        keys={
            0.0: HANGING | both(crouch=6),
            0.28: left(shoulder=70, spread=15, elbow=15, hip=25, knee=40)
            | right(shoulder=105, spread=100, elbow=95, crouch=16)
            | body(twist=-38, turn=-22, lean=9, bow=-8),
            0.4: left(shoulder=45, spread=25, elbow=40, hip=28, knee=20, ankle=-8)
            | right(shoulder=115, spread=75, elbow=90, hip=-12, knee=18, ankle=20)
            | body(twist=5, turn=4, bow=5),
            0.5: left(shoulder=5, spread=20, elbow=60, hip=32, knee=38, ankle=6)
            | right(shoulder=80, spread=5, elbow=15, hip=-14, knee=30, ankle=4)
            | body(twist=32, turn=14, bow=20),
            0.6: left(shoulder=-15, spread=20, elbow=60, hip=35, knee=42, ankle=7)
            | right(shoulder=25, spread=-18, elbow=20, hip=-10, knee=38, ankle=6)
            | body(twist=40, turn=16, bow=32),
            0.82: HANGING | both(crouch=10) | body(bow=8, twist=8),
        },
    ),
    Action(
        "kicking",
        period=(1.15, 1.6),
        keys={
            0.0: HANGING | both(crouch=6),
            0.22: left(shoulder=30, spread=30, elbow=30, crouch=14)
            | right(shoulder=-30, spread=25, elbow=30, hip=-32, knee=85, ankle=-20)
            | body(bow=10, twist=-16, turn=-8),
            0.38: left(shoulder=-25, spread=40, elbow=30, crouch=8)
            | right(shoulder=25, spread=35, elbow=30, hip=58, knee=25, ankle=-25)
            | body(bow=-6, twist=14, turn=8),
            0.46: left(shoulder=-35, spread=40, elbow=30, crouch=8)
            | right(shoulder=35, spread=35, elbow=30, hip=82, knee=8, ankle=-20)
            | body(bow=-10, twist=20, turn=12),
            0.62: left(shoulder=-5, spread=20, elbow=25, crouch=10)
            | right(shoulder=10, spread=15, elbow=25, hip=45, knee=65)
            | body(bow=2, twist=4),
            0.8: HANGING | both(crouch=8),
        },
    ),
    Action(
        "squatting",
        period=(1.4, 2.0),
        keys={
            0.0: HANGING,
            0.42: both(hip=112, knee=125, ankle=30, hip_spread=12, shoulder=78, spread=4, elbow=8)
            | body(tilt=17, bow=22, nod=-18),
            0.52: both(hip=112, knee=125, ankle=30, hip_spread=12, shoulder=80, spread=4, elbow=8)
            | body(tilt=17, bow=22, nod=-18),
            0.92: HANGING,
        },
    ),
    Action(
        "sitting_down",
        period=(1.7, 2.3),
        keys={
            0.0: HANGING,
            0.22: both(hip=88, knee=73, shoulder=25, spread=8, elbow=40) | body(tilt=15, bow=38, nod=-14),
            0.4: both(hip=92, knee=97, ankle=-3, shoulder=20, spread=6, elbow=65) | body(tilt=-8, bow=6),
            0.55: both(hip=92, knee=97, ankle=-3, shoulder=18, spread=6, elbow=70) | body(tilt=-8, bow=2),
            0.73: both(hip=88, knee=80, ankle=7, shoulder=25, spread=8, elbow=40)
            | body(tilt=15, bow=42, nod=-14),
            0.95: HANGING,
        },
    ),
    Action(
        "bending",
        period=(1.5, 2.1),
        keys={
            0.0: HANGING,
            0.42: both(hip=52, knee=14, ankle=4, shoulder=82, spread=5, elbow=8)
            | body(tilt=42, bow=62, nod=10),
            0.54: both(hip=52, knee=14, ankle=4, shoulder=82, spread=5, elbow=8)
            | body(tilt=42, bow=62, nod=10),
            0.92: HANGING,
        },
    ),
)
