"""Forward and backward passes over drawn weights, to hold a forecast against."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits.architecture import fans_of, forecast
from keras_inits.architecture.roles import (
    layer_path,
    own_weights,
    weight_layers,
    weight_role,
)

WITH_TAPE = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="gradients inside of a model are read with TensorFlow's tape",
)

GLOROT_LIKE, HE_LIKE = 1.0, 2.0


def redraw(model, scale, rng):
    """Every kernel anew: normal, variance scale / fan_in, the same on any backend."""
    for layer in weight_layers(model):
        for variable in own_weights(layer):
            if weight_role(layer, variable) == "kernel":
                shape = tuple(variable.shape)
                name = variable.path.split("/")[-1]
                fan_in, _ = fans_of(layer, name)(shape)
                stddev = (scale / fan_in) ** 0.5
                variable.assign(stddev * rng.standard_normal(shape))


def inputs_of(model, batch, rng):
    shapes = [(batch, *tensor.shape[1:]) for tensor in model.inputs]
    found = [rng.standard_normal(shape).astype("float32") for shape in shapes]
    return found if len(found) > 1 else found[0]


def outputs_of(model):
    """Rows whose layer's output the functional graph shows, and a model of them all."""
    chosen = {}
    for layer in model.layers:
        if isinstance(layer, layers.MultiHeadAttention | layers.GroupQueryAttention):
            chosen[layer_path(layer._output_dense)] = layer.output
        elif layer in weight_layers(model):
            chosen[layer_path(layer)] = layer.output
    inputs = model.inputs if len(model.inputs) > 1 else model.inputs[0]
    return list(chosen), keras.Model(inputs, list(chosen.values()))


def root_mean(squares):
    return np.sqrt(np.mean(squares, axis=0))


def compare(model, scale=HE_LIKE, draws=4, batch=16):
    """Measured and forecast, over several draws of weights and inputs.

    Returns:
        By name: rms of each output; on TensorFlow also that of the gradient by it,
        relative to the last's.
    """
    rng = np.random.default_rng(0)
    paths, inside = outputs_of(model)
    measured = {"output_rms": [], "gradient_rms": []}
    expected = {"output_rms": [], "gradient_rms": []}
    for _ in range(draws):
        redraw(model, scale, rng)
        outputs, gradients = one_pass(inside, inputs_of(model, batch, rng), rng)
        measured["output_rms"].append(outputs)
        measured["gradient_rms"].append(gradients)
        table = {row.layer: row.predicted for row in forecast(model).layers}
        for name, rows in expected.items():
            rows.append([table[path][name] ** 2 for path in paths])
    return {
        name: (root_mean(measured[name]), root_mean(expected[name]))
        for name in measured
    }


def one_pass(inside, inputs, rng):
    """Mean squares of all outputs, and of the gradients by them where they are read."""
    if keras.backend.backend() != "tensorflow":
        found = inside(inputs, training=True)
        found = found if isinstance(found, list | tuple) else [found]
        found = [keras.ops.convert_to_numpy(y).astype("float64") for y in found]
        return [(y**2).mean() for y in found], [np.nan] * len(found)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        found = inside(inputs, training=True)
        found = found if isinstance(found, list | tuple) else [found]
        loss = tf.reduce_sum(found[-1] * rng.standard_normal(found[-1].shape))
    gradients = [float(tf.reduce_mean(g**2)) for g in tape.gradient(loss, found)]
    outputs = [float(tf.reduce_mean(tf.square(y))) for y in found]
    return outputs, list(np.array(gradients) / gradients[-1])


def sequential(shape, *parts):
    return keras.Sequential([keras.Input(shape), *parts])
