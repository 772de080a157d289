"""One model under watch: from the readings of its steps to samples and verdicts."""

from __future__ import annotations

import functools
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from keras_inits.data_driven.signals import measure_outputs
from keras_inits.monitor.aggregate import grouping, totals
from keras_inits.monitor.layout import WatchedWeights, training_facts
from keras_inits.monitor.readings import Reader
from keras_inits.monitor.recorder import NormMonitorWarning, Recorder
from keras_inits.monitor.rims import rim
from keras_inits.monitor.structure import Structure
from keras_inits.monitor.tap import MEASURES, Reading, Tap, iterations_of
from keras_inits.monitor.verdicts import Judge
from keras_inits.records import Sample, Verdict

__all__ = ["Session", "Settings"]

# Readings are fetched in batches and late, so that the device never waits for the host.
_HELD = 16
_HELD_SECONDS = 2.0
_NEWEST = 2


@dataclass(frozen=True)
class Settings:
    """What a monitor was asked for: see `NormMonitor`."""

    measures: str
    schedule: Any
    matches: Callable[[str], bool]
    batch: Any = None
    histograms: bool = False


class Session:
    """The watch over one model and its optimizers.

    Args:
        model: The model, built or to be built by its first step.
        optimizers: Those that train it.
        settings: What to measure, when and of which weights.
        recorder: What keeps and writes the samples.
    """

    def __init__(
        self, model: Any, optimizers: list[Any], settings: Settings, recorder: Recorder
    ) -> None:
        self.model, self.optimizers = model, optimizers
        self._settings, self._recorder = settings, recorder
        compiled = bool(getattr(model, "jit_compile", False))
        self.tap = Tap(MEASURES[settings.measures], self._watches, compiled)
        self._facts = training_facts(model, optimizers)
        self._queue: deque[tuple[list[Reading], int, Any]] = deque()
        self._waiting_since = 0.0
        self._last: Sample | None = None
        self._next_look = 10
        self._told: set[str] = set()
        self._failed: set[str] = set()
        self._is_silent = self._has_traced = False
        #: Finds variables which the loss does not depend on; see `TappedStep`.
        self.unreached: Callable[[], list[Any]] = list
        self.steps = 0  # the number of the last step that was read

    def fits(self, model: Any, optimizers: list[Any]) -> bool:
        """Whether a further training of this model can go on in this session."""
        same = list(map(id, optimizers)) == list(map(id, self.optimizers))
        return model is self.model and same and self._watched.is_current(model)

    # What is known once the model is built, which may be while its first step is
    # traced; nothing of it may be changed or read then but the variables' names.

    @functools.cached_property
    def _watched(self) -> WatchedWeights:
        return WatchedWeights(self.model, self._settings.matches, self._facts)

    @functools.cached_property
    def _reader(self) -> Reader:
        return Reader(self._watched, self.tap.metas)

    @functools.cached_property
    def _judge(self) -> Judge:
        return Judge(self._watched.layout)

    @functools.cached_property
    def _structure(self) -> Structure:
        return Structure(self._watched.kernels())

    def _watches(self, variable: Any) -> bool:
        return self._watched.watches(variable)

    def open(self, strict: bool) -> list[Verdict]:
        """Opens the files; the model must be built.

        Args:
            strict: Whether a file that can't be opened is an error.
        """
        if self._recorder.is_open:
            return []
        self._recorder.open(self._watched.layout, strict)
        if not self._structure.start:
            return []
        return self._judged("see_structure", 0, self._structure.start)

    def steps_done(self) -> int:
        """How many steps the optimizer has made."""
        counts = [iterations_of(optimizer) for optimizer in self.optimizers]
        return max(int(rim().to_numpy(rim().current(count))) for count in counts)

    def push(self, readings: list[Reading], epoch: int, loss: Any) -> None:
        """Queues a step's readings."""
        if not self._queue:
            self._waiting_since = time.monotonic()
        self._queue.append((readings, epoch, loss))

    def drain_late(self) -> list[Verdict]:
        """Drains what has waited for long enough, at most steps nothing.

        Of many that wait the newest stay, as the device may be at work on them.
        """
        if not self._queue:
            return []
        if time.monotonic() - self._waiting_since > _HELD_SECONDS:
            return self.drain()
        return self.drain(_NEWEST) if len(self._queue) >= _HELD + _NEWEST else []

    def drain(self, leave: int = 0) -> list[Verdict]:
        """Fetches what is queued, keeps it, writes it, and says what is wrong.

        Args:
            leave: How many of the newest readings stay in the queue.
        """
        steps = [self._queue.popleft() for _ in range(len(self._queue) - leave)]
        if not steps:
            return []
        self._waiting_since = time.monotonic()
        found = self.open(strict=False)
        for sample in self._reader.samples(steps):
            self.steps, self._last = sample.step, sample
            self._is_silent |= bool((sample.values["gradient_norm"] == 0).any())
            self._recorder.tell("write", sample)
            found += self._judged("see", sample)
        found += self._disconnected()
        return found

    def _judged(self, question: str, *evidence: Any) -> list[Verdict]:
        """Asks the judge, and hands on what it says."""
        verdicts = self._carefully(getattr(self._judge, question), *evidence) or []
        for verdict in verdicts:
            self._recorder.tell("write_verdict", verdict)
        return list(verdicts)

    def _carefully(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """The result of a call that must never end a training; None where it fails."""
        name = getattr(call, "__qualname__", repr(call))
        if name in self._failed:
            return None
        try:
            return call(*arguments)
        except Exception as error:
            self._failed.add(name)
            warnings.warn(
                f"NormMonitor goes on without {name}, which failed: "
                f"{type(error).__name__}: {error}",
                NormMonitorWarning,
                stacklevel=2,
            )
            return None

    def _disconnected(self) -> list[Verdict]:
        lost = [v for meta in self.tap.metas.values() for v in meta.disconnected]
        if self._is_silent and not self._has_traced:
            self._has_traced = True
            lost += filter(self._watches, self._carefully(self.unreached) or [])
        paths = {variable.path for variable in lost}
        new = sorted(paths - self._told)
        self._told |= paths
        if not new:
            return []
        return self._judged("see_disconnected", new, self.steps)

    def needs_look(self) -> bool:
        """Whether the weights are to be looked at in the middle of an epoch."""
        return self.steps >= self._next_look and bool(self._structure.start)

    def look(self) -> list[Verdict]:
        """Looks at the weights themselves, and at the outputs on the held batch.

        On JAX this needs the model's state brought up to date before.
        """
        while self._next_look <= self.steps:
            self._next_look *= 10
        moved = self._structure.now()
        return self._judged("see_structure", self.steps, moved) if moved else []

    def end_epoch(
        self, epoch: int, logs: Mapping[str, Any]
    ) -> tuple[list[Verdict], dict[str, float]]:
        """What a pause shows: verdicts, and the totals of the whole model."""
        if self._last is None:
            return [], {}
        found = self.look()
        if self._settings.batch is not None:
            outputs = self._carefully(measure_outputs, self.model, self._settings.batch)
            if outputs:
                self._recorder.tell("write_outputs", self.steps, outputs)
                found += self._judged("see_outputs", self.steps, outputs)
        if self._settings.histograms:
            values = {
                path: keras.ops.convert_to_numpy(variable.value)
                for path, variable in self._watched.variables().items()
            }
            self._recorder.tell("write_histograms", self.steps, values)
        self._recorder.tell("write_epoch", epoch, self.steps, logs)
        self._recorder.tell("flush")
        return found, totals(self._last, grouping(self._watched.layout, "model"))

    def close(self) -> None:
        """Closes the files; `open` goes on where they ended."""
        self._recorder.close()
