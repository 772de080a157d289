"""A walk through a model's calls with moments, there and back, and the table of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_inits.architecture.graph import Call, Graph, Tensor
from keras_inits.architecture.propagation import (
    Moments,
    Reading,
    Tape,
    Untreated,
    independent,
    moments_of,
    operate,
    treat,
)
from keras_inits.architecture.propagation.gaussians import softmax_moments
from keras_inits.architecture.propagation.softmax import spread_over
from keras_inits.architecture.roles import (
    activation_name,
    layer_path,
    own_weights,
    weight_layers,
)
from keras_inits.records import Diagnosis, LayerReading

__all__ = ["OPEN_AXIS", "Walk"]

#: Stands for an axis whose size the model leaves open, such as a sequence's length.
OPEN_AXIS = 32


class Walk:
    """One forecast: the tape, the moments of each tensor, and what had no rule."""

    def __init__(self, model: Any, graph: Graph) -> None:
        self.model, self.graph = model, graph
        self.tape = Tape()
        self.values: dict[int, Moments] = {}
        self.untreated: dict[str, str] = {}
        self.facts: dict[str, Any] = {}
        self.order: list[Any] = []
        self.reasons: dict[int, str] = {}
        for layer in weight_layers(model):
            for variable in own_weights(layer):
                self.tape.owners[id(variable)] = layer

    def forward(self, pairs: Sequence[tuple[float, float]]) -> None:
        """Go through all calls, from inputs of these means and standard deviations."""
        for number, (mean, stddev) in zip(self.graph.inputs, pairs, strict=True):
            shape = self._sizes(self.graph.shapes[number])
            self.values[number] = self.tape.source(independent(shape, mean, stddev))
        for call in self.graph.calls:
            mark = len(self.tape.readings)
            try:
                found = self._treat(call)
            except Untreated as reason:
                del self.tape.readings[mark:]
                self._pass_by(call, str(reason))
                continue
            self.values[call.outputs[0]] = found
            self.order += [reading.layer for reading in self.tape.readings[mark:]]
        for call in self.graph.opened:
            self._open(call)
        for layer, text in self._closed():
            self.untreated.setdefault(layer_path(layer), text)

    def _treat(self, call: Call) -> Moments:
        known = [number in self.values for number in call.inputs]
        if not any(known) and known:
            raise Untreated("what it takes comes from no input")
        if len(call.outputs) != 1:
            raise Untreated("it has several outputs")

        def valued(item: Any) -> Any:
            return self.values.get(item.number) if isinstance(item, Tensor) else item

        given = [keras.tree.map_structure(valued, item) for item in call.arguments]
        keywords = {
            name: keras.tree.map_structure(valued, item)
            for name, item in call.keywords.items()
        }
        operation = call.operation
        if id(operation) in self.graph.closed:
            raise Untreated(self.graph.closed[id(operation)])
        if isinstance(operation, keras.Layer):
            named = [
                keywords.pop(n) for n in ("query", "value", "key") if n in keywords
            ]
            inputs = [
                item
                for item in keras.tree.flatten([*given, *named])
                if isinstance(item, Moments)
            ]
            found = treat(self.tape, operation, inputs, keywords)
        else:
            found = operate(self.tape, operation, given, keywords)
        expected = self.graph.shapes[call.outputs[0]][1:]
        if len(expected) != len(found.shape) or any(
            size not in (None, own)
            for size, own in zip(expected, found.shape, strict=True)
        ):
            raise Untreated(f"its output has the shape {expected}, not as expected")
        return found

    def _pass_by(self, call: Call, reason: str) -> None:
        """Go on with the rms of the first input, entries independent."""
        operation = call.operation
        where = operation.name
        if all(self.graph.dtypes[number] == "bool" for number in call.outputs):
            self.facts["masks"] = "taken as hiding nothing"
            return
        if isinstance(operation, keras.Layer):
            where = layer_path(operation)
            for layer in weight_layers(operation):
                self.order.append(layer)
                self.reasons[id(layer)] = reason
        self.untreated[where] = reason
        taken = [self.values[n] for n in call.inputs if n in self.values]
        for number in call.outputs:
            shape = self._sizes(self.graph.shapes[number])
            level = taken[0].level if taken else 1.0
            found = independent(shape, 0.0, math.sqrt(level))

            def pull(gradient: Moments, taken: Sequence[Moments] = taken) -> list[Any]:
                return [_white(x, gradient.level) for x in taken]

            self.values[number] = self.tape.note(found, taken, pull)

    def _open(self, call: Call) -> None:
        """A row for a subclassed layer that owns weights beside those of its parts."""
        taken = [self.values[n] for n in call.inputs if n in self.values]
        made = [self.values[n] for n in call.outputs if n in self.values]
        if own_weights(call.operation) and taken and made:
            self.tape.read(call.operation, taken[0], None, made[0])
            inside = {id(layer) for layer in weight_layers(call.operation)}
            places = [i for i, x in enumerate(self.order) if id(x) in inside]
            after = places[-1] + 1 if places else len(self.order)
            self.order.insert(after, call.operation)

    def _closed(self) -> list[tuple[Any, str]]:
        layers = {id(layer): layer for layer in self.model._flatten_layers()}
        closed = self.graph.closed.items()
        return [(layers[key], text) for key, text in closed if key in layers]

    def _sizes(self, shape: Sequence[int | None]) -> tuple[int, ...]:
        if None in shape[1:]:
            self.facts["open_axes"] = f"taken as {OPEN_AXIS} long"
        return tuple(OPEN_AXIS if size is None else size for size in shape[1:])

    def backward(self, losses: Sequence[Any]) -> None:
        """Pass the loss's gradient back, from one loss or None an output."""
        seeds = [
            (self.values[number], self._seed(self.values[number], loss))
            for number, loss in zip(self.graph.outputs, losses, strict=False)
            if number in self.values
        ]
        self.tape.backward(seeds)

    def _seed(self, x: Moments, loss: Any) -> Moments:
        """The loss's gradient by an output, up to a factor."""
        kinds = (
            keras.losses.CategoricalCrossentropy,
            keras.losses.SparseCategoricalCrossentropy,
        )
        if not isinstance(loss, kinds) or x.shape[-1] < 2:
            return _white(x, 1.0)
        count = x.shape[-1]
        logits = x
        if not loss.from_logits:
            taken = self.tape.taken(x)
            if taken is None or not math.isclose(x.average * count, 1, rel_tol=1e-6):
                return _white(x, 1.0)
            logits = taken
        _, variance = spread_over(logits)
        square, _, surprise, inverse = softmax_moments(count, round(variance, 4))
        self.facts["loss"] = surprise
        self.facts["loss_of_chance"] = math.log(count)
        # One-hot labels, drawn blindly: p - y by the logits, -1 / p by the label's p.
        by_logit = _white(logits, square - 2 / count**2 + 1 / count)
        if loss.from_logits:
            return by_logit
        self.tape.instead[id(x)] = by_logit
        return _white(x, inverse / count)

    def table(self) -> Diagnosis:
        """What was met on the way, a row a layer that owns weights."""
        readings: dict[int, list[Reading]] = {}
        for reading in self.tape.readings:
            readings.setdefault(id(reading.layer), []).append(reading)
        known = weight_layers(self.model)
        met = {id(layer) for layer in self.order}
        for layer in known:
            if id(layer) not in met:
                self.reasons.setdefault(id(layer), "no call of it is known")
        # Inside of subclassed layers only the calls tell the order.
        first = self.order if self.graph.opened else []
        mine = {id(layer) for layer in known}
        ordered = [layer for layer in first if id(layer) in mine] + known
        layers = {id(layer): layer for layer in ordered}
        weights = self.tape.weight_gradients()
        rows = [
            self._row(layer, readings.get(key, []), weights.get(key))
            for key, layer in layers.items()
        ]
        _relative(rows, "gradient_rms")
        _relative(rows, "weight_gradient_rms")
        if not rows:
            self.facts["note"] = "no layer of this model owns weights"
        return Diagnosis(
            model=self.model.name,
            layers=tuple(
                LayerReading(
                    layer_path(layer),
                    type(layer).__name__,
                    activation_name(layer),
                    predicted=predicted,
                    note=self.reasons.get(id(layer), ""),
                )
                for layer, predicted in rows
            ),
            facts=self.facts,
            untreated=self.untreated,
        )

    def _row(
        self, layer: Any, readings: Sequence[Reading], weight: float | None
    ) -> tuple[Any, dict[str, Any]]:
        if not readings:
            return layer, {}
        outputs = [reading.made for reading in readings]
        mean = float(np.mean([x.average for x in outputs]))
        level = float(np.mean([x.level for x in outputs]))
        found: dict[str, Any] = {
            "output_mean": mean,
            "output_std": math.sqrt(max(level - mean * mean, 0.0)),
            "output_rms": math.sqrt(level),
        }
        befores = [r.before for r in readings if r.before is not None]
        if activation_name(layer) is not None and befores:
            before = float(np.mean([x.level for x in befores]))
            middle = float(np.mean([x.average for x in befores]))
            found["preactivation_std"] = math.sqrt(max(before - middle**2, 0.0))
            found["preactivation_rms"] = math.sqrt(before)
        taken = float(np.mean([reading.taken.level for reading in readings]))
        if taken > 0 and not isinstance(layer, keras.layers.Embedding):
            found["gain"] = math.sqrt(level / taken)
        arrived = [self.tape.gradient(x) for x in outputs]
        levels = [gradient.level for gradient in arrived if gradient is not None]
        if levels:
            found["gradient_rms"] = math.sqrt(float(np.mean(levels)))
        if weight is not None:
            found["weight_gradient_rms"] = math.sqrt(max(weight, 0.0))
        return layer, found


def _relative(rows: Sequence[tuple[Any, dict[str, Any]]], name: str) -> None:
    """Divide by the last row's value."""
    last = next((row[name] for _, row in reversed(rows) if row.get(name)), None)
    if last is not None:
        for _, row in rows:
            if name in row:
                row[name] /= last


def _white(x: Moments, level: float) -> Moments:
    """A gradient by x of independent entries."""
    raw = np.zeros((2,) * (len(x.shape) + 1))
    raw.flat[0] = level
    return moments_of(x.shape, 0.0, level, raw)
