"""At which optimizer steps the monitor measures: all, every n-th, first ones, epochs.

A schedule answers before a step is run, from the step's number alone, so that a step at
which nothing is due costs nothing.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

__all__ = [
    "Both",
    "Either",
    "Epochs",
    "Every",
    "First",
    "Logarithmic",
    "Schedule",
    "When",
    "as_schedule",
]


class Schedule:
    """Says which steps are due: subclass it, and write `due`.

    Steps are optimizer steps, counted from 1 over all fits; epochs are counted from 0,
    as Keras does. Schedules combine: `First(100) | Every(1000)` is due where either
    is, `Epochs(10) & Every(50)` where both are.

    Example:
        >>> schedule = First(3) | Every(10)
        >>> [step for step in range(1, 32) if schedule.due(step)]
        [1, 2, 3, 11, 21, 31]
    """

    def begin_epoch(self, epoch: int, step: int) -> None:
        """Told when an epoch begins, with the number of its first step."""

    def due(self, step: int, epoch: int = 0) -> bool:
        """Whether to measure at this step."""
        raise NotImplementedError(
            f"{type(self).__name__} is a schedule without `due`. Write "
            "`def due(self, step, epoch=0)` to return True where to measure."
        )

    def __or__(self, other: Schedule) -> Schedule:
        return Either(self, as_schedule(other))

    def __and__(self, other: Schedule) -> Schedule:
        return Both(self, as_schedule(other))


@dataclass(frozen=True)
class Every(Schedule):
    """Each n-th step from the first: 1, 1 + n, 1 + 2n, ...

    The first step is always among them: it is the one that shows the start.

    Args:
        steps: n, at least 1.

    Example:
        >>> [step for step in range(1, 30) if Every(10).due(step)]
        [1, 11, 21]
    """

    steps: int

    def __post_init__(self) -> None:
        _check_count("steps", self.steps)

    def due(self, step: int, epoch: int = 0) -> bool:
        """Whether to measure at this step."""
        return (step - 1) % self.steps == 0


@dataclass(frozen=True)
class First(Schedule):
    """The first n steps, and none after.

    Args:
        steps: n, at least 1.

    Example:
        >>> [step for step in range(1, 30) if First(3).due(step)]
        [1, 2, 3]
    """

    steps: int

    def __post_init__(self) -> None:
        _check_count("steps", self.steps)

    def due(self, step: int, epoch: int = 0) -> bool:
        """Whether to measure at this step."""
        return step <= self.steps


@dataclass(frozen=True)
class Logarithmic(Schedule):
    """Some steps in every decade, evenly spaced on a logarithmic axis.

    For long runs of which the start matters most: a hundred thousand steps take
    `5 * per_decade` measurements or so. A step is due where the next power of
    10^(1/per_decade) has been reached.

    Args:
        per_decade: Steps from 1 to 10, from 10 to 100 and so on; at least 1. Where a
            decade has fewer steps, all of them.

    Example:
        >>> [step for step in range(1, 2000) if Logarithmic(3).due(step)]
        [1, 3, 5, 10, 22, 47, 100, 216, 465, 1000]
    """

    per_decade: int = 20

    def __post_init__(self) -> None:
        _check_count("per_decade", self.per_decade)

    def due(self, step: int, epoch: int = 0) -> bool:
        """Whether to measure at this step."""
        return self._reached(step) > self._reached(step - 1)

    def _reached(self, step: int) -> int:
        if step < 1:
            return -1
        return math.floor(self.per_decade * math.log10(step))


@dataclass(eq=False)
class Epochs(Schedule):
    """The first steps of each n-th epoch, from epoch 0.

    Args:
        every: n, at least 1.
        steps: How many steps of such an epoch, at least 1; None for all of it.

    Example:
        >>> schedule = Epochs(every=2, steps=3)
        >>> epochs = [(step, (step - 1) // 10) for step in range(1, 51)]
        >>> [step for step, epoch in epochs if schedule.due(step, epoch)]
        [1, 2, 3, 21, 22, 23, 41, 42, 43]
    """

    every: int = 1
    steps: int | None = 1
    _epoch: int = field(default=-1, init=False, repr=False)
    _first: int = field(default=1, init=False, repr=False)

    def __post_init__(self) -> None:
        _check_count("every", self.every)
        if self.steps is not None:
            _check_count("steps", self.steps)

    def begin_epoch(self, epoch: int, step: int) -> None:
        """Note the epoch's first step; without this, the first one asked about."""
        self._epoch, self._first = epoch, step

    def due(self, step: int, epoch: int = 0) -> bool:
        """Whether to measure at this step."""
        if epoch != self._epoch:
            self.begin_epoch(epoch, step)
        if epoch % self.every:
            return False
        return self.steps is None or step < self._first + self.steps


@dataclass(frozen=True)
class When(Schedule):
    """The steps for which a function says so.

    Args:
        function: Takes the step, returns True or False. It is called at every step,
            so it should be quick.

    Example:
        >>> schedule = When(lambda step: step in (1, 500))
        >>> schedule.due(500), schedule.due(501)
        (True, False)
    """

    function: Callable[[int], bool]

    def due(self, step: int, epoch: int = 0) -> bool:
        """Whether to measure at this step."""
        answer = self.function(step)
        if answer is None:
            raise TypeError(
                "A function given as a schedule must return True or False. Received: "
                f"None, from {_name(self.function)} at step {step}. Does it lack a "
                "`return`?"
            )
        return bool(answer)


class Either(Schedule):
    """Due where any of its schedules is; `a | b` makes one."""

    def __init__(self, *schedules: Schedule) -> None:
        self.schedules = schedules

    def begin_epoch(self, epoch: int, step: int) -> None:
        """Tell each of them."""
        for schedule in self.schedules:
            schedule.begin_epoch(epoch, step)

    def due(self, step: int, epoch: int = 0) -> bool:
        """Whether to measure at this step."""
        # All are asked: those that remember the epoch's first step must see it.
        answers = [schedule.due(step, epoch) for schedule in self.schedules]
        return any(answers)

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.schedules))


