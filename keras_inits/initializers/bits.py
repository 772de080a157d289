"""Raw random words, addressed by key, lane and position; NumPy only."""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["BLOCK", "PART", "Bits"]

#: Words of 64 bits that come from one generator.
BLOCK = 1 << 15
#: Values that are made at once: a core's cache holds them with all that they need.
PART = 1 << 14


class Bits:
    """The random words of one key, read from any position of any lane.

    They come in blocks, each from a generator of its own. Philox is counter-based
    (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3",
    doi:10.1145/2063384.2063405): what it gives for the key, and for a lane and a block
    as the upper half of its counter, is the state in which SFC64 begins (Doty-Humphrey,
    2010, PractRand), which makes a word in less than half of Philox's time.

    Args:
        key: two integers of 64 bits.
    """

    def __init__(self, key: tuple[int, int]) -> None:
        self._blocks = np.random.Philox(key=np.array(key, np.uint64))
        self._address: Any = self._blocks.state
        self._words = np.random.SFC64(0)
        self._first: Any = self._words.state
        self._position = 0

    def seek(self, position: int, lane: int = 0) -> None:
        """Goes to a word of a lane, counted in words of the size that is read next."""
        self._position = position
        self._address["state"]["counter"][3] = lane

    def signed(self, out: Any) -> Iterator[tuple[int, Any, Any]]:
        """Cuts a vector of floats into parts, and reads a signed word for each value.

        Yields:
            The part's start, the part, and integers of the same number and size.
        """
        size, start = out.itemsize, 0
        while start < out.size:
            block, skipped = divmod(size * self._position, 8 * BLOCK)
            self._enter(block)
            self._words.random_raw(skipped // 8, output=False)
            odd = skipped % 8 // size  # the position may lie inside a word of 64 bits
            end = min(out.size, start + (8 * BLOCK - skipped) // size)
            self._position += end - start
            while start < end:
                part = out[start : min(end, start + PART - odd)]
                yield start, part, self._read(odd + part.size, size)[odd:]
                start, odd = start + part.size, 0

    def _enter(self, block: int) -> None:
        """Goes to the first word of a block."""
        self._address["state"]["counter"][2] = block
        self._blocks.state = self._address
        self._first["state"]["state"] = self._blocks.random_raw(4)
        self._words.state = self._first

    def _read(self, count: int, size: int) -> Any:
        """The next integers of `size` bytes, from whole words of 64 bits."""
        words = self._words.random_raw(-(-count * size // 8))
        if size == 4 and sys.byteorder == "big":
            words = (words << np.uint64(32)) | (words >> np.uint64(32))
        return words.view(f"i{size}")[:count]
