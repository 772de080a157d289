"""Parquet: read back by pyarrow where it is there, refused in words where not."""

import sys

import numpy as np
import pytest

from keras_inits.monitor.sinks import ParquetSink, SinkError
from tests.monitor.sinks.samples import LAYOUT, sample, write

PATHS = [weight.path for weight in LAYOUT.weights]


def table_of(folder):
    return pytest.importorskip("pyarrow.parquet").read_table(folder).to_pydict()


@pytest.fixture
def arrow():
    return pytest.importorskip("pyarrow.parquet")


def test_rows_are_read_back_bit_by_bit(tmp_path, arrow):
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, 1e-310])
    samples = [sample(1), sample(2, values=sample(2).values | {"update_ratio": odd})]
    write(ParquetSink(tmp_path / "norms"), samples)
    table = table_of(tmp_path / "norms")
    assert table["step"] == [1] * 5 + [2] * 5
    assert table["path"] == PATHS * 2
    assert table["gradient_norm"][:5] == sample(1).values["gradient_norm"].tolist()
    np.testing.assert_array_equal(table["update_ratio"][5:], odd)


def test_each_flush_adds_a_whole_file(tmp_path, arrow):
    sink = ParquetSink(tmp_path, flush_seconds=0.0)
    sink.open(LAYOUT)
    for step in (1, 2, 3):
        sink.write(sample(step))
    names = [path.name for path in sorted(tmp_path.iterdir())]
    assert names == [f"part-00000{n}.parquet" for n in range(3)]
    assert table_of(tmp_path)["step"][::5] == [1, 2, 3]


def test_a_resumed_run_adds_files(tmp_path, arrow):
    write(ParquetSink(tmp_path), [sample(1)])
    write(ParquetSink(tmp_path), [sample(2)])
    assert table_of(tmp_path)["step"][::5] == [1, 2]


def test_a_new_quantity_is_a_column_of_the_folder(tmp_path, arrow):
    sink = ParquetSink(tmp_path, flush_seconds=0.0)
    more = sample(2).values | {"zero_share": np.full(5, 0.25)}
    write(sink, [sample(1), sample(2, values=more), sample(3)])
    shares = table_of(tmp_path)["zero_share"]
    assert shares[::5][:2] == [None, 0.25]
    assert np.isnan(shares[-1])


def test_many_rows_are_written_before_it_is_time(tmp_path, arrow):
    sink = ParquetSink(tmp_path, flush_seconds=1e9, rows=10)
    sink.open(LAYOUT)
    for step in (1, 2, 3):
        sink.write(sample(step))
    sink.flush()  # after an epoch: not yet time
    assert table_of(tmp_path)["step"][::5] == [1, 2]


def test_a_path_that_cannot_be_is_refused_at_open(tmp_path, arrow):
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match=r"can't be written: .*Choose a folder"):
        ParquetSink(tmp_path / "file" / "norms").open(LAYOUT)


def test_without_pyarrow_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r"pip install pyarrow. Or write CSV"):
        ParquetSink(tmp_path).open(LAYOUT)
