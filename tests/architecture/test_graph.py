"""The calls of a model, whatever kind it is, and the model left as it was."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits.architecture.graph import Tensor, data_flow
from tests.architecture.test_roles import Block, Subclassed

pytestmark = pytest.mark.backend


def kinds(graph):
    return [type(call.operation).__name__ for call in graph.calls]


def test_calls_of_a_sequential_model_are_a_chain():
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3), layers.ReLU(), layers.Dense(2)]
    )
    graph = data_flow(model)
    assert kinds(graph) == ["Dense", "ReLU", "Dense"]
    assert [call.inputs for call in graph.calls] == [(0,), (1,), (2,)]
    assert graph.inputs == (0,)
    assert graph.outputs == (3,)
    assert graph.shapes[3] == (None, 2)


def test_nested_model_is_opened_at_each_of_its_calls():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.ReLU()])
    inputs = keras.Input((4,))
    model = keras.Model(inputs, inner(inner(inputs)))
    assert kinds(data_flow(model)) == ["Dense", "ReLU", "Dense", "ReLU"]


def test_branches_and_several_inputs_and_outputs_keep_their_tensors():
    first, second = keras.Input((4,)), keras.Input((4,))
    both = layers.Concatenate()([first, second])
    model = keras.Model([first, second], [layers.Dense(1)(both), layers.ReLU()(both)])
    graph = data_flow(model)
    assert len(graph.inputs) == len(graph.outputs) == 2
    joined = graph.calls[0]
    assert joined.inputs == graph.inputs
    assert {type(c.operation) for c in graph.takers(joined.outputs[0])} == {
        layers.Dense,
        layers.ReLU,
    }


def test_operations_and_their_constants_are_calls_too():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.ops.relu(inputs * 2.0))
    graph = data_flow(model)
    assert kinds(graph) == ["Multiply", "Relu"]
    assert graph.calls[0].arguments == (Tensor(0), 2.0)


def test_subclassed_model_is_closed_unless_traced():
    model = Subclassed()
    model(np.zeros((2, 8), "float32"))
    graph = data_flow(model)
    assert graph.calls == []
    assert graph.closed == {id(model): "a subclassed model keeps no graph"}


def test_traced_model_shows_what_is_inside_of_its_layers():
    model = Subclassed()
    model(np.zeros((2, 8), "float32"))
    graph = data_flow(model, trace=True)
    assert kinds(graph) == ["LayerNormalization", "Dense", "Matmul", "Add", "Dense"]
    assert [call.operation for call in graph.opened] == [model.block, model]
    assert graph.closed == {}


def test_custom_layer_inside_a_functional_model_is_opened():
    inputs = keras.Input((8,))
    model = keras.Model(inputs, Block()(inputs))
    assert kinds(data_flow(model)) == ["Block"]
    assert kinds(data_flow(model, trace=True))[-1] == "Add"


class Stubborn(layers.Layer):
    def call(self, x):
        return x if x.numpy().sum() > 0 else -x

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


def test_layer_that_cannot_be_traced_stays_closed_with_its_reason():
    inputs = keras.Input((8,))
    stubborn = Stubborn()
    model = keras.Model(inputs, layers.Dense(2)(stubborn(inputs)))
    graph = data_flow(model, trace=True)
    assert kinds(graph) == ["Stubborn", "Dense"]
    reason = graph.closed[id(stubborn)]
    assert reason.startswith("its call does not run on symbolic tensors: ")


class TwoInputs(keras.Model):
    def __init__(self):
        super().__init__()
        self.mix = layers.Dense(3)

    def build(self, first_shape, second_shape):
        self.mix.build(first_shape)

    def call(self, first, second):
        return self.mix(first) + self.mix(second)


def test_subclassed_model_with_several_arguments_is_traced():
    model = TwoInputs()
    model.build((None, 4), (None, 4))
    graph = data_flow(model, trace=True)
    assert kinds(graph) == ["Dense", "Dense", "Add"]
    assert len(graph.inputs) == 2


def test_tracing_leaves_no_nodes_in_the_layers():
    model = Subclassed()
    model(np.zeros((2, 8), "float32"))
    parts = list(model._flatten_layers())
    before = [(len(p._inbound_nodes), len(p._outbound_nodes)) for p in parts]
    data_flow(model, trace=True)
    after = [(len(p._inbound_nodes), len(p._outbound_nodes)) for p in parts]
    assert after == before


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match=r"must be a Keras model. Received: model="):
        data_flow(layers.Dense(2))
