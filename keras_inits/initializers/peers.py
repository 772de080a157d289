"""What other libraries do by default, for models that are ported or compared."""

import math
from collections.abc import Callable
from typing import Any

from keras_inits.initializers import checks, laws
from keras_inits.initializers.base import Initializer, register
from keras_inits.initializers.constants import Zeros
from keras_inits.initializers.distributions import RandomNormal, TruncatedNormal
from keras_inits.initializers.fans import Fans
from keras_inits.initializers.laws import truncated_stddev
from keras_inits.initializers.variance_scaling import LecunNormal, VarianceScaling

__all__ = ["TorchDefault", "peer_default"]


@register
class TorchDefault(VarianceScaling):
    """The default of torch's linear and convolution layers, kernels and biases.

    W and b ~ U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)). torch writes it as He's uniform
    scheme with a slope of sqrt(5), which is a variance of 1 / (3 fan_in): a sixth of
    what keeps a signal through ReLU layers, so it is a convention, and deep networks
    without normalization do better with `HeUniform`.

    A bias's shape does not tell how many inputs its layer has: give `fan_in`. A
    transposed convolution's fans are those of its stored kernel, as in torch.

    Args:
        fan_in: inputs of an output unit, a number > 0, where the shape does not tell:
            for every bias.
        seed: see `RandomInitializer`.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`.
        fans: see `VarianceScaling`; for a depthwise convolution, `Fans.depthwise()`.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: where `fan_in` is not positive, or given next to `fans`; when
            called, where the shape has a rank below 2 and `fan_in` is not given.

    Example:
        >>> kernel = TorchDefault(seed=1)((512, 64))
        >>> bias = TorchDefault(fan_in=512, seed=1)((64,))

    Reference: `reset_parameters` of `torch.nn.Linear` and `torch.nn.Conv2d`, torch
    2.13; https://github.com/pytorch/pytorch/issues/57109.
    """

    def __init__(
        self,
        fan_in: float | None = None,
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
        *,
        fans: Fans | None = None,
    ) -> None:
        super().__init__(
            1 / 3, "fan_in", "uniform", seed, input_axes, output_axes, fans=fans
        )
        if fan_in is not None:
            fan_in = checks.check_positive("fan_in", fan_in)
        if fan_in is not None and fans is not None:
            raise ValueError(
                "`fan_in` is one of the two numbers that `fans` gives. Received: "
                f"fan_in={fan_in}, fans={fans!r}. Give one of them."
            )
        self.fan_in = fan_in

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        if len(shape) < 2 and self.fan_in is None:
            raise ValueError(
                "A bias's shape does not tell the fan_in of its layer. Received: "
                f"shape={shape}. Give TorchDefault(fan_in=...), the number of inputs "
                "times the size of the window."
            )
        return super()._check(shape, dtype)

    def _law(self, shape: tuple[int, ...]) -> laws.Law:
        if self.fan_in is None:
            return super()._law(shape)
        limit = 1 / math.sqrt(self.fan_in)
        return laws.Uniform(-limit, limit)


def _haiku(seed: Any) -> Initializer:
    """A normal of variance 1 / fan_in, cut, without making up for what that takes."""
    scale = truncated_stddev(-2.0, 2.0) ** 2
    return VarianceScaling(scale, "fan_in", "truncated_normal", seed)


def _timm(seed: Any) -> Initializer:
    """A normal cut at +-2, which is at 100 standard deviations."""
    return TruncatedNormal(0.0, 0.02, seed, low=-100.0, high=100.0)


def _flax_embedding(seed: Any) -> Initializer:
    return VarianceScaling(
        1.0, "fan_in", "untruncated_normal", seed, fans=Fans.embedding()
    )


_Make = Callable[[Any], Initializer]
_DEFAULTS: dict[str, dict[str, _Make]] = {
    "torch": {
        "kernel": lambda seed: TorchDefault(seed=seed),
        "embedding": lambda seed: RandomNormal(0.0, 1.0, seed),
    },
    "timm": {
        "kernel": _timm,
        "embedding": _timm,
        "bias": lambda seed: Zeros(),
    },
    "flax": {
        "kernel": lambda seed: LecunNormal(seed, truncated=True),
        "embedding": _flax_embedding,
        "bias": lambda seed: Zeros(),
    },
    "haiku": {
        "kernel": _haiku,
        "embedding": lambda seed: TruncatedNormal(0.0, 1.0, seed),
        "bias": lambda seed: Zeros(),
    },
}


def peer_default(library: str, weight: str = "kernel", seed: Any = None) -> Initializer:
    """The initializer that another library gives to a weight unless told otherwise.

    | library | kernel | embedding | bias |
    |---|---|---|---|
    | torch | U(+-1 / sqrt(fan_in)) | N(0, 1) | `TorchDefault(fan_in=...)` |
    | timm | N(0, 0.02^2) | N(0, 0.02^2) | 0 |
    | flax | variance 1 / fan_in, cut | N(0, 1 / width) | 0 |
    | haiku | N(0, 1 / fan_in), then cut | N(0, 1), then cut | 0 |

    "Cut" is at two standard deviations. timm's bounds are -2 and 2, not multiples of
    0.02, and cut nothing. flax makes up for the variance that cutting takes, haiku does
    not, and keeps 0.774 of it. Kernels are those of dense and convolution layers, in
    timm those of its vision transformers' dense ones. What is returned is one of the
    schemes of this package, and saved as such.

    Args:
        library: one of the four.
        weight: `"kernel"`, `"embedding"` or `"bias"`.
        seed: see `RandomInitializer`.

    Raises:
        ValueError: where the table has no entry.

    Example:
        >>> kernel = peer_default("flax", seed=1)((512, 64))

    Reference: torch 2.13 `torch/nn/modules`; timm `layers/weight_init.py` and
    `models/vision_transformer.py`; flax `linen/linear.py`; haiku
    `_src/basic.py`, `_src/conv.py` and `_src/embed.py`.
    """
    library = checks.check_option("library", library, tuple(_DEFAULTS))
    defaults = _DEFAULTS[library]
    return defaults[checks.check_option("weight", weight, tuple(defaults))](seed)
