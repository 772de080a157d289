"""What passes through layers, against forward passes written by hand."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits.data_driven import measure_outputs
from tests.data_driven.models import (
    Subclassed,
    built,
    dense_chain,
    normal,
    paths,
    residual,
    transformer,
    values,
)


def name_to_numbers(model, x, **options):
    found = measure_outputs(model, x, **options)
    return {path.split("/")[-1]: numbers for path, numbers in found.items()}


@pytest.mark.backend
def test_outputs_are_those_of_a_pass_by_hand():
    model = dense_chain(2, activation="tanh", width=8, outputs=3)
    x, h = normal(32, 8), normal(32, 8)
    found = list(measure_outputs(model, x).values())
    for number, layer in enumerate(model.layers):
        h = h @ values(layer.kernel) + values(layer.bias)
        h = np.tanh(h) if number < 2 else h
    h = x
    for numbers, layer in zip(found, model.layers, strict=True):
        h = h @ values(layer.kernel) + values(layer.bias)
        h = np.tanh(h) if layer is not model.layers[-1] else h
        assert numbers["mean"] == pytest.approx(h.mean(), abs=1e-5)
        assert numbers["std"] == pytest.approx(h.std(), rel=1e-4)
        assert numbers["rms"] == pytest.approx(np.sqrt(np.mean(h**2)), rel=1e-4)
        assert numbers["nonfinite"] == 0


@pytest.mark.backend
@pytest.mark.parametrize("separate", [False, True])
def test_dead_units_are_counted_before_the_activation(separate):
    bias = np.array([-100.0, 0.0, 0.0, -100.0], "float32")
    dense = layers.Dense(4, None if separate else "relu", name="dense")
    after = [layers.ReLU()] if separate else []
    model = keras.Sequential([keras.Input((8,)), dense, *after, layers.Dense(2)])
    dense.bias.assign(bias)
    assert name_to_numbers(model, normal(64, 8))["dense"]["dead"] == 0.5


@pytest.mark.backend
@pytest.mark.parametrize("separate", [False, True])
def test_saturated_entries_are_counted_before_the_activation(separate):
    dense = layers.Dense(4, None if separate else "tanh", name="dense")
    after = [layers.Activation("tanh")] if separate else []
    model = keras.Sequential([keras.Input((8,)), dense, *after, layers.Dense(2)])
    dense.kernel.assign(3.0 * normal(8, 4, seed=5))
    x = normal(64, 8)
    exact = np.mean(np.abs(x @ values(dense.kernel)) >= 2.178)
    found = name_to_numbers(model, x)["dense"]["saturated"]
    assert 0.5 < exact < 0.95
    assert found == pytest.approx(exact, abs=1e-6)


@pytest.mark.backend
def test_linear_layers_are_neither_dead_nor_saturated():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(4), layers.Dense(2)])
    for numbers in measure_outputs(model, -np.ones((2, 8), "float32")).values():
        assert set(numbers) == {"mean", "std", "rms", "nonfinite"}


@pytest.mark.backend
def test_channels_first_are_units():
    conv = layers.Conv2D(2, 1, data_format="channels_first", name="conv")
    if keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow has no such convolution on a CPU")
    model = keras.Sequential([keras.Input((3, 4, 4)), conv, layers.ReLU()])
    conv.bias.assign([-100.0, 100.0])
    assert name_to_numbers(model, normal(2, 3, 4, 4))["conv"]["dead"] == 0.5


@pytest.mark.backend
def test_a_shared_layer_is_measured_over_all_of_its_calls():
    inputs = keras.Input((6,))
    shared = layers.Dense(6, name="shared")
    model = keras.Model(inputs, shared(shared(inputs)))
    x = normal(16, 6)
    once = x @ values(shared.kernel)
    both = np.stack([once, once @ values(shared.kernel)])
    found = name_to_numbers(model, x)["shared"]
    assert found["rms"] == pytest.approx(np.sqrt(np.mean(both**2)), rel=1e-4)


@pytest.mark.backend
def test_layers_come_in_the_order_of_the_data_and_not_of_creation():
    class Reversed(Subclassed):
        def call(self, x):
            return self.first(self.second(x))

    model = built(Reversed(), normal(2, 8))
    assert [path.split("/")[-1] for path in measure_outputs(model, normal(2, 8))] == [
        model.second.name,
        model.first.name,
    ]


@pytest.mark.backend
@pytest.mark.parametrize("make", [residual, transformer])
def test_every_layer_with_weights_is_heard(make):
    model = make()
    x = normal(2, 12, 12, 3) if make is residual else np.ones((2, 8), "int32")
    assert set(measure_outputs(model, x)) == set(paths(model))


@pytest.mark.backend
def test_recurrent_layers_are_measured_as_a_whole():
    inputs = keras.Input((5,))
    x = layers.Embedding(9, 4)(inputs)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
    x = layers.TimeDistributed(layers.Dense(4))(x)
    model = keras.Model(inputs, layers.GRU(2)(x))
    x = np.random.default_rng(0).integers(0, 9, (4, 5))
    assert set(measure_outputs(model, x)) == set(paths(model))


@pytest.mark.backend
def test_nested_and_several_inputs_and_outputs_are_measured():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="inner")])
    a, b = keras.Input((4,)), keras.Input((3,))
    x = layers.Concatenate()([inner(a), b])
    outputs = {"one": layers.Dense(2, name="one")(x), "two": layers.Dense(1)(x)}
    model = keras.Model([a, b], outputs)
    found = name_to_numbers(model, [normal(8, 4), normal(8, 3)])
    assert found["inner"]["rms"] > 0
    assert len(found) == 3


@pytest.mark.backend
def test_mixed_precision_is_measured():
    policy = keras.DTypePolicy("mixed_bfloat16")
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(4, "relu", dtype=policy), layers.Dense(2)]
    )
    assert all(n["rms"] > 0 for n in measure_outputs(model, normal(4, 8)).values())


@pytest.mark.backend
def test_training_takes_the_batchs_statistics():
    model = residual()
    x = 5.0 + 3.0 * normal(4, 12, 12, 3)
    first = "batch_normalization"
    still = next(n for k, n in name_to_numbers(model, x).items() if first in k)
    moving = name_to_numbers(model, x, training=True)
    moving = next(n for k, n in moving.items() if first in k)
    assert still["std"] > 2.0
    assert moving["std"] == pytest.approx(1.0, abs=0.02)


@pytest.mark.backend
def test_the_batch_that_does_not_fit_is_told_with_both_shapes():
    model = dense_chain(1, width=8)
    with pytest.raises(ValueError, match=r"Received: x of shape \(2, 7\), and the "):
        measure_outputs(model, normal(2, 7))
    with pytest.raises(ValueError, match=r"does not pass .* Received: x of shape \(2,"):
        measure_outputs(built(Subclassed(), normal(2, 8)), normal(2, 7))


@pytest.mark.parametrize(
    ("x", "error", "text"),
    [
        (
            np.zeros((0, 8), "float32"),
            ValueError,
            r"at least one sample\. Received: x of",
        ),
        (np.array(["a"]), TypeError, r"must hold numbers\. Received: x of dtype"),
        ([[1.0, 2.0]], TypeError, "must be an array, or a list or dict of arrays"),
        (
            np.float32(3.0),
            ValueError,
            r"an axis of samples\. Received: x of shape \(\)",
        ),
    ],
)
def test_what_is_no_batch_is_refused(x, error, text):
    with pytest.raises(error, match=text):
        measure_outputs(dense_chain(1, width=8), x)


def test_arrays_of_several_lengths_are_refused():
    with pytest.raises(ValueError, match=r"one length. Received: x of shapes \(2, 8\)"):
        measure_outputs(dense_chain(1, width=8), [normal(2, 8), normal(3, 8)])


def test_what_is_no_built_model_is_refused():
    with pytest.raises(TypeError, match=r"must be a Keras model\. Received: model='m'"):
        measure_outputs("m", normal(2, 8))
    with pytest.raises(ValueError, match=r"must be built\. Received: an unbuilt model"):
        measure_outputs(keras.Sequential([layers.Dense(2)]), normal(2, 8))
