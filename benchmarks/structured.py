"""The time of structured schemes, against the library that has the same scheme."""

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.settings import Settings
from benchmarks.tables import Table, shape_name, show, verdict
from benchmarks.timing import Times, median_ratio, milliseconds, race, seconds
from benchmarks.workers import Worker

__all__ = ["measure", "tables"]

Calls = dict[str, Callable[[], Any]]

GOAL = 1.0

# scheme, the peer's name for it, the backend that the peer needs, shapes
CASES = (
    (
        "DeltaOrthogonal",
        "jax.nn.initializers.delta_orthogonal, jitted",
        "jax",
        ((3, 3, 128, 128), (3, 3, 512, 512)),
    ),
    (
        "ConvOrthogonal",
        "TensorFlow's v1 ConvolutionOrthogonal2D",
        "tensorflow",
        ((3, 3, 128, 128), (3, 3, 256, 256), (5, 5, 128, 128)),
    ),
    *(
        (
            "Blockwise(Orthogonal(), 4)",
            "Keras's Orthogonal, one matrix of all gates",
            backend,
            ((256, 1024), (512, 2048), (1024, 4096)),
        )
        for backend in ("tensorflow", "jax", "torch")
    ),
)


def measure(settings: Settings) -> list[dict[str, Any]]:
    measured = []
    for scheme, peer, backend, shapes in CASES:
        with Worker(backend) as worker:
            for shape in shapes[:1] if settings.quick else shapes:
                times = worker.run(time_scheme, scheme, shape, settings)
                cell = {"scheme": scheme, "peer": peer, "backend": backend}
                measured.append({**cell, "shape": shape, "seconds": times})
    return measured


def time_scheme(scheme: str, shape: tuple[int, ...], settings: Settings) -> Times:
    """Runs in a worker."""
    calls = _CALLS[scheme](shape)
    return race({name: partial(seconds, c) for name, c in calls.items()}, settings)


def _delta_orthogonal(shape: tuple[int, ...]) -> Calls:
    import jax

    import keras_inits

    draw = jax.jit(jax.nn.initializers.delta_orthogonal(), static_argnums=1)
    return {
        "ours": partial(keras_inits.DeltaOrthogonal(seed=1), shape),
        "peer": partial(draw, jax.random.key(1), shape),
    }


def _conv_orthogonal(shape: tuple[int, ...]) -> Calls:
    from tensorflow.python.ops import init_ops

    import keras_inits

    return {
        "ours": partial(keras_inits.ConvOrthogonal(seed=1), shape),
        "peer": partial(init_ops.ConvolutionOrthogonal2D(seed=1), shape),
    }


def _blockwise_orthogonal(shape: tuple[int, ...]) -> Calls:
    import keras

    import keras_inits

    ours = keras_inits.Blockwise(keras_inits.Orthogonal(seed=1), 4)
    return {
        "ours": partial(ours, shape),
        "peer": partial(keras.initializers.Orthogonal(seed=1), shape),
    }


_CALLS: dict[str, Callable[[tuple[int, ...]], Calls]] = {
    "DeltaOrthogonal": _delta_orthogonal,
    "ConvOrthogonal": _conv_orthogonal,
    "Blockwise(Orthogonal(), 4)": _blockwise_orthogonal,
}


def tables(measured: list[dict[str, Any]]) -> list[Table]:
    return [
        Table(
            title="Structured schemes",
            columns=[
                "scheme",
                "peer",
                "backend",
                "shape",
                "ours, ms",
                "peer, ms",
                "ours / peer",
                f"≤ {GOAL:g}",
            ],
            rows=[_row(cell) for cell in measured],
            note="Medians of interleaved calls, and medians of each round's ratio.",
        )
    ]


def _row(cell: dict[str, Any]) -> list[str]:
    ours, peer = cell["seconds"]["ours"], cell["seconds"]["peer"]
    ratio = median_ratio(ours, peer)
    return [
        f"`{cell['scheme']}`",
        cell["peer"],
        cell["backend"],
        shape_name(cell["shape"]),
        show(milliseconds(ours)),
        show(milliseconds(peer)),
        show(ratio),
        verdict(ratio, GOAL),
    ]
