"""What the check before training costs: its time and memory over a training step's."""

import gc
import statistics
import time
from itertools import product
from typing import Any

from benchmarks import memory
from benchmarks.settings import BACKENDS, Settings
from benchmarks.tables import Table, show, verdict
from benchmarks.workers import Worker

__all__ = ["measure", "tables"]

#: Models by name, with the size of the batch: full and quick.
MODELS = {
    "MLP, 100 layers of 1024": (256, 32),
    "ResNet-50-like, 128 x 128": (16, 2),
    "transformer, 12 layers of 512": (8, 1),
}
GOAL_TIME, GOAL_MEMORY = 3.0, 1.5


def measure(settings: Settings) -> list[dict[str, Any]]:
    measured = []
    for name, backend in product(MODELS, BACKENDS):
        batch = MODELS[name][settings.quick]
        cell: dict[str, Any] = {"model": name, "backend": backend, "batch": batch}
        rounds = 2 if settings.quick else 4
        for what in ("step", "check"):
            with Worker(backend) as worker:  # a fresh process: no memory lies about
                cell[what] = worker.run(cost, name, what, batch, rounds)
        measured.append(cell)
    return measured


def cost(name: str, what: str, batch: int, rounds: int) -> dict[str, float]:
    """Runs in a worker: seconds of the first call and of later ones; peak of memory."""
    model, x, y = made(name, batch)
    run = {"step": step, "check": check}[what]
    gc.collect()
    memory.reset_peak()
    before = memory.status("VmRSS")
    start = time.perf_counter()
    run(model, x, y)
    first = time.perf_counter() - start
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run(model, x, y)
        times.append(time.perf_counter() - start)
    return {
        "first": first,
        "later": statistics.median(times),
        "memory": memory.status("VmHWM") - before,
        "model": before,
    }


def step(model: Any, x: Any, y: Any) -> None:
    """One step of training, finished."""
    model.train_on_batch(x, y)


def check(model: Any, x: Any, y: Any) -> None:
    """The check, without what draws it."""
    from keras_inits.data_driven import diagnose

    diagnose(model, x, y)


def made(name: str, batch: int) -> tuple[Any, Any, Any]:
    import keras
    import numpy as np

    random = np.random.default_rng(0)
    shape: tuple[int, ...]
    if name.startswith("MLP"):
        model, shape = mlp(), (1024,)
    elif name.startswith("ResNet"):
        model, shape = resnet(), (128, 128, 3)
    else:
        model, shape = transformer(), (128,)
    if name.startswith("transformer"):
        x = random.integers(0, 8000, (batch, *shape))
    else:
        x = random.standard_normal((batch, *shape)).astype("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    return model, x, random.integers(0, 10, batch)


def mlp() -> Any:
    import keras
    from keras import layers

    hidden = [
        layers.Dense(1024, "relu", kernel_initializer="he_normal") for _ in range(100)
    ]
    return keras.Sequential([keras.Input((1024,)), *hidden, layers.Dense(10)])


def resnet() -> Any:
    """Bottleneck blocks, 3, 4, 6 and 3 of them, as He et al. had them."""
    import keras
    from keras import layers

    def conv(x: Any, filters: int, size: int, strides: int = 1) -> Any:
        x = layers.Conv2D(
            filters,
            size,
            strides,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
        )(x)
        return layers.BatchNormalization()(x)

    inputs = keras.Input((128, 128, 3))
    x = layers.ReLU()(conv(inputs, 64, 7, 2))
    x = layers.MaxPooling2D(3, 2, "same")(x)
    for filters, blocks, strides in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(blocks):
            stride = strides if block == 0 else 1
            short = conv(x, 4 * filters, 1, stride) if block == 0 else x
            y = layers.ReLU()(conv(x, filters, 1, stride))
            y = layers.ReLU()(conv(y, filters, 3))
            x = layers.ReLU()(layers.Add()([conv(y, 4 * filters, 1), short]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10)(x))


def transformer() -> Any:
    import keras
    from keras import layers

    inputs = keras.Input((128,), dtype="int32")
    x = layers.Embedding(8000, 512)(inputs)
    for _ in range(12):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(8, 64)(y, y)])
        y = layers.Dense(2048, "gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(512)(y)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(inputs, layers.Dense(10)(x))


def tables(measured: list[dict[str, Any]]) -> list[Table]:
    columns = ["model", "batch", "backend", "step, first", "check, first", "ratio"]
    columns += ["step, later", "check, later", "ratio", f"goal {GOAL_TIME:g}"]
    columns += ["step, MiB", "check, MiB", "ratio", f"goal {GOAL_MEMORY:g}"]
    note = (
        "Seconds, and the rise of the process's peak memory, each in a fresh process. "
        "The first call of either compiles. Later steps run compiled; the check is "
        "not compiled, for it runs once. The goal holds a later check against a later "
        "step, and memory against memory."
    )
    return [
        Table(
            "The check before training, over one step of training",
            columns,
            [_row(cell) for cell in measured],
            note,
        )
    ]


def _row(cell: dict[str, Any]) -> list[str]:
    step, check = cell["step"], cell["check"]
    first, later, size = (
        check[name] / step[name] for name in ("first", "later", "memory")
    )
    return [
        cell["model"],
        str(cell["batch"]),
        cell["backend"],
        show(step["first"]),
        show(check["first"]),
        show(first),
        show(step["later"]),
        show(check["later"]),
        show(later),
        verdict(later, GOAL_TIME),
        show(step["memory"] / 2**20),
        show(check["memory"] / 2**20),
        show(size),
        verdict(size, GOAL_MEMORY),
    ]
