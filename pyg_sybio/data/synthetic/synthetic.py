r"""Built-in synthetic human motions, for demonstrations, tests and benchmarks without a download."""

import math
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_sybio.data.datasets.clip_transforms import Transforms, as_seen, composed
from pyg_sybio.data.datasets.positions import PositionDataset
from pyg_sybio.data.datasets.sampling import Sampling
from pyg_sybio.data.datasets.two_tasks import ObservationRatio, split_tasks
from pyg_sybio.data.motion import MAX_RATE, MIN_RATE, Motion
from pyg_sybio.data.synthetic.actions import ACTIONS, NUM_HARMONICS
from pyg_sybio.data.synthetic.body import (
    CONTACTS,
    FREEDOM_REGIONS,
    FREEDOM_SWAY,
    FREEDOMS,
    REGIONS,
    check_landmarks,
    mirrored,
    pose_body,
)
from pyg_sybio.data.transforms import FillMissing
from pyg_sybio.data.transforms.base import check_count, check_range
from pyg_sybio.data.transforms.center import Center
from pyg_sybio.skeleton import Skeleton, load_skeleton

GRAVITY = 9.81  # m/s²
CLIPS_AT_ONCE = 64  # limits the memory of the generation; clips do not depend on it

_SERIES = torch.stack([action.fourier_series() for action in ACTIONS])  # [actions, harmonics, freedoms]
_IMAGES = [mirrored(name) for name in FREEDOMS]
_IMAGE_INDEX = torch.tensor([FREEDOMS.index(image) for image, _ in _IMAGES])
_IMAGE_SIGN = torch.tensor([sign for _, sign in _IMAGES], dtype=torch.float64)
_REGION_INDEX = torch.tensor([REGIONS.index(region) for region in FREEDOM_REGIONS])
# The angles of the legs are the same for all persons, because only together they keep the soles flat.
_VARIABLE = torch.tensor([region != "leg" for region in FREEDOM_REGIONS], dtype=torch.float64)
_SWAY = torch.tensor(FREEDOM_SWAY, dtype=torch.float64)


