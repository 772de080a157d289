"""Will it train? One forward and one backward pass over a batch, and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_inits.architecture.roles import layer_path, own_weights, weight_layers
from keras_inits.data_driven.checks import (
    check_batch,
    check_model,
    check_shapes,
    is_host_float,
)
from keras_inits.data_driven.examined import Examined, InputFacts
from keras_inits.data_driven.expected import expected
from keras_inits.data_driven.judging import judge
from keras_inits.data_driven.listening import Passage
from keras_inits.data_driven.objectives import Objective
from keras_inits.data_driven.passes import Passes
from keras_inits.data_driven.signals import Signal, signals_of
from keras_inits.data_driven.statistics import Moments
from keras_inits.data_driven.weights import Kernel, kernels_of
from keras_inits.records import Diagnosis, LayerReading

__all__ = ["diagnose"]


def diagnose(model: Any, x: Any, y: Any = None, loss: Any = None) -> Diagnosis:
    """Says whether a model will train, and if not, which layer is at fault and why.

    One forward and one backward pass over a batch, in training mode, with gradients
    taken by the outputs of layers. Use it before the first step; it needs no compiled
    model. It takes one to three times as long as the first step of training, which
    compiles it, and two to four of the later ones. It does not see what only training
    shows, as a learning rate that is too large: that is the monitor's.

    The model is left as it was: weights, batch statistics, seeds, metrics, optimizer
    and attributes, after an exception, too.

    Args:
        model: a built Keras model of any kind, on any backend.
        x: one batch, as the model takes it: an array, or a list or dict of arrays.
        y: its labels. Without them the outputs are weighed at random for the backward
            pass, and nothing is said of the loss.
        loss: as `compile` takes it. Left out, it is the one the model is compiled with.

    Returns:
        A `keras_inits.records.Diagnosis`: `findings`, the gravest first, each with its
        evidence, cause and cure; a reading for each layer with weights; `str()` of it
        is a table, and `plot()` draws it.

        A reading's `measured` holds, as far as each applies: `output_mean`,
        `output_std` and `output_rms`; the same of `preactivation_`; `gain`, the rms
        given over the rms taken; `dead`, the share of units silent on the whole batch;
        `saturated`, the share of entries where the activation is flat; `gradient_rms`,
        of the loss's gradient by the output; `weight_gradient_rms`, by weight;
        `nonfinite`, how many outputs are; and of the weights `fan_in`, as the scheme
        took it, `true_fan_in`, `weight_std`, `expected_weight_std` for the activation
        at hand, `duplicate_units`, and `rank`, counted up to 64. Its `predicted` holds
        what theory expects of the same network with healthy weights.

    Raises:
        TypeError: for an object that is no model, or data that hold no numbers.
        ValueError: for a model that is not built, an empty batch, a batch or labels
            that do not fit, labels without a loss.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([
        ...     keras.Input((8,)),
        ...     keras.layers.Dense(16, "relu", kernel_initializer="zeros", name="bad"),
        ...     keras.layers.Dense(3, kernel_initializer="zeros"),
        ... ])
        >>> x = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
        >>> finding = diagnose(model, x).findings[0]
        >>> finding.kind, finding.severity, finding.layer.split("/")[-1]
        ('symmetry', 'severe', 'bad')

    Reference: He et al., 2015, arXiv:1502.01852; Schoenholz et al., 2017,
    arXiv:1611.01232.
    """
    check_model(model)
    check_batch(x)
    check_shapes(model, x)
    objective = Objective(model, x, y, loss)
    layers = {layer_path(layer): layer for layer in weight_layers(model)}
    kernels = {path: kernels_of(layer) for path, layer in layers.items()}
    passed = Passes(model, objective, _with_equals(kernels))
    passed.run()
    signals = signals_of(passed.passage, passed.scale)
    seen = Examined(
        model=model,
        signals=signals,
        kernels=_in_order(kernels, signals),
        layers=layers,
        gradients=passed.gradients,
        scale=passed.scale,
        inputs=_input_facts(x),
        loss=passed.loss,
        labelled=y is not None,
        chance=passed.chance,
        loss_name=objective.name,
        classes=passed.classes,
        moments=passed.moments(),
    )
    findings = judge(seen)
    seen.gradients.clear()  # they may be as large as the model
    predicted, reason = expected(seen, findings)
    return Diagnosis(
        model=str(model.name),
        layers=tuple(_readings(seen, predicted)),
        findings=findings,
        facts=_facts(objective, passed) | ({"theory": reason} if reason else {}),
        untreated=_untreated(passed.passage),
    )


def _with_equals(kernels: Mapping[str, list[Kernel]]) -> set[int]:
    """The variables whose gradients tell whether their units are stuck, by `id`."""
    return {
        id(kernel.variable)
        for found in kernels.values()
        for kernel in found
        if kernel.trainable and not kernel.nonfinite
        if kernel.duplicates or kernel.is_zero
    }


def _in_order(
    kernels: dict[str, list[Kernel]], signals: Sequence[Signal]
) -> dict[str, list[Kernel]]:
    """By the order in which the data came, and what they did not reach at the end."""
    reached = [signal.path for signal in signals]
    order = [*reached, *(path for path in kernels if path not in reached)]
    return {path: kernels[path] for path in order}


def _input_facts(x: Any) -> list[InputFacts]:
    paths = keras.tree.flatten_with_path(x)
    facts = []
    for path, array in paths:
        values = keras.ops.convert_to_numpy(array)
        moments = _host_moments(values)
        facts.append(
            InputFacts(
                name="/".join(map(str, path)),
                rms=moments.rms,
                mean=moments.mean,
                std=moments.std,
                nonfinite=moments.nonfinite,
                features=_features(values),
            )
        )
    return facts


def _host_moments(values: Any) -> Moments:
    numbers = np.asarray(values, np.float64)
    finite = np.isfinite(numbers)
    kept = numbers[finite]
    if not kept.size:
        return Moments(numbers.size, 0.0, 0.0, 0.0, numbers.size)
    return Moments(
        numbers.size,
        float(kept.mean()),
        float(np.mean(kept**2)),
        float(np.abs(kept).max()),
        int(numbers.size - finite.sum()),
    )


def _features(values: Any) -> tuple[float, float] | None:
    """The smallest and the largest std of the columns that are no flags."""
    if np.ndim(values) != 2 or not is_host_float(values) or len(values) < 2:
        return None
    numbers = np.asarray(values, np.float64)
    if not np.isfinite(numbers).all():
        return None
    flags = np.all((numbers == 0.0) | (numbers == 1.0), axis=0)
    stds = numbers.std(axis=0)[~flags]
    stds = stds[stds > 0.0]
    return (float(stds.min()), float(stds.max())) if stds.size else None


def _readings(
    seen: Examined, predicted: Mapping[str, Mapping[str, Any]]
) -> list[LayerReading]:
    readings = []
    for path in seen.kernels:
        layer, signal = seen.layers[path], seen.signal(path)
        measured = {} if signal is None else _of_signal(signal)
        measured |= _of_gradients(seen, path)
        activation = None if signal is None else signal.activation
        measured |= _of_weights(seen.kernels[path], activation)
        readings.append(
            LayerReading(
                layer=path,
                kind=type(layer).__name__,
                activation=activation,
                measured=measured,
                predicted=predicted.get(path, {}),
                note="" if signal is not None else "not called, or not to be heard",
            )
        )
    return readings


def _of_signal(signal: Signal) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, moments in (
        ("output", signal.output),
        ("preactivation", signal.preactivation),
    ):
        if moments is not None:
            found[f"{name}_mean"] = moments.mean
            found[f"{name}_std"] = moments.std
            found[f"{name}_rms"] = moments.rms
    if signal.input is not None:
        found["input_rms"] = signal.input.rms
        if signal.output is not None and signal.input.rms > 0.0:
            found["gain"] = signal.output.rms / signal.input.rms
    if signal.gradient_out is not None:
        found["gradient_rms"] = signal.gradient_out.rms
    for name, share in (("dead", signal.dead), ("saturated", signal.saturated)):
        if share is not None:
            found[name] = share
    found["nonfinite"] = 0 if signal.output is None else signal.output.nonfinite
    return found


def _of_gradients(seen: Examined, path: str) -> dict[str, Any]:
    found = {}
    for variable in own_weights(seen.layers[path]):
        moments = seen.gradient(variable)
        if moments is not None:
            found[_name(variable, path)] = moments.rms
    return {"weight_gradient_rms": found} if found else {}


def _name(variable: Any, path: str) -> str:
    return str(variable.path).removeprefix(f"{path}/")


def _of_weights(kernels: Sequence[Kernel], activation: str | None) -> dict[str, Any]:
    """Of the first kernel, and of the others under their names."""
    found: dict[str, Any] = {}
    for number, kernel in enumerate(kernels):
        numbers: dict[str, Any] = {
            "weight_std": kernel.std,
            "duplicate_units": kernel.duplicates,
            "rank": kernel.rank,
        }
        if kernel.assumed is not None:
            numbers["fan_in"] = kernel.assumed[0]
        if kernel.fans is not None:
            numbers["true_fan_in"] = kernel.fans[0]
        expected = kernel.expected_std(activation)
        if expected is not None:
            numbers["expected_weight_std"] = expected
        if number == 0:
            found |= numbers
        else:
            found[kernel.name] = numbers
    return found


def _facts(objective: Objective, passed: Passes) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "samples": objective.size,
        "objective": objective.words,
        "backend": keras.backend.backend(),
    }
    if objective.y is not None:
        facts["loss"] = passed.loss
    if passed.chance is not None:
        facts["loss of a guess"] = passed.chance[0]
        facts["a guess is"] = passed.chance[1]
    if passed.scale != 1.0:
        facts["loss scale"] = passed.scale
    return facts


def _untreated(passage: Passage) -> dict[str, str]:
    return {
        layer_path(layer): "the model does not call it, or calls it within a loop"
        for layer in passage.unheard
    }
