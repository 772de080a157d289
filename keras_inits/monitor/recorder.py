"""What becomes of the samples: kept, written, judged, and never a reason to stop."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from keras_inits.records import Layout, Verdict

__all__ = ["NormMonitorWarning", "Recorder", "VerdictError", "describe"]


class NormMonitorWarning(UserWarning):
    """What the monitor has to say while a network trains."""


class VerdictError(RuntimeError):
    """Raised by `on_verdict="raise"`; `verdict` holds the record."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(describe(verdict))
        self.verdict = verdict


def describe(verdict: Verdict) -> str:
    """A verdict in a line or two."""
    where = verdict.layer or "the model"
    return (
        f"step {verdict.step}: {verdict.kind} ({verdict.severity}) at {where}. "
        f"{verdict.cause} Cure: {verdict.cure}"
    )


class Recorder:
    """Hands samples and verdicts to the sinks; the history is the first of them.

    A sink that fails is left out from then on, with one warning.

    Args:
        sinks: Opened on the first layout, and again by each further training.
    """

    def __init__(self, sinks: Iterable[Any]) -> None:
        self._sinks = list(sinks)
        self._open: list[Any] = []

    @property
    def is_open(self) -> bool:
        """Whether something would be written."""
        return bool(self._open)

    def keep_only_history(self) -> None:
        """Leaves the files to another process of the same training."""
        del self._sinks[1:]

    def open(self, layout: Layout, strict: bool) -> None:
        """Opens all sinks.

        Args:
            layout: What the samples will be about.
            strict: Whether a sink that can't be opened is an error, as it is before
                the first step; a warning otherwise.
        """
        opened: list[Any] = []
        for sink in list(self._sinks):
            try:
                sink.open(layout)
            except Exception as error:
                if not strict:
                    self._drop(sink, error)
                    continue
                for other in opened:
                    other.close()
                raise
            opened.append(sink)
        self._open = opened

    def tell(self, name: str, *arguments: Any) -> None:
        """Calls a method of every open sink that has it."""
        for sink in list(self._open):
            try:
                method = getattr(sink, name, None)
                if method is not None:
                    method(*arguments)
            except Exception as error:  # whatever it is, training goes on
                self._drop(sink, error)

    def close(self) -> None:
        """Closes all sinks; `open` goes on where they ended."""
        self.tell("close")
        self._open = []

    def _drop(self, sink: Any, error: Exception) -> None:
        if sink in self._open:
            self._open.remove(sink)
        self._sinks.remove(sink)
        warnings.warn(
            f"{type(sink).__name__} failed and gets no more of this run, which goes on "
            f"untouched: {type(error).__name__}: {error}",
            NormMonitorWarning,
            stacklevel=2,
        )
