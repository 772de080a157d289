"""Schemes with a fixed law, whatever the shape: normal, truncated normal, uniform."""

import math
from typing import Any

from keras_inits.initializers import checks, laws
from keras_inits.initializers.base import RandomInitializer, register

__all__ = ["RandomNormal", "RandomUniform", "TruncatedNormal"]


@register
class RandomNormal(RandomInitializer):
    """Independent values from a normal distribution.

    W ~ N(mean, stddev^2). The scale does not follow the layer's size: for kernels
    prefer `HeNormal`, `GlorotNormal` or `LecunNormal`; embeddings and published recipes
    (0.02 in GPT-2 and BERT) use a fixed one.

    Args:
        mean: of the distribution, a number.
        stddev: standard deviation, a number >= 0.
        seed: see `RandomInitializer`.

    Raises:
        TypeError: where an argument is no number, or the seed of another kind.
        ValueError: where `stddev` is negative, or a number NaN or infinite.

    Example:
        >>> kernel = RandomNormal(stddev=0.02, seed=1)((512, 64))
    """

    def __init__(
        self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None
    ) -> None:
        super().__init__(seed)
        self.mean = checks.check_number("mean", mean)
        self.stddev = checks.check_number("stddev", stddev, least=0)

    def _law(self, shape: tuple[int, ...]) -> laws.Law:
        return laws.Normal(self.mean, self.stddev)


@register
class RandomUniform(RandomInitializer):
    """Independent values from a uniform distribution.

    W ~ U[minval, maxval), of standard deviation (maxval - minval) / sqrt(12). The scale
    does not follow the layer's size: for kernels prefer `HeUniform`, `GlorotUniform` or
    `LecunUniform`.

    Args:
        minval: lower end, a number; it can be drawn, but for `-maxval`.
        maxval: upper end, a number above `minval`; it can't be drawn, but casting to
            float16 or bfloat16 may round up to it.
        seed: see `RandomInitializer`.

    Raises:
        TypeError: where an argument is no number, or the seed of another kind.
        ValueError: where `minval` is not below `maxval`, or a number NaN or infinite.

    Example:
        >>> kernel = RandomUniform(-0.1, 0.1, seed=1)((512, 64))
    """

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None
    ) -> None:
        super().__init__(seed)
        self.minval = checks.check_number("minval", minval)
        self.maxval = checks.check_number("maxval", maxval)
        if self.minval >= self.maxval:
            raise ValueError(
                "`minval` must be below `maxval`. Received: "
                f"minval={minval}, maxval={maxval}. Constant() gives one value to all."
            )

    def _law(self, shape: tuple[int, ...]) -> laws.Law:
        return laws.Uniform(self.minval, self.maxval)


@register
class TruncatedNormal(RandomInitializer):
    """Independent values from a normal distribution that is cut at both sides.

    W = mean + stddev z, with z from N(0, 1) given that low <= z <= high. Cutting takes
    from the spread: at the default bounds the result's standard deviation is 0.8796 of
    `stddev`, unless `stddev_of="result"` asks for the result's.

    Args:
        mean: of the normal distribution before it is cut, a number.
        stddev: standard deviation, a number >= 0; whose, `stddev_of` says.
        seed: see `RandomInitializer`.
        low: lower bound, in standard deviations of the uncut normal; may be -inf.
        high: upper bound, above `low`; may be inf.
        stddev_of: `"parent"`, the uncut normal, as in Keras; or `"result"`, what the
            weights will have.

    Raises:
        TypeError: where an argument is no number, or the seed of another kind.
        ValueError: where `stddev` is negative, `low` is not below `high`, `stddev_of`
            is unknown, or a number NaN or infinite.

    Example:
        >>> kernel = TruncatedNormal(stddev=0.02, seed=1)((512, 64))
    """

    def __init__(
        self,
        mean: float = 0.0,
        stddev: float = 0.05,
        seed: Any = None,
        *,
        low: float = -2.0,
        high: float = 2.0,
        stddev_of: str = "parent",
    ) -> None:
        super().__init__(seed)
        self.mean = checks.check_number("mean", mean)
        self.stddev = checks.check_number("stddev", stddev, least=0)
        self.low = low if low == -math.inf else checks.check_number("low", low)
        self.high = high if high == math.inf else checks.check_number("high", high)
        if self.low >= self.high:
            raise ValueError(
                "`low` must be below `high`. Received: "
                f"low={low}, high={high}. They count standard deviations from the mean."
            )
        self.stddev_of = checks.check_option(
            "stddev_of", stddev_of, ("parent", "result")
        )

    def _law(self, shape: tuple[int, ...]) -> laws.Law:
        stddev = self.stddev
        if self.stddev_of == "result":
            stddev /= laws.truncated_stddev(self.low, self.high)
        return laws.TruncatedNormal(self.mean, stddev, self.low, self.high)
