"""The tap: an optimizer's own gradients, measured in the step that uses them.

While a training step runs (or is traced, where it is compiled), the optimizer's method
that every step goes through is wrapped in the instance's dictionary, out of sight of
Keras's tracking, and put back right after. So the gradients are the ones that the
optimizer gets, before clipping; the update is what became of the weights, after it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras

from keras_inits.monitor.rims import rim

__all__ = [
    "MEASURES",
    "Measures",
    "Meta",
    "Tap",
    "iterations_of",
    "optimizers_of",
    "replaced",
]


@dataclass(frozen=True)
class Measures:
    """What is measured in a tapped step, besides gradient and weight norms.

    Args:
        updates: The norm of what each weight changes by.
        entries: The largest entry of each gradient, its zeros and non-finite entries.
    """

    updates: bool = False
    entries: bool = False


#: What `measures=` names, from the least to the most costly.
MEASURES = {
    "cheap": Measures(),
    "standard": Measures(updates=True),
    "full": Measures(updates=True, entries=True),
}


@dataclass(frozen=True)
class Meta:
    """What the columns and rows of an optimizer's readings are about.

    Args:
        variables: The measured variables, a column each.
        quantities: The rows' names.
        disconnected: Variables without a gradient.
        accumulation: Steps of gradient accumulation, 1 if none.
        dynamic: Whether the loss is scaled by a factor that adapts.
    """

    variables: tuple[Any, ...]
    quantities: tuple[str, ...]
    disconnected: tuple[Any, ...]
    accumulation: int
    dynamic: bool


#: A step's raw numbers from one optimizer: its place in the list, tensors by name.
Reading = tuple[int, dict[str, Any]]


class Tap:
    """Measures what optimizers get and do, while `installed`.

    Args:
        measures: What to measure.
        watches: Whether a variable is to be measured; asked when a step is traced,
            before anything is changed, and free to raise.
        compiled: Whether the step is compiled by XLA.
    """

    def __init__(
        self,
        measures: Measures,
        watches: Callable[[Any], bool] = lambda variable: True,
        compiled: bool = False,
    ) -> None:
        self._measures = measures
        self._watches = watches
        self._compiled = compiled
        self._rim = rim()
        self._taken = threading.local()  # each replica is traced in a thread of its own
        self.metas: dict[int, Meta] = {}

    def take(self) -> list[Reading]:
        """The readings since the last call, in this thread."""
        taken = getattr(self._taken, "readings", [])
        self._taken.readings = []
        return taken

    @contextlib.contextmanager
    def installed(self, optimizers: list[Any]) -> Iterator[None]:
        """Measures every step that these optimizers make meanwhile."""
        with contextlib.ExitStack() as stack:
            for place, optimizer in enumerate(optimizers):
                name = self._rim.TAP_POINT
                wrap = self._stateless if name == "stateless_apply" else self._stateful
                method = wrap(place, optimizer, getattr(optimizer, name))
                stack.enter_context(replaced(optimizer, **{name: method}))
            yield

    def _stateful(
        self, place: int, optimizer: Any, apply: Callable[..., Any]
    ) -> Callable[..., Any]:
        """Wraps `apply(gradients, variables)`, which assigns to the variables."""

        def tapped(grads: Any, trainable_variables: Any = None) -> Any:
            grads = list(grads)
            variables = trainable_variables
            if variables is None:
                variables = optimizer._trainable_variables
            variables = list(variables)
            step = _Step(self, optimizer, variables, grads, None)
            step.before([self._rim.current(v) for v in step.variables])
            result = apply(grads, trainable_variables)
            after = [self._rim.current(v) for v in step.variables]
            self._keep(place, step, after)
            return result

        return tapped

    def _stateless(
        self, place: int, optimizer: Any, apply: Callable[..., Any]
    ) -> Callable[..., Any]:
        """Wraps `stateless_apply(state, gradients, values)`, which returns values."""

        def tapped(
            optimizer_variables: Any, grads: Any, trainable_variables: Any
        ) -> Any:
            variables = optimizer._trainable_variables
            pairs = zip(optimizer.variables, optimizer_variables, strict=True)
            state = {id(variable): value for variable, value in pairs}
            step = _Step(self, optimizer, variables, list(grads), state)
            values = {
                id(v): x for v, x in zip(variables, trainable_variables, strict=True)
            }
            step.before([values[id(v)] for v in step.variables])
            result = apply(optimizer_variables, grads, trainable_variables)
            new = {id(v): x for v, x in zip(variables, result[0], strict=True)}
            self._keep(place, step, [new[id(v)] for v in step.variables])
            return result

        return tapped

    def _keep(self, place: int, step: _Step, after: list[Any]) -> None:
        if not step.variables:
            return
        self.metas[place], tensors = step.measured(after)
        readings = getattr(self._taken, "readings", [])
        self._taken.readings = [*readings, (place, tensors)]


class _Step:
    """One step of one optimizer, as it is traced or run."""

    def __init__(
        self,
        tap: Tap,
        optimizer: Any,
        variables: list[Any],
        gradients: list[Any],
        state: dict[int, Any] | None,
    ) -> None:
        self._rim, self._measures = tap._rim, tap._measures
        self._compiled = tap._compiled
        self._inner = getattr(optimizer, "inner_optimizer", None) or optimizer
        self._state = state
        pairs = [
            (variable, gradient)
            for variable, gradient in zip(variables, gradients, strict=True)
            # Such a variable is given its new value in place of a gradient.
            if not getattr(variable, "overwrite_with_gradient", False)
            and tap._watches(variable)
        ]
        self.variables = [v for v, gradient in pairs if gradient is not None]
        self._disconnected = [v for v, gradient in pairs if gradient is None]
        whole = self._rim.reduced([g for _, g in pairs if g is not None])
        self._gradients = [self._rim.dense(g, self._compiled) for g in whole]
        self._dynamic = self._inner is not optimizer
        self._scale = self._loss_scale(optimizer)
        # Read before the optimizer changes it.
        self._iteration = self._kept_scalar(iterations_of(optimizer))
        self._packs: dict[str, Any] = {}
        self._rows: dict[str, Any] = {}
        self._applies: Any = None
        if self.variables:
            self._packs["gradient_norm"] = self._rim.packed(self._gradients)
            if self.accumulation > 1:
                self._packs["accumulated_gradient_norm"] = self._rim.packed(
                    self._accumulated(whole)
                )
                done = (self._iteration + 1) % self.accumulation
                self._applies = self._rim.equal(done, 0)
            if self._rim.IN_PLACE:  # by the optimizer, the gradients themselves too
                self._measure()

    def _kept_scalar(self, variable: Any) -> Any:
        if variable is None:
            return None
        return self._rim.kept(self._rim.current(variable, self._state))

    def _loss_scale(self, optimizer: Any) -> Any:
        """The factor which the incoming gradients still carry, or None."""
        if not self._dynamic:
            return getattr(optimizer, "loss_scale_factor", None)
        if not optimizer.built:
            return optimizer.initial_scale
        return self._kept_scalar(optimizer.dynamic_scale)

    def _unscaled(self, value: Any) -> Any:
        return value if self._scale is None else self._rim.divided(value, self._scale)

    @property
    def accumulation(self) -> int:
        """How many steps the optimizer averages the gradients of."""
        return getattr(self._inner, "gradient_accumulation_steps", None) or 1

    def _accumulated(self, whole: list[Any]) -> list[Any]:
        """The mean of the gradients gathered so far, this step's included."""
        fresh = [self._unscaled(self._rim.whole(gradient)) for gradient in whole]
        if self._inner.built:
            places = [self._inner._get_variable_index(v) for v in self.variables]
            gathered = [self._inner._accumulated_gradients[p] for p in places]
            held = [self._rim.current(v, self._state) for v in gathered]
            fresh = [new + old for new, old in zip(fresh, held, strict=True)]
        return [gradient / self.accumulation for gradient in fresh]

    def before(self, values: list[Any]) -> None:
        """Takes the weights before the step."""
        if values:
            self._packs["weight_norm"] = self._rim.packed(
                values, keep=self._measures.updates
            )
            if self._rim.IN_PLACE:
                self._measure()

    def _measure(self) -> None:
        """Measures what has been gathered and not been measured yet."""
        rows, rim = self._rows, self._rim
        fresh = {name: pack for name, pack in self._packs.items() if name not in rows}
        found = rim.norms(list(fresh.values()), self._compiled)
        rows.update(zip(fresh, found, strict=True))
        if "gradient_norm" in fresh:
            rows["gradient_norm"] = self._unscaled(rows["gradient_norm"])
            if self._measures.entries:
                gradients = fresh["gradient_norm"]
                rows["gradient_max"] = self._unscaled(rim.largest(gradients))
                rows["nonzero"], rows["nonfinite"] = rim.counts(gradients)
        if self._applies is not None and (name := "accumulated_gradient_norm") in fresh:
            rows[name] = rim.where_applied(self._applies, rows[name])

    def measured(self, after: list[Any]) -> tuple[Meta, dict[str, Any]]:
        """The step's readings, after the optimizer is done."""
        packs = self._packs
        if self._measures.updates:
            moved = self._rim.packed(after)
            packs["update_norm"] = self._rim.change(moved, packs["weight_norm"])
        self._measure()
        rows = self._rows
        tensors = {"rows": self._rim.stacked(list(rows.values()))}
        if self._iteration is not None:
            tensors["iteration"] = self._iteration
        if self._scale is not None:
            tensors["scale"] = self._rim.scalar(self._scale)
        meta = Meta(
            variables=tuple(self.variables),
            quantities=tuple(rows),
            disconnected=tuple(self._disconnected),
            accumulation=self.accumulation,
            dynamic=self._dynamic,
        )
        return meta, tensors


def iterations_of(optimizer: Any) -> Any:
    """The variable that counts an optimizer's steps, those that only gather included.

    `optimizer.iterations` counts the applied ones, and computes on variables.
    """
    inner = getattr(optimizer, "inner_optimizer", None) or optimizer
    return getattr(inner, "_iterations", None)


def optimizers_of(model: Any) -> list[Any]:
    """The optimizers that a model trains with: its own, and others it holds."""
    own = getattr(model, "optimizer", None)
    held = [value for value in vars(model).values() if _is_optimizer(value)]
    found = {id(value): value for value in [own, *held] if _is_optimizer(value)}
    for optimizer in list(found.values()):
        found.pop(id(getattr(optimizer, "inner_optimizer", None)), None)
    return list(found.values())


def _is_optimizer(value: Any) -> bool:
    return isinstance(value, keras.optimizers.Optimizer)


@contextlib.contextmanager
def replaced(target: Any, **attributes: Any) -> Iterator[None]:
    """Sets attributes of an object behind the back of Keras's tracking, for a while."""
    own = vars(target)
    before = {name: own[name] for name in attributes if name in own}
    own.update(attributes)
    try:
        yield
    finally:
        for name in attributes:
            own.pop(name, None)
        own.update(before)
