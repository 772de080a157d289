"""The terminal tables, as text."""

import math
import sys

import pytest

from keras_inits.report.tables import draws_table, published_table


def text_of(table, width=80):
    console = pytest.importorskip("rich.console").Console(width=width)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def row_of(text, scheme):
    """The cells of the first line that begins with the scheme."""
    lines = (line.split() for line in text.splitlines())
    return next(cells for cells in lines if cells and cells[0] == scheme)


def test_published_rows_stand_beside_what_the_source_prints(comparison):
    text = text_of(published_table(comparison))
    assert row_of(text, "he") == ["he", "99%", "100.0%", "100.0%", "0.100"]
    assert row_of(text, "zeros") == ["zeros", "50%", "50.0%", "50.0%", "0.693"]
    assert "symmetry is never broken" in text
    assert "separates the circles" in text


def test_an_accuracy_that_the_source_does_not_print_is_a_dash(
    make_comparison, make_run
):
    text = text_of(published_table(make_comparison(make_run(published_accuracy=None))))
    assert row_of(text, "he")[1] == "-"


def test_draws_are_summed_up_as_medians_and_ranges(make_comparison, make_run):
    draws = [
        make_run(
            published=False,
            seed=seed,
            train_accuracy=accuracy,
            test_accuracy=accuracy - 0.1,
            cost=(1.0, 0.5, cost),
        )
        for seed, (accuracy, cost) in enumerate([(0.9, 0.3), (0.6, 0.7), (0.8, 0.2)])
    ]
    text = text_of(draws_table(make_comparison(make_run(), *draws)))
    assert row_of(text, "he") == (
        ["he", "3", "80.0%", "60-90%", "70.0%", "50-80%", "0.300", "0.200-0.700"]
    )


def test_the_published_draw_is_no_part_of_the_draws(comparison):
    text = text_of(draws_table(comparison))
    assert row_of(text, "he")[1] == "2"
    assert "zeros" not in text


def test_a_scheme_that_draws_nothing_has_no_range(make_comparison, make_run):
    run = make_run(published=False, seed=None)
    text = text_of(draws_table(make_comparison(run)))
    assert row_of(text, "he") == ["he", "-", "100.0%", "100.0%", "0.100"]


def test_a_cost_that_is_no_number_is_said(make_comparison, make_run):
    runs = [
        make_run(published=False, seed=seed, cost=(1.0, cost, cost))
        for seed, cost in enumerate([0.5, math.nan])
    ]
    assert "not finite" in text_of(draws_table(make_comparison(*runs)), width=120)


def test_a_comparison_prints_and_shows_the_tables_that_have_rows(
    comparison, make_comparison, make_run
):
    both = str(comparison)
    assert "The published draw" in both
    assert "What to expect" in both
    one = make_comparison(make_run())
    assert "What to expect" not in str(one)
    assert "<pre" in one._repr_html_()
    assert "The published draw" in one._repr_html_()


@pytest.mark.parametrize("table", [published_table, draws_table])
def test_eighty_columns_cut_nothing_off(make_comparison, make_run, table):
    runs = [
        make_run(scheme="large random", published=seed is None, seed=seed)
        for seed in (None, *range(100))
    ]
    text = text_of(table(make_comparison(*runs)))
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_without_rich_the_error_names_the_extra(comparison, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.box", None)
    with pytest.raises(ImportError, match=r"pip install 'keras_inits\[demo\]'"):
        published_table(comparison)
