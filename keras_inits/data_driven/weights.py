"""What the weights alone say, before any data: fans, spread, twins, rank."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inits.architecture.fans import fans_by_weight
from keras_inits.architecture.host import on_host
from keras_inits.architecture.roles import own_weights, weight_role
from keras_inits.initializers.fans import compute_fans
from keras_inits.theory import gain

__all__ = ["RANK_COUNTED", "Kernel", "alike", "argument_for", "kernels_of"]

#: Ranks are counted up to this: enough to tell a matrix of rank 1 from a random one.
RANK_COUNTED = 64
# A sequence this long tells two draws apart beyond doubt.
_PREFIX = 256
_TOO_SHORT = 16
_FIRST_INPUTS = 8
_PART = 96

Array = NDArray[Any]


@dataclass(frozen=True)
class _Survey:
    """What is kept of a kernel's numbers, which are read once."""

    beginning: Array
    std: float
    is_zero: bool
    nonfinite: int
    rank: int
    twins: Array

    @classmethod
    def of(cls, kernel: Kernel) -> _Survey:
        values = kernel.values
        flat = values.reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):
            square = float(np.vdot(flat, flat)) / flat.size
            mean = float(flat.mean())
        nonfinite = 0
        if not math.isfinite(square):
            nonfinite = int(np.count_nonzero(~np.isfinite(flat)))
        # In single precision tiny squares are lost, large ones infinite, and of a
        # small difference of two large ones noise is left.
        if not 1e-30 < square < math.inf or mean**2 > 0.99 * square:
            exact = flat[np.isfinite(flat)].astype(np.float64)
            std = float(exact.std()) if exact.size else 0.0
        else:
            std = math.sqrt(square - mean**2)
        rows = kernel.units(values)
        return cls(
            beginning=flat[:_PREFIX].astype(np.float64),
            std=std,
            is_zero=square == 0.0 and not flat.any(),
            nonfinite=nonfinite,
            rank=0 if nonfinite else _rank(rows),
            twins=_twins(rows, kernel.bias),
        )


