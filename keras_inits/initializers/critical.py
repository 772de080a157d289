"""Weights and biases on the edge of chaos, where signals neither fade nor blur."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_inits.initializers import checks
from keras_inits.initializers.base import register
from keras_inits.initializers.fans import Fans
from keras_inits.initializers.gains import check_gain, saved_gain
from keras_inits.initializers.variance_scaling import VarianceScaling
from keras_inits.theory import activation as activation_by_name

__all__ = ["Critical", "critical_variances"]


def critical_variances(activation: str | Callable[[Any], Any]) -> tuple[float, float]:
    """The variances of weights (times fan_in) and biases that make chi_1 equal 1.

    chi_1 = sigma_w^2 E f'(sqrt(q) z)^2 for z ~ N(0, 1), at the variance q that the
    layers settle at. An activation with f(c z) = c f(z) for all c > 0 - linear, ReLU,
    leaky ReLU, the absolute value - has a slope that does not depend on q, and
    E f'(z)^2 = E f(z)^2: sigma_w^2 = 1 / E f(z)^2 with sigma_b^2 = 0, and every q is
    kept.

    Args:
        activation: the name of a Keras activation, or a function of a vector.

    Returns:
        `(sigma_w^2, sigma_b^2)`: the weights' variance is sigma_w^2 / fan_in.

    Raises:
        ValueError: for an activation of another kind, which has a critical line where
            q must be solved for, and for an unknown one.

    Example:
        >>> weights, biases = critical_variances("relu")
        >>> round(weights, 6), biases
        (2.0, 0.0)

    Reference: Schoenholz et al., 2017, arXiv:1611.01232, section 3.
    """
    if not _is_homogeneous(_on_host(activation)):
        raise ValueError(
            "Only activations with f(c z) = c f(z) for c > 0 have critical variances "
            "that do not depend on the signal's size; for others they need the solver "
            f"of the fixed point, which is to come. Received: activation={activation!r}"
            ". VarianceScaling(gain=...) keeps the signal's variance at 1, or give "
            "VarianceScaling(scale=...) a variance that you know."
        )
    return check_gain(activation) ** 2, 0.0


def _on_host(activation: str | Callable[[Any], Any]) -> Callable[[Any], Any]:
    if isinstance(activation, str):
        return activation_by_name(activation)
    return lambda z: keras.ops.convert_to_numpy(activation(z))


def _is_homogeneous(function: Callable[[Any], Any]) -> bool:
    z = np.concatenate([-np.logspace(-3, 1, 9), np.logspace(-3, 1, 9)])
    for factor in (0.01, 0.5, 3.0, 100.0):
        with np.errstate(all="ignore"):  # others may overflow
            scaled, expected = function(factor * z), factor * np.asarray(function(z))
        # A function of the backend may compute in float32.
        if not np.allclose(scaled, expected, rtol=1e-5, atol=0):
            return False
    return True


@register
class Critical(VarianceScaling):
    """The edge of chaos: the variances at which signals stay apart through any depth.

    W ~ N(0, sigma_w^2 / fan_in) and b ~ N(0, sigma_b^2) with chi_1 = 1, where chi_1 is
    the mean square singular value of a layer's Jacobian at the variance it settles at.
    Below, all inputs grow alike and gradients vanish; above, near ones grow apart and
    gradients explode.

    For deep networks without normalization or residual branches. So far for activations
    with f(c z) = c f(z), c > 0: ReLU (where it is He's scheme), leaky ReLU, linear; the
    others need a fixed point, which this package does not solve for yet.

    Args:
        activation: the name of a Keras activation, or a function of one array; a number
            > 0 stands for sigma_w itself, as in the configuration of a function that
            Keras has no name for.
        part: `"kernel"` or `"bias"`.
        seed: see `RandomInitializer`.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`.
        fans: see `VarianceScaling`.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: where `part` is unknown, or `activation`, or not one of those.

    Example:
        >>> kernel = Critical("leaky_relu", seed=1)((512, 64))

    Reference: Poole et al., 2016, arXiv:1606.05340; Schoenholz et al., 2017,
    arXiv:1611.01232.
    """

    def __init__(
        self,
        activation: Any = "relu",
        part: str = "kernel",
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
        *,
        fans: Fans | None = None,
    ) -> None:
        self.activation = activation
        self.part = checks.check_option("part", part, ("kernel", "bias"))
        if isinstance(activation, str) or callable(activation):
            weights, biases = critical_variances(activation)
        else:
            weights, biases = checks.check_positive("activation", activation) ** 2, 0.0
        self._weights = weights
        super().__init__(
            weights if self.part == "kernel" else 1.0,
            "fan_in",
            "untruncated_normal",
            seed,
            input_axes,
            output_axes,
            # sigma_b is 0 for all activations that come this far.
            gain=1.0 if self.part == "kernel" else biases,
            fans=fans,
        )

    def _saved(self, name: str) -> Any:
        if name == "activation":
            return saved_gain(self.activation, math.sqrt(self._weights))
        return super()._saved(name)
