"""The table of a monitored run, and its verdicts as text."""

import io
import re
import sys

import numpy as np
import pytest

from keras_inits.records import Verdict
from keras_inits.report.monitoring import (
    labels,
    short,
    sparkline,
    summary_table,
    verdict_line,
    verdict_markdown,
    verdicts_markdown,
)

VERDICTS = (
    Verdict(
        kind="stalled",
        severity="warning",
        layer="m/b",
        evidence={"update_ratio": 1.25e-9, "steps": 40},
        cause="Updates are tiny.",
        cure="optimizer.learning_rate = 0.1",
        step=1200,
    ),
    Verdict("exploding", "severe", "m/b", {}, "It grows.", "a = 1\nb = 2", 30),
    Verdict("loss-scale", "note", "", {}, "It overflows.", "pass", 7),
)


def arrays(**changes):
    """Three layers over 20 steps; any quantity can differ, None leaves it out."""
    steps = np.arange(1, 21)
    shape = (20, 3)
    found = {
        "step": steps,
        "path": np.array(["m/a", "m/b", "m/c"]),
        "gradient_norm": np.geomspace(1e-6, 1e-2, 60).reshape(shape),
        "weight_norm": np.full(shape, 2.0),
        "update_ratio": np.full(shape, 1e-3),
    } | changes
    return {name: array for name, array in found.items() if array is not None}


def text_of(group, width=80):
    make = pytest.importorskip("rich.console").Console
    console = make(width=width, file=io.StringIO())
    console.print(group)
    return console.file.getvalue()


def row_of(text, layer):
    rows = [line.split() for line in text.splitlines()]
    (row,) = [row for row in rows if len(row) > 3 and row[1] == layer]
    return row


def test_a_row_has_the_first_and_the_last_numbers():
    table = arrays()
    norms = table["gradient_norm"][:, 1]
    row = row_of(text_of(summary_table(table)), "b")
    assert row[:3] == ["2", "b", short(norms[0])]
    assert row[3] == sparkline(norms, (-6.0, -2.0))
    assert row[4:] == [short(norms[-1]), "2", "0.001"]


def test_steps_that_measured_nothing_are_passed_over():
    norms = np.full((20, 3), np.nan)
    norms[3], norms[9] = 0.5, 0.25
    row = row_of(text_of(summary_table(arrays(gradient_norm=norms))), "a")
    assert (row[2], row[-3]) == ("0.5", "0.25")


def test_what_was_not_measured_has_no_column():
    text = text_of(summary_table(arrays(update_ratio=None)))
    assert "update" not in text
    assert "weight" in text


def test_the_worst_verdict_stands_beside_its_layer_and_all_stand_below():
    text = text_of(summary_table(arrays(), VERDICTS), width=100)
    assert row_of(text, "b")[-1] == "exploding"
    lines = [line.strip() for line in text.splitlines()]
    order = ["severe:", "warning:", "note:"]
    places = [
        next(at for at, line in enumerate(lines) if line.startswith(each))
        for each in order
    ]
    assert places == sorted(places)
    assert "optimizer.learning_rate = 0.1" in lines


def test_eighty_columns_cut_nothing_off():
    paths = np.array([f"model/encoder_block_{n}/attention/dense_{n}" for n in range(3)])
    text = text_of(summary_table(arrays(path=paths), VERDICTS))
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_markup_in_a_name_is_shown_as_it_is():
    paths = np.array(["m/[red]", "m/b", "m/c"])
    assert "[red]" in text_of(summary_table(arrays(path=paths)))


def test_the_title_says_which_steps_there_are():
    assert "20 measured steps, from 1 to 20" in text_of(summary_table(arrays()))
    assert "my run" in text_of(summary_table(arrays(), title="my run"))


def test_an_empty_run_is_said_to_be_empty():
    empty = arrays(step=np.array([], int), gradient_norm=np.empty((0, 3)))
    assert "Nothing was measured" in text_of(summary_table(empty))


def test_without_rich_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.box", None)
    with pytest.raises(ImportError, match=r"needs rich"):
        summary_table(arrays())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.25, "0.25"),
        (1234.5, "1.23e+03"),
        (1e-30, "1.0e-30"),
        (1e30, "1.0e+30"),
        (np.inf, "inf"),
        (np.nan, "-"),
    ],
)
def test_a_number_is_short(value, text):
    assert short(value) == text


def test_a_sparkline_is_logarithmic():
    assert (
        sparkline(np.array([1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3])) == "▁▂▃▄▅▆▇█"
    )


def test_a_sparkline_ends_with_the_last_value():
    values = np.ones(1000)
    values[-1] = np.inf
    assert sparkline(values, width=10)[-1] == "!"
    assert len(sparkline(values, width=10)) == 10


def test_labels_leave_out_what_all_share_and_nothing_more():
    assert labels(["m/enc/a", "m/enc/b"]) == ["a", "b"]
    assert labels(["m/enc/a", "m/encoder/a"]) == ["enc/a", "encoder/a"]
    assert labels(["m/a"]) == ["a"]
    assert labels(["a", "a/b"]) == ["a", "a/b"]
    assert labels([]) == []


def test_a_verdict_is_a_line():
    assert verdict_line(VERDICTS[0]) == (
        "warning: stalled, m/b, step 1,200 (update_ratio=1.25e-09, steps=40). "
        "Updates are tiny."
    )
    assert "the whole model" in verdict_line(VERDICTS[2])


def test_markdown_has_evidence_and_cure():
    text = verdict_markdown(VERDICTS[0])
    assert "| update_ratio | 1.25e-09 |" in text
    assert "```python\noptimizer.learning_rate = 0.1\n```" in text


def test_markdown_tells_the_cure_before_the_numbers():
    text = verdict_markdown(VERDICTS[0])
    assert text.index("optimizer.learning_rate") < text.index("| update_ratio |")
    # A table after a block of code needs an empty line, or it is shown as text.
    assert "```\n\n| measured | |\n" in text


def test_a_long_cure_keeps_its_distance_from_the_margin():
    cure = "layer = keras.layers.Dense(64, " + "argument=1, " * 8 + ")"
    long = Verdict("dead", "note", "m/a", {}, "It is dead.", cure, 7)
    lines = text_of(summary_table(arrays(), (long,))).splitlines()
    start = next(at for at, line in enumerate(lines) if "layer = " in line)
    assert len(lines) > start + 1
    assert all(re.match(r"    \S", line) for line in lines[start:])


def test_the_list_of_verdicts_keeps_their_order():
    lines = verdicts_markdown(VERDICTS).splitlines()
    assert [line.split("**")[1] for line in lines] == [
        "stalled",
        "exploding",
        "loss-scale",
    ]
