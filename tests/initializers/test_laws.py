"""Laws against SciPy's, with parameters that no scheme uses too."""

import math

import numpy as np
import pytest
from scipy import stats

from keras_inits.initializers import laws
from tests.initializers.tools import draw

COUNT = 300_000
INF = math.inf
LAWS = {
    "normal": (laws.Normal(3.0, 0.1), stats.norm(3, 0.1)),
    "uniform": (laws.Uniform(-2.0, 5.0), stats.uniform(-2, 7)),
    "uniform about zero": (laws.Uniform(-0.3, 0.3), stats.uniform(-0.3, 0.6)),
    "truncated at 2": (laws.TruncatedNormal(1.0, 3.0), stats.truncnorm(-2, 2, 1, 3)),
    "truncated at 3": (
        laws.TruncatedNormal(0.0, 1.0, -3.0, 3.0),
        stats.truncnorm(-3, 3),
    ),
    "truncated narrowly": (
        laws.TruncatedNormal(-4.0, 1.0, -0.01, 0.01),
        stats.truncnorm(-0.01, 0.01, -4),
    ),
    "not truncated": (laws.TruncatedNormal(0.0, 1.0, -INF, INF), stats.norm()),
    "one side, rejected": (
        laws.TruncatedNormal(0.0, 1.0, -1.0, INF),
        stats.truncnorm(-1, INF),
    ),
    "one side, inverted": (
        laws.TruncatedNormal(0.0, 1.0, 1.5, INF),
        stats.truncnorm(1.5, INF),
    ),
    "narrow": (
        laws.TruncatedNormal(0.0, 1.0, -0.1, 0.2),
        stats.truncnorm(-0.1, 0.2),
    ),
    "right tail": (laws.TruncatedNormal(0.0, 1.0, 5.0, 6.0), stats.truncnorm(5, 6)),
    "left tail": (
        laws.TruncatedNormal(0.0, 2.0, -6, -5),
        stats.truncnorm(-6, -5, 0, 2),
    ),
    # Beyond 8 sigma, 1 - cdf is lost to rounding: only logarithms get there.
    "far tail": (laws.TruncatedNormal(0.0, 1.0, 20.0, INF), stats.truncnorm(20, INF)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("law", "reference"), LAWS.values(), ids=LAWS)
def test_draws_follow_the_law(law, reference, dtype):
    values = draw(law, (COUNT,), dtype, seed=5).astype(float)
    low, high = reference.support()
    slack = 1e-6 * max(abs(reference.mean()), reference.std())
    assert low - slack <= values.min()
    assert values.max() <= high + slack
    assert stats.kstest(values, reference.cdf).pvalue > 1e-4


@pytest.mark.parametrize(
    "bounds", [(-2, 2), (-3, 3), (-1, INF), (-INF, 0.5), (5, 6), (-INF, INF)]
)
def test_truncated_stddev_is_that_of_the_law(bounds):
    # By the textbook's formula, where SciPy integrates.
    low, high = bounds
    density = stats.norm.pdf(low), stats.norm.pdf(high)
    mass = stats.norm.sf(low) - stats.norm.sf(high)
    edges = sum(
        sign * bound * value
        for sign, bound, value in zip((1, -1), bounds, density, strict=True)
        if math.isfinite(bound)
    )
    variance = 1 + edges / mass - ((density[0] - density[1]) / mass) ** 2
    assert laws.truncated_stddev(*bounds) == pytest.approx(
        math.sqrt(variance), rel=1e-6
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_upper_end_of_a_uniform_law_is_never_drawn(dtype):
    # Between 1 and its neighbour there is nothing: rounding wants to reach the end.
    high = float(np.nextafter(np.dtype(dtype).type(1), np.dtype(dtype).type(2)))
    values = draw(laws.Uniform(1.0, high), (100_000,), dtype)
    assert set(np.unique(values)) == {1.0}


class Extremes:
    """A source that gives the least words, the middle ones and the largest."""

    def signed(self, out):
        limits = np.iinfo(f"i{out.itemsize}")
        words = np.array([limits.min, -1, 0, 1, limits.max])
        yield 0, out, words.astype(limits.dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("high", [0.05, 1.0, 3.3])
@pytest.mark.parametrize("low", [-3.3, -1.0, -0.05, 0.0, 1e-3])
def test_uniform_law_reaches_its_ends_and_no_further(low, high, dtype):
    out = np.empty(5, dtype)
    laws.Uniform(low, high).fill(Extremes(), out)
    low, high = out.dtype.type(low), out.dtype.type(high)
    step = float(np.finfo(dtype).eps * (high - low))
    assert (np.diff(out) >= 0).all()
    assert low <= out[0] <= low + step
    assert high - step <= out[-1] < high
    assert out[2] == pytest.approx((low + high) / 2, abs=step)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bounds", [(-1, 2), (-INF, 1), (3, INF), (-2, 2), (-INF, INF)])
def test_truncated_normal_of_extreme_words_is_finite_and_in_bounds(bounds, dtype):
    out = np.empty(5, dtype)
    laws.TruncatedNormal(0.0, 1.0, *bounds).fill(Extremes(), out)
    assert np.isfinite(out).all()
    assert out.min() >= bounds[0]
    assert out.max() <= bounds[1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_stddev_of_zero_gives_the_mean(dtype):
    for law in (laws.Normal(2.5, 0.0), laws.TruncatedNormal(2.5, 0.0)):
        assert set(np.unique(draw(law, (1000,), dtype))) == {2.5}
