"""Raw random words, addressed by key, lane and block; NumPy only."""

import sys
from typing import Any

import numpy as np

__all__ = ["Bits"]


class Bits:
    """The random words of one key, read from the start of any block of any lane.

    Philox is a counter-based generator (Salmon et al., 2011, "Parallel random numbers:
    as easy as 1, 2, 3", doi:10.1145/2063384.2063405). The upper two words of its
    256-bit counter hold the lane and the block, the lower two leave each block 2^128
    steps of room.

    Args:
        key: two integers of 64 bits.
    """

    def __init__(self, key: tuple[int, int]) -> None:
        self._generator = np.random.Philox(key=np.array(key, np.uint64))
        self._state: Any = self._generator.state

    def seek(self, block: int, lane: int = 0) -> None:
        """Goes to the first word of a block."""
        self._state["state"]["counter"][2:] = block, lane
        self._generator.state = self._state

    def words(self, count: int, size: int) -> Any:
        """The next `count` unsigned words of `size` bits, 32 or 64."""
        if size == 64:
            return self._generator.random_raw(count)
        pairs = self._generator.random_raw((count + 1) // 2)
        if sys.byteorder == "big":
            pairs = (pairs << np.uint64(32)) | (pairs >> np.uint64(32))
        return pairs.view(np.uint32)[:count]

    def fractions(self, count: int) -> Any:
        """The next `count` float64 values, uniform on [0, 1), of 53 bits each."""
        return (self._generator.random_raw(count) >> np.uint64(11)) * 2.0**-53
