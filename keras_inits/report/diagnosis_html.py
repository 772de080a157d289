"""The check before training as HTML, for notebooks: one element, no scripts."""

from __future__ import annotations

from html import escape

from keras_inits.records import Diagnosis, Finding, LayerReading
from keras_inits.report.colours import GOOD, SEVERITY_COLOURS
from keras_inits.report.diagnosis_words import (
    COLUMNS,
    evidence_line,
    facts_line,
    headline,
    shown_names,
)

__all__ = ["diagnosis_html"]

#: What a head doesn't say by itself, shown where the mouse rests on it.
_HELP = {
    "rms out": "root mean square of the layer's output",
    "theory": "what healthy weights would give, of the column before",
    "gain": "rms of the output by that of the input",
    "gradient": "root mean square of the gradient by the layer's output",
    "idle": "share of dead units, or of saturated entries",
    "weights": "standard deviation of the kernel",
}
_NAME_WIDTH = 40
_MOST_UNTREATED = 5  # that are shown without a click
_FAINT = "opacity: 0.7"
_TABLE = "margin: 0; border-collapse: separate; border-spacing: 0; font-size: 13px"
_LINE = "border-bottom: 1px solid rgba(128, 128, 128, 0.35)"
_NUMBERS = (
    "text-align: right; font-variant-numeric: tabular-nums; padding: 2px 8px; "
    "white-space: nowrap"
)
_WORDS = "text-align: left; padding: 2px 8px; white-space: nowrap"
_CODE = (
    "margin: 4px 0 12px 0; padding: 6px 10px; background: rgba(128, 128, 128, 0.12); "
    "white-space: pre-wrap; font-family: monospace"
)
# Blurs what scrolls below it, for no background fits both light and dark pages.
_HEAD = (
    "position: sticky; top: 0; background: rgba(128, 128, 128, 0.25); "
    "backdrop-filter: blur(20px)"
)


def diagnosis_html(diagnosis: Diagnosis) -> str:
    """A heading, the findings, and all layers in a table that scrolls.

    Args:
        diagnosis: The record, of a check or of a forecast.
    """
    worst = diagnosis.findings[0].severity if diagnosis.findings else None
    colour = SEVERITY_COLOURS[worst] if worst else GOOD
    parts = [
        '<div style="font-family: sans-serif; max-width: 1000px; '
        'overflow-wrap: anywhere">',
        f'<div style="font-weight: bold; color: {colour}">'
        f"{escape(headline(diagnosis))}</div>",
        f'<div style="{_FAINT}; margin-bottom: 8px">'
        f"{escape(facts_line(diagnosis))}</div>",
        *(_finding(finding) for finding in diagnosis.findings),
        _table(diagnosis) if diagnosis.layers else "",
        _untreated(diagnosis) if diagnosis.untreated else "",
        "</div>",
    ]
    return "\n".join(part for part in parts if part)


def _finding(finding: Finding) -> str:
    where = f"<code>{escape(finding.layer)}</code>" if finding.layer else "the model"
    also = finding.evidence.get("also", [])
    if also:
        where += f' and <span title="{escape(", ".join(also))}">{len(also)} more</span>'
    evidence = evidence_line(finding)
    colour = SEVERITY_COLOURS[finding.severity]
    return (
        f'<div><span style="color: {colour}; font-weight: bold">'
        f"{escape(finding.severity)}: {escape(finding.kind)}</span> at {where}"
        f"<br>{escape(finding.cause)}"
        + (f'<br><span style="{_FAINT}">{escape(evidence)}</span>' if evidence else "")
        + f'<pre style="{_CODE}">{escape(finding.cure)}</pre></div>'
    )


def _untreated(diagnosis: Diagnosis) -> str:
    """The layers that nothing was said of; many of them below a line to click on."""
    count = len(diagnosis.untreated)
    lines = "".join(
        f"<div>{escape(path)}: {escape(reason)}</div>"
        for path, reason in diagnosis.untreated.items()
    )
    opened = ' open="open"' if count <= _MOST_UNTREATED else ""
    layers = "1 layer was" if count == 1 else f"{count} layers were"
    return (
        f'<details{opened} style="{_FAINT}"><summary>{layers} not treated</summary>'
        f"{lines}</details>"
    )


def _table(diagnosis: Diagnosis) -> str:
    columns = [
        (head, cell)
        for head, cell in COLUMNS
        if any(cell(reading) for reading in diagnosis.layers)
    ]
    heads = "".join(
        f'<th style="{_WORDS}; {_LINE}">{head}</th>' for head in ("layer", "kind")
    ) + "".join(
        f'<th style="{_NUMBERS}; {_LINE}" title="{escape(_HELP[head])}">{head}</th>'
        for head, _ in columns
    )
    names = shown_names(diagnosis, _NAME_WIDTH)
    marks: dict[str, str] = {}
    for finding in diagnosis.findings:
        for path in (finding.layer, *finding.evidence.get("also", ())):
            marks.setdefault(path, finding.severity)
    rows = []
    for reading in diagnosis.layers:
        severity = marks.get(reading.layer)
        colour = SEVERITY_COLOURS[severity] if severity else ""
        style = f"color: {colour}; font-weight: bold" if severity else ""
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
        '<div style="max-height: 480px; overflow: auto">'
        f'<table style="{_TABLE}">'
        f'<thead style="{_HEAD}"><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody>"
        "</table></div>"
    )


def _kind(reading: LayerReading) -> str:
    return (
        f"{reading.kind}, {reading.activation}" if reading.activation else reading.kind
    )
