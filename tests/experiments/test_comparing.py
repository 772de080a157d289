"""The published table, other draws, and what is planned."""

import doctest
import json
import math

import keras
import numpy as np
import pytest

import keras_inits.initializers
from keras_inits.experiments import circles, comparing
from keras_inits.experiments.schemes import PUBLISHED, Scheme, find_schemes


@pytest.fixture(scope="module")
def data():
    return circles.load_circles()


@pytest.fixture(scope="module")
def published(data):
    """The three published runs in full."""
    plan = comparing.plan_runs(PUBLISHED, seeds=0)
    runs = [comparing.train(planned, data) for planned in plan]
    return {run.scheme: run for run in runs}


def cost_at(run, step):
    return run.history.cost[run.history.step.index(step)]


@pytest.mark.parametrize(
    ("scheme", "train", "test", "ones"),
    [("zeros", 150, 50, 0), ("large random", 249, 86, 189), ("he", 298, 96, 150)],
)
def test_the_published_table_comes_out_exactly(published, scheme, train, test, ones):
    run = published[scheme]
    assert run.train_accuracy == train / 300
    assert run.test_accuracy == test / 100
    assert run.predicted_ones == ones
    assert round(run.train_accuracy, 2) == run.published_accuracy


def test_from_zeros_the_cost_never_moves(published):
    run = published["zeros"]
    assert run.history.cost == pytest.approx([math.log(2)] * 151, abs=1e-6)
    assert set(run.distinct_units.values()) == {1}


# Measured in float64, on which three backends agree to 1e-9.
@pytest.mark.parametrize(
    ("step", "cost"),
    [
        (0, 0.883053746341976),
        (1000, 0.6879825919728063),
        (7000, 0.3117803464844441),
        (14000, 0.0735789596267736),
    ],
)
def test_from_he_the_cost_goes_the_published_way(published, step, cost):
    assert cost_at(published["he"], step) == pytest.approx(cost, rel=1e-4)


# Chaotic in the last bits of the weights: the range holds over backends.
@pytest.mark.parametrize(
    ("step", "low", "high"), [(1000, 0.622, 0.626), (14000, 0.3825, 0.3830)]
)
def test_from_large_weights_the_cost_stays_in_the_published_range(
    published, step, low, high
):
    assert low <= cost_at(published["large random"], step) <= high


def test_most_draws_of_he_separate_the_circles(data):
    plan = comparing.plan_runs(find_schemes(["he_normal"]), seeds=5)
    accuracies = [comparing.train(planned, data).train_accuracy for planned in plan]
    assert np.median(accuracies) > 0.97


@pytest.mark.backend
def test_a_run_equals_a_plain_fit_of_the_same_initializers(data):
    (planned,) = comparing.plan_runs(find_schemes(["he_normal"]), seeds=1)
    run = comparing.train(planned, data, steps=40)
    he = keras_inits.initializers.HeNormal(seed=0)
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(10, "relu", kernel_initializer=he),
            keras.layers.Dense(5, "relu", kernel_initializer=he),
            keras.layers.Dense(1, kernel_initializer=he),
        ]
    )
    model.compile(
        keras.optimizers.SGD(0.01), keras.losses.BinaryCrossentropy(from_logits=True)
    )
    x, y = data.x_train.astype("float32"), data.y_train[:, None].astype("float32")
    # The loss of epoch n is of the weights before its one update.
    losses = model.fit(x, y, batch_size=300, epochs=40, verbose=0).history["loss"]
    assert run.history.cost[:40] == pytest.approx(losses, rel=1e-5)


def test_published_draws_come_first_and_then_seed_by_seed():
    plan = comparing.plan_runs(find_schemes(["zeros", "he", "orthogonal"]), seeds=2)
    assert [planned.title for planned in plan] == [
        "zeros, published draw",
        "he, published draw",
        "zeros",
        "he, seed 0",
        "Orthogonal, seed 0",
        "he, seed 1",
        "Orthogonal, seed 1",
    ]
    kept = [planned.title for planned in plan if planned.keep_map]
    assert kept == ["zeros, published draw", "he, published draw", "Orthogonal, seed 0"]


def test_a_negative_number_of_seeds_is_refused():
    with pytest.raises(ValueError, match=r"Received: seeds=-1\. Give 0"):
        comparing.plan_runs(PUBLISHED, seeds=-1)


def test_nothing_to_run_is_refused():
    with pytest.raises(ValueError, match=r"nothing to run.*\['Orthogonal'\], seeds=0"):
        comparing.plan_runs(find_schemes(["orthogonal"]), seeds=0)


def test_a_scheme_that_cannot_fill_a_kernel_is_refused_before_training():
    def misfit(shape, dtype=None):
        raise ValueError("Only cubes.")

    with pytest.raises(ValueError, match=r"shape \(2, 10\): Only cubes\..*'cubes'"):
        comparing.plan_runs([Scheme("cubes", lambda seed: misfit)], seeds=1)


def test_published_accuracies_are_left_out_at_another_number_of_steps(data):
    (planned,) = comparing.plan_runs(find_schemes(["he"]), seeds=0)
    assert comparing.train(planned, data, steps=3).published_accuracy is None


@pytest.mark.backend
def test_compare_runs_its_plan_and_its_record_is_json():
    result = comparing.compare(["zeros", "he"], seeds=2, steps=3)
    draws = ["published draw", "published draw", "draws nothing", "seed 0", "seed 1"]
    assert [run.draw for run in result.runs] == draws
    assert not result.interrupted
    saved = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert saved["runs"][1]["history"]["cost"] == list(result.runs[1].history.cost)
    assert len(saved["train"]["x"]) == 300


def test_examples_in_docstrings_run():
    assert doctest.testmod(comparing).attempted == 2
    assert doctest.testmod(comparing).failed == 0
