"""Initialization schemes by name: those of the experiment and the library's own."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import keras

import keras_inits.initializers

__all__ = ["PUBLISHED", "PublishedDraw", "Scheme", "find_schemes"]


@dataclass(frozen=True)
class PublishedDraw:
    """The draw of the published experiment, and what it came to.

    Args:
        stddev: From a layer's fan_in to the stddev of its weights.
        accuracy: The train accuracy that the source prints after 15,000 steps.
    """

    stddev: Callable[[int], float]
    accuracy: float


@dataclass(frozen=True)
class Scheme:
    """A way to draw every kernel of a network.

    Args:
        label: What tables and figures call it.
        make: From an integer seed to the initializer of every kernel.
        draws: False where the seed changes nothing: one run says it all.
        published: The scheme's published draw, where there is one.
    """

    label: str
    make: Callable[[int], keras.initializers.Initializer]
    draws: bool = True
    published: PublishedDraw | None = None


# Train accuracies: the exercise "Initialization" of Improving Deep Neural
# Networks (deeplearning.ai Deep Learning Specialization, course 2, week 1).
PUBLISHED = (
    Scheme(
        "zeros",
        lambda seed: keras_inits.initializers.Zeros(),
        draws=False,
        published=PublishedDraw(lambda fan_in: 0.0, accuracy=0.50),
    ),
    Scheme(
        "large random",
        lambda seed: keras_inits.initializers.RandomNormal(stddev=10.0, seed=seed),
        published=PublishedDraw(lambda fan_in: 10.0, accuracy=0.83),
    ),
    Scheme(
        "he",
        lambda seed: keras_inits.initializers.HeNormal(seed=seed),
        published=PublishedDraw(lambda fan_in: math.sqrt(2.0 / fan_in), accuracy=0.99),
    ),
)


def find_schemes(names: Iterable[str]) -> tuple[Scheme, ...]:
    """The schemes of these names, each once, in the order given.

    Args:
        names: `"zeros"`, `"large_random"` and `"he"` are those of the published
            experiment; every other name is an initializer class of the library,
            as `"HeNormal"` or `"he_normal"`. Case, `_`, `-` and spaces don't count.

    Returns:
        A tuple of `Scheme`.

    Raises:
        ValueError: If a name is unknown, or its class needs arguments. The text
            lists the names that there are.
    """
    known = {_key(scheme.label): scheme for scheme in PUBLISHED}
    classes = _library()
    found: dict[str, Scheme] = {}
    for name in names:
        key = _key(name)
        if key not in known and key not in classes:
            raise ValueError(
                f"There is no initialization scheme of this name. Received: "
                f"scheme={name!r}. Choose from: {_choices(classes)}."
            )
        scheme = known.get(key) or _scheme_of_class(*classes[key])
        found.setdefault(scheme.label, scheme)
    return tuple(found.values())


def _key(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")


def _library() -> dict[str, tuple[str, Any]]:
    """Every initializer class of the library, by its key, the base classes apart."""
    bases = keras_inits.initializers.Initializer.__module__
    members = (
        (name, getattr(keras_inits.initializers, name))
        for name in keras_inits.initializers.__all__
    )
    return {
        _key(name): (name, member)
        for name, member in members
        if isinstance(member, type)
        and issubclass(member, keras.initializers.Initializer)
        and member.__module__ != bases
    }


def _choices(classes: dict[str, tuple[str, Any]]) -> str:
    published = [scheme.label.replace(" ", "_") for scheme in PUBLISHED]
    return ", ".join(published + sorted(name for name, _ in classes.values()))


def _scheme_of_class(name: str, cls: Any) -> Scheme:
    parameters = inspect.signature(cls).parameters
    required = [
        parameter.name
        for parameter in parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if required:
        raise ValueError(
            f"{name} can't be a scheme by its name alone: it needs values for "
            f"{', '.join(required)}. Received: scheme={name!r}. Give "
            "`experiments.circles` a `Scheme` that builds it."
        )
    if "seed" in parameters:
        return Scheme(name, lambda seed: cls(seed=seed))
    return Scheme(name, lambda seed: cls(), draws=False)
