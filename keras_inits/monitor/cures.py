"""What helps, as a line of Python: strings that name only `keras`, `keras_inits` and,
where it says so, the user's `model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from keras_inits.records import Layout, Weight
from keras_inits.theory import activation_names

__all__ = [
    "calmer_optimizer",
    "faster_optimizer",
    "fresh_layer",
    "leave_out",
    "living_layer",
    "safe_function",
    "scaled_optimizer",
    "wider_range",
]

_RECTIFIERS = {"relu", "relu6", "leaky_relu"}
_SQUASHING = {"sigmoid", "hard_sigmoid", "softsign", "log_sigmoid", "sparse_sigmoid"}
_RATE = 1e-3


def fresh_layer(weight: Weight) -> str:
    """The layer with a scheme that suits its activation, or with a better activation.

    Sigmoids get ReLU: their slope is at most 1/4, which no scheme makes up for.
    """
    activation = weight.activation
    if activation in _SQUASHING:
        activation = "relu"
    return _layer(weight, activation, _scheme(activation))


def living_layer(weight: Weight) -> str:
    """The layer with an activation that has a slope everywhere, biases at zero."""
    extra = ', bias_initializer="zeros"'
    return _layer(weight, "leaky_relu", _scheme("leaky_relu"), extra)


def calmer_optimizer(layout: Layout) -> str:
    """The run's optimizer at a hundredth of its learning rate, with a clipped norm."""
    rate = _number(layout.facts, "learning_rate")
    return _optimizer(layout, f"{(rate or _RATE * 100) / 100:.3g}, clipnorm=1.0")


def faster_optimizer(layout: Layout) -> str:
    """The run's optimizer at a learning rate that moves weights."""
    return _optimizer(layout, f"{_RATE:.3g}")


def scaled_optimizer(layout: Layout) -> str:
    """The run's optimizer with dynamic loss scaling around it."""
    rate = _number(layout.facts, "learning_rate") or _RATE
    inner = _optimizer(layout, f"{rate:.3g}").removeprefix("optimizer = ")
    return f"optimizer = keras.optimizers.LossScaleOptimizer({inner})"


def wider_range() -> str:
    """The floating point type with the range of float32, which needs no loss scale."""
    return 'keras.config.set_dtype_policy("mixed_bfloat16")'


def safe_function(name: str) -> str:
    """A function of `keras.ops` that keeps away from 0, where it or its slope ends."""
    return (
        f"safe_{name} = lambda x: "
        f"keras.ops.{name}(keras.ops.maximum(x, keras.config.epsilon()))"
    )


def leave_out(layer: str) -> str:
    """Takes a layer of `model` out of training, if it is meant to have no part."""
    return (
        "for v in model.variables: "
        f"v.trainable = v.trainable and not v.path.startswith({layer + '/'!r})"
    )


def _scheme(activation: str | None) -> str:
    if activation in _RECTIFIERS:
        return "keras_inits.HeNormal()"
    if activation == "tanh":
        return "keras_inits.Orthogonal()"
    if activation in (None, "linear", "selu", "softmax"):
        return "keras_inits.LecunNormal()"
    if activation not in activation_names():
        return "keras_inits.GlorotNormal()"
    return f'keras_inits.VarianceScaling(gain="{activation}")'


def _layer(weight: Weight, activation: str | None, scheme: str, extra: str = "") -> str:
    """The constructor where the kernel's shape tells it, or else the scheme alone."""
    shape = weight.shape
    kinds = {2: "Dense", 4: "Conv2D", 5: "Conv3D"}
    known = activation is None or hasattr(keras.activations, activation)
    if weight.role != "kernel" or len(shape) not in kinds or not known:
        return f"kernel_initializer = {scheme}"
    window = f", {shape[:-2]}" if len(shape) > 2 else ""
    named = f', activation="{activation}"' if activation else ""
    return (
        f"layer = keras.layers.{kinds[len(shape)]}({shape[-1]}{window}{named}, "
        f"kernel_initializer={scheme}{extra})"
    )


def _optimizer(layout: Layout, arguments: str) -> str:
    name = str(layout.facts.get("optimizer") or layout.optimizer)
    kind = getattr(keras.optimizers, name, None)
    if kind is None or name in ("LossScaleOptimizer", "Optimizer"):
        name = "Adam"
    return f"optimizer = keras.optimizers.{name}({arguments})"


def _number(facts: Mapping[str, Any], name: str) -> float | None:
    value = facts.get(name)
    return float(value) if isinstance(value, int | float) and value > 0 else None
