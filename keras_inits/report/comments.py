"""One line on what a run shows, chosen by rules over what was measured in it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from keras_inits.records import Points, Run, Spread

__all__ = ["comment_on_draws", "comment_on_run"]

# The thresholds of the rules. Accuracies are shares of points, costs nats a point.
COIN = math.log(2.0)  # the cost of answering 1/2 for every point
WRONG_START = 5 * COIN  # so far above a coin only by being sure and wrong
SOLVED = 0.95
NO_BETTER = 0.05  # within this of one answer for all: nothing was learned
UNMOVED = 1e-6  # relative change of the cost over the whole run
HARDLY_MOVED = 0.05
STILL_FALLING = 0.01  # relative fall of the cost over the last tenth of the run
MOST = 0.75  # share of draws
GAP = 0.05  # train accuracy above test accuracy


def comment_on_run(run: Run, train: Points) -> str:
    """What happened in this run, in a line.

    Args:
        run: The record.
        train: The points it was trained on.

    Returns:
        A clause or a few, separated by `"; "`.
    """
    if not math.isfinite(run.final_cost):
        return _diverged(run)
    if _symmetric(run):
        return _never_broken(run, train)
    clauses = []
    if run.initial_cost > WRONG_START:
        times = run.initial_cost / COIN
        clauses.append(f"starts sure and wrong, at {times:,.0f} times a coin's cost")
    clauses.append(_outcome(run, train.majority))
    if run.train_accuracy - run.test_accuracy > GAP:
        clauses.append("does worse on new points")
    return "; ".join(clauses)


def comment_on_draws(runs: Sequence[Run], train: Points) -> str:
    """What several draws of one scheme have in common, in a line.

    Args:
        runs: At least one run of the scheme.
        train: The points they were trained on.
    """
    if len(runs) == 1:
        return comment_on_run(runs[0], train)
    accuracy = Spread.of(run.train_accuracy for run in runs)
    if all(_symmetric(run) for run in runs):
        return "no draw breaks the symmetry of the units"
    if accuracy.low >= SOLVED:
        return "every draw separates the circles"
    if accuracy.high < train.majority + NO_BETTER:
        return "no draw gets better than one answer for all"
    solved = sum(run.train_accuracy >= SOLVED for run in runs)
    if solved == 0:
        return f"no draw separates the circles, the best ends at {accuracy.high:.0%}"
    count = f"the circles are separated in {solved} of {len(runs)} draws"
    if solved >= MOST * len(runs):
        return f"{count}, the worst ends at {accuracy.low:.0%}"
    return f"a matter of luck: {count}"


def _diverged(run: Run) -> str:
    costs = zip(run.history.step, run.history.cost, strict=True)
    last = max((step for step, cost in costs if math.isfinite(cost)), default=None)
    if last is None:
        return "the cost is no finite number from the start"
    return f"diverges: the cost is no finite number after step {last:,}"


def _symmetric(run: Run) -> bool:
    """Whether each hidden layer has several units, which are all one."""
    return all(units > 1 for units in run.hidden_units.values()) and all(
        distinct == 1 for distinct in run.distinct_units.values()
    )


def _never_broken(run: Run, train: Points) -> str:
    clauses = ["every unit of a layer computes the same: symmetry is never broken"]
    gradients = run.history.gradient_norm.values()
    if all(norm == 0.0 for column in gradients for norm in column):
        clauses.append("no weight ever gets a gradient")
    if _change(run) < UNMOVED:
        clauses.append(f"the cost stays at {run.final_cost:.4f}")
    if run.predicted_ones in (0, len(train.label)):
        clauses.append("one answer for all points")
    return "; ".join(clauses)


def _outcome(run: Run, majority: float) -> str:
    if run.train_accuracy >= SOLVED:
        step = run.history.first_step_at(SOLVED)
        return f"separates the circles, {SOLVED:.0%} right by step {step:,}"
    if run.train_accuracy < majority + NO_BETTER:
        moved = "its cost has hardly moved" if _change(run) < HARDLY_MOVED else ""
        return "no better than one answer for all" + (moved and f", {moved}")
    falling = ", and its cost still falls" if _still_falls(run) else ""
    return f"separates the circles in part{falling}"


def _change(run: Run) -> float:
    """The largest relative distance of the cost from where it started."""
    start = run.initial_cost
    return max(abs(cost - start) for cost in run.history.cost) / max(start, 1e-12)


def _still_falls(run: Run) -> bool:
    costs = run.history.cost
    before = costs[-1 - max(1, len(costs) // 10)] if len(costs) > 1 else costs[-1]
    return before - costs[-1] > STILL_FALLING * before
