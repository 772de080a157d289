"""Figures (matplotlib) of an experiment's records, as PNG files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_inits.records import Comparison, LogitMap, Run
from keras_inits.report.extras import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["boundaries_figure", "costs_figure", "norms_figure", "write_figures"]

# Okabe and Ito's palette: told apart by every kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
CLASS_COLOURS = ("#0072B2", "#D55E00")
PALE_COLOURS = ("#9CC9E3", "#F2BF9B")
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
DPI = 150
PANELS_PER_ROW = 3


def write_figures(comparison: Comparison, folder: Path) -> list[Path]:
    """Write every figure of a comparison into a folder.

    Args:
        comparison: The record, with at least one run.
        folder: An existing folder.

    Returns:
        The paths of `costs.png`, `boundaries.png` and `norms.png`.

    Raises:
        ImportError: If matplotlib is missing; the text names the extra.
    """
    figures = {
        "costs.png": costs_figure(comparison),
        "boundaries.png": boundaries_figure(comparison),
        "norms.png": norms_figure(comparison),
    }
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=DPI)
    return [folder / name for name in figures]


def costs_figure(comparison: Comparison) -> Figure:
    """Cost by step: each scheme's first run bold, its other draws thin."""
    figure = _figure(9.0, 6.4)
    axes = figure.add_subplot()
    shown = comparison.shown()
    for run in comparison.runs:
        bold = run in shown
        axes.plot(
            run.history.step,
            run.history.cost,
            color=_colour(comparison, run.scheme),
            linewidth=2.4 if bold else 0.8,
            alpha=1.0 if bold else 0.45,
            zorder=3 if bold else 2,
            label=f"{run.scheme} ({run.draw})" if bold else None,
        )
    axes.axhline(
        math.log(2.0), color="black", ls="--", lw=1.0, zorder=4, label="a coin (ln 2)"
    )
    if len(comparison.runs) > len(shown):
        axes.plot([], [], color="0.5", linewidth=0.8, label="other draws")
    axes.set_yscale("log")
    axes.set_ylabel("cost (nats per point, log scale)")
    axes.set_title(f"Cost by step: {comparison.task}")
    _steps_axis(axes, comparison.steps)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def boundaries_figure(comparison: Comparison) -> Figure:
    """What each scheme's shown run answers over the plane, with the points."""
    runs = comparison.shown()
    columns = min(PANELS_PER_ROW, len(runs))
    rows = math.ceil(len(runs) / columns)
    figure = _figure(3.8 * columns + 1.4, 4.3 * rows + 0.6)
    grid = figure.subplots(rows, columns, squeeze=False)
    panels = grid.ravel()
    maps = [(run, run.learned) for run in runs if run.learned is not None]
    for axes, (run, learned) in zip(panels, maps, strict=False):
        filled = _boundary(axes, run, learned, comparison)
    for axes in panels[len(runs) :]:
        axes.remove()
    bar = figure.colorbar(filled, ax=figure.axes, shrink=0.8, pad=0.02)
    bar.set_label("P(class 1)")
    bar.set_ticks(filled.levels, labels=[f"{value:.1f}" for value in LEVELS])
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(f"What was learned after {comparison.steps:,} steps")
    return figure


