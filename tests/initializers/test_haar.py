"""Matrices are orthogonal to rounding, and spread over all orthogonal ones alike."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import threadpoolctl
from scipy import stats

from keras_inits.initializers import laws
from keras_inits.initializers.haar import haar
from keras_inits.initializers.stream import Stream


def draw_matrix(rows, columns, dtype="float64", seed=1, gain=1.0):
    stream, dtype = Stream((seed, 0), 1), np.dtype(dtype)

    def normals(panel, size):
        return stream.draw(laws.Normal(0.0, 1.0), size, dtype, lane=panel)

    return haar(rows, columns, normals, gain, dtype.type)


def largest_error(matrix):
    """How far the shorter side's products are from the identity."""
    matrix = matrix.astype(float)
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    return np.abs(tall.T @ tall - np.eye(tall.shape[1])).max()


# Panels are 64, 128 or 256 wide: their borders, and what does not divide by them.
SIZES = [
    *[(n, n) for n in (1, 2, 3, 63, 64, 65, 127, 129, 300, 513, 600, 1024)],
    *[(1, 5), (5, 1), (64, 1), (65, 64), (64, 65), (300, 129), (129, 300)],
    *[(700, 520), (520, 700), (5000, 64), (64, 5000), (2000, 65), (2100, 2060)],
]


@pytest.mark.parametrize(("rows", "columns"), SIZES)
@pytest.mark.parametrize(("dtype", "limit"), [("float32", 1e-6), ("float64", 1e-14)])
def test_matrix_is_orthogonal(rows, columns, dtype, limit):
    matrix = draw_matrix(rows, columns, dtype)
    assert (matrix.shape, matrix.dtype.name) == ((rows, columns), dtype)
    assert matrix.flags.c_contiguous
    assert largest_error(matrix) < limit


@pytest.mark.parametrize(("rows", "columns"), [(70, 70), (70, 40), (40, 70)])
@pytest.mark.parametrize("gain", [0.0, 0.5, 3.0])
def test_gain_multiplies_the_matrix(rows, columns, gain):
    np.testing.assert_allclose(
        draw_matrix(rows, columns, gain=gain), gain * draw_matrix(rows, columns)
    )


@pytest.mark.parametrize(("rows", "columns"), [(0, 4), (4, 0), (0, 0)])
def test_matrix_may_be_empty(rows, columns):
    assert draw_matrix(rows, columns).shape == (rows, columns)


@pytest.mark.parametrize(("rows", "columns"), [(200, 130), (130, 130), (150, 300)])
def test_matrix_is_the_q_of_a_factorization(rows, columns):
    # The reflections that the algorithm is made of, one by one, from the same numbers.
    panels = {}
    stream = Stream((1, 0), 1)

    def normals(panel, size):
        values = stream.draw(
            laws.Normal(0.0, 1.0), size, np.dtype("float64"), lane=panel
        )
        panels[panel] = values.copy()
        return values

    matrix = haar(rows, columns, normals, 1.0, np.float64)
    tall, (long, short) = matrix, (rows, columns)
    if rows < columns:
        tall, (long, short) = matrix.T, (columns, rows)
    vectors = [
        panel[j, j:] for _, panel in sorted(panels.items()) for j in range(len(panel))
    ]
    expected = np.eye(long)[:, :short]
    signs = []
    for j in reversed(range(short)):
        x = vectors[j]
        if x.size == 1:
            signs.append(np.sign(x[0]))
            continue
        signs.append(-np.sign(x[0]))
        v = x.copy()
        v[0] += np.copysign(np.linalg.norm(x), x[0])
        expected[j:] -= np.outer(v, (2 / (v @ v)) * (v @ expected[j:]))
    np.testing.assert_allclose(tall, expected * signs[::-1], atol=1e-12)


COUNT = 20_000


@pytest.fixture(params=[2, 3, 5], scope="module")
def many(request):
    return np.stack(
        [draw_matrix(request.param, request.param, seed=seed) for seed in range(COUNT)]
    )


@pytest.mark.parametrize(("power", "expected"), [(1, 0), (2, 1), (3, 0)])
def test_moment_of_the_trace_is_haars(many, power, expected):
    # E tr Q = 0 and E (tr Q)^2 = 1: Mezzadri 2007. LAPACK's raw Q has E tr Q = -2.4.
    powers = np.trace(many, axis1=1, axis2=2) ** power
    assert abs(powers.mean() - expected) < 5 * powers.std() / math.sqrt(COUNT)


def test_half_of_the_matrices_are_rotations(many):
    share = np.mean(np.linalg.det(many) > 0)
    assert abs(share - 0.5) < 5 * 0.5 / math.sqrt(COUNT)


def test_each_squared_entry_follows_its_beta_law(many):
    size = many.shape[1]
    law = stats.beta(0.5, (size - 1) / 2)
    pvalues = [
        stats.kstest(many[:, row, column] ** 2, law.cdf).pvalue
        for row in range(size)
        for column in range(size)
    ]
    assert min(pvalues) > 1e-4 / len(pvalues)


def test_each_entry_is_as_often_positive_as_negative(many):
    shares = (many > 0).mean(axis=0)
    assert np.abs(shares - 0.5).max() < 5 * 0.5 / math.sqrt(COUNT)


def test_law_does_not_change_under_a_rotation(many):
    # What Haar's measure means: here, of the vector (1, ..., 1) / sqrt(n).
    size = many.shape[1]
    along = many.sum(axis=2)[:, 0] / math.sqrt(size)
    assert stats.kstest(along**2, stats.beta(0.5, (size - 1) / 2).cdf).pvalue > 1e-4


@pytest.mark.parametrize(("rows", "columns"), [(6, 2), (6, 1), (2, 6)])
def test_tall_and_wide_matrices_are_uniform_too(rows, columns):
    many = np.stack([draw_matrix(rows, columns, seed=seed) for seed in range(COUNT)])
    vectors = many[:, :, -1] if rows > columns else many[:, -1, :]
    np.testing.assert_allclose((vectors**2).sum(axis=1), 1)
    law = stats.beta(0.5, (6 - 1) / 2)
    for place in range(6):
        entry = vectors[:, place]
        assert stats.kstest(entry**2, law.cdf).pvalue > 1e-5
        assert abs(np.mean(entry > 0) - 0.5) < 5 * 0.5 / math.sqrt(COUNT)


def blas_threads():
    pools = threadpoolctl.threadpool_info()
    return [pool["num_threads"] for pool in pools if pool["user_api"] == "blas"]


def seen_while_drawing(size):
    """The threads that products may take, during one draw."""
    seen = []

    def normals(panel, shape):
        seen.extend(blas_threads())
        return np.random.default_rng(panel).standard_normal(shape)

    haar(size, size, normals, 1.0, np.float64)
    return set(seen)


def test_small_matrices_leave_the_other_threads_alone():
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        assert seen_while_drawing(512) <= {1}
        assert seen_while_drawing(513) <= {2}
        assert set(blas_threads()) <= {2}


def test_threads_come_back_after_an_error():
    def normals(panel, shape):
        raise ArithmeticError("no numbers")

    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        with pytest.raises(ArithmeticError, match="no numbers"):
            haar(8, 8, normals, 1.0, np.float64)
        assert set(blas_threads()) <= {2}


def test_threads_come_back_where_draws_overlap():
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(draw_matrix, [40] * 80, [40] * 80))
        assert set(blas_threads()) <= {2}
