r"""Join the tracks of a person whom the tracker lost."""

import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform


class JoinTracks(MotionTransform):
    r"""Join tracks that are never seen in the same frame into one person (NTU RGB+D).

    A tracker that loses a person assigns a new number when it finds the person again. Tracks are processed in
    order: each is joined to the first earlier person who is seen in none of its frames. (Tracks that were
    already joined belong to that person.) If there is no such person, the track becomes a new person. A
    joined person keeps the number and index of the first track.

    First order persons by motion and drop spurious bodies, so that the important tracks are joined first:

    .. code-block:: python

        Compose([SelectBodies(num_bodies=10), JoinTracks(), SelectBodies(num_bodies=2)])

    Note:
        A person who returns cannot be distinguished from a different person who appears after the first has
        left. Their tracks are joined in both cases, as is usual for NTU RGB+D.
    """

    def forward(self, motion: Motion) -> Motion:
        seen = motion.seen
        members: list[int] = []  # the first track of each joined person
        taken: list[Tensor] = []  # frames in which the person is seen, [T]
        whose: list[Tensor] = []  # the track to take each frame from, [T]
        for person, frames in enumerate(seen):
            free = (group for group in range(len(members)) if not (taken[group] & frames).any())
            group = next(free, len(members))
            if group == len(members):
                members.append(person)
                taken.append(frames)
                whose.append(torch.full_like(frames, person, dtype=torch.long))
            else:
                taken[group] = taken[group] | frames
                whose[group] = whose[group].masked_fill(frames, person)
        if len(members) == motion.num_persons:
            return motion
        frame = torch.arange(motion.num_frames, device=seen.device)
        tracks = tuple(motion.tracks[member] for member in members)
        tracks_of = torch.stack(whose)  # [P, T]
        return motion.mapped(lambda values: values[tracks_of, frame], tracks=tracks)
