"""Who watches what: sources of frames, and viewers who each see the newest frame that they can take."""

import asyncio
import json
from typing import Any, Protocol


class Watchable(Protocol):
    """What can be watched."""

    id: str
    paused: bool

    def describe(self) -> dict[str, Any]:
        """Its entry in the list of sources."""

    def opening(self) -> dict[str, str]:
        """Messages for who turns to it, by their kinds: how to draw it, and what it showed last."""

    def watched(self, count: int) -> None:
        """So many watch now."""

    def pause(self, paused: bool) -> bool:
        """Stop or go on, if it can; whether that has changed anything."""


class Viewer:
    """One who watches, and what waits to be sent: of each kind of message the newest alone.

    A viewer who is slow misses frames; memory does not grow, and nobody waits for anybody.
    """

    def __init__(self) -> None:
        self.watching: Watchable | None = None
        self.skipped = 0
        self._waiting: dict[str, str] = {}
        self._news = asyncio.Event()

    def offer(self, kind: str, text: str) -> None:
        """Put a message in the place of one of its kind that still waits."""
        if kind == "frame" and kind in self._waiting:
            self.skipped += 1
        self._waiting[kind] = text
        self._news.set()

    def forget(self, *kinds: str) -> None:
        """Do not send what waits of these kinds."""
        for kind in kinds:
            self._waiting.pop(kind, None)

    async def next(self) -> str:
        """Wait for the next message that is to be sent."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        return self._waiting.pop(next(iter(self._waiting)))


class Hub:
    """All sources and all viewers of a server. Belongs to its event loop."""

    def __init__(self) -> None:
        self.sources: dict[str, Watchable] = {}
        self.viewers: set[Viewer] = set()

    def sources_text(self) -> str:
        """The list of sources, as viewers get it."""
        listed = [source.describe() for source in self.sources.values()]
        return json.dumps({"type": "sources", "sources": listed})

    def add(self, source: Watchable) -> None:
        """A source has come."""
        self.sources[source.id] = source
        self._announce()

    def remove(self, source: Watchable) -> None:
        """A source has gone; who watched it watches nothing now."""
        del self.sources[source.id]
        for viewer in self.watchers(source):
            viewer.watching = None
            viewer.forget("view", "frame")
        self._announce()

    def enter(self, viewer: Viewer) -> None:
        """A viewer has come."""
        self.viewers.add(viewer)
        viewer.offer("sources", self.sources_text())

    def leave(self, viewer: Viewer) -> None:
        """A viewer has gone."""
        self.viewers.discard(viewer)
        before, viewer.watching = viewer.watching, None
        self._count(before)

    def watch(self, viewer: Viewer, source: Watchable) -> None:
        """A viewer turns to a source."""
        before, viewer.watching = viewer.watching, source
        viewer.forget("view", "frame")
        for kind, text in source.opening().items():
            viewer.offer(kind, text)
        self._count(before)
        self._count(source)

    def pause(self, source: Watchable, paused: bool) -> None:
        """Stop or go on with a source that can, for everybody."""
        if source.pause(paused):
            self._announce()

    def show(self, source: Watchable, kind: str, text: str) -> None:
        """Offer a message to everybody who watches a source."""
        for viewer in self.watchers(source):
            viewer.offer(kind, text)

    def watchers(self, source: Watchable) -> list[Viewer]:
        """Who watches a source."""
        return [viewer for viewer in self.viewers if viewer.watching is source]

    def _count(self, *sources: Watchable | None) -> None:
        for source in sources:
            if source is not None and source.id in self.sources:
                source.watched(len(self.watchers(source)))

    def _announce(self) -> None:
        text = self.sources_text()
        for viewer in self.viewers:
            viewer.offer("sources", text)
