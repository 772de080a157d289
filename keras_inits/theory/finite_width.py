"""What finite widths add to the theory: the spread of norms from draw to draw."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_inits.theory.checks import check_depth
from keras_inits.theory.criticality import is_homogeneous
from keras_inits.theory.curves import Curve, curve_of

__all__ = ["LogNorm", "log_norm", "norm_kurtosis"]


@dataclass(frozen=True)
class LogNorm:
    """Mean and variance of ln of a squared norm, relative to that at the input.

    Args:
        mean: of ln |x|^2 per unit; below 0, because the mean of |x|^2 itself is kept.
        variance: of the same.
    """

    mean: float
    variance: float


def log_norm(
    widths: Iterable[int],
    activation: str | Callable[[Any], Any] = "relu",
    *,
    asymptotic: bool = False,
) -> LogNorm:
    """How far signals and gradients stray at finite width: a log-normal law.

    At initialization with weights of variance 1 / (fan_in E f(z)^2) and no biases, the
    mean of |x_L|^2 is kept exactly, and ln |x_L|^2 is a sum of independent terms, one a
    layer: nearly normal, with a variance of 5 sum(1 / n_l) for ReLU and 2 sum(1 / n_l)
    for linear layers, and half of that, negative, as its mean. With ReLU the squared
    gradient of an output by an input has the same law. Narrow layers so cost as much as
    many: beyond a sum of 1/width of 1 or so, a draw starts far from where it should.

    Args:
        widths: units of each layer, not counting the input.
        activation: a name, function or `Curve` with f(c x) = c f(x), c > 0.
        asymptotic: the formula above with (E f^4 / (E f^2)^2 - 1) sum(1 / n_l), instead
            of the exact law, which is known for ReLU (given that no layer is wholly
            inactive) and for linear layers.

    Raises:
        TypeError: where a width is no integer.
        ValueError: where it is below 1, there is none, the activation is of another
            kind, or its exact law is not known.

    Example:
        >>> law = log_norm([100] * 50)
        >>> round(law.mean, 3), round(law.variance, 3)
        (-1.271, 2.597)

    Reference: Hanin, 2018, arXiv:1801.03744; Hanin & Nica, 2019, arXiv:1812.05994.
    """
    counts = _widths(widths)
    curve = _homogeneous(activation)
    if asymptotic:
        variance = _excess(curve) * sum(1 / n for n in counts)
        return LogNorm(-variance / 2, variance)
    below, above = (abs(float(slope)) for slope in curve(np.array([-1.0, 1.0])))
    if math.isclose(below, above, rel_tol=1e-6):
        layer = _of_linear
    elif min(below, above) <= 1e-6 * max(below, above):
        layer = _of_relu
    else:
        raise ValueError(
            "The exact law is known for ReLU and for linear layers. Received: "
            f"activation={activation!r}. Give asymptotic=True."
        )
    laws = {n: layer(n) for n in set(counts)}
    return LogNorm(
        math.fsum(laws[n].mean for n in counts),
        math.fsum(laws[n].variance for n in counts),
    )


def norm_kurtosis(
    widths: Iterable[int], activation: str | Callable[[Any], Any] = "relu"
) -> float:
    """E |x_L|^4 / (E |x_L|^2)^2, exactly: the product of 1 + k / n_l over the layers.

    k = E f^4 / (E f^2)^2 - 1, for ReLU 5. It is what a batch of draws must be larger
    than for their mean square to mean anything.

    Args:
        widths: see `log_norm`.
        activation: see `log_norm`.

    Raises:
        TypeError: where a width is no integer.
        ValueError: where it is below 1, there is none, or the activation is of another
            kind.

    Example:
        >>> round(norm_kurtosis([30, 30, 30]), 5)
        1.58796

    Reference: Hanin & Nica, 2019, arXiv:1812.05994, theorem 1.
    """
    counts = _widths(widths)
    excess = _excess(_homogeneous(activation))
    return math.prod(1 + excess / n for n in counts)


def _widths(widths: Iterable[int]) -> list[int]:
    counts = [check_depth("widths", width) for width in widths]
    if not counts or min(counts) < 1:
        raise ValueError(
            "`widths` must be the numbers of units of one layer or more. Received: "
            f"widths={counts}."
        )
    return counts


def _homogeneous(activation: str | Callable[[Any], Any]) -> Curve:
    curve = curve_of(activation)
    if not is_homogeneous(curve):
        raise ValueError(
            "Norms have this law only where f(c x) = c f(x) for c > 0, as for ReLU, "
            f"leaky ReLU and linear layers. Received: activation={activation!r}."
        )
    return curve


def _excess(curve: Curve) -> float:
    square, fourth = curve.expectation(lambda z, f, slope: [f**2, f**4], 1.0)
    return float(fourth / square**2 - 1)


def _of_linear(width: int) -> LogNorm:
    """Of ln(chi^2_n / n)."""
    from scipy import special

    mean = special.digamma(width / 2) + math.log(2 / width)
    return LogNorm(float(mean), float(special.polygamma(1, width / 2)))


def _of_relu(width: int) -> LogNorm:
    """Of ln(2 chi^2_k / n) for k active units of n, Binomial(n, 1/2) and not 0."""
    from scipy import special

    active = np.arange(1, width + 1)
    log_chances = (
        special.gammaln(width + 1)
        - special.gammaln(active + 1)
        - special.gammaln(width - active + 1)
        - width * math.log(2)
    )
    chances = np.exp(log_chances)
    chances /= chances.sum()
    means = special.digamma(active / 2) + math.log(4 / width)
    mean = chances @ means
    variance = chances @ (special.polygamma(1, active / 2) + (means - mean) ** 2)
    return LogNorm(float(mean), float(variance))
