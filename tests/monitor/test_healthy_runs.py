"""Runs that look odd for a good reason raise nothing, however little is shown."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_inits
from tests.monitor.gradients import (
    VIEWS,
    adam,
    batches,
    cross_entropy,
    dense_network,
    digits,
    ramp,
    record,
    scaled,
    sgd,
    squared_error,
    verdicts,
)

CASES = {}


def healthy(run):
    """Registers a run."""
    CASES[run.__name__.replace("_", " ")] = run
    return run


@functools.cache
def recording(case):
    keras.utils.set_random_seed(5)
    return CASES[case]()


def train(model, optimizer=None, loss=cross_entropy, steps=60, batch=None, **arguments):
    return record(
        model, batch or batches(), loss, optimizer or sgd(), steps, **arguments
    )


# --- depth ---------------------------------------------------------------------------


@healthy
def he_24_layers():
    return train(dense_network(24), sgd(0.003))


@healthy
def he_30_layers_without_biases():
    return train(dense_network(30, use_bias=False), sgd(0.003))


@healthy
def he_20_layers_with_a_small_head():
    small = lambda: keras.initializers.RandomNormal(stddev=1e-3)  # noqa: E731
    return train(dense_network(20, head=small))


@healthy
def he_20_layers_with_a_zero_head_and_a_warm_up():
    rate = ramp(1e-8, 1e-2, 100)
    return train(dense_network(20, head="zeros"), sgd(rate), look_at=(0, 5, 50))


@healthy
def tanh_20_layers_on_the_edge_of_chaos():
    biases = lambda: keras.initializers.RandomNormal(stddev=0.05**0.5)  # noqa: E731
    model = dense_network(20, "tanh", scaled(1.76), bias_initializer=biases)
    return train(model, sgd(0.003))


@healthy
def sigmoid_3_layers():
    return train(dense_network(3, "sigmoid", "glorot_uniform"), adam())


@healthy
def narrow_layers():
    return train(dense_network(16, width=16))


# --- branches, normalization, gates --------------------------------------------------


def branches(count, last="zeros", normalization=None, use_bias=True, scale=None):
    """A residual network: x + branch(x), `count` times."""
    inputs = keras.Input((64,))
    x = layers.Dense(64, use_bias=use_bias)(inputs)
    for _ in range(count):
        y = normalization()(x) if normalization else x
        y = layers.Dense(64, "relu", use_bias=use_bias)(y)
        y = layers.Dense(64, use_bias=use_bias, kernel_initializer=last)(y)
        x = layers.Add()([x, scale()(y) if scale else y])
    head = layers.Dense(10, use_bias=use_bias, kernel_initializer="zeros")
    return keras.Model(inputs, head(x))


class Gate(keras.layers.Layer):
    def build(self, shape):
        self.alpha = self.add_weight(shape=(), initializer="zeros", name="alpha")

    def call(self, x):
        return self.alpha * x


@healthy
def branches_that_start_at_zero():
    return train(branches(12), look_at=(0, 1, 5))


@healthy
def branches_that_start_at_zero_in_a_warm_up_without_biases():
    rate = ramp(1e-8, 1e-2, 300)
    return train(branches(15, use_bias=False), sgd(rate), look_at=(0, 1, 5, 50))


@healthy
def branches_behind_a_gate_that_is_closed():
    model = branches(12, "glorot_uniform", use_bias=False, scale=Gate)
    return train(model, sgd(ramp(0.0, 1e-2, 200)), steps=100)


@healthy
def branches_behind_layer_normalization():
    model = branches(5, "glorot_uniform", layers.LayerNormalization)
    return train(model, adam())


def normalized_network(depth, use_bias):
    hidden = []
    for _ in range(depth):
        hidden.append(layers.Dense(64, use_bias=use_bias))
        hidden += [layers.BatchNormalization(), layers.ReLU()]
    return keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10)])


@healthy
def batch_normalization_after_biases_that_it_cancels():
    return train(normalized_network(6, use_bias=True))


@healthy
def batch_normalization_12_layers():
    return train(normalized_network(12, use_bias=False))


@healthy
def convolutions():
    x = digits()[0].reshape(-1, 8, 8, 1)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            *(
                layers.Conv2D(filters, 3, padding="same", activation="relu")
                for filters in (8, 8, 16, 16, 32, 32)
            ),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10),
        ]
    )
    return train(model, batch=batches(32, x, shape=(8, 8, 1)), steps=30)


@healthy
def transformer_with_a_warm_up():
    inputs = keras.Input((8, 8))
    x = layers.Dense(16)(inputs)
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(2, 8)(y, y)])
        y = layers.LayerNormalization()(x)
        y = layers.Dense(16)(layers.Dense(32, "gelu")(y))
        x = layers.Add()([x, y])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    model = keras.Model(inputs, layers.Dense(10)(x))
    rate = ramp(1e-8, 1e-3, 200)
    return train(model, adam(rate), steps=30, batch=batches(32, shape=(8, 8)))


# --- recurrence, clipping ------------------------------------------------------------


@healthy
def recurrent_network_with_clipping():
    model = keras.Sequential(
        [
            keras.Input((16, 4)),
            layers.SimpleRNN(32, return_sequences=True),
            layers.LSTM(16, return_sequences=True),
            layers.GRU(16),
            layers.Dense(10),
        ]
    )
    batch = batches(shape=(16, 4))
    return train(model, sgd(0.1, clipnorm=0.1), steps=40, batch=batch)


@healthy
def a_loss_summed_over_the_batch_and_clipped():
    def loss(y, logits):
        return 128 * cross_entropy(y, logits)

    return train(dense_network(8), sgd(0.01, global_clipnorm=1.0), loss)


# --- small numbers -------------------------------------------------------------------


@healthy
def training_that_converges_on_the_whole_set():
    model = dense_network(4)
    return train(model, adam(3e-3), steps=500, every=4, batch=batches(among=100))


@healthy
def training_resumed_at_the_minimum():
    model = dense_network(4)
    batch = batches(among=100)
    train(model, adam(3e-3), steps=500, every=500, batch=batch)
    return train(model, sgd(1e-3), steps=1040, every=10, batch=batch)


@healthy
def a_loss_that_reaches_zero():
    def hinge(y, values):
        sign = 2.0 * tf.cast(y % 2, values.dtype)[:, None] - 1
        return tf.reduce_mean(tf.nn.relu(0.1 - sign * values))

    model = dense_network(2, outputs=1)
    return train(model, adam(1e-2), hinge, steps=150, batch=batches(among=40))


@healthy
def a_loss_in_tiny_units():
    def loss(y, logits):
        return 1e-5 * cross_entropy(y, logits)

    return train(dense_network(20, use_bias=False), sgd(300.0), loss)


@healthy
def a_loss_below_zero():
    def loss(y, logits):
        return cross_entropy(y, logits) - 5.0

    return train(dense_network(3), adam(), loss)


@healthy
def targets_in_thousands():
    y = (1000 * digits()[1]).astype("float32")
    model = dense_network(3, outputs=1)
    return train(model, adam(1e-2), squared_error, batch=batches(y=y))


@healthy
def small_weights_that_take_off():
    small = lambda: keras.initializers.RandomNormal(stddev=0.02)  # noqa: E731
    model = dense_network(3, "relu", small)
    return train(model, sgd(0.5), steps=450, every=3, batch=batches(among=200))


@healthy
def fine_tuning_at_a_tiny_learning_rate():
    model = dense_network(4)
    train(model, adam(), steps=150, every=150)
    return train(model, sgd(1e-6), steps=1040, every=10)


@healthy
def warm_up_that_outlasts_the_run():
    model = dense_network(3, width=32)
    return train(model, adam(ramp(1e-8, 1e-3, 100_000)), steps=1040, every=6)


@healthy
def a_learning_rate_that_falls_to_zero():
    model = dense_network(3, width=32)
    return train(model, adam(ramp(1e-3, 0.0, 100)), steps=450, every=4)


# --- parts that rest -----------------------------------------------------------------


@healthy
def frozen_layers():
    model = dense_network(12)
    for layer in model.layers[:8]:
        layer.trainable = False
    return train(model)


@healthy
def embedding_with_unused_rows():
    words = digits()[0].argsort(1)[:, :6].astype("int32")
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Flatten()(layers.Embedding(5000, 8)(inputs))
    model = keras.Model(inputs, layers.Dense(10)(layers.Dense(32, "relu")(x)))
    return train(model, adam(), batch=batches(16, words, shape=(6,)))


@healthy
def batches_of_one():
    return train(dense_network(4), batch=batches(1), steps=200)


@healthy
def weights_that_all_start_at_zero_in_a_linear_model():
    return train(dense_network(0, head="zeros"), sgd(0.1), look_at=(0, 1, 10))


@healthy
def dropout():
    hidden = []
    for _ in range(6):
        hidden.append(layers.Dense(64, "relu", kernel_initializer="he_normal"))
        hidden.append(layers.Dropout(0.5))
    return train(keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10)]))


@healthy
def generator_of_an_adversarial_pair():
    generator = keras.Sequential(
        [keras.Input((64,)), layers.Dense(64, "relu"), layers.Dense(64, "tanh")]
    )
    critic = dense_network(3, "leaky_relu", keras_inits.HeNormal, outputs=1)
    optimizer = adam(2e-3)
    optimizer.build(critic.trainable_variables)

    def doubt(values, truth):
        truth = tf.fill(tf.shape(values), truth)
        return tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(truth, tf.cast(values, truth.dtype))
        )

    @tf.function(autograph=False)
    def teach(real, noise):
        with tf.GradientTape() as tape:
            loss = doubt(critic(real), 1.0) + doubt(critic(generator(noise)), 0.0)
        variables = critic.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    def batch(number):
        noise = np.random.default_rng([3, number]).normal(size=(64, 64))
        noise = tf.constant(noise.astype("float32"))
        teach(tf.tanh(batches(64)(number)[0]), noise)
        return noise, noise

    return train(
        generator,
        adam(2e-4),
        lambda _, pictures: doubt(critic(pictures), 1.0),
        steps=300,
        every=2,
        batch=batch,
    )


@healthy
def float16_with_a_loss_scale_that_overflows_at_first():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = dense_network(4)
    finally:
        keras.config.set_dtype_policy(policy)
    optimizer = keras.optimizers.LossScaleOptimizer(sgd(), initial_scale=2.0**30)
    return train(model, optimizer, dtype="mixed_float16")


# --- the tests -----------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("view", VIEWS)
def test_healthy_run_raises_nothing(case, view):
    assert verdicts(recording(case), **VIEWS[view]) == []


def test_float16_run_did_overflow_at_first():
    run = recording("float16 with a loss scale that overflows at first")
    assert run.samples[0].overflow
    assert not run.samples[-1].overflow


def test_loss_did_reach_zero():
    run = recording("a loss that reaches zero")
    assert run.samples[-1].loss == 0
    assert (run.samples[-1].values["gradient_norm"] == 0).all()


def test_generator_did_lose():
    losses = [s.loss for s in recording("generator of an adversarial pair").samples]
    assert max(losses) > 1.5 * losses[0]


def test_biases_before_a_normalization_did_get_nothing_but_rounding():
    run = recording("batch normalization after biases that it cancels")
    weights = run.layout.weights
    norms = run.samples[0].values["gradient_norm"]
    sizes = {w.path: n for w, n in zip(weights, norms, strict=True)}
    [kernel, bias] = [path for path in sizes if "/dense" in path][:2]
    assert sizes[bias] < 1e-5 * sizes[kernel]
