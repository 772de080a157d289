"""CSV: read back by the standard library, after kills, resumes and new columns."""

import csv
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_inits.monitor.sinks import CSVSink, SinkError
from keras_inits.records import Layout, Weight
from tests.monitor.sinks.samples import LAYOUT, sample, write

PATHS = [weight.path for weight in LAYOUT.weights]


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_a_step_and_weight(tmp_path):
    write(CSVSink(tmp_path / "new" / "norms.csv"), [sample(1), sample(2, epoch=3)])
    rows = rows_of(tmp_path / "new" / "norms.csv")
    assert [(row["step"], row["path"]) for row in rows] == [
        (step, path) for step in "12" for path in PATHS
    ]
    assert [row["epoch"] for row in rows[::5]] == ["0", "3"]
    assert rows[-1]["time"] == "1002.000"
    assert rows[-1]["loss"] == "0.5"
    assert (rows[0]["overflow"], rows[0]["applied"]) == ("0", "1")


def test_numbers_are_read_back_bit_by_bit(tmp_path):
    write(CSVSink(tmp_path / "norms.csv"), [sample(1)])
    rows = rows_of(tmp_path / "norms.csv")
    for name, column in sample(1).values.items():
        assert [float(row[name]) for row in rows] == column.tolist()


def test_what_is_not_finite_is_read_back_as_such(tmp_path):
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, 1e-310])
    write(CSVSink(tmp_path / "a.csv"), [sample(1, values={"gradient_norm": odd})])
    found = [float(row["gradient_norm"]) for row in rows_of(tmp_path / "a.csv")]
    np.testing.assert_array_equal(found, odd)


def test_a_layer_a_row(tmp_path):
    write(CSVSink(tmp_path / "a.csv", per="layer"), [sample(1)])
    rows = rows_of(tmp_path / "a.csv")
    assert [row["path"] for row in rows] == list(LAYOUT.layers)
    norms = sample(1).values["weight_norm"]
    assert float(rows[0]["weight_norm"]) == pytest.approx(math.hypot(*norms[:2]))


def test_a_resumed_run_appends_under_the_same_header(tmp_path):
    write(CSVSink(tmp_path / "a.csv"), [sample(1)])
    write(CSVSink(tmp_path / "a.csv"), [sample(2)])
    text = (tmp_path / "a.csv").read_text()
    assert text.count("step,epoch") == 1
    assert [row["step"] for row in rows_of(tmp_path / "a.csv")] == [*"1111122222"]


@pytest.mark.parametrize("resumed", [False, True])
def test_a_new_quantity_gets_a_column_of_its_own(tmp_path, resumed):
    sink = CSVSink(tmp_path / "a.csv")
    sink.open(LAYOUT)
    sink.write(sample(1))
    if resumed:
        sink.close()
        sink = CSVSink(tmp_path / "a.csv")
        sink.open(LAYOUT)
    more = sample(2).values | {"zero_share": np.full(5, 0.25)}
    sink.write(sample(2, values=more))
    sink.write(sample(3))
    sink.close()
    rows = rows_of(tmp_path / "a.csv")
    assert [row["zero_share"] for row in rows[::5]] == ["", "0.25", ""]
    assert float(rows[-1]["update_ratio"]) == sample(3).values["update_ratio"][-1]
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_line_torn_by_a_kill_is_dropped_when_the_run_resumes(tmp_path):
    write(CSVSink(tmp_path / "a.csv"), [sample(1)])
    with (tmp_path / "a.csv").open("a") as file:
        file.write("2,0,1002.000,model/enc")
    write(CSVSink(tmp_path / "a.csv"), [sample(2)])
    rows = rows_of(tmp_path / "a.csv")
    assert [row["step"] for row in rows] == [*"1111122222"]
    assert all(row["update_ratio"] for row in rows)


def test_a_name_with_a_comma_is_quoted(tmp_path):
    weights = (Weight('a,"b"/kernel', 'a,"b"', "kernel", (2,)),)
    one = sample(1, values={"gradient_norm": np.ones(1)})
    write(CSVSink(tmp_path / "a.csv"), [one], Layout("m", weights))
    assert rows_of(tmp_path / "a.csv")[0]["path"] == 'a,"b"/kernel'


KILLED = """
import os, sys, time
from pathlib import Path
from keras_inits.monitor.sinks import CSVSink, JSONLinesSink, TensorBoardSink
from keras_inits.records import Layout, Weight
from tests.monitor.sinks.samples import LAYOUT, VERDICT, sample
folder = Path(sys.argv[1])
sinks = [
    CSVSink(folder / "a.csv", flush_seconds=0.0),
    JSONLinesSink(folder / "a.jsonl", flush_seconds=0.0),
    TensorBoardSink(folder, flush_seconds=0.0, heatmaps=False),
]
for sink in sinks:
    sink.open(LAYOUT)
for step in range(1, 51):
    for sink in sinks:
        sink.write(sample(step))
sinks[1].flush_seconds = sinks[2].flush_seconds = sinks[0].flush_seconds = 1e9
for step in range(51, 61):
    for sink in sinks:
        sink.write(sample(step))
print("ready", flush=True)
time.sleep(60)
"""


def test_a_killed_process_loses_no_more_than_it_held_back(tmp_path):
    pytest.importorskip("tensorboard")
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
    steps = [int(row["step"]) for row in rows_of(tmp_path / "a.csv")]
    assert steps == [step for step in range(1, 51) for _ in PATHS]
    lines = map(json.loads, (tmp_path / "a.jsonl").read_text().splitlines())
    assert [line.get("step") for line in lines] == [None, *range(1, 51)]
    from tests.monitor.sinks.events import scalars_of

    points = scalars_of(tmp_path / "norms")["model/weight_norm"]
    assert [step for step, _ in points] == list(range(1, 51))


@pytest.mark.parametrize("below", ["file", "file/deeper"])
def test_a_path_that_cannot_be_is_refused_at_open(tmp_path, below):
    (tmp_path / "file").write_text("")
    sink = CSVSink(tmp_path / below / "a.csv")
    with pytest.raises(SinkError, match=r"can't be written: .*a.csv'. Choose a folder"):
        sink.open(LAYOUT)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no full device")
def test_a_full_disk_is_refused_at_open():
    with pytest.raises(SinkError, match=r"No space left on device. .*'/dev/full'"):
        CSVSink("/dev/full").open(LAYOUT)


def test_another_table_is_not_appended_to(tmp_path):
    (tmp_path / "a.csv").write_text("epoch,loss\n0,1.5\n")
    with pytest.raises(SinkError, match=r"another table. .*'epoch,loss'. Choose ano"):
        CSVSink(tmp_path / "a.csv").open(LAYOUT)
    assert (tmp_path / "a.csv").read_text() == "epoch,loss\n0,1.5\n"


def test_writing_before_opening_is_an_error(tmp_path):
    sink = CSVSink(tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"CSVSink is not open. .*Call `open"):
        sink.write(sample(1))


def test_a_negative_interval_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"at least 0. Received: flush_seconds=-1"):
        CSVSink(tmp_path / "a.csv", flush_seconds=-1)
