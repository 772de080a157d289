"""The NumPy chain, against Keras's own forward pass and gradients."""

import keras
import numpy as np
import pytest

from keras_inits.experiments.relu_chain import distinct_units, logits, measure


@pytest.fixture
def model():
    keras.utils.set_random_seed(5)
    return keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(7, "relu", bias_initializer="random_normal"),
            keras.layers.Dense(4, "relu", bias_initializer="random_normal"),
            keras.layers.Dense(1),
        ]
    )


@pytest.fixture
def batch():
    stream = np.random.default_rng(0)
    return stream.normal(size=(50, 2)), (stream.random(50) > 0.4).astype(float)


@pytest.mark.backend
def test_logits_equal_those_of_the_model(model, batch):
    x, _ = batch
    expected = model.predict_on_batch(x.astype("float32"))[:, 0]
    np.testing.assert_allclose(logits(model.get_weights(), x), expected, atol=1e-5)


@pytest.mark.backend
def test_cost_and_accuracy_equal_those_of_evaluate(model, batch):
    x, y = batch
    model.compile(
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)],
    )
    expected = model.evaluate(x, y[:, None], batch_size=50, verbose=0)
    measured = measure(model.get_weights(), x, y)
    assert [measured.cost, measured.accuracy] == pytest.approx(expected, rel=1e-5)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the tape is TensorFlow's"
)
def test_gradient_norms_equal_those_of_a_gradient_tape(model, batch):
    tensorflow = pytest.importorskip("tensorflow")
    x, y = batch
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    with tensorflow.GradientTape() as tape:
        cost = loss(y[:, None], model(x.astype("float32")))
    kernels = [layer.kernel for layer in model.layers]
    gradients = tape.gradient(cost, [kernel.value for kernel in kernels])
    measured = measure(model.get_weights(), x, y)
    assert measured.gradient_norms == pytest.approx(
        [np.linalg.norm(gradient) for gradient in gradients], rel=1e-5
    )
    assert measured.weight_norms == pytest.approx(
        [np.linalg.norm(kernel.numpy()) for kernel in kernels], rel=1e-6
    )


def test_a_saturated_wrong_point_keeps_its_cost_and_its_gradient():
    weights = [np.array([[1.0]]), np.zeros(1)]
    measured = measure(weights, np.array([[800.0]]), np.array([0.0]))
    assert measured.cost == pytest.approx(800.0)
    assert measured.gradient_norms == pytest.approx((800.0,))


def test_a_unit_at_exactly_zero_passes_no_gradient():
    weights = [np.zeros((2, 3)), np.zeros(3), np.ones((3, 1)), np.zeros(1)]
    measured = measure(weights, np.ones((4, 2)), np.ones(4))
    assert measured.gradient_norms == (0.0, 0.0)


def test_a_logit_of_zero_is_answered_class_zero():
    weights = [np.zeros((2, 1)), np.zeros(1)]
    measured = measure(weights, np.ones((4, 2)), np.array([0.0, 0.0, 0.0, 1.0]))
    assert (measured.predicted_ones, measured.accuracy) == (0, 0.75)


def test_units_that_differ_in_their_bias_alone_are_distinct():
    kernel = np.ones((3, 4))
    assert distinct_units(kernel, np.zeros(4)) == 1
    assert distinct_units(kernel, np.array([0.0, 0.0, 1.0, 2.0])) == 3
