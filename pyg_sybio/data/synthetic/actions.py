r"""The synthetic actions (``actions.json``), each of which is a cycle of key poses.

A key pose gives the angles (degrees, see :data:`~pyg_sybio.data.synthetic.body.FREEDOMS`) that are not zero
at a phase of the cycle, from 0 to 1. Between the keys, the angles are interpolated linearly, and a Gaussian
window on the harmonics rounds the corners, so that an action is a short Fourier series in its phase. All
actions are performed with the right hand or foot; the data set mirrors half of the clips.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        angles = [[self.keys[phase].get(name, 0.0) for phase in phases] for name in FREEDOMS]
        curves = np.stack([np.interp(grid, phases, each, period=1.0) for each in angles])
        spectrum = np.fft.rfft(curves)[:, : NUM_HARMONICS + 1] / len(grid)
        spectrum *= np.exp(-0.5 * (2 * np.pi * ROUNDING * np.arange(NUM_HARMONICS + 1)) ** 2)
        harmonics = np.stack([2 * spectrum.real[:, 1:], -2 * spectrum.imag[:, 1:]], axis=-1)
        series = np.concatenate([spectrum.real[:, :1], harmonics.reshape(len(FREEDOMS), -1)], axis=1)
        return torch.from_numpy(np.ascontiguousarray(series.T))


def _mirrored(pose: Pose) -> Pose:
    """The mirror image of a pose."""
    images = {name: mirrored(name) for name in pose}
    return {image: sign * pose[name] for name, (image, sign) in images.items()}


def alternating(keys: Mapping[float, Pose]) -> dict[float, Pose]:
    """A cycle whose second half is the mirror image of the first, from the keys of the first half."""
    return dict(keys) | {phase + 0.5: _mirrored(pose) for phase, pose in keys.items()}


def pose_of(groups: Mapping[str, Any], named: Mapping[str, Pose]) -> Pose:
    """A pose from its angles by group.

    Args:
        groups: `left`, `right` and `both` hold the angles of the limbs on these sides, named without their
            side, and `body` holds the other angles. `pose` is the name of a pose that these angles change.
        named: The poses that have a name.
    """
    pose = dict(named.get(groups.get("pose", ""), {}))
    for group, sides in (("both", ("left", "right")), ("left", ("left",)), ("right", ("right",))):
        angles = groups.get(group, {})
        pose |= {f"{side}_{name}": angle for side in sides for name, angle in angles.items()}
    return pose | groups.get("body", {})


def _read_actions() -> tuple[Action, ...]:
    document = json.loads((Path(__file__).parent / "actions.json").read_text(encoding="ascii"))
    named = {name: pose_of(groups, {}) for name, groups in document["poses"].items()}
    actions = []
    for entry in document["actions"]:
        keys = {float(phase): pose_of(groups, named) for phase, groups in entry["keys"].items()}
        actions.append(
            Action(
                entry["name"],
                period=tuple(entry["period"]),
                keys=alternating(keys) if entry.get("alternating") else keys,
                flights=tuple(map(tuple, entry.get("flights", ()))),
                travels=entry.get("travels", False),
            )
        )
    return tuple(actions)


ACTIONS = _read_actions()
