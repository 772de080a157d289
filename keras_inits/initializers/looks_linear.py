"""Mirrored pairs, with which a ReLU network begins as a linear one."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_inits.initializers import checks
from keras_inits.initializers.base import Initializer, register
from keras_inits.initializers.nesting import check_initializer, inner_values
from keras_inits.initializers.orthogonal import Orthogonal
from keras_inits.initializers.stream import Index, empty

__all__ = ["LooksLinear"]


@register
class LooksLinear(Initializer):
    """Mirrored pairs, with which a ReLU network begins as an exactly linear one.

    A ReLU layer of 2n units holds a vector z of n as the pair relu(z), relu(-z), the
    halves of its channels, and z is their difference. From any kernel W0 of n units:

    - `"outputs"`, the first layer, in -> 2n: W = [W0, -W0];
    - `"both"`, hidden layers, 2k -> 2n: W = [[W0, -W0], [-W0, W0]];
    - `"inputs"`, the last layer, 2n -> out: W = [[W0], [-W0]]; and every layer of a
      network whose activation makes the pair, CReLU(z) = [relu(z), relu(-z)].

    The rows of these blocks are inputs, as in a Keras kernel `(*window, in, out)`. With
    biases of zero the network is then the product of its W0, an isometry for orthogonal
    ones, and its gradients don't shatter: for deep ReLU networks without skip
    connections. Layers in between that treat the halves unlike (dropout, an odd
    pooling of channels) break the pairs; training is free to part them.

    Args:
        initializer: what W0 is drawn from, and holds the seed: an initializer, or its
            name or configuration as `keras.initializers.get` takes them; `Orthogonal()`
            unless given.
        mirror: `"outputs"`, `"both"` or `"inputs"`.

    Raises:
        TypeError: where `initializer` is none.
        ValueError: where `mirror` or the name is unknown; when called, where a size
            that is mirrored is odd, or the rank below 2.

    Example:
        >>> first = LooksLinear(mirror="outputs")((10, 64))
        >>> hidden = LooksLinear(Orthogonal(seed=1))((64, 64))
        >>> last = LooksLinear("glorot_uniform", mirror="inputs")((64, 3))

    Reference: Balduzzi et al., 2017, arXiv:1702.08591; CReLU: Shang et al., 2016,
    arXiv:1603.05201; in plain ReLU layers as here, Burkholz & Dubatovka, 2019,
    arXiv:1806.06362.
    """

    def __init__(self, initializer: Any = None, mirror: str = "both") -> None:
        if initializer is None:
            initializer = Orthogonal()
        self.initializer = check_initializer(initializer)
        self.mirror = checks.check_option(
            "mirror", mirror, ("outputs", "both", "inputs")
        )

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        if len(shape) < 2:
            raise ValueError(
                "LooksLinear fills matrices and kernels, shapes of rank 2 or more. "
                f"Received: shape={shape} of rank {len(shape)}. Zeros() suits a bias."
            )
        copies = self._copies()
        if any(size % n for size, n in zip(shape[-2:], copies, strict=True)):
            raise ValueError(
                f"LooksLinear mirrors {self.mirror} in pairs, and needs an even size "
                f"there. Received: shape={shape}."
            )
        name = super()._check(shape, dtype)
        if isinstance(self.initializer, Initializer):
            self.initializer._check(_divided(shape, copies), name)
        return name

    def _copies(self) -> tuple[int, int]:
        """How many blocks the inputs and the outputs come in."""
        return (
            1 if self.mirror == "outputs" else 2,
            1 if self.mirror == "inputs" else 2,
        )

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        copies = self._copies()
        template = _divided(shape, copies)
        draw = inner_values(self.initializer, template, dtype)
        # A part of the kernel often takes the same part of W0 from all four blocks.
        part_of = functools.cache(lambda box: draw(tuple(slice(*ends) for ends in box)))

        def values(index: Index | None) -> Any:
            parts = index or (slice(None),) * len(shape)
            ranges = [range(n)[part] for n, part in zip(shape, parts, strict=True)]
            out = empty(tuple(map(len, ranges)), dtype)
            *window, rows, columns = ranges
            for i, j in itertools.product(*map(range, copies)):
                (source_rows, into_rows), (source_columns, into_columns) = (
                    _overlap(rows, i * template[-2], template[-2]),
                    _overlap(columns, j * template[-1], template[-1]),
                )
                ends = [(part.start, part.stop) for part in window]
                block = out[..., into_rows, into_columns]
                if block.size:
                    block[...] = part_of((*ends, source_rows, source_columns))
                if (i + j) % 2:
                    np.negative(block, out=block)
            return out

        return values


def _divided(shape: tuple[int, ...], copies: tuple[int, int]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-2] // copies[0], shape[-1] // copies[1])


def _overlap(part: range, start: int, size: int) -> tuple[tuple[int, int], slice]:
    """Where a part of an axis meets a block: ends in the block, place in the part."""
    low = max(part.start, start)
    high = max(low, min(part.stop, start + size))
    return (low - start, high - start), slice(low - part.start, high - part.start)
