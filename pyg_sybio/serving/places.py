"""Slots for producers and viewers, and the choice of the connection to displace if no slot is free."""

from collections import Counter
from typing import Protocol

from pyg_sybio.serving.access import LOOPBACK
from pyg_sybio.serving.limits import CloseCode, Refusal


class Occupant(Protocol):
    """A connection that takes a slot.

    Attributes:
        host: Address of the client.
        active: Whether the client has sent a valid message.
    """

    host: str
    active: bool

    def displace(self) -> None:
        """End the connection, because another client takes its slot."""


class Places:
    """Slots for one type of connection.

    If no slot is free, a new connection displaces a connection that has sent no valid message yet: the oldest
    one from the address with the most such connections. Active connections keep their slots.

    Args:
        kind: Displayed type of the connections.
        limit: Number of slots.
        per_address: Number of slots for one address. (default: half of the slots, and all slots for clients
            on the server's machine)
    """

    def __init__(self, kind: str, limit: int, per_address: int | None = None) -> None:
        self.kind = kind
        self.limit = limit
        self._per_address = per_address
        self._taken: list[Occupant] = []

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, new: Occupant) -> None:
        """Assign a slot to a connection.

        Raises:
            Refusal: If all slots are taken by active connections.
        """
        rivals = [each for each in self._taken if each.host == new.host]
        limit = self._limit_of(new.host)
        where = f" from address {new.host}"
        if len(rivals) < limit or limit == self.limit:
            rivals, limit, where = self._taken, self.limit, ""
        if len(rivals) >= limit:
            silent = [each for each in rivals if not each.active]
            if not silent:
                raise Refusal(CloseCode.TOO_MANY, f"too many {self.kind}s{where}: the limit is {limit}")
            connections = Counter(each.host for each in silent)
            # max returns the first maximum, which is the oldest connection.
            victim = max(silent, key=lambda each: connections[each.host])
            self._taken.remove(victim)
            victim.displace()
        self._taken.append(new)

    def leave(self, old: Occupant) -> None:
        """Free the slot of a connection, unless another connection already has it."""
        if old in self._taken:
            self._taken.remove(old)

    def _limit_of(self, host: str) -> int:
        if self._per_address is not None:
            return min(self._per_address, self.limit)
        return self.limit if host in LOOPBACK else -(-self.limit // 2)
