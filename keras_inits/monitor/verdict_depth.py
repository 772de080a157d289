"""How gradients change with depth: robust lines through the logarithms of norms."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keras_inits.records import Layout
from keras_inits.theory import activation as activation_by_name
from keras_inits.theory import activation_names

__all__ = ["Depth", "Trend", "signal_gains", "trend"]

_Array = NDArray[np.float64]

# Pairs grow with the square of the points; this many tell a line from none.
_MOST_POINTS = 64


@dataclass(frozen=True)
class Trend:
    """A robust line through the decimal logarithms of one number a layer.

    Args:
        decades: Its rise from the first layer to the last.
        agreement: Kendall's tau: 1 where every layer has more than those before it, -1
            where every layer has less, 0 without an order.
        layers: How many layers it stands on.
    """

    decades: float
    agreement: float
    layers: int

    @property
    def factor(self) -> float:
        """The factor from one layer to the next."""
        return float(10 ** (self.decades / max(self.layers - 1, 1)))


def trend(logs: _Array) -> Trend:
    """The line by Theil and Sen: the median of the slopes of all pairs of points.

    Up to 29 % of the points may be anything at all.

    Args:
        logs: Decimal logarithms, in the order of depth. Those that are not finite are
            left out.

    Example:
        >>> line = trend(np.array([0.0, 1.0, 2.0, 33.0, 4.0, 5.0]))
        >>> line.decades, line.layers
        (5.0, 6)

    Reference: Sen, 1968, doi:10.1080/01621459.1968.10480934.
    """
    place = np.flatnonzero(np.isfinite(logs))
    count = len(place)
    if count < 2:
        return Trend(0.0, 0.0, count)
    if count > _MOST_POINTS:
        place = place[np.linspace(0, count - 1, _MOST_POINTS).round().astype(int)]
    first, second = np.triu_indices(len(place), 1)
    rise = logs[place[second]] - logs[place[first]]
    slope = float(np.median(rise / (place[second] - place[first])))
    reach = int(place[-1] - place[0])
    return Trend(slope * reach, float(np.mean(np.sign(rise))), count)


def signal_gains(activation: str | None) -> tuple[float, float]:
    """The factors on the root mean square of a very small and a very large signal.

    sqrt((f(x)^2 + f(-x)^2) / 2) / x at x = 0.001 and 1000, with f(0) taken off: what is
    lost in the activation by a signal that is symmetric about 0. ReLU keeps 0.71 of
    either, tanh all of a small one and next to nothing of a large one.

    Args:
        activation: Keras's name. None counts as ReLU, because the activation then most
            often follows as a layer of its own, and so does a name that is not known.

    Example:
        >>> [round(gain, 3) for gain in signal_gains("tanh")]
        [1.0, 0.001]
    """
    known = activation in activation_names() and activation != "linear"
    function = activation_by_name(activation if activation and known else "relu")
    with np.errstate(all="ignore"):  # squareplus and others may overflow inside
        origin = float(function(np.zeros(1))[0])
        gains = [
            float(np.sqrt(np.mean((function(np.array([-x, x])) - origin) ** 2)) / x)
            for x in (1e-3, 1e3)
        ]
    small, large = (gain if math.isfinite(gain) else 1.0 for gain in gains)
    return small, large


class Depth:
    """Where each layer's numbers stand in a sample, and their trends.

    A layer counts once: by its first kernel, and by its first bias, whose gradient is
    the pre-activation's, summed over the batch. The bias of a layer that is followed
    by a normalization is left out: the normalization takes it away again, and its
    gradient is rounding.

    Args:
        layout: What the samples are about.
    """

    def __init__(self, layout: Layout) -> None:
        weights = layout.weights
        places: dict[str, dict[str, int]] = {}
        for place, weight in enumerate(weights):
            places.setdefault(weight.layer, {}).setdefault(weight.role, place)
        layers = list(places)
        #: Whether nothing but kernels and biases acts on a signal: normalizations, and
        #: branches with a factor of their own, leave norms without a meaning.
        self.plain = all(
            weight.role in ("kernel", "bias", "embedding") for weight in weights
        )
        self._last_layer = layers[-1] if layers else ""
        self.kernels = _integers(
            roles["kernel"] for roles in places.values() if "kernel" in roles
        )
        #: The bias of each of those layers; -1 where it has none.
        self.kernel_biases = _integers(
            roles.get("bias", -1) for roles in places.values() if "kernel" in roles
        )
        following = [*layers[1:], None]
        self.biases = _integers(
            places[layer]["bias"]
            for layer, after in zip(layers, following, strict=True)
            if "bias" in places[layer]
            and not ("kernel" in places[layer] and _normalizes(places.get(after or "")))
        )
        kernels = [weights[place] for place in self.kernels]
        units = np.array([max(weight.shape[-1:] or (1,)) for weight in kernels], float)
        #: The norms at which weights keep a signal's root mean square.
        self.unit_norms = np.sqrt(units)
        gains = np.array([signal_gains(weight.activation) for weight in kernels])
        gains = gains.reshape(-1, 2)
        self._small = gains[:, 0] / self.unit_norms
        self._large = gains[:, 1] / self.unit_norms

    def of_gradients(self, gradient: _Array, weight: _Array, least: int) -> Trend:
        """The gradients' rise from the data to the loss.

        By the biases' gradients if at least `least` are not zero, or else by the
        kernels' times the kernels' norms, which do not depend on how a network spreads
        its scale over its layers.
        """
        by_bias = trend(_log(gradient[self.biases]))
        if by_bias.layers >= least:
            return by_bias
        return trend(_log(gradient[self.kernels] * weight[self.kernels]))

    def of_signals(self, weight: _Array) -> tuple[float, float]:
        """Decades that a small and a large signal rise on the way, by norms alone.

        A layer's weights multiply a signal's root mean square by norm / sqrt(units),
        as long as the two know nothing of each other. A quartile stands for all, the
        upper one where the signal fades and the lower one where it grows: heads and
        the ends of branches are often small on purpose.
        """
        norms = weight[self.kernels]
        norms = np.where(np.isfinite(norms), norms, 0.0)
        if not len(norms):
            return 0.0, 0.0
        small = float(np.quantile(_log(norms * self._small), 0.75, method="higher"))
        large = float(np.quantile(_log(norms * self._large), 0.25, method="lower"))
        return small * len(norms), large * len(norms)

    def is_last(self, layer: str) -> bool:
        """Whether a layer is the one next to the loss."""
        return layer == self._last_layer


def _integers(values: Iterable[int]) -> NDArray[np.intp]:
    return np.array([*values], np.intp)


def _normalizes(roles: dict[str, int] | None) -> bool:
    return roles is not None and "scale" in roles and "kernel" not in roles


def _log(values: _Array) -> _Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(values)
