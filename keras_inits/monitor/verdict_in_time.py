"""Checks of weights that move too far, or not at all, and of numbers too small."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keras_inits.monitor import cures
from keras_inits.monitor.rules import Rule
from keras_inits.monitor.verdict_memory import Memory
from keras_inits.monitor.verdict_run import Found, Run

__all__ = ["exploding_in_time", "float16_underflow", "stalled"]


def exploding_in_time(run: Run, rule: Rule) -> Iterator[Found]:
    """Updates as long as the weights, and a run that is worse for it."""
    memory = run.memory
    if not memory.leapt(rule) or not _is_worse(memory, rule["worse"]):
        return
    worst = run.weight(_fastest(run))
    yield Found(
        worst.layer,
        {
            "update_per_weight": memory.leap,
            "first_loss": memory.first_loss,
            "loss": memory.loss_now,
            "first_gradient_norm": memory.first_gradient_total,
            "gradient_norm": memory.gradient_total,
        },
        "Updates as long as the weights threw the run off: the learning rate is too "
        "large.",
        cures.calmer_optimizer(memory.layout),
    )


def _is_worse(memory: Memory, factor: float) -> bool:
    if memory.loss_now is None or memory.first_loss is None or memory.first_loss <= 0:
        return memory.gradient_total >= factor * memory.first_gradient_total
    return memory.loss_now >= factor * memory.first_loss


def _fastest(run: Run) -> int:
    """The place of the kernel that moved farthest, for its size at the start."""
    memory, kernels = run.memory, run.depth.kernels
    if not len(kernels):
        return 0
    moved = np.maximum(
        memory.travelled, np.abs(memory.weight - memory.first_weight)
    ) / np.maximum(memory.first_weight, 1e-30)
    return int(kernels[np.argmax(np.nan_to_num(moved[kernels]))])


def stalled(run: Run, rule: Rule) -> Iterator[Found]:
    """Weights that do not move, though their gradients ask for it."""
    memory = run.memory
    if memory.has_updates:
        if memory.largest_update >= rule["update"]:
            return
        ratio, per_gradient, rise = memory.pace()
        if per_gradient >= rule["per_gradient"] or rise >= rule["warm_up"]:
            return
    else:  # by norms alone, which need longer to show a movement
        asked = memory.gradient_total >= rule["asked"] * memory.weight_total
        if memory.step < rule["unseen"] or not asked or not memory.norms_stand_still:
            return
        ratio, rise = 0.0, 1.0
    yield Found(
        "",
        {
            "update_per_weight": ratio,
            "rise": rise,
            "gradient_norm": memory.gradient_total,
            "weight_norm": memory.weight_total,
            "loss": memory.loss,
        },
        f"Updates are {ratio:.1g} of the weights and not rising: the learning rate is "
        "too small for the weights to move.",
        cures.faster_optimizer(memory.layout),
    )


def float16_underflow(run: Run, rule: Rule) -> Iterator[Found]:
    """Gradients below what float16 can hold, without a loss scale."""
    memory, kernels = run.memory, run.depth.kernels
    dtype = str(memory.layout.facts.get("dtype", ""))
    if "float16" not in dtype or "bfloat16" in dtype or memory.loss_scale != 1.0:
        return
    if not len(kernels):
        return
    sizes = np.array([run.weight(int(place)).size for place in kernels], float)
    entries = memory.gradient[kernels] / np.sqrt(sizes)
    if memory.zero_share is None:
        lost = entries < 2.0**-24
    else:
        lost = (memory.zero_share[kernels] >= rule["zeros"]) & (entries < rule["entry"])
    if np.mean(lost) < 0.5:
        return
    worst = run.weight(int(kernels[np.argmax(lost)]))
    yield Found(
        worst.layer,
        {
            "dtype": dtype,
            "loss_scale": memory.loss_scale,
            "layers_losing_entries": int(lost.sum()),
            "layers": len(kernels),
            "rms_of_gradient": float(np.median(entries)),
            "smallest_float16": 2.0**-24,
        },
        "Gradients are smaller than float16 can hold, and nothing scales the loss up "
        "for them: they are rounded to zero.",
        cures.scaled_optimizer(memory.layout),
    )
