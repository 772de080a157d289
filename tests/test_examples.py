"""Every script of examples/ runs."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.backend
def test_the_circles_script_prints_a_line_a_scheme(capsys):
    runpy.run_path(str(EXAMPLES / "circles.py"))["main"](steps=100)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("train")[0].strip() for line in lines] == [
        "zeros",
        "large random",
        "he",
    ]
    assert "train 50.0%" in lines[0]
