"""Schemes by name."""

import keras
import numpy as np
import pytest

import keras_inits.initializers
from keras_inits.experiments.schemes import PUBLISHED, find_schemes


def draw(scheme, seed):
    return keras.ops.convert_to_numpy(scheme.make(seed)((40, 30), dtype="float32"))


@pytest.mark.parametrize("name", ["he_normal", "HeNormal", "HENORMAL", "he-normal"])
def test_a_class_is_found_however_its_name_is_written(name):
    (scheme,) = find_schemes([name])
    expected = keras_inits.initializers.HeNormal(seed=4)((40, 30), dtype="float32")
    np.testing.assert_array_equal(draw(scheme, 4), keras.ops.convert_to_numpy(expected))


@pytest.mark.parametrize("name", ["large_random", "large random", "LargeRandom"])
def test_large_random_has_stddev_ten(name):
    (scheme,) = find_schemes([name])
    assert draw(scheme, 0).std() == pytest.approx(10.0, rel=0.1)


def test_a_scheme_named_twice_is_there_once_and_the_order_is_kept():
    found = find_schemes(["he", "zeros", "HE", "Orthogonal", "orthogonal"])
    assert [scheme.label for scheme in found] == ["he", "zeros", "Orthogonal"]


def test_two_seeds_of_a_scheme_differ_and_one_seed_repeats():
    (scheme,) = find_schemes(["glorot_uniform"])
    assert np.array_equal(draw(scheme, 1), draw(scheme, 1))
    assert not np.array_equal(draw(scheme, 1), draw(scheme, 2))


@pytest.mark.parametrize(("name", "draws"), [("Ones", False), ("Orthogonal", True)])
def test_a_scheme_draws_where_its_class_takes_a_seed(name, draws):
    assert find_schemes([name])[0].draws is draws


def test_only_the_schemes_of_the_source_have_a_published_draw():
    assert [scheme.label for scheme in PUBLISHED if scheme.published] == [
        "zeros",
        "large random",
        "he",
    ]
    assert find_schemes(["he_normal"])[0].published is None


@pytest.mark.parametrize("name", ["henormall", "", "compute_fans", "Initializer"])
def test_an_unknown_name_gives_the_names_there_are(name):
    with pytest.raises(ValueError, match="no initialization scheme") as error:
        find_schemes(["he", name])
    assert f"Received: scheme={name!r}" in str(error.value)
    assert "zeros, large_random, he, " in str(error.value)
    assert "Orthogonal" in str(error.value)


def test_a_class_that_needs_arguments_is_refused_with_their_names(monkeypatch):
    class Needy(keras.initializers.Initializer):
        def __init__(self, depth, seed=None):
            pass

    monkeypatch.setattr(keras_inits.initializers, "Needy", Needy, raising=False)
    monkeypatch.setattr(keras_inits.initializers, "__all__", ["Needy"])
    with pytest.raises(ValueError, match="needs values for depth"):
        find_schemes(["needy"])
