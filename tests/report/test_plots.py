"""The figures: what is drawn, what is said, and that the files are pictures."""

import sys

import numpy as np
import pytest

from keras_inits.report import plots

pytest.importorskip("matplotlib")


def texts(axes):
    return " ".join(text.get_text() for text in axes.texts)


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_every_figure_is_written_as_a_readable_picture(comparison, tmp_path):
    from matplotlib.image import imread

    paths = plots.write_figures(comparison, tmp_path)
    assert [path.name for path in paths] == ["costs.png", "boundaries.png", "norms.png"]
    for path in paths:
        pixels = imread(path)[..., :3]
        assert pixels.shape[0] > 400
        assert pixels.shape[1] > 800
        assert pixels.std() > 0.05  # no blank page


def test_figures_leave_pyplot_alone(comparison, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    plots.write_figures(comparison, tmp_path)


def test_every_runs_cost_is_drawn_and_the_shown_ones_are_named(comparison):
    figure = plots.costs_figure(comparison)
    (axes,) = figure.axes
    drawn = [tuple(line.get_ydata()) for line in axes.lines]
    assert all(run.history.cost in drawn for run in comparison.runs)
    assert legend_of(figure) == [
        "zeros (published draw)",
        "he (published draw)",
        "a coin (ln 2)",
        "other draws",
    ]
    assert axes.get_yscale() == "log"


def test_draws_of_one_scheme_share_its_colour(comparison):
    (axes,) = plots.costs_figure(comparison).axes
    zeros, *he = [line.get_color() for line in axes.lines[:4]]
    assert len(set(he)) == 1
    assert zeros != he[0]


def test_boundary_panels_are_titled_with_their_accuracies(comparison):
    figure = plots.boundaries_figure(comparison)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:2] == [
        "zeros, published draw\ntrain 50.0%, test 50.0%",
        "he, published draw\ntrain 100.0%, test 100.0%",
    ]


def test_boundary_panels_show_every_point_in_the_colour_of_its_class(comparison):
    from matplotlib.collections import PathCollection

    axes = plots.boundaries_figure(comparison).axes[1]
    scattered = [
        group for group in axes.collections if isinstance(group, PathCollection)
    ]
    assert len(scattered) == 4
    first, second = (np.asarray(group.get_offsets()) for group in scattered[:2])
    np.testing.assert_array_equal(first, [[0.0, 1.0], [-1.0, 0.2]])
    np.testing.assert_array_equal(second, [[1.0, 0.0], [0.5, 0.5]])


def test_a_network_that_answers_the_same_everywhere_is_said_to(comparison):
    dead, alive = plots.boundaries_figure(comparison).axes[:2]
    assert texts(dead) == "P = 0.50\neverywhere"
    assert texts(alive) == ""


def test_four_schemes_take_two_rows_of_panels(make_comparison, make_run):
    runs = [make_run(scheme=name) for name in "abcd"]
    figure = plots.boundaries_figure(make_comparison(*runs))
    assert len(figure.axes) == 4 + 1  # and the bar of probabilities


def test_norms_of_exactly_zero_are_said_and_not_drawn(comparison):
    dead, alive = plots.norms_figure(comparison).axes[:2]
    assert len(dead.lines) == 0
    assert texts(dead) == "every layer:\nexactly 0 at every step"
    assert len(alive.lines) == 3
    assert texts(alive) == ""


def test_a_single_dead_layer_is_named(make_comparison, make_run):
    norms = {"hidden_1": (0.0, 0.0, 0.0), "output": (0.1, 0.0, 0.2)}
    axes = plots.norms_figure(make_comparison(make_run(gradient_norm=norms))).axes[0]
    assert texts(axes) == "hidden_1:\nexactly 0 at every step"
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [0.1, np.nan, 0.2])


def test_without_matplotlib_the_error_names_the_extra(comparison, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.layout_engine", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'keras_inits\[demo\]'"):
        plots.costs_figure(comparison)
