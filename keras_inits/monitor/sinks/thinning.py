"""Which samples to keep of a run whose length nobody knows yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import Generic, TypeVar

__all__ = ["EvenlyThinned", "Spacing"]

T = TypeVar("T")


class Spacing:
    """Takes all of the first samples and then fewer, for files that only grow.

    The distance between two samples taken is `1 / dense` of the way behind, so that
    a curve looks the same at any length: after n samples about
    dense · (2 + ln(n / (2 · dense))) were taken.

    Args:
        dense: Half the number of samples after which it begins to leave some out;
            None to take all.

    Example:
        >>> spacing = Spacing(dense=4)
        >>> [n for n in range(40) if spacing.takes_next()]
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 27, 33]
    """

    def __init__(self, dense: int | None) -> None:
        self.dense = dense
        self._seen = 0
        self._next = 0

    def takes_next(self) -> bool:
        """Whether to take the sample that comes now; asked once a sample."""
        taken = self._seen >= self._next
        if taken:
            stride = 1 if self.dense is None else max(1, self._seen // self.dense)
            self._next = self._seen + stride
        self._seen += 1
        return taken


class EvenlyThinned(Generic[T]):
    """At most so many items: the first, the latest all, between them an even choice.

    A quarter of the room holds the latest items. What falls out of it is kept if its
    number is a multiple of a stride; where the room is full, every second of the older
    ones goes and the stride doubles.

    Args:
        capacity: How many items at most, at least 8.

    Example:
        >>> kept = EvenlyThinned(8)
        >>> for n in range(100):
        ...     kept.append(n)
        >>> list(kept)
        [0, 32, 64, 96, 98, 99]
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._latest: deque[T] = deque()
        self._older: list[T] = []
        self._stride = 1
        self._passed = 0

    def append(self, item: T) -> None:
        """Take an item, and let go of another where the room is full."""
        self._latest.append(item)
        if len(self._latest) > self.capacity // 4:
            self._pass_on(self._latest.popleft())

    def _pass_on(self, item: T) -> None:
        number = self._passed
        self._passed += 1
        if number % self._stride:
            return
        if len(self._older) == self.capacity - self.capacity // 4:
            del self._older[1::2]
            self._stride *= 2
            if number % self._stride:
                return
        self._older.append(item)

    def clear(self) -> None:
        """Forget all."""
        self._latest.clear()
        self._older.clear()
        self._stride, self._passed = 1, 0

    def __len__(self) -> int:
        return len(self._older) + len(self._latest)

    def __iter__(self) -> Iterator[T]:
        return chain(self._older, self._latest)
