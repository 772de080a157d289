"""Schemes of deep residual networks: factors that follow the number of layers.

The number is given here, by hand. Each factor is a function of numbers, and one class
puts any of them onto another scheme.
"""

import inspect
from collections.abc import Callable
from typing import Any

from keras_inits.initializers import checks
from keras_inits.initializers.base import Initializer, register
from keras_inits.initializers.constants import Constant
from keras_inits.initializers.nesting import Wrapper
from keras_inits.initializers.stream import Index

__all__ = [
    "DepthScaled",
    "LayerScale",
    "ReZero",
    "SkipInit",
    "deepnorm_alpha",
    "deepnorm_beta",
    "fixup_gain",
    "gpt2_gain",
    "t_fixup_gain",
]


def gpt2_gain(layers: int) -> float:
    """The factor of GPT-2 and BEiT on weights that end a branch: (2 layers)^(-1/2).

    Args:
        layers: blocks of two branches each. In GPT-2 those of the whole model; in BEiT
            those so far, the number of the block counted from 1.

    Example:
        >>> round(0.02 * gpt2_gain(12), 6)
        0.004082

    Reference: Radford et al., 2019, "Language Models are Unsupervised Multitask
    Learners", section 2.3; Bao et al., 2021, arXiv:2106.08254, section 2.5.
    """
    return float((2 * checks.check_count("layers", layers)) ** -0.5)


def t_fixup_gain(layers: int, part: str = "encoder") -> float:
    """T-Fixup's factor, for Transformers without normalization and warmup.

    0.67 layers^(-1/4) in the encoder; (9 layers)^(-1/4) in the decoder and on the
    embeddings of both.

    Args:
        layers: blocks of the stack that the weight is in.
        part: `"encoder"`, `"decoder"` or `"embedding"`.

    Example:
        >>> round(t_fixup_gain(6), 4), round(t_fixup_gain(6, "decoder"), 4)
        (0.4281, 0.3689)

    Reference: Huang et al., 2020,
    https://proceedings.mlr.press/v119/huang20f.html, section 3.2.
    """
    part = checks.check_option("part", part, ("encoder", "decoder", "embedding"))
    root = checks.check_count("layers", layers) ** -0.25
    return float(0.67 * root if part == "encoder" else 9**-0.25 * root)


def deepnorm_alpha(
    layers: int, part: str | None = None, other_layers: int | None = None
) -> float:
    """DeepNorm's factor on the skip connection: LayerNorm(alpha x + f(x)).

    (2 N)^(1/4) for N layers of an encoder or a decoder alone; with N of an encoder and
    M of a decoder, 0.81 (N^4 M)^(1/16) in the encoder and (3 M)^(1/4) in the decoder.

    Args:
        layers: blocks of the stack that the weight is in.
        part: `"encoder"` or `"decoder"`, where the model has both.
        other_layers: blocks of the other stack, where the model has both.

    Example:
        >>> round(deepnorm_alpha(12), 4), round(deepnorm_beta(12), 4)
        (2.2134, 0.3195)

    Reference: Wang et al., 2022, arXiv:2203.00555, figure 2.
    """
    stack, encoder, decoder = _stacks(layers, part, other_layers)
    if stack == "encoder":
        return float(0.81 * (encoder**4 * decoder) ** (1 / 16))
    return float(((3 if stack == "decoder" else 2) * decoder) ** 0.25)


def deepnorm_beta(
    layers: int, part: str | None = None, other_layers: int | None = None
) -> float:
    """DeepNorm's factor on the weights of values, outputs and feed-forward layers.

    (8 N)^(-1/4) for an encoder or a decoder alone; with both, 0.87 (N^4 M)^(-1/16) in
    the encoder and (12 M)^(-1/4) in the decoder. It needs `deepnorm_alpha` in the
    model.

    Args:
        layers: see `deepnorm_alpha`.
        part: see `deepnorm_alpha`.
        other_layers: see `deepnorm_alpha`.

    Reference: Wang et al., 2022, arXiv:2203.00555, figure 2.
    """
    stack, encoder, decoder = _stacks(layers, part, other_layers)
    if stack == "encoder":
        return float(0.87 * (encoder**4 * decoder) ** (-1 / 16))
    return float(((12 if stack == "decoder" else 8) * decoder) ** -0.25)


def fixup_gain(layers: int, branch_layers: int = 2) -> float:
    """Fixup's factor, for residual networks without normalization: L^(-1/(2m - 2)).

    For the layers inside a branch; its last layer and the classifier start at 0.

    Args:
        layers: L, residual branches of the whole model.
        branch_layers: m, layers of a branch, 2 or more.

    Reference: Zhang et al., 2019, arXiv:1901.09321, section 3.
    """
    branch_layers = checks.check_count("branch_layers", branch_layers)
    if branch_layers < 2:
        raise ValueError(
            "The one layer of a branch is its last, which starts at 0 in Fixup. "
            f"Received: branch_layers={branch_layers}. Use Zeros()."
        )
    return float(checks.check_count("layers", layers) ** (-1 / (2 * branch_layers - 2)))


_RULES: dict[str, Callable[..., float]] = {
    "gpt2": gpt2_gain,
    "beit": gpt2_gain,
    "t_fixup": t_fixup_gain,
    "deepnorm": deepnorm_beta,
    "fixup": fixup_gain,
}


