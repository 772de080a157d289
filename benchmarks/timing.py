"""How calls are timed: in turn, each finished before the clock stops, by medians."""

import math
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.settings import Settings

__all__ = [
    "error_of_median",
    "finish",
    "median_ratio",
    "milliseconds",
    "race",
    "seconds",
]

# Seconds between two calls. OpenBLAS's threads spin for a while when their work is
# done, and take a core from whoever is measured next: after 0.05 s, matrices of 2.7 ms
# took 60 ms in every other process; after 0.1 s, none did.
_PAUSE = 0.15
# A first call that took longer than this warmed up enough.
_SLOW = 1.0

Times = dict[str, list[float]]


def finish(result: Any) -> None:
    """Waits until a tensor's values are there."""
    if hasattr(result, "block_until_ready"):  # JAX
        result.block_until_ready()
    elif type(result).__module__.startswith("tensorflow"):
        memoryview(result)  # waits, and copies nothing


def seconds(call: Callable[..., Any], *arguments: Any) -> float:
    """The time of one call, until its result is there; not that of freeing it."""
    start = time.perf_counter()
    result = call(*arguments)
    finish(result)
    return time.perf_counter() - start


def race(
    timers: Mapping[str, Callable[[], float]],
    settings: Settings,
    pause: float = _PAUSE,
) -> Times:
    """Asks each timer in turn, round after round: noise of the machine hits all alike.

    Each round has an order of its own, for it matters who was there before.

    Args:
        timers: each makes one measurement and returns its seconds.
        settings: says how many rounds.
        pause: seconds before each measurement.

    Returns:
        Seconds by name and round; a few calls at the start are not among them.
    """
    for timer in timers.values():
        if timer() < _SLOW:
            timer()
    times: Times = {name: [] for name in timers}
    for done in settings.each_round():
        for name in random.Random(done).sample(list(timers), len(timers)):
            time.sleep(pause)
            times[name].append(timers[name]())
    return times


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over rounds of our time over theirs in the same round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def error_of_median(values: Sequence[float]) -> float:
    """The standard error of a median, by the quartiles of what it is of."""
    low, _, high = statistics.quantiles(values, n=4)
    # Of a normal distribution: 1.2533 / 1.3490 times the distance of the quartiles.
    return 0.929 * (high - low) / math.sqrt(len(values))


def milliseconds(times: Sequence[float]) -> float:
    """The median, in milliseconds."""
    return 1000 * statistics.median(times)
