"""The history in memory: records, arrays, bounds."""

import sys

import numpy as np
import pytest

from keras_inits.monitor.sinks import History
from keras_inits.records import Layout, Sample
from tests.monitor.sinks.samples import LAYOUT, VERDICT, sample, write

PATHS = [weight.path for weight in LAYOUT.weights]


@pytest.fixture
def history():
    history = History()
    write(history, [sample(1), sample(2), sample(3, epoch=1)])
    return history


def test_a_record_a_step_and_weight_in_order(history):
    assert [(record.step, record.path) for record in history] == [
        (step, path) for step in (1, 2, 3) for path in PATHS
    ]
    assert len(history) == 15


def test_numbers_are_read_by_attribute_and_by_item(history):
    record = history[-1]
    expected = sample(3).values["update_ratio"][-1]
    assert record.update_ratio == record["update_ratio"] == expected
    assert (record.layer, record.role, record.epoch) == ("model/head", "bias", 1)
    assert dict(record)["gradient_norm"] == record.gradient_norm
    assert history[3:5] == [*history][3:5]


def test_what_was_not_measured_is_named_with_what_was(history):
    with pytest.raises(AttributeError, match=r"no 'loss_norm'.*It has step, path.*upd"):
        _ = history[0].loss_norm
    with pytest.raises(KeyError):
        history[0]["loss_norm"]


def test_arrays_have_a_row_a_step_and_a_column_a_weight(history):
    arrays = history.to_arrays()
    np.testing.assert_array_equal(arrays["step"], [1, 2, 3])
    np.testing.assert_array_equal(arrays["epoch"], [0, 0, 1])
    np.testing.assert_array_equal(arrays["path"], PATHS)
    expected = [sample(step).values["gradient_norm"] for step in (1, 2, 3)]
    np.testing.assert_array_equal(arrays["gradient_norm"], expected)
    np.testing.assert_array_equal(arrays["loss"], [1, 1 / 2, 1 / 3])


def test_arrays_of_layers_have_a_column_a_layer(history):
    arrays = history.to_arrays(per="layer")
    np.testing.assert_array_equal(arrays["path"], LAYOUT.layers)
    norms = sample(2).values["weight_norm"]
    assert arrays["weight_norm"][1] == pytest.approx(
        [np.hypot(norms[0], norms[1]), norms[2], np.hypot(norms[3], norms[4])]
    )


def test_a_quantity_that_came_later_has_no_number_before():
    history = History()
    more = sample(2).values | {"zero_share": np.full(5, 0.5)}
    write(history, [sample(1), sample(2, values=more)])
    shares = history.to_arrays()["zero_share"]
    assert np.isnan(shares[0]).all()
    assert (shares[1] == 0.5).all()


def test_arrays_that_change_afterwards_change_nothing_here():
    history, norms = History(), np.ones(5)
    write(history, [Sample(1, 0, 0.0, {"gradient_norm": norms})])
    norms[:] = 7
    assert history[0].gradient_norm == 1.0


def test_a_view_into_a_large_array_does_not_keep_it_alive():
    history, large = History(), np.ones((1000, 5))
    write(history, [Sample(1, 0, 0.0, {"gradient_norm": large[3]})])
    kept = history.samples[0].values["gradient_norm"]
    base = kept if kept.base is None else kept.base
    assert base.size == 5


def test_a_long_run_stays_within_its_bounds():
    history = History(capacity=100)
    write(history, (Sample(n, 0, 0.0, {"gradient_norm": np.full(5, n)})
                    for n in range(1, 5001)))  # fmt: skip
    steps = history.to_arrays()["step"]
    assert len(steps) <= 100
    assert steps[0] == 1
    assert steps[-1] == 5000


def test_opening_again_goes_on(history):
    write(history, [sample(4)])
    assert history.to_arrays()["step"].tolist() == [1, 2, 3, 4]


def test_another_models_numbers_are_refused(history):
    other = Layout("other", LAYOUT.weights[:2])
    with pytest.raises(ValueError, match=r"another model's numbers. Received: a lay"):
        history.open(other)
    history.clear()
    history.open(other)


def test_verdicts_and_outputs_are_kept(history):
    history.write_verdict(VERDICT)
    history.write_outputs(3, {"model/head": {"std": 1.0}})
    assert history.verdicts == [VERDICT]
    assert history.outputs == ((3, {"model/head": {"std": 1.0}}),)


def test_an_empty_history_has_no_steps():
    assert list(History()) == []
    assert History().to_arrays()["step"].tolist() == []
    opened = History()
    opened.open(LAYOUT)
    assert opened.to_arrays("layer")["path"].tolist() == list(LAYOUT.layers)


@pytest.mark.parametrize("capacity", [7, True, 10.0])
def test_too_small_a_capacity_is_refused(capacity):
    with pytest.raises(ValueError, match=f"at least 8. Received: capacity={capacity}"):
        History(capacity)


def test_a_data_frame_has_the_records_as_rows(history):
    pytest.importorskip("pandas")
    frame = history.to_dataframe()
    assert frame["step"].tolist() == [record.step for record in history]
    assert frame["path"].tolist() == [record.path for record in history]
    assert frame["update_norm"].tolist() == [record.update_norm for record in history]
    assert frame["loss"].tolist() == [record.loss for record in history]


def test_without_pandas_the_error_says_what_to_do(history, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install pandas. Or use `to_arrays"):
        history.to_dataframe()
