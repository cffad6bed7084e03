"""Sources and viewers: who gets what, and that nobody waits for anybody."""

import asyncio
import json
from typing import Any

import pytest
from served import run

from pyg_sybio.serving.hub import Hub, Viewer


class Camera:
    """A source that notes what it is told."""

    def __init__(self, number: str, view: str | None = None) -> None:
        self.id, self.paused, self.view = number, False, view
        self.counts: list[int] = []

    def describe(self) -> dict[str, Any]:
        return {"id": self.id, "paused": self.paused}

    def opening(self) -> dict[str, str]:
        return {} if self.view is None else {"view": self.view}

    def watched(self, count: int) -> None:
        self.counts.append(count)

    def pause(self, paused: bool) -> bool:
        changed, self.paused = paused != self.paused, paused
        return changed


async def all_of(viewer: Viewer) -> list[str]:
    """What waits for a viewer."""
    texts = []
    while True:
        try:
            texts.append(await asyncio.wait_for(viewer.next(), 0.01))
        except TimeoutError:
            return texts


def test_a_slow_viewer_gets_the_newest_frame_and_holds_no_other() -> None:
    async def watch() -> None:
        viewer = Viewer()
        for number in range(1000):
            viewer.offer("frame", f"frame {number}")
        viewer.offer("sources", "old list")
        viewer.offer("sources", "list")
        assert await all_of(viewer) == ["frame 999", "list"]
        assert viewer.skipped == 999
        waiting = asyncio.create_task(viewer.next())
        await asyncio.sleep(0)
        viewer.offer("frame", "frame 1000")
        assert await waiting == "frame 1000"
        assert viewer.skipped == 999

    run(watch())


def test_viewers_get_their_own_source_alone() -> None:
    async def watch() -> None:
        hub, (one, two) = Hub(), (Camera("a", view="from the left"), Camera("b"))
        first, second = Viewer(), Viewer()
        hub.add(one)
        hub.add(two)
        for viewer in (first, second):
            hub.enter(viewer)
            (text,) = await all_of(viewer)
            assert [each["id"] for each in json.loads(text)["sources"]] == ["a", "b"]
        hub.watch(first, one)
        hub.watch(second, two)
        hub.show(one, "frame", "of a")
        hub.show(two, "frame", "of b")
        assert await all_of(first) == ["from the left", "of a"]
        assert await all_of(second) == ["of b"]

        hub.show(one, "frame", "late")
        hub.watch(first, two)  # what waited of the other source is not sent any more
        assert await all_of(first) == []
        assert (one.counts, two.counts) == ([1, 0], [1, 2])
        hub.leave(first)
        assert two.counts == [1, 2, 1]
        assert hub.viewers == {second}

    run(watch())


def test_viewers_hear_when_a_source_stops_or_goes() -> None:
    async def watch() -> None:
        hub, camera, viewer = Hub(), Camera("a"), Viewer()
        hub.add(camera)
        hub.enter(viewer)
        hub.watch(viewer, camera)
        await all_of(viewer)
        hub.pause(camera, True)
        hub.pause(camera, True)
        assert [json.loads(text)["sources"] for text in await all_of(viewer)] == [
            [{"id": "a", "paused": True}]
        ]
        hub.remove(camera)
        assert [json.loads(text)["sources"] for text in await all_of(viewer)] == [[]]
        assert viewer.watching is None
        hub.leave(viewer)  # and a source that has gone is not told

    run(watch())
    with pytest.raises(KeyError):
        Hub().remove(Camera("never added"))