@dataclass
class Performance:
    """The random parameters of a clip, except for the sensor's noise.

    The fields are drawn clip by clip. In a batch of clips, each field has a first dimension `[N]`.
    """

    tempo: Tensor  # from 0 (the action's longest period) to 1 (its shortest)
    phase: Tensor  # phase of the first frame, in cycles
    drift: Tensor  # relative change of the tempo per second
    left_handed: Tensor
    heading: Tensor  # about the vertical, radians; 0 is +z
    height: Tensor  # factor of all lengths
    proportions: Tensor  # [regions], additional factors per body region
    amplitude: Tensor  # [regions]
    variation: Tensor  # [4, freedoms], of the first two harmonics, relative to a freedom's amplitude
    posture: Tensor  # [freedoms], offsets in degrees
    sway_frequency: Tensor  # [2], Hz
    sway: Tensor  # [4, freedoms], relative to the standard deviation of the swaying

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Performance":
        values = {
            "tempo": rng.uniform(),
            "phase": rng.uniform(),
            "drift": rng.uniform(-0.05, 0.05),
            "left_handed": rng.integers(2),
            "heading": math.radians(rng.uniform(-60, 60)),
            "height": rng.uniform(0.88, 1.12),
            "proportions": rng.uniform(0.93, 1.07, len(REGIONS)),
            "amplitude": rng.uniform(0.85, 1.15, len(REGIONS)),
            "variation": 0.1 * rng.standard_normal((4, len(FREEDOMS))),
            "posture": 3.0 * rng.standard_normal(len(FREEDOMS)),
            "sway_frequency": rng.uniform((0.3, 0.6), (0.6, 1.0)),
            "sway": math.sqrt(0.5) * rng.standard_normal((4, len(FREEDOMS))),
        }
        return cls(**{name: torch.as_tensor(value, dtype=torch.float64) for name, value in values.items()})

    @classmethod
    def stack(cls, performances: list["Performance"]) -> "Performance":
        return cls(**{f.name: torch.stack([getattr(p, f.name) for p in performances]) for f in fields(cls)})

    @property
    def sizes(self) -> dict[str, Tensor]:
        """Region of the body -> factor of its lengths, `[N]` each."""
        return dict(zip(REGIONS, (self.height.unsqueeze(-1) * self.proportions).unbind(-1), strict=True))

    def phases(self, labels: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """Phase (cycles) and tempo (cycles per second) over `time` (seconds), `[N, T]` each."""
        shortest, longest = torch.tensor([a.period for a in ACTIONS], dtype=torch.float64)[labels].unbind(-1)
        tempo = 1 / (longest + self.tempo * (shortest - longest))
        tempo, drift, phase = (x.unsqueeze(-1) for x in (tempo, self.drift, self.phase))
        return phase + tempo * (time + drift * time**2 / 2), tempo * (1 + drift * time)

    def freedoms(self, labels: Tensor, phases: Tensor, time: Tensor) -> Tensor:
        """Angles of the body in degrees, `[N, T, F]`."""
        series = _SERIES[labels] * self.amplitude[:, None, _REGION_INDEX]
        reach = series[:, 1:].norm(dim=1, keepdim=True) * _VARIABLE
        series[:, 1:5] += self.variation * reach
        series[:, 0] += self.posture * _VARIABLE
        angles = _waves(phases, NUM_HARMONICS) @ series
        # Left-handers perform the mirror image; the swaying has no side.
        image = angles[..., _IMAGE_INDEX] * _IMAGE_SIGN
        angles = torch.where(self.left_handed.bool()[:, None, None], image, angles)
        turns = 2 * math.pi * self.sway_frequency.unsqueeze(1) * time.unsqueeze(-1)  # [N, T, 2]
        return angles + torch.cat([turns.cos(), turns.sin()], dim=-1) @ (self.sway * _SWAY)


def _waves(phases: Tensor, num_harmonics: int) -> Tensor:
    """1, cos, sin, cos of twice the phase, ..., `[N, T, 1 + 2 harmonics]`."""
    turns = 2 * math.pi * phases.unsqueeze(-1) * torch.arange(1, num_harmonics + 1)
    waves = torch.stack([turns.cos(), turns.sin()], dim=-1).flatten(-2)
    return torch.cat([torch.ones_like(waves[..., :1]), waves], dim=-1)


def _flight_heights(labels: Tensor, phases: Tensor, tempo: Tensor) -> Tensor:
    """Height of the lowest sole above the ground (metres), a ballistic parabola in each flight, `[N, T]`."""
    heights = torch.zeros_like(phases)
    for label, action in enumerate(ACTIONS):
        for start, end in action.flights:
            elapsed = ((phases - start) % 1.0) / tempo
            remaining = (end - start) / tempo - elapsed
            height = (GRAVITY / 2 * elapsed * remaining).clamp(min=0)
            heights = torch.where((labels == label).unsqueeze(-1), heights + height, heights)
    return heights


def _root_path(labels: Tensor, soles: Tensor, flight: Tensor) -> Tensor:
    """Path of the pelvis such that the soles stay on the ground and do not slide while they carry the body.

    Args:
        labels: Actions.
        soles: Positions of the soles relative to the pelvis.
        flight: Height of the lowest sole above the ground.

    Shapes:
        - **labels:** `[N]`
        - **soles:** `[N, T, K, 3]`, metres
        - **flight:** `[N, T]`, metres
        - **output:** `[N, T, 3]`, metres
    """
    low = soles[..., 1]
    # A smooth minimum is never above the lowest sole, and at most 4 mm times log K below it.
    height = 0.004 * torch.logsumexp(-low / 0.004, dim=-1) + flight

    load = torch.softmax(-low / 0.015, dim=-1).unsqueeze(-1)
    steps = -((load[:, 1:] + load[:, :-1]) / 2 * soles.diff(dim=1)).sum(dim=2)  # [N, T - 1, 3]
    grounded = ((flight[:, 1:] == 0) & (flight[:, :-1] == 0)).to(steps).unsqueeze(-1)
    steady = (grounded * steps).sum(dim=1, keepdim=True) / grounded.sum(dim=1, keepdim=True).clamp(min=1)
    travels = torch.tensor([action.travels for action in ACTIONS])[labels]
    steps = torch.where(travels[:, None, None], steady.expand_as(steps), steps)
    path = torch.cat([torch.zeros_like(steps[:, :1]), steps.cumsum(dim=1)], dim=1)
    return torch.stack([path[..., 0], height, path[..., 2]], dim=-1)


def perform(labels: Tensor, performance: Performance, time: Tensor, landmarks: tuple[str, ...]) -> Tensor:
    """Motions of landmarks without noise, on the ground `y = 0`.

    Args:
        labels: Index of each clip's action in :data:`~pyg_sybio.data.synthetic.actions.ACTIONS`.
        performance: The parameters of the clips.
        time: Times of the frames, in seconds.
        landmarks: Names of :data:`~pyg_sybio.data.synthetic.body.LANDMARKS`.

    Shapes:
        - **labels:** `[N]`
        - **time:** `[T]`
        - **output:** `[N, T, L, 3]`, L landmarks, metres
    """
    phases, tempo = performance.phases(labels, time)
    freedoms = performance.freedoms(labels, phases, time)
    # Single precision is accurate to a micrometre, and takes half the time.
    places = pose_body(freedoms.float(), performance.sizes, (*landmarks, *CONTACTS))
    soles = places[:, :, len(landmarks) :]
    path = _root_path(labels, soles, _flight_heights(labels, phases, tempo).float())
    x, y, z = (places[:, :, : len(landmarks)] + path.unsqueeze(2)).unbind(-1)
    heading = performance.heading.float()[:, None, None]
    cos, sin = heading.cos(), heading.sin()
    return torch.stack([cos * x + sin * z, y, cos * z - sin * x], dim=-1)


_MAX_NUMBERS = 2**27  # largest number of values of all clips, which are kept in memory


class SyntheticMotions(PositionDataset):
    r"""Synthetic human motions, made by forward kinematics on a chosen skeleton.

    A clip shows one of twelve cyclic actions (:data:`~pyg_sybio.data.synthetic.actions.ACTIONS`), performed
    by a left- or right-handed person of random size and proportions, at a random phase, tempo (slowly
    drifting), amplitude and personal variation. The person faces up to 60 degrees away from `+z` and always
    sways a little. An action keeps its rhythm in the whole clip, so that the future follows from the observed
    frames. The soles stay on the ground except in jumps and running steps, whose flights are ballistic;
    walkers and runners travel.

    An item is a `Data` with `x` (observed), `future` and `y` (class).

    - `xyz` skeletons: metres, `y` up.
    - `xy` skeletons: orthographic view from the front (`x` right, `y` down as in images), in units of the
      person's standing height.
    - `xy+score` skeletons: the same with a score in `(0, 1]`. The noise of each joint and frame varies from
      0.5 to 1.5 times `noise`; the larger the noise, the lower the score.

    Each clip is centred on the skeleton's center joint in the last observed frame (before noise), in all
    directions, so that the absolute position carries no information. Recordings are centred in the same way
    (`default_preprocess`).

    Args:
        skeleton: A shipped skeleton's name, the path of a JSON file, or a :class:`Skeleton`, with positions
            and with joints among :data:`~pyg_sybio.data.synthetic.body.LANDMARKS`.
        num_clips: Number of clips. Each of the twelve classes occurs once in clips 0 to 11, once in clips 12
            to 23, and so on.
        num_observed: Number of observed frames.
        num_future: Number of future frames.
        reserved: Number of frames of a clip after the observed ones, at least 1. (default: `num_future`)
        observation_ratio: The fraction of the `num_observed` frames that the model sees, or a range of
            fractions (:class:`~pyg_sybio.data.datasets.sampling.Sampling`). The future begins after them.
        frame_rate: In Hz.
        noise: Standard deviation of the sensor's noise in each coordinate, in metres, in observed and future
            frames.
        corrupt: Transforms of the observed frames, to imitate a bad sensor.
        fill: Transforms of the observed frames after `corrupt`. (default: missing joints are interpolated)
        seed: Clip `i` depends on `(seed, i)` and the other settings, not on the number of clips.

    Shapes:
        - **x:** `[M, T, D]`
        - **future:** `[M, T_future, D]`, zero after the end of the clip
        - **future_mask:** `[M, T_future, 1]`, False after the end of the clip; only with `reserved` or an
          `observation_ratio`
        - **y:** `[1]`

    Raises:
        ValueError: If an argument is out of its range, or the body lacks joints of the skeleton.

    Note:
        The units of the clips are as above; `skeleton.units` is the unit of real recordings. The labels are
        the actions, not their phases: a clip may begin before a kick or in the middle of the kick. 40 frames
        at 25 Hz contain at least 0.65 of every cycle.
    """

    default_preprocess = (Center(frame="last"),)

    def __init__(
        self,
        *,
        skeleton: str | Path | Skeleton = "ntu25",
        num_clips: int = 2000,
        num_observed: int = 40,
        num_future: int = 15,
        reserved: int | None = None,
        observation_ratio: ObservationRatio = 1.0,
        frame_rate: float = 25.0,
        noise: float = 0.002,
        corrupt: Transforms | None = None,
        fill: Transforms | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.num_observed = check_count("num_observed", num_observed, least=2)
        self.num_future = check_count("num_future", num_future)
        self.frame_rate = check_range("frame_rate", frame_rate, MIN_RATE, MAX_RATE)
        self.noise = check_range("noise", noise, 0, math.inf)
        self.corrupt, self.fill = composed(corrupt), composed(FillMissing() if fill is None else fill)
        self.seed = check_count("seed", seed, least=0)
        self.skeleton = load_skeleton(skeleton)
        check_landmarks(self.skeleton)
        self.sampling = Sampling(
            num_observed=num_observed,
            num_future=num_future,
            reserved=reserved,
            observation_ratio=observation_ratio,
        )
        self.num_frames = num_observed + check_count("reserved", num_future if reserved is None else reserved)
        numbers = check_count("num_clips", num_clips) * self.num_frames * self.skeleton.num_joints * 3
        if numbers > _MAX_NUMBERS:
            raise ValueError(f"the clips have {numbers} numbers in all, expected at most {_MAX_NUMBERS}")
        self.class_names = tuple(action.name for action in ACTIONS)
        self.labels = torch.from_numpy(_balanced_labels(seed, num_clips))
        clips = [self._make_clips(index) for index in torch.arange(num_clips).split(CLIPS_AT_ONCE)]
        self.clips = torch.cat(clips)  # [N, M, T, D]

    def len(self) -> int:
        return self.clips.size(0)

    def get(self, idx: int) -> Data:
        clip, y = self.clips[idx], self.labels[idx : idx + 1]
        complete = self.num_frames == self.num_observed + self.num_future and self.sampling.ratios == (
            1.0,
            1.0,
        )
        if complete and self.corrupt is None:
            return Data(x=clip[:, : self.num_observed], future=clip[:, self.num_observed :], y=y)
        sample = split_tasks(
            Motion(poses=clip.transpose(0, 1)[None], skeleton=self.skeleton),
            num_observed=self.num_observed,
            num_future=self.num_future,
            observation_ratio=self.sampling.draw_ratio(),
            split=self.num_observed,
        )
        observed = as_seen(sample.observed, self.corrupt, self.fill)
        x, future = (motion.poses[0].transpose(0, 1) for motion in (observed, sample.future))
        mask = {} if complete else {"future_mask": sample.future.present[0].transpose(0, 1).unsqueeze(-1)}
        return Data(x=x, future=future, y=y, **mask)

    @property
    def units(self) -> str:
        return "m" if self.skeleton.num_spatial == 3 else "standing heights"

    def _make_clips(self, index: Tensor) -> Tensor:
        """The clips of the given indices, `[N, M, T, D]`."""
        rngs = [np.random.default_rng((self.seed, i)) for i in index.tolist()]
        performance = Performance.stack([Performance.draw(rng) for rng in rngs])
        time = torch.arange(self.num_frames, dtype=torch.float64) / self.frame_rate
        places = perform(self.labels[index], performance, time, self.skeleton.joints)
        center = self.skeleton.joint_index(self.skeleton.center)
        places = places - places[:, self.num_observed - 1, center, None, None]

        draws = np.stack([rng.standard_normal(places.shape[1:]) for rng in rngs])
        noise = torch.from_numpy(draws) * self.noise
        scores = []
        if self.skeleton.coordinates == "xy+score":
            level = np.stack([rng.uniform(0.5, 1.5, (*places.shape[1:3], 1)) for rng in rngs])
            noise = torch.from_numpy(level) * noise
            scores = [torch.exp(-torch.from_numpy(level) * self.noise / 0.01)]  # 1/e for 1 cm of noise
        clips = places + noise
        if self.skeleton.coordinates != "xyz":
            flip = torch.tensor([1.0, -1.0], dtype=torch.float64)
            clips = clips[..., :2] * flip / _statures(performance)[:, None, None, None]
        return torch.cat([clips, *scores], dim=-1).transpose(1, 2).float()

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}({len(self)}, skeleton={self.skeleton.name!r}, "
            f"classes={len(self.class_names)}, frames={self.num_observed}+{self.num_future} "
            f"at {self.frame_rate:g} Hz, noise={self.noise:g} m, seed={self.seed})"
        )


def _balanced_labels(seed: int, num_clips: int) -> np.ndarray:
    """Labels that repeat all actions, each time in a new random order."""
    num_runs = math.ceil(num_clips / len(ACTIONS))
    # The third number makes these generators different from the generators of the clips.
    runs = [np.random.default_rng((seed, run, 1)).permutation(len(ACTIONS)) for run in range(num_runs)]
    return np.concatenate(runs)[:num_clips]


def _statures(performance: Performance) -> Tensor:
    """Standing height of each performer, `[N]`, metres."""
    upright = torch.zeros(len(performance.height), 1, len(FREEDOMS), dtype=torch.float64)
    ends = pose_body(upright, performance.sizes, ("head_top", "left_heel"))[:, 0, :, 1]
    return ends[:, 0] - ends[:, 1]
