"""The check before training as text: a table of layers, and what is wrong, with cures.

The table is made by rich where it is installed; without it the findings stand alone.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from keras_inits.records import Diagnosis
from keras_inits.report.diagnosis_words import (
    COLUMNS,
    NAME_WIDTH,
    Cell,
    evidence_line,
    facts_line,
    headline,
    shown_layers,
    shown_names,
)
from keras_inits.report.extras import require

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["diagnosis_table", "diagnosis_text"]

WIDTH = 100
_STYLES = {"severe": "bold red", "warning": "yellow", "note": "cyan"}
_MARKS = {"severe": "x", "warning": "!", "note": "-"}
_KIND_WIDTH = 9
# The last columns go first where a terminal is narrower than `WIDTH`.
_NARROW = 5


def diagnosis_table(diagnosis: Diagnosis, width: int = WIDTH) -> Group:
    """The headline, the layers, and the findings under them.

    In the column `idle` stands the share of dead units, or of saturated entries.

    Args:
        diagnosis: The record, of a check or of a forecast.
        width: Of the terminal, in characters. Below 100 the weights are left out.

    Returns:
        A `rich.console.Group`, to be printed by a `rich.console.Console`.

    Raises:
        ImportError: If rich is missing.
    """
    text = require("rich.text").Text
    worst = diagnosis.findings[0].severity if diagnosis.findings else ""
    parts: list[Any] = [
        text(headline(diagnosis), style=_STYLES.get(worst, "bold green")),
        text(facts_line(diagnosis), style="dim"),
    ]
    if diagnosis.layers:
        parts.append(_layer_table(diagnosis, width))
    parts += [
        _padded(text(words, style=style), indent)
        for words, style, indent in _finding_parts(diagnosis)
    ]
    parts += [
        _padded(text(words, style="dim"), indent)
        for words, indent in _untreated_parts(diagnosis)
    ]
    group: Group = require("rich.console").Group(*parts)
    return group


def _layer_table(diagnosis: Diagnosis, width: int) -> Any:
    box = require("rich.box").SIMPLE_HEAD
    text = require("rich.text").Text
    table = require("rich.table").Table(
        box=box, pad_edge=False, collapse_padding=True, padding=(0, 1)
    )
    columns = _columns(diagnosis)
    if width < WIDTH:
        columns = columns[:_NARROW]
    table.add_column("", no_wrap=True)
    table.add_column("layer", no_wrap=True, overflow="ellipsis")
    table.add_column("kind", no_wrap=True, overflow="ellipsis", max_width=_KIND_WIDTH)
    rooms = [
        max(len(head), *(len(cell(reading)) for reading in diagnosis.layers))
        for head, cell in columns
    ]
    for (head, _), room in zip(columns, rooms, strict=True):
        table.add_column(head, justify="right", no_wrap=True, min_width=room)
    # Else rich takes a character off each column, those of numbers too: an edge of one
    # on both sides, a mark, and two between columns.
    left = width - 2 - 1 - _KIND_WIDTH - sum(rooms) - 2 * (len(rooms) + 2)
    names = shown_names(diagnosis, max(8, min(left, NAME_WIDTH)))
    marks = _marks(diagnosis)
    for reading in shown_layers(diagnosis):
        if isinstance(reading, int):
            table.add_row("", f"... {reading} more", style="dim")
            continue
        severity = marks.get(reading.layer)
        cells = [text(cell(reading)) for _, cell in columns]
        table.add_row(
            text(_MARKS[severity] if severity else ""),
            text(names[reading.layer]),
            text(reading.kind),
            *cells,
            style=_STYLES.get(severity or "", ""),
        )
    return table


def _columns(diagnosis: Diagnosis) -> list[tuple[str, Cell]]:
    return [
        (head, cell)
        for head, cell in COLUMNS
        if any(cell(reading) for reading in diagnosis.layers)
    ]


def _marks(diagnosis: Diagnosis) -> dict[str, str]:
    """The gravest severity found at each layer."""
    marks: dict[str, str] = {}
    for finding in diagnosis.findings:
        for path in (finding.layer, *finding.evidence.get("also", ())):
            marks.setdefault(path, finding.severity)
    return marks


def _padded(text: Any, indent: int) -> Any:
    """A paragraph that keeps its distance from the margin where it is wrapped."""
    return require("rich.padding").Padding(text, (0, 0, 0, indent))


def _finding_parts(diagnosis: Diagnosis) -> list[tuple[str, str, int]]:
    """Paragraphs, styles and indents: what, where, why, the numbers, the cure."""
    parts: list[tuple[str, str, int]] = []
    for finding in diagnosis.findings:
        where = finding.layer or "the model"
        also = finding.evidence.get("also", [])
        if also:
            where += f" and {len(also)} more"
        style = _STYLES[finding.severity]
        parts.append((f"{finding.severity}: {finding.kind} at {where}", style, 0))
        parts.append((finding.cause, "", 2))
        evidence = evidence_line(finding)
        if evidence:
            parts.append((evidence, "dim", 2))
        parts += [(line, "green", 4) for line in finding.cure.splitlines()]
        parts.append(("", "", 0))
    return parts


def _untreated_parts(diagnosis: Diagnosis) -> list[tuple[str, int]]:
    if not diagnosis.untreated:
        return []
    parts = [(f"{len(diagnosis.untreated)} layers were not treated:", 0)]
    for path, reason in list(diagnosis.untreated.items())[:5]:
        parts.append((f"{path}: {reason}", 2))
    if len(diagnosis.untreated) > 5:
        parts.append((f"and {len(diagnosis.untreated) - 5} more", 2))
    return parts


def diagnosis_text(diagnosis: Diagnosis, width: int = WIDTH) -> str:
    """The same as plain text; without rich, without the table of layers."""
    try:
        table = diagnosis_table(diagnosis, width)
    except ImportError:
        parts = [(words, indent) for words, _, indent in _finding_parts(diagnosis)]
        parts = [(headline(diagnosis), 0), (facts_line(diagnosis), 0), *parts]
        parts += _untreated_parts(diagnosis)
        return "\n".join(" " * indent + words for words, indent in parts).rstrip()
    console = require("rich.console").Console(
        width=width, color_system=None, force_terminal=False, file=io.StringIO()
    )
    with console.capture() as captured:
        console.print(table)
    lines = [line.rstrip() for line in str(captured.get()).splitlines()]
    return "\n".join(lines).rstrip()
