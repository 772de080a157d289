"""The check before training as text: a table of layers, and what is wrong, with cures.

The table is made by rich where it is installed; without it the findings stand alone.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from keras_inits.records import SEVERITIES, Diagnosis, Finding, LayerReading
from keras_inits.report.extras import require

if TYPE_CHECKING:
    from rich.console import Group

__all__ = [
    "COLUMNS",
    "diagnosis_table",
    "diagnosis_text",
    "headline",
    "number",
    "shown_layers",
    "shown_names",
]

WIDTH = 100
#: Rows of a long model's table, those with findings apart.
MOST_ROWS = 40
_STYLES = {"severe": "bold red", "warning": "yellow", "note": "cyan"}
_MARKS = {"severe": "x", "warning": "!", "note": "-"}
_NAME_WIDTH = 22
_KIND_WIDTH = 9
# The last columns go first where a terminal is narrower than `WIDTH`.
_NARROW = 5

_Cell = Callable[[LayerReading], str]


def number(value: Any, digits: int = 2) -> str:
    """A number in few characters, as `0.71`, `1200` or `3.1e-9`; empty for None."""
    if value is None:
        return ""
    value = float(value)
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf"
    if value == 0.0:
        return "0"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    if not -3 < int(exponent) < 5:
        return f"{mantissa}e{int(exponent)}"
    return f"{float(f'{mantissa}e{exponent}'):.{max(digits - 1 - int(exponent), 0)}f}"


def _share(value: Any) -> str:
    if value is None:
        return ""
    return "0" if value == 0 else f"{100 * value:.0f}%" if value >= 0.005 else "<1%"


def _measured(name: str) -> _Cell:
    return lambda reading: number(reading.measured.get(name))


def _predicted(name: str) -> _Cell:
    return lambda reading: number(reading.predicted.get(name))


def _idle(reading: LayerReading) -> str:
    """Dead units, or saturated entries: a layer has one or the other."""
    dead, flat = (reading.measured.get(name) for name in ("dead", "saturated"))
    return _share(flat if dead is None else dead)


def _weight_std(reading: LayerReading) -> str:
    return number(reading.measured.get("weight_std"))


def _expected_std(reading: LayerReading) -> str:
    return number(reading.measured.get("expected_weight_std"))


#: Heads and cells of the table's numbers. A column without any is left out.
COLUMNS: tuple[tuple[str, _Cell], ...] = (
    ("rms out", _measured("output_rms")),
    ("theory", _predicted("output_rms")),
    ("gain", _measured("gain")),
    ("gradient", _measured("gradient_rms")),
    ("theory", _predicted("gradient_rms")),
    ("idle", _idle),
    ("weights", _weight_std),
    ("theory", _expected_std),
)


def headline(diagnosis: Diagnosis) -> str:
    """One line: what was found, and on what."""
    counts = [
        (sum(found.severity == name for found in diagnosis.findings), name)
        for name in SEVERITIES
    ]
    one = {"severe": "severe finding", "warning": "warning", "note": "note"}
    words = [
        f"{count} {one[name]}" + ("s" if count > 1 else "")
        for count, name in counts
        if count
    ]
    if words:
        found = ", ".join(words)
    elif any(reading.measured for reading in diagnosis.layers):
        found = "nothing found that would keep it from training"
    else:
        found = "by theory alone"
    return f"{diagnosis.model}: {found}"


def facts_line(diagnosis: Diagnosis) -> str:
    """The facts, in one line."""
    facts = dict(diagnosis.facts)
    words = []
    if "samples" in facts:
        words.append(f"{facts.pop('samples')} samples")
    if "loss" in facts:
        guess = facts.pop("loss of a guess", None)
        of = facts.pop("a guess is", "")
        text = f"loss {number(facts.pop('loss'), 3)}"
        words.append(text + (f" (a guess: {number(guess, 3)}, {of})" if guess else ""))
    for name, value in facts.items():
        text = number(value, 3) if isinstance(value, float) else str(value)
        words.append(text if name in ("objective", "backend") else f"{name} {text}")
    return ", ".join(words)


def shown_names(diagnosis: Diagnosis, width: int = _NAME_WIDTH) -> dict[str, str]:
    """A short name for each layer's path: without the start that all have in common.

    Args:
        diagnosis: The record.
        width: Of a name, in characters; a longer one loses its start.
    """
    paths = [reading.layer.split("/") for reading in diagnosis.layers]
    common = 0
    while paths and all(len(path) > common + 1 for path in paths):
        if len({path[common] for path in paths}) > 1:
            break
        common += 1
    names = {}
    for reading, path in zip(diagnosis.layers, paths, strict=True):
        name = "/".join(path[common:])
        if len(name) > width:
            name = "..." + name[3 - width :]
        names[reading.layer] = name
    return names


def shown_layers(
    diagnosis: Diagnosis, most: int = MOST_ROWS
) -> list[LayerReading | int]:
    """The readings to show, and for those left out between them their number."""
    layers = diagnosis.layers
    if len(layers) <= most:
        return list(layers)
    at_fault = {found.layer for found in diagnosis.findings}
    ends = most // 2
    kept = [
        at < ends or at >= len(layers) - ends or reading.layer in at_fault
        for at, reading in enumerate(layers)
    ]
    shown: list[LayerReading | int] = []
    left_out = 0
    for keep, reading in zip(kept, layers, strict=True):
        if not keep:
            left_out += 1
            continue
        if left_out:
            shown.append(left_out)
        left_out = 0
        shown.append(reading)
    return shown


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
    names = shown_names(diagnosis, max(8, min(left, _NAME_WIDTH)))
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


def _columns(diagnosis: Diagnosis) -> list[tuple[str, _Cell]]:
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


def evidence_line(finding: Finding) -> str:
    """A finding's numbers, in one line."""
    words = []
    for name, value in finding.evidence.items():
        if name == "also" or value is None or value == "":
            continue
        if isinstance(value, float):
            value = number(value, 3)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            items = [number(i, 3) if isinstance(i, float) else str(i) for i in value]
            value = ", ".join(items[:3]) + (" ..." if len(items) > 3 else "")
        words.append(f"{name}: {value}")
    return "; ".join(words)


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
