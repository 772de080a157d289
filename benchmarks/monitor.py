"""What watching costs: a step of `fit` with the monitor against one without it."""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks.settings import BACKENDS, Settings
from benchmarks.tables import Table, show, verdict
from benchmarks.timing import race
from benchmarks.workers import Worker

__all__ = ["measure", "tables"]

#: Steps of one measurement, by network: about two seconds of plain training.
STEPS = {"mlp": 200, "cnn": 30, "transformer": 30}
QUICK_STEPS = {"mlp": 20, "cnn": 3, "transformer": 3}
BATCH = 32

#: The most that a step may cost, relative to plain `fit`: of a network whose step is
#: 20 ms or more, and of 50 layers of 64 units, where a step is a few milliseconds.
GOALS = {
    "cnn": {"standard": 1.03, "standard, every 10": 1.005},
    "transformer": {"standard": 1.03, "standard, every 10": 1.005},
    "mlp": {"cheap": 1.15, "standard": 1.30, "standard, every 10": 1.05},
}
WAYS = ("plain again", "cheap", "standard", "standard, every 10", "second pass")


def measure(settings: Settings) -> list[dict[str, Any]]:
    rows = []
    for backend in BACKENDS:
        for network in STEPS:
            with Worker(backend) as worker:
                cell = worker.run(_measure, backend, network, settings)
            for row in cell:  # the whole takes a quarter of an hour
                ratio = f"{row['ratio']:.3f}"
                print(backend, network, row["way"], ratio, file=sys.stderr, flush=True)
            rows += cell
    return rows


def _measure(backend: str, network: str, settings: Settings) -> list[dict[str, Any]]:
    steps = (QUICK_STEPS if settings.quick else STEPS)[network]
    batch = _batch(network)
    timers = {"plain": _timer(network, batch, steps, None)}
    for way in WAYS:
        timers[way] = _timer(network, batch, steps, way)
    times = race(timers, settings)
    return [
        {
            "backend": backend,
            "network": network,
            "way": way,
            "step": statistics.median(times["plain"]),
            "ratio": _ratio(times[way], times["plain"]),
        }
        for way in WAYS
    ]


def _ratio(ours: list[float], plain: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, plain, strict=True))


def _timer(
    network: str, batch: Any, steps: int, way: str | None
) -> Callable[[], float]:
    """Trains one network for some steps; returns the seconds a step."""
    model = _network(network)
    callbacks = _callbacks(way, model, batch)

    def timer() -> float:
        data = _repeated(batch, steps)
        start = time.perf_counter()
        model.fit(data, steps_per_epoch=steps, verbose=0, callbacks=callbacks)
        return (time.perf_counter() - start) / steps

    return timer


def _callbacks(way: str | None, model: Any, batch: Any) -> list[Any]:
    from keras_inits import NormMonitor

    quiet = partial(NormMonitor, on_verdict=_ignore)
    if way in ("cheap", "standard"):
        return [quiet(measures=way)]
    if way == "standard, every 10":
        return [quiet(every=10)]
    if way == "second pass":
        return [_second_pass(model, batch)]
    return []


def _ignore(verdict: Any) -> None:
    pass


def _repeated(batch: Any, steps: int) -> Any:
    """The same batch over and over, in the form that the backend reads fastest."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.data.Dataset.from_tensors(batch).repeat(steps)

    def batches() -> Iterator[Any]:
        while True:
            yield batch

    return batches()


def _batch(network: str) -> Any:
    import numpy as np

    random = np.random.default_rng(0)
    shape = {"mlp": (64,), "cnn": (32, 32, 3), "transformer": (64, 128)}[network]
    x = random.standard_normal((BATCH, *shape), dtype=np.float32)
    return x, random.standard_normal((BATCH, 10), dtype=np.float32)


def _network(name: str) -> Any:
    import keras

    keras.utils.set_random_seed(1)
    model: Any = {"mlp": _mlp, "cnn": _cnn, "transformer": _transformer}[name]()
    model.compile(keras.optimizers.Adam(1e-4), "mse")
    return model


def _mlp() -> Any:
    import keras

    hidden = [keras.layers.Dense(64, "relu") for _ in range(50)]
    return keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])


def _cnn() -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((32, 32, 3))
    for width in (32, 64, 128):
        for stride in (1, 2):
            x = layers.Conv2D(width, 3, stride, padding="same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10)(x))


def _transformer() -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((64, 128))
    for _ in range(4):
        y = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(4, 32)(y, y)
        y = layers.LayerNormalization()(x)
        x = x + layers.Dense(128)(layers.Dense(512, "gelu")(y))
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling1D()(x)))


def _second_pass(model: Any, batch: Any) -> Any:
    """What people do today: take the gradients once more, after each step."""
    import keras
    import numpy as np

    norms = _norms_by_second_pass(model, batch)

    class SecondPass(keras.callbacks.Callback):
        def on_train_batch_end(self, index: int, logs: Any = None) -> None:
            self.found = np.asarray(norms(self.model))

    return SecondPass()


def _norms_by_second_pass(model: Any, batch: Any) -> Callable[[Any], Any]:
    import keras

    x, y = batch
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.function
        def norms() -> Any:
            with tf.GradientTape() as tape:
                loss = model.compute_loss(x, y, model(x, training=True))
            gradients = tape.gradient(loss, model.trainable_variables)
            return tf.stack([tf.norm(gradient) for gradient in gradients])

        return lambda model: norms()
    if backend == "jax":
        import jax
        import jax.numpy as jnp

        def loss(values: Any, rest: Any) -> Any:
            outputs, _ = model.stateless_call(values, rest, x, training=True)
            return model.compute_loss(x, y, outputs)

        @jax.jit
        def compiled(values: Any, rest: Any) -> Any:
            gradients = jax.grad(loss)(values, rest)
            return jnp.stack([jnp.linalg.norm(g.ravel()) for g in gradients])

        return lambda model: compiled(
            [v.value for v in model.trainable_variables],
            [v.value for v in model.non_trainable_variables],
        )
    import torch

    def by_torch(model: Any) -> Any:
        loss = model.compute_loss(x, torch.as_tensor(y), model(x, training=True))
        values = [v.value for v in model.trainable_variables]
        gradients = torch.autograd.grad(loss, values)
        return torch.stack([torch.linalg.vector_norm(g) for g in gradients])

    return by_torch


def tables(measured: list[dict[str, Any]]) -> list[Table]:
    rows = []
    for row in measured:
        goal = GOALS[row["network"]].get(row["way"])
        rows.append(
            [
                row["network"],
                row["backend"],
                show(1000 * row["step"]),
                row["way"],
                show(row["ratio"], 4),
                "-" if goal is None else f"≤ {goal:g}",
                verdict(row["ratio"], goal),
            ]
        )
    return [
        Table(
            title="A step of `fit` with the monitor, over one without",
            columns=["network", "backend", "plain, ms", "with", "ratio", "goal", ""],
            rows=rows,
            note=(
                "`fit` with each way in turn, medians of each round's ratio. mlp: 50 "
                "layers of 64 units; cnn: 6 convolutions of 32 to 128 channels on "
                "32 x 32 pixels; transformer: 4 blocks of width 128 on 64 positions; "
                f"batches of {BATCH}, Adam. Second pass: a callback that takes the "
                "gradients once more after each step."
            ),
        )
    ]
