"""The check before training as a record, as text and as HTML."""

import dataclasses
import json
import math
import re
import sys
import types

import pytest

from keras_inits.records import Diagnosis, Finding, LayerReading
from keras_inits.report.colours import GOOD, SEVERITY_COLOURS
from keras_inits.report.diagnosis import diagnosis_table, diagnosis_text
from keras_inits.report.diagnosis_words import (
    evidence_line,
    headline,
    number,
    shown_layers,
    shown_names,
)


def reading(at, rms=1.0, **measured):
    return LayerReading(
        f"model/block_{at // 10}/dense_{at}",
        "Dense",
        "relu",
        {"output_rms": rms, "gain": 0.707, "gradient_rms": 1e-5, **measured},
        {"output_rms": 1.0, "gradient_rms": 2e-5, "spread": 1.5},
    )


def finding(at=0, severity="severe", kind="vanishing", **evidence):
    return Finding(
        kind,
        severity,
        f"model/block_{at // 10}/dense_{at}",
        {"decades": 3.9, "layers": 30, **evidence},
        "The signal fades.",
        "keras.layers.Dense(\n    units=3,\n)",
    )


@pytest.fixture
def diagnosis():
    return Diagnosis(
        "model",
        tuple(reading(at, 0.7**at) for at in range(12)),
        (finding(3, also=["model/block_0/dense_4"]), finding(9, "warning", "fan")),
        {"samples": 64, "loss": 2.5, "loss of a guess": 2.303, "a guess is": "ln 10"},
        {"model/odd": "nothing is known of it"},
    )


# --- data ----------------------------------------------------------------------------


def test_the_record_comes_back_from_json(diagnosis):
    found = json.loads(json.dumps(diagnosis.to_dict()))
    assert found["layers"][2]["measured"]["output_rms"] == 0.7**2
    assert found["findings"][0]["evidence"]["also"] == ["model/block_0/dense_4"]
    assert found["facts"]["a guess is"] == "ln 10"


def test_numbers_that_json_lacks_are_none():
    found = Diagnosis("m", (reading(0, math.nan),), facts={"loss": math.inf}).to_dict()
    assert found["layers"][0]["measured"]["output_rms"] is None
    assert found["facts"]["loss"] is None


def test_severe_findings_are_picked(diagnosis):
    assert [found.kind for found in diagnosis.severe] == ["vanishing"]


def test_a_data_frame_has_a_row_a_layer_and_a_column_a_number(monkeypatch):
    rows = types.SimpleNamespace(DataFrame=list)
    monkeypatch.setitem(sys.modules, "pandas", rows)
    weights = {"kernel": 0.5, "bias": 0.25}
    (row,) = Diagnosis("m", (reading(0, weight_gradient_rms=weights),)).to_dataframe()
    assert row["output_rms"] == row["predicted_output_rms"] == 1.0
    assert row["weight_gradient_rms/bias"] == 0.25
    assert row["layer"] == "model/block_0/dense_0"


def test_a_data_frame_is_pandas_where_it_is(diagnosis):
    pandas = pytest.importorskip("pandas")
    frame = diagnosis.to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["output_rms"].tolist() == [0.7**at for at in range(12)]


def test_without_pandas_it_is_named(diagnosis, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install pandas; or take `to_dict\(\)`"):
        diagnosis.to_dataframe()


# --- text ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1.0"),
        (0.7071, "0.71"),
        (0.0123, "0.012"),
        (0.00123, "1.2e-3"),
        (0.999, "1.0"),
        (12.34, "12"),
        (1234.0, "1200"),
        (123456.0, "1.2e5"),
        (-3.14e-9, "-3.1e-9"),
        (math.nan, "nan"),
        (-math.inf, "inf"),
        (None, ""),
    ],
)
def test_numbers_are_short(value, text):
    assert number(value) == text


