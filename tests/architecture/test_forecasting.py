"""The table of a forecast, what it could not treat, and bad input."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits.architecture import forecast
from keras_inits.architecture.roles import layer_path
from tests.architecture.passes import HE_LIKE, inputs_of, redraw, sequential
from tests.architecture.test_roles import Block, Subclassed

pytestmark = pytest.mark.backend

# --- the table ------------------------------------------------------------------------


def test_row_has_the_numbers_of_a_layer():
    model = sequential((512,), layers.Dense(512, "relu"), layers.Dense(512))
    redraw(model, HE_LIKE, np.random.default_rng(0))
    row = forecast(model).layers[0]
    assert (row.kind, row.activation, row.layer) == (
        "Dense",
        "relu",
        layer_path(model.layers[0]),
    )
    found = row.predicted
    # E relu(z)^2 = 1, E relu(z) = 1 / sqrt(pi) for z of variance 2.
    assert found["preactivation_std"] == pytest.approx(2**0.5, rel=0.01)
    assert found["output_mean"] == pytest.approx(np.pi**-0.5, rel=0.01)
    assert found["output_rms"] == pytest.approx(1.0, rel=0.01)
    assert found["gain"] == pytest.approx(1.0, rel=0.01)
    assert found["output_std"] == pytest.approx((1 - 1 / np.pi) ** 0.5, rel=0.01)


def test_gradients_are_relative_to_the_last_layer():
    model = sequential((64,), layers.Dense(64, "tanh"), layers.Dense(64))
    last = forecast(model).layers[-1].predicted
    assert last["gradient_rms"] == last["weight_gradient_rms"] == 1.0


def test_shared_layer_has_one_row_over_its_calls():
    inputs = keras.Input((256,))
    shared = layers.Dense(256, activation="relu")
    model = keras.Model(inputs, shared(shared(inputs)))
    redraw(model, 1.0, np.random.default_rng(0))
    (row,) = forecast(model).layers
    # Mean squares 1/2 and 1/4.
    assert row.predicted["output_rms"] == pytest.approx(0.375**0.5, rel=0.02)


def test_zero_branch_leaves_the_signal_and_its_gradient_alone():
    inputs = keras.Input((64,))
    branch = layers.Dense(64, kernel_initializer="zeros", name="branch")
    x = layers.Add()([inputs, branch(layers.LayerNormalization()(inputs))])
    model = keras.Model(inputs, layers.Dense(64, name="head")(x))
    rows = {row.layer: row.predicted for row in forecast(model).layers}
    assert rows["branch"]["output_rms"] == 0
    assert rows["branch"]["gradient_rms"] == pytest.approx(
        rows["head"]["gradient_rms"], rel=0.3
    )
    assert rows["head"]["output_rms"] == pytest.approx(1.0, rel=0.3)


def test_deep_network_may_vanish_below_any_threshold():
    parts = [
        layers.Dense(64, "relu", kernel_initializer="glorot_normal") for _ in range(80)
    ]
    rows = forecast(sequential((64,), *parts)).layers
    first, last = rows[0].predicted["output_rms"], rows[-1].predicted["output_rms"]
    assert 0 < last < 1e-9 * first
    assert 0 < rows[0].predicted["gradient_rms"] < 1e-9


def test_batch_norm_that_is_frozen_uses_its_statistics():
    norm = layers.BatchNormalization(trainable=False, name="norm")
    model = sequential((64,), norm)
    norm.moving_variance.assign(np.full(64, 4.0))
    norm.moving_mean.assign(np.full(64, 1.0))
    row = forecast(model).layers[0].predicted
    assert row["output_rms"] == pytest.approx((2 / 4) ** 0.5, rel=0.01)
    assert row["output_mean"] == pytest.approx(-0.5, rel=0.01)


def test_gamma_and_beta_count():
    norm = layers.LayerNormalization(name="norm")
    model = sequential((64,), norm)
    norm.gamma.assign(np.full(64, 3.0))
    norm.beta.assign(np.full(64, 1.0))
    row = forecast(model).layers[0].predicted
    assert row["output_rms"] == pytest.approx(10**0.5, rel=0.01)
    assert row["output_mean"] == pytest.approx(1.0)


def test_softmax_and_its_loss_start_from_chance():
    model = sequential((64,), layers.Dense(10, "softmax", kernel_initializer="zeros"))
    found = forecast(model, loss="sparse_categorical_crossentropy")
    assert found.facts["loss"] == pytest.approx(np.log(10))
    assert found.layers[0].predicted["output_mean"] == pytest.approx(0.1)


def test_loss_on_logits_is_that_of_a_forward_pass():
    model = sequential((256,), layers.Dense(256, "relu"), layers.Dense(10))
    rng = np.random.default_rng(0)
    redraw(model, HE_LIKE, rng)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    logits = model(inputs_of(model, 2000, rng))
    measured = loss(rng.integers(0, 10, 2000), logits)
    measured = float(keras.ops.convert_to_numpy(measured))
    assert forecast(model, loss=loss).facts["loss"] == pytest.approx(measured, rel=0.1)


def test_input_moments_are_taken_into_account():
    model = sequential((256,), layers.Dense(256))
    redraw(model, 1.0, np.random.default_rng(0))
    rms = forecast(model, input_moments=(3.0, 4.0)).layers[0].predicted["output_rms"]
    assert rms == pytest.approx(5.0, rel=0.05)


def test_input_moments_go_by_name_or_place():
    first, second = keras.Input((8,), name="first"), keras.Input((8,), name="second")
    both = layers.Concatenate()([first, second])
    model = keras.Model([first, second], layers.Dense(4)(both))
    by_place = forecast(model, input_moments=[(0, 1), (0, 3)])
    by_name = forecast(model, input_moments={"second": (0, 3)})
    assert by_place.layers == by_name.layers != forecast(model).layers


# --- what cannot be treated -----------------------------------------------------------


class Sorted(layers.Layer):
    def call(self, x):
        return keras.ops.sort(x)


def test_untreated_layer_is_named_and_the_signal_goes_on():
    model = sequential((64,), Sorted(name="sorted"), layers.Dense(64, name="head"))
    redraw(model, 1.0, np.random.default_rng(0))
    found = forecast(model)
    assert list(found.untreated.values()) == ["no rule for the operation Sort"]
    assert found.layers[0].predicted["output_rms"] == pytest.approx(1.0, rel=0.05)


def test_untreated_layer_with_weights_has_a_row_that_says_why():
    model = sequential(
        (6, 6, 6, 3), layers.ConvLSTM2D(4, 3, name="recurrent"), layers.Conv2D(2, 1)
    )
    found = forecast(model)
    row = found.layers[0]
    assert row.predicted == {}
    assert row.note == "no rule for ConvLSTM2D"
    assert found.untreated == {row.layer: row.note}
    assert found.layers[1].predicted["output_rms"] > 0


def test_subclassed_model_is_looked_into():
    model = Subclassed()
    model(np.zeros((2, 8), "float32"))
    found = forecast(model)
    assert found.untreated == {}
    assert [row.layer for row in found.layers] == [
        layer_path(layer)
        for layer in (model.block.norm, model.block.first, model.block, model.head)
    ]
    assert all("output_rms" in row.predicted for row in found.layers)


class Placed(layers.Layer):
    """A token in front and a place for each, as vision transformers have them."""

    def build(self, shape):
        self.place = self.add_weight(shape=(1, *shape[1:]), name="place")
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token")

    def call(self, x):
        count = keras.ops.shape(x)[0]
        token = keras.ops.broadcast_to(self.token, (count, 1, x.shape[-1]))
        return keras.ops.concatenate([token, x + self.place], axis=1)[:, 0]


def test_weights_that_are_added_and_put_in_front_are_tensors_too():
    placed = Placed()
    model = sequential((12, 64), placed)
    placed.token.assign(np.full((1, 1, 64), 3.0))
    found = forecast(model)
    assert found.untreated == {}
    assert found.layers[0].predicted["output_rms"] == pytest.approx(3.0)


def test_mask_is_said_to_hide_nothing():
    inputs = keras.Input((12,), dtype="int32")
    x = layers.Embedding(50, 16, mask_zero=True)(inputs)
    found = forecast(keras.Model(inputs, layers.LSTM(8)(x)))
    assert found.untreated == {}
    assert found.facts["masks"] == "taken as hiding nothing"


def test_states_that_are_handed_over_are_untreated():
    inputs = keras.Input((12, 4))
    x, h, c = layers.LSTM(8, return_sequences=True, return_state=True)(inputs)
    model = keras.Model(inputs, layers.LSTM(8)(x, initial_state=[h, c]))
    assert list(forecast(model).untreated.values()) == [
        "it has several outputs",
        "states that come in or go out",
    ]


class Opaque(keras.Model):
    def __init__(self):
        super().__init__(name="opaque")
        self.head = layers.Dense(2, name="head")

    def build(self, shape):
        self.head.build(shape)

    def call(self, x):
        return self.head(x * np.asarray(x))


def test_subclassed_model_that_cannot_be_traced_says_so():
    model = Opaque()
    model.build((None, 4))
    found = forecast(model)
    (row,) = found.layers
    assert row.predicted == {}
    (reason,) = found.untreated.values()
    assert reason.startswith("its call does not run on symbolic tensors: ")


def test_open_axis_is_said_to_be_assumed():
    model = sequential((None, 8), layers.Conv1D(4, 3), layers.GlobalMaxPooling1D())
    assert forecast(model).facts["open_axes"] == "taken as 32 long"


def test_model_without_weights_has_an_empty_table_that_says_so():
    found = forecast(sequential((4,), layers.ReLU()))
    assert found.layers == ()
    assert found.facts["note"] == "no layer of this model owns weights"


def test_forecast_leaves_the_model_as_it_was():
    inputs = keras.Input((8,))
    x = layers.Dropout(0.5)(Block()(inputs))
    model = keras.Model(inputs, layers.BatchNormalization()(x))
    parts = list(model._flatten_layers())

    def state():
        values = [keras.ops.convert_to_numpy(v).tolist() for v in model.variables]
        return values, [len(part._inbound_nodes) for part in parts]

    before = state()
    forecast(model)
    assert state() == before


# --- bad input ------------------------------------------------------------------------


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match=r"must be a Keras model. Received: model=None"):
        forecast(None)


def test_unbuilt_model_is_refused():
    model = keras.Sequential([layers.Dense(2)], name="raw")
    with pytest.raises(ValueError, match=r"must be built. Received: model='raw', not"):
        forecast(model)


@pytest.mark.parametrize("moments", [(0, -1), (0, float("nan")), 3, (1, 2, 3), "ab"])
def test_bad_input_moments_are_refused(moments):
    model = sequential((4,), layers.Dense(2))
    with pytest.raises(ValueError, match=r"must be a mean and a standard deviation"):
        forecast(model, input_moments=moments)


def test_moments_of_an_unknown_input_are_refused():
    model = sequential((4,), layers.Dense(2))
    with pytest.raises(
        ValueError, match=r"lacks. Received: \['other'\]. Its inputs are"
    ):
        forecast(model, input_moments={"other": (0, 1)})


def test_losses_that_do_not_fit_the_outputs_are_refused():
    model = sequential((4,), layers.Dense(2))
    with pytest.raises(ValueError, match=r"one for each of the 1 outputs. Received: "):
        forecast(model, loss=["mse", "mse"])
