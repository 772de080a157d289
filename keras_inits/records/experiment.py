"""What an experiment leaves behind: one record a run, and one of them all."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Comparison", "History", "LogitMap", "Points", "Run", "Spread"]


@dataclass(frozen=True)
class Points:
    """Labelled points of the plane: coordinates and classes (0 or 1)."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    label: tuple[int, ...]

    @property
    def majority(self) -> float:
        """Share of the larger class: what answering one class for all earns."""
        ones = sum(self.label) / len(self.label)
        return max(ones, 1.0 - ones)


@dataclass(frozen=True)
class LogitMap:
    """A network's answer on a grid: `logit[i][j]` is its logit at `(x[j], y[i])`.

    Logits rather than probabilities, because a ReLU network's are piecewise linear:
    the boundary between the classes is exact between the points of the grid.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    logit: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class History:
    """What was measured along one training run, a column per quantity.

    Every column is as long as `step`, which counts optimizer updates: the values
    at step `n` are those of the weights after `n` updates, step 0 is before the
    first. `gradient_norm` and `weight_norm` hold a column per layer, in the order
    of the layers: L2 norms of the kernel and of the cost's gradient by it.
    """

    step: tuple[int, ...]
    cost: tuple[float, ...]
    accuracy: tuple[float, ...]
    gradient_norm: dict[str, tuple[float, ...]]
    weight_norm: dict[str, tuple[float, ...]]

    def first_step_at(self, accuracy: float) -> int | None:
        """The first measured step with at least this train accuracy, if any."""
        reached = zip(self.step, self.accuracy, strict=True)
        return next((step for step, value in reached if value >= accuracy), None)


@dataclass(frozen=True)
class Run:
    """One network trained from one draw of its weights.

    Args:
        scheme: Label of the initialization scheme.
        seed: The integer given to the initializers; None for a published draw
            and for a scheme that draws nothing.
        published: Whether the weights are the published draw.
        published_accuracy: The train accuracy that the source prints for this
            very run, where it prints one.
        train_accuracy: Share of right answers at the end, over training points.
        test_accuracy: The same over test points.
        predicted_ones: How many training points are answered "class 1".
        hidden_units: Units of each hidden layer.
        distinct_units: How many of them differ, in weights or bias, at the end.
        history: What was measured along the way.
        learned: The function learned, over the plane; None where not kept.
    """

    scheme: str
    seed: int | None
    published: bool
    published_accuracy: float | None
    train_accuracy: float
    test_accuracy: float
    predicted_ones: int
    hidden_units: dict[str, int]
    distinct_units: dict[str, int]
    history: History
    learned: LogitMap | None = None

    @property
    def draw(self) -> str:
        """Where the weights came from, in a word or two."""
        if self.published:
            return "published draw"
        return "draws nothing" if self.seed is None else f"seed {self.seed}"

    @property
    def initial_cost(self) -> float:
        """Cost (nats per point) before the first update."""
        return self.history.cost[0]

    @property
    def final_cost(self) -> float:
        """Cost (nats per point) after the last update."""
        return self.history.cost[-1]


@dataclass(frozen=True)
class Spread:
    """Median and range of a number over several runs."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Summarize at least one value; a value that is no number counts as inf."""
        known = [math.inf if math.isnan(value) else value for value in values]
        return cls(statistics.median(known), min(known), max(known), len(known))


@dataclass(frozen=True)
class Comparison:
    """Several schemes on one task: the task's data and the finished runs.

    `planned` counts the runs that were asked for; fewer in `runs` means that the
    experiment was interrupted.
    """

    task: str
    steps: int
    learning_rate: float
    train: Points
    test: Points
    runs: tuple[Run, ...]
    planned: int

    @property
    def interrupted(self) -> bool:
        """Whether runs are missing."""
        return len(self.runs) < self.planned

    @property
    def schemes(self) -> tuple[str, ...]:
        """Labels of the schemes, in the order of their first run."""
        return tuple(dict.fromkeys(run.scheme for run in self.runs))

    def published(self) -> tuple[Run, ...]:
        """The runs from a published draw."""
        return tuple(run for run in self.runs if run.published)

    def seeded(self, scheme: str) -> tuple[Run, ...]:
        """The scheme's runs from the library's own initializers."""
        return tuple(
            run for run in self.runs if run.scheme == scheme and not run.published
        )

    def shown(self) -> tuple[Run, ...]:
        """One run a scheme, to look at closely: its first with a map kept."""
        first: dict[str, Run] = {}
        for run in self.runs:
            if run.learned is not None:
                first.setdefault(run.scheme, run)
        return tuple(first.values())

    def to_dict(self) -> dict[str, Any]:
        """Everything as dicts, lists and numbers, ready for `json.dumps`.

        A value that is no number or infinite becomes None: JSON has no word for it.
        """
        return {name: _plain(value) for name, value in asdict(self).items()}

    def __str__(self) -> str:
        from keras_inits.report.tables import comparison_shown

        return str(comparison_shown(self))

    def _repr_html_(self) -> str:
        from keras_inits.report.tables import comparison_shown

        return comparison_shown(self)._repr_html_()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
