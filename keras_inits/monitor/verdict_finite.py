"""Where NaN and infinity come from: which layer had them first, and on which way."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inits.monitor import cures
from keras_inits.monitor.verdict_run import Found
from keras_inits.records import Layout, Sample

__all__ = ["Finiteness"]

_Mask = NDArray[np.bool_]


class Finiteness:
    """Tells what was not measured, which reads NaN too, from what is NaN.

    A weight whose gradient and own norm are both NaN had no part in the step: it has no
    gradient, or another optimizer trains it at other steps. It is believed to be NaN
    itself where anything else, or the loss, is not finite either, and where its layer's
    other weights were measured.

    A weight of finite norm whose gradient is NaN from the first sample on may have no
    gradient, which leaves it as it is, or one that is NaN, which shows in its norm at
    the next sample. It is believed at once where no other gradient is finite, where the
    loss is not, or where the count of non-finite entries says so.
    """

    def __init__(self, layout: Layout) -> None:
        count = len(layout.weights)
        self._layout = layout
        self._paths = {weight.path: i for i, weight in enumerate(layout.weights)}
        layers = {layer: place for place, layer in enumerate(layout.layers)}
        self._owners = np.array([layers[w.layer] for w in layout.weights], int)
        self._without = np.zeros(count, bool)
        self._ever_finite = np.zeros(count, bool)
        self._suspected = np.zeros(count, bool)
        self._suspected_at = 0
        self._largest = 0.0

    def has_none(self, paths: Iterable[str]) -> None:
        """Learns which weights have no gradient."""
        for path in paths:
            if path in self._paths:
                self._without[self._paths[path]] = True

    def look(self, sample: Sample, by_outputs: str | None = None) -> Found | None:
        """What is not finite in a sample, if anything is."""
        gradient = sample.values["gradient_norm"]
        weight = sample.values["weight_norm"]
        square = float(gradient @ gradient)
        if math.isfinite(square) and math.isfinite(float(weight @ weight)):
            if not self._largest:
                self._ever_finite[:] = True
            self._largest = max(self._largest, square)
            return None
        finite = np.isfinite(gradient)
        absent = np.isnan(gradient) & np.isnan(weight)
        bad = ~finite & ~absent & ~self._without
        spoilt = ~np.isfinite(weight) & ~absent & ~self._without
        lost = sample.loss is not None and not math.isfinite(sample.loss)
        gone = absent & self._ever_finite
        if not (lost or (bad & ~self._suspected).any() or not finite.any()):
            gone &= np.isin(self._owners, self._owners[finite])
        gone |= absent & self._suspected
        bad |= gone
        spoilt |= gone
        sure = bad & (self._ever_finite | np.isinf(gradient))
        counts = sample.values.get("nonfinite")
        if counts is not None:
            sure |= bad & (np.nan_to_num(counts) > 0)
        if lost or not finite.any():
            sure |= bad
        if spoilt.any() or sure.any():
            return self._say(sample, bad, spoilt, lost, by_outputs)
        self._suspect(sample, bad)
        self._ever_finite |= finite
        self._largest = max(self._largest, float(np.sum(gradient[finite] ** 2)))
        return None

    def _suspect(self, sample: Sample, bad: _Mask) -> None:
        """Gradients that are NaN in a second sample, their weights whole, are none."""
        self._without |= self._suspected & bad
        bad = bad & ~self._without
        if bad.any() and sample.applied:
            self._suspected, self._suspected_at = bad, sample.step

    def _say(
        self,
        sample: Sample,
        bad: _Mask,
        weights: _Mask,
        lost: bool,
        by_outputs: str | None,
    ) -> Found:
        layers = [weight.layer for weight in self._layout.weights]
        everywhere = bool((bad | self._without).all())
        evidence: dict[str, Any] = {
            "loss": sample.loss,
            "gradients_not_finite": int(bad.sum()),
            "weights_not_finite": int(weights.sum()),
            "watched": len(layers),
            "largest_gradient_before": math.sqrt(self._largest),
        }
        spoilt = weights & self._suspected
        if spoilt.any():  # the step before was seen, and began it in its backward pass
            layer = layers[int(np.flatnonzero(self._suspected)[-1])]
            evidence |= {"pass": "backward", "began": self._suspected_at}
            return self._backward(layer, evidence)
        if weights.any():
            layer = layers[int(np.argmax(weights))]
            evidence["pass"] = "update"
            cause = (
                f"Weights of {layer} are not finite before this step: an update since "
                "the last sample overflowed or was NaN, which spoils all that follows."
            )
            return self._found(layer, evidence, cause, cures.calmer_optimizer)
        layer = layers[int(np.flatnonzero(bad)[-1])]
        if not (lost or everywhere):
            evidence["pass"] = "backward"
            return self._backward(layer, evidence)
        evidence["pass"] = "forward"
        if by_outputs:
            cause = f"The outputs of {by_outputs} are the first that are not finite."
            return self._found(by_outputs, evidence, cause, cures.calmer_optimizer)
        cause = (
            "All weights are finite and the loss is not: it began in the forward pass, "
            f"at the outputs of {layer} or in the loss (the logarithm of 0, a division "
            "by 0, NaN in the data)."
        )
        return self._found(layer, evidence, cause, lambda _: cures.safe_function("log"))

    def _backward(self, layer: str, evidence: Mapping[str, Any]) -> Found:
        cause = (
            "The loss and the gradients nearer to it are finite: it began in the "
            f"backward pass, at {layer}: in the slope of what follows it (that of a "
            "root or a logarithm at 0 is infinite) or in NaN among its inputs."
        )
        cure = cures.safe_function("sqrt")
        return self._found(layer, evidence, cause, lambda _: cure)

    def _found(
        self, layer: str, evidence: Mapping[str, Any], cause: str, cure: Any
    ) -> Found:
        facts = self._layout.facts
        dtype = str(facts.get("dtype", ""))
        if "float16" in dtype and "bfloat16" not in dtype:
            cause += " float16 ends at 65504."
            return Found(
                layer,
                {**evidence, "dtype": dtype},
                cause,
                cures.scaled_optimizer(self._layout),
            )
        return Found(layer, dict(evidence), cause, cure(self._layout))
