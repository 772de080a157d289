"""What cures a finding: lines of Python that run.

They may use `keras`, `keras_inits` and `numpy`, imported under these names, and
`model`, `x` and `y` as given to `diagnose`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from keras_inits.architecture.fans import fans_by_weight
from keras_inits.data_driven.weights import Kernel
from keras_inits.initializers import Fans
from keras_inits.theory import gain

__all__ = ["initializer_for", "layer_with", "redraw"]

# Longer calls are written with an argument a line.
_LINE = 80
_RELUS = ("relu", "relu6")


def initializer_for(kernel: Kernel, activation: str | None) -> str:
    """A scheme that holds the signal's size through this kernel and its activation."""
    fans = _fans_text(kernel)
    arguments = [f"fans={fans}"] if fans else []
    if activation in _RELUS:
        return f"keras_inits.HeNormal({', '.join(arguments)})"
    if activation is None or not _has_gain(activation):
        return f"keras_inits.LecunNormal({', '.join(arguments)})"
    arguments = [f'gain="{activation}"', *arguments]
    return f"keras_inits.VarianceScaling({', '.join(arguments)})"


def layer_with(layer: Any, **changes: str) -> str:
    """The call that makes the layer anew, with some arguments given as code.

    What the layer's configuration holds beside the defaults is repeated. For a layer
    whose arguments cannot be written down, the cure is another: see `redraw`.

    Raises:
        ValueError: for a layer that is none of Keras's own, or of plain arguments.
    """
    kind = type(layer)
    if not kind.__module__.startswith("keras."):
        raise ValueError(f"{kind.__name__} is none of Keras's layers.")
    arguments = {**_arguments(layer), **changes}
    named = [f"{name}={text}" for name, text in arguments.items()]
    line = f"keras.layers.{kind.__name__}({', '.join(named)})"
    if len(line) <= _LINE:
        return line
    body = "".join(f"    {part},\n" for part in named)
    return f"keras.layers.{kind.__name__}(\n{body})"


def redraw(kernel: Kernel, scheme: str) -> str:
    """Lines that fill a weight of the model anew."""
    return (
        f'weight = next(w for w in model.weights if w.path == "{kernel.variable.path}")'
        f"\nweight.assign({scheme}(weight.shape))"
    )


def _arguments(layer: Any) -> dict[str, str]:
    config: Mapping[str, Any] = layer.get_config()
    found = {}
    for name, parameter in inspect.signature(type(layer).__init__).parameters.items():
        if name not in config or name in ("self", "name", "dtype", "trainable"):
            continue
        value = config[name]
        if name.endswith(("_initializer", "_regularizer", "_constraint")):
            continue
        if value == parameter.default or value is None:
            continue
        if name == "activation" and value == "linear":
            continue
        if not _is_plain(value):
            raise ValueError(f"{name}={value!r} is no plain argument.")
        found[name] = f'"{value}"' if _is_word(value) else repr(value)
    return found


def _is_word(value: Any) -> bool:
    """Whether it can stand in double quotes, as the rest of a cure does."""
    return isinstance(value, str) and value.isidentifier()


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)


def _fans_text(kernel: Kernel) -> str:
    """The fans to name in the scheme, empty where its shape tells them."""
    if kernel.fans is None or kernel.assumed == kernel.fans:
        return ""
    if kernel.role == "embedding":
        return "keras_inits.Fans.embedding()"
    if len(kernel.shape) == 2 and kernel.fans == tuple(map(float, kernel.shape)):
        return ""
    try:
        rules = fans_by_weight(kernel.layer)
    except ValueError:
        return ""
    path = f"/{kernel.variable.path}"
    for name, fans in rules.items():
        if path.endswith(f"/{name}") or name == kernel.name:
            return _preset(fans)
    return ""


def _preset(fans: Fans) -> str:
    """A preset's name where one gives these fans, else every field."""
    for name in ("dense", "depthwise", "convolution", "transposed_convolution"):
        if getattr(Fans, name)() == fans:
            return f"keras_inits.Fans.{name}()"
    for count in (3, 4):
        if Fans.gates(count) == fans:
            return f"keras_inits.Fans.gates({count})"
    return f"keras_inits.{fans!r}"


def _has_gain(activation: str) -> bool:
    try:
        gain(activation)
    except ValueError:
        return False
    return True
