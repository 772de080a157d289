"""A check's numbers and facts in words: what text, page and figure have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from keras_inits.records import SEVERITIES, Diagnosis, Finding, LayerReading

__all__ = [
    "COLUMNS",
    "NAME_WIDTH",
    "Cell",
    "evidence_line",
    "facts_line",
    "headline",
    "number",
    "shown_layers",
    "shown_names",
]

#: Rows of a long model's table, those with findings apart.
MOST_ROWS = 40
#: The longest name of a layer, in characters.
NAME_WIDTH = 22

Cell = Callable[[LayerReading], str]


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


def _measured(name: str) -> Cell:
    return lambda reading: number(reading.measured.get(name))


def _predicted(name: str) -> Cell:
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
COLUMNS: tuple[tuple[str, Cell], ...] = (
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


def shown_names(diagnosis: Diagnosis, width: int = NAME_WIDTH) -> dict[str, str]:
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
