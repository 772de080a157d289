"""The figure of the check before training: what is drawn, and where."""

import dataclasses
import sys

import numpy as np
import pytest

from keras_inits.records import Diagnosis, Finding, LayerReading

pytest.importorskip("matplotlib")


def layer(at, rms, gradient=1e-3):
    return LayerReading(
        f"net/dense_{at}",
        "Dense",
        "relu",
        {"output_rms": rms, "gradient_rms": gradient},
        {"output_rms": 1.0, "spread": 2.0, "gradient_rms": 1e-3},
    )


@pytest.fixture
def diagnosis():
    bad = Finding("vanishing", "severe", "net/dense_4", {}, "It fades.", "pass")
    return Diagnosis("net", tuple(layer(at, 0.5**at) for at in range(6)), (bad,))


def line(axes, label):
    (found,) = [one for one in axes.lines if one.get_label() == label]
    return found


def test_measured_and_theory_are_drawn_by_depth(diagnosis):
    signal, gradient = diagnosis.plot().axes
    np.testing.assert_allclose(line(signal, "measured").get_ydata(), 0.5 ** np.r_[:6])
    assert set(line(signal, "theory").get_ydata()) == {1.0}
    assert set(line(gradient, "measured").get_ydata()) == {1e-3}
    assert signal.get_yscale() == gradient.get_yscale() == "log"


def test_the_band_is_as_wide_as_chance(diagnosis):
    signal = diagnosis.plot().axes[0]
    (band,) = signal.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0.5, 2.0)


def test_findings_are_marked_at_their_layers(diagnosis):
    signal = diagnosis.plot().axes[0]
    (text,) = [text for text in signal.texts if text.get_text() == "vanishing"]
    assert text.xy[0] == 4


def test_names_stand_under_the_layers_of_a_short_model(diagnosis):
    figure = diagnosis.plot()
    assert [text.get_text() for text in figure.axes[1].get_xticklabels()] == [
        f"dense_{at}" for at in range(6)
    ]
    long = Diagnosis("net", tuple(layer(at, 1.0) for at in range(100)))
    assert "order the data takes" in long.plot().axes[1].get_xlabel()


def test_names_lie_flat_where_there_is_room_and_are_turned_where_not(diagnosis):
    def turned(found):
        return {
            label.get_rotation() for label in found.plot().axes[1].get_xticklabels()
        }

    assert turned(diagnosis) == {0.0}
    many = tuple(layer(at, 1.0) for at in range(30))
    assert turned(dataclasses.replace(diagnosis, layers=many)) == {60.0}


def test_of_a_long_model_some_layers_are_named_at_their_places(diagnosis):
    many = tuple(layer(at, 1.0) for at in range(100))
    axes = dataclasses.replace(diagnosis, layers=many).plot().axes[1]
    names = {
        tick: text.get_text()
        for tick, text in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
    }
    assert names == {at: f"dense_{at}" for at in range(0, 100, 3)}
    assert "one in 3 is named" in axes.get_xlabel()


def test_kinds_of_findings_are_raised_only_where_they_would_overlap(diagnosis):
    many = tuple(layer(at, 1.0) for at in range(30))
    bad = [
        Finding(f"kind_{at}", "severe", f"net/dense_{at}", {}, "", "")
        for at in (0, 2, 20, 29)
    ]
    figure = dataclasses.replace(diagnosis, layers=many, findings=tuple(bad)).plot()
    heights = [text.get_position()[1] for text in figure.axes[0].texts]
    assert heights[0] < heights[1]
    assert heights[0] == heights[2] == heights[3]


def test_exact_zeros_are_marked_and_not_lost(diagnosis):
    zero = dataclasses.replace(
        diagnosis, layers=(layer(0, 1.0), layer(1, 0.0), layer(2, 1.0))
    )
    signal = zero.plot().axes[0]
    assert list(line(signal, "exactly 0").get_xdata()) == [1]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_smallest_models_are_drawn(count, tmp_path):
    small = Diagnosis("net", tuple(layer(at, 1.0) for at in range(count)))
    small.plot().savefig(tmp_path / "small.png")
    assert (tmp_path / "small.png").stat().st_size > 1000


def test_a_forecast_is_drawn_without_measurements(diagnosis):
    layers = tuple(dataclasses.replace(one, measured={}) for one in diagnosis.layers)
    signal = Diagnosis("net", layers).plot().axes[0]
    assert [one.get_label() for one in signal.lines] == ["theory"]


def test_pyplot_is_left_alone(diagnosis, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    diagnosis.plot().savefig(tmp_path / "figure.png")


def test_without_matplotlib_it_is_named(diagnosis, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="needs matplotlib"):
        diagnosis.plot()