class Both(Either):
    """Due where all of its schedules are; `a & b` makes one."""

    def due(self, step: int, epoch: int = 0) -> bool:
        """Whether to measure at this step."""
        answers = [schedule.due(step, epoch) for schedule in self.schedules]
        return all(answers)

    def __repr__(self) -> str:
        return " & ".join(
            f"({each!r})" if type(each) is Either else repr(each)
            for each in self.schedules
        )


def as_schedule(every: Any) -> Schedule:
    """The schedule that a person means by `every=`.

    Args:
        every: A whole number n, for the steps 1, 1 + n, 1 + 2n, ...; a schedule; or a
            function that takes the step and returns True where to measure.

    Raises:
        TypeError: For anything else.
        ValueError: For a number below 1.

    Example:
        >>> as_schedule(10)
        Every(steps=10)
        >>> as_schedule(lambda step: step < 5).due(7)
        False
    """
    if isinstance(every, Schedule):
        return every
    if isinstance(every, Integral) and not isinstance(every, bool):
        if every < 1:
            raise ValueError(
                f"`every` must be at least 1. Received: every={every}. To measure "
                "nothing, leave the monitor out; to measure once, use First(1)."
            )
        return Every(int(every))
    if callable(every) and not isinstance(every, type) and _takes_a_step(every):
        return When(every)
    raise TypeError(
        "`every` must be a whole number of steps, a schedule as First(100), or a "
        f"function that takes the step. Received: every={every!r} (of type "
        f"{type(every).__name__})."
    )


def _takes_a_step(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(1)
    except TypeError:
        return False
    except ValueError:  # built in, without a signature
        return True
    return True


def _check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(
            f"`{name}` must be a whole number. Received: {name}={value!r} (of type "
            f"{type(value).__name__})."
        )
    if value < 1:
        raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}.")


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
