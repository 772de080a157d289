"""The figures of a monitored run: what is drawn, where, and what is said in words."""

import struct
import sys

import numpy as np
import pytest

from keras_inits.records import Verdict
from keras_inits.report.monitoring_figures import (
    heatmap_figure,
    monitoring_figure,
    png_of,
)

pytest.importorskip("matplotlib")


def verdict(kind, layer, step):
    return Verdict(kind, "severe", layer, {}, "", "", step)


def arrays(layers=3, steps=(1, 2, 3, 5, 9, 17), **changes):
    shape = (len(steps), layers)
    return {
        "step": np.array(steps),
        "path": np.array([f"m/dense_{n}" for n in range(layers)]),
        "gradient_norm": np.geomspace(1e-6, 1e-2, shape[0] * layers).reshape(shape),
        "weight_norm": np.linspace(1.0, 3.0, shape[0] * layers).reshape(shape),
        "update_ratio": np.full(shape, 1e-3),
    } | changes


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def meshes(axes):
    from matplotlib.collections import QuadMesh

    return [each for each in axes.collections if isinstance(each, QuadMesh)]


def test_a_heatmap_has_the_first_layer_at_the_top():
    axes = heatmap_figure(arrays(), quantities=["gradient_norm"]).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [
        "1 dense_0",
        "2 dense_1",
        "3 dense_2",
    ]
    bottom, top = axes.get_ylim()
    assert bottom > top
    (mesh,) = meshes(axes)
    drawn = np.asarray(mesh.get_array()).reshape(3, 6)
    np.testing.assert_array_equal(drawn, arrays()["gradient_norm"].T)


def test_steps_lie_where_they_were_measured():
    axes = heatmap_figure(arrays(), quantities=["gradient_norm"]).axes[0]
    edges = meshes(axes)[0].get_coordinates()[0, :, 0]
    assert edges.tolist() == [0.5, 1.5, 2.5, 4.0, 7.0, 13.0, 21.0]


@pytest.mark.parametrize(
    ("value", "word"),
    [(0.0, "exactly 0"), (np.inf, "not finite"), (np.nan, "not measured")],
)
def test_what_no_colour_can_say_is_said_in_words(value, word):
    norms = arrays()["gradient_norm"]
    norms[2, 1] = value
    figure = heatmap_figure(arrays(gradient_norm=norms), quantities=["gradient_norm"])
    assert legend_of(figure) == [word]
    mask = np.ma.getmaskarray(meshes(figure.axes[0])[0].get_array())
    assert mask.reshape(3, 6).nonzero() == (1, 2)


def test_a_healthy_heatmap_needs_no_legend():
    assert heatmap_figure(arrays(), quantities=["gradient_norm"]).legends == []


def test_verdicts_are_marked_at_their_layer_and_step():
    found = [verdict("vanishing", "m/dense_1", 9), verdict("dead", "elsewhere", 2)]
    figure = heatmap_figure(arrays(), found, ["gradient_norm"])
    marks = figure.axes[0].collections[-1].get_offsets()
    assert marks.tolist() == [[9.0, 1.0]]
    assert legend_of(figure) == ["verdict: vanishing"]


def test_colours_span_no_more_than_twelve_decades():
    norms = np.geomspace(1e-40, 1.0, 18).reshape(6, 3)
    axes = heatmap_figure(arrays(gradient_norm=norms)).axes[0]
    norm = meshes(axes)[0].norm
    assert (norm.vmin, norm.vmax) == pytest.approx((1e-12, 1.0))


@pytest.mark.parametrize(("least", "pointed"), [(1e-40, "min"), (1e-9, "neither")])
def test_the_bar_is_pointed_where_less_than_its_least_is_shown(least, pointed):
    norms = np.geomspace(least, 1.0, 18).reshape(6, 3)
    figure = heatmap_figure(arrays(gradient_norm=norms), quantities=["gradient_norm"])
    (mesh,) = meshes(figure.axes[0])
    assert mesh.colorbar.extend == pointed


@pytest.mark.parametrize("width", [5.2, 9.0])
def test_a_heatmap_is_as_wide_as_asked_and_no_tower(width):
    one = ["gradient_norm"]
    figure = heatmap_figure(arrays(layers=200), quantities=one, width=width)
    assert figure.get_figwidth() == width
    assert figure.get_figheight() <= width


def test_noise_is_not_spread_over_all_colours():
    norms = 1.0 + 1e-6 * np.arange(18.0).reshape(6, 3)
    norm = meshes(heatmap_figure(arrays(gradient_norm=norms)).axes[0])[0].norm
    assert norm.vmax / norm.vmin == pytest.approx(1.5)


def test_names_of_many_layers_do_not_overlap():
    axes = heatmap_figure(arrays(layers=200), quantities=["gradient_norm"]).axes[0]
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert 10 < len(names) <= 30
    assert names[0] == "1 dense_0"


def test_curves_leave_gaps_where_there_is_no_number():
    norms = arrays()["gradient_norm"]
    norms[1, 0], norms[2, 0], norms[3, 0] = 0.0, np.inf, np.nan
    figure = monitoring_figure(arrays(gradient_norm=norms))
    line = figure.axes[0].lines[0].get_ydata()
    assert np.isnan(line).tolist() == [False, True, True, True, False, False]
    assert figure.axes[0].get_yscale() == "log"


def test_the_figure_has_curves_and_a_heatmap_of_each_quantity():
    figure = monitoring_figure(arrays(), title="my run")
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == [
        "gradient norm",
        "gradient norm, layer by step",
        "update / weight",
        "update / weight, layer by step",
        "weight norm",
        "weight norm, layer by step",
    ]
    assert figure.get_suptitle() == "my run"
    assert legend_of(figure) == ["1 dense_0", "2 dense_1", "3 dense_2"]


def test_of_many_layers_the_legend_names_the_first_and_the_last():
    figure = monitoring_figure(arrays(layers=30))
    assert legend_of(figure) == ["1 dense_0 (first)", "30 dense_29 (last)"]


def test_a_single_step_is_drawn_as_points():
    figure = monitoring_figure(arrays(steps=(4,)))
    assert figure.axes[0].lines[0].get_marker() == "o"
    assert figure.axes[0].get_xticks().tolist() == [4]


def test_a_run_of_zeros_is_said_in_words():
    figure = monitoring_figure(arrays(gradient_norm=np.zeros((6, 3))))
    assert figure.axes[0].texts[0].get_text() == "no finite number above 0"


@pytest.mark.parametrize("layers", [1, 3, 200])
def test_the_png_is_a_picture_of_readable_size(layers):
    png = png_of(heatmap_figure(arrays(layers=layers)))
    width, height = struct.unpack(">II", png[16:24])
    assert 800 <= width <= 1500
    assert 400 <= height <= 2500


def test_figures_leave_pyplot_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    png_of(monitoring_figure(arrays()))


def test_nothing_measured_is_an_error_that_says_so():
    empty = arrays(steps=())
    with pytest.raises(ValueError, match=r"no step was measured. Received: steps=0"):
        monitoring_figure(empty)


def test_a_quantity_that_was_not_measured_is_an_error_that_names_those_that_were():
    with pytest.raises(
        ValueError, match=r"quantities=\['zero_share'\]. Measured were g"
    ):
        heatmap_figure(arrays(), quantities=["zero_share"])


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"needs matplotlib"):
        heatmap_figure(arrays())
