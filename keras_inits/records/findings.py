"""What is wrong with a network, in the same words before training and during it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["KINDS", "SEVERITIES", "Finding", "Verdict"]

#: What can be wrong. The check before training and the monitor share the words.
KINDS = (
    "non-finite",
    "exploding",
    "vanishing",
    "symmetry",
    "identical",
    "dead",
    "saturation",
    "disconnected",
    "fan",
    "input",
    "loss",
    "stalled",
    "loss-scale",
)

#: From what stops training to what is worth a look.
SEVERITIES = ("severe", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, where, by which numbers, why, and what cures it.

    Args:
        kind: One of `KINDS`.
        severity: One of `SEVERITIES`.
        layer: Path of the layer at fault, as `"encoder/dense_3"`; empty for the model
            as a whole.
        evidence: The measured numbers that led to it, by name.
        cause: One sentence.
        cure: Python code that runs.
    """

    kind: str
    severity: str
    layer: str
    evidence: dict[str, Any] = field(hash=False)
    cause: str
    cure: str


@dataclass(frozen=True)
class Verdict(Finding):
    """A finding during training.

    Args:
        step: The optimizer step at which it was certain, counted from 1.
    """

    step: int
