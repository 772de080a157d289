"""Weights and biases on the edge of chaos, where signals neither fade nor blur."""

import functools
import math
from collections.abc import Callable
from typing import Any

import keras

from keras_inits.initializers import checks, laws
from keras_inits.initializers.base import register
from keras_inits.initializers.fans import Fans
from keras_inits.initializers.gains import saved_gain
from keras_inits.initializers.variance_scaling import VarianceScaling
from keras_inits.theory import CriticalPoint, edge_of_chaos

__all__ = ["Critical", "critical_variances"]


def critical_variances(
    activation: str | Callable[[Any], Any],
    variance: float | None = None,
    bias_variance: float | None = None,
) -> tuple[float, float]:
    """The variances of weights (times fan_in) and biases that make chi_1 equal 1.

    chi_1 = sigma_w^2 E f'(sqrt(q) z)^2 for z ~ N(0, 1), at the variance q that the
    layers keep. For activations with f(c z) = c f(z) for all c > 0 - linear, ReLU,
    leaky ReLU, the absolute value - they are 1 / E f(z)^2 and 0, and every q is kept;
    others have a line of them, a pair for each q. To eight digits, so that weights do
    not depend on the processor.

    Args:
        activation: the name of a Keras activation, or a function of a vector.
        variance: q; unless given, 1, or the least above at which the network keeps it:
            see `keras_inits.theory.edge_of_chaos`.
        bias_variance: sigma_b^2, to be given instead of q.

    Returns:
        `(sigma_w^2, sigma_b^2)`: the weights' variance is sigma_w^2 / fan_in.

    Raises:
        ValueError: where both are given; for an activation without such a point, such
            as softplus, one that jumps, and an unknown one.

    Example:
        >>> weights, biases = critical_variances("relu")
        >>> round(weights, 6), biases
        (2.0, 0.0)
        >>> critical_variances("tanh", bias_variance=0.05)
        (1.7609546, 0.05)

    Reference: Schoenholz et al., 2017, arXiv:1611.01232, section 3.
    """
    name = saved_gain(activation, math.nan)  # that of a function of Keras
    if isinstance(name, str):
        found = _point_by_name(name, variance, bias_variance)
    else:
        function = _on_host(activation)
        found = _point(function, variance, bias_variance)
    return found.weight_variance, found.bias_variance


@functools.cache
def _point_by_name(
    name: str, variance: float | None, bias_variance: float | None
) -> CriticalPoint:
    return _point(name, variance, bias_variance)


def _point(
    activation: str | Callable[[Any], Any],
    variance: float | None,
    bias_variance: float | None,
) -> CriticalPoint:
    found = edge_of_chaos(activation, variance, bias_variance=bias_variance)
    weights, biases = found.weight_variance, found.bias_variance
    if found.stability != "neutral":  # else a gain's square: He's scheme bit for bit
        weights, biases = float(f"{weights:.8g}"), float(f"{biases:.8g}")
    return CriticalPoint(weights, biases, found.variance, found.slope, found.stability)


def _on_host(activation: Any) -> Callable[[Any], Any]:
    return lambda z: keras.ops.convert_to_numpy(activation(z))


@register
class Critical(VarianceScaling):
    """The edge of chaos: the variances at which signals stay apart through any depth.

    W ~ N(0, sigma_w^2 / fan_in) and b ~ N(0, sigma_b^2) with chi_1 = 1, where chi_1 is
    the mean square singular value of a layer's Jacobian at the variance that layers
    keep. Below, all inputs grow alike and gradients vanish; above, near ones grow apart
    and gradients explode.

    For deep networks without normalization or residual branches. Kernels and biases
    belong together: `Critical("tanh")` for the one needs `Critical("tanh",
    part="bias")` for the other, of each layer. ReLU, leaky ReLU and linear layers keep
    every variance, with biases of 0 (He's scheme). tanh, ELU, SELU, softsign and others
    keep a variance of 1, which is stable. GELU, SiLU and Mish keep none below their
    half-stable point, which is what they get: from there the variance drifts slowly and
    to one side only (Roberts, Yaida & Hanin). Sigmoid and hard sigmoid need a large
    one. Softplus, the exponential and others have none that holds, and hard shrink
    jumps: they are errors.

    Args:
        activation: the name of a Keras activation, or a function of one array; a number
            > 0 stands for sigma_w itself, as in the configuration of a function that
            Keras has no name for.
        part: `"kernel"` or `"bias"`.
        seed: see `RandomInitializer`.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`.
        variance: of the pre-activations, a number > 0: which point of the line. Smaller
            ones make tanh more linear, and with orthogonal weights of this size the
            network nearly isometric. Unless given, 1 or the half-stable point.
        bias_variance: sigma_b^2, a number >= 0, to be given instead of `variance`; with
            a number as activation, whatever is wanted.
        fans: see `VarianceScaling`.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: where `part` is unknown, or `activation`, or it has no critical
            point there, or both `variance` and `bias_variance` are given.

    Example:
        >>> kernel = Critical("tanh", seed=1)((512, 64))
        >>> bias = Critical("tanh", part="bias", seed=2)((64,))

    Reference: Poole et al., 2016, arXiv:1606.05340; Schoenholz et al., 2017,
    arXiv:1611.01232; Roberts, Yaida & Hanin, 2021, arXiv:2106.10165.
    """

    def __init__(
        self,
        activation: Any = "relu",
        part: str = "kernel",
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
        *,
        variance: float | None = None,
        bias_variance: float | None = None,
        fans: Fans | None = None,
    ) -> None:
        self.activation = activation
        self.part = checks.check_option("part", part, ("kernel", "bias"))
        self.variance = variance
        if variance is not None:
            self.variance = checks.check_positive("variance", variance)
        self.bias_variance = bias_variance
        if bias_variance is not None:
            self.bias_variance = checks.check_number(
                "bias_variance", bias_variance, least=0
            )
        self._weights, self._biases = self._variances()
        super().__init__(
            self._weights,
            "fan_in",
            "untruncated_normal",
            seed,
            input_axes,
            output_axes,
            fans=fans,
        )

    def _variances(self) -> tuple[float, float]:
        if isinstance(self.activation, str) or callable(self.activation):
            return critical_variances(
                self.activation, self.variance, self.bias_variance
            )
        weights = checks.check_positive("activation", self.activation) ** 2
        if self.variance is not None:
            raise ValueError(
                "A number as activation is sigma_w itself, and leaves no variance to "
                f"choose. Received: activation={self.activation!r}, variance="
                f"{self.variance!r}. Leave `variance` out."
            )
        return weights, self.bias_variance or 0.0

    def _law(self, shape: tuple[int, ...]) -> laws.Law:
        if self.part == "bias":  # whatever the size of the layer
            return laws.Normal(0.0, math.sqrt(self._biases))
        return super()._law(shape)

    def _saved(self, name: str) -> Any:
        saved = saved_gain(self.activation, math.sqrt(self._weights))
        if name == "activation":
            return saved
        if not isinstance(saved, str) and name in ("variance", "bias_variance"):
            # The number says sigma_w alone.
            return self._biases if name == "bias_variance" else None
        return super()._saved(name)
