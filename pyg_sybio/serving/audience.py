"""Viewers, the sources that they watch, and their pending messages."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Literal

Kind = Literal["live", "recording"]
"""Kinds of sources."""


class Viewer:
    """A connected page, and its pending messages: only the newest message of each type.

    A slow viewer misses frames; memory does not grow, and other viewers are not delayed.
    """

    def __init__(self) -> None:
        self.watching: Channel | None = None
        self.skipped = 0
        self._pending: dict[str, str] = {}
        self._changed = asyncio.Event()

    def offer(self, kind: str, text: str) -> None:
        """Queue a message, which replaces a pending message of the same type."""
        self.skipped += kind == "frame" and kind in self._pending
        self._pending[kind] = text
        self._changed.set()

    def forget(self, *kinds: str) -> None:
        """Discard pending messages of these types."""
        for kind in kinds:
            self._pending.pop(kind, None)

    async def run(self, send: Callable[[str], Awaitable[None]]) -> None:
        """Send messages forever."""
        while True:
            while not self._pending:
                self._changed.clear()
                await self._changed.wait()
            await send(self._pending.pop(next(iter(self._pending))))


class Channel:
    """The newest message of each type from one source, for its viewers.

    Args:
        id: Identifier of the source.
        name: Displayed name of the source.
        kind: Whether the source is live or a recording. Only recordings can be paused.
    """

    def __init__(self, id: str, name: str, kind: Kind) -> None:
        self.id = id
        self.name = name
        self.kind = kind
        self.paused = False
        self.viewers: set[Viewer] = set()
        self.wanted = asyncio.Event()
        self._newest: dict[str, str] = {}

    def describe(self) -> dict[str, Any]:
        """Return the entry of the source in the list of sources."""
        return {"id": self.id, "name": self.name, "kind": self.kind, "paused": self.paused}

    def show(self, kind: str, text: str) -> None:
        """Send a message to all viewers, and to later viewers until the next message of its type."""
        self._newest[kind] = text
        for viewer in self.viewers:
            viewer.offer(kind, text)

    def enter(self, viewer: Viewer) -> None:
        """Add a viewer, who gets the newest messages."""
        self.viewers.add(viewer)
        for kind, text in self._newest.items():
            viewer.offer(kind, text)
        self.update_wanted()

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer and its pending messages."""
        self.viewers.discard(viewer)
        viewer.forget(*self._newest)
        self.update_wanted()

    def update_wanted(self) -> None:
        """Set :attr:`wanted` if the source has viewers and is not paused, otherwise clear it."""
        if self.viewers and not self.paused:
            self.wanted.set()
        else:
            self.wanted.clear()


class Audience:
    """All viewers and all channels of a server, for use in the event loop of the server only."""

    def __init__(self) -> None:
        self.channels: dict[str, Channel] = {}
        self.viewers: set[Viewer] = set()

    def add(self, channel: Channel) -> None:
        """Add a channel."""
        self.channels[channel.id] = channel
        self._announce(*self.viewers)

    def remove(self, channel: Channel) -> None:
        """Remove a channel; its viewers then watch no source."""
        del self.channels[channel.id]
        for viewer in list(channel.viewers):
            self.watch(viewer, None)
        self._announce(*self.viewers)

    def enter(self, viewer: Viewer) -> None:
        """Add a viewer, who gets the list of sources."""
        self.viewers.add(viewer)
        self._announce(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer."""
        self.viewers.discard(viewer)
        self.watch(viewer, None)

    def watch(self, viewer: Viewer, channel: Channel | None) -> None:
        """Switch a viewer to a channel, or to none."""
        if viewer.watching is not None:
            viewer.watching.leave(viewer)
        viewer.watching = channel
        if channel is not None:
            channel.enter(viewer)

    def pause(self, channel: Channel, paused: bool) -> None:
        """Pause or resume a recording for all viewers; a live source cannot be paused."""
        if channel.kind == "recording" and channel.paused != paused:
            channel.paused = paused
            channel.update_wanted()
            self._announce(*self.viewers)

    def _announce(self, *viewers: Viewer) -> None:
        listed = [channel.describe() for channel in self.channels.values()]
        text = json.dumps({"type": "sources", "sources": listed})
        for viewer in viewers:
            viewer.offer("sources", text)
