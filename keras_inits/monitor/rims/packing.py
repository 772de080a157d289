"""Small tensors of one shape together, so that one operation measures them all.

A hundred small reductions cost more than the gradients of a small network; stacked by
shape they are two or three. Large tensors stay alone: copying them would cost more.
What is small depends on what it costs to start an operation, and so on the backend.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Packed", "pack"]


@dataclass(frozen=True, eq=False)
class Packed:
    """Tensors alone, and stacks of them.

    Args:
        alone: Tensors by themselves.
        stacks: Tensors of `[count, ...]`, whose first axis counts tensors.
        order: Where each of the original tensors lies among those alone followed by
            those in stacks.
    """

    alone: tuple[Any, ...]
    stacks: tuple[Any, ...]
    order: NDArray[np.intp]

    @property
    def parts(self) -> tuple[Any, ...]:
        """Those alone, then the stacks."""
        return (*self.alone, *self.stacks)

    def map(self, function: Callable[..., Any], *others: Packed) -> Packed:
        """The same packing of what a function makes of each part."""
        columns = zip(self.parts, *(other.parts for other in others), strict=True)
        return self.like([function(*parts) for parts in columns])

    def like(self, parts: Sequence[Any]) -> Packed:
        """The same packing of other parts."""
        count = len(self.alone)
        return Packed(tuple(parts[:count]), tuple(parts[count:]), self.order)


def pack(tensors: list[Any], stack: Callable[[list[Any]], Any], small: int) -> Packed:
    """Packs tensors by shape and type.

    Args:
        tensors: The backend's.
        stack: Joins some of them along a new first axis.
        small: A tensor of more entries than this stays alone.
    """
    groups: dict[Any, list[int]] = {}
    for place, tensor in enumerate(tensors):
        groups.setdefault(_kind(tensor, place, small), []).append(place)
    single = [places[0] for places in groups.values() if len(places) == 1]
    several = [places for places in groups.values() if len(places) > 1]
    alone = tuple(tensors[place] for place in single)
    stacks = tuple(stack([tensors[place] for place in places]) for places in several)
    return Packed(alone, stacks, np.argsort([*single, *itertools.chain(*several)]))


def _kind(tensor: Any, place: int, small: int) -> Any:
    sizes = tuple(tensor.shape)
    if None in sizes or math.prod(sizes) > small:
        return place
    return sizes, str(tensor.dtype)
