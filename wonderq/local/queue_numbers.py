"""Which number a queue has on disk: a name can be used again, a number never is."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from wonderq.broker import StoreRefused
from wonderq.model import QueueSettings


class QueueNumbers:
    """The queues of a store.

    @ivar names: of the queues that exist, by number.
    @ivar settings: of the queues that were there when the store was opened, by name.
    @ivar deleted: the queues that had been deleted then, but had messages on disk yet.
    """

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.settings: dict[str, QueueSettings] = {}
        self.deleted: list[int] = []
        self._numbers: dict[str, int] = {}
        self._last = 0

    def load(self, rows: Iterable[tuple[int, str | None, str]], last: int, store: str) -> None:
        """Take up what is stored.

        @param rows: number, name (none: deleted), settings (JSON).
        @param last: the highest number that was ever used.
        @param store: its path, for the refusal.
        @raise StoreRefused: there are settings that this program does not know.
        """
        self._last = last
        for number, name, settings in rows:
            if name is None:
                self.deleted.append(number)
                continue
            try:
                self.settings[name] = msgspec.json.decode(settings, type=QueueSettings)
            except msgspec.MsgspecError as error:
                raise StoreRefused(
                    f"{store} has settings that this WonderQ does not know, of the queue {name}: {error}"
                ) from None
            self._numbers[name] = number
            self.names[number] = name

    def of(self, name: str) -> int:
        """Return the number of a queue that exists."""
        return self._numbers[name]

    def put(self, name: str) -> int:
        """Return the number of a queue that exists from now on."""
        number = self._numbers.get(name)
        if number is None:
            number = self._last = self._numbers[name] = self._last + 1
            self.names[number] = name
        return number

    def delete(self, name: str) -> int:
        """Return the number that a queue had."""
        number = self._numbers.pop(name)
        del self.names[number]
        return number
