"""Sparse initialization: the count, the pattern and the law of what is not zero."""

import itertools
import math

import keras
import numpy as np
import pytest
from scipy import stats

from keras_inits.initializers.sparse import Sparse
from tests.initializers.tools import values_of


def host_values(scheme, shape, dtype="float32", index=None):
    return scheme._values(shape, np.dtype(dtype))(index)


@pytest.mark.parametrize(
    ("shape", "nonzeros", "expected"),
    [
        ((100, 30), 15, 15),
        ((15, 30), 15, 15),
        ((16, 30), 15, 15),
        ((7, 30), 15, 7),
        ((1, 30), 15, 1),
        ((3, 3, 4, 30), 5, 5),
        ((3, 3, 1, 30), 15, 9),
        ((50, 30), 1, 1),
        ((50, 30), 49, 49),
    ],
)
def test_each_unit_has_exactly_so_many_inputs(shape, nonzeros, expected):
    kernel = host_values(Sparse(nonzeros, seed=1), shape)
    counts = np.count_nonzero(kernel.reshape(-1, shape[-1]), axis=0)
    assert (counts == expected).all()


def test_inputs_of_a_unit_lie_along_the_axes_that_the_layer_names():
    scheme = Sparse(3, seed=1, input_axes=[1, -1], output_axes=[0])
    kernel = host_values(scheme, (6, 5, 7, 4))
    assert (np.count_nonzero(kernel, axis=(1, 3)) == 3).all()


@pytest.mark.backend
def test_attention_gives_each_feature_of_a_head_its_own_inputs():
    layer = keras.layers.MultiHeadAttention(2, 3, kernel_initializer=Sparse(4, seed=1))
    layer.build((None, 5, 12), (None, 5, 12))
    query = keras.ops.convert_to_numpy(layer.query_dense.kernel)
    assert query.shape == (12, 2, 3)
    assert (np.count_nonzero(query, axis=0) == 4).all()
    output = keras.ops.convert_to_numpy(layer.output_dense.kernel)
    assert (np.count_nonzero(output, axis=(0, 1)) == 4).all()


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_all_subsets_of_inputs_are_equally_likely(count):
    kernel = host_values(Sparse(count, seed=2), (5, 20_000))
    patterns = (kernel != 0).T @ (1 << np.arange(5))
    subsets = itertools.combinations(range(5), count)
    numbers = [sum(1 << i for i in subset) for subset in subsets]
    observed = [np.count_nonzero(patterns == number) for number in numbers]
    assert sum(observed) == 20_000
    assert stats.chisquare(observed).pvalue > 1e-4


def test_inputs_are_equally_often_chosen_in_a_large_layer():
    kernel = host_values(Sparse(15, seed=3), (300, 8000))
    observed = np.count_nonzero(kernel, axis=1)
    # Counts of one column exclude each other, which takes 5 % from their variance.
    statistic = np.sum((observed - 400.0) ** 2) / (400 * (1 - 15 / 300))
    assert stats.chi2(299).cdf(statistic) == pytest.approx(0.5, abs=0.4999)


def test_patterns_of_two_units_are_independent():
    kernel = host_values(Sparse(10, seed=4), (100, 2000)) != 0
    overlaps = np.count_nonzero(kernel[:, ::2] & kernel[:, 1::2], axis=0)
    law = stats.hypergeom(100, 10, 10)
    error = law.std() / math.sqrt(len(overlaps))
    assert abs(overlaps.mean() - law.mean()) < 5 * error
    assert overlaps.var() == pytest.approx(law.var(), rel=0.3)


@pytest.mark.parametrize("stddev", [1.0, 0.01])
def test_values_that_are_not_zero_are_normal(stddev):
    kernel = host_values(Sparse(15, stddev, seed=5), (400, 2000))
    values = kernel[kernel != 0].astype(float)
    assert stats.kstest(values, stats.norm(0, stddev).cdf).pvalue > 1e-4
    assert values.std() == pytest.approx(stddev, rel=5 / math.sqrt(2 * values.size))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_do_not_depend_on_where_they_stand(dtype):
    kernel = host_values(Sparse(1, seed=6), (64, 20_000), dtype)
    columns, rows = np.nonzero(kernel.T)
    shares = stats.norm.cdf(kernel[rows, columns])
    for place in (rows / 64, columns / 20_000):
        table = np.histogram2d(place, shares, bins=16, range=[(0, 1), (0, 1)])[0]
        assert stats.chi2_contingency(table).pvalue > 1e-4


def test_pattern_is_that_of_the_peer_in_torch():
    torch = pytest.importorskip("torch")
    # It counts zeros, ceil(sparsity * rows), in a matrix (rows, columns).
    theirs = torch.nn.init.sparse_(torch.empty(80, 50), sparsity=0.75, std=0.5).numpy()
    ours = host_values(Sparse(20, stddev=0.5, seed=1), (80, 50))
    np.testing.assert_array_equal(
        np.count_nonzero(theirs, axis=0), np.count_nonzero(ours, axis=0)
    )


@pytest.mark.backend
def test_pattern_is_the_same_in_every_dtype():
    kernels = [
        values_of(Sparse(15, seed=1), (300, 40), dtype)
        for dtype in ("float32", "bfloat16", "float64")
    ]
    for kernel in kernels:
        np.testing.assert_array_equal(kernel != 0, kernels[0] != 0)


def test_part_of_a_kernel_is_the_part_of_the_whole():
    index = (slice(1, 3), slice(2, 9), slice(5, 30))
    whole = host_values(Sparse(seed=1), (3, 20, 40))
    part = host_values(Sparse(seed=1), (3, 20, 40), index=index)
    np.testing.assert_array_equal(part, whole[index])


def test_vector_is_refused_with_the_way_out():
    message = r"rank 2 or more\. Received: shape=\(3,\) of rank 1\. Zeros\(\) suits"
    with pytest.raises(ValueError, match=message):
        Sparse()((3,))


def test_count_is_an_integer_of_at_least_one():
    with pytest.raises(
        TypeError, match=r"must be an integer\. Received: nonzeros=0\.1"
    ):
        Sparse(nonzeros=0.1)
    with pytest.raises(ValueError, match=r"an integer >= 1\. Received: nonzeros=0"):
        Sparse(nonzeros=0)
    with pytest.raises(ValueError, match="stddev=-1"):
        Sparse(stddev=-1)
