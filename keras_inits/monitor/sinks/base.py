"""What a sink is: the place where the monitor's numbers go."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_inits.records import Layout, Sample, Verdict

__all__ = ["FileSink", "Sink", "SinkError"]


class SinkError(OSError):
    """A sink can't write where it was told to."""


class Sink:
    """Where numbers go: `open`, then `write` for each measured step, then `close`.

    To have one of your own, write the methods that you need; all but `write` may be
    left out. A sink may be opened again after it was closed, as when `fit` is called
    twice: it then goes on where it was. What a sink raises never stops training: the
    monitor warns once, and goes on without that sink.

    Example:
        >>> class Loudest(Sink):
        ...     def open(self, layout):
        ...         self.paths = [weight.path for weight in layout.weights]
        ...     def write(self, sample):
        ...         norms = sample.values["gradient_norm"]
        ...         print(sample.step, self.paths[norms.argmax()], norms.max())
        >>> import numpy as np
        >>> from keras_inits.records import Weight
        >>> sink = Loudest()
        >>> sink.open(Layout("m", (Weight("dense/kernel", "dense", "kernel", (2, 3)),
        ...                        Weight("dense/bias", "dense", "bias", (3,)))))
        >>> sink.write(Sample(1, 0, 0.0, {"gradient_norm": np.array([0.5, 2.0])}))
        1 dense/bias 2.0
        >>> sink.close()
    """

    def open(self, layout: Layout) -> None:
        """Get ready, before the first step.

        Args:
            layout: Which weights the samples are about, and in which order.
        """

    def write(self, sample: Sample) -> None:
        """Take the numbers of one step. Copy the arrays that you keep."""
        raise NotImplementedError(
            f"{type(self).__name__} is a sink without `write`. Write "
            "`def write(self, sample)` to take the numbers of a step."
        )

    def write_verdict(self, verdict: Verdict) -> None:
        """Take what was found to be wrong."""

    def write_epoch(self, epoch: int, step: int, logs: Mapping[str, Any]) -> None:
        """Take the end of an epoch.

        Args:
            epoch: As Keras counts, from 0.
            step: The last optimizer step of it.
            logs: Keras's own numbers, as the loss.
        """

    def write_outputs(
        self, step: int, outputs: Mapping[str, Mapping[str, float]]
    ) -> None:
        """Take what the layers put out on the held batch.

        Args:
            step: The last optimizer step before.
            outputs: By a layer's path, numbers by name, as `"std"`.
        """

    def write_histograms(self, step: int, arrays: Mapping[str, Any]) -> None:
        """Take the weights themselves, where the monitor was asked for histograms.

        Args:
            step: The optimizer step that they are from.
            arrays: By their path.
        """

    def flush(self) -> None:
        """Hand over to the operating system what is still held back."""

    def close(self) -> None:
        """Finish. What was written must be on its way to the disk."""


class FileSink(Sink):
    """A sink that writes one file, and holds back a few seconds of it at most.

    Lines are gathered and written whole, so that a process that is killed leaves whole
    lines; what the last `flush_seconds` brought is lost then. A file that is there
    already is appended to.

    Args:
        path: The file; folders on the way are made.
        flush_seconds: How many seconds to hold lines back, at least 0.
    """

    def __init__(
        self, path: str | os.PathLike[str], flush_seconds: float = 5.0
    ) -> None:
        self.path = Path(path)
        self.flush_seconds = check_seconds(flush_seconds)
        self._held: list[str] = []
        self._flushed = 0.0
        self._file: Any = None

    def open(self, layout: Layout) -> None:
        """Open the file to append to it, and mend its end if a kill tore it.

        Raises:
            SinkError: If it can't be written, or its disk is full.
        """
        self.close()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab+", buffering=0)
            _drop_torn_line(self._file)
            _try_to_write(self._file)
        except OSError as error:
            if self._file is not None:
                self._file.close()
                self._file = None
            raise cannot_write(self.path, error) from error
        self._flushed = time.monotonic()

    def flush(self) -> None:
        """Write the lines held back."""
        if self._file is not None and self._held:
            data = memoryview("".join(self._held).encode())
            self._held.clear()
            while data:  # a nearly full disk takes a part, and raises at the next
                data = data[self._file.write(data) :]
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Write the lines held back, and close the file."""
        if self._file is not None:
            try:
                self.flush()
            finally:
                self._file.close()
                self._file = None

    def hold(self, lines: str) -> None:
        """Take whole lines, and write when it is time to.

        Raises:
            ValueError: If the sink is not open.
        """
        self.check_open()
        self._held.append(lines)
        if time.monotonic() - self._flushed >= self.flush_seconds:
            self.flush()

    def check_open(self) -> None:
        """Say that `open` was forgotten, if it was."""
        if self._file is None:
            raise ValueError(
                f"{type(self).__name__} is not open. Received: path={str(self.path)!r}."
                " Call `open(layout)` first."
            )


def cannot_write(path: Path, error: OSError) -> SinkError:
    """The error of a sink that can't write, which names the place and the reason."""
    return SinkError(
        f"The monitor's log can't be written: {error.strerror or error}. Received: "
        f"path={str(path)!r}. Choose a folder that can be written and has space left."
    )


def check_seconds(seconds: float) -> float:
    """Seconds as they were given, if they are no less than 0."""
    if not seconds >= 0:
        raise ValueError(
            "`flush_seconds` must be a number of seconds, at least 0. Received: "
            f"flush_seconds={seconds!r}."
        )
    return seconds


def _drop_torn_line(file: Any) -> None:
    """Cut off what follows the last end of a line."""
    end = file.seek(0, os.SEEK_END)
    at = end
    while at > 0:
        start = max(0, at - 65536)
        file.seek(start)
        newline = file.read(at - start).rfind(b"\n")
        if newline >= 0:
            at = start + newline + 1
            break
        at = start
    if at < end:
        file.truncate(at)


def _try_to_write(file: Any) -> None:
    """Find out now, and not minutes into training, that a disk is full."""
    end = file.seek(0, os.SEEK_END)
    file.write(b"\n")
    if file.seekable() and os.path.isfile(file.name):
        file.truncate(end)
