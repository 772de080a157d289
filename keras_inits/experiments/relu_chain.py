"""A dense ReLU chain with one logit, forward and backward in float64 NumPy.

It sees a list of weights, never a model: a measurement along a training run is
the same on every backend, and takes well under a millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Measurement", "distinct_units", "logits", "measure"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measurement:
    """The state of a chain on a batch; norms are L2, one per layer's kernel."""

    cost: float
    accuracy: float
    predicted_ones: int
    gradient_norms: tuple[float, ...]
    weight_norms: tuple[float, ...]


def logits(weights: Sequence[NDArray[np.floating]], x: Array) -> Array:
    """The chain's output before the sigmoid.

    Args:
        weights: Kernel `(in, out)` and bias `(out,)` of each layer, in order, as
            `model.get_weights()` lists them.
        x: Points, `(n, in)`.

    Returns:
        Logits, `(n,)`; a point is answered "class 1" where its logit is > 0.
    """
    return _activations(weights, x)[-1][:, 0]


def measure(weights: Sequence[NDArray[np.floating]], x: Array, y: Array) -> Measurement:
    """Cost, accuracy and the norms of kernels and of their gradients.

    The cost is the mean binary cross-entropy in nats, taken from logits: no
    probability is clipped, so a saturated wrong point keeps its gradient. The
    derivative of ReLU at 0 is 0.

    Args:
        weights: As for `logits`.
        x: Points, `(n, in)`.
        y: Classes 0 or 1, `(n,)`.

    Returns:
        A `Measurement`.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # a run may diverge
        layers = _activations(weights, x)
        z = layers[-1][:, 0]
        kernels = weights[::2]
        delta = ((_logistic(z) - y) / len(y))[:, None]
        gradient_norms = []
        for kernel, below in zip(kernels[::-1], layers[-2::-1], strict=True):
            gradient_norms.append(float(np.linalg.norm(below.T @ delta)))
            delta = (delta @ np.asarray(kernel, "float64").T) * (below > 0)
        answers = z > 0
        return Measurement(
            cost=float(np.mean(np.logaddexp(0.0, z) - y * z)),
            accuracy=float(np.mean(answers == (y > 0.5))),
            predicted_ones=int(answers.sum()),
            gradient_norms=tuple(gradient_norms[::-1]),
            weight_norms=tuple(
                float(np.linalg.norm(np.asarray(kernel, "float64")))
                for kernel in kernels
            ),
        )


def distinct_units(kernel: NDArray[np.floating], bias: NDArray[np.floating]) -> int:
    """How many of a layer's units differ in at least one weight or the bias."""
    units = np.vstack([kernel, bias[None, :]])
    return int(np.unique(units, axis=1).shape[1])


def _activations(weights: Sequence[NDArray[np.floating]], x: Array) -> list[Array]:
    """The input, each hidden layer after its ReLU, and the logits `(n, 1)`."""
    layers = [np.asarray(x, "float64")]
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        layers.append(np.maximum(_affine(layers[-1], kernel, bias), 0.0))
    layers.append(_affine(layers[-1], weights[-2], weights[-1]))
    return layers


def _logistic(z: Array) -> Array:
    """1 / (1 + exp(-z)), without overflow on either side."""
    result: Array = np.exp(-np.logaddexp(0.0, -z))
    return result


def _affine(
    x: Array, kernel: NDArray[np.floating], bias: NDArray[np.floating]
) -> Array:
    result: Array = x @ np.asarray(kernel, "float64") + np.asarray(bias, "float64")
    return result
