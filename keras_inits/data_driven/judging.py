"""From what was measured to what is wrong: every rule asked, the gravest told first."""

from __future__ import annotations

from collections.abc import Iterator

from keras_inits.data_driven.examined import Examined
from keras_inits.data_driven.judging_flow import (
    dead,
    depth,
    disconnected,
    no_gradient,
    saturation,
)
from keras_inits.data_driven.judging_numbers import input_scale, loss, non_finite
from keras_inits.data_driven.judging_weights import fan, identical, symmetry
from keras_inits.records import KINDS, SEVERITIES, Finding

__all__ = ["judge"]

_OF_WEIGHTS = (fan, identical)
_OF_FINITE_NUMBERS = (
    symmetry,
    saturation,
    dead,
    input_scale,
    loss,
    depth,
    disconnected,
)


def judge(seen: Examined) -> tuple[Finding, ...]:
    """All findings, the gravest first; those of one kind in the order of the data.

    What is not finite spoils every later number, so that nothing else is said of them.
    """
    found = [*_no_weights(seen), *non_finite(seen)]
    finite = not any(finding.kind == "non-finite" for finding in found)
    for rule in (*_OF_WEIGHTS, *(_OF_FINITE_NUMBERS if finite else ())):
        found += rule(seen)
    found += no_gradient(seen, found)
    return tuple(sorted(_merged(found), key=_rank))


def _rank(finding: Finding) -> tuple[int, int]:
    return SEVERITIES.index(finding.severity), KINDS.index(finding.kind)


def _merged(found: list[Finding]) -> list[Finding]:
    """One finding for all layers with the same trouble: the first names the others."""
    first: dict[tuple[str, str, str], Finding] = {}
    for finding in found:
        key = finding.kind, finding.severity, finding.cause
        if key not in first:
            first[key] = finding
        else:
            first[key].evidence.setdefault("also", []).append(finding.layer)
    return list(first.values())


def _no_weights(seen: Examined) -> Iterator[Finding]:
    if not seen.layers:
        yield Finding(
            "disconnected",
            "note",
            "",
            {"weights": 0},
            "The model has no weights: there is nothing to initialize or to train.",
            "model = keras.Sequential([model, keras.layers.Dense(1)])",
        )