def test_the_headline_counts_what_was_found(diagnosis):
    assert headline(diagnosis) == "model: 1 severe finding, 1 warning"
    notes = dataclasses.replace(diagnosis, findings=(finding(severity="note"),) * 2)
    assert headline(notes) == "model: 2 notes"
    healthy = dataclasses.replace(diagnosis, findings=())
    assert "nothing found" in headline(healthy)
    forecast = Diagnosis("model", (LayerReading("a", "Dense"),))
    assert headline(forecast) == "model: by theory alone"


def test_names_lose_what_all_have_in_common(diagnosis):
    assert shown_names(diagnosis)["model/block_1/dense_10"] == "block_1/dense_10"
    long = Diagnosis("m", (LayerReading("a" * 50, "Dense"), LayerReading("b", "Dense")))
    names = shown_names(long)
    assert len(names["a" * 50]) == 22
    assert names["b"] == "b"


def test_text_tells_layers_findings_causes_and_cures(diagnosis):
    pytest.importorskip("rich")
    text = str(diagnosis)
    assert text.splitlines()[0] == "model: 1 severe finding, 1 warning"
    assert "64 samples, loss 2.50 (a guess: 2.30, ln 10)" in text
    row = next(line for line in text.splitlines() if "dense_3 " in line)
    assert row.split() == (
        ["x", "block_0/dense_3", "Dense", "0.34", "1.0", "0.71", "1.0e-5", "2.0e-5"]
    )
    assert "severe: vanishing at model/block_0/dense_3 and 1 more" in text
    assert "  The signal fades." in text
    assert "decades: 3.90; layers: 30" in text
    assert "    keras.layers.Dense(\n        units=3,\n    )" in text
    assert "model/odd: nothing is known of it" in text


def test_columns_without_numbers_are_left_out(diagnosis):
    pytest.importorskip("rich")
    assert "idle" not in str(diagnosis)
    dead = Diagnosis("m", (reading(0, dead=0.25), reading(1, saturated=0.5)))
    assert re.search(r"25%.*\n.*50%", str(dead))


@pytest.mark.parametrize("width", [80, 100])
def test_nothing_is_wider_than_asked(width):
    pytest.importorskip("rich")
    full = reading(0, 1e-9, dead=0.123, weight_std=1.2e-5, expected_weight_std=0.00123)
    long = dataclasses.replace(full, layer="encoder/" * 9, kind="BatchNormalization")
    other = dataclasses.replace(full, layer="decoder")
    wordy = dataclasses.replace(finding(), cause="It fades. " * 40)
    lines = diagnosis_text(Diagnosis("m", (long, other), (wordy,)), width).splitlines()
    assert max(map(len, lines)) <= width


def test_a_hundred_columns_cut_no_number_off():
    pytest.importorskip("rich")
    full = reading(0, 1.2e-9, dead=0.123, weight_std=1.3e-5, expected_weight_std=0.0014)
    long = dataclasses.replace(full, layer="encoder/" * 9, kind="BatchNormalization")
    text = str(Diagnosis("m", (long, dataclasses.replace(full, layer="x"))))
    row = next(line for line in text.splitlines() if "..." in line)
    assert row.split()[-8:] == (
        ["1.2e-9", "1.0", "0.71", "1.0e-5", "2.0e-5", "12%", "1.3e-5", "1.4e-3"]
    )


def test_a_mark_beside_a_long_name_cuts_no_number_off():
    pytest.importorskip("rich")
    full = reading(0, 1.2e-9, dead=0.123, weight_std=1.3e-5, expected_weight_std=0.0014)
    full = dataclasses.replace(full, kind="BatchNormalization")
    long = dataclasses.replace(full, layer="encoder/" * 9 + "dense")
    other = dataclasses.replace(full, layer="x")
    bad = dataclasses.replace(finding(), layer=long.layer)
    text = str(Diagnosis("m", (long, other), (bad,)))
    row = next(line for line in text.splitlines() if "..." in line)
    assert row.split()[-8:] == (
        ["1.2e-9", "1.0", "0.71", "1.0e-5", "2.0e-5", "12%", "1.3e-5", "1.4e-3"]
    )
    assert row.split()[1].endswith("/dense")


