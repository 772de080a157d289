"""How moments pass through `keras.ops` calls in a model, which are no layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inits.architecture.propagation import moments
from keras_inits.architecture.propagation.functions import entry_by_entry
from keras_inits.architecture.propagation.mixing import Kernel, Mixing
from keras_inits.architecture.propagation.moments import Moments
from keras_inits.architecture.propagation.rules import Untreated
from keras_inits.architecture.propagation.softmax import softmax
from keras_inits.architecture.propagation.tape import Tape

__all__ = ["operate"]

Floats = NDArray[np.float64]
Rule = Callable[[Tape, Any, Sequence[Any], Mapping[str, Any]], Moments]


def operate(
    tape: Tape, operation: Any, given: Sequence[Any], keywords: Mapping[str, Any]
) -> Moments:
    """The moments of what an operation makes.

    Args:
        tape: where to note it.
        operation: a `keras.Operation` that is no layer.
        given: its positional arguments, with moments in place of tensors.
        keywords: its keyword arguments, likewise.

    Raises:
        Untreated: where no rule fits.
    """
    name = type(operation).__name__
    if name in _RULES:
        return _RULES[name](tape, operation, given, keywords)
    tensors = [item for item in given if isinstance(item, Moments)]
    if len(tensors) == 1 and len(given) == 1:
        function = entry_by_entry(operation)
        if function is not None:
            return tape.apply(tensors[0], function)
    raise Untreated(f"no rule for the operation {name}")


def _operands(tape: Tape, given: Sequence[Any]) -> list[Moments]:
    """Moments of two operands, weights and numbers among them."""
    found = []
    for item in given:
        if isinstance(item, Moments):
            found.append(item)
            continue
        values = _values(item)
        rank = max(len(x.shape) for x in given if isinstance(x, Moments))
        if values.ndim > rank:  # one for each example
            if (values != values[:1]).any():
                raise Untreated("a constant that differs between examples")
            values = values[0]
        found.append(tape.source(moments.constant(values)))
    return found


def _values(item: Any) -> Floats:
    return np.asarray(keras.ops.convert_to_numpy(item), dtype=np.float64)


def _sum_of(signs: tuple[float, float]) -> Rule:
    def rule(
        tape: Tape, operation: Any, given: Sequence[Any], _: Mapping[str, Any]
    ) -> Moments:
        constants = [item for item in given if not isinstance(item, Moments)]
        if len(constants) == 1 and np.ndim(constants[0]) == 0:
            offset = float(_values(constants[0]))
            first, second = signs
            if isinstance(given[0], Moments):
                return tape.apply(given[0], lambda z: first * z + second * offset)
            return tape.apply(given[1], lambda z: first * offset + second * z)
        return tape.add(_operands(tape, given), list(signs))

    return rule


def _product(
    tape: Tape, operation: Any, given: Sequence[Any], _: Mapping[str, Any]
) -> Moments:
    for item, other in (given, given[::-1]):
        if not isinstance(item, Moments) and np.ndim(item) == 0:
            return tape.scale(other, float(_values(item)))
    return tape.multiply(_operands(tape, given))


def _quotient(
    tape: Tape, operation: Any, given: Sequence[Any], _: Mapping[str, Any]
) -> Moments:
    over, under = given
    if isinstance(under, Moments):
        raise Untreated("a division by a tensor")
    if np.ndim(under) == 0:
        return tape.scale(over, 1 / float(_values(under)))
    return tape.multiply(_operands(tape, [over, 1 / _values(under)]))


def _matmul(
    tape: Tape, operation: Any, given: Sequence[Any], _: Mapping[str, Any]
) -> Moments:
    x, weight = given
    if not isinstance(x, Moments) or isinstance(weight, Moments):
        raise Untreated("a product of two tensors")
    values = _values(weight)
    if values.ndim != 2:
        raise Untreated(f"a product with a weight of {values.ndim} axes")
    free = "abdeghij"[: len(x.shape) - 1]
    mixing = Mixing(Kernel.of(values), free + "c", "cf", free + "f")
    owner = tape.owners.get(id(weight), operation)
    return tape.mix(owner, x, mixing, weight=str(getattr(weight, "path", "kernel")))


def _axes(axis: Any, x: Moments) -> list[int]:
    if axis is None:
        raise Untreated("a reduction over the batch")
    given = axis if isinstance(axis, list | tuple) else [axis]
    found = sorted(a % (len(x.shape) + 1) - 1 for a in given)
    if found[0] < 0:
        raise Untreated("a reduction over the batch")
    return found


def _reduce(mean: bool) -> Rule:
    def rule(
        tape: Tape, operation: Any, given: Sequence[Any], _: Mapping[str, Any]
    ) -> Moments:
        (x,) = given
        axes = _axes(operation.axis, x)
        found: Moments = x
        for axis in axes:
            size = x.shape[axis]
            share = 1 / size if mean else 1.0
            found = tape.along(found, axis, np.full((1, size), share))
        if operation.keepdims:
            return found
        kept = [size for i, size in enumerate(x.shape) if i not in axes]
        return tape.reshape(found, kept)

    return rule


def _reshape(
    tape: Tape, operation: Any, given: Sequence[Any], _: Mapping[str, Any]
) -> Moments:
    (x,) = given
    wanted = list(operation.newshape[1:])
    if wanted.count(-1) > 1 or any(not isinstance(size, int) for size in wanted):
        raise Untreated("a reshape to a size that is not known")
    known = math.prod(size for size in wanted if size != -1)
    wanted = [math.prod(x.shape) // known if size == -1 else size for size in wanted]
    if math.prod(wanted) != math.prod(x.shape):
        raise Untreated("a reshape that joins examples")
    return tape.reshape(x, wanted)


def _transpose(
    tape: Tape, operation: Any, given: Sequence[Any], _: Mapping[str, Any]
) -> Moments:
    if operation.axes is None or operation.axes[0] != 0:
        raise Untreated("a transpose of the batch's axis")
    return tape.permute(given[0], [axis - 1 for axis in operation.axes[1:]])


def _concatenate(
    tape: Tape, operation: Any, given: Sequence[Any], _: Mapping[str, Any]
) -> Moments:
    terms = _operands(tape, given[0])
    axis = _axes(operation.axis, terms[0])[0]
    # A weight, such as a token that is put in front, has fewer axes or size 1.
    rank = max(len(x.shape) for x in terms)
    full = []
    for x in terms:
        if len(x.shape) < rank:
            x = tape.broadcast(x, (*(1,) * (rank - len(x.shape)), *x.shape))
        full.append(x)
    return tape.concatenate(full, axis)


def _get_item(
    tape: Tape, operation: Any, given: Sequence[Any], _: Mapping[str, Any]
) -> Moments:
    x, key = given
    keys = list(key) if isinstance(key, list | tuple) else [key]
    if Ellipsis in keys:
        at = keys.index(Ellipsis)
        missing = len(x.shape) + 1 - (len(keys) - 1)
        keys[at : at + 1] = [slice(None)] * missing
    if keys[0] != slice(None) or any(
        not isinstance(item, slice | int) for item in keys
    ):
        raise Untreated("an index that is not plain")
    dropped = []
    for axis, item in enumerate(keys[1:]):
        if item == slice(None):
            continue
        rows = np.eye(x.shape[axis])[item]
        if isinstance(item, int):
            dropped.append(axis)
            rows = rows[None]
        x = tape.along(x, axis, rows)
    return tape.reshape(x, [s for i, s in enumerate(x.shape) if i not in dropped])


def _squeeze(
    tape: Tape, operation: Any, given: Sequence[Any], _: Mapping[str, Any]
) -> Moments:
    axes = _axes(operation.axis, given[0])
    return tape.reshape(
        given[0], [size for i, size in enumerate(given[0].shape) if i not in axes]
    )


def _expand(
    tape: Tape, operation: Any, given: Sequence[Any], _: Mapping[str, Any]
) -> Moments:
    (x,) = given
    if not isinstance(operation.axis, int) or operation.axis == 0:
        raise Untreated("new axes that are not plain")
    at = operation.axis % (len(x.shape) + 2) - 1
    return tape.reshape(x, (*x.shape[:at], 1, *x.shape[at:]))


def _softmax(
    tape: Tape, operation: Any, given: Sequence[Any], _: Mapping[str, Any]
) -> Moments:
    (x,) = given
    if operation.axis not in (-1, len(x.shape)):
        raise Untreated("a softmax over another axis than the last")
    return softmax(tape, x)


def _same(
    tape: Tape, operation: Any, given: Sequence[Any], _: Mapping[str, Any]
) -> Moments:
    found: Moments = given[0]
    return found


_RULES: dict[str, Rule] = {
    "Add": _sum_of((1.0, 1.0)),
    "Subtract": _sum_of((1.0, -1.0)),
    "Multiply": _product,
    "Divide": _quotient,
    "TrueDivide": _quotient,
    "Matmul": _matmul,
    "Mean": _reduce(mean=True),
    "Sum": _reduce(mean=False),
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Concatenate": _concatenate,
    "GetItem": _get_item,
    "Squeeze": _squeeze,
    "ExpandDims": _expand,
    "Softmax": _softmax,
    "Cast": _same,
    "Identity": _same,
    "StopGradient": _same,
}
