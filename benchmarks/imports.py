"""What importing keras_inits adds to importing Keras."""

import json
import os
import subprocess
import sys
from functools import partial
from statistics import median
from typing import Any

from benchmarks.settings import BACKENDS, Settings
from benchmarks.tables import Table, show, verdict
from benchmarks.workers import environment

__all__ = ["measure", "tables"]

GOAL = 0.2  # seconds

# One process times both: Keras's own seconds vary by more than what is added to them.
_SCRIPT = """
import json, time
times = [time.perf_counter()]
import keras
times.append(time.perf_counter())
import keras_inits
times.append(time.perf_counter())
print(json.dumps({"keras": times[1] - times[0], "keras_inits": times[2] - times[1]}))
"""


def measure(settings: Settings) -> dict[str, list[dict[str, float]]]:
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in BACKENDS}
    for backend in BACKENDS:
        _import(backend)  # from the disk
    for _ in settings.each_round():
        for backend in BACKENDS:
            measured[backend].append(_import(backend))
    return measured


def _import(backend: str) -> dict[str, float]:
    run = partial(subprocess.run, check=True, capture_output=True, text=True)
    done = run([sys.executable, "-c", _SCRIPT], env=os.environ | environment(backend))
    times: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return times


def tables(measured: dict[str, Any]) -> list[Table]:
    rows = []
    for backend, runs in measured.items():
        keras, ours = (median(r[n] for r in runs) for n in ("keras", "keras_inits"))
        rows.append([backend, show(keras), show(ours), verdict(ours, GOAL)])
    return [
        Table(
            title="Importing, s",
            columns=["backend", "Keras", "keras_inits adds", f"≤ {GOAL:g}"],
            rows=rows,
            note="Medians over fresh processes, the backends in turn.",
        )
    ]
