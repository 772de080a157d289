"""Something to look at, in a terminal, in text and in a notebook."""

from __future__ import annotations

import io
from typing import Any

from keras_inits.records import SEVERITIES
from keras_inits.report.colours import DIM, GOOD, SEVERITY_COLOURS
from keras_inits.report.extras import require

__all__ = ["Shown"]

# A notebook sets text in a proportional font, and its spaces as one, unless told.
_PRE = (
    "white-space: pre; overflow-x: auto; line-height: 1.25; margin: 0; "
    "font-family: Menlo, Consolas, 'DejaVu Sans Mono', monospace"
)


class Shown:
    """A rich renderable that also prints and shows itself.

    Args:
        renderable: What rich can draw; `rich.print` of this object draws it in colour.
        width: Of the text, in characters.
    """

    def __init__(self, renderable: Any, width: int = 80) -> None:
        self._renderable = renderable
        self._width = width

    def __rich__(self) -> Any:
        """What rich draws in the place of this."""
        return self._renderable

    def __str__(self) -> str:
        """Plain text, without colours."""
        text = io.StringIO()
        self._draw(text)
        return text.getvalue().rstrip()

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        console = self._draw(io.StringIO())
        return str(
            console.export_html(
                theme=_theme(),
                inline_styles=True,
                code_format=f'<pre style="{_PRE}">{{code}}</pre>',
            )
        )

    def _draw(self, file: Any) -> Any:
        console = require("rich.console").Console(
            file=file, width=self._width, record=True, color_system=None
        )
        console.print(self._renderable)
        return console


def _theme() -> Any:
    """The terminal's colours, as they can be read on white and on black."""
    severe, warning, note = (_rgb(SEVERITY_COLOURS[name]) for name in SEVERITIES)
    good, dim = _rgb(GOOD), _rgb(DIM)
    # Black, red, green, yellow, blue, magenta, cyan, white.
    normal = [dim, severe, good, warning, note, severe, note, dim]
    terminal = require("rich.terminal_theme").TerminalTheme
    # Dim text is half way between the two: neither is drawn by itself.
    black, twice = (0, 0, 0), tuple(2 * part for part in dim)
    return terminal(twice, black, normal, normal)


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))
