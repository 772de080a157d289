"""Tensors of random values that any thread or device can draw a part of; NumPy only.

Each value of a tensor is made of a random word of its own, that of its place in C
order. So all cores draw at once, a device draws its own slice of a sharded kernel, and
the values depend on neither.
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

__all__ = ["Index", "Stream", "empty", "precision_of"]

# Values that make a thread worth its start and its waiting for the interpreter's lock.
_WORTH = 1 << 20
# Values that a thread takes at once, where there are several.
_RUN = 1 << 18
# Values that are held beside the result, where it can't be drawn into.
_HELD = 1 << 16

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


def precision_of(dtype: Any) -> Any:
    """What values of a dtype are computed in: float64 for float64, else float32."""
    return np.float64 if dtype == np.float64 else np.float32


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
        if out.size == 0:
            return out
        flat, corner = out.reshape(-1), [r.start for r in ranges]
        first = int(np.ravel_multi_index(corner, shape))
        together = _is_contiguous(shape, out.shape)
        threads = max(1, min(self._threads, out.size // _WORTH))
        run = out.size if threads == 1 else _RUN
        step = run if together else _HELD

        def work(starts: Iterator[int]) -> None:
            source = _Source(law, Bits(self._key), lane, precision_of(out.dtype))
            for start in starts:
                part = flat[start : start + step]
                if together:
                    source.read(first + start, part)
                else:
                    inside = np.arange(start, start + part.size)
                    source.gather(_places(inside, out.shape, corner, shape), part)

        _share(range(0, flat.size, step), work, threads)
        return out


def _share(items: range, work: Callable[[Iterator[int]], None], threads: int) -> None:
    """Runs `work` in several threads, each on items that the others leave it."""
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


class _Source:
    """The values of one tensor, as one thread draws them."""

    def __init__(self, law: Law, bits: Bits, lane: int, precision: Any) -> None:
        self._law = law
        self._bits = bits
        self._lane = lane
        self._scratch = np.empty(0, precision)

    def read(self, start: int, out: Any) -> None:
        """Writes the values from a place on, as many as `out` takes."""
        if out.dtype == self._scratch.dtype:
            self._bits.seek(start, self._lane)
            self._law.fill(self._bits, out)
            return
        for low in range(0, out.size, _HELD):
            part = out[low : low + _HELD]
            part[:] = self._hold(start + low, part.size)

    def gather(self, places: Any, out: Any) -> None:
        """Writes the values at ascending places."""
        low = 0
        while low < places.size:
            start = int(places[low]) // _HELD * _HELD
            high = int(np.searchsorted(places, start + _HELD))
            held = self._hold(start, int(places[high - 1]) + 1 - start)
            out[low:high] = held[places[low:high] - start]
            low = high

    def _hold(self, start: int, count: int) -> Any:
        if self._scratch.size < count:
            self._scratch = np.empty(count, self._scratch.dtype)
        self.read(start, self._scratch[:count])
        return self._scratch[:count]


def _places(
    inside: Any, part: tuple[int, ...], corner: list[int], shape: tuple[int, ...]
) -> Any:
    """The places in a tensor of those in a part of it, which begins at a corner."""
    indices = np.unravel_index(inside, part)
    where = [i + first for i, first in zip(indices, corner, strict=True)]
    return np.ravel_multi_index(where, shape)


def _is_contiguous(shape: tuple[int, ...], part: tuple[int, ...]) -> bool:
    """Whether a box of this size has its values side by side in C order."""
    cut = [axis for axis, size in enumerate(part) if size != shape[axis]]
    return not cut or all(size == 1 for size in part[: cut[-1]])


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # the cores that this process may use
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
