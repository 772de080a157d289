"""Terminal tables (rich) of an experiment's records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from keras_inits.records import Comparison, Spread
from keras_inits.report.comments import comment_on_draws, comment_on_run
from keras_inits.report.extras import require
from keras_inits.report.shown import Shown

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["comparison_shown", "draws_table", "published_table"]


def comparison_shown(comparison: Comparison) -> Shown:
    """Both tables, each where it has rows.

    Args and errors are those of `published_table`.
    """
    tables = []
    if comparison.published():
        tables.append(published_table(comparison))
    if any(comparison.seeded(scheme) for scheme in comparison.schemes):
        tables.append(draws_table(comparison))
    return Shown(require("rich.console").Group(*tables))


def published_table(comparison: Comparison) -> Group:
    """The published draw of each scheme, a row each, beside what the source prints.

    Args:
        comparison: The record.

    Returns:
        A `rich.console.Group`: the table, and under it a comment a scheme, chosen
        by rules over what was measured. Costs are final, in nats per point.

    Raises:
        ImportError: If rich is missing.
    """
    columns = ("published", "train", "test", "cost")
    rows, comments = {}, {}
    for run in comparison.published():
        source = run.published_accuracy
        rows[run.scheme] = (
            "-" if source is None else f"{source:.0%}",
            f"{run.train_accuracy:.1%}",
            f"{run.test_accuracy:.1%}",
            _cost(run.final_cost),
        )
        comments[run.scheme] = comment_on_run(run, comparison.train)
    title = f"The published draw, after {comparison.steps:,} steps"
    return _group(title, columns, rows, comments)


def draws_table(comparison: Comparison) -> Group:
    """Each scheme over its seeds, a row each: medians, and ranges beside them.

    Args, result and errors are those of `published_table`.
    """
    columns = ("draws", "train", "range", "test", "range", "cost", "range")
    rows, comments = {}, {}
    for scheme in comparison.schemes:
        runs = comparison.seeded(scheme)
        if not runs:
            continue
        rows[scheme] = (
            str(len(runs)) if runs[0].seed is not None else "-",
            *_percents(Spread.of(run.train_accuracy for run in runs)),
            *_percents(Spread.of(run.test_accuracy for run in runs)),
            *_costs(Spread.of(run.final_cost for run in runs)),
        )
        comments[scheme] = comment_on_draws(runs, comparison.train)
    title = f"What to expect: medians and ranges after {comparison.steps:,} steps"
    return _group(title, columns, rows, comments)


def _group(
    title: str,
    columns: Sequence[str],
    rows: Mapping[str, Sequence[str]],
    comments: Mapping[str, str],
) -> Group:
    """The numbers, narrow enough for 80 columns, and the comments under them."""
    box = require("rich.box").SIMPLE_HEAD
    make = require("rich.table").Table
    numbers = make(box=box, pad_edge=False, collapse_padding=True)
    numbers.add_column("scheme", no_wrap=True)
    for column in columns:
        numbers.add_column(column, justify="right", no_wrap=True)
    for scheme, cells in rows.items():
        numbers.add_row(scheme, *cells)
    remarks = make.grid(padding=(0, 2, 0, 1))
    for scheme, comment in comments.items():
        remarks.add_row(scheme, comment)
    heading = require("rich.text").Text(title, style="bold")  # its numbers plain
    group: Group = require("rich.console").Group(heading, numbers, remarks, "")
    return group


def _percents(spread: Spread) -> tuple[str, str]:
    if spread.count == 1:
        return f"{spread.median:.1%}", ""
    return f"{spread.median:.1%}", f"{100 * spread.low:.0f}-{100 * spread.high:.0f}%"


def _costs(spread: Spread) -> tuple[str, str]:
    if spread.count == 1:
        return _cost(spread.median), ""
    return _cost(spread.median), f"{_cost(spread.low)}-{_cost(spread.high)}"


def _cost(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "not finite"
