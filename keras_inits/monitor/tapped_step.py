"""The training step with the tap in it: made beside the model's own, run in its place.

The model's own compiled step is left as it is, so that steps at which nothing is due
cost nothing, and run exactly what they would without a monitor.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from keras_inits.monitor.rims import rim
from keras_inits.monitor.tap import Reading, Tap, replaced

__all__ = ["TappedStep"]

# Readings leave a compiled step among its logs, under this name, and are taken out
# before anyone sees them.
_KEY = "keras_inits/readings"


class TappedStep:
    """A model's `train_function` whose optimizers are tapped.

    Args:
        model: A compiled model with a training function of its own.
        tap: The tap.
        optimizers: Those to tap.
    """

    def __init__(self, model: Any, tap: Tap, optimizers: list[Any]) -> None:
        self._model, self._tap, self._optimizers = model, tap, optimizers
        self._order: list[int] = []
        self._user_step = model.train_step
        self._outline: Any = None
        self._loops: dict[int, Callable[..., Any]] = {}
        self.plain = vars(model)["train_function"]
        self._is_compiled = _is_compiled(model)
        self._function = self._compiled() if self._is_compiled else self.plain

    def fits(self, tap: Tap, plain: Any) -> bool:
        """Whether this is still the step with that tap, of that training function."""
        return self._tap is tap and self.plain is plain

    def __call__(
        self, arguments: tuple[Any, ...], due: Sequence[bool]
    ) -> tuple[Any, list[list[Reading]]]:
        """Runs as many steps as the model's own function would.

        Args:
            arguments: What the model's own function is called with.
            due: For each step whether it is to be measured.

        Returns:
            What the model's own function returns, and the readings of each due step.
        """
        if not self._is_compiled:
            with self._tap.installed(self._optimizers):
                result = self.plain(*arguments)
            taken = self._tap.take()
            steps = [taken] if len(due) == 1 else [[reading] for reading in taken]
            return result, [
                step for step, wanted in zip(steps, due, strict=False) if wanted
            ]
        readings: list[list[Reading]] = []
        result = None
        for wanted, count in self._parts(due):
            try:
                # A graph that meets the end of the data by itself has run what does
                # not depend on them, such as the optimizer's count of steps.
                alone = count == 1 and len(due) > 1
                batch = iter((next(arguments[-1]),)) if alone else arguments[-1]
                result = self._part((*arguments[:-1], batch), wanted, count)
            except rim().END_OF_DATA:
                if result is None:
                    raise
                break
            logs = result[0] if isinstance(result, tuple) else result
            taken = self._readings(logs)
            if wanted:
                readings.append(taken)
            if isinstance(result, tuple):
                arguments = (result[1], arguments[-1])
        return result, readings

    def _parts(self, due: Sequence[bool]) -> Iterator[tuple[bool, int]]:
        """Cuts the steps into measured ones, and runs of others for a compiled loop."""
        for wanted, some in itertools.groupby(due):
            count = len(list(some))
            # Each length is compiled anew: more than two of them would not pay.
            known = count in self._loops or len(self._loops) < 2
            if rim().LOOPS_IN_GRAPH and not wanted and known:
                yield wanted, count
            else:
                yield from [(wanted, 1)] * count

    def _part(self, arguments: tuple[Any, ...], wanted: bool, count: int) -> Any:
        with replaced(self._model, steps_per_execution=count):
            if rim().LOOPS_IN_GRAPH and not wanted:
                if count not in self._loops:
                    self._loops[count] = self._made()
                return self._loops[count](*arguments)
            with self._tap.installed(self._optimizers):
                return self._function(*arguments)

    def unreached(self) -> list[Any]:
        """The variables that the loss does not depend on, where a gradient can't tell.

        On JAX such a variable has a gradient like any other, all zeros: it is traced
        once more, to see what the gradients are made of.
        """
        if self._outline is None:
            return []
        found: list[tuple[Any, Any]] = []

        def gradients(*arguments: Any) -> Any:
            with contextlib.ExitStack() as stack:
                for optimizer in self._optimizers:
                    spied = _spied(optimizer, found)
                    stack.enter_context(replaced(optimizer, stateless_apply=spied))
                self._user_step(*arguments)
            return [gradient for _, gradient in found]

        constant = rim().constants_of(gradients, self._outline)
        pairs = zip(found, constant, strict=True)
        return [variable for (variable, _), still in pairs if still]

    def _readings(self, logs: Any) -> list[Reading]:
        if not isinstance(logs, dict) or _KEY not in logs:
            return []
        return list(zip(self._order, logs.pop(_KEY), strict=True))

    def _compiled(self) -> Callable[..., Any]:
        """A second training function, of the model's own `train_step` and the tap."""
        model, tap, user_step = self._model, self._tap, self._user_step

        def train_step(*arguments: Any) -> Any:
            self._outline = rim().outlined(arguments)
            tap.take()
            result = user_step(*arguments)
            readings = tap.take()
            self._order = [place for place, _ in readings]
            logs = result[0] if isinstance(result, tuple) else result
            if readings and isinstance(logs, dict):
                logs = {**logs, _KEY: tuple(tensors for _, tensors in readings)}
            return (logs, *result[1:]) if isinstance(result, tuple) else logs

        with replaced(model, train_step=train_step, steps_per_execution=1):
            return self._made()

    def _made(self) -> Callable[..., Any]:
        """A training function of the model as it stands, which keeps its own."""
        with replaced(self._model, train_function=None):
            self._model.make_train_function()
            made: Callable[..., Any] = vars(self._model)["train_function"]
            return made


def _spied(optimizer: Any, found: list[tuple[Any, Any]]) -> Callable[..., Any]:
    apply = optimizer.stateless_apply

    def spied(state: Any, gradients: Any, values: Any) -> Any:
        found.extend(zip(optimizer._trainable_variables, gradients, strict=True))
        return apply(state, gradients, values)

    return spied


def _is_compiled(model: Any) -> bool:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return not model.run_eagerly
    if backend == "jax":
        return bool(model.jit_compile) and not model.run_eagerly
    return False  # torch.compile traces the tapped method anew, and so can stay
