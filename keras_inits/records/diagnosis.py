"""What the check before training and the forecast say of a model: a row a layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keras_inits.records.findings import Finding

__all__ = ["Diagnosis", "LayerReading"]


@dataclass(frozen=True)
class LayerReading:
    """The numbers of one layer that owns weights.

    Args:
        layer: Its path, as `"encoder/dense_3"`.
        kind: The name of its class.
        activation: The name of its activation, where it has one.
        measured: Numbers by name, from the batch and from the weights.
        predicted: What theory expects under the same names, where it says something.
        note: Why something is missing, if it is.
    """

    layer: str
    kind: str
    activation: str | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)
    predicted: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """A model before training: its layers in the order the data takes, and findings.

    Args:
        model: The model's name.
        layers: A reading a layer.
        findings: Most severe first.
        facts: Numbers of the whole, as the loss and the batch's size, by name.
        untreated: What could not be measured or predicted: layer path to reason.
    """

    model: str
    layers: tuple[LayerReading, ...]
    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    untreated: Mapping[str, str] = field(default_factory=dict)
