"""One model for many streams: one call processes all waiting updates."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor

from pyg_sybio.streaming.motion_stream import StreamOutput
from pyg_sybio.streaming.updates import Update, update_together

Outputs = dict[int, StreamOutput]


class Turns:
    r"""Queue that runs the updates of all streams in the order of their arrival.

    An update that arrives while the model is idle runs immediately. Updates that arrive while it is busy run
    together in the next call. A call with ten tracks takes only three times as long as a call with one, so a
    server that falls behind catches up.

    Args:
        pool: Executor that runs the model, one call at a time.
    """

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._waiting: list[tuple[Update, asyncio.Future[Outputs]]] = []
        self._running: asyncio.Task[None] | None = None

    async def answer(self, update: Update) -> Outputs:
        """Return the outputs of the model for an update. A stream must have no more than one update at a
        time.

        Raises:
            ValueError: If the poses are invalid.
        """
        answer: asyncio.Future[Outputs] = asyncio.get_running_loop().create_future()
        self._waiting.append((update, answer))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        """Process updates until none is waiting."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                turn, self._waiting = self._waiting, []
                answers: Sequence[Outputs | Exception]
                try:
                    updates = [update for update, _ in turn]
                    answers = await loop.run_in_executor(self._pool, update_together, updates)
                except Exception as error:
                    answers = [error] * len(turn)
                for (_, waiting), answer in zip(turn, answers, strict=True):
                    if waiting.done():  # cancelled: the client has left
                        continue
                    if isinstance(answer, Exception):
                        waiting.set_exception(answer)
                    else:
                        waiting.set_result(answer)
        finally:
            self._running = None
