"""The model is the same after it was looked at, whatever happened meanwhile."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits.data_driven import diagnose, measure_outputs
from keras_inits.data_driven.unchanged import unchanged
from tests.data_driven.models import (
    Subclassed,
    built,
    cross_entropy,
    every_state,
    labels,
    normal,
    values,
)


def state_of(model):
    """Every variable that hangs on the model: weights, seeds, metrics, optimizer."""
    variables = [*model.variables, *model.metrics_variables]
    if model.optimizer is not None:
        variables += model.optimizer.variables
    return [np.array(values(variable)) for variable in variables]


def attributes_of(model):
    found = {}
    for layer in model._flatten_layers():
        for name, value in vars(layer).items():
            content = list(value) if isinstance(value, list | dict | set) else None
            found[id(layer), name] = value, content
    return found


def assert_same(before, after):
    assert before.keys() == after.keys()
    for key, (value, content) in before.items():
        assert after[key][0] is value, key
        assert after[key][1] == content, key


@pytest.fixture
def trained():
    """A compiled model with every kind of state, after a step of training."""
    model = every_state()
    model.compile("adam", cross_entropy(), metrics=["accuracy"])
    model.fit(normal(16, 8), labels(16, 3), verbose=0)
    return model


@pytest.mark.backend
def test_weights_statistics_seeds_metrics_and_optimizer_stay(trained):
    before = state_of(trained)
    diagnose(trained, normal(16, 8), labels(16, 3))
    measure_outputs(trained, normal(16, 8), training=True)
    for old, new in zip(before, state_of(trained), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.backend
def test_attributes_of_layers_stay(trained):
    before = attributes_of(trained)
    diagnose(trained, normal(16, 8), labels(16, 3))
    assert_same(before, attributes_of(trained))


@pytest.mark.backend
def test_a_model_that_was_never_trained_stays_unbuilt_for_training():
    model = every_state()
    model.compile("adam", cross_entropy(), metrics=["accuracy"])
    before, loss = attributes_of(model), dict(vars(model._compile_loss))
    diagnose(model, normal(16, 8), labels(16, 3))
    assert_same(before, attributes_of(model))
    assert vars(model._compile_loss) == loss
    assert not model.optimizer.built


@pytest.mark.backend
def test_what_a_persons_own_call_keeps_is_undone():
    model = built(Subclassed(), normal(2, 8))
    calls, seen, last = model.calls, list(model.seen), model.last
    diagnose(model, normal(4, 8))
    assert (model.calls, list(model.seen), model.last) == (calls, seen, last)


@pytest.mark.backend
def test_an_exception_inside_leaves_nothing_behind(trained):
    before, state = attributes_of(trained), state_of(trained)
    with pytest.raises(ValueError, match="do not fit the loss"):
        diagnose(trained, normal(16, 8), labels(16, 3)[:, None, None])
    assert_same(before, attributes_of(trained))
    for old, new in zip(state, state_of(trained), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.backend
def test_it_trains_on_as_if_nothing_had_been():
    def last_loss(look):
        keras.utils.set_random_seed(0)
        model = every_state()
        model.compile("sgd", cross_entropy())
        if look:
            diagnose(model, normal(16, 8), labels(16, 3))
        return model.fit(normal(16, 8), labels(16, 3), verbose=0, epochs=3).history

    assert last_loss(look=True) == last_loss(look=False)


@pytest.mark.backend
def test_a_layer_without_weights_yet_is_refused_and_stays_so():
    class Late(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def build(self, shape):
            self.built = True

        def call(self, x):
            return self.dense(x)

    model = Late()
    model.build((None, 3))
    with pytest.raises(ValueError, match=r"must be built, with all .* model='late"):
        diagnose(model, normal(2, 3))
    assert not model.dense.built
    assert model.weights == []


def test_containers_get_their_old_content_back():
    model = every_state()
    model.notes = ["a", {"b": 1}]
    model.table = {"x": 1}
    notes, table = model.notes, model.table
    with unchanged(model):
        model.notes.append("c")
        model.table["y"] = 2
        del model.table["x"]
        model.table = {}
        model.new = 3
    assert model.notes is notes
    assert list(notes) == ["a", {"b": 1}]
    assert model.table is table
    assert dict(table) == {"x": 1}
    assert not hasattr(model, "new")
