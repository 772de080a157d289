"""What theory expects of the same network with healthy weights, to hold beside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_inits.architecture.forecasting import forecast
from keras_inits.data_driven.examined import Examined, InputFacts
from keras_inits.data_driven.unchanged import unchanged
from keras_inits.records import Finding

__all__ = ["expected"]

# Var ln |x|^2 grows by this over the width in each layer of ReLUs, as do gradients.
_FLUCTUATION = 5.0
# A kernel whose standard deviation is as near counts as it is.
_CLOSE = 0.02
_NAMES = (
    "output_mean",
    "output_std",
    "output_rms",
    "preactivation_std",
    "preactivation_rms",
    "gain",
    "gradient_rms",
)


def expected(
    seen: Examined, findings: Sequence[Finding]
) -> tuple[dict[str, dict[str, Any]], str]:
    """The forecast for this model, were its kernels drawn for their layers.

    Each trainable kernel counts as if its entries were scaled to the standard deviation
    that holds the signal through its true fan-in and the activation that follows; where
    a finding says that its units are stuck, as if it were drawn anew. Other zeros count
    as they are, and so do embeddings, frozen weights and layers of unknown kinds.
    Gradients are scaled so that the last layer's is the one measured.

    Beside them stand `spread` and `gradient_spread`: by which factor chance moves them
    in networks this narrow, two standard deviations either way. Each layer of width n
    adds 5/n to the variance of the logarithm of the mean square (of ReLU layers, which
    vary most).

    Returns:
        Numbers by layer and name, and a reason where there are none.

    Reference: Hanin and Nica, 2019, arXiv:1812.05994.
    """
    random = np.random.default_rng(0)
    stuck = {
        path
        for finding in findings
        if finding.kind == "symmetry"
        for path in (finding.layer, *finding.evidence.get("also", ()))
    }
    mapping = []
    for path, kernels in seen.kernels.items():
        for kernel in kernels:
            stddev = kernel.expected_std(_activation(seen, path))
            if stddev is None or not kernel.trainable:
                continue
            if path in stuck or kernel.nonfinite:
                drawn = random.standard_normal(kernel.shape, np.float32)
                mapping.append((kernel.variable, drawn * np.float32(stddev)))
            elif kernel.std > 0.0 and abs(kernel.std / stddev - 1.0) > _CLOSE:
                factor = np.float32(stddev / kernel.std)
                mapping.append((kernel.variable, kernel.values * factor))
    moments = _input_moments(seen.inputs)
    try:
        with (
            unchanged(seen.model),
            keras.StatelessScope(state_mapping=_tensors(mapping)),
        ):
            found = forecast(seen.model, input_moments=moments)
    except Exception as error:  # a person's own layers may not run on symbols
        text = str(error).strip().splitlines()
        return {}, f"no forecast: {text[0] if text else type(error).__name__}"
    tables = {reading.layer: reading.predicted for reading in found.layers}
    return _completed(seen, tables), ""


def _tensors(mapping: Sequence[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    return [(v, keras.ops.convert_to_tensor(array)) for v, array in mapping]


def _activation(seen: Examined, path: str) -> str | None:
    signal = seen.signal(path)
    return None if signal is None else signal.activation


def _input_moments(inputs: Sequence[InputFacts]) -> Any:
    pairs = [(facts.mean, max(facts.std, 1e-12)) for facts in inputs]
    return pairs[0] if len(pairs) == 1 else pairs


def _completed(
    seen: Examined, tables: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The numbers wanted, gradients to scale, and what chance does to them."""
    order = [signal for signal in seen.signals if signal.path in tables]
    scale = 1.0
    for signal in reversed(order):
        relative = tables[signal.path].get("gradient_rms")
        if signal.gradient_out is not None and relative and signal.gradient_out.rms:
            scale = signal.gradient_out.rms / float(relative)
            break
    shares = [_share(seen, signal.path) for signal in order]
    since = 0.0
    completed: dict[str, dict[str, Any]] = {}
    for at, signal in enumerate(order):
        table = tables[signal.path]
        numbers = {name: table[name] for name in _NAMES if name in table}
        if "gradient_rms" in numbers:
            numbers["gradient_rms"] = float(numbers["gradient_rms"]) * scale
        since = 0.0 if signal.normalizes else since + shares[at]
        numbers["spread"] = _factor(since)
        numbers["gradient_spread"] = _factor(sum(shares[at + 1 :]))
        completed[signal.path] = numbers
    return completed


def _share(seen: Examined, path: str) -> float:
    """What a layer adds to the variance of the logarithm of the mean square."""
    kernels = seen.kernels.get(path, [])
    return _FLUCTUATION / max(kernels[0].shape[-1], 1) if kernels else 0.0


def _factor(variance: float) -> float:
    return math.exp(min(2.0 * math.sqrt(variance) / 2.0, 20.0))
