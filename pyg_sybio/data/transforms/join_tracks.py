r"""One person whom the tracker took for several, one after the other."""

import torch
from torch import Tensor

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.transforms.base import MotionTransform
from pyg_sybio.data.transforms.frame_index import take_frames


class JoinTracks(MotionTransform):
    r"""Make one person of tracks that are never seen in the same frame (NTU RGB+D).

    A tracker that loses a person gives a new number when it finds them again. Each person in turn joins the
    first one before them with whom, and with everybody who joined already, they share no frame; who shares
    one with all stays a person of their own. The joined person keeps the first one's track number and place.

    Order persons by motion and drop made-up bodies before, so that the tracks that matter are joined first:

    .. code-block:: python

        Compose([SelectBodies(num_bodies=10), JoinTracks(), SelectBodies(num_bodies=2)])

    Note:
        Nothing tells a person who comes back from another one who comes when the first has left: these are
        joined as well, as in the field.
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
        return take_frames(motion, torch.stack(whose), frame, tracks=tracks)
