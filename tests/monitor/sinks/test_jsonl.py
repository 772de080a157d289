"""JSON lines: read back by a strict reader."""

import json

import numpy as np
import pytest

from keras_inits.monitor.sinks import JSONLinesSink
from tests.monitor.sinks.samples import LAYOUT, VERDICT, sample, write


def strict(word):
    raise AssertionError(f"{word} is no JSON")


def lines_of(path):
    lines = path.read_text().splitlines()
    return [json.loads(line, parse_constant=strict) for line in lines]


def test_samples_are_read_back_bit_by_bit(tmp_path):
    write(JSONLinesSink(tmp_path / "new" / "a.jsonl"), [sample(1), sample(2)])
    layout, *samples = lines_of(tmp_path / "new" / "a.jsonl")
    assert layout["record"] == "layout"
    assert [each["path"] for each in layout["weights"]] == [
        weight.path for weight in LAYOUT.weights
    ]
    assert layout["facts"]["learning_rate"] == 0.001
    for step, line in enumerate(samples, 1):
        expected = sample(step)
        assert (line["record"], line["step"]) == ("sample", step)
        assert line["loss"] == expected.loss
        assert line["values"] == {n: v.tolist() for n, v in expected.values.items()}


def test_what_is_not_finite_is_text_that_float_reads(tmp_path):
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, 1e-310])
    one = sample(1, values={"gradient_norm": odd}, loss=float("nan"))
    write(JSONLinesSink(tmp_path / "a.jsonl"), [one])
    line = lines_of(tmp_path / "a.jsonl")[1]
    found = [float(text) for text in line["values"]["gradient_norm"]]
    np.testing.assert_array_equal(found, odd)
    assert line["loss"] == "NaN"


def test_verdicts_outputs_and_epochs_have_lines(tmp_path):
    sink = JSONLinesSink(tmp_path / "a.jsonl")
    sink.open(LAYOUT)
    sink.write_verdict(VERDICT)
    sink.write_outputs(3, {"model/head": {"std": np.float32(0.5)}})
    sink.write_epoch(0, 3, {"loss": np.float32(0.25), "lr": object})
    sink.close()
    _, verdict, outputs, epoch = lines_of(tmp_path / "a.jsonl")
    assert (verdict["record"], verdict["kind"]) == ("verdict", "vanishing")
    assert verdict["evidence"] == {"gradient_rms": 1e-9}
    assert outputs["outputs"]["model/head"]["std"] == 0.5
    assert (epoch["epoch"], epoch["logs"]["loss"]) == (0, 0.25)


def test_a_verdict_is_on_disk_at_once(tmp_path):
    sink = JSONLinesSink(tmp_path / "a.jsonl", flush_seconds=1e9)
    sink.open(LAYOUT)
    sink.write_verdict(VERDICT)
    assert lines_of(tmp_path / "a.jsonl")[-1]["step"] == 3
    sink.close()


def test_a_resumed_run_appends_after_a_torn_line(tmp_path):
    path = tmp_path / "a.jsonl"
    write(JSONLinesSink(path), [sample(1)])
    path.write_text(path.read_text() + '{"record": "sam')
    write(JSONLinesSink(path), [sample(2)])
    records = [line["record"] for line in lines_of(path)]
    assert records == ["layout", "sample", "layout", "sample"]


def test_a_long_torn_line_is_dropped(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"record": "old"}\n' + "x" * 200_000)
    write(JSONLinesSink(path), [])
    assert [line["record"] for line in lines_of(path)] == ["old", "layout"]


def test_lines_are_held_back_until_it_is_time(tmp_path):
    sink = JSONLinesSink(tmp_path / "a.jsonl", flush_seconds=1e9)
    sink.open(LAYOUT)
    sink.write(sample(1))
    assert len(lines_of(tmp_path / "a.jsonl")) == 1
    sink.flush()
    assert len(lines_of(tmp_path / "a.jsonl")) == 2
    sink.close()
    with pytest.raises(ValueError, match="JSONLinesSink is not open"):
        sink.write(sample(2))
