"""What a model's layers and variables are called, and in what order they come."""

import keras
import pytest
from keras import layers

from keras_inits.architecture.roles import (
    activation_name,
    following_activation,
    layer_path,
    own_weights,
    weight_layers,
    weight_role,
)

pytestmark = pytest.mark.backend


class Block(layers.Layer):
    """A person's own layer: parts, and a weight beside them."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.first = layers.Dense(8, activation="relu", name="first")
        self.norm = layers.LayerNormalization(name="norm")

    def build(self, shape):
        self.norm.build(shape)
        self.first.build(shape)
        self.mix = self.add_weight(shape=(8, 8), name="mix")

    def call(self, x):
        return x + keras.ops.matmul(self.first(self.norm(x)), self.mix)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="subclassed")
        self.block = Block(name="block")
        self.head = layers.Dense(2, name="head")

    def call(self, x):
        return self.head(self.block(x))


def roles(layer):
    return {v.path.split("/")[-1]: weight_role(layer, v) for v in own_weights(layer)}


def test_functional_model_is_listed_in_the_order_of_its_data():
    late, early = layers.Dense(4, name="late"), layers.Dense(4, name="early")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, late(early(inputs)))
    assert weight_layers(model) == [early, late]


def test_nested_models_are_opened_and_shared_layers_listed_once():
    shared = layers.Dense(4)
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.ReLU()])
    inputs = keras.Input((4,))
    head = layers.Dense(2)
    model = keras.Model(inputs, head(shared(inner(shared(inner(inputs))))))
    assert weight_layers(model) == [inner.layers[0], shared, head]


def test_layer_with_parts_and_a_weight_of_its_own_lists_both():
    model = Subclassed()
    model(keras.ops.zeros((2, 8)))
    block = model.block
    found = weight_layers(model)
    assert found == [block, block.first, block.norm, model.head]
    assert [v.name for v in own_weights(block)] == ["mix"]


def test_every_weight_belongs_to_exactly_one_listed_layer():
    inputs = keras.Input((6, 8))
    x = layers.MultiHeadAttention(2, 4)(inputs, inputs)
    x = layers.Bidirectional(layers.GRU(4, return_sequences=True))(x)
    x = layers.TimeDistributed(layers.Dense(3))(x)
    x = layers.SpectralNormalization(layers.Dense(3))(x)
    x = layers.SeparableConv1D(4, 2)(x)
    model = keras.Model(inputs, layers.LSTM(2)(x))
    owned = [id(v) for layer in weight_layers(model) for v in own_weights(layer)]
    assert sorted(owned) == sorted(id(v) for v in model.weights)


def test_attention_lists_its_projections_and_a_recurrent_layer_itself():
    inputs = keras.Input((6, 8))
    lstm = layers.LSTM(3, name="lstm")
    x = layers.MultiHeadAttention(2, 4, name="attention")(inputs, inputs)
    model = keras.Model(inputs, lstm(x))
    assert [layer_path(layer) for layer in weight_layers(model)] == [
        "attention/query",
        "attention/key",
        "attention/value",
        "attention/attention_output",
        "lstm/lstm_cell",
    ]
    assert weight_layers(model)[-1] is lstm


def test_path_of_a_layer_without_weights_is_its_name():
    assert layer_path(layers.ReLU(name="bend")) == "bend"


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (layers.Dense(3), (4,), {"kernel": "kernel", "bias": "bias"}),
        (layers.Embedding(5, 3), (4,), {"embeddings": "embedding"}),
        (
            layers.SeparableConv1D(3, 2, use_bias=False),
            (6, 4),
            {"depthwise_kernel": "kernel", "pointwise_kernel": "kernel"},
        ),
        (
            layers.BatchNormalization(),
            (4,),
            {
                "gamma": "scale",
                "beta": "bias",
                "moving_mean": "other",
                "moving_variance": "other",
            },
        ),
        (layers.RMSNormalization(), (4,), {"scale": "scale"}),
        (layers.PReLU(), (3, 4), {"alpha": "other"}),
        (Block(), (8,), {"mix": "kernel"}),
        (
            layers.SimpleRNN(3),
            (6, 4),
            {"kernel": "kernel", "recurrent_kernel": "kernel", "bias": "bias"},
        ),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_role_of_each_weight(layer, shape, expected):
    layer.build((None, *shape))
    assert roles(layer) == expected


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (layers.Dense(3, activation="gelu"), "gelu"),
        (layers.Dense(3), None),
        (layers.Activation("tanh"), "tanh"),
        (layers.ReLU(), "relu"),
        (layers.ReLU(max_value=6), "relu6"),
        (layers.ReLU(negative_slope=0.1), "leaky_relu"),
        (layers.LeakyReLU(), "leaky_relu"),
        (layers.Softmax(), "softmax"),
        (layers.LSTM(3), "tanh"),
        (layers.Bidirectional(layers.SimpleRNN(3, activation="relu")), "relu"),
        (layers.TimeDistributed(layers.Dense(3, activation="silu")), "silu"),
        (layers.Flatten(), None),
    ],
    ids=str,
)
def test_activation_by_its_name_in_keras(layer, name):
    assert activation_name(layer) == name


def test_function_of_ones_own_is_an_activation_by_its_name():
    def bent(x):
        return x * keras.ops.sigmoid(x)

    assert activation_name(layers.Dense(3, activation=bent)) == "bent"


def test_activation_of_the_next_layer_follows():
    inputs = keras.Input((4,))
    dense = layers.Dense(4)
    model = keras.Model(inputs, layers.Activation("gelu")(dense(inputs)))
    assert following_activation(model, dense) == "gelu"


def test_operation_in_a_functional_model_follows():
    inputs = keras.Input((4,))
    dense = layers.Dense(4)
    model = keras.Model(inputs, keras.ops.relu(dense(inputs)))
    assert following_activation(model, dense) == "relu"


def test_no_activation_follows_where_two_takers_differ():
    inputs = keras.Input((4,))
    dense = layers.Dense(4)
    x = dense(inputs)
    model = keras.Model(inputs, layers.Add()([layers.ReLU()(x), x]))
    assert following_activation(model, dense) is None


def test_own_activation_comes_before_the_next_one():
    inputs = keras.Input((4,))
    dense = layers.Dense(4, activation="tanh")
    model = keras.Model(inputs, layers.ReLU()(dense(inputs)))
    assert following_activation(model, dense) == "tanh"


def test_weight_layers_refuses_what_is_no_layer():
    with pytest.raises(TypeError, match=r"must be a Keras model or layer. Received: "):
        weight_layers("model")
