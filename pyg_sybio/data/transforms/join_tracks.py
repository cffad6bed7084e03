r"""Join the tracks of a person whom the tracker lost."""

import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform


class JoinTracks(MotionTransform):
    r"""Join tracks that are never seen in the same frame into one person (NTU RGB+D).

    A tracker that loses a person assigns a new number when it finds the person again. In their order, each
    track is joined to the first earlier person (including the tracks already joined to that person) with whom
    it shares no frame; a track that shares a frame with all of them stays separate. The joined person keeps
    the track number and index of its first track.

    First order persons by motion and drop spurious bodies, so that the important tracks are joined first:

    .. code-block:: python

        Compose([SelectBodies(num_bodies=10), JoinTracks(), SelectBodies(num_bodies=2)])

    Note:
        A person who comes back cannot be distinguished from another one who appears when the first has left;
        these are joined as well, as is usual for NTU RGB+D.
    """

    def forward(self, motion: Motion) -> Motion:
        seen = motion.seen
        members: list[int] = []  # the first member of each joined person
        taken: list[Tensor] = []  # frames in which it is seen, [T]
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
