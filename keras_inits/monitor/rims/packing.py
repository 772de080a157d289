"""Tensors of one shape together, so that one operation measures them all.

A hundred small reductions cost more than the gradients of a small network; stacked by
shape they are two or three. Large tensors stay alone: copying them would cost more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Packed", "pack"]

# A tensor of more entries stays alone.
_SMALL = 1 << 16


@dataclass(frozen=True, eq=False)
class Packed:
    """Tensors as stacks: the first axis of each counts tensors.

    Args:
        stacks: Tensors of `[count, ...]`.
        order: Where among all stacked tensors, one stack after the other, each of the
            original ones lies.
    """

    stacks: tuple[Any, ...]
    order: NDArray[np.intp]

    def map(self, function: Callable[..., Any], *others: Packed) -> Packed:
        """The same packing of what a function makes of each stack."""
        columns = zip(self.stacks, *(other.stacks for other in others), strict=True)
        return Packed(tuple(function(*stacks) for stacks in columns), self.order)


def pack(tensors: list[Any], stack: Callable[[list[Any]], Any]) -> Packed:
    """Packs tensors by shape and type; `stack` joins some along a new first axis."""
    groups: dict[Any, list[int]] = {}
    for place, tensor in enumerate(tensors):
        groups.setdefault(_kind(tensor, place), []).append(place)
    stacks = tuple(stack([tensors[i] for i in group]) for group in groups.values())
    places = [place for group in groups.values() for place in group]
    return Packed(stacks, np.argsort(places))


def _kind(tensor: Any, place: int) -> Any:
    sizes = tuple(tensor.shape)
    if None in sizes or math.prod(sizes) > _SMALL:
        return place
    return sizes, str(tensor.dtype)
