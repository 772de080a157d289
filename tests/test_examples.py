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
    assert lines[3].endswith("[-0.05452046 -0.24091122  0.14071186]")


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


@pytest.mark.backend
def test_the_fifty_layers_script_names_what_goes_wrong(capsys, tmp_path):
    script = runpy.run_path(str(EXAMPLES / "fifty_layers.py"))
    script["main"].__globals__["DEPTH"] = 14  # what takes long is compiling
    script["main"](str(tmp_path), epochs=2)
    said = capsys.readouterr().out
    vanishing, learning = said.index("vanishes:"), said.index("learns:")
    assert ": vanishing" in said[vanishing:learning]
    assert "nothing to complain of" in said[learning:]
    for name in ("vanishes", "explodes", "learns"):
        assert (tmp_path / name / "norms.png").stat().st_size > 10_000
        assert any((tmp_path / name / "norms").iterdir())
