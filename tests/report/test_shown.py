"""What shows itself in a terminal, in text and in a notebook."""

import re

import pytest

from keras_inits.report.colours import DIM, SEVERITY_COLOURS
from keras_inits.report.shown import Shown

pytest.importorskip("rich")


def shown():
    from rich.text import Text

    text = Text("a   1\n")
    text.append("b  22", style="bold red").append(" !", style="yellow")
    return Shown(text.append(" -", style="cyan").append(" .", style="dim"))


def test_text_is_plain():
    assert str(shown()) == "a   1\nb  22 ! - ."


def test_a_notebook_keeps_columns_below_each_other():
    page = shown()._repr_html_()
    assert re.match(r'<pre style="white-space: pre; [^"]*monospace">a   1\n', page)
    assert page.endswith("</pre>")


def test_a_notebook_shows_colours_for_light_and_dark_pages():
    found = set(re.findall(r"[\" ]color: (#[0-9a-f]{6})", shown()._repr_html_()))
    assert found == {each.lower() for each in (DIM, *SEVERITY_COLOURS.values())}
