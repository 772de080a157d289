"""Schemes whose variance follows the layer's size: Glorot, He, LeCun."""

import math
from collections.abc import Callable
from typing import Any

from keras_inits.initializers import checks, laws
from keras_inits.initializers.base import MapInitializer, register
from keras_inits.initializers.fans import Fans, check_fans, compute_fans
from keras_inits.initializers.gains import check_gain, saved_gain

__all__ = [
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "KaimingNormal",
    "KaimingUniform",
    "LecunNormal",
    "LecunUniform",
    "VarianceScaling",
    "XavierNormal",
    "XavierUniform",
]

# The standard deviation of N(0, 1) cut at +-2.
_TRUNCATED_STDDEV = 0.8796256610342398

_FANS: dict[str, Callable[[float, float], float]] = {
    "fan_in": lambda fan_in, fan_out: fan_in,
    "fan_out": lambda fan_in, fan_out: fan_out,
    "fan_avg": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
    "fan_geo_avg": lambda fan_in, fan_out: math.sqrt(fan_in * fan_out),
}
_DISTRIBUTIONS = ("uniform", "truncated_normal", "untruncated_normal")


@register
class VarianceScaling(MapInitializer):
    """Independent values of mean 0 and a variance that follows the layer's size.

    Var W = gain^2 * scale / n, where n is a fan or a mean of both. The law is
    `"untruncated_normal"`, N(0, Var W); `"truncated_normal"`, a normal cut at two
    standard deviations and widened so that its variance is Var W; or `"uniform"` on
    +-sqrt(3 Var W). The named schemes are cases of it.

    Args:
        scale: factor on the variance, a number > 0.
        mode: what n is: `"fan_in"`, `"fan_out"`, `"fan_avg"` (their arithmetic mean) or
            `"fan_geo_avg"` (their geometric mean).
        distribution: one of the three laws; `"normal"` is the untruncated one.
        seed: see `RandomInitializer`.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`.
        gain: factor on the standard deviation: a number >= 0, the name of a Keras
            activation, or any function of one array; for a function the gain that keeps
            the signal's mean square, 1 / sqrt(E f(z)^2), by quadrature.
        fans: what the fans are, where neither the shape nor the axes tell: a `Fans`.

    Raises:
        TypeError: where `scale` or `gain` is of the wrong kind, or the seed.
        ValueError: where `scale` is not positive, a number is NaN or infinite, `gain`
            is negative, or the mode, distribution or activation is unknown.

    Example:
        >>> kernel = VarianceScaling(gain="gelu", mode="fan_in", seed=1)((512, 64))

    Reference: He et al., 2015, arXiv:1502.01852; fan_geo_avg as in JAX.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
        *,
        gain: Any = 1.0,
        fans: Fans | None = None,
    ) -> None:
        super().__init__(seed, input_axes, output_axes)
        self.scale = checks.check_positive("scale", scale)
        self.mode = checks.check_option("mode", mode, tuple(_FANS))
        self.distribution = checks.check_option(
            "distribution", distribution, (*_DISTRIBUTIONS, "normal")
        )
        if self.distribution == "normal":
            self.distribution = "untruncated_normal"
        self.gain = gain
        self._factor = check_gain(gain)
        self.fans = check_fans(fans)

    def _saved(self, name: str) -> Any:
        if name == "gain":
            return saved_gain(self.gain, self._factor)
        return super()._saved(name)

    def _law(self, shape: tuple[int, ...]) -> laws.Law:
        if self.fans is not None:
            fans = self.fans(shape)
        else:
            fans = compute_fans(shape, self.input_axes, self.output_axes)
        fan = max(1.0, _FANS[self.mode](*fans))
        stddev = self._factor * math.sqrt(self.scale / fan)
        if self.distribution == "uniform":
            limit = math.sqrt(3) * stddev
            return laws.Uniform(-limit, limit)
        if self.distribution == "truncated_normal":
            return laws.TruncatedNormal(0.0, stddev / _TRUNCATED_STDDEV)
        return laws.Normal(0.0, stddev)


def _normal(truncated: bool) -> str:
    if not isinstance(truncated, bool):
        raise TypeError(
            f"`truncated` must be True or False. Received: truncated={truncated!r}."
        )
    return "truncated_normal" if truncated else "untruncated_normal"


def _he_scale(slope: float) -> float:
    return 2 / (1 + slope * slope)


@register
class GlorotNormal(VarianceScaling):
    """Glorot's scheme, normal; also called Xavier's.

    W ~ N(0, 2 / (fan_in + fan_out)): a compromise between keeping the signal's variance
    forwards and the gradient's backwards, for activations that are linear around 0 such
    as tanh. With ReLU the signal halves in each layer: use `HeNormal`.

    Args:
        seed: see `RandomInitializer`.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`.
        truncated: whether to cut at two standard deviations, at the same variance, as
            Keras does.
        fans: see `VarianceScaling`.

    Raises:
        TypeError: where an argument is of the wrong kind.

    Example:
        >>> kernel = GlorotNormal(seed=1)((512, 64))

    Reference: Glorot & Bengio, 2010,
    https://proceedings.mlr.press/v9/glorot10a.html, equation 12.
    """

    def __init__(
        self,
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
        *,
        truncated: bool = False,
        fans: Fans | None = None,
    ) -> None:
        super().__init__(
            1.0, "fan_avg", _normal(truncated), seed, input_axes, output_axes, fans=fans
        )
        self.truncated = truncated


@register
class GlorotUniform(VarianceScaling):
    """Glorot's scheme, uniform; also called Xavier's. Keras's default for kernels.

    W ~ U(-a, a) with a = sqrt(6 / (fan_in + fan_out)). For activations that are linear
    around 0 such as tanh; with ReLU the signal halves in each layer: use `HeUniform`.

    Args:
        seed: see `RandomInitializer`.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`.
        fans: see `VarianceScaling`.

    Raises:
        TypeError: where an argument is of the wrong kind.

    Example:
        >>> kernel = GlorotUniform(seed=1)((512, 64))

    Reference: Glorot & Bengio, 2010,
    https://proceedings.mlr.press/v9/glorot10a.html, equation 16.
    """

    def __init__(
        self,
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
        *,
        fans: Fans | None = None,
    ) -> None:
        super().__init__(
            1.0, "fan_avg", "uniform", seed, input_axes, output_axes, fans=fans
        )


@register
class HeNormal(VarianceScaling):
    """He's scheme, normal; also called Kaiming's.

    W ~ N(0, 2 / fan_in): keeps the mean square of the signal through ReLU layers, which
    pass half of it. With a negative slope a (leaky ReLU, PReLU) the variance is
    2 / ((1 + a^2) fan_in). For other activations give `VarianceScaling` a gain.

    Args:
        seed: see `RandomInitializer`.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`.
        negative_slope: of the activation below 0, a number; 0 for ReLU.
        truncated: whether to cut at two standard deviations, at the same variance, as
            Keras does.
        fans: see `VarianceScaling`.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: where `negative_slope` is NaN or infinite.

    Example:
        >>> kernel = HeNormal(seed=1)((512, 64))

    Reference: He et al., 2015, arXiv:1502.01852, equations 10 and 15.
    """

    def __init__(
        self,
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
        *,
        negative_slope: float = 0.0,
        truncated: bool = False,
        fans: Fans | None = None,
    ) -> None:
        slope = checks.check_number("negative_slope", negative_slope)
        super().__init__(
            _he_scale(slope),
            "fan_in",
            _normal(truncated),
            seed,
            input_axes,
            output_axes,
            fans=fans,
        )
        self.negative_slope = slope
        self.truncated = truncated


@register
class HeUniform(VarianceScaling):
    """He's scheme, uniform; also called Kaiming's.

    W ~ U(-a, a) with a = sqrt(6 / fan_in), or sqrt(6 / ((1 + s^2) fan_in)) for a
    negative slope s: keeps the mean square of the signal through ReLU layers.

    Args:
        seed: see `RandomInitializer`.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`.
        negative_slope: of the activation below 0, a number; 0 for ReLU.
        fans: see `VarianceScaling`.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: where `negative_slope` is NaN or infinite.

    Example:
        >>> kernel = HeUniform(seed=1)((512, 64))

    Reference: He et al., 2015, arXiv:1502.01852, equations 10 and 15.
    """

    def __init__(
        self,
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
        *,
        negative_slope: float = 0.0,
        fans: Fans | None = None,
    ) -> None:
        slope = checks.check_number("negative_slope", negative_slope)
        super().__init__(
            _he_scale(slope),
            "fan_in",
            "uniform",
            seed,
            input_axes,
            output_axes,
            fans=fans,
        )
        self.negative_slope = slope


@register
class LecunNormal(VarianceScaling):
    """LeCun's scheme, normal.

    W ~ N(0, 1 / fan_in): keeps the mean square of the signal through linear layers, and
    is what SELU needs (Klambauer et al., 2017, arXiv:1706.02515).

    Args:
        seed: see `RandomInitializer`.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`.
        truncated: whether to cut at two standard deviations, at the same variance, as
            Keras does.
        fans: see `VarianceScaling`.

    Raises:
        TypeError: where an argument is of the wrong kind.

    Example:
        >>> kernel = LecunNormal(seed=1)((512, 64))

    Reference: LeCun et al., 1998, "Efficient BackProp", doi:10.1007/3-540-49430-8_2,
    section 4.6.
    """

    def __init__(
        self,
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
        *,
        truncated: bool = False,
        fans: Fans | None = None,
    ) -> None:
        super().__init__(
            1.0, "fan_in", _normal(truncated), seed, input_axes, output_axes, fans=fans
        )
        self.truncated = truncated


@register
class LecunUniform(VarianceScaling):
    """LeCun's scheme, uniform.

    W ~ U(-a, a) with a = sqrt(3 / fan_in): keeps the mean square of the signal through
    linear layers.

    Args:
        seed: see `RandomInitializer`.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`.
        fans: see `VarianceScaling`.

    Raises:
        TypeError: where an argument is of the wrong kind.

    Example:
        >>> kernel = LecunUniform(seed=1)((512, 64))

    Reference: LeCun et al., 1998, "Efficient BackProp", doi:10.1007/3-540-49430-8_2,
    section 4.6.
    """

    def __init__(
        self,
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
        *,
        fans: Fans | None = None,
    ) -> None:
        super().__init__(
            1.0, "fan_in", "uniform", seed, input_axes, output_axes, fans=fans
        )


# The same classes under their authors' first names.
XavierNormal, XavierUniform = GlorotNormal, GlorotUniform
KaimingNormal, KaimingUniform = HeNormal, HeUniform