def test_evidence_without_a_value_is_left_out():
    lines = evidence_line(finding(input="", where="data", of=None))
    assert lines == "decades: 3.90; layers: 30; where: data"


def test_long_models_keep_their_ends_and_what_is_at_fault():
    layers = tuple(reading(at) for at in range(100))
    long = Diagnosis("m", layers, (finding(57),))
    shown = shown_layers(long, most=10)
    assert [item for item in shown if isinstance(item, int)] == [52, 37]
    assert layers[57] in shown
    assert len(shown) == 13
    assert sum(i if isinstance(i, int) else 1 for i in shown) == 100


def test_markup_in_names_is_text():
    pytest.importorskip("rich")
    odd = Diagnosis("[red]m", (LayerReading("[bold]a", "Dense", None, {"gain": 1}),))
    assert "[bold]a" in str(odd)
    assert "[red]m" in str(odd)


def test_without_rich_the_findings_are_told(diagnosis, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.text", None)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    text = str(diagnosis)
    assert "severe: vanishing at model/block_0/dense_3" in text
    assert "        units=3," in text
    with pytest.raises(ImportError, match="needs rich"):
        diagnosis_table(diagnosis)


# --- HTML ----------------------------------------------------------------------------


def test_html_holds_all_layers_and_findings(diagnosis):
    page = diagnosis._repr_html_()
    assert page.count("<tr") == 13
    assert "block_1/dense_11" in page
    assert "The signal fades." in page
    assert "nothing is known of it" in page


def test_html_is_well_formed_and_escaped():
    import xml.etree.ElementTree as Tree

    odd = LayerReading("<a>&", "Dense", None, {"gain": 1.0})
    bad = dataclasses.replace(finding(), layer="<a>&", cause='1 < 2 & "3"')
    page = Diagnosis("<m>", (odd,), (bad,))
    root = Tree.fromstring(page._repr_html_().replace("<br>", "<br/>"))
    assert "1 < 2 & " in "".join(root.itertext())


def test_html_keeps_the_heads_in_sight_and_the_numbers_in_a_line(diagnosis):
    page = diagnosis._repr_html_()
    assert re.search(r'<thead style="[^"]*position: sticky; top: 0', page)
    cells = re.findall(r'<td style="([^"]*)"', page)
    assert cells
    assert all("white-space: nowrap" in style for style in cells)


def test_html_colours_are_those_of_light_and_dark_pages(diagnosis):
    healthy = dataclasses.replace(diagnosis, findings=())
    for page in (diagnosis._repr_html_(), healthy._repr_html_()):
        colours = set(re.findall(r"#[0-9A-Fa-f]{6}", page))
        assert colours
        assert colours <= {GOOD, *SEVERITY_COLOURS.values()}


def test_html_has_room_for_longer_names_than_a_terminal():
    layers = (LayerReading("a" * 38, "Dense"), LayerReading("b", "Dense"))
    assert f">{'a' * 38}</td>" in Diagnosis("m", layers)._repr_html_()


def test_html_says_in_words_that_a_finding_is_of_the_whole_model():
    whole = dataclasses.replace(finding(), layer="", evidence={})
    page = Diagnosis("m", (reading(0),), (whole,))._repr_html_()
    assert "</span> at the model<br>The signal fades.<pre" in page


def test_html_names_the_others_where_the_mouse_rests(diagnosis):
    page = diagnosis._repr_html_()
    assert '<span title="model/block_0/dense_4">1 more</span>' in page
    assert 'title="share of dead units' not in page
    dead = Diagnosis("m", (reading(0, dead=0.25),))
    assert 'title="share of dead units' in dead._repr_html_()


def test_html_folds_a_long_list_of_untreated_layers(diagnosis):
    few = diagnosis._repr_html_()
    assert '<details open="open"' in few
    assert "1 layer was not treated" in few
    paths = {f"model/odd_{at}": "unknown" for at in range(6)}
    many = dataclasses.replace(diagnosis, untreated=paths)._repr_html_()
    assert "<details style" in many
    assert "6 layers were not treated" in many
