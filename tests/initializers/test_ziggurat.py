"""The ziggurat's normals are normal, out into the tail."""

import math

import numpy as np
import pytest
from scipy import stats

from keras_inits.initializers import laws
from tests.initializers.tools import draw

COUNT = 4_000_000


@pytest.fixture(params=["float32", "float64"], scope="module")
def normals(request):
    values = draw(laws.Normal(0.0, 1.0), (COUNT,), request.param, seed=11)
    assert values.dtype.name == request.param
    return values.astype(float)


def test_draws_follow_the_normal_law(normals):
    assert stats.kstest(normals, stats.norm.cdf).pvalue > 1e-4


@pytest.mark.parametrize(
    ("moment", "expected"), [(1, 0), (2, 1), (3, 0), (4, 3), (6, 15)]
)
def test_moment_is_within_its_error(normals, moment, expected):
    powers = normals**moment
    assert abs(powers.mean() - expected) < 5 * powers.std() / math.sqrt(COUNT)


# 3.6541528853610088 is where the lowest layer ends and the tail begins.
@pytest.mark.parametrize("edge", [0.1, 1.0, 2.5, 3.6, 3.6541528853610088, 4.0, 4.5])
@pytest.mark.parametrize("side", [-1, 1])
def test_mass_beyond_is_within_its_error(normals, edge, side):
    beyond = np.count_nonzero(side * normals > edge)
    expected = COUNT * stats.norm.sf(edge)
    assert abs(beyond - expected) < 5 * math.sqrt(expected)


def test_tail_follows_its_own_law(normals):
    edge = 3.6541528853610088
    tail = np.abs(normals[np.abs(normals) > edge])
    assert tail.size > 900
    assert tail.max() > 4.8
    assert stats.kstest(tail, stats.truncnorm(edge, math.inf).cdf).pvalue > 1e-4


def test_every_layer_is_filled_evenly(normals):
    # Against the law's own cells of equal mass, fine enough to show single layers.
    cells = np.bincount((stats.norm.cdf(normals) * 1000).astype(int), minlength=1000)
    assert stats.chisquare(cells).pvalue > 1e-4


def test_signs_and_neighbours_are_independent(normals):
    signs = np.sign(normals)
    error = 1 / math.sqrt(COUNT)
    assert abs(signs.mean()) < 5 * error
    assert abs(np.mean(signs[1:] * signs[:-1])) < 5 * error
    assert abs(np.corrcoef(signs, np.abs(normals))[0, 1]) < 5 * error


def test_float32_is_drawn_on_a_fine_grid():
    values = draw(laws.Normal(0.0, 1.0), (1_000_000,), "float32")
    # 2^23 steps in each of 512 half layers: repeats are rare, as birthdays go.
    assert np.unique(values).size > 0.9 * values.size
