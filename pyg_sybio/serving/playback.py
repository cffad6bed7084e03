"""Recordings as sources, which play at their frame rate in a loop while they have viewers."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from pyg_sybio.data.motion import Motion
from pyg_sybio.data.reading import read_motions
from pyg_sybio.serving.source import Service, Source
from pyg_sybio.skeleton import Skeleton
from pyg_sybio.streaming.messages import Frame, Reset
from pyg_sybio.visualization.view import view_of

logger = logging.getLogger(__name__)


def read_recordings(
    paths: Sequence[str | Path], skeleton: Skeleton, frame_rate: float
) -> list[tuple[str, Motion]]:
    """Read the motions in files, each with the name under which it is played.

    Args:
        paths: Files that :func:`~pyg_sybio.data.reading.read_motions` reads.
        skeleton: The skeleton whose joints the files must contain.
        frame_rate: Frame rate of files that do not contain one, in Hz.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a file cannot be read, or does not fit the skeleton.
    """
    recordings = []
    for path in map(Path, paths):
        for number, motion in enumerate(read_motions(path, skeleton=skeleton)):
            name = f"{path.name}: {number}" if number else path.name
            motion = motion.joints(skeleton)
            if motion.frame_rate is None:
                logger.warning("%s has no frame rate: %g Hz is assumed", name, frame_rate)
                motion = motion.replace(frame_rate=frame_rate)
            recordings.append((name, motion))
    return recordings


class Playback:
    """Source that plays a recording while it has viewers.

    Args:
        name: Displayed name of the recording.
        motion: The recording, with a frame rate.
        service: State shared with other sources.
    """

    def __init__(self, name: str, motion: Motion, service: Service) -> None:
        assert motion.frame_rate is not None
        self._rate = motion.frame_rate
        self._poses = motion.poses.double().masked_fill(~motion.present[..., None], torch.nan).numpy()
        self._seen = motion.seen.numpy()
        self._tracks = motion.tracks
        self._service = service
        view = view_of(motion) if motion.num_spatial else None
        self.source = Source(name, "recording", service.start_stream(self._rate), service, view=view)

    async def run(self) -> None:
        """Play forever."""
        self._service.audience.add(self.source.channel)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.source.run())
                tasks.create_task(self._play())
        except* Exception:
            logger.exception("%s: playback has failed", self.source.name)
            self._service.audience.remove(self.source.channel)

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        wanted = self.source.channel.wanted
        number, due = 0, loop.time()
        while True:
            if not wanted.is_set():
                await wanted.wait()
                due = loop.time()
            index = number % self._poses.shape[1]
            if not index:
                self.source.put(Reset())  # after the last frame, playback starts a new window
            people = np.flatnonzero(self._seen[:, index]).tolist()
            poses = {self._tracks[person]: self._poses[person, index] for person in people}
            self.source.put(Frame(poses, timestamp=number / self._rate))
            number += 1
            due += 1 / self._rate
            await asyncio.sleep(max(0.0, due - loop.time()))
