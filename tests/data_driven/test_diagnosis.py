"""The check before training: its numbers against derivatives by hand, its errors."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits.data_driven import diagnose
from tests.data_driven.models import (
    Subclassed,
    built,
    cross_entropy,
    dense_chain,
    every_state,
    labels,
    normal,
    paths,
    residual,
    transformer,
    values,
)


def rms(array):
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))


def readings(diagnosis):
    return {r.layer.split("/")[-1]: r.measured for r in diagnosis.layers}


@pytest.mark.backend
def test_gradients_are_those_of_a_backward_pass_by_hand():
    model = dense_chain(2, activation="tanh", width=8, outputs=1)
    x, y = normal(16, 8), normal(16, 1, seed=4)
    (w1, b1), (w2, b2), (w3, b3) = (
        [values(v).astype(np.float64) for v in (layer.kernel, layer.bias)]
        for layer in model.layers
    )
    h1 = np.tanh(x @ w1 + b1)
    h2 = np.tanh(h1 @ w2 + b2)
    out = h2 @ w3 + b3
    g3 = 2 * (out - y) / len(x)
    g2 = g3 @ w3.T
    g1 = (g2 * (1 - h2**2)) @ w2.T
    found = [r.measured for r in diagnose(model, x, y, "mean_squared_error").layers]
    for numbers, gradient in zip(found, (g1, g2, g3), strict=True):
        assert numbers["gradient_rms"] == pytest.approx(rms(gradient), rel=1e-4)
    by_weight = found[1]["weight_gradient_rms"]
    before = g2 * (1 - h2**2)
    assert by_weight["kernel"] == pytest.approx(rms(h1.T @ before), rel=1e-4)
    assert by_weight["bias"] == pytest.approx(rms(before.sum(axis=0)), rel=1e-4)
    assert found[1]["gain"] == pytest.approx(rms(h2) / rms(h1), rel=1e-4)
    assert found[1]["preactivation_rms"] == pytest.approx(rms(h1 @ w2 + b2), rel=1e-4)


@pytest.mark.backend
def test_a_shared_layer_gets_the_gradients_of_all_its_calls():
    inputs = keras.Input((6,))
    shared = layers.Dense(6, name="shared", use_bias=False)
    model = keras.Model(inputs, shared(shared(inputs)))
    x, y = normal(16, 6), normal(16, 6, seed=2)
    w = values(shared.kernel).astype(np.float64)
    last = 2 * (x @ w @ w - y) / y.size
    both = np.stack([last, last @ w.T])
    found = readings(diagnose(model, x, y, "mse"))["shared"]
    assert found["gradient_rms"] == pytest.approx(rms(both), rel=1e-4)
    exact = (x @ w).T @ last + x.T @ (last @ w.T)
    assert found["weight_gradient_rms"]["kernel"] == pytest.approx(rms(exact), rel=1e-4)


@pytest.mark.backend
def test_what_no_labels_differentiate_is_one_over_the_batch():
    model = dense_chain(1, width=8, outputs=200)
    diagnosis = diagnose(model, normal(50, 8))
    last = diagnosis.layers[-1].measured
    assert last["gradient_rms"] == pytest.approx(1 / 50, rel=0.05)
    assert "at random" in diagnosis.facts["objective"]
    assert "loss" not in diagnosis.facts


@pytest.mark.backend
def test_the_loss_is_that_of_the_compiled_model():
    model = dense_chain(1, width=8)
    x, y = normal(16, 8), labels(16)
    model.compile("sgd", cross_entropy())
    facts = diagnose(model, x, y).facts
    assert facts["loss"] == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-5)
    assert facts["loss of a guess"] == pytest.approx(np.log(10))


@pytest.mark.backend
def test_penalties_are_not_part_of_it_and_added_losses_are():
    class Adds(layers.Layer):
        def call(self, x):
            self.add_loss(keras.ops.sum(x) * 0.0 + 7.0)
            return x

    inputs = keras.Input((8,))
    dense = layers.Dense(10, kernel_regularizer=keras.regularizers.L2(1000.0))
    model = keras.Model(inputs, Adds()(dense(inputs)))
    x, y = normal(16, 8), labels(16)
    logits = x @ values(dense.kernel)
    likelihoods = logits[np.arange(16), y] - np.log(np.exp(logits).sum(axis=1))
    facts = diagnose(model, x, y, cross_entropy()).facts
    assert facts["loss"] == pytest.approx(7.0 - likelihoods.mean(), rel=1e-4)


@pytest.mark.backend
def test_several_inputs_and_outputs_and_a_loss_for_each():
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    x = layers.Concatenate()([layers.Dense(4)(a), b])
    one, two = layers.Dense(1, name="one")(x), layers.Dense(5, name="two")(x)
    model = keras.Model([a, b], [one, two])
    data, y = [normal(8, 4), normal(8, 3)], [normal(8, 1), labels(8, 5)]
    model.compile("sgd", ["mse", cross_entropy()])
    expected = model.evaluate(data, y, verbose=0, return_dict=True)["loss"]
    assert diagnose(model, data, y).facts["loss"] == pytest.approx(expected, rel=1e-5)
    assert diagnose(model, data).findings == ()


@pytest.mark.backend
def test_a_models_own_loss_is_asked():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x):
            return self.dense(x)

        def compute_loss(self, x=None, y=None, y_pred=None, *args, **kwargs):
            return keras.ops.mean(keras.ops.abs(y_pred - y))

    model = built(Own(), normal(2, 4))
    x, y = normal(8, 4), normal(8, 3, seed=2)
    expected = np.abs(x @ values(model.dense.kernel) - y).mean()
    facts = diagnose(model, x, y).facts
    assert facts["loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.backend
@pytest.mark.parametrize("make", [residual, transformer, every_state])
def test_every_layer_has_a_row_with_theory_beside_it(make):
    model = make()
    x = {
        residual: normal(4, 12, 12, 3),
        transformer: np.random.default_rng(0).integers(0, 50, (4, 8)),
        every_state: normal(4, 8),
    }[make]
    diagnosis = diagnose(model, x)
    assert {r.layer for r in diagnosis.layers} == set(paths(model))
    for reading in diagnosis.layers:
        assert reading.measured["output_rms"] > 0
        assert reading.measured["gradient_rms"] > 0
        assert reading.predicted["output_rms"] > 0


@pytest.mark.backend
def test_theory_beside_it_is_that_of_healthy_weights():
    model = dense_chain(6, "glorot_normal", width=256)
    found = diagnose(model, normal(256, 256)).layers
    for reading in found[:-1]:
        assert reading.predicted["output_rms"] == pytest.approx(1.0, abs=0.15)
    # Three standard deviations of chance at this width and depth.
    chance = np.exp(1.5 * np.sqrt(5 * 6 / 256))
    assert 2**-3 / chance < found[5].measured["output_rms"] < 2**-3 * chance


@pytest.mark.backend
def test_theory_agrees_with_what_is_measured_where_weights_are_healthy():
    found = diagnose(dense_chain(6, width=512), normal(256, 512)).layers[:-1]
    signal, gradient = (
        [reading.measured[name] / reading.predicted[name] for reading in found]
        for name in ("output_rms", "gradient_rms")
    )
    np.testing.assert_allclose(signal, 1.0, rtol=0.2)
    # Keras's head has a larger std than its fan-in asks for: one factor for all.
    np.testing.assert_allclose(gradient, gradient[-1], rtol=0.2)


@pytest.mark.backend
def test_float16_gradients_are_free_of_the_loss_scale():
    keras.utils.set_random_seed(1)
    x, y = normal(16, 8), labels(16)
    single = dense_chain(2, width=8)
    half = keras.Sequential(
        [keras.Input((8,))]
        + [
            layers.Dense(units, activation, dtype="mixed_float16")
            for units, activation in ((8, "relu"), (8, "relu"), (10, None))
        ]
    )
    half.set_weights(single.get_weights())
    found = diagnose(half, x, y, cross_entropy())
    assert found.facts["loss scale"] == 2.0**15
    exact = diagnose(single, x, y, cross_entropy())
    for a, b in zip(found.layers, exact.layers, strict=True):
        assert a.measured["gradient_rms"] == pytest.approx(
            b.measured["gradient_rms"], rel=0.05
        )


@pytest.mark.backend
def test_a_loss_scale_that_overflows_is_lowered():
    half = keras.Sequential(
        [keras.Input((8,)), layers.Dense(8, dtype="mixed_float16", name="a")]
    )
    y = np.full((16, 8), 1e3, "float32")
    diagnosis = diagnose(half, normal(16, 8), y, "mse")
    assert diagnosis.facts["loss scale"] < 2.0**15
    assert not any(finding.kind == "non-finite" for finding in diagnosis.findings)


@pytest.mark.backend
def test_subclassed_models_are_measured_whole():
    model = built(Subclassed(), normal(2, 8))
    diagnosis = diagnose(model, normal(16, 8), labels(16, 3), cross_entropy())
    assert [r.layer for r in diagnosis.layers] == paths(model)
    assert diagnosis.findings == ()


@pytest.mark.backend
def test_the_record_is_ready_for_json():
    found = json.loads(json.dumps(diagnose(residual(), normal(2, 12, 12, 3)).to_dict()))
    assert found["layers"][0]["measured"]["true_fan_in"] == 27


# --- what is refused -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "loss", "text"),
    [
        (None, "mse", "A loss needs labels"),
        (labels(16), None, r"Labels need a loss. Received: y of shape \(16,\)"),
        (labels(8), "mse", r"as many labels as samples. .* y of shape \(8,\)"),
        (labels(16) + 5, cross_entropy(), "the labels go from 5 to 14"),
        (normal(16, 3), "categorical_crossentropy", "a row of 10 a sample"),
        (labels(16), "categorical_crossentropy", "sparse_categorical_crossentropy"),
        (normal(16, 3), "mse", r"It compares entry by entry: y of \(16, 10\)"),
        (normal(16, 3), lambda y, out: y @ out, "do not fit the loss. Received: y of"),
    ],
)
def test_labels_that_do_not_fit_are_told(y, loss, text):
    with pytest.raises(ValueError, match=text):
        diagnose(dense_chain(1, width=8), normal(16, 8), y, loss)


@pytest.mark.parametrize("loss", ["mse", "binary_crossentropy"])
@pytest.mark.parametrize("shape", [(16,), (16, 1)])
def test_a_number_a_sample_fits_one_output(loss, shape):
    model = dense_chain(1, width=8, outputs=1)
    y = labels(16, 2).reshape(shape).astype("float32")
    assert "loss" in diagnose(model, normal(16, 8), y, loss).facts


def test_an_empty_batch_and_an_unbuilt_model_are_refused():
    with pytest.raises(ValueError, match="at least one sample"):
        diagnose(dense_chain(1, width=8), normal(0, 8))
    with pytest.raises(ValueError, match="must be built"):
        diagnose(keras.Sequential([layers.Dense(2)]), normal(2, 8))
    with pytest.raises(TypeError, match="must be a Keras model"):
        diagnose(layers.Dense(2), normal(2, 8))


@pytest.mark.backend
def test_a_model_without_weights_is_said_to_have_none():
    model = keras.Sequential([keras.Input((4,)), layers.ReLU()])
    (finding,) = diagnose(model, normal(2, 4)).findings
    assert (finding.kind, finding.severity) == ("disconnected", "note")
    assert "no weights" in finding.cause
