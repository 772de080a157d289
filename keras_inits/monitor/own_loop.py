"""What a monitor offers to a training loop of one's own, without `fit`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Self

import keras

from keras_inits.monitor.session import Session
from keras_inits.monitor.watch import Watch

__all__ = ["OwnLoop"]


class OwnLoop(keras.callbacks.Callback):
    """The half of `NormMonitor` that is called by hand.

    Args:
        watch: The monitor's watch, which `fit` begins and ends as well.
    """

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    @contextlib.contextmanager
    def watching(self, model: Any, optimizer: Any) -> Iterator[Self]:
        """Watches a training loop of one's own.

        Inside, call `apply` (on JAX, `stateless_apply`) of the monitor where the loop
        would call the optimizer's, and give `record` what it returns. The first may be
        compiled with the rest of the step, the second may not.

        Args:
            model: A built model.
            optimizer: What trains it.

        Raises:
            ValueError: where `layers` matches nothing, the model is not built, or the
                monitor has watched another model.

        Example:
            >>> import keras
            >>> from keras_inits.monitor import NormMonitor
            >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
            >>> optimizer = keras.optimizers.SGD()
            >>> optimizer.build(model.trainable_variables)
            >>> values = [v.value for v in model.trainable_variables]
            >>> gradients = [keras.ops.ones_like(value) for value in values]
            >>> monitor = NormMonitor()
            >>> with monitor.watching(model, optimizer):
            ...     if keras.backend.backend() == "jax":
            ...         state = [v.value for v in optimizer.variables]
            ...         *_, readings = monitor.stateless_apply(state, gradients, values)
            ...     else:
            ...         readings = monitor.apply(gradients)
            ...     monitor.record(readings)
            >>> sample = monitor.history.samples[0]
            >>> [float(norm) for norm in sample.values["gradient_norm"]]
            [2.0, 1.0]
        """
        if not (model.built and model.trainable_variables):
            raise ValueError(
                "NormMonitor.watching needs a built model with trainable weights. "
                f"Received: model={model.name!r}. Call it once on a batch before."
            )
        self.set_model(model)
        self._watch.begin(model, [optimizer])
        self._watch.count_anew()
        self._watch.begin_epoch(0)
        try:
            yield self
        finally:
            self._watch.end()

    def apply(self, gradients: Any, variables: Any = None) -> Any:
        """Calls the optimizer's `apply`, and returns the readings for `record`."""
        session = self._session()
        with session.tap.installed(session.optimizers):
            session.optimizers[0].apply(gradients, variables)
        return tuple(tensors for _, tensors in session.tap.take())

    def stateless_apply(self, state: Any, gradients: Any, values: Any) -> Any:
        """Calls the optimizer's `stateless_apply`.

        Returns:
            The new values, the new state, and the readings for `record`.
        """
        session = self._session()
        with session.tap.installed(session.optimizers):
            values, state = session.optimizers[0].stateless_apply(
                state, gradients, values
            )
        return values, state, tuple(tensors for _, tensors in session.tap.take())

    def record(self, readings: Any, loss: Any = None, epoch: int = 0) -> None:
        """Keeps, writes and judges the readings of a step, if it is a due one.

        Args:
            readings: What `apply` or `stateless_apply` returned.
            loss: The step's loss, where it is at hand.
            epoch: Counted from 0.
        """
        session, watch = self._session(), self._watch
        if epoch != watch.epoch:
            watch.begin_epoch(epoch)
        [is_due] = watch.due()
        if readings and is_due:
            session.push([(0, tensors) for tensors in readings], epoch, loss)
        watch.pronounce(session.drain_late())

    def _session(self) -> Session:
        if self._watch.session is None:
            raise RuntimeError(
                "The monitor watches nothing now. Call it inside of "
                "`with monitor.watching(model, optimizer):`."
            )
        return self._watch.session
