"""The run folder, read back: results by json, logs by TensorBoard itself."""

import json
import math

import pytest

from keras_inits.report.folder import write_folder

pytest.importorskip("tensorboard")


@pytest.fixture
def folder(comparison, tmp_path):
    write_folder(comparison, tmp_path / "new" / "run")
    return tmp_path / "new" / "run"


def test_results_are_the_records(folder, comparison):
    saved = json.loads((folder / "results.json").read_text())
    assert saved == json.loads(json.dumps(comparison.to_dict()))
    assert [run["scheme"] for run in saved["runs"]] == ["zeros", "he", "he", "he"]


def test_a_cost_that_is_no_number_is_written_as_null(
    make_comparison, make_run, tmp_path
):
    write_folder(make_comparison(make_run(cost=(1.0, math.inf, math.nan))), tmp_path)
    saved = json.loads((tmp_path / "results.json").read_text())
    assert saved["runs"][0]["history"]["cost"] == [1.0, None, None]


def test_every_run_has_its_own_tensorboard_folder(folder):
    logs = folder / "tensorboard"
    runs = {str(path.parent.relative_to(logs)) for path in logs.glob("*/*/*")}
    assert runs == {
        "zeros/published_draw",
        "he/published_draw",
        "he/seed_0",
        "he/seed_1",
    }


def test_tensorboard_reads_every_scalar_at_its_step(folder, comparison):
    from tensorboard.backend.event_processing.event_accumulator import (
        EventAccumulator,
    )

    logs = EventAccumulator(str(folder / "tensorboard" / "he" / "seed_1"))
    logs.Reload()
    tags = {"cost", "accuracy"} | {
        f"{kind}_norm/{layer}"
        for kind in ("gradient", "weight")
        for layer in ("hidden_1", "hidden_2", "output")
    }
    assert set(logs.Tags()["scalars"]) | set(logs.Tags()["tensors"]) == tags
    history = comparison.runs[-1].history
    for tag, column in [
        ("cost", history.cost),
        ("weight_norm/output", history.weight_norm["output"]),
    ]:
        points = [(event.step, event.value) for event in logs.Scalars(tag)]
        assert [step for step, _ in points] == list(history.step)
        assert [value for _, value in points] == pytest.approx(column)
