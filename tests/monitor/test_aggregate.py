"""Layers, blocks and the model: as if their weights were one long vector."""

import numpy as np
import pytest

from keras_inits.monitor.aggregate import combine, grouping, totals
from keras_inits.records import Layout, Sample, Weight

SHAPES = {"a/b/kernel": (5, 7), "a/b/bias": (7,), "a/c/kernel": (7, 2), "d/bias": (3,)}
LAYOUT = Layout(
    "net",
    tuple(
        Weight(path, path.rpartition("/")[0], path.rpartition("/")[2], shape)
        for path, shape in SHAPES.items()
    ),
    blocks=("a", "a/b"),
)
GROUPS = {
    "layer": {"a/b": [0, 1], "a/c": [2], "d": [3]},
    "block": {"a": [0, 1, 2], "a/b": [0, 1]},
    "model": {"net": [0, 1, 2, 3]},
}


@pytest.fixture
def tensors():
    draws = np.random.default_rng(3)
    return {
        kind: [draws.normal(size=shape) for shape in SHAPES.values()]
        for kind in ("gradient", "weight", "update")
    }


def measure(gradient, weight, update):
    """What the monitor measures of a tensor, straight from its definition."""
    return {
        "gradient_norm": np.sqrt(np.sum(gradient**2)),
        "gradient_rms": np.sqrt(np.mean(gradient**2)),
        "gradient_max": np.max(np.abs(gradient)),
        "weight_norm": np.sqrt(np.sum(weight**2)),
        "update_norm": np.sqrt(np.sum(update**2)),
        "update_ratio": np.sqrt(np.sum(update**2) / np.sum(weight**2)),
        "zero_share": np.mean(np.abs(gradient) < 0.5),
        "nonfinite": float(np.sum(gradient > 1)),
    }


def of_weights(tensors):
    rows = [
        measure(*each)
        for each in zip(*(tensors[k] for k in ("gradient", "weight", "update")))  # noqa: B905
    ]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@pytest.mark.parametrize("per", GROUPS)
def test_a_group_is_measured_as_one_vector(tensors, per):
    groups = grouping(LAYOUT, per)
    combined = combine(of_weights(tensors), groups)
    assert groups.names == tuple(GROUPS[per])
    for place, members in enumerate(GROUPS[per].values()):
        joined = {
            kind: np.concatenate([tensors[kind][index].ravel() for index in members])
            for kind in tensors
        }
        expected = measure(**joined)
        found = {name: array[place] for name, array in combined.items()}
        assert found == pytest.approx(expected, rel=1e-14)


def test_steps_are_combined_at_once(tensors):
    values = of_weights(tensors)
    stacked = {name: np.stack([array, 2 * array]) for name, array in values.items()}
    groups = grouping(LAYOUT, "layer")
    at_once = combine(stacked, groups)["gradient_norm"]
    expected = combine(values, groups)["gradient_norm"]
    np.testing.assert_allclose(at_once, [expected, 2 * expected])


@pytest.mark.parametrize("size", [1e-200, 1e-30, 1e30, 1e200])
def test_norms_neither_vanish_nor_overflow_in_the_sum(size):
    norms = size * np.array([3.0, 4.0, 0.0, 0.0])
    combined = combine({"gradient_norm": norms}, grouping(LAYOUT, "model"))
    assert combined["gradient_norm"][0] == pytest.approx(5 * size, rel=1e-14)


def test_a_weight_that_is_not_measured_takes_no_part():
    values = {
        "gradient_norm": np.array([3.0, np.nan, 4.0, np.nan]),
        "weight_norm": np.array([1.0, np.nan, 1.0, np.nan]),
    }
    combined = combine(values, grouping(LAYOUT, "layer"))
    np.testing.assert_array_equal(combined["gradient_norm"], [3.0, 4.0, np.nan])
    assert combine(values, grouping(LAYOUT, "model"))["gradient_norm"] == [5.0]


def test_a_gradient_that_is_no_number_makes_the_total_none():
    values = {
        "gradient_norm": np.array([3.0, np.nan, 4.0, 1.0]),
        "weight_norm": np.ones(4),
    }
    assert np.isnan(combine(values, grouping(LAYOUT, "model"))["gradient_norm"][0])


def test_an_infinite_gradient_makes_the_total_infinite():
    values = {"gradient_norm": np.array([3.0, np.inf, 4.0, 1.0])}
    assert combine(values, grouping(LAYOUT, "model"))["gradient_norm"] == [np.inf]


def test_rms_goes_by_size_and_not_by_weight():
    values = {"gradient_rms": np.array([1.0, 3.0, 0.0, 0.0])}
    layer = combine(values, grouping(LAYOUT, "layer"))["gradient_rms"][0]
    assert layer == pytest.approx(np.sqrt((35 * 1 + 7 * 9) / 42))


def test_a_layer_of_zero_weights_has_no_ratio():
    zero = np.zeros(4)
    values = {
        "weight_norm": zero,
        "update_norm": zero + 1,
        "update_ratio": zero + np.nan,
    }
    combined = combine(values, grouping(LAYOUT, "model"))
    assert np.isnan(combined["update_ratio"]).all()


def test_a_quantity_without_a_rule_is_left_out_of_groups():
    values = {"gradient_norm": np.ones(4), "gradient_sharpness": np.ones(4)}
    assert set(combine(values, grouping(LAYOUT, "layer"))) == {"gradient_norm"}
    assert "gradient_sharpness" in combine(values, grouping(LAYOUT, "weight"))


def test_a_block_is_no_prefix_of_another_layers_name():
    weights = (
        Weight("enc/a/kernel", "enc/a", "kernel", (2,)),
        Weight("encoder/a/kernel", "encoder/a", "kernel", (2,)),
    )
    groups = grouping(Layout("m", weights, blocks=("enc",)), "block")
    assert groups.members.tolist() == [0]


def test_totals_are_plain_numbers_for_keras_logs(tensors):
    values = of_weights(tensors)
    logs = totals(Sample(1, 0, 0.0, values), grouping(LAYOUT, "model"))
    assert set(logs) == set(values)
    assert all(type(value) is float for value in logs.values())
    whole = np.concatenate([each.ravel() for each in tensors["gradient"]])
    assert logs["gradient_norm"] == pytest.approx(np.linalg.norm(whole))


def test_an_unknown_level_is_refused():
    with pytest.raises(
        ValueError, match=r"'layer', 'block', 'model'. Received: per='m'"
    ):
        grouping(LAYOUT, "m")
