"""Orthogonal matrices: their time, the limit that arithmetic sets, and their error."""

from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks import peers
from benchmarks.settings import BACKENDS, Settings
from benchmarks.tables import Table, shape_name, show, verdict
from benchmarks.timing import Times, median_ratio, milliseconds, race, seconds
from benchmarks.workers import Worker

__all__ = ["measure", "tables"]

SHAPES = (
    (512, 512),
    (1024, 1024),
    (2048, 2048),
    (4096, 4096),
    (50000, 512),
    (512, 50000),
)
QUICK_SHAPES = ((256, 256), (512, 512), (2000, 128), (128, 2000))
ERROR_SHAPES = ((512, 512), (1024, 1024), (2048, 2048), (5000, 512))
QUICK_ERROR_SHAPES = ((256, 256), (512, 512), (2000, 128))
SEEDS = (1, 2, 3)

# Our time over that of the fastest of Keras's backends.
GOAL = 0.5


def measure(settings: Settings) -> dict[str, Any]:
    shapes = QUICK_SHAPES if settings.quick else SHAPES
    error_shapes = QUICK_ERROR_SHAPES if settings.quick else ERROR_SHAPES
    with ExitStack() as stack:
        workers = {b: stack.enter_context(Worker(b)) for b in BACKENDS}
        times = [
            {"shape": shape, "seconds": _times(workers, shape, settings)}
            for shape in shapes
        ]
        errors = [
            {"shape": shape, "errors": workers["tensorflow"].run(errors_of, shape)}
            for shape in error_shapes
        ]
    return {"times": times, "errors": errors}


def _times(
    workers: dict[str, Worker], shape: tuple[int, ...], settings: Settings
) -> Times:
    timers = {
        f"{whose} {backend}": partial(workers[backend].run, time_one, whose, shape)
        for whose in ("ours", "keras")
        for backend in BACKENDS
    }
    timers["product"] = partial(workers["tensorflow"].run, time_product, shape)
    return race(timers, settings)


def time_one(whose: str, shape: tuple[int, ...]) -> float:
    """Runs in a worker."""
    return seconds(_MAKERS[whose](peers.ORTHOGONAL), shape)


def time_product(shape: tuple[int, ...]) -> float:
    """Runs in a worker: NumPy's product of the shape's matrix and a square one."""
    import numpy as np

    long, short = max(shape), min(shape)
    generator = np.random.default_rng(1)
    left = generator.standard_normal((long, short), np.float32)
    right = generator.standard_normal((short, short), np.float32)
    return seconds(np.matmul, left, right)


def errors_of(shape: tuple[int, ...]) -> dict[str, list[float]]:
    """Runs in a worker: max |Q'Q - I| by seed, in float64."""
    return {
        whose: [_error(maker(peers.ORTHOGONAL, seed)(shape)) for seed in SEEDS]
        for whose, maker in _MAKERS.items()
    }


_MAKERS = {"ours": peers.ours, "keras": peers.keras_own}


def _error(tensor: Any) -> float:
    import keras
    import numpy as np

    q = keras.ops.convert_to_numpy(tensor).astype(np.float64)
    if q.shape[0] < q.shape[1]:
        q = q.T
    return float(np.abs(q.T @ q - np.eye(q.shape[1])).max())


def tables(measured: dict[str, Any]) -> list[Table]:
    return [
        _time_table(measured["times"]),
        _limit_table(measured["times"]),
        _error_table(measured["errors"]),
    ]


def _time_table(measured: list[dict[str, Any]]) -> Table:
    names = [f"{whose} {b}" for whose in ("ours", "keras") for b in BACKENDS]
    heads = [f"{whose}, {b}" for whose in ("ours", "Keras") for b in BACKENDS]
    rows = []
    for cell in measured:
        times = cell["seconds"]
        ratio = _ratio(times)
        medians = [show(milliseconds(times[name])) for name in names]
        rows.append(
            [shape_name(cell["shape"]), *medians, show(ratio), verdict(ratio, GOAL)]
        )
    return Table(
        title="Orthogonal matrices, ms",
        columns=["shape", *heads, "ratio", f"≤ {GOAL:g}"],
        rows=rows,
        note="Medians of interleaved calls in three processes. Ratio: ours on the "
        "backend where it is slowest, over Keras on the backend where it is fastest.",
    )


def _ratio(times: Times) -> float:
    fastest = min(
        (f"keras {b}" for b in BACKENDS), key=lambda n: milliseconds(times[n])
    )
    return max(median_ratio(times[f"ours {b}"], times[fastest]) for b in BACKENDS)


def _limit_table(measured: list[dict[str, Any]]) -> Table:
    rows = []
    for cell in measured:
        times = cell["seconds"]
        long, short = max(cell["shape"]), min(cell["shape"])
        product_flops = 2 * long * short**2
        # To multiply out the reflections of a QR; 4/3 n^3 where the matrix is square.
        flops = 2 * long * short**2 - 2 / 3 * short**3
        rate = product_flops / milliseconds(times["product"]) / 1e6
        limit = [t * flops / product_flops for t in times["product"]]
        ours = min(
            (f"ours {b}" for b in BACKENDS), key=lambda n: milliseconds(times[n])
        )
        rows.append(
            [
                shape_name(cell["shape"]),
                show(rate),
                show(milliseconds(limit)),
                show(milliseconds(times[ours])),
                show(median_ratio(times[ours], limit)),
            ]
        )
    return Table(
        title="Orthogonal matrices: distance to the limit",
        columns=["shape", "product, GF/s", "limit, ms", "ours, ms", "ours / limit"],
        rows=rows,
        note="Limit: 2mn² - 2/3·n³ operations (4/3·n³ for a square) at the rate of "
        "NumPy's float32 product of (m, n) by (n, n) in the same rounds; drawing the "
        "normals is not in it. Ours on the backend where it is fastest.",
    )


def _error_table(measured: list[dict[str, Any]]) -> Table:
    rows = []
    for cell in measured:
        ours, theirs = max(cell["errors"]["ours"]), max(cell["errors"]["keras"])
        row = [shape_name(cell["shape"]), show(ours, 2), show(theirs, 2)]
        rows.append([*row, verdict(ours, theirs)])
    return Table(
        title="Orthogonal matrices: max |Q'Q - I|",
        columns=["shape", "ours", "Keras on TensorFlow", "no worse"],
        rows=rows,
        note=f"float32 matrices, the product in float64, the largest of {len(SEEDS)} "
        "seeds.",
    )
