"""The sink that writes CSV: a row a measured step and weight."""

from __future__ import annotations

import csv
import io
import os

from keras_inits.monitor.aggregate import Grouping, combine, grouping
from keras_inits.monitor.sinks.base import (
    FileSink,
    SinkError,
)
from keras_inits.records import Layout, Sample

__all__ = ["COLUMNS", "CSVSink"]

#: What every row says before its quantities.
COLUMNS = (
    *("step", "epoch", "time", "path"),
    *("overflow", "applied", "loss_scale", "loss"),
)


class CSVSink(FileSink):
    """A CSV file: a row a measured step and weight, a column a quantity.

    Its first columns are `step`, `epoch`, `time` (seconds, Unix), `path`, `overflow`,
    `applied` (0 or 1), `loss_scale` and `loss` (empty where not known). Quantities
    are read back bit by bit as they were, `nan`, `inf` and `-inf` included.

    A run that is resumed appends. Where it starts again before the last step in the
    file, steps are there twice, and the later rows are those that count. A quantity
    that the file has no column for gets one, and the file is rewritten for it, once.

    It grows without end: 100,000 steps of 400 weights are 40 million rows. Measure
    every tenth step, or a layer a row, or write Parquet.

    Args:
        path: The file; folders on the way are made.
        per: `"weight"`, `"layer"`, `"block"` or `"model"`: what a row is about.
        flush_seconds: How many seconds to hold rows back; so many are lost at most if
            the process is killed.

    Example:
        >>> import pathlib
        >>> import numpy as np
        >>> from keras_inits.records import Weight
        >>> sink = CSVSink("logs/norms.csv")
        >>> sink.open(Layout("m", (Weight("dense/kernel", "dense", "kernel", (2, 3)),)))
        >>> sink.write(Sample(1, 0, 12.5, {"gradient_norm": np.array([0.25])}))
        >>> sink.close()
        >>> print(pathlib.Path("logs/norms.csv").read_text().strip())
        step,epoch,time,path,overflow,applied,loss_scale,loss,gradient_norm
        1,0,12.500,dense/kernel,0,1,1.0,,0.25
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        per: str = "weight",
        flush_seconds: float = 5.0,
    ) -> None:
        super().__init__(path, flush_seconds)
        self.per = per
        self._quantities: list[str] = []
        self._groups: Grouping
        self._paths: list[str] = []

    def open(self, layout: Layout) -> None:
        """Open the file to append to it.

        Raises:
            SinkError: If it can't be written, or is no such table.
        """
        self._groups = grouping(layout, self.per)
        self._paths = [_quoted(name) for name in self._groups.names]
        super().open(layout)
        try:
            self._quantities = self._read_header()
        except SinkError:
            self.close()
            raise

    def _read_header(self) -> list[str]:
        self._file.seek(0)
        line = self._file.readline().decode(errors="replace").rstrip("\r\n")
        if not line:
            return []
        names = next(csv.reader([line]))
        if tuple(names[: len(COLUMNS)]) != COLUMNS:
            raise SinkError(
                "The file to append to is another table. Received: "
                f"path={str(self.path)!r}, whose columns are {line[:200]!r}. Choose "
                "another path."
            )
        return names[len(COLUMNS) :]

    def write(self, sample: Sample) -> None:
        """Take the numbers of one step."""
        self.check_open()
        values = combine(sample.values, self._groups)
        new = [name for name in values if name not in self._quantities]
        if new:
            self._add_columns(new)
        columns = [
            map(repr, values[name].tolist())
            if name in values
            else [""] * len(self._paths)
            for name in self._quantities
        ]
        before = f"{sample.step},{sample.epoch},{sample.time:.3f},"
        loss = "" if sample.loss is None else repr(float(sample.loss))
        after = (
            f",{sample.overflow:d},{sample.applied:d},{float(sample.loss_scale)!r},"
            f"{loss},"
        )
        rows = zip(self._paths, *columns, strict=True)
        self.hold(
            "".join(f"{before}{path}{after}{','.join(row)}\n" for path, *row in rows)
        )

    def _add_columns(self, new: list[str]) -> None:
        self._quantities += new
        header = ",".join([*COLUMNS, *map(_quoted, self._quantities)])
        self.flush()
        if self._file is None or self._file.seek(0, os.SEEK_END) == 0:
            self.hold(f"{header}\n")
            return
        # The file is whole at any moment: the new one takes the old one's name.
        beside = self.path.with_name(f".{self.path.name}.new")
        blanks = b"," * len(new) + b"\n"
        with self.path.open("rb") as old, beside.open("wb") as wider:
            old.readline()
            wider.write(f"{header}\n".encode())
            for line in old:
                wider.write(line.rstrip(b"\r\n") + blanks)
        self._file.close()
        os.replace(beside, self.path)
        self._file = self.path.open("ab+", buffering=0)


def _quoted(name: str) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([name])
    return text.getvalue()
