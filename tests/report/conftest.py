"""Records made by hand: reports are tested without training anything."""

import math

import pytest

from keras_inits.records import Comparison, History, LogitMap, Points, Run

LAYERS = ("hidden_1", "hidden_2", "output")


@pytest.fixture
def points():
    return Points((0.0, 1.0, 0.5, -1.0), (1.0, 0.0, 0.5, 0.2), (0, 1, 1, 0))


@pytest.fixture
def make_run():
    """A run that learns well; any field, or any column of its history, can differ."""

    def make(**changes):
        history = {
            "step": (0, 100, 200),
            "cost": (0.9, 0.4, 0.1),
            "accuracy": (0.5, 0.8, 1.0),
            "gradient_norm": dict.fromkeys(LAYERS, (0.5, 0.2, 0.1)),
            "weight_norm": dict.fromkeys(LAYERS, (1.0, 2.0, 3.0)),
        }
        history |= {
            name: changes.pop(name) for name in list(history) if name in changes
        }
        fields = {
            "scheme": "he",
            "seed": None,
            "published": True,
            "published_accuracy": 0.99,
            "train_accuracy": history["accuracy"][-1],
            "test_accuracy": history["accuracy"][-1],
            "predicted_ones": 2,
            "hidden_units": {"hidden_1": 10, "hidden_2": 5},
            "distinct_units": {"hidden_1": 10, "hidden_2": 5},
            "learned": LogitMap((-1.0, 1.0), (-1.0, 1.0), ((-2.0, 1.0), (3.0, -1.0))),
        }
        return Run(history=History(**history), **(fields | changes))

    return make


@pytest.fixture
def dead_run(make_run):
    """A run from zeros, of which nothing ever moves."""
    return make_run(
        scheme="zeros",
        published_accuracy=0.5,
        cost=(math.log(2),) * 3,
        accuracy=(0.5,) * 3,
        gradient_norm=dict.fromkeys(LAYERS, (0.0,) * 3),
        weight_norm=dict.fromkeys(LAYERS, (0.0,) * 3),
        predicted_ones=0,
        distinct_units={"hidden_1": 1, "hidden_2": 1},
        learned=LogitMap((-1.0, 1.0), (-1.0, 1.0), ((0.0, 0.0), (0.0, 0.0))),
    )


@pytest.fixture
def make_comparison(points):
    def make(*runs, planned=None):
        return Comparison(
            task="a task",
            steps=200,
            learning_rate=0.01,
            train=points,
            test=points,
            runs=runs,
            planned=planned or len(runs),
        )

    return make


@pytest.fixture
def comparison(make_comparison, make_run, dead_run):
    """Two published runs, and two seeds of the second scheme."""
    draws = [
        make_run(
            published=False, published_accuracy=None, seed=seed, learned=None, cost=cost
        )
        for seed, cost in enumerate([(0.8, 0.5, 0.2), (1.2, 0.6, 0.3)])
    ]
    return make_comparison(dead_run, make_run(), *draws)
