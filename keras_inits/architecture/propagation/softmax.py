"""Moments through a softmax over the last axis, with and without a label's loss."""

from __future__ import annotations

import numpy as np

from keras_inits.architecture.propagation import moments
from keras_inits.architecture.propagation.gaussians import softmax_moments
from keras_inits.architecture.propagation.moments import Moments
from keras_inits.architecture.propagation.tape import Tape

__all__ = ["softmax", "spread_over"]


def softmax(tape: Tape, x: Moments) -> Moments:
    """Probabilities from logits that count as Gaussian and exchangeable."""
    count = x.shape[-1]
    apart, variance = spread_over(x)
    square, passed, *_ = softmax_moments(count, round(variance, 4))
    # They sum to one, whatever pair of examples they are from.
    raw = 1 / count**2 + (square - 1 / count**2) * apart
    rest = (1 / count - raw) / max(count - 1, 1)
    made = moments.moments_of(
        x.shape, 1 / count, square, np.stack([raw, rest], axis=-1)
    )

    def pull(gradient: Moments) -> list[Moments]:
        if id(made) in tape.instead:
            return [tape.instead[id(made)]]
        return [
            moments.moments_of(
                x.shape, 0.0, gradient.square * passed, gradient.raw * passed
            )
        ]

    return tape.note(made, [x], pull)


def spread_over(
    x: Moments,
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], float]:
    """How logits vary along the last axis.

    Returns:
        For each kind of pair on the other axes, the correlation of what is left when
        the mean along the last axis is taken away; and the variance of that.
    """
    raw = x.raw
    left = raw[..., 0] - raw[..., 1]
    variance = max(float(left.flat[0]), 0.0)
    apart = left / variance if variance > 0 else np.ones_like(left)
    return np.clip(apart, -1.0, 1.0), variance
