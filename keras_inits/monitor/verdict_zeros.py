"""Checks of gradients that are exactly zero: what is dead, and what has no part."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from keras_inits.monitor import cures
from keras_inits.monitor.rules import Rule
from keras_inits.monitor.verdict_run import Found, Run

__all__ = ["always_zero", "dead_layer", "dead_units"]


def dead_layer(run: Run, rule: Rule) -> Iterator[Found]:
    """Layers from which nothing comes, or a network without any gradient."""
    memory, kernels = run.memory, run.depth.kernels
    long = memory.zeros >= rule.samples
    if not len(kernels) or not long[kernels].any():
        return
    if (long | np.isnan(memory.gradient_now)).all():
        yield from _all_dead(run, rule)
        return
    biases = run.depth.kernel_biases
    silent = long[kernels] & ((biases < 0) | long[biases])
    largest = np.nanmax(memory.gradient_now)
    heard = (biases >= 0) & (memory.gradient_now[biases] > 1e-10 * largest)
    for before in np.flatnonzero(silent[:-1] & long[kernels[1:]] & heard[1:]):
        yield _dead(run, int(kernels[before]), int(kernels[before + 1]))


def _dead(run: Run, place: int, after: int) -> Found:
    memory, weight = run.memory, run.weight(place)
    zero = memory.weight[place] == 0
    what = "its weights are zero" if zero else "no unit answers to any input"
    cure = cures.fresh_layer(weight) if zero else cures.living_layer(weight)
    return Found(
        weight.layer,
        {
            "gradient_norm": 0.0,
            "weight_norm": float(memory.weight[place]),
            "samples_without_gradient": int(memory.zeros[place]),
            "next_layer": run.weight(after).layer,
            "next_kernel_gradient_norm": 0.0,
            "loss": memory.loss,
        },
        f"Nothing comes out of the layer ({what}), so neither it nor anything before "
        "it has a gradient. A layer before it may be the first to be silent.",
        cure,
    )


def _all_dead(run: Run, rule: Rule) -> Iterator[Found]:
    """Without biases a silent layer takes every gradient away, its own and others'."""
    memory = run.memory
    if memory.loss is None or memory.first_loss is None:
        if memory.ever_nonzero.any():
            return  # it may be at the minimum
    elif abs(memory.loss) <= rule["loss"] * abs(memory.first_loss):
        return
    first = run.weight(run.depth.kernels[0])
    yield Found(
        "",
        {
            "gradient_norm": 0.0,
            "samples_without_gradient": int(memory.zeros.min(initial=memory.samples)),
            "loss": memory.loss,
        },
        "No weight has a gradient while the loss is not small: some layer gives zero "
        "for every input, or the loss is flat.",
        cures.living_layer(first),
    )


def dead_units(run: Run, rule: Rule) -> Iterator[Found]:
    """ReLU layers most of whose units never get a gradient."""
    memory = run.memory
    for place in np.flatnonzero(memory.silent >= rule.samples):
        weight = run.weight(int(place))
        if (
            memory.zero_share is None
            or memory.zeros[place]
            or run.depth.is_last(weight.layer)
        ):
            continue
        kernel = next(w for w in memory.layout.weights if w.layer == weight.layer)
        yield Found(
            weight.layer,
            {
                "units_without_gradient": float(memory.zero_share[place]),
                "samples": int(memory.silent[place]),
            },
            f"{memory.zero_share[place]:.0%} of the units gave zero for every input, "
            "batch after batch, and cannot recover.",
            cures.living_layer(kernel),
        )


def always_zero(run: Run, rule: Rule) -> Iterator[Found]:
    """Layers whose gradients were never anything but zero, while others' were."""
    memory, kernels = run.memory, run.depth.kernels
    biases = run.depth.kernel_biases
    never: NDArray[np.bool_] = (memory.zeros >= rule.samples) & ~memory.ever_nonzero
    never = never[kernels] & ((biases < 0) | never[biases])
    if never.all() or not never.any():
        return
    for place in kernels[never]:
        layer = run.weight(int(place)).layer
        yield Found(
            layer,
            {"gradient_norm": 0.0, "samples_without_gradient": memory.samples},
            "The loss does not depend on the layer: all of its gradients have been "
            "exactly zero from the first step on.",
            cures.leave_out(layer),
        )
