"""A sink that writes JSON lines: everything the monitor says, as one file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from keras_inits.monitor.sinks.base import FileSink
from keras_inits.records import Layout, Sample, Verdict

__all__ = ["JSONLinesSink"]


class JSONLinesSink(FileSink):
    """A file of JSON lines: the layout, then samples, verdicts, outputs and epochs.

    Each line is an object whose `record` is `"layout"`, `"sample"`, `"verdict"`,
    `"outputs"` or `"epoch"`. A sample's quantities are lists with an entry a weight, in
    the order of the last layout line before it, which names their paths. A number that
    is not finite is the text `"NaN"`, `"Infinity"` or `"-Infinity"`, as JSON has no
    word for it; Python's `float` reads these, and every other number, back as they
    were. A run that is resumed appends, beginning with its layout.

    Args:
        path: The file; folders on the way are made.
        flush_seconds: How many seconds to hold lines back; so many are lost at most if
            the process is killed.

    Example:
        >>> from pathlib import Path
        >>> from keras_inits.records import Weight
        >>> sink = JSONLinesSink("logs/norms.jsonl")
        >>> sink.open(Layout("m", (Weight("dense/kernel", "dense", "kernel", (2, 3)),)))
        >>> sink.write(Sample(1, 0, 12.5, {"gradient_norm": np.array([np.inf])}))
        >>> sink.close()
        >>> lines = Path("logs/norms.jsonl").read_text().splitlines()
        >>> layout, sample = map(json.loads, lines)
        >>> [weight["path"] for weight in layout["weights"]]
        ['dense/kernel']
        >>> sample["step"], [float(text) for text in sample["values"]["gradient_norm"]]
        (1, [inf])
    """

    def open(self, layout: Layout) -> None:
        """Open the file to append to it, and write the layout.

        Raises:
            SinkError: If it can't be written.
        """
        super().open(layout)
        self._put("layout", asdict(layout))
        self.flush()

    def write(self, sample: Sample) -> None:
        """Take the numbers of one step."""
        fields = vars(sample) | {
            "values": {name: _numbers(array) for name, array in sample.values.items()}
        }
        self._put("sample", fields)

    def write_verdict(self, verdict: Verdict) -> None:
        """Take what was found to be wrong, and write it at once."""
        self._put("verdict", asdict(verdict))
        self.flush()

    def write_epoch(self, epoch: int, step: int, logs: Mapping[str, Any]) -> None:
        """Take the end of an epoch."""
        self._put("epoch", {"epoch": epoch, "step": step, "logs": dict(logs)})

    def write_outputs(
        self, step: int, outputs: Mapping[str, Mapping[str, float]]
    ) -> None:
        """Take what the layers put out on the held batch."""
        self._put("outputs", {"step": step, "outputs": outputs})

    def _put(self, record: str, fields: Mapping[str, Any]) -> None:
        line = {"record": record, **fields}
        try:
            text = json.dumps(line, allow_nan=False)
        except (ValueError, TypeError):  # not finite, or no plain value, somewhere
            text = json.dumps(_plain(line), allow_nan=False)
        self.hold(f"{text}\n")


def _numbers(array: Any) -> list[Any]:
    numbers: list[Any] = np.asarray(array, np.float64).tolist()
    if not np.isfinite(array).all():
        return [_plain(number) for number in numbers]
    return numbers


def _plain(value: Any) -> Any:
    """The value as JSON has it; what it has no word for as its text."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, str | bool | int | float):
        return value
    try:
        return _plain(float(value))
    except (TypeError, ValueError):
        return str(value)
