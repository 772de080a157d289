"""What a long monitored run leaves behind: 100,000 steps of 200 layers."""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import tracemalloc
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.settings import Settings
from benchmarks.tables import Table, show

__all__ = ["measure", "tables"]

LAYERS, STEPS, QUICK_STEPS = 200, 100_000, 2_000
QUANTITIES = (
    *("gradient_norm", "weight_norm", "update_norm"),
    *("update_ratio", "gradient_rms", "weight_rms"),
)
# Of files that keep every sample the size is known after this many.
SHORT = 1_000


def measure(settings: Settings) -> dict[str, Any]:
    steps = QUICK_STEPS if settings.quick else STEPS
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        return {
            "steps": steps,
            "history": _memory(steps),
            "rows": [
                _tensorboard(root / "default", steps),
                _tensorboard(root / "every 10", steps, every=10),
                _file(root / "norms.csv", steps),
                _file(root / "norms.jsonl", steps),
            ],
        }


def _layout() -> Any:
    from keras_inits.records import Layout, Weight

    names = [f"model/dense_{number}" for number in range(LAYERS)]
    weights = [
        Weight(f"{layer}/{role}", layer, role, shape)
        for layer in names
        for role, shape in (("kernel", (64, 64)), ("bias", (64,)))
    ]
    return Layout("model", tuple(weights), optimizer="Adam")


def _samples(steps: int, every: int = 1) -> Iterator[Any]:
    """Numbers as a run has them; drawing each anew would be what is measured."""
    from keras_inits.records import Sample

    draws = np.random.default_rng(0).lognormal(size=(64, len(QUANTITIES), 2 * LAYERS))
    for step in range(1, steps + 1, every):
        values = dict(zip(QUANTITIES, draws[step % 64], strict=True))
        yield Sample(step, step // 1000, 1e9 + step, values, loss=1.0)


def _written(sink: Any, steps: int, every: int = 1) -> float:
    """Seconds that writing took."""
    start = time.perf_counter()
    sink.open(_layout())
    for sample in _samples(steps, every):
        sink.write(sample)
    sink.close()
    return time.perf_counter() - start


def _tensorboard(folder: Path, steps: int, every: int = 1) -> dict[str, Any]:
    from keras_inits.monitor.sinks import TensorBoardSink

    seconds = _written(TensorBoardSink(folder), steps, every)
    name = "TensorBoard" if every == 1 else f"TensorBoard, every={every}"
    return {
        "sink": name,
        "bytes": _size(folder),
        "microseconds": 1e6 * seconds / len(range(0, steps, every)),
        "load": _load_seconds(folder, steps - (steps - 1) % every),
    }


def _file(path: Path, steps: int) -> dict[str, Any]:
    from keras_inits.monitor.sinks import CSVSink, JSONLinesSink

    sink = CSVSink(path) if path.suffix == ".csv" else JSONLinesSink(path)
    seconds = _written(sink, SHORT)
    return {
        "sink": {".csv": "CSV", ".jsonl": "JSON lines"}[path.suffix],
        "bytes": _size(path) * steps / SHORT,
        "microseconds": 1e6 * seconds / SHORT,
        "load": None,
    }


def _memory(steps: int) -> dict[str, float]:
    """The history's bytes after a tenth of the run, and after all of it."""
    from keras_inits.monitor.sinks import History

    history = History()
    history.open(_layout())
    tracemalloc.start()
    start, tenth = tracemalloc.get_traced_memory()[0], 0
    for number, sample in enumerate(_samples(steps), 1):
        history.write(sample)
        if number == steps // 10:
            tenth = tracemalloc.get_traced_memory()[0]
    end = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return {"tenth": tenth - start, "end": end - start}


def _size(path: Path) -> int:
    files = [path] if path.is_file() else list(path.rglob("*"))
    return sum(each.stat().st_size for each in files if each.is_file())


def _load_seconds(folder: Path, last: int) -> float | None:
    """From the start of TensorBoard until it shows the last step of the last layer."""
    start = time.perf_counter()
    with _served(folder) as address:
        tag = f"gradient_norm/{LAYERS}%20dense_{LAYERS - 1}"
        url = f"{address}data/plugin/scalars/scalars?run=norms&tag={tag}"
        seen, quiet = 0, 0.0
        while time.perf_counter() - start < 600:
            points = _answer(url)
            if points and points[-1][1] == seen:
                # The last sample may be one that thinning left out.
                if seen >= 0.99 * last or time.perf_counter() - quiet > 20:
                    return quiet - start
            elif points:
                seen, quiet = points[-1][1], time.perf_counter()
            time.sleep(0.25)
    return None


def _answer(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer)
    except OSError:  # not there yet: 404
        return None


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder)]
    with subprocess.Popen(
        [*command, "--port", "0", "--host", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    ) as process:
        try:
            yield _address(process.stderr.readline if process.stderr else None)
        finally:
            process.terminate()
            process.communicate()


def _address(read: Callable[[], str] | None) -> str:
    while read and (line := read()):
        if found := re.search(r"http://[\w.:]+/", line):
            return found[0]
    raise RuntimeError("TensorBoard did not start.")


def tables(measured: dict[str, Any]) -> list[Table]:
    rows = [
        [
            row["sink"],
            show(row["bytes"] / 2**20),
            show(row["microseconds"]),
            show(row["load"]),
        ]
        for row in measured["rows"]
    ]
    history = measured["history"]
    mib = {name: show(count / 2**20) for name, count in history.items()}
    return [
        Table(
            title=f"A run of {measured['steps']:,} steps over {LAYERS} layers",
            columns=["sink", "MiB", "µs a measured step", "s until TensorBoard shows"],
            rows=rows,
            note=(
                f"{2 * LAYERS} weights and {len(QUANTITIES)} quantities; CSV and JSON "
                f"lines are reckoned from {SHORT:,} steps. Loading is from the start "
                "of TensorBoard's process to the last point of the last layer. The "
                f"history takes {mib['tenth']} MiB after a tenth of the run, "
                f"{mib['end']} MiB after all of it."
            ),
        )
    ]
