"""The sink that writes Parquet: a row a measured step and weight, in little room."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inits.monitor.aggregate import Grouping, combine, grouping
from keras_inits.monitor.sinks.base import Sink, cannot_write, check_seconds
from keras_inits.monitor.sinks.tables import COLUMNS
from keras_inits.records import Layout, Sample
from keras_inits.report.extras import require

__all__ = ["ParquetSink"]


class ParquetSink(Sink):
    """A folder of Parquet files: `CSVSink`'s rows and columns in a tenth of the room.

    `pandas.read_parquet(folder)` reads all of it. Rows are written as a new file in
    the folder, under its name only once it is whole, so that a process that is killed
    loses no more than the last `flush_seconds`. A run that is resumed adds files.

    Args:
        folder: Made if missing.
        per: `"weight"`, `"layer"`, `"block"` or `"model"`: what a row is about.
        flush_seconds: Seconds between two files. Many small ones read slowly.
        rows: Rows held in memory at most, before they become a file.

    Raises:
        ImportError: By `open`, if pyarrow is missing.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        per: str = "weight",
        flush_seconds: float = 60.0,
        rows: int = 1_000_000,
    ) -> None:
        self.folder = Path(folder)
        self.per = per
        self.flush_seconds = check_seconds(flush_seconds)
        self.rows = rows
        self._samples: list[tuple[Sample, dict[str, NDArray[np.float64]]]] = []
        self._quantities: list[str] = []
        self._number = 0
        self._flushed = 0.0
        self._groups: Grouping

    def open(self, layout: Layout) -> None:
        """Make the folder, and see which files it has.

        Raises:
            ImportError: If pyarrow is missing.
            SinkError: If the folder can't be written.
        """
        parquet = _pyarrow("pyarrow.parquet")
        self._groups = grouping(layout, self.per)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            trial = self.folder / ".trial"
            trial.write_bytes(b"\n" * 4096)
            trial.unlink()
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        parts = sorted(self.folder.glob("part-*.parquet"))
        if parts:
            self._number = 1 + int(parts[-1].stem.removeprefix("part-"))
            names = parquet.read_schema(parts[0]).names
            self._quantities = [name for name in names if name not in COLUMNS]
        self._flushed = time.monotonic()

    def write(self, sample: Sample) -> None:
        """Take the numbers of one step."""
        values = {
            name: np.array(array)
            for name, array in combine(sample.values, self._groups).items()
        }
        self._samples.append((sample, values))
        if len(self._samples) * len(self._groups.names) >= self.rows:
            self._write_rows()
        self.flush()

    def flush(self) -> None:
        """Write a file of the rows held back, if `flush_seconds` have passed.

        The monitor flushes after each epoch, and a file an epoch may be a thousand.
        """
        if time.monotonic() - self._flushed >= self.flush_seconds:
            self._write_rows()

    def _write_rows(self) -> None:
        self._flushed = time.monotonic()
        if not self._samples:
            return
        samples, self._samples = self._samples, []
        new = {name: None for _, values in samples for name in values}
        new = {name: None for name in new if name not in self._quantities}
        self._quantities += new
        if new and self._number:
            self._widen_first_file(list(new))
        self._write(self._table(samples), self._part(self._number))
        self._number += 1

    def close(self) -> None:
        """Write a file of the rows held back."""
        self._write_rows()

    def _part(self, number: int) -> Path:
        return self.folder / f"part-{number:06d}.parquet"

    def _table(self, samples: Sequence[tuple[Sample, Mapping[str, Any]]]) -> Any:
        arrow = _pyarrow("pyarrow")
        names = self._groups.names
        count = len(names)

        def each(values: list[Any], kind: Any = None) -> Any:
            return np.repeat(np.array(values, kind), count)

        absent = np.full(count, np.nan)
        runs = [sample for sample, _ in samples]
        paths = np.tile(np.arange(count, dtype=np.int32), len(runs))
        columns = {
            "step": each([run.step for run in runs], np.int64),
            "epoch": each([run.epoch for run in runs], np.int64),
            "time": each([run.time for run in runs], np.float64),
            "path": arrow.DictionaryArray.from_arrays(paths, arrow.array(names)),
            "overflow": each([run.overflow for run in runs], np.bool_),
            "applied": each([run.applied for run in runs], np.bool_),
            "loss_scale": each([run.loss_scale for run in runs], np.float64),
            "loss": each([run.loss for run in runs], np.float64),
        }
        for name in self._quantities:
            arrays = [values.get(name, absent) for _, values in samples]
            columns[name] = np.concatenate(arrays)
        return arrow.table(columns)

    def _widen_first_file(self, new: list[str]) -> None:
        """Readers take a folder's columns from its first file."""
        first = sorted(self.folder.glob("part-*.parquet"))[0]
        arrow = _pyarrow("pyarrow")
        table = _pyarrow("pyarrow.parquet").ParquetFile(first).read()
        for name in new:
            missing = arrow.nulls(len(table), arrow.float64())
            table = table.append_column(name, missing)
        self._write(table, first)

    def _write(self, table: Any, path: Path) -> None:
        beside = path.with_name(f".{path.name}.new")  # readers pass over a dot
        _pyarrow("pyarrow.parquet").write_table(table, beside, compression="zstd")
        os.replace(beside, path)


def _pyarrow(module: str) -> Any:
    try:
        return require(module)
    except ImportError as error:
        raise ImportError(
            "Parquet files are written by pyarrow, which is not installed. Install it: "
            "pip install pyarrow. Or write CSV, which needs nothing."
        ) from error
