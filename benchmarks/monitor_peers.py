"""What people do today to see the gradients of a model that `fit` trains."""

import contextlib
import importlib
import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["WANDB", "has_wandb", "second_pass", "wandb_watch"]

#: The row's name.
WANDB = "wandb.watch"


def has_wandb() -> bool:
    """Whether it is installed here: the package does not ask for it."""
    return importlib.util.find_spec("wandb") is not None


@contextlib.contextmanager
def wandb_watch(model: Any) -> Iterator[Any]:
    """A callback that logs each step, to files, while wandb watches all gradients.

    `wandb.watch` keeps a histogram of each gradient until the next `log` writes them,
    so that users log each step. For torch alone.
    """
    wandb = importlib.import_module("wandb")
    import keras

    with tempfile.TemporaryDirectory() as folder:
        quiet = wandb.Settings(silent=True)
        run = wandb.init(mode="offline", dir=folder, settings=quiet)

        class Log(keras.callbacks.Callback):
            def on_train_batch_end(self, index: int, logs: Any = None) -> None:
                run.log({name: float(value) for name, value in (logs or {}).items()})

        run.watch(model, log="gradients", log_freq=1)
        try:
            yield Log()
        finally:
            run.unwatch(model)
            run.finish()


def second_pass(model: Any, batch: Any) -> Any:
    """A callback that takes the gradients once more, after each step."""
    import keras
    import numpy as np

    backend = keras.backend.backend()
    made = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[backend]
    norms = made(model, *batch)

    class SecondPass(keras.callbacks.Callback):
        def on_train_batch_end(self, index: int, logs: Any = None) -> None:
            self.found = np.asarray(norms(self.model))

    return SecondPass()


def _tensorflow(model: Any, x: Any, y: Any) -> Callable[[Any], Any]:
    import tensorflow as tf

    def norms() -> Any:
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x, y, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        return tf.stack([tf.norm(gradient) for gradient in gradients])

    compiled = tf.function(norms)
    return lambda model: compiled()


def _jax(model: Any, x: Any, y: Any) -> Callable[[Any], Any]:
    import jax
    import jax.numpy as jnp

    def loss(values: Any, rest: Any) -> Any:
        outputs, _ = model.stateless_call(values, rest, x, training=True)
        return model.compute_loss(x, y, outputs)

    def norms(values: Any, rest: Any) -> Any:
        gradients = jax.grad(loss)(values, rest)
        return jnp.stack([jnp.linalg.norm(g.ravel()) for g in gradients])

    compiled = jax.jit(norms)
    return lambda model: compiled(
        [v.value for v in model.trainable_variables],
        [v.value for v in model.non_trainable_variables],
    )


def _torch(model: Any, x: Any, y: Any) -> Callable[[Any], Any]:
    import torch

    def norms(model: Any) -> Any:
        loss = model.compute_loss(x, torch.as_tensor(y), model(x, training=True))
        values = [v.value for v in model.trainable_variables]
        gradients = torch.autograd.grad(loss, values)
        return torch.stack([torch.linalg.vector_norm(g) for g in gradients])

    return norms
