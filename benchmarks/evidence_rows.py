"""A number of the evidence, three times, and means over draws."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Row", "mean_of", "orthogonal", "slopes"]


@dataclass(frozen=True)
class Row:
    """One number three times.

    Args:
        source: who published it.
        claim: what it is.
        published: as printed; None where the source has a formula alone.
        predicted: by `keras_inits.theory`.
        measured: on random networks; None where there is nothing to draw.
        error: the standard error of `measured`.
    """

    source: str
    claim: str
    published: float | None
    predicted: float | None
    measured: float | None = None
    error: float | None = None


def mean_of(values: Sequence[Any]) -> dict[str, float]:
    """A mean over draws and its standard error, as arguments of a row."""
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    return {"measured": float(np.mean(values)), "error": float(error)}


def slopes(name: str, x: Any) -> Any:
    from keras_inits.theory import activation

    function = activation(name)
    return (function(x + 1e-6) - function(x - 1e-6)) / 2e-6


def orthogonal(rng: Any, width: int) -> Any:
    q, r = np.linalg.qr(rng.normal(size=(width, width)))
    return q * np.sign(np.diag(r))
