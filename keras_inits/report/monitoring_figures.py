"""Figures (matplotlib) of a monitored run: a curve a layer, layer by step heatmaps."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_inits.records import Verdict
from keras_inits.report.extras import require
from keras_inits.report.monitoring import DECADES, QUANTITIES, labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["heatmap_figure", "monitoring_figure", "png_of"]

#: What a figure shows unless told otherwise, as far as it was measured.
SHOWN = ("gradient_norm", "update_ratio", "weight_norm")

COLOURS = "viridis"
# What a colour of the scale can't say: (what, colour, where it is so).
STATES = (
    ("exactly 0", "#3b3b3b", lambda values: values == 0.0),
    ("not finite", "#d7191c", np.isinf),
    ("not measured", "#ffffff", np.isnan),
)
MARKERS = "XovsPD*^<>"
FEW = 7  # layers that a legend names; more are told by a bar of colours
NAMED = 5  # layers whose names fit beside an inch of a heatmap
LEAST_RANGE = 1.5  # of a scale from least to largest: noise is not spread over colours

_Arrays = Mapping[str, NDArray[Any]]


def monitoring_figure(
    arrays: _Arrays,
    verdicts: Sequence[Verdict] = (),
    quantities: Sequence[str] | None = None,
    title: str = "",
) -> Figure:
    """Each quantity twice: as curves by step, and as a heatmap of layer and step.

    Args:
        arrays: As `History.to_arrays(per="layer")` returns them.
        verdicts: Marked where they were reached.
        quantities: Which; the norms of gradients and weights and the ratio of updates
            if None, as far as they were measured.
        title: Of the figure.

    Raises:
        ImportError: If matplotlib is missing.
        ValueError: If there is nothing to draw, or a quantity was not measured.
    """
    names = _chosen(arrays, quantities)
    height = 3.6
    figure = _figure(14.0, 1.0 + height * len(names))
    grid = figure.subplots(len(names), 2, squeeze=False, width_ratios=(1, 1.25))
    for (left, right), name in zip(grid, names, strict=True):
        _draw_curves(left, arrays, name, verdicts)
        _draw_heatmap(right, arrays, name, verdicts, height)
    for axes in grid[-1]:
        axes.set_xlabel("step")
    _draw_legend(figure, grid[0, 0], arrays, verdicts, names)
    figure.suptitle(title or "Norms by layer and step")
    return figure


def heatmap_figure(
    arrays: _Arrays,
    verdicts: Sequence[Verdict] = (),
    quantities: Sequence[str] | None = None,
    title: str = "",
    width: float = 9.0,
) -> Figure:
    """Heatmaps of layer and step, one below the other, the first layer at the top.

    Args:
        arrays: These and the others, and errors, are those of `monitoring_figure`.
        verdicts: Marked where they were reached.
        quantities: Which.
        title: Of the figure.
        width: Of the figure in inches. A heatmap is at most two thirds as high, or
            4.2 inches.
    """
    names = _chosen(arrays, quantities)
    rows = len(arrays["path"])
    height = min(max(1.2 + 0.16 * rows, 2.2), max(width / 1.5, 4.2))
    figure = _figure(width, 0.7 + height * len(names))
    grid = figure.subplots(len(names), 1, squeeze=False)[:, 0]
    for axes, name in zip(grid, names, strict=True):
        _draw_heatmap(axes, arrays, name, verdicts, height)
    grid[-1].set_xlabel("step")
    _draw_legend(figure, None, arrays, verdicts, names)
    if title:
        figure.suptitle(title)
    return figure


def png_of(figure: Figure, dpi: int = 100) -> bytes:
    """A figure as the content of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def _chosen(arrays: _Arrays, quantities: Sequence[str] | None) -> list[str]:
    if quantities is None:
        quantities = [name for name in SHOWN if name in arrays]
    missing = [name for name in quantities if name not in arrays]
    if missing:
        measured = [name for name, array in arrays.items() if array.ndim == 2]
        raise ValueError(
            f"A quantity to draw was not measured. Received: quantities={quantities}. "
            f"Measured were {', '.join(measured) or 'none'}."
        )
    if not quantities or not len(arrays["step"]):
        raise ValueError(
            "There is nothing to draw: no step was measured. Received: "
            f"steps={len(arrays['step'])}, quantities={list(quantities)}. Train first, "
            "with a schedule that is due at some step."
        )
    return list(quantities)


