"""What the check before training and the forecast say of a model: a row a layer."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from keras_inits.records.findings import Finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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

    `print` shows it as a table, a notebook as HTML, and `plot` draws it by depth.

    Args:
        model: The model's name.
        layers: A reading a layer.
        findings: Most severe first.
        facts: Numbers of the whole, as the loss and the batch's size, by name.
        untreated: What could not be measured or predicted: layer path to reason.

    Example:
        >>> reading = LayerReading("dense", "Dense", "relu", {"output_rms": 1e-9})
        >>> Diagnosis("model", (reading,)).to_dict()["layers"][0]["measured"]
        {'output_rms': 1e-09}
    """

    model: str
    layers: tuple[LayerReading, ...]
    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    untreated: Mapping[str, str] = field(default_factory=dict)

    @property
    def severe(self) -> tuple[Finding, ...]:
        """The findings that keep it from training."""
        return tuple(found for found in self.findings if found.severity == "severe")

    def to_dict(self) -> dict[str, Any]:
        """Everything as dicts, lists and numbers, ready for `json.dumps`.

        A value that is no number or infinite becomes None: JSON has no word for it.
        """
        return {
            "model": self.model,
            "layers": [_plain(asdict(reading)) for reading in self.layers],
            "findings": [_plain(asdict(finding)) for finding in self.findings],
            "facts": _plain(dict(self.facts)),
            "untreated": dict(self.untreated),
        }

    def to_dataframe(self) -> Any:
        """A `pandas.DataFrame`: a row a layer, a column a number.

        What is predicted stands under `predicted_` and the name; numbers of further
        weights under the weight and the name, as `recurrent_kernel/weight_std`.

        Raises:
            ImportError: If pandas is missing.
        """
        try:
            pandas = importlib.import_module("pandas")
        except ImportError as error:
            raise ImportError(
                "A data frame needs pandas, which is not installed. Install it: pip "
                "install pandas; or take `to_dict()`."
            ) from error
        return pandas.DataFrame([_row(reading) for reading in self.layers])

    def plot(self) -> Figure:
        """Signal and gradient by depth, what theory expects, and where findings are.

        Returns:
            A matplotlib figure: show it in a notebook, or `savefig` it.

        Raises:
            ImportError: If matplotlib is missing; the text names the extra.
        """
        from keras_inits.report.diagnosis_plot import diagnosis_figure

        return diagnosis_figure(self)

    def __str__(self) -> str:
        from keras_inits.report.diagnosis import diagnosis_text

        return diagnosis_text(self)

    def _repr_html_(self) -> str:
        from keras_inits.report.diagnosis_html import diagnosis_html

        return diagnosis_html(self)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _row(reading: LayerReading) -> dict[str, Any]:
    row: dict[str, Any] = {
        "layer": reading.layer,
        "kind": reading.kind,
        "activation": reading.activation,
    }
    for prefix, numbers in (("", reading.measured), ("predicted_", reading.predicted)):
        for name, value in numbers.items():
            if isinstance(value, Mapping):
                row |= {f"{prefix}{name}/{key}": inner for key, inner in value.items()}
            else:
                row[f"{prefix}{name}"] = value
    return row
