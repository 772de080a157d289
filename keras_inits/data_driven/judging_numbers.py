"""What the numbers themselves say: not finite, off scale, a loss worse than a guess."""

from __future__ import annotations

import math
from collections.abc import Iterator

from keras_inits.data_driven import cures
from keras_inits.data_driven.examined import Examined
from keras_inits.data_driven.remaking import remake
from keras_inits.data_driven.rules import RULES
from keras_inits.data_driven.signals import Signal
from keras_inits.data_driven.weights import Kernel
from keras_inits.records import Finding

__all__ = ["input_scale", "loss", "non_finite"]

_Found = Iterator[Finding]


def non_finite(seen: Examined) -> _Found:
    """The first place only: what follows from it says nothing new."""
    for facts in seen.inputs:
        if facts.nonfinite:
            which = f"[{facts.name!r}]" if facts.name else ""
            yield Finding(
                "non-finite",
                "severe",
                "",
                {"where": "data", "input": facts.name, "entries": facts.nonfinite},
                "The data hold entries that are NaN or infinite: the model never had "
                "a chance.",
                f"x{which} = numpy.nan_to_num(x{which}, posinf=0.0, neginf=0.0)",
            )
            return
    for path, kernels in seen.kernels.items():
        for kernel in kernels:
            if kernel.nonfinite:
                yield _non_finite_weight(path, kernel)
                return
    for signal in seen.signals:
        if signal.output is not None and signal.output.nonfinite:
            yield _non_finite_output(seen, signal, signal.output.nonfinite)
            return
    if not math.isfinite(seen.loss):
        yield Finding(
            "non-finite",
            "severe",
            seen.signals[-1].path if seen.signals else "",
            {"where": "loss", "loss": seen.loss},
            "Every layer's output is finite, and the loss is not: it takes the "
            "logarithm, or the quotient, of a zero.",
            "loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)",
        )
        return
    for signal in reversed(seen.signals):
        gradient = signal.gradient_out
        if gradient is not None and gradient.nonfinite:
            yield Finding(
                "non-finite",
                "severe",
                signal.path,
                {"where": "gradient", "entries": gradient.nonfinite},
                "The outputs are finite, and the gradient is not, from here back to "
                "the data: what follows this layer has no finite slope.",
                'keras.config.set_dtype_policy("float32")',
            )
            return


def _non_finite_weight(path: str, kernel: Kernel) -> Finding:
    scheme = cures.initializer_for(kernel, None)
    return Finding(
        "non-finite",
        "severe",
        path,
        {"where": "weights", "weight": kernel.name, "entries": kernel.nonfinite},
        f"The layer's {kernel.name} holds entries that are NaN or infinite, before "
        "any step of training.",
        cures.redraw(kernel, scheme),
    )


def _non_finite_output(seen: Examined, signal: Signal, entries: int) -> Finding:
    largest = 0.0 if signal.input is None else signal.input.largest
    dtype = str(signal.layer.compute_dtype)
    return Finding(
        "non-finite",
        "severe",
        signal.path,
        {
            "where": "output",
            "entries": entries,
            "largest input": largest,
            "dtype": dtype,
        },
        f"The first outputs that are NaN or infinite are this layer's, in {dtype}: "
        f"what it took was finite, up to {largest:.3g}.",
        remake(seen, signal, dtype='"float32"'),
    )


def input_scale(seen: Examined) -> _Found:
    """Inputs, or features among them, of a scale that no scheme counts on."""
    first = seen.first_kernel
    if first is None or first.input is None or first.normalized or first.normalizes:
        return
    if not first.is_entry:
        return
    rms = first.input.rms
    if rms > 0.0:
        severity = RULES["input"].severity(max(rms, 1.0 / rms))
        if severity is not None:
            yield Finding(
                "input",
                severity,
                first.path,
                {"rms": rms, "mean": first.input.mean, "std": first.input.std},
                f"The first kernel takes inputs of rms {rms:.3g}; schemes count on 1.",
                "scale = keras.layers.Normalization(axis=None)\nscale.adapt(x)",
            )
    for facts in seen.inputs:
        if facts.features is None or len(seen.inputs) > 1:
            continue
        low, high = facts.features
        severity = RULES["input features"].severity(high / low)
        if severity is not None:
            yield Finding(
                "input",
                severity,
                first.path,
                {"smallest feature std": low, "largest feature std": high},
                "The features have scales far apart, so that the largest decide alone.",
                "scale = keras.layers.Normalization()\nscale.adapt(x)",
            )


def loss(seen: Examined) -> _Found:
    """A loss far over that of a guess."""
    if seen.chance is None or not math.isfinite(seen.loss):
        return
    chance, words = seen.chance
    squared = words == "var y"
    if chance <= 0.0:
        return
    severity = RULES["squared loss" if squared else "loss"].severity(seen.loss / chance)
    if severity is None or (not squared and seen.loss - chance < 1.0):
        return
    head = next((s for s in reversed(seen.signals) if s.is_head), None)
    evidence = {"loss": seen.loss, "chance": chance, "chance is": words}
    if squared:
        yield Finding(
            "loss",
            severity,
            "" if head is None else head.path,
            evidence,
            f"The loss is {seen.loss / chance:.3g} times the variance of the targets: "
            "they, or the outputs, are off scale or off centre.",
            "y = (y - y.mean(axis=0)) / y.std(axis=0)",
        )
        return
    cure = 'keras.layers.Dense(1, kernel_initializer="zeros")'
    if head is not None:
        cure = remake(seen, head, kernel_initializer='"zeros"')
    yield Finding(
        "loss",
        severity,
        "" if head is None else head.path,
        evidence,
        f"Before training the loss is {seen.loss:.3g}, and a guess has {chance:.3g} "
        f"({words}): the model is sure of wrong answers.",
        cure,
    )