def _draw_curves(
    axes: Any, arrays: _Arrays, name: str, verdicts: Sequence[Verdict]
) -> None:
    steps, values = arrays["step"], arrays[name]
    colours = _colours(values.shape[1])
    drawn = np.where(np.isfinite(values) & (values > 0.0), values, np.nan)
    for column, colour in zip(drawn.T, colours, strict=True):
        # A point between two that can't be drawn would leave no trace as a line.
        alone = np.isfinite(column).sum() < 2
        axes.plot(
            steps, column, color=colour, linewidth=1.0, marker="o" if alone else None
        )
    for verdict in verdicts:
        axes.axvline(verdict.step, color="0.35", linewidth=0.8, linestyle=":")
    _log_axis(axes, drawn)
    axes.set_title(QUANTITIES.get(name, name))
    axes.set_ylabel("log scale")
    _steps_axis(axes, steps)
    axes.grid(True, which="major", color="0.9")


def _draw_heatmap(
    axes: Any,
    arrays: _Arrays,
    name: str,
    verdicts: Sequence[Verdict],
    height: float,
) -> None:
    steps, values, paths = arrays["step"], arrays[name], arrays["path"]
    colors = require("matplotlib.colors")
    axes.set_facecolor("#ffffff")
    edges = _edges(steps), np.arange(len(paths) + 1) - 0.5
    positive = np.isfinite(values) & (values > 0.0)
    if positive.any():
        low, high = _widened(values[positive])
        low = max(low, high * 10.0**-DECADES)
        norm = colors.LogNorm(low, high, clip=True)
        shown = np.ma.array(values, mask=~positive)
        mesh = axes.pcolormesh(*edges, shown.T, norm=norm, cmap=COLOURS)
        below = bool((values[positive] < low).any())
        pointed = "min" if below else "neither"  # what is less has the least's colour
        bar = axes.figure.colorbar(mesh, ax=axes, pad=0.015, aspect=24, extend=pointed)
        bar.set_label(QUANTITIES.get(name, name))
        _log_ticks(bar.ax.yaxis, low, high)
        bar.ax.minorticks_off()
    for _, colour, where in STATES[:2]:
        at = where(values)
        if at.any():
            flat = np.ma.array(np.ones_like(values), mask=~at)
            axes.pcolormesh(*edges, flat.T, cmap=colors.ListedColormap([colour]))
    _mark_verdicts(axes, paths, verdicts)
    _layers_axis(axes, paths, height)
    _steps_axis(axes, steps)
    axes.set_title(f"{QUANTITIES.get(name, name)}, layer by step")


def _mark_verdicts(axes: Any, paths: NDArray[Any], verdicts: Sequence[Verdict]) -> None:
    rows = {str(path): row for row, path in enumerate(paths)}
    for kind, marker in _markers(verdicts, paths).items():
        found = [each for each in verdicts if each.kind == kind and each.layer in rows]
        axes.scatter(
            [each.step for each in found],
            [rows[each.layer] for each in found],
            marker=marker,
            s=55,
            color="white",
            edgecolors="black",
            linewidths=1.0,
            zorder=5,
            clip_on=False,
        )


def _markers(verdicts: Sequence[Verdict], paths: NDArray[Any]) -> dict[str, str]:
    kinds = dict.fromkeys(each.kind for each in verdicts if each.layer in paths)
    return dict(zip(kinds, MARKERS, strict=False))


