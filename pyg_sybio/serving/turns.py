"""Whose turn with the model it is: everybody's who waits, in one call."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor

from pyg_sybio.streaming.motion_stream import StreamOutput
from pyg_sybio.streaming.updates import Update, update_together

Outputs = dict[int, StreamOutput]


class Turns:
    r"""Updates of all streams, in the order in which they are wanted.

    Whoever comes while the model is free has it alone, at once. Those who come while it answers are its next
    call, together: ten tracks take three times as long as one, not ten times, so that a server that falls
    behind catches up.

    Args:
        pool: Where the model runs, one call at a time.
    """

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._waiting: list[tuple[Update, asyncio.Future[Outputs]]] = []
        self._answering: asyncio.Task[None] | None = None

    async def answer(self, update: Update) -> Outputs:
        """What the model says; a stream waits for it before it asks again.

        Raises:
            ValueError: If the poses cannot be taken.
        """
        answer: asyncio.Future[Outputs] = asyncio.get_running_loop().create_future()
        self._waiting.append((update, answer))
        if self._answering is None:
            self._answering = asyncio.create_task(self._answer_all())
        return await answer

    async def _answer_all(self) -> None:
        """Answer until nobody waits."""
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
                    if waiting.done():
                        continue  # who has gone meanwhile is not told
                    if isinstance(answer, Exception):
                        waiting.set_exception(answer)
                    else:
                        waiting.set_result(answer)
        finally:
            self._answering = None