@register
class DepthScaled(Wrapper):
    """Another scheme, times the factor by which a residual network's depth shrinks it.

    W = g V with V from `initializer`, and g by one of these rules:

    - `"gpt2"`: g = (2 layers)^(-1/2), V ~ N(0, 0.02^2), for the weights that end a
      branch (attention's output, the second of the MLP); `layers` counts all blocks.
    - `"beit"`: the same, with `layers` the number of the block, counted from 1.
    - `"t_fixup"`: `t_fixup_gain`, V Glorot's (of embeddings, N(0, 1 / width)), for
      values, attention's outputs and the MLP; `layers` counts the stack's blocks.
    - `"deepnorm"`: `deepnorm_beta`, V Glorot's normal, for the same weights; the model
      needs `deepnorm_alpha`.
    - `"fixup"`: g = layers^(-1/(2m - 2)), V He's, for the layers of a branch of m but
      the last, which is `Zeros` like the classifier; `layers` counts branches.

    Queries and keys keep V. Without the residual architecture that a rule is made for,
    the factors only shrink the signal.

    Args:
        initializer: gives V: an initializer of this package or of Keras, its name or
            its configuration. The seed is its.
        rule: one of the five.
        layers: how many, an integer >= 1; of what, the rule says.
        part: where the model has an encoder and a decoder, which of them the weight is
            in; for `"t_fixup"` and `"deepnorm"`.
        other_layers: blocks of the other stack; for `"deepnorm"`.
        branch_layers: layers of a branch, 2 unless given; for `"fixup"`.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`.

    Raises:
        TypeError: where `initializer` is none, or a count no integer.
        ValueError: where the rule is unknown, a count below 1, or an argument one that
            the rule does not have.

    Example:
        >>> scheme = DepthScaled("keras_inits>GlorotNormal", "deepnorm", layers=12)
        >>> kernel = scheme((512, 2048))

    Reference: those of the functions.
    """

    def __init__(
        self,
        initializer: Any,
        rule: str,
        layers: int,
        part: str | None = None,
        other_layers: int | None = None,
        branch_layers: int | None = None,
        input_axes: Any = None,
        output_axes: Any = None,
    ) -> None:
        super().__init__(initializer, input_axes, output_axes)
        self.rule = checks.check_option("rule", rule, tuple(_RULES))
        self.layers = checks.check_count("layers", layers)
        self.part = part
        self.other_layers = other_layers
        self.branch_layers = branch_layers
        self._gain = self._gain_by_rule()

    def _gain_by_rule(self) -> float:
        function = _RULES[self.rule]
        takes = inspect.signature(function).parameters
        options = {}
        for name in ("part", "other_layers", "branch_layers"):
            value = getattr(self, name)
            if value is not None and name not in takes:
                raise ValueError(
                    f"The rule {self.rule!r} has no `{name}`. Received: "
                    f"{name}={value!r}. Leave it out."
                )
            if value is not None:
                options[name] = value
        return function(self.layers, **options)

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        return self._scaled(self._gain, shape, dtype)


class _OneNumber(Initializer):
    """Every value is the number `_number`."""

    _number: float

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        return Constant(self._number)._values(shape, dtype)


@register
class LayerScale(_OneNumber):
    """What the factors of LayerScale start from, one for each channel of a branch.

    W = 0.1 up to 18 layers, 1e-5 up to 24, and 1e-6 beyond: near 0, so that a deep
    vision transformer starts near the identity, but not at it. For shallow networks,
    and with Fixup or SkipInit, it has no use.

    Args:
        layers: blocks of the whole model, an integer >= 1.

    Raises:
        TypeError: where `layers` is no integer.
        ValueError: where it is below 1.

    Example:
        >>> factors = LayerScale(layers=24)((384,))

    Reference: Touvron et al., 2021, arXiv:2103.17239, section 2.
    """

    def __init__(self, layers: int) -> None:
        self.layers = checks.check_count("layers", layers)
        small = 1e-5 if self.layers <= 24 else 1e-6
        self._number = 0.1 if self.layers <= 18 else small


@register
class SkipInit(_OneNumber):
    """What the one learned factor on a residual branch starts from: 0.

    W = 0, for alpha in x + alpha f(x): the network starts as the identity, and trains
    at any depth without normalization. The branch itself keeps its own scheme, with
    which alpha gets a gradient at once; a branch that ends with `Zeros` as well would
    never learn. ReZero is the same scheme.

    Example:
        >>> alpha = SkipInit()(())

    Reference: De & Smith, 2020, arXiv:2002.10444; ReZero: Bachlechner et al., 2020,
    arXiv:2003.04887.
    """

    _number = 0.0


ReZero = SkipInit


def _stacks(
    layers: int, part: str | None, other_layers: int | None
) -> tuple[str | None, int, int]:
    """The stack of a weight, and the layers of encoder and decoder."""
    layers = checks.check_count("layers", layers)
    if part is None and other_layers is None:
        return None, layers, layers
    if part is None or other_layers is None:
        raise ValueError(
            "`part` and `other_layers` go together, where a model has an encoder and a "
            f"decoder. Received: part={part!r}, other_layers={other_layers!r}. Give "
            "both, or neither for a model of one stack."
        )
    part = checks.check_option("part", part, ("encoder", "decoder"))
    other = checks.check_count("other_layers", other_layers)
    return (part, layers, other) if part == "encoder" else (part, other, layers)
