"""The terminal's table (rich) of a monitored run, and its verdicts as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_inits.records import SEVERITIES, Verdict
from keras_inits.report.extras import require

if TYPE_CHECKING:
    from rich.console import Group

__all__ = [
    "QUANTITIES",
    "labels",
    "short",
    "sparkline",
    "summary_table",
    "verdict_line",
    "verdict_markdown",
    "verdicts_markdown",
]

#: What the names of quantities mean; what to look at first comes first.
QUANTITIES = {
    "gradient_norm": "gradient norm",
    "update_ratio": "update / weight",
    "weight_norm": "weight norm",
    "update_norm": "update norm",
    "gradient_rms": "gradient rms",
    "weight_rms": "weight rms",
    "gradient_max": "largest gradient entry",
    "zero_share": "share of zero gradient entries",
    "nonfinite": "non-finite gradient entries",
    "accumulated_gradient_norm": "accumulated gradient norm",
}

STYLES = dict(zip(SEVERITIES, ("bold red", "yellow", "cyan"), strict=True))
BARS = "▁▂▃▄▅▆▇█"
TREND = 10  # characters
DECADES = 12.0  # that a trend or a heatmap tells apart, down from the largest

_Arrays = Mapping[str, NDArray[Any]]


def summary_table(
    arrays: _Arrays, verdicts: Sequence[Verdict] = (), title: str = ""
) -> Group:
    """A run at a glance: a row a layer, and under it what was found to be wrong.

    A row has the gradient's norm at the first and the last step, its trend between
    them (one logarithmic scale for all rows; `0` is exactly zero, `!` is no finite
    number), the weights' norm and the update's ratio to it at the last step.

    Args:
        arrays: As `History.to_arrays(per="layer")` returns them.
        verdicts: In the order in which they were reached.
        title: Above the table; the steps if empty.

    Returns:
        A `rich.console.Group`, no wider than 80 columns.

    Raises:
        ImportError: If rich is missing.
    """
    box = require("rich.box").SIMPLE_HEAD
    table = require("rich.table").Table(box=box, pad_edge=False, collapse_padding=True)
    columns = _columns(arrays)
    table.add_column("", justify="right", style="dim", no_wrap=True)
    table.add_column("layer", overflow="fold", min_width=12, ratio=1)
    for name in columns:
        trend = name == "trend"
        table.add_column(name, justify="left" if trend else "right", no_wrap=True)
    if verdicts:
        table.add_column("verdict", overflow="fold")
    text = require("rich.text").Text
    found = _worst_by_layer(verdicts)
    names = labels([str(path) for path in arrays["path"]])
    for index, (path, name) in enumerate(zip(arrays["path"], names, strict=True)):
        cells = [text(column[index]) for column in columns.values()]
        verdict = found.get(str(path))
        if verdicts and verdict:
            cells.append(text(verdict.kind, style=STYLES[verdict.severity]))
        table.add_row(str(index + 1), text(name), *cells)
    lines: list[Any] = []
    padding = require("rich.padding").Padding
    for verdict in sorted(verdicts, key=_rank):
        lines.append(text(verdict_line(verdict), style=STYLES[verdict.severity]))
        lines.append(padding(text(verdict.cure), (0, 0, 0, 4)))
    heading = text(title or _steps(arrays), style="bold")
    group: Group = require("rich.console").Group(heading, table, *lines)
    return group


def _columns(arrays: _Arrays) -> dict[str, list[str]]:
    """The table's columns of numbers, as texts, for what was measured."""
    columns: dict[str, list[str]] = {}
    if not len(arrays["step"]):
        return columns
    if "gradient_norm" in arrays:
        norms = arrays["gradient_norm"]
        first, last = _ends(norms)
        scale = _scale(norms)
        columns["gradient"] = [short(value) for value in first]
        columns["trend"] = [sparkline(column, scale) for column in norms.T]
        columns["last"] = [short(value) for value in last]
    if "weight_norm" in arrays:
        _, last = _ends(arrays["weight_norm"])
        columns["weight"] = [short(value) for value in last]
    if "update_ratio" in arrays:
        _, last = _ends(arrays["update_ratio"])
        columns["update/w"] = [short(value) for value in last]
    return columns


