"""How moments pass through each kind of Keras layer: one table, by class.

A rule takes the tape, the layer and the moments of its inputs, and returns those of
its output. What is not in the table is not guessed: `treat` raises `Untreated`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inits.architecture.host import on_host
from keras_inits.architecture.propagation.functions import activation_of
from keras_inits.architecture.propagation.moments import Moments
from keras_inits.architecture.propagation.softmax import softmax
from keras_inits.architecture.propagation.tape import Tape

__all__ = [
    "RULES",
    "Untreated",
    "activate",
    "array",
    "bias_moments",
    "channels_back",
    "channels_last",
    "finish",
    "kernel_of",
    "our_axes",
    "rule",
    "treat",
]

Floats = NDArray[np.float64]
Rule = Callable[[Tape, Any, Sequence[Moments], Mapping[str, Any]], Moments]


class Untreated(Exception):  # noqa: N818 - it is an answer, not an error
    """No rule says what an operation does; the text says why."""


RULES: dict[type, Rule] = {}


def rule(*kinds: type) -> Callable[[Rule], Rule]:
    """Put a rule into the table, for these classes of layers."""

    def put(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, function))
        return function

    return put


def treat(
    tape: Tape, layer: Any, inputs: Sequence[Moments], keywords: Mapping[str, Any]
) -> Moments:
    """The moments of a layer's output, by the rule of its class.

    Raises:
        Untreated: where no rule fits.
    """
    for kind in type(layer).__mro__:
        if kind in RULES:
            return RULES[kind](tape, layer, inputs, keywords)
        if "call" in kind.__dict__ and not kind.__module__.startswith("keras."):
            break
    raise Untreated(f"no rule for {type(layer).__name__}")


def array(variable: Any) -> Floats:
    """A weight's values, in float64."""
    return kernel_of(variable).astype(np.float64)


def kernel_of(variable: Any) -> NDArray[np.float32]:
    """A kernel's values, in float32: there may be very many."""
    return np.asarray(on_host(variable), dtype=np.float32)


def bias_moments(bias: Any) -> tuple[float, float]:
    """The mean and the mean square of a bias, 0 for none."""
    if bias is None:
        return 0.0, 0.0
    values = array(bias)
    return float(values.mean()), float((values**2).mean())


def activate(tape: Tape, x: Moments, function: Any) -> Moments:
    """An activation, given as layers hold it."""
    if function is None:
        return x
    name = getattr(function, "__name__", None)
    if name == "linear":
        return x
    if name == "softmax":
        return softmax(tape, x)
    found = activation_of(function)
    if found is None:
        raise Untreated(f"its activation {name or function!r} mixes units")
    return tape.apply(x, found)


def finish(tape: Tape, layer: Any, x: Moments, before: Moments) -> Moments:
    """The layer's activation, and its row of the table."""
    after = activate(tape, before, getattr(layer, "activation", None))
    return tape.read(layer, x, before, after)


def channels_last(tape: Tape, layer: Any, x: Moments) -> Moments:
    """With the channels' axis at the end, wherever the layer has it."""
    if getattr(layer, "data_format", None) != "channels_first":
        return x
    return tape.permute(x, (*range(1, len(x.shape)), 0))


def channels_back(tape: Tape, layer: Any, x: Moments) -> Moments:
    """With the channels' axis from the end to where the layer has it."""
    if getattr(layer, "data_format", None) != "channels_first":
        return x
    return tape.permute(x, (len(x.shape) - 1, *range(len(x.shape) - 1)))


def our_axes(axis: Any, x: Moments) -> list[int]:
    """Keras's axes, which count the batch's, as ours."""
    given = axis if isinstance(axis, list | tuple) else [axis]
    rank = len(x.shape) + 1
    return sorted(a % rank - 1 for a in given)
