"""Standard normals from raw words, a whole array at a time; NumPy and SciPy only.

NumPy's own `standard_normal` may change its values from one release to the next, and
takes twice as long. This one uses a bit generator's raw words, whose sequence NumPy
guarantees, two table look-ups, and single IEEE multiplications and comparisons, so that
a key gives the same values on every machine. The 1.5 % of points that need more than
that get it in float64.

Reference: Marsaglia & Tsang, 2000, "The ziggurat method for generating random
variables", doi:10.18637/jss.v005.i08.
"""

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from keras_inits.initializers.bits import Bits

__all__ = ["standard_normal"]

_LAYERS = 256
# Where the tail of the lowest of 256 layers begins: Marsaglia & Tsang 2000, section 3.
_TAIL = 3.6541528853610088


class _Tables(NamedTuple):
    size: int  # bits in a word
    shift: int  # bits to drop from a word, which leaves the mantissa
    width: Any  # mantissa -> x, by layer: 256 for x >= 0, then 256 for x <= 0
    inside: Any  # a mantissa below this lies under the curve, in the same order
    heights: Any  # exp(-x^2/2) at the 257 edges of the layers, from x = 0 outwards


@functools.cache
def _tables(dtype: str) -> _Tables:
    """Layer i reaches from x = 0 to edge i+1, and lies under the curve up to edge i."""
    height = math.exp(-_TAIL * _TAIL / 2)
    area = _TAIL * height + math.sqrt(math.pi / 2) * math.erfc(_TAIL / math.sqrt(2))
    edges = [area / height, _TAIL]  # the lowest layer is as wide as its area demands
    while len(edges) < _LAYERS:
        height += area / edges[-1]
        edges.append(math.sqrt(-2 * math.log(height)))
    x = np.array([0.0, *reversed(edges)])
    size, mantissa = (32, 23) if dtype == "float32" else (64, 52)
    width = (x[1:] / 2**mantissa).astype(dtype)
    return _Tables(
        size=size,
        shift=size - mantissa,
        width=np.concatenate([width, -width]),
        inside=np.tile((x[:-1] / x[1:] * 2**mantissa).astype(f"int{size}"), 2),
        heights=np.exp(-x * x / 2),
    )


def standard_normal(bits: Bits, out: Any) -> None:
    """Fills a float32 or float64 vector with independent draws from N(0, 1)."""
    tables = _tables(out.dtype.name)
    words = bits.words(out.size, tables.size)
    # The lowest 9 bits choose the layer and the sign; the mantissa needs none of them.
    layer = np.bitwise_and(words, 511, dtype=np.intp, casting="unsafe")
    np.right_shift(words, tables.shift, out=words)
    mantissa = words.view(tables.inside.dtype)
    np.take(tables.width, layer, out=out, mode="clip")
    np.multiply(mantissa, out, out=out, dtype=out.dtype, casting="unsafe")
    limit = np.take(tables.inside, layer, mode="clip")
    outside = np.flatnonzero(mantissa >= limit)
    if outside.size:
        out[outside] = _settle(bits, layer[outside] % _LAYERS, out[outside])


def _settle(bits: Bits, layer: Any, x: Any) -> Any:
    """Keeps those points that lie under the curve, and draws the others by inversion.

    Beyond the lowest layer's edge that is a draw from the tail, elsewhere a fresh one.
    """
    from scipy import special

    heights = _tables(x.dtype.name).heights
    bottom, top = heights[layer + 1], heights[layer]
    height, fraction = bits.fractions(2 * x.size).reshape(2, -1)
    tail = layer == _LAYERS - 1
    above = bottom + height * (top - bottom) >= np.exp(-0.5 * x.astype(float) ** 2)
    above |= tail
    # 1 - fraction is never 0, which would be infinitely far out.
    lower = (1 - fraction) * np.where(tail, special.ndtr(-_TAIL), 1.0)
    redrawn = special.ndtri(lower[above])
    x[above] = np.where(tail[above], np.copysign(redrawn, x[above]), redrawn)
    return x
