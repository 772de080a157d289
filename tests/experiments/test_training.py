"""Training through one `fit`, against a training loop written by hand."""

import keras
import numpy as np
import pytest

from keras_inits.experiments.circles import build_model, load_circles
from keras_inits.experiments.training import train_full_batch

pytestmark = pytest.mark.backend

RATE = 0.01


@pytest.fixture(scope="module")
def data():
    return load_circles()


def new_model():
    normal = keras.initializers.RandomNormal
    return build_model([normal(stddev=0.7, seed=seed) for seed in (1, 2, 3)])


def descend_by_hand(weights, x, y, steps):
    """Gradient descent on three layers, written out in float64."""
    w1, b1, w2, b2, w3, b3 = (np.asarray(weight, "float64") for weight in weights)
    for _ in range(steps):
        h1 = np.maximum(x @ w1 + b1, 0)
        h2 = np.maximum(h1 @ w2 + b2, 0)
        d3 = (1 / (1 + np.exp(-(h2 @ w3 + b3))) - y[:, None]) / len(y)
        d2 = d3 @ w3.T * (h2 > 0)
        d1 = d2 @ w2.T * (h1 > 0)
        w1, b1 = w1 - RATE * x.T @ d1, b1 - RATE * d1.sum(0)
        w2, b2 = w2 - RATE * h1.T @ d2, b2 - RATE * d2.sum(0)
        w3, b3 = w3 - RATE * h2.T @ d3, b3 - RATE * d3.sum(0)
    return [w1, b1, w2, b2, w3, b3]


# 1 and 149: every step is measured. 307: every second, and one is left over.
# 450: every third, and none is left.
@pytest.mark.parametrize("steps", [1, 149, 307, 450])
def test_weights_after_n_steps_are_those_of_a_loop_by_hand(data, steps):
    model = new_model()
    expected = descend_by_hand(model.get_weights(), data.x_train, data.y_train, steps)
    history = train_full_batch(
        model, data.x_train, data.y_train, steps=steps, learning_rate=RATE
    )
    for weight, value in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(weight, value, atol=2e-5)
    assert history.step[0] == 0
    assert history.step[-1] == steps


def test_costs_are_those_of_the_measured_steps_and_no_running_means(data):
    model = new_model()
    start = model.get_weights()
    x, y = data.x_train, data.y_train
    history = train_full_batch(model, x, y, steps=320, learning_rate=RATE)
    assert history.step == tuple(range(0, 321, 2))
    for at in (0, 1, 100, 160):
        w1, b1, w2, b2, w3, b3 = descend_by_hand(start, x, y, history.step[at])
        hidden = np.maximum(np.maximum(x @ w1 + b1, 0) @ w2 + b2, 0)
        p = 1 / (1 + np.exp(-(hidden @ w3 + b3)[:, 0]))
        cost = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
        assert history.cost[at] == pytest.approx(cost, rel=1e-5)


def test_every_column_is_as_long_as_the_steps_and_layers_keep_their_order(data):
    history = train_full_batch(
        new_model(), data.x_train, data.y_train, steps=5, learning_rate=RATE
    )
    names = ["hidden_1", "hidden_2", "output"]
    assert list(history.gradient_norm) == list(history.weight_norm) == names
    columns = [history.cost, history.accuracy]
    columns += [*history.gradient_norm.values(), *history.weight_norm.values()]
    assert {len(column) for column in columns} == {len(history.step)} == {6}


def test_progress_is_told_at_every_measured_step(data):
    told = []
    history = train_full_batch(
        new_model(),
        data.x_train,
        data.y_train,
        steps=307,
        learning_rate=RATE,
        on_step=told.append,
    )
    assert tuple(told) == history.step


def test_no_steps_are_refused(data):
    with pytest.raises(ValueError, match=r"Received: steps=0\. Give a positive number"):
        train_full_batch(
            new_model(), data.x_train, data.y_train, steps=0, learning_rate=RATE
        )
