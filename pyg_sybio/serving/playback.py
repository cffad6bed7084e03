"""A recorded file as a source: played at its own rate, in a loop, while somebody watches."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

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
    """The motions in files, each with the name under which it is played.

    Args:
        paths: Any files that :func:`~pyg_sybio.data.reading.read_motions` reads.
        skeleton: Whose joints they have to have.
        frame_rate: Of a file that does not say its own, Hz.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a file cannot be read, or does not fit the skeleton.
    """
    recordings = []
    for path in map(Path, paths):
        for number, motion in enumerate(read_motions(path, skeleton=skeleton)):
            name = f"{path.name}: {number}" if number else path.name
            if motion.skeleton != skeleton:
                motion = motion.joints(skeleton)
            if motion.frame_rate is None:
                logger.warning("%s does not say its frame rate: taken for %g Hz", name, frame_rate)
                motion = motion.replace(frame_rate=frame_rate)
            recordings.append((name, motion))
    return recordings


class Playback:
    """Plays a recording to whoever watches; without anybody, it stands still and costs nothing.

    Args:
        name: For people.
        motion: What is played; it has a frame rate.
        service: What it shares with other sources.
    """

    def __init__(self, name: str, motion: Motion, service: Service) -> None:
        assert motion.frame_rate is not None
        self._rate = motion.frame_rate
        self._poses = motion.poses.double().numpy().copy()  # [P, T, M, D]
        self._poses[~motion.present.numpy()] = np.nan
        self._seen = motion.seen.numpy()
        self._tracks = motion.tracks
        self._service = service
        view = view_of(motion) if motion.num_spatial else None
        stream = service.start_stream(self._rate)
        self.source = Source(name, "recording", stream, service, view=view)

    async def run(self) -> None:
        """Play for ever."""
        self._service.hub.add(self.source)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.source.run())
                tasks.create_task(self._play())
        except* Exception:
            logger.exception("%s: cannot be played any more", self.source.name)
            self._service.hub.remove(self.source)

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        number = 0
        due = loop.time()
        while True:
            if not self.source.wanted:
                await self.source.wait_until_wanted()
                due = loop.time()
            index = number % self._poses.shape[1]
            if not index:
                self.source.put(Reset())  # the end of a recording and its start do not belong together
            self.source.put(self._frame(index, number / self._rate))
            number += 1
            due += 1 / self._rate
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _frame(self, index: int, timestamp: float) -> Frame:
        people = np.flatnonzero(self._seen[:, index]).tolist()
        return Frame(
            timestamp=timestamp, poses={self._tracks[person]: self._poses[person, index] for person in people}
        )
