"""What flows and what does not: saturated, dead, fading with depth, cut off."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from keras_inits.data_driven.depth import Trend, gradient_trends, signal_trends
from keras_inits.data_driven.examined import Examined
from keras_inits.data_driven.remaking import remake, remake_at
from keras_inits.data_driven.rules import RULES
from keras_inits.records import Finding
from keras_inits.theory import activation_names, chi_1, gain

__all__ = ["dead", "depth", "disconnected", "no_gradient", "saturation"]

_Found = Iterator[Finding]

# Below this a gradient fades by half in two layers.
_LEAST_CHI = 0.5


def saturation(seen: Examined) -> _Found:
    """Entries where an activation is flat, for their spread and not for a bias."""
    for signal in seen.signals:
        before = signal.before_activation
        if signal.saturated is None or before is None:
            continue
        severity = RULES["saturation"].severity(signal.saturated)
        if severity is None or before.std < abs(before.mean):
            continue
        yield Finding(
            "saturation",
            severity,
            signal.path,
            {
                "saturated": signal.saturated,
                "preactivation std": before.std,
                "input rms": None if signal.input is None else signal.input.rms,
            },
            f"Most of what goes into {signal.activation} lies where it is flat: its "
            "weights, or its inputs, are too large.",
            remake(seen, signal),
        )


def dead(seen: Examined) -> _Found:
    """Units that are silent on the whole batch, more than chance has it."""
    for signal in seen.signals:
        if signal.dead is None or signal.units < 2:
            continue
        severity = RULES["dead"].severity(signal.dead)
        surely = signal.dead > 0.5 + 2.0 / math.sqrt(signal.units)
        if severity is None or not (surely or signal.dead == 1.0):
            continue
        before = signal.before_activation
        yield Finding(
            "dead",
            severity,
            signal.path,
            {
                "dead": signal.dead,
                "units": signal.units,
                "preactivation mean": None if before is None else before.mean,
                "preactivation std": None if before is None else before.std,
            },
            f"Most units stay where {signal.activation} is silent on the whole batch: "
            "they give nothing and get no gradient.",
            remake(seen, signal, bias_initializer='"zeros"'),
        )


def depth(seen: Examined) -> _Found:
    """Signals and gradients that fade or grow on their way through the layers."""
    order = [signal.path for signal in seen.signals]
    first = seen.first_kernel
    start = order.index(first.path) if first is not None else 0
    for what, trends in (
        ("signal", signal_trends(seen.signals, start)),
        ("gradient", gradient_trends(seen.signals)),
    ):
        for kind, trend in zip(("vanishing", "exploding"), trends, strict=True):
            if trend is None:
                continue
            severity = RULES[f"{kind} {what}"].severity(trend.decades)
            if severity is not None and math.isfinite(trend.decades):
                yield _depth_finding(seen, kind, what, trend, severity)


def _depth_finding(
    seen: Examined, kind: str, what: str, trend: Trend, severity: str
) -> Finding:
    way = "from the data to the loss" if what == "signal" else "on its way back"
    verb = "fades" if kind == "vanishing" else "grows"
    how = (
        f"most of it in the {type(trend.culprit.layer).__name__} named"
        if trend.alone
        else f"by {trend.factor:.2g} a layer"
    )
    size = "rms" if what == "signal" else "norm"
    return Finding(
        kind,
        severity,
        trend.culprit.path,
        {
            "of": what,
            "decades": trend.decades,
            f"{size} at the start": trend.start,
            f"{size} at the end": trend.end,
            "layers": trend.layers,
            "factor": trend.factor,
        },
        f"The {what} {verb} {_times(trend.decades)} times {way}, {how}.",
        remake(
            seen, trend.culprit, **_other_activation(kind, trend.culprit.activation)
        ),
    )


def _other_activation(kind: str, activation: str | None) -> dict[str, str]:
    """ReLU, where no scale of the weights keeps the gradient: sigmoid and its like.

    With weights that keep the signal's mean square, a layer multiplies that of the
    gradient by chi_1: 1 for ReLU, 1.18 for tanh, 0.15 for sigmoid.
    """
    if kind != "vanishing" or activation not in activation_names():
        return {}
    try:
        chi = chi_1(activation, gain(activation) ** 2, variance=1.0)
    except ValueError:
        return {}
    return {"activation": '"relu"'} if chi < _LEAST_CHI else {}


def _times(decades: float) -> str:
    factor = float(f"{10**decades:.2g}")
    return f"{factor:,.0f}" if factor < 1e6 else f"{factor:.2g}"


def disconnected(seen: Examined) -> _Found:
    """Trainable layers that the loss does not depend on."""
    trainable = [path for path in seen.layers if seen.weights(path)]
    cut = [path for path in trainable if _is_cut(seen, path)]
    severity = RULES["disconnected"].severity(len(cut) / max(len(trainable), 1))
    if not cut or severity is None:
        return
    for path in cut:
        called = seen.signal(path) is not None
        yield Finding(
            "disconnected",
            severity,
            path,
            {"called": called, "layers": len(cut), "of": len(trainable)},
            "The loss does not depend on what the layer gives."
            if called
            else "The layer has weights, and the model does not call it.",
            f'for weight in model.trainable_weights:\n    if weight.path.startswith("'
            f'{path}/"):\n        weight.trainable = False',
        )


def _is_cut(seen: Examined, path: str) -> bool:
    """Whether no gradient arrives: not a gradient of zeros, but none."""
    gradients = [seen.gradient(variable) for variable in seen.weights(path)]
    if all(gradient is None for gradient in gradients):
        return True
    signal = seen.signal(path)
    zero = all(seen.gets_zeros(variable) for variable in seen.weights(path))
    # JAX has zeros for what nothing depends on; where none arrived at the layer's
    # output, that is what they stand for.
    return zero and (signal is None or signal.gradient_out is None)


def no_gradient(seen: Examined, found: Sequence[Finding]) -> _Found:
    """Gradients of exact zeros that no other finding, and no closed gate, explains."""
    explained = {"non-finite", "dead", "symmetry", "disconnected"}
    if any(finding.kind in explained for finding in found) or seen.loss == 0.0:
        return
    trainable = [path for path in seen.layers if seen.weights(path, "kernel")]
    silent = [
        path
        for path in trainable
        if all(seen.gets_zeros(v) for v in seen.weights(path, "kernel"))
    ]
    if not silent or _a_zero_opens(seen):
        return
    path = silent[-1]
    signal = seen.signal(path)
    evidence = {"layers": len(silent), "of": len(trainable)}
    if _underflows(seen):
        yield Finding(
            "vanishing",
            "severe",
            path,
            {"of": "gradient", **evidence},
            "The gradient becomes too small for its number format on its way back, and "
            "is 0 from here on.",
            remake_at(seen, path),
        )
        return
    if signal is not None and signal.activation == "softmax" and seen.classes == 1:
        yield Finding(
            "disconnected",
            "severe",
            path,
            {**evidence, "outputs": 1},
            "A softmax of one output is 1 whatever goes in: no weight gets a gradient.",
            remake(seen, signal, activation='"sigmoid"'),
        )
        return
    yield Finding(
        "disconnected",
        "severe",
        path,
        evidence,
        "The gradient is exactly 0 from here back to the data, and no weight opens the "
        "way: something behind this layer is flat or cuts gradients off.",
        remake_at(seen, path),
    )


def _a_zero_opens(seen: Examined) -> bool:
    """Whether some weight starts at zero and gets a gradient."""
    for kernel in (k for kernels in seen.kernels.values() for k in kernels):
        if kernel.is_zero and not seen.gets_zeros(kernel.variable):
            return True
    return seen.zero_scale_opens()


def _underflows(seen: Examined) -> bool:
    """Whether gradients get ever smaller before they are 0."""
    sizes = [s.gradient_out.rms for s in seen.signals if s.gradient_out is not None]
    known = [size for size in sizes if size > 0.0]
    return len(known) > 2 and min(known) < 1e-6 * max(known)
