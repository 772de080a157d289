"""Schemes compared on the circles: which runs to make, each run, all in a record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import keras
import numpy as np
from numpy.typing import NDArray

import keras_inits.initializers
from keras_inits.experiments import circles
from keras_inits.experiments.circles import Circles
from keras_inits.experiments.relu_chain import distinct_units, measure
from keras_inits.experiments.schemes import Scheme, find_schemes
from keras_inits.experiments.training import train_full_batch
from keras_inits.records import Comparison, History, Run

__all__ = ["PlannedRun", "compare", "comparison", "plan_runs", "train"]


@dataclass(frozen=True)
class PlannedRun:
    """One run to be made; `keep_map` says whether to keep the learned function."""

    scheme: Scheme
    seed: int | None
    published: bool
    keep_map: bool

    @property
    def title(self) -> str:
        """The scheme and where its weights come from."""
        if self.published:
            return f"{self.scheme.label}, published draw"
        seed = "" if self.seed is None else f", seed {self.seed}"
        return self.scheme.label + seed


def plan_runs(schemes: Sequence[Scheme], seeds: int) -> tuple[PlannedRun, ...]:
    """The runs to make: published draws first, then the schemes seed by seed.

    A scheme that draws nothing is run once, whatever the number of seeds.

    Args:
        schemes: At least one.
        seeds: How many seeds, from 0 up: seeds 0, 1, ... are taken.

    Raises:
        ValueError: If `seeds` is negative, if there is nothing to run, or if a
            scheme can't fill the network's kernels.
    """
    if seeds < 0:
        raise ValueError(
            f"The number of seeds can't be negative. Received: seeds={seeds}. "
            "Give 0 for the published draw alone."
        )
    for scheme in schemes:
        _check_fills(scheme)
    chosen: list[tuple[Scheme, int | None, bool]] = [
        (scheme, None, True) for scheme in schemes if scheme.published
    ]
    for seed in range(seeds):
        for scheme in schemes:
            if scheme.draws or seed == 0:
                chosen.append((scheme, seed if scheme.draws else None, False))
    if not chosen:
        raise ValueError(
            "There is nothing to run: these schemes have no published draw. "
            f"Received: schemes={[scheme.label for scheme in schemes]}, seeds=0. "
            "Ask for at least one seed."
        )
    first = {run[0].label: run for run in reversed(chosen)}
    return tuple(
        PlannedRun(*run, keep_map=first[run[0].label] is run) for run in chosen
    )


def train(
    planned: PlannedRun,
    data: Circles,
    *,
    steps: int = circles.STEPS,
    on_step: Callable[[int], None] | None = None,
) -> Run:
    """Build, train and judge one network.

    Args:
        planned: Which scheme, and which draw of it.
        data: The points, from `load_circles`.
        steps: Optimizer updates, each on all training points.
        on_step: Called with the number of updates made, about 150 times.

    Returns:
        The `Run`, with costs and norms along the way.
    """
    model = circles.build_model(_initializers(planned))
    history = train_full_batch(
        model,
        data.x_train,
        data.y_train,
        steps=steps,
        learning_rate=circles.LEARNING_RATE,
        on_step=on_step,
    )
    return _judge(planned, model.get_weights(), data, history)


def comparison(
    data: Circles, runs: Iterable[Run], *, steps: int, planned: int
) -> Comparison:
    """The record of these runs; `planned` is how many were asked for."""
    return Comparison(
        task=circles.TASK,
        steps=steps,
        learning_rate=circles.LEARNING_RATE,
        train=data.train,
        test=data.test,
        runs=tuple(runs),
        planned=planned,
    )


def compare(
    schemes: Iterable[str] = ("zeros", "large_random", "he"),
    *,
    seeds: int = 5,
    steps: int = circles.STEPS,
) -> Comparison:
    """The whole experiment in one call: about two seconds a run on TensorFlow.

    Args:
        schemes: Names, as `schemes.find_schemes` reads them.
        seeds: How many seeds of each scheme that draws.
        steps: Optimizer updates of each run.

    Returns:
        The `Comparison`, which `keras_inits.report` turns into tables and figures.

    Raises:
        ValueError: For an unknown scheme, or a number out of range.
        ImportError: If scikit-learn is missing.

    Example:
        >>> result = compare(["he"], seeds=1, steps=10)
        >>> [run.draw for run in result.runs]
        ['published draw', 'seed 0']
    """
    plan = plan_runs(find_schemes(schemes), seeds)
    data = circles.load_circles()
    runs = [train(planned, data, steps=steps) for planned in plan]
    return comparison(data, runs, steps=steps, planned=len(plan))


def _initializers(planned: PlannedRun) -> list[keras.initializers.Initializer]:
    published = planned.scheme.published
    if planned.published and published is not None:
        kernels = circles.published_kernels(published)
        return [keras_inits.initializers.Constant(kernel) for kernel in kernels]
    seed = planned.seed or 0
    return [planned.scheme.make(seed) for _ in circles.LAYERS]


def _check_fills(scheme: Scheme) -> None:
    """Draw each kernel once, so that a misfit shows before the first run."""
    for shape in pairwise(circles.UNITS):
        try:
            scheme.make(0)(shape, dtype="float32")
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"This scheme can't fill a dense kernel of shape {shape}: {error} "
                f"Received: scheme={scheme.label!r}. Leave it out here."
            ) from error


def _judge(
    planned: PlannedRun,
    weights: Sequence[NDArray[np.floating]],
    data: Circles,
    history: History,
) -> Run:
    published = planned.scheme.published if planned.published else None
    as_published = history.step[-1] == circles.STEPS
    hidden = list(zip(circles.LAYERS, weights[:-2:2], weights[1:-2:2], strict=False))
    on_train = measure(weights, data.x_train, data.y_train)
    return Run(
        scheme=planned.scheme.label,
        seed=planned.seed,
        published=planned.published,
        published_accuracy=(published.accuracy if published and as_published else None),
        train_accuracy=on_train.accuracy,
        test_accuracy=measure(weights, data.x_test, data.y_test).accuracy,
        predicted_ones=on_train.predicted_ones,
        hidden_units={name: len(bias) for name, _, bias in hidden},
        distinct_units={name: distinct_units(*layer) for name, *layer in hidden},
        history=history,
        learned=circles.logit_map(weights) if planned.keep_map else None,
    )
