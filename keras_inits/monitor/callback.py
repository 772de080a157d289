"""The callback: true weight and gradient norms of every layer while `fit` trains."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from keras_inits.monitor.layout import as_pattern
from keras_inits.monitor.own_loop import OwnLoop
from keras_inits.monitor.recorder import Recorder
from keras_inits.monitor.schedules import as_schedule
from keras_inits.monitor.session import Settings
from keras_inits.monitor.sinks import History, TensorBoardSink
from keras_inits.monitor.tap import MEASURES, optimizers_of
from keras_inits.monitor.tapped_step import TappedStep
from keras_inits.monitor.watch import Watch
from keras_inits.records import Verdict
from keras_inits.report.monitoring import summary_table
from keras_inits.report.monitoring_figures import monitoring_figure
from keras_inits.report.shown import Shown

__all__ = ["NormMonitor"]

_ON_VERDICT = ("warn", "stop", "raise")


class NormMonitor(OwnLoop):
    """Logs weight and gradient norms of every layer, and names what goes wrong.

    It reads the gradients that the optimizer gets in the very step, through a second
    compiled training step that is run in place of the model's own where a measurement
    is due. The model, its optimizer and their files are left as they are, and losses
    and weights are the same, bit for bit, as without it.

    Args:
        log_dir: Where TensorBoard finds the run; nothing is written without it.
        measures: `"cheap"` for the norms of gradients and weights, `"standard"` for
            those of updates too, `"full"` for the largest entry, the share of zeros and
            the non-finite entries of each gradient as well, and, after each epoch, the
            outputs of each layer on `batch`.
        every: When to measure: each so many optimizer steps, a schedule such as
            `Logarithmic()` or `First(100) | Every(1000)`, or a function from a step's
            number (counted from 1) to bool.
        layers: A regular expression that is found in the paths of the weights to
            watch; all unless given.
        sinks: Where else the numbers go: `CSVSink`, `JSONLinesSink`, `ParquetSink`, or
            a `Sink` of one's own.
        on_verdict: `"warn"`, `"stop"` (training ends as `EarlyStopping` ends it),
            `"raise"`, or a function of the `Verdict`.
        batch: Inputs that the outputs of the layers are measured on, with `"full"`.
        histograms: Whether to give the sinks the weights themselves after each epoch,
            which TensorBoard shows as histograms.
        totals: Whether to add the whole model's norms to Keras's own logs at the end of
            each epoch, for the callbacks that come after this one in the list.
        keep: How many samples the history holds; beyond, it thins out the older ones.

    Attributes:
        history: The samples in memory: see `History`.
        verdicts: What was found wrong, a `Verdict` each, in the order found.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: where it has no meaning; at the begin of training, where `layers`
            matches nothing, or the monitor has watched another model.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> monitor = NormMonitor()
        >>> data = np.ones((8, 4)), np.ones((8, 1))
        >>> _ = model.fit(*data, batch_size=4, verbose=0, callbacks=[monitor])
        >>> [sample.step for sample in monitor.history.samples]
        [1, 2]
    """

    # Nothing here runs after a batch, where Keras may call from another thread.
    async_safe = True

    def __init__(
        self,
        log_dir: Any = None,
        *,
        measures: str = "standard",
        every: Any = 1,
        layers: Any = None,
        sinks: Iterable[Any] = (),
        on_verdict: str | Callable[[Verdict], Any] = "warn",
        batch: Any = None,
        histograms: bool = False,
        totals: bool = False,
        keep: int = 1000,
    ) -> None:
        _check(measures, on_verdict, batch)
        self.history = History(keep)
        files = [TensorBoardSink(log_dir)] if log_dir is not None else []
        schedule = as_schedule(every)
        settings = Settings(measures, schedule, as_pattern(layers), batch, histograms)
        recorder = Recorder([self.history, *files, *sinks])
        super().__init__(Watch(settings, recorder, on_verdict))
        self.verdicts = self._watch.verdicts
        self._totals = totals
        self._tapped: TappedStep | None = None

    # --- the hooks of Keras ----------------------------------------------------------

    def on_train_begin(self, logs: Any = None) -> None:
        """Makes the tapped step, opens the files."""
        model = self._model
        optimizers = optimizers_of(model)
        nothing = _nothing_to_tap(model, optimizers)
        if nothing:
            self._watch.end()
            self._watch.warn(f"NormMonitor has nothing to watch: {nothing}.")
            return
        session = self._watch.begin(model, optimizers)
        plain = _own_function(model)
        if self._tapped is None or not self._tapped.fits(session.tap, plain):
            self._tapped = TappedStep(model, session.tap, optimizers)
            session.unreached = self._tapped.unreached

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Counts anew from what the optimizer says."""
        if self._watch.session is not None:
            self._watch.count_anew()
            self._watch.begin_epoch(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Puts the tapped step in place of the model's own where it is due."""
        session = self._watch.session
        if session is None:
            return
        self._watch.pronounce(session.drain_late())
        if session.needs_look():
            self._bring_up_to_date()
            self._watch.pronounce(session.look())
        due = self._watch.due(self._model.steps_per_execution)
        if any(due):
            self._arm(due)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Brings everything up to date, and looks at what only a pause shows."""
        session = self._watch.session
        if session is None:
            return
        found = session.drain()
        later, totals = session.end_epoch(epoch, dict(logs or {}))
        if self._totals and logs is not None:
            logs.update(totals)
        self._watch.pronounce(found + later)

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the files; a further fit appends to them."""
        self._watch.end()

    # --- the step in place of the model's own ----------------------------------------

    def _arm(self, due: list[bool]) -> None:
        """Puts the tapped step in the place of the model's own, for one call."""
        own: dict[str, Any] = self._model.__dict__
        plain = own["train_function"]
        if isinstance(plain, _Armed):
            own["train_function"] = plain.plain
            if plain.monitor is not self:
                raise ValueError(
                    "Two NormMonitors watch one model, and a step is tapped once. "
                    "Received: callbacks with both. Leave one out: a monitor can write "
                    "to several sinks."
                )
            plain = plain.plain
        own["train_function"] = _Armed(self, plain, due)

    def _run(self, arguments: tuple[Any, ...], due: list[bool]) -> Any:
        """Makes a step with the tap in it."""
        session, tapped = self._watch.session, self._tapped
        if session is None or tapped is None:
            raise RuntimeError("The monitor was armed outside of training.")
        result, steps = tapped(arguments, due)
        logs = result[0] if isinstance(result, tuple) else result
        loss = logs.get("loss") if isinstance(logs, dict) else None
        for readings in steps:
            if readings:
                session.push(readings, self._watch.epoch, loss)
        if steps and not any(steps):
            self._watch.end()
            self._watch.warn(
                "NormMonitor saw no gradients: the model's training step does not call "
                "`apply` of an optimizer that the model holds, or does not return a "
                "dict of logs. Training goes on without it."
            )
        return result

    def _bring_up_to_date(self) -> None:
        """On JAX, gives the variables the values of the running epoch."""
        _ = self.model

    # --- what was measured -----------------------------------------------------------

    def summary(self) -> Shown:
        """A row a layer, and what was found wrong: `print` it, or let a notebook.

        Raises:
            ImportError: where rich is missing.
            ValueError: where nothing was measured.
        """
        arrays = self._measured()
        return Shown(summary_table(arrays, self.verdicts))

    def plot(self) -> Any:
        """A matplotlib figure: each quantity by step, and by layer and step.

        Raises:
            ImportError: where matplotlib is missing.
            ValueError: where nothing was measured.
        """
        arrays = self._measured()
        return monitoring_figure(arrays, self.verdicts)

    def _measured(self) -> dict[str, Any]:
        if not self.history.samples:
            raise ValueError(
                "Nothing was measured yet. Received: a monitor without samples. Train "
                "with it in `callbacks=[monitor]` first."
            )
        return self.history.to_arrays(per="layer")


class _Armed:
    """Stands in for a model's training function, for one call."""

    def __init__(self, monitor: NormMonitor, plain: Any, due: list[bool]) -> None:
        self.monitor, self.plain, self.due = monitor, plain, due

    def __call__(self, *arguments: Any) -> Any:
        self.monitor._model.__dict__["train_function"] = self.plain
        return self.monitor._run(arguments, self.due)


def _nothing_to_tap(model: Any, optimizers: list[Any]) -> str:
    if not optimizers:
        return "the model has no optimizer"
    if model.built and not model.trainable_variables:
        return "the model has no trainable weights"
    return ""


def _own_function(model: Any) -> Any:
    """The model's training function, also where an aborted fit left ours in place."""
    own: dict[str, Any] = model.__dict__
    if isinstance(own["train_function"], _Armed):
        own["train_function"] = own["train_function"].plain
    return own["train_function"]


def _check(measures: Any, on_verdict: Any, batch: Any) -> None:
    if measures not in MEASURES:
        raise ValueError(
            f"`measures` must be one of {', '.join(map(repr, MEASURES))}. "
            f"Received: measures={measures!r}."
        )
    if not callable(on_verdict) and on_verdict not in _ON_VERDICT:
        raise ValueError(
            f"`on_verdict` must be one of {', '.join(map(repr, _ON_VERDICT))}, or a "
            f"function of a verdict. Received: on_verdict={on_verdict!r}."
        )
    if measures == "full" and batch is None:
        raise ValueError(
            "measures='full' looks at the outputs of the layers on one batch of "
            "inputs, held for the whole run. Received: batch=None. Give some inputs, "
            "as batch=x_train[:256], or choose measures='standard'."
        )
