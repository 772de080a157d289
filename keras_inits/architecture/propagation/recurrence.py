"""Moments through recurrent layers: a step after another, until they settle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inits.architecture.propagation import moments
from keras_inits.architecture.propagation.functions import activation_of
from keras_inits.architecture.propagation.gaussians import Response
from keras_inits.architecture.propagation.mixing import Kernel, Mixing
from keras_inits.architecture.propagation.moments import Moments
from keras_inits.architecture.propagation.rules import Untreated, array, rule, treat
from keras_inits.architecture.propagation.tape import Tape

__all__: list[str] = []

Floats = NDArray[np.float64]
_Function = Callable[[Any], Any]


@dataclass
class _Step:
    """The state after a step, and how a gradient goes back through it.

    Args:
        state: pair moments by batch and time, as of any tensor.
        mean: of the state.
        inner: pair moments of an LSTM's cell state.
        inner_mean: its mean.
        echo: what the memory has in common with what is about to enter it.
        slopes: for each gate, the mean square of the derivative of the state that
            remembers by the gate's input.
        through: that of the derivative by which the gate reaches the recurrent kernel.
        kept: that of the state that remembers by itself a step before.
        out: that of the output by the cell state.
    """

    state: Floats
    mean: float
    inner: Floats
    inner_mean: float
    echo: Floats
    slopes: Floats
    through: Floats
    kept: float
    out: float


def _gate(function: _Function, mean: float, raw: Floats) -> tuple[Response, Floats]:
    """A function of Gaussian pre-activations, and its pair moments."""
    variance = float(raw.flat[0]) - mean * mean
    if variance <= 1e-12:
        response = Response(function, mean, 0.0)
        return response, np.full_like(raw, response.square)
    response = Response(function, mean, variance)
    return response, response.pair((raw - mean * mean) / variance)


class _Cell:
    """The functions, the recurrent kernel and the biases of a cell, gate by gate."""

    def __init__(self, layer: Any, gates: int, length: int) -> None:
        cell = layer.cell
        self.length = length
        self.units, self.gates = cell.units, gates
        self.activation = _function(cell.activation)
        self.recurrent = _function(getattr(cell, "recurrent_activation", None))
        kernel = array(cell.recurrent_kernel).reshape(self.units, gates, self.units)
        self.kernel = kernel
        # The mean square that a state of mean square 1 brings to each gate.
        self.gains = (kernel**2).mean(axis=(0, 2)) * self.units
        bias = np.zeros((1, gates, self.units))
        if cell.use_bias:
            bias = array(cell.bias).reshape(-1, gates, self.units)
        self.bias, self.squares = bias.mean(axis=2), (bias**2).mean(axis=2)
        self.reset_after = bool(getattr(cell, "reset_after", False))

    def simple(self, given: Floats, last: _Step) -> _Step:
        raw = given[0] + self.gains[0] * last.state
        response, state = _gate(self.activation, float(self.bias[0, 0]), raw)
        slopes = np.array([response.slope_square])
        none = np.zeros_like(state)
        still = np.zeros((len(state), 1))
        return _Step(state, response.mean, none, 0.0, still, slopes, slopes, 0.0, 1.0)

    def long_short(self, given: Floats, last: _Step) -> _Step:
        raw = given + self.gains[:, None, None] * last.state
        made = [
            _gate(function, float(self.bias[0, gate]), raw[gate])
            for gate, function in enumerate(
                (self.recurrent, self.recurrent, self.activation, self.recurrent)
            )
        ]
        (enter, a), (forget, f), (new, g), (leave, o) = made
        entered = a * g
        inner = f * last.inner + entered + 2 * forget.mean * last.echo
        inner += self._lasting(forget.mean, entered)
        echo = forget.mean * last.echo + entered[:, 1:]
        mean = forget.mean * last.inner_mean + enter.mean * new.mean
        shown, h = _gate(self.activation, mean, inner)
        slopes = np.array(
            [
                enter.slope_square * g.flat[0],
                forget.slope_square * last.inner.flat[0],
                a.flat[0] * new.slope_square,
                0.0,
            ]
        )
        through = np.array([0.0, 0.0, 0.0, leave.slope_square * h.flat[0]])
        out = float(o.flat[0]) * shown.slope_square
        return _Step(
            o * h,
            leave.mean * shown.mean,
            inner,
            mean,
            echo,
            slopes,
            through,
            float(f.flat[0]),
            out,
        )

    def gated(self, given: Floats, last: _Step) -> _Step:
        back = self.gains[:, None, None] * last.state
        own = self.bias.sum(axis=0)
        update, z = _gate(self.recurrent, float(own[0]), given[0] + back[0])
        reset, r = _gate(self.recurrent, float(own[1]), given[1] + back[1])
        extra = self.squares[1, 2] if self.reset_after and len(self.bias) > 1 else 0.0
        raw = given[2] + r * (back[2] + extra)
        new, n = _gate(self.activation, float(self.bias[0, 2]), raw)
        rest = 1 - 2 * update.mean + z
        state = z * last.state + rest * n + 2 * (update.mean - z) * last.echo
        state += self._lasting(update.mean, rest * n)
        echo = update.mean * last.echo + (1 - update.mean) * n[:, 1:]
        mean = update.mean * last.mean + (1 - update.mean) * new.mean
        change = float(last.state.flat[0] + n.flat[0] - 2 * last.mean * new.mean)
        fresh = float(rest.flat[0]) * new.slope_square
        slopes = np.array(
            [
                update.slope_square * change,
                fresh * reset.slope_square * float(back[2].flat[0]),
                fresh,
            ]
        )
        through = slopes * np.array([1.0, 1.0, float(r.flat[0])])
        kept = float(z.flat[0])
        none = np.zeros_like(state)
        return _Step(state, mean, none, 0.0, echo, slopes, through, kept, 1.0)

    def _lasting(self, kept: float, entered: Floats) -> Floats:
        """What two steps have in common since the later one remembers the earlier."""
        lags = np.arange(1, self.length)
        share = 2 * (self.length - lags) / max(self.length * (self.length - 1), 1)
        common = float(share @ kept**lags) * (entered[:, 0] - entered[:, 1])
        return np.stack([np.zeros_like(common), common], axis=1)


def _function(given: Any) -> _Function:
    if given is None:
        return lambda z: z
    found = activation_of(given)
    if found is None:
        raise Untreated(f"its activation {given!r} mixes units")
    return found


@rule(keras.layers.SimpleRNN, keras.layers.LSTM, keras.layers.GRU)
def _recurrent(
    tape: Tape, layer: Any, inputs: Sequence[Moments], keywords: Mapping[str, Any]
) -> Moments:
    x = inputs[0]
    given = keywords.get("initial_state")
    if len(inputs) > 1 or given is not None or layer.return_state:
        raise Untreated("states that come in or go out")
    gates = _GATES[type(layer.cell)]
    cell = _Cell(layer, gates, x.shape[0])
    kernel = array(layer.cell.kernel).reshape(x.shape[-1], gates, cell.units)
    mixing = Mixing(Kernel.of(kernel), "tc", "cgu", "tgu")
    entered = tape.mix(None, x, mixing)
    steps = _run(cell, entered, x.shape[0])
    made = _outputs(layer, cell, entered, steps)

    def pull(gradient: Moments) -> list[Moments]:
        return [_back(layer, cell, entered, steps, gradient)]

    tape.note(made, [entered], pull)
    return tape.read(layer, x, None, made)


def _run(cell: _Cell, entered: Moments, length: int) -> list[_Step]:
    kind = len(entered.pairs)
    advance = {1: cell.simple, 4: cell.long_short, 3: cell.gated}[cell.gates]
    zero = np.zeros((kind, 2))
    none = np.zeros(0)
    step = _Step(zero, 0.0, zero, 0.0, zero[:, 1:], none, none, 0.0, 1.0)
    raw = np.stack([entered.raw[:, :, 0, 0]] * cell.gates)
    bias = cell.squares.sum(axis=0)
    if cell.gates == 3 and cell.reset_after:
        bias = bias - np.array([0.0, 0.0, *cell.squares[1:, 2]])[: len(bias)]
    if len(cell.bias) > 1:  # two biases add up: the cross term counts too
        cross = 2 * cell.bias[0] * cell.bias[1]
        bias = bias + cross * ([1, 1, 0] if cell.reset_after else [1, 1, 1])
    given = raw + bias[:, None, None]
    steps: list[_Step] = []
    for _ in range(length):
        before, step = step, advance(given, step)
        steps.append(step)
        if np.allclose(before.state, step.state, rtol=1e-7, atol=0) and np.allclose(
            before.inner, step.inner, rtol=1e-7, atol=0
        ):
            steps += [step] * (length - len(steps))
            break
    return steps


def _outputs(
    layer: Any, cell: _Cell, entered: Moments, steps: Sequence[_Step]
) -> Moments:
    """Of the sequence or the last state; units are alike but for their means."""
    taken = steps if layer.return_sequences else steps[-1:]
    raw = np.mean([step.state for step in taken], axis=0)
    mean = np.array([step.mean for step in taken])
    apart = np.full_like(raw, (mean**2).mean())
    raw = np.stack([raw, apart], axis=-1)
    square = np.array([step.state.flat[0] for step in taken])
    if layer.return_sequences:
        shape: tuple[int, ...] = (len(steps), cell.units)
        return moments.moments_of(shape, mean[:, None], square[:, None], raw)
    return moments.moments_of((cell.units,), mean, square, raw[:, 0])


def _back(
    layer: Any, cell: _Cell, entered: Moments, steps: Sequence[_Step], gradient: Moments
) -> Moments:
    """Backpropagation through time, in mean squares, down to what enters the gates."""
    length = len(steps)
    if layer.return_sequences:
        arriving = np.broadcast_to(gradient.square.mean(axis=1), length)
    else:
        arriving = np.zeros(length)
        arriving[-1] = gradient.level
    by_gate = np.zeros((length, cell.gates))
    state, inner = 0.0, 0.0
    for t in range(length - 1, -1, -1):
        step = steps[t]
        state = state + arriving[t]
        if cell.gates == 4:
            inner = inner + step.out * state
            by_gate[t] = step.slopes * inner + step.through * state
            state = float(cell.gains @ by_gate[t])
            inner = step.kept * inner
        else:
            by_gate[t] = step.slopes * state
            state = step.kept * state + float(cell.gains @ (step.through * state))
    raw = np.zeros_like(entered.pairs)
    raw[(0,) * raw.ndim] = by_gate.mean()
    return moments.moments_of(entered.shape, 0.0, by_gate[:, :, None], raw)


@rule(keras.layers.Bidirectional)
def _bidirectional(
    tape: Tape, layer: Any, inputs: Sequence[Moments], keywords: Mapping[str, Any]
) -> Moments:
    if len(inputs) > 1:
        raise Untreated("states that come in")
    there = treat(tape, layer.forward_layer, inputs, keywords)
    back = treat(tape, layer.backward_layer, inputs, keywords)
    if layer.forward_layer.return_sequences:
        back = tape.along(back, 0, np.eye(back.shape[0])[::-1])
    if layer.merge_mode == "concat":
        return tape.concatenate([there, back], len(there.shape) - 1)
    if layer.merge_mode == "mul":
        return tape.multiply([there, back])
    if layer.merge_mode in ("sum", "ave"):
        share = 1.0 if layer.merge_mode == "sum" else 0.5
        return tape.add([there, back], [share, share])
    raise Untreated("two outputs that are not merged")


_GATES = {
    keras.layers.SimpleRNNCell: 1,
    keras.layers.LSTMCell: 4,
    keras.layers.GRUCell: 3,
}
