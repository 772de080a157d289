"""What is seen in the weights themselves and in the outputs on a held batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from keras_inits.monitor import cures
from keras_inits.monitor.rules import Rule
from keras_inits.monitor.verdict_run import Found, Run
from keras_inits.records import Weight

__all__ = ["Looks"]

_Outputs = Mapping[str, Mapping[str, float]]

#: By rule: the measured number, and the name of its limit.
_MEASURES = {
    "dead outputs": ("dead", "units"),
    "saturated outputs": ("saturated", "outputs"),
}


class Looks:
    """Remembers how often a layer looked the same.

    Args:
        run: The run, which learns from it which layers began with equal units.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._first: dict[str, int] = {}
        self._kernels: dict[str, int] = {}
        for place, weight in enumerate(run.memory.layout.weights):
            self._first.setdefault(weight.layer, place)
            if weight.role == "kernel":
                self._kernels.setdefault(weight.layer, place)
        self._times: dict[tuple[str, str], int] = {}
        #: The first layer, as the data goes, whose outputs were not finite.
        self.not_finite: str | None = None

    def structure(
        self, step: int, duplicates: Mapping[str, tuple[int, int]], rule: Rule
    ) -> Iterator[Found]:
        """Layers whose units are as alike as they were at the start, but moved."""
        alike = {
            layer: (twins, units)
            for layer, (twins, units) in duplicates.items()
            if units > 1 and twins >= max(2, rule["units"] * units)
        }
        if step == 0:
            self._run.alike = set(alike)
            return
        known = self._run.alike & alike.keys()
        for layer, place in self._kernels.items():
            if layer in known and self._moved(layer) >= rule["moved"]:
                yield _symmetric(self._run.weight(place), *alike[layer])

    def first_not_finite(self, outputs: _Outputs) -> None:
        """Takes in where outputs stop to be finite."""
        for layer in self._first:
            if outputs.get(layer, {}).get("nonfinite", 0) > 0:
                self.not_finite = layer
                return

    def outputs(self, name: str, outputs: _Outputs, rule: Rule) -> Iterator[Found]:
        """Hidden layers whose share of dead or saturated ones was high for long."""
        measure, limit = _MEASURES[name]
        for layer, place in self._first.items():
            share = outputs.get(layer, {}).get(measure, 0.0)
            if share < rule[limit] or self._run.depth.is_last(layer):
                self._times.pop((name, layer), None)
                continue
            times = self._times.get((name, layer), 0) + 1
            self._times[name, layer] = times
            if times >= rule.samples:
                weight = self._run.weight(self._kernels.get(layer, place))
                yield _of_outputs(weight, measure, share, times)

    def _moved(self, layer: str) -> float:
        """How far a layer's kernel has moved, for its norm; unknown counts as far."""
        memory = self._run.memory
        if not memory.samples:
            return np.inf
        place = self._kernels[layer]
        now = memory.weight[place]
        moved = max(memory.travelled[place], abs(now - memory.first_weight[place]))
        return float(moved / now) if now > 0 else 0.0


def _symmetric(weight: Weight, twins: int, units: int) -> Found:
    return Found(
        weight.layer,
        {"units_alike": twins, "units": units},
        f"{twins} of {units} units are equal to another one and stay so, because they "
        "get equal gradients: they count as one. They began with equal weights.",
        cures.fresh_layer(weight),
    )


def _of_outputs(weight: Weight, measure: str, share: float, times: int) -> Found:
    evidence = {measure: share, "looks": times}
    if measure == "dead":
        cause = (
            f"{share:.0%} of the units give zero for every input of the held batch, "
            "and cannot recover."
        )
        return Found(weight.layer, evidence, cause, cures.living_layer(weight))
    cause = (
        f"{share:.0%} of the outputs sit at the ends of {weight.activation}, where its "
        "slope is near zero."
    )
    return Found(weight.layer, evidence, cause, cures.fresh_layer(weight))