def _draw_legend(
    figure: Any,
    curves: Any,
    arrays: _Arrays,
    verdicts: Sequence[Verdict],
    names: Sequence[str],
) -> None:
    """Below the figure: which colour is which layer, what marks and flats mean."""
    line = require("matplotlib.lines").Line2D
    patch = require("matplotlib.patches").Patch
    paths = arrays["path"]
    layers = labels([str(path) for path in paths])
    handles = []
    if curves is not None:
        colours = _colours(len(paths))
        ends = range(len(paths)) if len(paths) <= FEW else (0, len(paths) - 1)
        for row in ends:
            label = f"{row + 1} {_cut(layers[row])}"
            handles.append(line([], [], color=colours[row], label=label))
        if len(paths) > FEW:
            for handle, end in zip(handles, ("first", "last"), strict=True):
                handle.set_label(f"{handle.get_label()} ({end})")
    for what, colour, where in STATES:
        if any(where(arrays[name]).any() for name in names):
            handles.append(patch(facecolor=colour, edgecolor="0.5", label=what))
    for kind, marker in _markers(verdicts, paths).items():
        style = {"marker": marker, "markersize": 8, "linestyle": ""}
        face = {"markerfacecolor": "white", "markeredgecolor": "black"}
        handles.append(line([], [], label=f"verdict: {kind}", **style, **face))
    if handles:
        columns = min(len(handles), 4)
        figure.legend(
            handles=handles, loc="outside lower center", ncols=columns, frameon=False
        )


def _colours(count: int) -> Any:
    """From the first layer to the last, without the palest yellow."""
    return require("matplotlib").colormaps[COLOURS](np.linspace(0.0, 0.92, count))


def _edges(steps: NDArray[Any]) -> NDArray[Any]:
    """Each measured step reaches half way to its neighbours."""
    middles = (steps[1:] + steps[:-1]) / 2
    first = steps[0] - (middles[0] - steps[0] if len(middles) else 0.5)
    last = steps[-1] + (steps[-1] - middles[-1] if len(middles) else 0.5)
    return np.concatenate([[first], middles, [last]])


def _layers_axis(axes: Any, paths: NDArray[Any], height: float) -> None:
    count = len(paths)
    stride = -(-count // int(NAMED * height))
    rows = range(0, count, stride)
    names = labels([str(path) for path in paths])
    texts = [f"{row + 1} {_cut(names[row])}" for row in rows]
    size = 8 if count > 12 else 9
    axes.set_yticks(rows, labels=texts, fontsize=size)
    axes.set_ylim(count - 0.5, -0.5)


def _cut(path: str, length: int = 26) -> str:
    return path if len(path) <= length else f"…{path[1 - length :]}"


def _steps_axis(axes: Any, steps: NDArray[Any]) -> None:
    ticker = require("matplotlib.ticker")
    edges = _edges(steps)
    axes.set_xlim(edges[0], edges[-1])
    if len(steps) <= 5:
        axes.xaxis.set_major_locator(ticker.FixedLocator(steps))
    else:
        axes.xaxis.set_major_locator(ticker.MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))


def _log_axis(axes: Any, values: NDArray[Any]) -> None:
    known = values[np.isfinite(values)]
    if not known.size:
        axes.set_yticks([])
        everywhere = "no finite number above 0"
        axes.text(0.5, 0.5, everywhere, transform=axes.transAxes, ha="center")
        return
    axes.set_yscale("log")
    low, high = _widened(known)
    if high > known.max():
        axes.set_ylim(low, high)
    _log_ticks(axes.yaxis, low, high)
    axes.yaxis.set_minor_locator(require("matplotlib.ticker").NullLocator())


def _widened(values: NDArray[Any]) -> tuple[float, float]:
    """The ends of a logarithmic scale for these positive numbers."""
    low, high = float(values.min()), float(values.max())
    if high / low < LEAST_RANGE:
        half = (LEAST_RANGE * low / high) ** 0.5
        low, high = low / half, high * half
    return low, high


def _log_ticks(axis: Any, low: float, high: float) -> None:
    """Powers of ten; within two decades also 2 and 5, within a few per cent more."""
    ticker = require("matplotlib.ticker")
    if high / low > 100.0:
        axis.set_major_locator(ticker.LogLocator(numticks=8))
        axis.set_major_formatter(ticker.LogFormatterSciNotation())
        return
    if high / low > 4.0:
        axis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    else:
        axis.set_major_locator(ticker.MaxNLocator(5))
    axis.set_major_formatter(ticker.StrMethodFormatter("{x:.3g}"))


def _figure(width: float, height: float) -> Figure:
    make = require("matplotlib.figure").Figure
    layout = require("matplotlib.layout_engine").ConstrainedLayoutEngine
    figure: Figure = make((width, height), layout=layout(w_pad=0.1, h_pad=0.1))
    return figure
