"""A training step written out by hand on each backend, to hold the monitor against."""

import keras
import numpy as np

BACKEND = keras.backend.backend()


def gradients(model, x, y):
    """The loss and its gradients by the trainable weights, in training mode.

    State that the forward pass changes, as moving averages and dropout's seeds, is
    changed in the model as well.
    """
    if BACKEND == "tensorflow":
        return _by_tape(model, x, y)
    if BACKEND == "jax":
        return _by_jax(model, x, y)
    return _by_torch(model, x, y)


def train(model, batches, loss_scale=1.0):
    """Trains with the model's own optimizer, and returns each step's gradients."""
    found = []
    for x, y in batches:
        step = gradients(model, x, y)
        found.append([None if g is None else dense(g) for g in step])
        apply(model, step)
    return found


def apply(model, step):
    optimizer, variables = model.optimizer, model.trainable_variables
    if BACKEND == "torch":
        import torch

        with torch.no_grad():
            optimizer.apply(step, variables)
    else:
        optimizer.apply(step, variables)


def dense(gradient):
    if BACKEND == "tensorflow":
        import tensorflow as tf

        gradient = tf.convert_to_tensor(gradient)
    return np.array(keras.ops.convert_to_numpy(gradient), np.float64)


def norm(array):
    """The L2 norm, in float64 and safe from underflow."""
    top = np.abs(array).max(initial=0.0)
    return top * np.sqrt(np.sum((array / top) ** 2)) if top > 0 else top


def _loss(model, x, y, outputs):
    return model.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=None)


def _by_tape(model, x, y):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = _loss(model, x, y, model(x, training=True))
    return tape.gradient(loss, model.trainable_variables)


def _by_torch(model, x, y):
    x = keras.tree.map_structure(keras.ops.convert_to_tensor, x)
    model.zero_grad()
    loss = _loss(model, x, keras.ops.convert_to_tensor(y), model(x, training=True))
    loss.backward()
    return [variable.value.grad for variable in model.trainable_variables]


def _by_jax(model, x, y):
    import jax

    other = [v.value for v in model.non_trainable_variables]

    def loss(values):
        mode = {"training": True} if model._call_has_training_arg else {}
        outputs, changed = model.stateless_call(values, other, x, **mode)
        return _loss(model, x, y, outputs), changed

    values = [v.value for v in model.trainable_variables]
    found, changed = jax.grad(loss, has_aux=True)(values)
    for variable, value in zip(model.non_trainable_variables, changed, strict=True):
        variable.assign(value)
    return found


def value(variable):
    """A copy of a variable's value on the host."""
    return np.array(keras.ops.convert_to_numpy(variable.value), copy=True)
