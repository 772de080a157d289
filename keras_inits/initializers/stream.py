"""Tensors of random values that any thread or device can draw a part of; NumPy only.

The values of a tensor, in C order, are cut into blocks of 2^16, and each block is drawn
from random words of its own. So a block needs no other: all cores draw at once, a
device draws its own slice of a sharded kernel, and the values depend on neither.
"""

import math
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from keras_inits.initializers.bits import Bits
from keras_inits.initializers.laws import Law

__all__ = ["BLOCK", "Index", "Stream", "empty"]

BLOCK = 1 << 16
# To start a thread takes about as long as to draw half a block.
_BLOCKS_PER_THREAD = 2

#: A part of a tensor: a slice of step 1 for each axis.
Index = tuple[slice, ...]


def empty(shape: tuple[int, ...], dtype: Any) -> Any:
    """An uninitialized array at an address that every backend can take over as it is.

    TensorFlow and JAX copy an array which does not start at a multiple of 64 bytes.
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


class Stream:
    """The random values that belong to one key.

    Args:
        key: two integers of 64 bits.
        threads: how many draw at once; all cores unless given. The values are the same
            for any number.
    """

    def __init__(self, key: tuple[int, int], threads: int | None = None) -> None:
        self._key = key
        self._threads = threads or _cores()

    def draw(
        self,
        law: Law,
        shape: tuple[int, ...],
        dtype: Any,
        index: Index | None = None,
        lane: int = 0,
    ) -> Any:
        """Draws a tensor, or the part of it at `index` without the rest.

        Args:
            law: the distribution.
            shape: of the whole tensor.
            dtype: a NumPy dtype. float64 is drawn as such, every other in float32 and
                cast last.
            index: a slice of step 1 for each axis; everything unless given.
            lane: tensors that share a key and differ in the lane are independent.
        """
        ranges = [range(size) for size in shape]
        if index is not None:
            ranges = [r[part] for r, part in zip(ranges, index, strict=True)]
        out = empty(tuple(map(len, ranges)), dtype)
        size = math.prod(shape)
        precision = np.float64 if out.dtype == np.float64 else np.float32

        def blocks() -> _Blocks:
            return _Blocks(law, Bits(self._key), lane, size, precision)

        if out.size == 0:
            return out
        if _is_contiguous(shape, out.shape):
            start = int(np.ravel_multi_index([r.start for r in ranges], shape))
            self._fill_run(blocks, out.reshape(-1), start)
        else:
            self._fill_box(blocks, out, shape, [r.start for r in ranges])
        return out

    def _fill_run(self, blocks: "Callable[[], _Blocks]", out: Any, start: int) -> None:
        """Fills a vector with the values at start, start + 1, ... of a tensor."""
        stop = start + out.size

        def work(numbers: Iterator[int]) -> None:
            mine = blocks()
            for block in numbers:
                low, high = max(block * BLOCK, start), min((block + 1) * BLOCK, stop)
                mine.read(block, low - block * BLOCK, out[low - start : high - start])

        self._share(range(start // BLOCK, (stop - 1) // BLOCK + 1), work)

    def _fill_box(
        self,
        blocks: "Callable[[], _Blocks]",
        out: Any,
        shape: tuple[int, ...],
        corner: list[int],
    ) -> None:
        """Fills an array with a box of a tensor that is cut along an inner axis."""
        flat = out.reshape(-1)

        def work(starts: Iterator[int]) -> None:
            mine = blocks()
            for start in starts:
                part = flat[start : start + BLOCK]
                inside = np.unravel_index(
                    np.arange(start, start + part.size), out.shape
                )
                where = [i + first for i, first in zip(inside, corner, strict=True)]
                mine.gather(np.ravel_multi_index(where, shape), part)

        self._share(range(0, flat.size, BLOCK), work)

    def _threads_for(self, blocks: int) -> int:
        return max(1, min(self._threads, blocks // _BLOCKS_PER_THREAD))

    def _share(self, items: range, work: Callable[[Iterator[int]], None]) -> None:
        """Runs `work` in several threads, each on items that the others leave it."""
        threads = self._threads_for(len(items))
        if threads == 1:
            work(iter(items))
            return
        lock, remaining = threading.Lock(), iter(items)

        def mine() -> Iterator[int]:
            while True:
                with lock:
                    item = next(remaining, None)
                if item is None:
                    return
                yield item

        with ThreadPoolExecutor(threads - 1) as pool:
            others = [pool.submit(work, mine()) for _ in range(threads - 1)]
            work(mine())
            for other in others:
                other.result()


class _Blocks:
    """The blocks of one tensor, as one thread draws them."""

    def __init__(
        self, law: Law, bits: Bits, lane: int, size: int, precision: type
    ) -> None:
        self._law = law
        self._bits = bits
        self._lane = lane
        self._size = size
        self._precision = precision
        self._held = -1
        self._values: Any = None

    def read(self, block: int, offset: int, out: Any) -> None:
        """Writes the values of a block, from an offset on, as many as `out` takes."""
        if out.size == self._length(block) and out.dtype == self._precision:
            self._draw(block, out)
        else:
            out[:] = self._hold(block)[offset : offset + out.size]

    def gather(self, where: Any, out: Any) -> None:
        """Writes the values at ascending positions of the tensor."""
        blocks = np.arange(where[0] // BLOCK, where[-1] // BLOCK + 1)
        edges = np.searchsorted(where, [*(blocks * BLOCK), where[-1] + 1])
        for block, low, high in zip(blocks, edges[:-1], edges[1:], strict=True):
            if low < high:
                out[low:high] = self._hold(block)[where[low:high] - block * BLOCK]

    def _hold(self, block: int) -> Any:
        if block != self._held:
            self._values = np.empty(self._length(block), self._precision)
            self._draw(block, self._values)
            self._held = block
        return self._values

    def _draw(self, block: int, out: Any) -> None:
        self._bits.seek(block, self._lane)
        self._law.fill(self._bits, out)

    def _length(self, block: int) -> int:
        return min(BLOCK, self._size - block * BLOCK)


def _is_contiguous(shape: tuple[int, ...], part: tuple[int, ...]) -> bool:
    """Whether a box of this size has its values side by side in C order."""
    cut = [axis for axis, size in enumerate(part) if size != shape[axis]]
    return not cut or all(size == 1 for size in part[: cut[-1]])


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # the cores that this process may use
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