def norms_figure(comparison: Comparison) -> Figure:
    """L2 norms by step of each layer's kernel and of its gradient."""
    runs = comparison.shown()
    figure = _figure(3.4 * len(runs) + 1.6, 6.4)
    grid = figure.subplots(2, len(runs), sharex=True, sharey="row", squeeze=False)
    for column, run in zip(grid.T, runs, strict=True):
        _norms(column[0], run.history.step, run.history.gradient_norm)
        _norms(column[1], run.history.step, run.history.weight_norm)
        column[0].set_title(f"{run.scheme}\n{run.draw}")
        _steps_axis(column[0], comparison.steps, label="")
        _steps_axis(column[1], comparison.steps)
    _close_ticks(grid[1][0])
    grid[0][0].set_ylabel("norm of the kernel's gradient\n(L2, log scale)")
    grid[1][0].set_ylabel("norm of the kernel\n(L2, log scale)")
    layers = tuple(runs[0].history.gradient_norm)
    lines = require("matplotlib.lines")
    handles = [
        lines.Line2D([], [], color=colour, label=layer)
        for colour, layer in zip(COLOURS, layers, strict=False)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(f"Gradients and weights, layer by layer: {comparison.task}")
    return figure


def _boundary(axes: Any, run: Run, learned: LogitMap, comparison: Comparison) -> Any:
    grid = learned.x, learned.y, learned.logit
    levels = [math.log(value / (1.0 - value)) for value in LEVELS]
    filled = axes.contourf(*grid, levels, colors=_fills(), extend="both")
    low, high = min(map(min, learned.logit)), max(map(max, learned.logit))
    if low < 0.0 < high:
        axes.contour(*grid, levels=[0.0], colors="black")
    elif low == high:
        everywhere = f"P = {1.0 / (1.0 + math.exp(-low)):.2f}\neverywhere"
        axes.text(0.0, 0.0, everywhere, ha="center", va="center")
    for points, marker, name in (
        (comparison.train, "o", "train"),
        (comparison.test, "^", "test"),
    ):
        for value, colour in enumerate(CLASS_COLOURS):
            chosen = [at for at, label in enumerate(points.label) if label == value]
            axes.scatter(
                [points.x[at] for at in chosen],
                [points.y[at] for at in chosen],
                s=16,
                marker=marker,
                color=colour,
                edgecolors="white",
                linewidths=0.5,
                label=f"class {value}, {name}",
            )
    axes.set_aspect("equal")
    axes.set_xlabel("x")
    axes.set_ylabel("y")
    axes.set_title(
        f"{run.scheme}, {run.draw}\n"
        f"train {run.train_accuracy:.1%}, test {run.test_accuracy:.1%}"
    )
    return filled


def _norms(axes: Any, steps: Sequence[int], columns: dict[str, Any]) -> None:
    """A line a layer on a log axis; what is exactly 0 is said, not drawn."""
    zero = []
    for colour, (layer, norms) in zip(COLOURS, columns.items(), strict=False):
        if not any(norms):
            zero.append(layer)
            continue
        drawn = [norm if norm > 0.0 else math.nan for norm in norms]
        axes.plot(steps, drawn, color=colour, linewidth=1.6)
    axes.set_yscale("log")
    if zero:
        every = len(zero) == len(columns)
        who = "every layer" if every else ", ".join(zero)
        axes.text(
            0.5,
            0.5 if every else 0.04,
            f"{who}:\nexactly 0 at every step",
            transform=axes.transAxes,
            ha="center",
            va="center" if every else "bottom",
        )


def _steps_axis(axes: Any, steps: int, label: str = "step (optimizer updates)") -> None:
    ticker = require("matplotlib.ticker")
    axes.set_xlim(0, steps)
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    axes.grid(True, which="major", color="0.9")


def _close_ticks(axes: Any) -> None:
    """Label 1, 2 and 5 of every decade, for a log axis of a few decades."""
    ticker = require("matplotlib.ticker")
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_locator(ticker.NullLocator())


def _figure(width: float, height: float) -> Figure:
    make = require("matplotlib.figure").Figure
    layout = require("matplotlib.layout_engine").ConstrainedLayoutEngine
    figure: Figure = make((width, height), layout=layout(w_pad=0.12, h_pad=0.12))
    require("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    return figure


def _fills() -> list[Any]:
    """A pale colour for each interval between the levels of probability."""
    low, high = PALE_COLOURS
    colours = require("matplotlib.colors").LinearSegmentedColormap.from_list(
        "classes", [low, "white", high]
    )
    count = len(LEVELS) + 1
    return [colours(index / (count - 1)) for index in range(count)]


def _colour(comparison: Comparison, scheme: str) -> str:
    return COLOURS[comparison.schemes.index(scheme) % len(COLOURS)]
