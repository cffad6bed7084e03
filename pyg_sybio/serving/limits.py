"""How much one connection may ask of the server, and with which words it is refused."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from pyg_sybio.skeleton import Skeleton

# Close codes of WebSockets; those from 4000 are free for applications, and here recall HTTP's of 400.
UNSUPPORTED, TOO_BIG, INTERNAL_ERROR = 1003, 1009, 1011
BAD_MESSAGES, WRONG_TOKEN, IDLE, TOO_FAST, TOO_MANY = 4400, 4401, 4408, 4429, 4503


class Refusal(Exception):  # noqa: N818 - not an error of this program
    """A connection is not to go on.

    Args:
        code: Close code of the WebSocket.
        message: What was expected, and what came; one line.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a server takes.

    Args:
        rate: Messages a second from one producer; so many as come in two seconds may come at once.
        people: Persons in a frame.
        producers: Connections that send poses, at the same time.
        viewers: Pages that watch, at the same time.
        message_bytes: Size of a message. (default: enough for so many persons, with numbers of 30 characters)
        idle: Seconds without a message after which a producer is taken for gone.
        waiting: Frames of one source that wait for the model; when one more comes, the oldest is dropped.
        mistakes: Messages of one producer that are answered with an error; one more, and it is closed.
        handshake: Seconds that a connection has to say what it wants.

    Raises:
        ValueError: If one of them is not above 0.
    """

    rate: float = 120.0
    people: int = 16
    producers: int = 8
    viewers: int = 16
    message_bytes: int | None = None
    idle: float = 60.0
    waiting: int = 2
    mistakes: int = 20
    handshake: float = 10.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"'{name}' is {value}, expected a number above 0")

    def bytes_of_message(self, skeleton: Skeleton) -> int:
        """The largest message: as given, or enough for any frame of the skeleton."""
        if self.message_bytes is not None:
            return self.message_bytes
        numbers = self.people * skeleton.num_joints * (skeleton.num_features + 1)  # and one of confidence
        return 4096 + 32 * numbers

    @property
    def connections(self) -> int:
        """Of any kind, those that have not said what they want included."""
        return self.producers + self.viewers + 32


class Allowance:
    """So many a second on average, and as many as come in two seconds at once (a token bucket).

    Args:
        rate: How many a second.
        clock: Seconds, which only grow.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._clock = clock
        self._most = max(2 * rate, 1.0)
        self._left = self._most
        self._then = clock()

    def take(self) -> bool:
        """Take one, if there is one left."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._then) * self.rate)
        self._then = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
