"""Viewers and channels: which viewer gets which messages, without waiting for others."""

import asyncio
import functools
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from served import run

from pyg_sybio.serving.audience import Audience, Channel, Viewer


def in_event_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test in a new event loop."""

    @functools.wraps(test)
    def wrapped() -> None:
        run(test())

    return wrapped


async def pending(viewer: Viewer) -> list[str]:
    """Take the pending messages of a viewer."""
    texts: list[str] = []

    async def send(text: str) -> None:
        texts.append(text)

    sending = asyncio.create_task(viewer.run(send))
    await asyncio.sleep(0)
    sending.cancel()
    return texts


def sources_of(text: str) -> list[dict[str, object]]:
    message = json.loads(text)
    assert message["type"] == "sources"
    return list(message["sources"])


@in_event_loop
async def test_a_slow_viewer_gets_the_newest_frame_and_does_not_delay_others() -> None:
    viewer = Viewer()
    for number in range(1000):
        viewer.offer("frame", f"frame {number}")
    viewer.offer("sources", "old list")
    viewer.offer("sources", "list")
    assert await pending(viewer) == ["frame 999", "list"]
    assert viewer.skipped == 999

    sent: asyncio.Queue[str] = asyncio.Queue()
    sending = asyncio.create_task(viewer.run(sent.put))
    await asyncio.sleep(0)
    assert sent.empty()
    viewer.offer("frame", "frame 1000")
    assert await sent.get() == "frame 1000"
    sending.cancel()
    assert viewer.skipped == 999


@in_event_loop
async def test_viewers_get_only_the_source_that_they_watch() -> None:
    audience, one, two = Audience(), Channel("a", "one", "live"), Channel("b", "two", "live")
    first, second = Viewer(), Viewer()
    one.show("view", "from the left")
    audience.add(one)
    audience.add(two)
    for viewer in (first, second):
        audience.enter(viewer)
        (text,) = await pending(viewer)
        assert [each["id"] for each in sources_of(text)] == ["a", "b"]
    audience.watch(first, one)
    audience.watch(second, two)
    one.show("frame", "of a")
    two.show("frame", "of b")
    assert await pending(first) == ["from the left", "of a"]
    assert await pending(second) == ["of b"]

    one.show("frame", "late")
    audience.watch(first, two)  # pending frames of the other source are dropped
    assert await pending(first) == ["of b"]  # the newest frame, immediately
    assert (one.viewers, two.viewers) == (set(), {first, second})
    audience.leave(first)
    assert (audience.viewers, two.viewers, first.watching) == ({second}, {second}, None)


@in_event_loop
async def test_a_source_is_active_while_watched_and_not_paused() -> None:
    audience, recording, viewer = Audience(), Channel("a", "sway", "recording"), Viewer()
    audience.add(recording)
    audience.enter(viewer)
    assert not recording.wanted.is_set()
    audience.watch(viewer, recording)
    assert recording.wanted.is_set()
    audience.pause(recording, True)
    assert not recording.wanted.is_set()
    audience.pause(recording, False)
    assert recording.wanted.is_set()
    audience.leave(viewer)
    assert not recording.wanted.is_set()


@in_event_loop
async def test_viewers_are_notified_when_a_recording_pauses_or_ends() -> None:
    audience, recording, live = Audience(), Channel("a", "sway", "recording"), Channel("b", "camera", "live")
    viewer = Viewer()
    audience.add(recording)
    audience.enter(viewer)
    audience.watch(viewer, recording)
    await pending(viewer)
    audience.pause(recording, True)
    (text,) = await pending(viewer)
    assert sources_of(text) == [{"id": "a", "name": "sway", "kind": "recording", "paused": True}]
    audience.pause(recording, True)
    assert await pending(viewer) == []
    audience.add(live)
    audience.pause(live, True)
    assert not live.paused
    await pending(viewer)
    recording.show("frame", "the last")
    audience.remove(recording)
    (text,) = await pending(viewer)
    assert [each["id"] for each in sources_of(text)] == ["b"]
    assert viewer.watching is None
    with pytest.raises(KeyError):
        audience.remove(recording)
