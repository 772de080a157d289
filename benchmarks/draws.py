"""The time of a draw of each law, against Keras's own and the backend's own."""

from functools import partial
from typing import Any

from benchmarks import peers
from benchmarks.settings import BACKENDS, Settings
from benchmarks.tables import NOTHING, Table, shape_name, show, verdict
from benchmarks.timing import Times, median_ratio, milliseconds, race, seconds
from benchmarks.workers import Worker

__all__ = ["measure", "tables"]

SHAPES = ((1024, 1024), (4096, 4096), (3, 3, 512, 512))
QUICK_SHAPES = ((256, 256), (1024, 1024))

# Our time over Keras's: the goal everywhere, and the aim on these backends.
GOAL = 1.0
AIM = {"tensorflow": 0.5, "jax": 0.5}


def measure(settings: Settings) -> list[dict[str, Any]]:
    shapes = QUICK_SHAPES if settings.quick else SHAPES
    measured = []
    for backend in BACKENDS:
        with Worker(backend) as worker:
            for law in peers.RANDOM:
                for shape in shapes:
                    times = worker.run(time_draws, law, shape, settings)
                    cell = {"law": law, "shape": shape, "backend": backend}
                    measured.append({**cell, "seconds": times})
    return measured


def time_draws(law: str, shape: tuple[int, ...], settings: Settings) -> Times:
    """Runs in a worker."""
    calls = peers.draws(law)
    timers = {name: partial(seconds, call, shape) for name, call in calls.items()}
    return race(timers, settings)


def tables(measured: list[dict[str, Any]]) -> list[Table]:
    order = {law: place for place, law in enumerate(peers.RANDOM)}
    cells = sorted(measured, key=lambda cell: order[cell["law"]])
    columns = ["law", "shape", "backend", "ours, ms", "Keras, ms", "ours / Keras"]
    columns += [f"≤ {GOAL:g}", "aim ≤ 0.5", "backend's own, ms", "ours / its own"]
    return [
        Table(
            title="Drawing a tensor",
            columns=columns,
            rows=[_row(cell) for cell in cells],
            note="Medians of interleaved calls, and medians of each round's ratio. All "
            "other random schemes draw from these laws, at the same cost. The "
            "backend's own: `torch.nn.init`, jitted `jax.nn.initializers`.",
        )
    ]


def _row(cell: dict[str, Any]) -> list[str]:
    times = cell["seconds"]
    ratio = median_ratio(times["ours"], times["keras"])
    row = [cell["law"], shape_name(cell["shape"]), cell["backend"]]
    row += [show(milliseconds(times[name])) for name in ("ours", "keras")]
    row += [show(ratio), verdict(ratio, GOAL), verdict(ratio, AIM.get(cell["backend"]))]
    if "native" not in times:
        return [*row, NOTHING, NOTHING]
    own = times["native"]
    return [*row, show(milliseconds(own)), show(median_ratio(times["ours"], own))]