def _ends(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The first and the last row in which anything was measured."""
    rows = values[~np.isnan(values).all(axis=1)]
    if not len(rows):
        rows = values
    return rows[0], rows[-1]


def _steps(arrays: _Arrays) -> str:
    steps = arrays["step"]
    if not len(steps):
        return "Nothing was measured"
    return f"{len(steps):,} measured steps, from {steps[0]:,} to {steps[-1]:,}"


def _worst_by_layer(verdicts: Sequence[Verdict]) -> dict[str, Verdict]:
    worst: dict[str, Verdict] = {}
    for verdict in verdicts:
        held = worst.get(verdict.layer)
        if held is None or _rank(verdict) < _rank(held):
            worst[verdict.layer] = verdict
    return worst


def _rank(verdict: Verdict) -> int:
    return SEVERITIES.index(verdict.severity)


def labels(paths: Sequence[str]) -> list[str]:
    """Paths without the folders that all of them share, as the model's own name.

    Example:
        >>> labels(["model/encoder/dense", "model/head"])
        ['encoder/dense', 'head']
    """
    split = [path.split("/") for path in paths]
    shared = 0
    shortest = min((len(parts) for parts in split), default=0)
    while shared < shortest - 1 and len({parts[shared] for parts in split}) == 1:
        shared += 1
    return ["/".join(parts[shared:]) for parts in split]


def short(value: float) -> str:
    """A number in seven characters or fewer; a dash where there is none."""
    if np.isnan(value):
        return "-"
    if value and not 1e-3 <= abs(value) < 1e4:
        return f"{value:.1e}"
    return f"{value:.3g}"


def sparkline(
    values: NDArray[Any], scale: tuple[float, float] | None = None, width: int = TREND
) -> str:
    """Numbers along time as bars of text, on a logarithmic scale.

    Args:
        values: In the order of time.
        scale: log10 of the least and of the largest bar; from the values if None.
        width: Of how many characters; each shows the last value of its stretch.

    Example:
        >>> sparkline(np.array([1.0, 1e-2, 1e-4, 0.0, np.inf]))
        '█▅▁0!'
    """
    low, high = scale or _scale(values)
    if len(values) > width:
        places = np.linspace(0, len(values) - 1, width).round().astype(int)
        values = values[places]
    return "".join(_bar(value, low, high) for value in values)


def _bar(value: float, low: float, high: float) -> str:
    if np.isnan(value) or np.isinf(value):
        return " " if np.isnan(value) else "!"
    if value == 0.0:
        return "0"
    share = (np.log10(abs(value)) - low) / (high - low) if high > low else 1.0
    return BARS[round(min(max(share, 0.0), 1.0) * (len(BARS) - 1))]


def _scale(values: NDArray[Any]) -> tuple[float, float]:
    kept = np.abs(values[np.isfinite(values) & (values != 0.0)])
    if not kept.size:
        return 0.0, 0.0
    low, high = np.log10([kept.min(), kept.max()])
    return float(max(low, high - DECADES)), float(high)


def verdict_line(verdict: Verdict) -> str:
    """A verdict in a line: what, where, when, by which numbers, and why.

    Example:
        >>> verdict_line(Verdict("dead", "severe", "dense", {"zero_share": 1.0},
        ...                      "No unit is ever active.", "", step=9))
        'severe: dead, dense, step 9 (zero_share=1). No unit is ever active.'
    """
    measured = ", ".join(
        f"{name}={_plain(value)}" for name, value in verdict.evidence.items()
    )
    evidence = f" ({measured})" if measured else ""
    return (
        f"{verdict.severity}: {verdict.kind}, {verdict.layer or 'the whole model'}, "
        f"step {verdict.step:,}{evidence}. {verdict.cause}"
    )


def verdict_markdown(verdict: Verdict) -> str:
    """A verdict as Markdown, for TensorBoard's Text tab."""
    rows = "".join(
        f"| {name} | {_plain(value)} |\n" for name, value in verdict.evidence.items()
    )
    evidence = f"\n| measured | |\n|---|---|\n{rows}" if rows else ""
    # The numbers come last: the tab shows the first lines, and the rest on scrolling.
    return (
        f"**{verdict.kind}** ({verdict.severity}) in {_where(verdict)}, certain at "
        f"step {verdict.step:,}.\n\n{verdict.cause}\n\n"
        f"What to change:\n\n```python\n{verdict.cure}\n```\n{evidence}"
    )


def verdicts_markdown(verdicts: Sequence[Verdict]) -> str:
    """All verdicts as a Markdown list, in the order in which they were reached."""
    return "".join(
        f"- step {each.step:,}: **{each.kind}** ({each.severity}) in "
        f"{_where(each)}. {each.cause}\n"
        for each in verdicts
    )


def _where(verdict: Verdict) -> str:
    return f"`{verdict.layer}`" if verdict.layer else "the whole model"


def _plain(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.3g}"
    return str(value)
