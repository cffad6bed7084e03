"""Limits of the server and of its connections, and the codes with which it closes a connection."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from pyg_sybio.skeleton import Skeleton


class CloseCode(IntEnum):
    """Close codes of WebSockets. Codes from 4000 are for applications; these resemble HTTP status codes."""

    UNSUPPORTED = 1003
    TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    BAD_MESSAGES = 4400
    WRONG_TOKEN = 4401
    IDLE = 4408
    TOO_FAST = 4429
    TOO_MANY = 4503


class Refusal(Exception):  # noqa: N818 - not an error of this program
    """Raised to close a connection.

    Args:
        code: Close code of the WebSocket.
        message: Error message in one line: what was expected, and what was received.
    """

    def __init__(self, code: CloseCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a server.

    Args:
        rate: Maximum number of messages per second from one producer, on average; a burst may have twice as
            many.
        people: Maximum number of persons per frame.
        producers: Maximum number of connections that send poses.
        viewers: Maximum number of connected pages.
        per_address: Maximum number of producers, and of viewers, from one address. (default: half of
            `producers` and of `viewers`; the full numbers for clients on the server's machine)
        message_bytes: Maximum size of a message. (default: enough for `people`, with 30 characters per
            number)
        idle: A producer that sends no message, or any client that reads none, is disconnected after this many
            seconds.
        waiting: Maximum number of frames of one source that wait for the model; a further frame replaces the
            oldest.
        mistakes: Invalid messages per connection that only cause an error message; the next one closes the
            connection.
        handshake: Seconds within which a connection must become a producer or a viewer, or have read its
            response.

    Raises:
        ValueError: If a limit is not a positive number.
    """

    rate: float = 120.0
    people: int = 16
    producers: int = 8
    viewers: int = 16
    per_address: int | None = None
    message_bytes: int | None = None
    idle: float = 60.0
    waiting: int = 2
    mistakes: int = 20
    handshake: float = 10.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"'{name}' is {value}, expected a positive number")

    def bytes_of_message(self, skeleton: Skeleton) -> int:
        """Return the maximum size of a message: as given, or enough for any frame of the skeleton."""
        if self.message_bytes is not None:
            return self.message_bytes
        numbers = self.people * skeleton.num_joints * (skeleton.num_features + 1)  # + 1 for the confidence
        return 4096 + 32 * numbers

    @property
    def connections(self) -> int:
        """Open connections of any type, including connections that are neither producer nor viewer."""
        return self.producers + self.viewers + 32


class Allowance:
    """A token bucket: a number of messages per second on average, and twice as many in a burst.

    Args:
        rate: Messages per second.
        clock: Function that returns the time in seconds.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._clock = clock
        self._capacity = max(2 * rate, 1.0)
        self._left = self._capacity
        self._updated = clock()

    def take(self) -> bool:
        """Take one message, if any is left."""
        now = self._clock()
        self._left = min(self._capacity, self._left + (now - self._updated) * self.rate)
        self._updated = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
