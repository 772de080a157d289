"""Schemes for recurrent layers: biases of gates, reservoirs.

Gates lie side by side in Keras's order: input, forget, cell, output in an `LSTM`;
update, reset, candidate in a `GRU`. For kernels, `Blockwise` draws each gate by itself;
`Identity()` as the recurrent kernel of a ReLU `SimpleRNN` is the IRNN.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_inits.initializers import checks, laws
from keras_inits.initializers.base import (
    Initializer,
    RandomInitializer,
    made_whole,
    register,
)
from keras_inits.initializers.nesting import cast_last
from keras_inits.initializers.stream import Index, Stream, empty, precision_of

__all__ = ["ChronoBias", "EchoState", "UnitForgetBias"]

# The number of gates, the one that keeps the state where it is open, and the one that
# lets the input in. A GRU's update gate does both.
_GATES: dict[str, tuple[int, int, int | None]] = {
    "lstm": (4, 1, 0),
    "gru": (3, 0, None),
}

_DISTRIBUTIONS: dict[str, laws.Law] = {
    "uniform": laws.Uniform(-1.0, 1.0),
    "normal": laws.Normal(0.0, 1.0),
}
# How often a reservoir is drawn in search of one with a cycle.
_TRIES = 100


def _check_bias(scheme: str, shape: tuple[int, ...], units: int, cell: str) -> None:
    """Raises where a shape is not that of the whole bias of a layer."""
    size = _GATES[cell][0] * units
    if cell == "lstm" and shape != (size,):
        raise ValueError(
            f"{scheme} fills the whole bias of an LSTM, shape (4 * units,) = ({size},)."
            f" Received: shape={shape}, units={units}. By default an LSTM sets the bias"
            " of its forget gate itself and asks for the rest in two parts: build it "
            "with unit_forget_bias=False. A ConvLSTM's units are its filters."
        )
    if cell == "gru" and shape not in ((size,), (2, size)):
        raise ValueError(
            f"{scheme} fills the whole bias of a GRU, shape (2, 3 * units) = "
            f"(2, {size}), or ({size},) with reset_after=False. Received: shape={shape}"
            f", units={units}, cell='gru'. Give the layer's units."
        )


def _fill_gates(
    shape: tuple[int, ...], units: int, cell: str, keep: Any, admit: Any, dtype: Any
) -> Any:
    """A bias that is 0 but for the gates that keep the state and admit the input."""
    _, keeping, admitting = _GATES[cell]
    out = empty(shape, dtype)
    out[...] = 0
    # One row for each gate. A GRU may have twice as many, and adds them up: the second
    # half stays 0.
    gates = out.reshape(-1, units)
    gates[keeping] = keep
    if admitting is not None:
        gates[admitting] = admit
    return out


@register
class ChronoBias(RandomInitializer):
    """Biases of gates that spread the memory of the units over time scales.

    b_forget = log(T - 1) and b_input = -log(T - 1) with T from
    U[min_steps, max_steps), every other bias 0: a unit then forgets within about T
    steps. In a GRU the update gate gets log(T - 1), since Keras's new state is
    z * old + (1 - z) * candidate; with `reset_after` (Keras's default) in the first of
    the two rows that are added up.

    For dependencies over hundreds of steps, with `max_steps` their longest range. Not
    with the default `unit_forget_bias=True` of `LSTM`, which overwrites it: that is an
    error.

    Args:
        units: of the layer; a ConvLSTM's filters.
        max_steps: the longest dependency in time steps, a number > `min_steps`.
        cell: `"lstm"` or `"gru"`.
        seed: see `RandomInitializer`.
        min_steps: the shortest dependency, a number >= 2.

    Raises:
        TypeError: where a number is of another kind, or the seed.
        ValueError: where a number is out of range or `cell` is unknown; when called,
            where the shape is not that of the whole bias, as with
            `unit_forget_bias=True`.

    Example:
        >>> bias = ChronoBias(64, max_steps=784, seed=1)((256,))

    Reference: Tallec & Ollivier, 2018, arXiv:1804.11188, section 3.
    """

    def __init__(
        self,
        units: int,
        max_steps: float,
        cell: str = "lstm",
        seed: Any = None,
        *,
        min_steps: float = 2,
    ) -> None:
        super().__init__(seed)
        self.units = checks.check_count("units", units)
        self.cell = checks.check_option("cell", cell, tuple(_GATES))
        self.min_steps = checks.check_number("min_steps", min_steps, least=2)
        self.max_steps = checks.check_number("max_steps", max_steps)
        if self.max_steps <= self.min_steps:
            raise ValueError(
                "`max_steps` must be above `min_steps`. Received: "
                f"max_steps={max_steps}, min_steps={min_steps}. UnitForgetBias() gives "
                "all units one memory."
            )

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        _check_bias("ChronoBias", shape, self.units, self.cell)
        return super()._check(shape, dtype)

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        law = laws.Uniform(self.min_steps - 1, self.max_steps - 1)
        precision = precision_of(dtype)
        bias = np.log(self._stream(shape).draw(law, (self.units,), precision))
        whole = _fill_gates(shape, self.units, self.cell, bias, -bias, dtype)
        return lambda index: whole if index is None else whole[index]


@register
class UnitForgetBias(Initializer):
    """The bias of the gate that keeps the state is `value`, every other 0.

    b_forget = value: the state then decays by sigmoid(value) a step, 0.73 at 1, so that
    gradients pass through many steps from the start. In a GRU it is the update gate
    that keeps.

    Keras's `LSTM` does this with value 1 by default. Use it, with
    `unit_forget_bias=False`, for other values, as well as for GRUs and packed biases of
    one's own cells. For dependencies of known range, `ChronoBias` spreads the values.

    Args:
        units: of the layer; a ConvLSTM's filters.
        value: a number.
        cell: `"lstm"` or `"gru"`.

    Raises:
        TypeError: where a number is of another kind.
        ValueError: where `units` is below 1, `value` NaN or infinite, or `cell`
            unknown; when called, where the shape is not that of the whole bias, as with
            `unit_forget_bias=True`.

    Example:
        >>> bias = UnitForgetBias(64, value=2.0)((256,))

    Reference: Gers et al., 2000, doi:10.1162/089976600300015015; Jozefowicz et al.,
    2015, https://proceedings.mlr.press/v37/jozefowicz15.html.
    """

    def __init__(self, units: int, value: float = 1.0, cell: str = "lstm") -> None:
        self.units = checks.check_count("units", units)
        self.value = checks.check_number("value", value)
        self.cell = checks.check_option("cell", cell, tuple(_GATES))

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        _check_bias("UnitForgetBias", shape, self.units, self.cell)
        return super()._check(shape, dtype)

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        whole = _fill_gates(shape, self.units, self.cell, self.value, 0, dtype)
        return lambda index: whole if index is None else whole[index]


@register
class EchoState(RandomInitializer):
    """A sparse random recurrent matrix of a given spectral radius: a reservoir.

    W = radius * V / max |eigenvalue of V|, where each value of V is non-zero with
    probability `density`. At a radius below 1 the state of a tanh network forgets its
    start in practice (the echo state property), at about 1 as slowly as can be.

    For the recurrent kernel of a `SimpleRNN` that is not trained, while its readout is.
    Where the kernel is trained, `Orthogonal` keeps gradients better. The eigenvalues
    take about 10 n^3 operations for n units.

    Args:
        radius: the largest magnitude of an eigenvalue, a number > 0.
        density: the share of non-zero weights, above 0 and at most 1.
        distribution: of the non-zero weights before they are scaled: `"uniform"` around
            0, or `"normal"`.
        seed: see `RandomInitializer`.

    Raises:
        TypeError: where a number is of another kind, or the seed.
        ValueError: where a number is out of range or the distribution unknown; when
            called, where the shape is not a square matrix, or so small and sparse that
            each of 100 draws has no eigenvalue but 0.

    Example:
        >>> recurrent = EchoState(radius=0.95, density=0.1, seed=1)((200, 200))

    Reference: Jaeger, 2001, "The echo state approach to analysing and training
    recurrent neural networks", GMD Report 148.
    """

    def __init__(
        self,
        radius: float = 0.9,
        density: float = 0.1,
        distribution: str = "uniform",
        seed: Any = None,
    ) -> None:
        super().__init__(seed)
        self.radius = checks.check_positive("radius", radius)
        self.density = checks.check_number("density", density, most=1)
        checks.check_positive("density", density)
        self.distribution = checks.check_option(
            "distribution", distribution, tuple(_DISTRIBUTIONS)
        )

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(
                "EchoState fills square matrices, which have eigenvalues. Received: "
                f"shape={shape}. Use it as the recurrent_initializer of a SimpleRNN; "
                "for the gates of an LSTM, as Blockwise(EchoState(), 4)."
            )
        return super()._check(shape, dtype)

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        stream = self._stream(shape)
        # An eigenvalue depends on every value.
        return made_whole(lambda: self._reservoir(stream, shape, dtype))

    def _reservoir(self, stream: Stream, shape: tuple[int, ...], dtype: Any) -> Any:
        if 0 in shape:
            return empty(shape, dtype)
        law, share = _DISTRIBUTIONS[self.distribution], laws.Uniform(0.0, 1.0)
        precision = precision_of(dtype)
        for attempt in range(_TRIES):
            matrix = stream.draw(law, shape, precision, lane=2 * attempt)
            place = stream.draw(share, shape, precision, lane=2 * attempt + 1)
            matrix[place >= self.density] = 0
            matrix = matrix.astype(np.float64)
            # Exactly 0 without a cycle: LAPACK permutes such a matrix to a triangle.
            found = float(np.abs(np.linalg.eigvals(matrix)).max())
            if found > 0:
                return cast_last(matrix * (self.radius / found), dtype)
        raise ValueError(
            "A reservoir this small and sparse has no cycle, so that its spectral "
            f"radius is 0 and can't be scaled. Received: shape={shape}, "
            f"density={self.density}. Raise the density."
        )
