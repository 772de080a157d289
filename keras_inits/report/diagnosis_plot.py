"""The check before training as a figure: signal and gradient by depth (matplotlib)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from keras_inits.records import Diagnosis, Finding, LayerReading
from keras_inits.report.colours import SEVERITY_COLOURS
from keras_inits.report.diagnosis_words import headline, shown_names
from keras_inits.report.extras import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["diagnosis_figure"]

# Of Okabe and Ito's palette: told apart by every kind of colour vision.
_MEASURED, _THEORY = "#0072B2", "#555555"
# More layer names than this cannot be read side by side.
_MOST_NAMES = 40
_FLAT = 70  # characters of all names that fit without turning them


def diagnosis_figure(diagnosis: Diagnosis) -> Figure:
    """Rms of each layer's output, and of the gradient by it, on log axes.

    Points are measured; the line is what theory expects of healthy weights, its band
    what chance does in layers this narrow. Findings are marked at their layers.

    Args:
        diagnosis: The record, of a check or of a forecast.

    Raises:
        ImportError: If matplotlib is missing; the text names the extra.
    """
    count = len(diagnosis.layers)
    figure = _figure(min(max(7.5, 0.28 * count + 2.5), 16.0), 7.2)
    signal, gradient = figure.subplots(2, 1, sharex=True)
    _panel(signal, diagnosis.layers, "output_rms", "spread")
    _panel(gradient, diagnosis.layers, "gradient_rms", "gradient_spread")
    signal.set_ylabel("rms of the output\n(log scale)")
    gradient.set_ylabel("rms of the gradient\nby the output (log scale)")
    _mark(diagnosis, signal, gradient)
    _layer_axis(gradient, diagnosis)
    handles = [
        line
        for axes in (signal, gradient)
        for line in axes.get_legend_handles_labels()[0]
    ]
    known: dict[str, Any] = {}
    for handle in handles:
        known.setdefault(handle.get_label(), handle)
    if known:
        figure.legend(
            handles=list(known.values()),
            loc="outside lower center",
            ncols=min(len(known), 3),
            frameon=False,
        )
    figure.suptitle(headline(diagnosis))
    return figure


def _panel(axes: Any, layers: Sequence[LayerReading], name: str, spread: str) -> None:
    places = range(len(layers))
    predicted = [_drawable(reading.predicted.get(name)) for reading in layers]
    factors = [_drawable(reading.predicted.get(spread, 1.0)) for reading in layers]
    measured = [_drawable(reading.measured.get(name)) for reading in layers]
    if not all(map(math.isnan, predicted)):
        axes.plot(places, predicted, color=_THEORY, lw=1.4, label="theory")
        low = [value / by for value, by in zip(predicted, factors, strict=True)]
        high = [value * by for value, by in zip(predicted, factors, strict=True)]
        if any(by > 1.0 for by in factors):
            axes.fill_between(
                places,
                low,
                high,
                color=_THEORY,
                alpha=0.15,
                lw=0,
                label="chance, for layers this narrow",
            )
    if not all(map(math.isnan, measured)):
        axes.plot(
            places, measured, "o-", color=_MEASURED, ms=4.5, lw=1.0, label="measured"
        )
    _log_axis(axes, [*measured, *predicted])
    zeros = [at for at, r in enumerate(layers) if r.measured.get(name) == 0.0]
    if zeros:
        axes.plot(
            zeros,
            [0.03] * len(zeros),
            "v",
            color=_MEASURED,
            mfc="none",
            ms=7,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            label="exactly 0",
        )
    axes.grid(True, axis="y", color="0.9")


def _drawable(value: Any) -> float:
    """The number if a log axis has a place for it, else nan."""
    if value is None or not math.isfinite(value) or value <= 0.0:
        return math.nan
    return float(value)


def _log_axis(axes: Any, values: Sequence[float]) -> None:
    """A log axis of two decades at least, so that a healthy model looks flat."""
    known = [value for value in values if not math.isnan(value)]
    axes.set_yscale("log")
    if not known:
        axes.set_ylim(0.1, 10.0)
        return
    low, high = math.log10(min(known)), math.log10(max(known))
    room = max(0.15 * (high - low), (2.4 - (high - low)) / 2.0, 0.2)
    axes.set_ylim(10 ** (low - room), 10 ** (high + room))
    ticker = require("matplotlib.ticker")
    axes.yaxis.set_major_locator(ticker.LogLocator(numticks=9))
    axes.yaxis.set_minor_locator(ticker.NullLocator())


def _mark(diagnosis: Diagnosis, signal: Any, gradient: Any) -> None:
    """A line at each layer with a finding; its kind stands over the upper panel."""
    place = {reading.layer: at for at, reading in enumerate(diagnosis.layers)}
    at_layer: dict[int, list[Finding]] = {}
    for finding in diagnosis.findings:
        if finding.layer in place:
            at_layer.setdefault(place[finding.layer], []).append(finding)
    level, before = 0, -math.inf
    for at, findings in sorted(at_layer.items()):
        near = at - before < 0.15 * len(diagnosis.layers)
        level, before = (level + 1) % 4 if near else 0, at
        colour = SEVERITY_COLOURS[findings[0].severity]
        for axes in (signal, gradient):
            axes.axvline(at, color=colour, lw=1.6, alpha=0.8, zorder=1)
        kinds = dict.fromkeys(finding.kind for finding in findings)
        late = at > 0.8 * len(diagnosis.layers)
        signal.annotate(
            ", ".join(kinds),
            (at, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4 + 13 * level),
            textcoords="offset points",
            ha="right" if late else "left" if at < 2 else "center",
            color=colour,
            fontweight="bold",
            annotation_clip=False,
        )


def _layer_axis(axes: Any, diagnosis: Diagnosis) -> None:
    count = len(diagnosis.layers)
    axes.set_xlim(-0.6, max(count - 0.4, 0.6))
    stride = max(-(-count // _MOST_NAMES), 1)
    names = list(shown_names(diagnosis).values())[::stride]
    turned = sum(map(len, names)) > _FLAT
    style = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"} if turned else {}
    axes.set_xticks(range(0, count, stride), names, fontsize=8, **style)
    axes.tick_params(axis="x", length=2)
    if stride > 1:
        every = f"one in {stride} is named"
        axes.set_xlabel(f"layer with weights, in the order the data takes; {every}")


def _figure(width: float, height: float) -> Figure:
    make = require("matplotlib.figure").Figure
    layout = require("matplotlib.layout_engine").ConstrainedLayoutEngine
    figure: Figure = make((width, height), layout=layout(w_pad=0.12, h_pad=0.12))
    require("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    return figure
