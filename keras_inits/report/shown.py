"""Something to look at, in a terminal, in text and in a notebook."""

from __future__ import annotations

import io
from typing import Any

from keras_inits.report.extras import require

__all__ = ["Shown"]


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
        return str(console.export_html(inline_styles=True, code_format="{code}"))

    def _draw(self, file: Any) -> Any:
        console = require("rich.console").Console(
            file=file, width=self._width, record=True, color_system=None
        )
        console.print(self._renderable)
        return console
