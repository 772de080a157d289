"""Tailored slopes, against the authors' and wide networks."""

import math

import numpy as np
import pytest

from keras_inits.theory import correlation_map, iterates, tailored_slope


def residual_network(layer):
    """Four groups of blocks; each block adds .36 of the skip to .64 of its branch."""
    c = 0.0
    for blocks in (3, 4, 23, 3):
        for block in range(blocks):
            skip = c if block else layer(c)
            c = 0.36 * skip + 0.64 * layer(layer(layer(c)))
    return layer(c)


def test_slope_of_a_residual_network_is_the_published_one():
    # Zhang et al. (2022), from the tests of their library.
    slope = tailored_slope(residual_network, 0.75)
    assert slope == pytest.approx(0.6291800290346146, abs=1e-6)
    assert math.sqrt(2 / (1 + slope**2)) == pytest.approx(1.196996549778802, abs=1e-6)


@pytest.mark.parametrize(("depth", "target"), [(10, 0.5), (50, 0.9), (200, 0.3)])
def test_orthogonal_inputs_end_with_the_correlation(depth, target):
    slope = tailored_slope(depth, target)

    def leaky(x):
        return np.where(x > 0, x, slope * x)

    mapping = correlation_map(leaky, 2 / (1 + slope**2), variance=1.0)
    assert iterates(mapping, 0.0, depth)[-1] == pytest.approx(target, abs=1e-8)


def test_deeper_networks_need_a_slope_nearer_to_1():
    slopes = [tailored_slope(depth) for depth in (30, 100, 1000)]
    assert slopes == sorted(slopes)
    assert slopes[0] > 0
    assert slopes[-1] < 1


def test_shallow_networks_need_none():
    message = r"Even with ReLU .* Received: correlation=0\.9, where ReLU's is 0\.31"
    with pytest.raises(ValueError, match=message):
        tailored_slope(1, 0.9)


@pytest.mark.parametrize("correlation", [0.0, 1.0, -0.5, 2.0])
def test_correlation_must_lie_between_0_and_1(correlation):
    message = "`correlation` must lie between 0 and 1. Received: correlation="
    with pytest.raises(ValueError, match=message):
        tailored_slope(50, correlation)


def test_network_must_be_a_depth_or_a_function():
    with pytest.raises(TypeError, match=r"`network` must be an integer\. Received"):
        tailored_slope("deep")
