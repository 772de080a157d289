"""The check before training as HTML, for notebooks: one element, no scripts."""

from __future__ import annotations

from html import escape

from keras_inits.records import Diagnosis, Finding, LayerReading
from keras_inits.report.diagnosis import (
    COLUMNS,
    evidence_line,
    facts_line,
    headline,
    shown_names,
)

__all__ = ["diagnosis_html"]

# Colours of Okabe and Ito, readable on white and on black.
_COLOURS = {"severe": "#D55E00", "warning": "#B87A00", "note": "#0072B2"}
_GOOD = "#009E73"
_LINE = "border-bottom: 1px solid rgba(128, 128, 128, 0.35)"
_NUMBERS = "text-align: right; font-variant-numeric: tabular-nums; padding: 2px 8px"
_WORDS = "text-align: left; padding: 2px 8px; white-space: nowrap"
_CODE = (
    "margin: 4px 0 12px 0; padding: 6px 10px; background: rgba(128, 128, 128, 0.12); "
    "white-space: pre-wrap; font-family: monospace"
)


def diagnosis_html(diagnosis: Diagnosis) -> str:
    """A heading, the findings, and all layers in a table that scrolls.

    Args:
        diagnosis: The record, of a check or of a forecast.
    """
    worst = diagnosis.findings[0].severity if diagnosis.findings else None
    colour = _COLOURS[worst] if worst else _GOOD
    parts = [
        '<div style="font-family: sans-serif; max-width: 1000px">',
        f'<div style="font-weight: bold; color: {colour}">'
        f"{escape(headline(diagnosis))}</div>",
        f'<div style="opacity: 0.7; margin-bottom: 8px">'
        f"{escape(facts_line(diagnosis))}</div>",
        *(_finding(finding) for finding in diagnosis.findings),
        _table(diagnosis) if diagnosis.layers else "",
        *(
            f'<div style="opacity: 0.7">Not treated: {escape(path)}: '
            f"{escape(reason)}</div>"
            for path, reason in diagnosis.untreated.items()
        ),
        "</div>",
    ]
    return "\n".join(part for part in parts if part)


def _finding(finding: Finding) -> str:
    also = finding.evidence.get("also", [])
    where = finding.layer or "the model"
    where += f" and {len(also)} more" if also else ""
    return (
        f'<div><span style="color: {_COLOURS[finding.severity]}; font-weight: bold">'
        f"{escape(finding.severity)}: {escape(finding.kind)}</span> at "
        f"<code>{escape(where)}</code><br>{escape(finding.cause)}"
        f'<br><span style="opacity: 0.7">{escape(evidence_line(finding))}</span>'
        f'<pre style="{_CODE}">{escape(finding.cure)}</pre></div>'
    )


def _table(diagnosis: Diagnosis) -> str:
    columns = [
        (head, cell)
        for head, cell in COLUMNS
        if any(cell(reading) for reading in diagnosis.layers)
    ]
    heads = "".join(
        f'<th style="{_WORDS}; {_LINE}">{head}</th>' for head in ("layer", "kind")
    ) + "".join(f'<th style="{_NUMBERS}; {_LINE}">{head}</th>' for head, _ in columns)
    names = shown_names(diagnosis)
    marks: dict[str, str] = {}
    for finding in diagnosis.findings:
        for path in (finding.layer, *finding.evidence.get("also", ())):
            marks.setdefault(path, finding.severity)
    rows = []
    for reading in diagnosis.layers:
        severity = marks.get(reading.layer)
        style = f"color: {_COLOURS[severity]}; font-weight: bold" if severity else ""
        cells = [
            f'<td style="{_WORDS}" title="{escape(reading.layer)}">'
            f"{escape(names[reading.layer])}</td>",
            f'<td style="{_WORDS}">{escape(_kind(reading))}</td>',
            *(
                f'<td style="{_NUMBERS}">{escape(cell(reading))}</td>'
                for _, cell in columns
            ),
        ]
        rows.append(f'<tr style="{style}">{"".join(cells)}</tr>')
    return (
        '<div style="max-height: 480px; overflow: auto"><table style="border-collapse: '
        f'collapse"><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody>'
        "</table></div>"
    )


def _kind(reading: LayerReading) -> str:
    return (
        f"{reading.kind}, {reading.activation}" if reading.activation else reading.kind
    )
