"""What a judge keeps of a run: a few arrays, as large after a million samples."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from keras_inits.monitor.rules import Rule
from keras_inits.records import Layout, Sample

__all__ = ["RECTIFIERS", "Memory"]

_Array = NDArray[np.float64]

#: Activations whose units can fall silent for good.
RECTIFIERS = frozenset({"relu", "relu6"})

#: Medians are over so many samples: most of a handful of odd batches do not count.
_RECENT = 8
#: As many update ratios tell a warm-up from a standstill.
_HISTORY = 64


class Memory:
    """The last samples, what the run began with, and how long gradients were zero.

    Entries of weights that have no gradient are NaN, and stay out of every total.
    """

    def __init__(self, layout: Layout) -> None:
        count = len(layout.weights)
        self.layout = layout
        self.kernels = np.array([w.role == "kernel" for w in layout.weights], bool)
        self.samples = 0
        self.step = 0
        self.first_weight = np.full(count, math.nan)
        self.weight = self.first_weight
        self.gradient_now = self.first_weight
        self.first_gradient_total = math.nan
        self.gradient_total = math.nan
        self.weight_total = math.nan
        self.losses: deque[float] = deque(maxlen=_RECENT)
        self.first_loss: float | None = None
        self.loss_now: float | None = None
        self.loss_scale = 1.0
        #: Samples in a row, up to now, in which a weight's gradient was exactly zero.
        self.zeros: NDArray[np.int64] = np.zeros(count, np.int64)
        self.ever_nonzero = np.zeros(count, bool)
        self.zero_share: _Array | None = None
        self.silent: NDArray[np.int64] = np.zeros(count, np.int64)
        self.largest_update = -math.inf
        self.moved_at = -1  # the sample at which the weights last leapt
        self.leap = 0.0
        self.travelled = np.zeros(count)
        self.has_updates = False
        self._gradients = np.full((_RECENT, count), math.nan)
        self._median_at = 0
        self._weight_totals: deque[float] = deque(maxlen=_RECENT)
        self._steps: deque[int] = deque(maxlen=_RECENT)
        self._ratios: list[tuple[float, float]] = []
        self._stride = 1

    def add(self, sample: Sample) -> None:
        """Takes in a sample whose gradients are finite where there are any.

        What was not measured at this step keeps the values that it had.
        """
        gradient = sample.values["gradient_norm"]
        weight = sample.values["weight_norm"]
        if math.isnan(float(gradient @ weight)):
            gradient = np.where(np.isnan(gradient), self.gradient_now, gradient)
            weight = np.where(np.isnan(weight), self.weight, weight)
            fresh = np.isnan(self.first_weight)
            self.first_weight = np.where(fresh, weight, self.first_weight)
        self.gradient_total = _total(gradient)
        self.weight_total = _total(weight)
        if not self.samples:
            self.first_weight = weight.copy()
            self.first_gradient_total = self.gradient_total
        self._gradients[self.samples % _RECENT] = gradient
        self._weight_totals.append(self.weight_total)
        self._steps.append(sample.step)
        self.zeros += 1
        self.zeros *= gradient == 0
        self.ever_nonzero |= gradient > 0
        self.gradient_now = gradient
        self.weight = weight
        self.step = sample.step
        self.samples += 1
        self.loss_scale = sample.loss_scale
        self.loss_now = sample.loss
        if sample.loss is not None and math.isfinite(sample.loss):
            self.losses.append(sample.loss)
            if self.first_loss is None:
                self.first_loss = sample.loss
        self.zero_share = sample.values.get("zero_share")
        update = sample.values.get("update_norm")
        if update is not None and sample.applied:
            self._add_update(update)

    def _add_update(self, update: _Array) -> None:
        self.has_updates = True
        total = _total(update)
        measured = update == update  # not NaN
        np.add(self.travelled, update, out=self.travelled, where=measured)
        ratio = total / self.weight_total if self.weight_total > 0 else math.inf
        self.largest_update = max(self.largest_update, ratio)
        if self.samples % self._stride == 0:
            per_gradient = total / self.gradient_total if self.gradient_total else 0.0
            self._ratios.append((ratio, per_gradient))
            if len(self._ratios) == _HISTORY:
                self._ratios = self._ratios[::2]
                self._stride *= 2
        if ratio > self.leap or self.samples - self.moved_at > _RECENT:
            self.leap, self.moved_at = ratio, self.samples

    def leapt(self, rule: Rule) -> bool:
        """Whether the weights moved by as much as themselves not long ago.

        Those that begin at zero do so and mean no harm: most kernels must not.
        """
        recently = self.samples - self.moved_at <= _RECENT
        oldest = self._weight_totals[0]
        if not (
            (recently and self.leap >= rule["update"])
            or 0 < oldest * rule["growth"] <= self.weight_total
        ):
            return False
        began = self.first_weight[self.kernels] > 0
        return bool(2 * np.count_nonzero(began) > began.size)

    @property
    def gradient(self) -> _Array:
        """The median of each weight's gradient norm over the last samples."""
        if self._median_at != self.samples:
            self._median_at = self.samples
            kept = self._gradients[: min(self.samples, _RECENT)]
            self._median: _Array = np.median(kept, axis=0)
        return self._median

    @property
    def since(self) -> int:
        """The step of the first of those samples."""
        return self._steps[0]

    @property
    def recent(self) -> int:
        """How many samples those are."""
        return len(self._steps)

    @property
    def loss(self) -> float | None:
        """The median of the last losses."""
        return float(np.median(self.losses)) if self.losses else None

    def fallen_below(self, share: float) -> bool:
        """Whether the loss is known to be below a share of the first one."""
        if self.loss is None or self.first_loss is None or self.first_loss <= 0:
            return False
        return self.loss < share * self.first_loss

    @property
    def norms_stand_still(self) -> bool:
        """Whether no weight's norm has changed, by what float32 can tell of the whole.

        Updates at right angles to the weights leave a norm as it is, but not those of
        every kernel and bias.
        """
        moved = np.nanmax(np.abs(self.weight - self.first_weight))
        return bool(moved <= 1e-8 * self.weight_total)

    def pace(self) -> tuple[float, float, float]:
        """Update over weight, update over gradient, and how much faster than at first.

        The first two are medians over the run. The last compares the second half of it
        with the first. All are infinite before a few updates were measured.
        """
        if len(self._ratios) < 4:
            return math.inf, math.inf, math.inf
        ratios = np.array(self._ratios)
        middle = len(ratios) // 2
        early, late = np.median(ratios[:middle, 0]), np.median(ratios[middle:, 0])
        rise = late / early if early > 0 else (math.inf if late > 0 else 1.0)
        typical = np.median(ratios, axis=0)
        return float(typical[0]), float(typical[1]), float(rise)


def _total(norms: _Array) -> float:
    square = float(norms @ norms)
    if math.isnan(square):
        square = float(np.nansum(norms * norms))
    return math.sqrt(square)
