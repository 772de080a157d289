"""Each way to break a run gets its verdict, and no other."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.monitor.gradients import (
    VIEWS,
    adam,
    batches,
    cross_entropy,
    dense_network,
    digits,
    record,
    scaled,
    sgd,
    squared_error,
    verdicts,
)

CASES = {}


def broken(*kinds, views=tuple(VIEWS), layer=None):
    """Registers a run by the kinds of its verdicts, and the layer of the first."""

    def register(run):
        CASES[run.__name__.replace("_", " ")] = (run, list(kinds), views, layer)
        return run

    return register


@functools.cache
def recording(case):
    keras.utils.set_random_seed(11)
    return CASES[case][0]()


def train(model, optimizer=None, loss=cross_entropy, steps=40, batch=None, **arguments):
    return record(
        model, batch or batches(), loss, optimizer or sgd(), steps, **arguments
    )


# --- by depth ------------------------------------------------------------------------


@broken("vanishing", layer="net/hidden_0")
def sigmoid_50_layers():
    return train(dense_network(50, "sigmoid", "glorot_uniform", 32), steps=61)


@broken("vanishing", layer="net/hidden_0")
def sigmoid_30_layers_without_biases():
    model = dense_network(30, "sigmoid", "glorot_uniform", 32, use_bias=False)
    return train(model, steps=61)


@broken("vanishing", layer="net/hidden_0")
def relu_30_layers_with_xavier():
    return train(dense_network(30, "relu", "glorot_normal", 128), steps=61)


@broken("vanishing", layer="net/hidden_0")
def relu_30_layers_with_xavier_without_biases():
    model = dense_network(30, "relu", "glorot_normal", 128, use_bias=False)
    return train(model, steps=61)


@broken("vanishing", layer="net/hidden_0")
def tanh_30_layers_with_small_weights_without_biases():
    return train(dense_network(30, "tanh", scaled(0.25), use_bias=False), steps=61)


@broken("exploding", layer="net/hidden_0")
def relu_30_layers_with_twice_he():
    return train(dense_network(30, "relu", scaled(4.0), 128), sgd(1e-6))


@broken("exploding", layer="net/hidden_0")
def relu_30_layers_with_twice_he_without_biases():
    model = dense_network(30, "relu", scaled(4.0), 128, use_bias=False)
    return train(model, sgd(1e-6))


@broken("exploding", "non-finite", layer="net/hidden_0")
def relu_30_layers_with_twice_he_and_a_usual_learning_rate():
    return train(dense_network(30, "relu", scaled(4.0), 128))


@broken("exploding", layer="net/hidden_0")
def saturated_tanh_20_layers():
    return train(dense_network(20, "tanh", scaled(100.0)), sgd(1e-5))


@broken("vanishing", layer="net/hidden_0")
def saturated_tanh_3_layers():
    model = dense_network(3, "tanh", lambda: keras.initializers.RandomNormal(0, 10))
    return train(model, look_at=(0, 10, 20), held=digits()[0][:128])


# --- in time -------------------------------------------------------------------------


@broken("exploding", "non-finite", views=("all", "norms alone", "loss unknown"))
def regression_with_a_learning_rate_of_10():
    return train(dense_network(3, outputs=1), sgd(10.0), squared_error)


@broken("exploding", views=("all", "norms alone", "loss unknown"))
def tanh_with_a_learning_rate_of_100():
    return train(dense_network(3, "tanh", "glorot_uniform"), sgd(100.0))


@broken("exploding", views=("all", "norms alone", "loss unknown"))
def adam_with_a_learning_rate_of_10():
    return train(dense_network(3), adam(10.0))


@broken("stalled", views=("all", "loss unknown", "every third"), layer="")
def sgd_with_a_learning_rate_of_a_trillionth():
    return train(dense_network(3), sgd(1e-12), steps=600, every=5)


@broken("stalled", layer="")
def adam_with_a_learning_rate_of_a_trillionth():
    return train(dense_network(2, width=32), adam(1e-12), steps=1600, every=5)


# --- zeros and twins -----------------------------------------------------------------


@broken("dead", layer="net/hidden_2")
def zeros_with_relu():
    model = dense_network(3, "relu", "zeros", head="zeros")
    return train(model, look_at=(0, 1, 10, 40))


@broken("dead", layer="")
def zeros_without_biases():
    model = dense_network(3, "relu", "zeros", head="zeros", use_bias=False)
    return train(model, look_at=(0, 1, 10, 40))


@broken("symmetry", "symmetry", "symmetry", layer="net/hidden_0")
def zeros_with_sigmoid():
    model = dense_network(3, "sigmoid", "zeros", head="zeros")
    return train(model, look_at=(0, 1, 10, 40))


@broken("symmetry", "symmetry", layer="net/hidden_0")
def constant_weights():
    model = dense_network(3, "relu", lambda: keras.initializers.Constant(0.01))
    return train(model, look_at=(0, 1, 10, 40))


@broken("dead", layer="net/hidden_1")
def large_negative_biases():
    model = dense_network(3)
    model.layers[1].bias.assign(-100 * np.ones(64))
    model.layers[2].bias.assign(np.ones(64))  # so that this layer stays alive
    return train(model)


@broken("dead", views=("all", "loss unknown"), layer="net/hidden_1")
def large_negative_biases_of_most_units():
    model = dense_network(3)
    model.layers[1].bias.assign(np.where(np.arange(64) < 62, -100.0, 0.0))
    return train(model, steps=80)


@broken("dead", layer="net/hidden_1", views=("norms alone",))
def silent_units_on_the_held_batch():
    model = dense_network(3)
    model.layers[1].bias.assign(np.where(np.arange(64) < 62, -100.0, 0.0))
    return train(model, look_at=(10, 20, 30), held=digits()[0][:128])


@broken("disconnected", layer="unused")
def branch_behind_a_stopped_gradient():
    return train(two_branches(tf.stop_gradient))


@broken("disconnected", layer="unused")
def branch_times_zero():
    return train(two_branches(lambda x: 0 * x), steps=260, every=2)


def two_branches(cut):
    inputs = keras.Input((64,))
    used = layers.Dense(32, "relu", name="used")(inputs)
    unused = layers.Dense(32, "tanh", name="unused")(inputs)
    both = layers.Concatenate()([used, layers.Lambda(cut)(unused)])
    return keras.Model(inputs, layers.Dense(10, name="head")(both))


# --- numbers that end ----------------------------------------------------------------


@broken("non-finite", layer="net/head")
def logarithm_of_zero():
    def loss(y, values):
        return -tf.reduce_mean(tf.math.log(tf.nn.relu(values)))

    return train(dense_network(3), loss=loss)


@broken("non-finite", layer="first")
def root_of_zero():
    inputs = keras.Input((64,))
    x = layers.Dense(32, name="first")(inputs)
    x = layers.Lambda(lambda x: tf.sqrt(tf.nn.relu(x)))(x)
    x = layers.Dense(32, "relu", name="second")(x)
    return train(keras.Model(inputs, layers.Dense(10, name="head")(x)))


@broken("non-finite", views=("all", "norms alone", "loss unknown"), layer="net/head")
def labels_that_turn_nan():
    target = np.where(np.arange(1797) < 900, 1.0, np.nan).astype("float32")
    fine, all_of_them = batches(y=target, among=100), batches(y=target)
    model = dense_network(3, outputs=1)
    return train(
        model,
        sgd(1e-3),
        squared_error,
        batch=lambda number: (fine if number < 12 else all_of_them)(number),
    )


def in_float16(build, *arguments):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return build(*arguments)
    finally:
        keras.config.set_dtype_policy(policy)


@broken("loss-scale")
def float16_without_a_loss_scale():
    model = in_float16(dense_network, 12, "relu", scaled(0.7))
    return train(
        model,
        sgd(100.0),
        lambda y, logits: 1e-4 * cross_entropy(y, logits),
        dtype="mixed_float16",
    )


@broken("loss-scale", layer="")
def loss_scale_that_falls_to_nothing():
    return train(
        in_float16(dense_network, 3, "relu", scaled(2e6)),
        keras.optimizers.LossScaleOptimizer(sgd()),
        dtype="mixed_float16",
    )


@broken("non-finite")
def float16_that_overflows_without_a_loss_scale():
    model = in_float16(dense_network, 3, "relu", scaled(2e6))
    return train(model, dtype="mixed_float16")


# --- the tests -----------------------------------------------------------------------

RUNS = [(case, view) for case, (_, _, views, _) in CASES.items() for view in views]


@pytest.mark.parametrize(("case", "view"), RUNS)
def test_broken_run_gets_its_verdict_and_no_other(case, view):
    _, kinds, _, layer = CASES[case]
    found = verdicts(recording(case), **VIEWS[view])
    assert [verdict.kind for verdict in found] == kinds
    if layer is not None:
        assert found[0].layer == layer


@pytest.mark.parametrize("case", CASES)
def test_verdict_holds_numbers_a_sentence_and_a_step_of_the_run(case):
    run = recording(case)
    view = VIEWS[CASES[case][2][0]]
    for verdict in verdicts(run, **view):
        assert verdict.evidence["rule"]
        assert len(verdict.evidence) > 1
        assert verdict.cause.endswith(".")
        assert 1 <= verdict.step <= run.samples[-1].step


@pytest.mark.parametrize("case", CASES)
def test_cure_runs(case):
    run = recording(case)
    policy = keras.config.dtype_policy()
    try:
        for verdict in verdicts(run, **VIEWS[CASES[case][2][0]]):
            names = {"keras": keras, "model": two_branches(tf.identity)}
            exec("import keras_inits", names)
            exec(verdict.cure, names)
    finally:
        keras.config.set_dtype_policy(policy)
