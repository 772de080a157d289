"""Every script of examples/ runs."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.backend
def test_a_swapped_initializer_survives_saving(capsys):
    runpy.run_path(str(EXAMPLES / "swap_and_save.py"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "initializer: HeNormal(seed=1)"
    assert lines[1].endswith("True")
    assert lines[2].endswith("True")
    assert lines[3].endswith("[0.30198276 0.04641978 0.01316596]")


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
