"""The peak of a process's memory while `fit` trains, with the monitor and without it.

Each measurement has a process of its own, which fits once, so that all is compiled and
allocated that stays, lets go of what is free, and then fits again under watch.
"""

import contextlib
import ctypes
import gc
import statistics
import sys
from itertools import product
from typing import Any

from benchmarks import monitor_networks
from benchmarks.memory import STATUS, reset_peak, status
from benchmarks.settings import BACKENDS, Settings
from benchmarks.tables import Table, show, verdict
from benchmarks.workers import Worker

__all__ = ["measure", "tables"]

#: The size of a batch, by network. The transformer is one whose weights and optimizer
#: are more than its activations: what a monitor keeps of the weights shows there.
SIZES = {"mlp": 128, "cnn": 128, "wide transformer": 8}
QUICK_SIZES = {"cnn": 8}
WAYS = ("plain", "cheap", "standard")
STEPS = 4

#: The most that the process's peak may be, relative to plain `fit`.
GOAL = 1.02

# The most processes for each number, whose median is shown.
_PROCESSES = 3


def measure(settings: Settings) -> list[dict[str, Any]]:
    if not STATUS.exists():
        return []
    sizes = QUICK_SIZES if settings.quick else SIZES
    processes = 1 if settings.quick else min(_PROCESSES, settings.rounds)
    rows = []
    for network, backend, way in product(sizes, BACKENDS, WAYS):
        found = []
        for _ in range(processes):
            with Worker(backend) as worker:  # a fresh process: no memory lies about
                found.append(worker.run(_peaks, network, sizes[network], way))
        row = {"network": network, "batch": sizes[network], "backend": backend}
        rows.append({**row, "way": way, "processes": found})
        mib = [one["peak"] >> 20 for one in found]
        print(backend, network, way, *mib, "MiB", file=sys.stderr, flush=True)
    return rows


def _peaks(network: str, size: int, way: str) -> dict[str, Any]:
    """Runs in a worker: bytes of the process at its peak, and before the second fit."""
    from keras_inits import NormMonitor
    from keras_inits.experiments.training import repeated

    model = monitor_networks.network(network)
    batch = monitor_networks.batch(network, size)
    callbacks = [] if way == "plain" else [NormMonitor(measures=way, on_verdict=_pass)]

    def fit() -> None:
        data = repeated(batch, STEPS)
        model.fit(
            data, steps_per_epoch=STEPS, verbose=0, callbacks=callbacks, shuffle=False
        )

    fit()
    first = status("VmHWM")
    _let_go()
    exact = reset_peak()
    before = status("VmRSS")
    fit()
    peak = status("VmHWM")
    return {"first": first, "before": before, "peak": peak, "exact": exact}


def _pass(verdict: Any) -> None:
    pass


def _let_go() -> None:
    """Gives the system what is free but held, such as what compiling has used."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # other libraries have no such
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def tables(measured: list[dict[str, Any]]) -> list[Table]:
    title = "Peak memory of a process that trains, with the monitor and without"
    if not measured:
        return [Table(title, [], [], "Skipped: it is read from Linux's /proc.")]
    networks = dict.fromkeys(row["network"] for row in measured)
    described = "; ".join(f"{n}: {monitor_networks.ONE_LINE[n]}" for n in networks)
    note = (
        f"{described}. Each in a fresh process, {STEPS} steps of `fit` after as many "
        "that compile. Peak: all of the process's memory, libraries too, in the second "
        "`fit`. More: than in plain `fit`. Rise: the peak over what the process held "
        "before the second `fit`; what an allocator kept from the first (TensorFlow's "
        "keeps most) is not in it, and shows as more. Compiling: the ratio of the "
        "peaks in the first `fit`. Medians of a few processes; each step is measured; "
        "plain processes import the package too."
    )
    if not all(one["exact"] for row in measured for one in row["processes"]):
        note += " This kernel does not reset a peak: those of the first `fit` count."
    columns = ["network", "batch", "backend", "with", "peak, MiB", "more", "rise"]
    rows = [_row(row, measured) for row in measured]
    return [Table(title, [*columns, "ratio", "compiling", "limit", "goal"], rows, note)]


def _row(row: dict[str, Any], measured: list[dict[str, Any]]) -> list[str]:
    plain = next(
        other
        for other in measured
        if other["way"] == "plain"
        and (other["network"], other["backend"]) == (row["network"], row["backend"])
    )
    peak, peak_of_plain = _median(row, "peak"), _median(plain, "peak")
    ratio = peak / peak_of_plain
    is_ours = row is not plain
    return [
        row["network"],
        str(row["batch"]),
        row["backend"],
        row["way"],
        f"{peak / 2**20:.0f}",
        f"{(peak - peak_of_plain) / 2**20:.1f}" if is_ours else "-",
        f"{(peak - _median(row, 'before')) / 2**20:.1f}",
        show(ratio, 4),
        show(_median(row, "first") / _median(plain, "first"), 4),
        f"≤ {GOAL:g}" if is_ours else "-",
        verdict(ratio, GOAL if is_ours else None),
    ]


def _median(row: dict[str, Any], name: str) -> float:
    found: list[int] = [one[name] for one in row["processes"]]
    return statistics.median(found)
