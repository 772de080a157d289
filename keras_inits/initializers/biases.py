"""Biases that start a classifier at the frequencies of its classes."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_inits.initializers import checks
from keras_inits.initializers.base import Initializer, register
from keras_inits.initializers.constants import Constant
from keras_inits.initializers.stream import Index, precision_of

__all__ = ["LogPrior", "PriorProbability"]


class _Bias(Initializer):
    """A number, or a vector along the last axis, computed in float64."""

    def _vector(self) -> Any:
        raise NotImplementedError

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        precision = precision_of(dtype)
        return Constant(np.asarray(self._vector(), precision))._values(shape, dtype)


@register
class PriorProbability(_Bias):
    """The bias with which a sigmoid gives a probability from the start.

    b = -log((1 - p) / p), the logit of p: with a kernel near 0, each output starts at
    p. For detectors and other classifiers with rare positives, whose loss the many
    easy negatives would fill at p = 1/2; for balanced classes it is 0.

    Args:
        probability: p, a number between 0 and 1.

    Raises:
        TypeError: where `probability` is no number.
        ValueError: where it is not between 0 and 1.

    Example:
        >>> bias = PriorProbability(0.01)((720,))

    Reference: Lin et al., 2017, arXiv:1708.02002, section 4.1.
    """

    def __init__(self, probability: float = 0.01) -> None:
        self.probability = checks.check_number(
            "probability", probability, least=0, most=1
        )
        if self.probability in (0, 1):
            raise ValueError(
                "A sigmoid reaches neither 0 nor 1. Received: "
                f"probability={probability!r}. Use a number between them."
            )

    def _vector(self) -> Any:
        return math.log(self.probability) - math.log1p(-self.probability)


@register
class LogPrior(_Bias):
    """The bias with which a softmax gives the classes' frequencies from the start.

    b_c = log p_c: with a kernel near 0, the loss starts at the entropy of the labels,
    and the first steps are not spent on learning how frequent the classes are. For
    classes of unequal size; for equal ones it is the same as 0.

    Args:
        priors: a number above 0 for each class: probabilities, or how often each
            occurs; they are divided by their sum.

    Raises:
        TypeError: where `priors` are no numbers.
        ValueError: where they are no list, empty, or one is not positive; when called,
            where the last axis of the shape is not that of the classes.

    Example:
        >>> bias = LogPrior([900, 90, 10])((3,))

    Reference: Karpathy, 2019, "A Recipe for Training Neural Networks",
    https://karpathy.github.io/2019/04/25/recipe/.
    """

    def __init__(self, priors: Sequence[float]) -> None:
        try:
            given = np.asarray(keras.ops.convert_to_numpy(priors))
        except Exception:
            given = np.asarray(None)
        if given.dtype.kind not in "iuf":
            raise TypeError(
                f"`priors` must be numbers. Received: priors={priors!r} (of type "
                f"{type(priors).__name__})."
            )
        if given.ndim != 1 or not given.size:
            raise ValueError(
                f"`priors` must be a list, one for each class. Received: {priors!r}."
            )
        self.priors = [checks.check_number("priors", n) for n in given.tolist()]
        if min(self.priors) <= 0:
            raise ValueError(
                "A class that never occurs has no finite logarithm. Received: "
                f"priors={priors!r}. Add 1 to all counts, or leave the class out."
            )

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        if not shape or shape[-1] != len(self.priors):
            raise ValueError(
                "The last axis must be that of the classes. Received: "
                f"shape={shape}, {len(self.priors)} priors."
            )
        return super()._check(shape, dtype)

    def _vector(self) -> Any:
        priors = np.asarray(self.priors, np.float64)
        return np.log(priors) - math.log(math.fsum(priors))
