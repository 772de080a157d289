"""What watching costs: a step of `fit` with the monitor against one without it."""

import contextlib
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks import monitor_floor, monitor_networks
from benchmarks.monitor_peers import WANDB, has_wandb, second_pass, wandb_watch
from benchmarks.settings import BACKENDS, Settings
from benchmarks.tables import NOTHING, Table, show
from benchmarks.timing import error_of_median, finish, race
from benchmarks.workers import Worker

__all__ = ["measure", "tables"]

#: Steps of one measurement, by network: few, for the clock of a machine changes within
#: a second, and of the smallest so many that the caches are warm for most of them. The
#: monitor reads its numbers after each 16, two steps late.
STEPS = {"mlp": 4 * 16 + 2, "cnn": 16 + 2, "transformer": 16 + 2}
QUICK_STEPS = 2
#: So many times the rounds, therefore, and seconds for those of a cell.
ROUNDS = 8
BUDGET = 100.0

#: The most that a step may cost, relative to plain `fit`: of a network whose step is
#: 20 ms or more, and of 50 layers of 64 units, where a step is a few milliseconds.
GOALS = {
    "cnn": {"standard": 1.03, "standard, every 10": 1.005},
    "transformer": {"standard": 1.03, "standard, every 10": 1.005},
    "mlp": {"cheap": 1.15, "standard": 1.30, "standard, every 10": 1.05},
}


def measure(settings: Settings) -> list[dict[str, Any]]:
    rows = []
    for backend in BACKENDS:
        for network in STEPS:
            with Worker(backend) as worker:
                cell = worker.run(_measure, backend, network, settings)
            for row in cell:  # the whole takes twenty minutes
                ratio = f"{row['ratio']:.3f}"
                print(backend, network, row["way"], ratio, file=sys.stderr, flush=True)
            rows += cell
    return rows


def _measure(backend: str, network: str, settings: Settings) -> list[dict[str, Any]]:
    steps = QUICK_STEPS if settings.quick else STEPS[network]
    if not settings.quick:
        rounds = ROUNDS * settings.rounds
        settings = replace(settings, rounds=rounds, budget=BUDGET)
    batch = monitor_networks.batch(network)
    model = monitor_networks.network(network)
    with contextlib.ExitStack() as opened:
        timers = {"plain": _timer(model, batch, [], steps)}
        for way in _ways(backend):
            model = monitor_networks.network(network)
            callbacks = _callbacks(way, model, batch, opened)
            # A histogram of each gradient takes long: one step says how long.
            some = 1 if way == WANDB else steps
            timers[way] = _timer(model, batch, callbacks, some)
        timers |= monitor_floor.timers(backend, model)
        times = race(timers, settings, pause=0.0)
    plain = times.pop("plain")
    return [
        {
            "backend": backend,
            "network": network,
            "way": way,
            "step": statistics.median(plain),
            **_over(ours, plain, way in monitor_floor.FLOORS),
        }
        for way, ours in times.items()
    ]


def _over(ours: list[float], plain: list[float], is_more: bool) -> dict[str, float]:
    """Our time over the plain one of the same round; the plain one is in it or not."""
    ratios = [a / b + is_more for a, b in zip(ours, plain, strict=True)]
    return {"ratio": statistics.median(ratios), "error": error_of_median(ratios)}


def _ways(backend: str) -> list[str]:
    ways = ["plain again", "cheap", "standard", "standard, every 10", "second pass"]
    return [*ways, WANDB] if backend == "torch" and has_wandb() else ways


def _timer(
    model: Any, batch: Any, callbacks: list[Any], steps: int
) -> Callable[[], float]:
    """Trains a network for some steps; returns the seconds a step, without the first.

    The first step of a `fit` bears what is done once a training.
    """
    import keras

    from keras_inits.experiments.training import repeated

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, index: int, logs: Any = None) -> None:
            if index in (0, steps):
                finish((logs or {}).get("loss"))
                self.start, self.end = self.end, time.perf_counter()

        start = end = 0.0

    clock = Clock()

    def timer() -> float:
        model.fit(
            repeated(batch, steps + 1),
            steps_per_epoch=steps + 1,
            verbose=0,
            callbacks=[*callbacks, clock],
            shuffle=False,
        )
        return (clock.end - clock.start) / steps

    return timer


def _callbacks(
    way: str, model: Any, batch: Any, opened: contextlib.ExitStack
) -> list[Any]:
    from keras_inits import NormMonitor

    quiet = partial(NormMonitor, on_verdict=_ignore)
    if way in ("cheap", "standard"):
        return [quiet(measures=way)]
    if way == "standard, every 10":
        return [quiet(every=10)]
    if way == "second pass":
        return [second_pass(model, batch)]
    if way == WANDB:
        return [opened.enter_context(wandb_watch(model))]
    return []


def _ignore(verdict: Any) -> None:
    pass


def tables(measured: list[dict[str, Any]]) -> list[Table]:
    ways = list(dict.fromkeys(row["way"] for row in measured))
    cells: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in measured:
        place = row["network"], row["backend"]
        cells.setdefault(place, {})[row["way"]] = row
    rows = [
        [*place, show(1000 * next(iter(cell.values()))["step"])]
        + [_shown(cell.get(way)) for way in ways]
        for place, cell in sorted(cells.items(), key=lambda item: item[0][0])
    ]
    networks = "; ".join(f"{each}: {monitor_networks.ONE_LINE[each]}" for each in STEPS)
    return [
        Table(
            title="A step of `fit` with the monitor, over one without",
            columns=["network", "backend", "plain, ms", *ways],
            rows=rows,
            note=(
                "`fit` with each way in turn, in an order drawn each round; medians of "
                "each round's ratio with their standard error, beside the goal where "
                "there is one (≈: nearer to it than the error). The first step of each "
                "measurement, which bears what is done once a training, is left out. "
                f"{networks}; batches of "
                f"{monitor_networks.BATCH}, Adam. Second pass: a callback that takes "
                f"the gradients once more after each step. {_about_wandb(measured)} "
                "Floor: 1 + the time of the same reductions alone over that of a plain "
                "step: the norms of tensors of the weights' shapes, two for each "
                "weight (cheap) or three, one of a difference (standard), compiled as "
                "a step is, without the cost of starting it, without care for "
                "underflow, nothing else."
            ),
        )
    ]


def _shown(row: dict[str, Any] | None) -> str:
    """A ratio, and how it stands to its goal."""
    if row is None:
        return NOTHING
    ratio, error = row["ratio"], row["error"]
    text = f"{ratio:.3f} ± {error:.3f}"
    goal = GOALS[row["network"]].get(row["way"])
    if goal is None:
        return text
    relation = "≈" if abs(ratio - goal) < error else "≤" if ratio <= goal else ">"
    return f"{text} {relation} {goal:g}"


def _about_wandb(measured: list[dict[str, Any]]) -> str:
    if any(row["way"] == WANDB for row in measured):
        return (
            f'`{WANDB}`: `log="gradients", log_freq=1` on torch, which keeps a '
            "histogram of each gradient, with a `log` each step, offline."
        )
    return f"`{WANDB}` is left out: wandb, which only this row needs, is not installed."
