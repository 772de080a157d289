"""A monitor's watch over a model: begun, ended, which steps are due, what is said."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable
from typing import Any

from keras_inits.monitor.recorder import (
    NormMonitorWarning,
    Recorder,
    VerdictError,
    describe,
)
from keras_inits.monitor.rims import rim
from keras_inits.monitor.session import Session, Settings
from keras_inits.records import Verdict

__all__ = ["Watch"]


class Watch:
    """What `fit` and a loop of one's own have in common, over all trainings of a model.

    Args:
        settings: What was asked for.
        recorder: What keeps and writes the samples.
        on_verdict: What to do with a verdict: see `NormMonitor`.
    """

    def __init__(
        self,
        settings: Settings,
        recorder: Recorder,
        on_verdict: str | Callable[[Verdict], Any],
    ) -> None:
        self.verdicts: list[Verdict] = []
        self.on_verdict = on_verdict
        self.epoch = 0
        self._settings, self._recorder = settings, recorder
        self._schedule = settings.schedule
        self._next = 1  # the step to come
        self._model: Callable[[], Any] = lambda: None
        self._session: Session | None = None
        self._is_on = False

    @property
    def session(self) -> Session | None:
        """The session of the training that is watched; None where none is."""
        return self._session if self._is_on else None

    def begin(self, model: Any, optimizers: list[Any]) -> Session:
        """Goes on in the last session where it fits, and opens the files."""
        self._is_on = False
        known = self._model()
        if known is not None and known is not model:
            raise ValueError(
                f"This NormMonitor has watched model {known.name!r}, and its history "
                f"is about that one. Received: model {model.name!r}. Make a new "
                "NormMonitor for it."
            )
        session = self._session
        if session is None or not session.fits(model, optimizers):
            if not rim().is_chief(model):
                self._recorder.keep_only_history()
            session = Session(model, optimizers, self._settings, self._recorder)
            self._session = session
        else:  # an earlier fit may have ended in an exception
            self.pronounce(session.drain())
        if model.built and model.trainable_variables:
            self.pronounce(session.open(strict=True))
        self._model = weakref.ref(model)
        self._is_on = True
        return session

    def end(self) -> None:
        """Reads what is left and closes the files; `begin` goes on where they ended."""
        session = self.session
        self._is_on = False
        if session is not None:
            try:
                self.pronounce(session.drain())
            finally:
                session.close()

    # --- steps -----------------------------------------------------------------------

    def begin_epoch(self, epoch: int) -> None:
        """Tells the schedule that the step to come is an epoch's first."""
        self.epoch = epoch
        self._schedule.begin_epoch(epoch, self._next)

    def count_anew(self) -> None:
        """Counts on from what the optimizer says that it has done."""
        if self._session is not None:
            self._next = self._session.steps_done() + 1

    def due(self, count: int = 1) -> list[bool]:
        """Which of the steps to come are due; they count as made from here on."""
        first, self._next = self._next, self._next + count
        steps = range(first, first + count)
        return [self._schedule.due(step, self.epoch) for step in steps]

    # --- what is said ----------------------------------------------------------------

    def pronounce(self, verdicts: list[Verdict]) -> None:
        """Keeps verdicts, and does with each what `on_verdict` says."""
        self.verdicts += verdicts
        for verdict in verdicts:
            if callable(self.on_verdict):
                self.on_verdict(verdict)
            elif self.on_verdict == "raise":
                raise VerdictError(verdict)
            else:
                self.warn(describe(verdict))
                if self.on_verdict == "stop" and self._session is not None:
                    self._session.model.stop_training = True

    def warn(self, text: str) -> None:
        """Says something that is no verdict."""
        warnings.warn(text, NormMonitorWarning, stacklevel=3)
