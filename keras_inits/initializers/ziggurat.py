"""Normals, cut at both sides or not, each of one random word; NumPy and SciPy only.

NumPy's own `standard_normal` may change its values from one release to the next, and
takes longer. Here each value is a function of one raw word, whose sequence NumPy
guarantees: nearly always by a table look-up and one IEEE multiplication, so that a key
gives the same values on every machine.

Under the density of |z| lies a stack of boxes, from z = 0 to just below the curve, each
of 1/4096 of the area. The low 12 bits of a word choose a box, and the word as a signed
number is a place in it. The words of the last three numbers have no box: they belong to
what the boxes leave of the area, which is a piece between each box's end and the curve,
and the tail. Such a word is an area there, and its place is found in float64.

Reference: McFarland, 2016, "A modified ziggurat algorithm for generating exponentially
and normally distributed pseudorandom numbers", arXiv:1403.6870.
"""

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from keras_inits.initializers.bits import PART, Bits

__all__ = ["fill_normal"]

_LAYERS = 4096
# Nothing is drawn beyond: its probability is 2^-75.
_FAR = 10.0
# Of Newton's method: they leave an error of 1e-13 in probability.
_STEPS = 3
_SQRT_2_PI = math.sqrt(2 * math.pi)


def fill_normal(
    bits: Bits, out: Any, mean: float, stddev: float, bound: float = math.inf
) -> None:
    """Fills a vector with independent mean + stddev * z, z from N(0, 1), |z| <= bound.

    No word of float32 is rarer than 2^-32: there |z| stays below 6.4, in float64 below
    9.2.

    Args:
        bits: the source of words.
        out: a float32 or float64 vector.
        mean: a number.
        stddev: a number >= 0.
        bound: a number > 0.
    """
    slopes = (_slopes(bound, 8 * out.itemsize) * stddev).astype(out.dtype)
    scratch = np.empty(min(out.size, PART), np.intp)
    left_over = []
    for start, part, words in bits.signed(out):
        layers = scratch[: part.size]
        np.bitwise_and(words, _LAYERS - 1, out=layers, casting="unsafe")
        # None is out of range, and "wrap" finds that out the fastest.
        np.take(slopes, layers, out=part, mode="wrap")
        np.multiply(words, part, out=part, dtype=part.dtype, casting="unsafe")
        missing = np.flatnonzero(np.isnan(part))
        left_over.append((start + missing, words[missing]))
        if mean:
            part += out.dtype.type(mean)
    # All at once: there are few.
    where, words = map(np.concatenate, zip(*left_over, strict=True))
    if where.size:
        out[where] = mean + stddev * _places(_boxes(bound), words)


class _Boxes(NamedTuple):
    """Boxes under exp(-z^2/2), from the lowest up; pieces, from the tail inwards."""

    area: float  # of each box
    width: Any  # of a box
    inner: Any  # the z where a piece begins
    outer: Any  # the z where it ends
    floor: Any  # the height that it stands on, where boxes end
    mass: Any  # its area
    beyond: Any  # the area of all pieces farther out
    constant: Any  # from the area of pieces to that with the floor, inwards to z = 0


@functools.lru_cache(maxsize=16)
def _boxes(bound: float) -> _Boxes:
    from scipy import special

    end = min(bound, _FAR)
    area = math.sqrt(math.pi / 2) * math.erf(bound / math.sqrt(2)) / _LAYERS
    widths, tops = [end], [0.0]
    while len(widths) < _LAYERS and (width := _width(area, tops[-1], widths[-1], end)):
        widths.append(width)
        tops.append(tops[-1] + area / width)
    floor = np.array(tops)
    inner, outer = np.array([*widths[1:], 0.0]), np.array([end, *widths[1:]])
    begin, stop = (special.ndtr(-z) * _SQRT_2_PI + floor * z for z in (inner, outer))
    mass = begin - stop
    beyond = np.cumsum(mass) - mass
    return _Boxes(
        area=area,
        width=inner[:-1],
        inner=inner,
        outer=outer,
        floor=floor,
        mass=mass,
        beyond=beyond,
        constant=stop - beyond,
    )


def _width(area: float, bottom: float, width: float, end: float) -> float:
    """The largest width, up to a given one, whose box fits above a height; 0 if none.

    A box's height follows from its width, and how far the curve is there in turn bounds
    the width: this goes back and forth until nothing changes.
    """
    while (top := bottom + area / width) < 1:
        narrower = min(end, math.sqrt(-2 * math.log(top)))
        if narrower >= width:
            return width
        width = narrower
    return 0.0


@functools.lru_cache(maxsize=32)
def _slopes(bound: float, size: int) -> Any:
    """By layer, the factor from a word of `size` bits to z; NaN for what has no box."""
    width = _boxes(bound).width
    slopes = np.full(_LAYERS, math.nan)
    # A word keeps its layer in its last bits. The widest boxes come first and last, so
    # that those bits do not shift the mean.
    slopes[: width.size] = np.concatenate([width[::2], width[1::2][::-1]])
    return slopes * 2.0 ** (1 - size)


def _places(boxes: _Boxes, words: Any) -> Any:
    """Where words without a box lie in the pieces.

    A word is an area, counted from the tail inwards: z is where the pieces beyond have
    just that. Newton's method finds it, from where it were if they were triangles.
    """
    from scipy import special

    layer, place = words % _LAYERS, words // _LAYERS + 0.5
    half = 2.0 ** (8 * words.itemsize - 1) / _LAYERS
    area = (layer - boxes.width.size + np.abs(place) / half) * boxes.area
    piece = np.searchsorted(boxes.beyond, area, side="right") - 1
    inner, outer, floor = boxes.inner[piece], boxes.outer[piece], boxes.floor[piece]
    share = (area - boxes.beyond[piece]) / boxes.mass[piece]
    area += boxes.constant[piece]
    triangle = outer - (outer - inner) * np.sqrt(share)
    # Under the tail is no floor, and no need to search.
    z = np.where(floor > 0, triangle, -special.ndtri(area / _SQRT_2_PI))
    for _ in range(_STEPS):
        height = np.exp(-0.5 * z * z) - floor
        excess = special.ndtr(-z) * _SQRT_2_PI + floor * z - area
        z += excess / np.maximum(height, 1e-9)
    return np.copysign(np.clip(z, 0, outer), place)
