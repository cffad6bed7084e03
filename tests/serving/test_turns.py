"""Requests that wait for the model are batched."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from served import Streams, made_up_pose

from pyg_sybio.serving import turns
from pyg_sybio.serving.turns import Turns
from pyg_sybio.streaming.updates import Update


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_waiting_requests_are_batched_in_one_call(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = Streams()
    began, goes_on = threading.Event(), threading.Event()
    calls: list[int] = []
    together = turns.update_together

    def slow(updates: list[Update]) -> object:
        calls.append(len(updates))
        began.set()
        goes_on.wait(30)
        return together(updates)

    monkeypatch.setattr(turns, "update_together", slow)

    async def run() -> None:
        service = Turns(pool)
        first = asyncio.create_task(service.answer(Update(streams(), {0: made_up_pose()})))
        await asyncio.to_thread(began.wait, 30)
        more = [
            asyncio.create_task(service.answer(Update(streams(), {track: made_up_pose()})))
            for track in (1, 2, 3)
        ]
        wrong = asyncio.create_task(service.answer(Update(streams(), {0: [[1.0]]})))
        gone = asyncio.create_task(service.answer(Update(streams(), {0: made_up_pose()})))
        await asyncio.sleep(0)
        gone.cancel()
        goes_on.set()
        assert list(await first) == [0]
        assert [list(await each) for each in more] == [[1], [2], [3]]
        with pytest.raises(ValueError, match="'pose' has shape"):
            await wrong
        assert gone.cancelled() or gone.cancelling()
        assert list(await service.answer(Update(streams(), {4: made_up_pose()}))) == [4]

    asyncio.run(run())
    assert calls == [1, 5, 1]


def test_an_error_of_the_model_reaches_all_waiting_requests(pool: ThreadPoolExecutor) -> None:
    streams = Streams()

    async def run() -> None:
        service = Turns(pool)
        stream = streams()
        stream.model = lambda x: None  # type: ignore[assignment, return-value]
        with pytest.raises(AttributeError):
            await service.answer(Update(stream, {0: made_up_pose()}))
        assert list(await service.answer(Update(streams(), {0: made_up_pose()}))) == [0]

    asyncio.run(run())