@dataclass(frozen=True, eq=False)
class Kernel:
    """One kernel or embedding of a layer.

    Args:
        layer: the layer.
        variable: the weight.
        name: how it ends the variable's path, as `"kernel"` or `"recurrent_kernel"`.
        role: `"kernel"` or `"embedding"`.
        fans: the true fans, None where the kind of layer is unknown.
        output_axes: the axes that count units.
        initializer: what the layer draws it with, where that can be told.
        bias: the layer's bias, if its entries belong to the same units.
    """

    layer: Any
    variable: Any
    name: str
    role: str
    fans: tuple[float, float] | None
    output_axes: tuple[int, ...]
    initializer: Any
    bias: Any

    @property
    def values(self) -> Array:
        """Its numbers, on the host. Not kept: a model's weights fill memory twice."""
        return np.asarray(on_host(self.variable), np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return tuple(self.variable.shape)

    @property
    def trainable(self) -> bool:
        """Whether training changes it."""
        return bool(self.variable.trainable)

    @cached_property
    def _survey(self) -> _Survey:
        return _Survey.of(self)

    @property
    def beginning(self) -> Array:
        """Its first entries."""
        return self._survey.beginning

    @property
    def std(self) -> float:
        """Standard deviation of its finite entries."""
        return self._survey.std

    @property
    def is_zero(self) -> bool:
        """Whether every entry is 0."""
        return self._survey.is_zero

    @property
    def nonfinite(self) -> int:
        """Entries that are NaN or infinite."""
        return self._survey.nonfinite

    @property
    def rank(self) -> int:
        """The rank as a map to its units, counted up to `RANK_COUNTED`."""
        return self._survey.rank

    @property
    def twins(self) -> Array:
        """For each unit the number of its group of equals, -1 where it has none."""
        return self._survey.twins

    @property
    def duplicates(self) -> int:
        """Units too many: how many have an equal that was there before them."""
        twins = self.twins
        return int(np.count_nonzero(twins >= 0)) - int(twins.max(initial=-1) + 1)

    def units(self, values: Array | None = None) -> Array:
        """A row a unit, of the kernel or of another array of its shape."""
        values = self.values if values is None else values
        axes = [axis % values.ndim for axis in self.output_axes]
        rest = [axis for axis in range(values.ndim) if axis not in axes]
        count = math.prod(values.shape[axis] for axis in axes)
        return values.transpose(*axes, *rest).reshape(count, -1)

    @property
    def assumed(self) -> tuple[float, float] | None:
        """The fans that its initializer took, where that is a scaled scheme."""
        if not hasattr(self.initializer, "mode"):
            return None
        fans = getattr(self.initializer, "fans", None)
        if fans is not None:
            found = fans(self.shape)
            return float(found[0]), float(found[1])
        axes = (
            getattr(self.initializer, "input_axes", None),
            getattr(self.initializer, "output_axes", None),
        )
        if None in axes and isinstance(self.layer, keras.layers.EinsumDense):
            axes = _told_axes(self.layer)
        found = compute_fans(self.shape, *axes)
        return float(found[0]), float(found[1])

    def drawn_std(self, fans: tuple[float, float]) -> float | None:
        """The std that its initializer gives with these fans."""
        scale = getattr(self.initializer, "scale", None)
        if scale is None:
            return None
        fan_in, fan_out = fans
        fan = {
            "fan_in": fan_in,
            "fan_out": fan_out,
            "fan_avg": (fan_in + fan_out) / 2,
            "fan_geo": math.sqrt(fan_in * fan_out),
        }.get(str(self.initializer.mode))
        return None if fan is None else math.sqrt(float(scale) / max(fan, 1.0))

    def expected_std(self, activation: str | None) -> float | None:
        """Gain / sqrt(true fan_in), for the activation that the layer's output meets.

        The gain is 1 where there is none or one that theory does not know.
        """
        if self.fans is None or self.role == "embedding":
            return None
        try:
            factor = gain(activation) if activation else 1.0
        except (ValueError, TypeError):
            factor = 1.0
        return factor / math.sqrt(max(self.fans[0], 1.0))


def _twins(rows: Array, bias: Any) -> Array:
    """For each row the number of its group of equals, -1 where it has none."""
    extra = None
    if bias is not None:
        extra = keras.ops.convert_to_numpy(bias.value).reshape(-1, 1)
    found = np.full(len(rows), -1)
    count = 0
    # Few units agree in their first inputs, so that few have to be read to the end.
    for alike in _groups(_joined(rows[:, :_FIRST_INPUTS], extra)):
        rest = None if extra is None else extra[alike]
        for members in _groups(_joined(rows[alike], rest)):
            found[np.asarray(alike)[members]] = count
            count += 1
    return found


def _rank(rows: Array) -> int:
    """The rank, counted up to `RANK_COUNTED`.

    Of a part, which has no larger rank than the whole: most kernels are done there.
    Else of the product with random matrices on both sides, which has the same rank.
    """
    count = int(min(*rows.shape, RANK_COUNTED))
    if _eliminated(rows[:_PART, :_PART].astype(np.float64), count) == count:
        return count
    largest = np.abs(rows).max()
    if largest == 0.0:
        return 0
    random = np.random.default_rng(0)
    mixed = (rows / largest) @ random.standard_normal((rows.shape[1], _PART))
    return _eliminated(random.standard_normal((_PART, len(rows))) @ mixed, count)


def _eliminated(matrix: Array, most: int) -> int:
    """How many pivots Gaussian elimination finds, up to so many.

    Written out, since LAPACK's threads cost more than matrices of this size.
    """
    limit = 1e-5 * np.abs(matrix).max(initial=0.0)
    for rank in range(most):
        row, column = np.unravel_index(np.abs(matrix).argmax(), matrix.shape)
        pivot = matrix[row, column]
        if abs(pivot) <= limit:
            return rank
        matrix = matrix - np.outer(matrix[:, column], matrix[row] / pivot)
    return most


def _joined(rows: Array, bias: Array | None) -> Array:
    return rows if bias is None else np.concatenate([rows, bias], axis=1)


def _groups(rows: Array) -> list[list[int]]:
    """The places of rows that are equal, for each set of at least two."""
    rows = np.ascontiguousarray(rows + np.float32(0.0))  # -0 is 0
    groups: dict[bytes, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(row.tobytes(), []).append(index)
    return [members for members in groups.values() if len(members) > 1]


def kernels_of(layer: Any) -> list[Kernel]:
    """The kernels and embeddings of an entry of `weight_layers`, in its own order."""
    try:
        rules = fans_by_weight(layer)
    except ValueError:
        rules = {}
    own = own_weights(layer)
    found = []
    for variable in own:
        role = weight_role(layer, variable)
        if role not in ("kernel", "embedding") or len(variable.shape) < 2:
            continue
        path = str(variable.path)
        # The longest name that ends the path, as "lstm_cell/recurrent_kernel".
        name = path.split("/")[-1]
        fans = next(
            (rules[end] for end in rules if f"/{path}".endswith(f"/{end}")), None
        )
        fans = fans or rules.get(name)
        axes = fans.output_axes if fans is not None else (-1,)
        found.append(
            Kernel(
                layer,
                variable,
                name,
                role,
                None if fans is None else fans(tuple(variable.shape)),
                tuple(axes),
                _initializer(layer, name),
                _bias(own, variable, axes),
            )
        )
    return found


def alike(kernels: Sequence[Kernel]) -> list[list[Kernel]]:
    """Groups of trainable kernels that were filled from one sequence of numbers.

    They are equal, or begin alike but for a factor, as draws with one seed for several
    shapes do. A kernel that is mostly zeros, or holds few different numbers, was not
    drawn at random and joins no group.
    """
    beginnings = []
    members = []
    for kernel in kernels:
        flat = kernel.beginning
        if not kernel.trainable or len(np.unique(flat)) < min(len(flat), _TOO_SHORT):
            continue
        if len(flat) < _TOO_SHORT or np.count_nonzero(flat) < len(flat) / 2:
            continue
        if not np.isfinite(flat).all():
            continue
        beginnings.append(np.resize(flat, _PREFIX) * (np.arange(_PREFIX) < len(flat)))
        members.append(kernel)
    groups: list[list[Kernel]] = []
    in_step = _in_step(np.reshape(beginnings, (-1, _PREFIX)))
    free = list(range(len(members)))
    while free:
        first, *others = free
        same = [other for other in others if in_step[first, other]]
        if same:
            groups.append([members[at] for at in (first, *same)])
        free = [at for at in others if at not in same]
    return groups


def _in_step(rows: Array) -> Array:
    """Which pairs of rows agree but for a factor, where neither is 0."""
    known = (rows != 0.0).astype(np.float64)
    squares = np.square(rows) @ known.T  # of one row, where the other is known
    near = rows @ rows.T > 0.99999 * np.sqrt(squares * squares.T)
    enough = known @ known.T >= _TOO_SHORT
    found: Array = near & enough
    return found


def _told_axes(layer: Any) -> tuple[list[int], list[int]]:
    """The axes that `EinsumDense` tells its scheme: what the output has is a unit."""
    inputs, output = layer.equation.split("->")
    kernel = inputs.split(",")[1].strip()
    given = [axis for axis, letter in enumerate(kernel) if letter in output]
    return [axis for axis in range(len(kernel)) if axis not in given], given


def argument_for(layer: Any, name: str) -> str:
    """The argument of the layer that says how a weight of this name is drawn."""
    if isinstance(layer, keras.layers.DepthwiseConv1D | keras.layers.DepthwiseConv2D):
        return "depthwise_initializer"
    if name in ("depthwise_kernel", "pointwise_kernel", "recurrent_kernel"):
        return name.replace("kernel", "initializer")
    return f"{name}_initializer"


def _initializer(layer: Any, name: str) -> Any:
    """What a layer, or what it wraps, draws this weight with."""
    attributes = {argument_for(layer, name), f"{name}_initializer"}
    for attribute in sorted(attributes):
        for part in (
            layer,
            getattr(layer, "cell", None),
            getattr(layer, "layer", None),
        ):
            found = getattr(part, attribute, None)
            if found is not None:
                return found
    return None


def _bias(own: Sequence[Any], kernel: Any, axes: Sequence[int]) -> Any:
    """The one bias with an entry for each unit of the kernel."""
    count = math.prod(kernel.shape[axis] for axis in axes)
    biases = [v for v in own if v.path.split("/")[-1].endswith("bias")]
    if len(biases) == 1 and math.prod(biases[0].shape) == count:
        return biases[0]
    return None
