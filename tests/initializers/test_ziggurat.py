"""The ziggurat's normals are normal, out into the tail and down to single boxes."""

import math

import numpy as np
import pytest
from scipy import stats

from keras_inits.initializers import laws, ziggurat
from keras_inits.initializers.bits import PART
from tests.initializers.tools import draw

COUNTS = {"float32": 20_000_000, "float64": 5_000_000}
BOUNDS = [math.inf, 8.0, 5.0, 3.0, 2.0, 1.0, 0.3, 1e-3]


class Given:
    """A source that gives these words."""

    def __init__(self, words):
        self.words = words

    def signed(self, out):
        for start in range(0, out.size, PART):
            part = slice(start, start + PART)
            yield start, out[part], self.words[part]


def made_of(words, bound=math.inf):
    """The values that are made of words, in float64."""
    out = np.empty(words.size, f"f{words.itemsize}")
    ziggurat.fill_normal(Given(words), out, 0.0, 1.0, bound)
    return out.astype(float)


def law_of(bound):
    return stats.truncnorm(-bound, bound)


@pytest.fixture(params=COUNTS, scope="module")
def normals(request):
    law, shape = laws.Normal(0.0, 1.0), (COUNTS[request.param],)
    values = draw(law, shape, request.param, seed=11, threads=2)
    assert values.dtype.name == request.param
    return values


@pytest.mark.parametrize("bound", BOUNDS)
def test_boxes_and_what_they_leave_make_up_the_law(bound):
    boxes = ziggurat._boxes(bound).width
    left_over = 4096 - boxes.size
    # The numbers without a box, and every other place of one sign.
    places = np.arange(0, 2**19, 2)
    words = (places[:, np.newaxis] << 12 | np.arange(boxes.size, 4096)).ravel()
    rest = np.sort(made_of(words.astype(np.int32), bound))
    law = law_of(bound)
    at = np.concatenate([rest[::5000], law.ppf(np.linspace(0.5, 1, 1001))[:-1]])
    inside = np.mean([np.minimum(at / width, 1) for width in boxes], axis=0)
    in_rest = np.searchsorted(rest, at) / rest.size
    share = (boxes.size * inside + left_over * in_rest) / 4096
    np.testing.assert_allclose(share, 2 * law.cdf(at) - 1, rtol=0, atol=3e-9)


@pytest.mark.parametrize("bound", BOUNDS)
def test_boxes_of_one_area_lie_under_the_density(bound):
    width = ziggurat._boxes(bound).width
    area = (law_of(bound).cdf(bound) - 0.5) / law_of(bound).pdf(0) / 4096
    tops = np.cumsum(area / width)
    assert (np.diff(width) <= 0).all()
    assert width[0] <= bound
    assert (tops <= np.exp(-0.5 * width**2) * (1 + 1e-12)).all()
    # A box more would find no room: the words without one are the fewest there can be.
    z = np.linspace(0, width[-1], 10_001)
    assert ((np.exp(-0.5 * z**2) - tops[-1]) * z).max() < area


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_extreme_words_give_values_within_the_bound(bound, kind):
    limits = np.iinfo(kind)
    ends = [limits.min, -4096, 0, limits.max - 4095]
    words = np.add.outer(np.array(ends, kind), np.arange(4096, dtype=kind)).ravel()
    values = np.abs(made_of(words, bound))
    assert np.isfinite(values).all()
    assert values.max() <= min(bound, 10) * (1 + np.finfo(np.float32).eps)


def test_rarest_words_reach_as_far_as_their_size_allows():
    first = ziggurat._boxes(math.inf).width.size  # of those without a box
    for kind, bits in ((np.int32, 33), (np.int64, 65)):
        (largest,) = made_of(np.array([first], kind))
        assert largest == pytest.approx(stats.norm.isf(2.0**-bits), abs=1e-4)


def test_words_of_opposite_places_give_opposite_values():
    words = np.random.default_rng(1).integers(-(2**31), 2**31, 1_000_000, np.int32)
    layers, places = words & 4095, words >> 12
    opposite = made_of((-1 - places) << 12 | layers)
    values = made_of(words)
    # But for the layer, which stays in the last bits and so in the value.
    np.testing.assert_allclose(values, -opposite, rtol=0, atol=1e-5)
    assert abs(np.mean(values + opposite)) < 2e-8


def test_draws_follow_the_normal_law(normals):
    assert stats.kstest(normals[:4_000_000], stats.norm.cdf).pvalue > 1e-4


@pytest.mark.parametrize(
    ("moment", "expected"), [(1, 0), (2, 1), (3, 0), (4, 3), (6, 15)]
)
def test_moment_is_within_its_error(normals, moment, expected):
    powers = normals.astype(float) ** moment
    assert abs(powers.mean() - expected) < 5 * powers.std() / math.sqrt(normals.size)


# 4.37441362862711 is where the lowest box ends and the tail begins.
@pytest.mark.parametrize("edge", [0.1, 1.0, 2.0, 3.0, 4.0, 4.37441362862711, 4.5, 5.0])
@pytest.mark.parametrize("side", [-1, 1])
def test_mass_beyond_is_within_its_error(normals, edge, side):
    beyond = np.count_nonzero(side * normals > edge)
    expected = normals.size * stats.norm.sf(edge)
    assert abs(beyond - expected) < 5 * math.sqrt(expected)


@pytest.mark.parametrize("edge", [3.0, 4.0, 4.37441362862711])
def test_tail_follows_its_own_law(normals, edge):
    tail = np.abs(normals[np.abs(normals) > edge]).astype(float)
    assert tail.size > 30
    assert tail.max() > 4.8
    assert stats.kstest(tail, stats.truncnorm(edge, math.inf).cdf).pvalue > 1e-4


def test_cells_of_equal_mass_are_filled_evenly(normals):
    edges = stats.norm.ppf(np.linspace(0, 1, 2001)[1:-1]).astype(normals.dtype)
    cells = np.bincount(np.searchsorted(edges, normals), minlength=2000)
    assert stats.chisquare(cells).pvalue > 1e-4


@pytest.mark.parametrize("bound", [math.inf, 2.0])
def test_cells_at_the_ends_of_boxes_are_filled_evenly(bound):
    law = law_of(bound)
    count = COUNTS["float32"]
    parent = laws.TruncatedNormal(0.0, 1.0, -bound, bound)
    values = np.abs(draw(parent, (count,), threads=2))
    # Where the boxes are widest apart: at the top, and at the tail.
    ends = np.unique(ziggurat._boxes(bound).width)
    for some in (ends[:200], ends[-200:]):
        cells = np.histogram(values, np.concatenate([[0.0], some]))[0]
        expected = 2 * count * np.diff(law.cdf([0.0, *some]))
        errors = (cells - expected) / np.sqrt(expected)
        large = expected > 50
        assert large.sum() > 50
        assert stats.chi2(large.sum()).sf((errors[large] ** 2).sum()) > 1e-4


def test_signs_and_neighbours_are_independent(normals):
    signs = np.sign(normals)
    error = 1 / math.sqrt(normals.size)
    assert abs(signs.mean()) < 5 * error
    assert abs(np.mean(signs[1:] * signs[:-1])) < 5 * error
    assert abs(np.corrcoef(signs, np.abs(normals))[0, 1]) < 5 * error


def test_float32_is_drawn_on_a_fine_grid():
    values = draw(laws.Normal(0.0, 1.0), (1_000_000,), "float32")
    # 2^20 steps in each of 4096 boxes: repeats are rare, as birthdays go.
    assert np.unique(values).size > 0.9 * values.size
