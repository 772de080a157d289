"""Full-batch gradient descent through `fit`, with the weights measured on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inits.experiments.relu_chain import Measurement, measure
from keras_inits.monitor import NormMonitor
from keras_inits.records import History, Sample

__all__ = ["repeated", "train_full_batch"]

# Measured points along a run: enough for a smooth curve, and few enough that
# `fit` can do some hundred updates between two of them without leaving its loop.
POINTS_PER_RUN = 150

Array = NDArray[np.float64]


def train_full_batch(
    model: keras.Model,
    x: Array,
    y: Array,
    *,
    steps: int,
    learning_rate: float,
    on_step: Callable[[int], None] | None = None,
) -> History:
    """Train a dense ReLU chain in place, every update on the whole batch.

    One epoch of `fit` makes all the updates, several hundred in one execution
    where the backend can: that takes seconds where `fit(epochs=steps)` takes
    minutes. The norms are the monitor's. Costs are computed from the weights at the
    measured steps, because the loss that Keras logs is a mean over the epoch so far.

    Args:
        model: Dense layers only, ReLU between them, ending in one logit.
        x: Points, `(n, in)`.
        y: Classes 0 or 1, `(n,)`.
        steps: How many optimizer updates, at least 1.
        learning_rate: Of plain gradient descent.
        on_step: Called with the number of updates made, at each measured step.

    Returns:
        The `History`, with about 150 measured steps, step 0 and the last included.

    Raises:
        ValueError: If `steps` is below 1.
    """
    if steps < 1:
        raise ValueError(
            f"Training takes at least one step. Received: steps={steps}. Give a "
            "positive number of optimizer updates."
        )
    recorder = _Recorder(x, y, on_step)
    optimizer = keras.optimizers.SGD(learning_rate)
    batch = x.astype("float32"), y.astype("float32")[:, None]
    every = max(1, steps // POINTS_PER_RUN)
    monitor = NormMonitor(measures="cheap", every=every, on_verdict=_leave_to_the_table)
    model.compile(
        optimizer,
        keras.losses.BinaryCrossentropy(from_logits=True),
        steps_per_execution=every if _can_execute_many() else 1,
    )
    recorder.record(model, 0)
    callbacks = [recorder, monitor]
    _fit(model, batch, steps - steps % every, callbacks, every)
    if steps % every:
        # An execution never stops half way, so what is left goes one by one.
        model.compile(optimizer, model.loss)
        _fit(model, batch, steps % every, callbacks, steps % every)
    return recorder.history(model, monitor.history.samples)


def _fit(
    model: keras.Model,
    batch: tuple[NDArray[np.float32], NDArray[np.float32]],
    steps: int,
    callbacks: list[Any],
    every: int,
) -> None:
    callbacks[0].every = every
    model.fit(
        repeated(batch, steps),
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=callbacks,
    )


def _can_execute_many() -> bool:
    return bool(keras.backend.backend() != "torch")


def repeated(batch: tuple[NDArray[np.float32], NDArray[np.float32]], steps: int) -> Any:
    """The same batch over and over, in the form that the backend reads fastest."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.data.Dataset.from_tensors(batch).repeat(steps)

    def batches() -> Iterator[Any]:
        while True:
            yield batch

    return batches()


class _Recorder(keras.callbacks.Callback):
    """Measures the model's weights every `every` updates, over several fits."""

    def __init__(self, x: Array, y: Array, on_step: Callable[[int], None] | None):
        super().__init__()
        self.every = 1
        self._x, self._y = x, y
        self._on_step = on_step
        self._steps: list[int] = []
        self._measured: list[Measurement] = []
        self._before = 0

    def on_train_begin(self, logs: Any = None) -> None:
        self._before = self._steps[-1]

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if (batch + 1) % self.every == 0:
            self.record(self.model, self._before + batch + 1)

    def record(self, model: keras.Model, step: int) -> None:
        """Measure the weights as they are, after `step` updates."""
        self._steps.append(step)
        self._measured.append(measure(model.get_weights(), self._x, self._y))
        if self._on_step is not None:
            self._on_step(step)

    def history(self, model: keras.Model, samples: tuple[Sample, ...]) -> History:
        """The measurements as columns, with the monitor's norms of the kernels.

        The monitor sees the gradient that makes an update, and so none at the last
        measured step, after which there is no other: it is taken by hand there.
        """
        names = [layer.name for layer in model.layers]
        last = self._measured[-1]
        norms = {
            "gradient_norm": [last.gradient_norms],
            "weight_norm": [last.weight_norms],
        }
        for quantity, rows in norms.items():
            # A kernel and a bias a layer, in their order.
            rows[:0] = [tuple(sample.values[quantity][::2]) for sample in samples]
        columns = {
            quantity: {
                name: tuple(map(float, column))
                for name, column in zip(names, zip(*rows, strict=True), strict=True)
            }
            for quantity, rows in norms.items()
        }
        return History(
            step=tuple(self._steps),
            cost=tuple(point.cost for point in self._measured),
            accuracy=tuple(point.accuracy for point in self._measured),
            gradient_norm=columns["gradient_norm"],
            weight_norm=columns["weight_norm"],
        )


def _leave_to_the_table(verdict: Any) -> None:
    """The demo's own comments say what happened."""
