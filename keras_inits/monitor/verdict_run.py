"""What a check may look at, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_inits.monitor.verdict_depth import Depth, Trend
from keras_inits.monitor.verdict_memory import Memory
from keras_inits.records import Weight

__all__ = ["Found", "Run"]


@dataclass(frozen=True)
class Found:
    """What a check saw: a verdict but for its kind, severity and step."""

    layer: str
    evidence: dict[str, Any]
    cause: str
    cure: str


@dataclass
class Run:
    """All that a check may look at."""

    memory: Memory
    depth: Depth
    #: Layers whose units were all alike at the start.
    alike: set[str] = field(default_factory=set)
    verdicts: set[tuple[str, str]] = field(default_factory=set)
    _lines: dict[int, Trend] = field(default_factory=dict)
    _lines_at: int = -1

    def weight(self, place: int) -> Weight:
        """The weight at a place of the arrays."""
        return self.memory.layout.weights[place]

    def line(self, least: int) -> Trend:
        """The gradients' trend with depth: by biases if `least` layers have some."""
        memory = self.memory
        if self._lines_at != memory.samples:
            self._lines_at = memory.samples
            self._lines.clear()
        if least not in self._lines:
            gradient, weight = memory.gradient, memory.weight
            self._lines[least] = self.depth.of_gradients(gradient, weight, least)
        return self._lines[least]

    @property
    def has_kinds(self) -> set[str]:
        """Kinds of the verdicts so far."""
        return {kind for kind, _ in self.verdicts}

    @property
    def has_scale(self) -> bool:
        """Whether the kernels began with a size of their own, and units that differ."""
        kernels = self.depth.kernels
        began = self.memory.first_weight[kernels] > 0
        alike = [self.weight(place).layer in self.alike for place in kernels]
        return len(kernels) > 0 and float(np.mean(began & ~np.array(alike))) >= 0.5
