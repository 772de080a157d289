"""Networks that are functions of coordinates: SIREN, random Fourier features."""

import math
from typing import Any

import numpy as np

from keras_inits.initializers import checks, laws
from keras_inits.initializers.base import RandomInitializer, register
from keras_inits.initializers.fans import Fans, compute_fans
from keras_inits.initializers.variance_scaling import VarianceScaling
from keras_inits.theory import gain

__all__ = ["FourierFeatures", "Siren"]


@register
class Siren(VarianceScaling):
    """The scheme of networks with sines as activations, sin(omega (W x + b)).

    Hidden layers: W ~ U(-a, a) with a = sqrt(6 / fan_in) / omega. The first layer,
    which sees coordinates in [-1, 1]: W ~ U(-1 / fan_in, 1 / fan_in), so that omega
    sets the highest frequency of the network. The last layer, without a sine, is a
    hidden one.

    The paper's hidden bound takes a sine's mean square for 1/2, as that of a large
    argument is; the standard deviation of omega W x then settles at 0.893, where 1 was
    meant. With `exact` the bound is sqrt(3 / (E sin(z)^2 fan_in)) / omega for
    z ~ N(0, 1), which is sqrt(6 / ((1 - e^-2) fan_in)) / omega, and it settles at 1.

    Only for sines. The published code leaves the biases at torch's default,
    `TorchDefault(fan_in=...)`.

    Args:
        first: whether the layer is the network's first.
        omega: factor inside the sine, a number > 0.
        seed: see `RandomInitializer`.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`.
        exact: whether the variance of hidden layers is exact, as above.
        fans: see `VarianceScaling`.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: where `omega` is not positive.

    Example:
        >>> first = Siren(first=True, seed=1)((2, 256))
        >>> hidden = Siren(seed=1)((256, 256))

    Reference: Sitzmann et al., 2020, arXiv:2006.09661, section 3.2 and its code.
    """

    def __init__(
        self,
        first: bool = False,
        omega: float = 30.0,
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
        *,
        exact: bool = False,
        fans: Fans | None = None,
    ) -> None:
        self.first = bool(first)
        self.omega = checks.check_positive("omega", omega)
        self.exact = bool(exact)
        scale = (gain(np.sin) ** 2 if self.exact else 2.0) / self.omega**2
        super().__init__(
            scale, "fan_in", "uniform", seed, input_axes, output_axes, fans=fans
        )

    def _law(self, shape: tuple[int, ...]) -> laws.Law:
        if not self.first:
            return super()._law(shape)
        if self.fans is not None:
            fan_in, _ = self.fans(shape)
        else:
            fan_in, _ = compute_fans(shape, self.input_axes, self.output_axes)
        limit = 1 / max(1.0, fan_in)
        return laws.Uniform(-limit, limit)


@register
class FourierFeatures(RandomInitializer):
    """Random frequencies and phases: cos(W'x + b) as features of a Gaussian kernel.

    W ~ N(0, stddev^2) and b ~ U[0, 2 pi): for n features, 2 / n times the inner product
    of those of x and y tends to exp(-stddev^2 |x - y|^2 / 2), the Gaussian kernel of
    length 1 / stddev. Large values let a network learn fine detail and overfit, small
    ones blur: `stddev` is to be tuned.

    For a first layer, usually not trained, that sees coordinates or is to stand for a
    kernel machine. With pairs cos(W'x), sin(W'x) the phases are 0: `Zeros`.

    Args:
        stddev: of the frequencies, a number > 0, in what `unit` says.
        part: `"kernel"` for W, `"bias"` for b, which `stddev` and `unit` do not change.
        unit: `"radians"` per unit of the input; or `"cycles"`, for W that are 2 pi
            times as large, as by Tancik et al.
        seed: see `RandomInitializer`.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: where `stddev` is not positive, or `part` or `unit` unknown.

    Example:
        >>> kernel = FourierFeatures(10.0, unit="cycles", seed=1)((2, 256))
        >>> bias = FourierFeatures(part="bias", seed=1)((256,))

    Reference: Rahimi & Recht, 2007, "Random Features for Large-Scale Kernel Machines",
    algorithm 1; Tancik et al., 2020, arXiv:2006.10739, section 6.
    """

    def __init__(
        self,
        stddev: float = 1.0,
        part: str = "kernel",
        unit: str = "radians",
        seed: Any = None,
    ) -> None:
        super().__init__(seed)
        self.stddev = checks.check_positive("stddev", stddev)
        self.part = checks.check_option("part", part, ("kernel", "bias"))
        self.unit = checks.check_option("unit", unit, ("radians", "cycles"))

    def _law(self, shape: tuple[int, ...]) -> laws.Law:
        turn = 2 * math.pi
        if self.part == "bias":
            return laws.Uniform(0.0, turn)
        return laws.Normal(0.0, self.stddev * (turn if self.unit == "cycles" else 1))
