"""Checks of gradients that vanish or explode from layer to layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_inits.monitor import cures
from keras_inits.monitor.rules import Rule
from keras_inits.monitor.verdict_depth import Trend
from keras_inits.monitor.verdict_run import Found, Run

__all__ = [
    "exploding_alike",
    "exploding_by_depth",
    "vanishing_alike",
    "vanishing_by_depth",
]

_SQUASHING = {"sigmoid", "hard_sigmoid", "tanh", "softsign", "hard_tanh"}


def vanishing_by_depth(run: Run, rule: Rule) -> Iterator[Found]:
    """Gradients that fall from the loss to the data."""
    line = run.line(int(rule["layers"]))
    hopeless = line.decades >= rule["hopeless"]
    if not (line.layers >= rule["layers"] and run.has_scale):
        return
    if line.decades < rule["decades"] or line.agreement < rule["agreement"]:
        return
    if not hopeless and run.memory.fallen_below(rule["fallen"]):
        return
    first = run.weight(run.depth.kernels[0])
    how = f"Gradients shrink by a factor {1 / line.factor:.2g} at each layer"
    yield Found(
        first.layer,
        _by_depth(run, line),
        f"{how} on the way from the loss to the data: {_why_they_shrink(run)}.",
        cures.fresh_layer(first),
    )


def exploding_by_depth(run: Run, rule: Rule) -> Iterator[Found]:
    """Gradients that grow from the loss to the data."""
    line = run.line(int(rule["layers"]))
    if not (line.layers >= rule["layers"] and run.has_scale):
        return
    if line.decades > -rule["decades"] or line.agreement > -rule["agreement"]:
        return
    per_weight = _per_weight(run)
    if per_weight < rule["per_weight"] or _learns(run, rule):
        return
    first = run.weight(run.depth.kernels[0])
    how = f"Gradients grow by a factor {1 / line.factor:.2g} at each layer"
    yield Found(
        first.layer,
        {**_by_depth(run, line), "gradient_per_weight": per_weight},
        f"{how} on the way from the loss to the data: the weights are too large for "
        "this depth.",
        cures.fresh_layer(first),
    )


def vanishing_alike(run: Run, rule: Rule) -> Iterator[Found]:
    """Small gradients everywhere, in a network whose weights let the signal fade."""
    memory, kernels = run.memory, run.depth.kernels
    if not _is_plain(run, rule) or memory.fallen_below(rule["fallen"]):
        return
    small, _ = run.depth.of_signals(memory.weight)
    if small > -rule["decades"]:
        return
    # Weights that start at zero are held against the norm that keeps a signal's size.
    norms = np.maximum(memory.weight[kernels], run.depth.unit_norms)
    loss = abs(memory.loss or 0.0) or 1.0
    elasticities = memory.gradient[kernels] * norms / loss
    elasticity = float(np.nan_to_num(elasticities).max())
    if not 0 < elasticity < rule["elasticity"]:
        return
    first = run.weight(kernels[0])
    factor = 10 ** (small / len(kernels))
    yield Found(
        first.layer,
        {
            "elasticity": elasticity,
            "signal_decades": small,
            "layers": len(kernels),
            "loss": memory.loss,
            **_ends(run),
        },
        f"The signal shrinks by a factor {factor:.2g} at each layer, because the "
        "weights are too small for the activation; without biases the weights' "
        "gradients are then equally small in all layers.",
        cures.fresh_layer(first),
    )


def exploding_alike(run: Run, rule: Rule) -> Iterator[Found]:
    """Large gradients everywhere, in a network whose weights let the signal grow."""
    kernels = run.depth.kernels
    if not _is_plain(run, rule) or _learns(run, rule):
        return
    _, large = run.depth.of_signals(run.memory.weight)
    per_weight = _per_weight(run)
    if large < rule["decades"] or per_weight < rule["per_weight"]:
        return
    first = run.weight(kernels[0])
    factor = 10 ** (large / len(kernels))
    yield Found(
        first.layer,
        {
            "signal_decades": large,
            "gradient_per_weight": per_weight,
            "layers": len(kernels),
            "loss": run.memory.loss,
            **_ends(run),
        },
        f"The signal grows by a factor {factor:.2g} at each layer, because the weights "
        "are too large for the activation.",
        cures.fresh_layer(first),
    )


def _is_plain(run: Run, rule: Rule) -> bool:
    """Whether norms tell the signal's size, and gradients are alike in all layers."""
    if len(run.depth.kernels) < rule["layers"] or not run.has_scale:
        return False
    return (
        run.depth.plain and abs(run.line(int(rule["layers"])).decades) < rule["spread"]
    )


def _by_depth(run: Run, line: Trend) -> dict[str, Any]:
    return {
        "decades": line.decades,
        "factor_per_layer": line.factor,
        "agreement": line.agreement,
        "layers": line.layers,
        "loss": run.memory.loss,
        **_ends(run),
    }


def _ends(run: Run) -> dict[str, Any]:
    """The gradients' norms next to the data and next to the loss."""
    places = run.depth.biases if len(run.depth.biases) > 1 else run.depth.kernels
    gradient = run.memory.gradient
    return {
        "first": run.weight(places[0]).path,
        "first_gradient_norm": float(gradient[places[0]]),
        "last": run.weight(places[-1]).path,
        "last_gradient_norm": float(gradient[places[-1]]),
    }


def _learns(run: Run, rule: Rule) -> bool:
    """Whether steep gradients came in the course of training and do no harm."""
    memory = run.memory
    begins = memory.samples == memory.recent
    return not begins and (memory.loss is None or memory.fallen_below(rule["fallen"]))


def _per_weight(run: Run) -> float:
    """The largest gradient of a kernel, per norm of the weights, or of usual ones."""
    kernels = run.depth.kernels
    norms = np.maximum(run.memory.weight[kernels], run.depth.unit_norms)
    return float(np.nan_to_num(run.memory.gradient[kernels] / norms).max())


def _why_they_shrink(run: Run) -> str:
    memory, kernels = run.memory, run.depth.kernels
    names = [run.weight(place).activation for place in kernels]
    usual = max(set(names), key=names.count)
    small, _ = run.depth.of_signals(memory.weight)
    factor = 10 ** (small / len(kernels))
    if usual in ("sigmoid", "hard_sigmoid"):
        return f"the slope of {usual} is at most 1/4"
    if factor < 0.95:
        return f"the weights let a signal shrink by a factor {factor:.2g} a layer"
    if usual in _SQUASHING:
        return f"{usual} is saturated, its slope is near zero"
    return "little of a change comes through"
