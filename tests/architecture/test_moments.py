"""The formulas for moments against sums by hand, closed forms and drawn tensors."""

import itertools
import math

import numpy as np
import pytest

from keras_inits.architecture.propagation import axes
from keras_inits.architecture.propagation.gaussians import (
    Response,
    largest_of,
    respond,
    softmax_moments,
)
from keras_inits.architecture.propagation.mixing import Kernel, Mixing, taps
from keras_inits.architecture.propagation.moments import (
    add,
    apply,
    constant,
    independent,
    moments_of,
    multiply,
    pair_counts,
    pair_sums,
    slope,
)
from keras_inits.theory import activation, gaussian_expectation

# --- functions of Gaussians -----------------------------------------------------------


def relu(z):
    return np.maximum(z, 0)


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu", "selu", "softplus"])
def test_response_has_the_expectations_of_quadrature(name):
    f = activation(name)
    found = Response(f, 0.3, 2.0)
    at = 2.0**0.5
    mean = gaussian_expectation(lambda z: f(0.3 + at * z))
    square = gaussian_expectation(lambda z: f(0.3 + at * z) ** 2)
    assert found.mean == pytest.approx(mean, rel=1e-4)
    assert found.square == pytest.approx(square, rel=1e-4)


@pytest.mark.parametrize("correlation", [-0.9, -0.3, 0.0, 0.5, 0.95, 1.0])
def test_pairs_of_relu_follow_the_arc_cosine_kernel(correlation):
    # Cho and Saul, 2009: J_1 of the angle between the two.
    angle = math.acos(correlation)
    value = (math.sin(angle) + (math.pi - angle) * correlation) / (2 * math.pi)
    steps = (math.pi - angle) / (2 * math.pi)
    found = Response(relu, 0.0, 1.0)
    assert float(found.pair(correlation)) == pytest.approx(value, abs=2e-3)
    assert float(found.slope_pair(correlation)) == pytest.approx(steps, abs=0.05)


def test_pairs_of_a_sine_have_their_closed_form():
    # E sin(z) sin(z') = exp(-1) sinh(r) for unit variances.
    found = Response(np.sin, 0.0, 1.0).pair([0.2, 0.7])
    expected = math.exp(-1) * np.sinh([0.2, 0.7])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_slope_of_a_parabola_is_twice_the_argument():
    found = Response(np.square, 1.0, 4.0)
    assert found.slope_square == pytest.approx(4 * (4.0 + 1.0), rel=1e-3)


def test_constant_keeps_its_value_and_has_a_slope():
    found = Response(np.tanh, 0.5, 0.0)
    assert found.square == pytest.approx(np.tanh(0.5) ** 2)
    assert found.slope_square == pytest.approx((1 - np.tanh(0.5) ** 2) ** 2, rel=1e-3)


def test_tiny_signal_is_not_lost():
    _, square, _ = respond(relu, np.zeros(1), np.full(1, 1e-40))
    assert square[0] == pytest.approx(0.5e-40, rel=1e-3)


@pytest.mark.parametrize("lowest", [0.0, 1e-9, 0.01])
def test_many_levels_are_read_off_between_a_few(lowest):
    squares = np.append(lowest, np.geomspace(0.01, 4, 499))
    _, found, _ = respond(np.tanh, np.zeros(500), squares)
    exact = [Response(np.tanh, 0.0, q).square for q in squares[::50]]
    np.testing.assert_allclose(found[::50], exact, rtol=0.02, atol=1e-6)


def test_dip_of_gelu_counts_as_rising_and_a_parabola_does_not():
    assert Response(activation("gelu"), 0.0, 1.0).increasing
    assert not Response(np.square, 0.0, 1.0).increasing


def test_largest_of_two_normals_has_mean_one_over_root_pi():
    mean, square, _ = largest_of(2, 0.0, lambda z: z, 0.0, 1.0)
    assert mean == pytest.approx(1 / math.sqrt(math.pi), rel=1e-4)
    assert square == pytest.approx(1.0, rel=1e-4)


def test_largest_of_correlated_normals_as_drawn():
    rng = np.random.default_rng(0)
    z = math.sqrt(0.4) * rng.standard_normal((200_000, 1))
    z = z + math.sqrt(0.6) * rng.standard_normal((200_000, 4))
    drawn = relu(1.5 * z).max(axis=1)
    mean, square, _ = largest_of(4, 0.4, relu, 0.0, 1.5**2)
    assert mean == pytest.approx(drawn.mean(), rel=0.01)
    assert square == pytest.approx((drawn**2).mean(), rel=0.01)


def test_softmax_of_two_is_a_sigmoid_of_the_difference():
    square, passed, surprise, _ = softmax_moments(2, 3.0)
    p = activation("sigmoid")
    at = math.sqrt(6.0)
    expected = gaussian_expectation(lambda z: p(at * z) ** 2)
    slopes = gaussian_expectation(lambda z: 2 * (p(at * z) * p(-at * z)) ** 2)
    loss = gaussian_expectation(lambda z: -np.log(p(at * z)))
    assert square == pytest.approx(expected, rel=0.02)
    assert passed == pytest.approx(slopes, rel=0.03)
    assert surprise == pytest.approx(loss, rel=0.02)


def test_softmax_of_equal_logits_is_even():
    square, _, surprise, _ = softmax_moments(10, 0.0)
    assert square == pytest.approx(0.01)
    assert surprise == pytest.approx(math.log(10))


# --- drawn tensors --------------------------------------------------------------------

DRAWS = 300


def drawn(shape, seed=0):
    """Exchangeable Gaussians (draw, example, *shape), each kind of pair correlated."""
    rng = np.random.default_rng(seed)
    total = np.zeros((DRAWS, 2, *shape))
    for shared in itertools.product((0, 1), repeat=len(shape) + 1):
        sizes = [1 if bit else n for bit, n in zip(shared, (2, *shape), strict=True)]
        total = total + rng.standard_normal((DRAWS, *sizes)) * (1 + 0.3 * sum(shared))
    return total / 3 + 0.2


def raw_of(tensors):
    """Pair moments by brute force over all draws."""
    sums = sum(pair_sums(one) for one in tensors)
    counts = pair_counts(tensors.shape[1:])
    return sums / counts / len(tensors)


def moments_from(tensors):
    raw = raw_of(tensors)
    return moments_of(tensors.shape[2:], tensors.mean(), raw.flat[0], raw)


def assert_same(found, tensors, rel=0.02):
    assert found.shape == tensors.shape[2:]
    exact = raw_of(tensors)
    raw = found.raw.copy()
    for axis, size in enumerate(found.shape):  # pairs that do not exist
        if size == 1:
            raw = np.take(raw, [0], axis + 1)
            exact = np.take(exact, [0], axis + 1)
    np.testing.assert_allclose(raw, exact, atol=rel * exact.flat[0])
    assert found.average == pytest.approx(tensors.mean(), abs=rel * found.rms)


def test_pair_sums_are_sums_over_all_pairs():
    values = np.random.default_rng(0).standard_normal((3, 2, 4))
    expected = np.zeros((2, 2, 2))
    places = list(np.ndindex(values.shape))
    for a, b in itertools.product(places, places):
        kind = tuple(int(i != j) for i, j in zip(a, b, strict=True))
        expected[kind] += values[a] * values[b]
    np.testing.assert_allclose(pair_sums(values), expected, atol=1e-10)


def test_constant_tensor_is_the_same_for_every_example():
    values = np.random.default_rng(0).standard_normal((3, 4))
    found = constant(values)
    np.testing.assert_allclose(found.raw[0], found.raw[1])
    np.testing.assert_allclose(found.raw[0], pair_sums(values) / pair_counts((3, 4)))


@pytest.mark.parametrize(
    ("shape", "target"),
    [
        ((6, 4), (24,)),
        ((3, 2, 4), (6, 4)),
        ((2, 3, 4), (2, 1, 12)),
        ((2, 1, 4), (8,)),
    ],
)
def test_joined_axes_have_the_average_of_their_pairs(shape, target):
    x = drawn(shape)
    found = axes.reshape(moments_from(x), target)
    assert_same(found, x.reshape(*x.shape[:2], *target))


def test_split_axis_keeps_its_pairs():
    x = drawn((12, 3))
    found = axes.reshape(moments_from(x), (3, 4, 3))
    assert_same(found, x.reshape(*x.shape[:2], 3, 4, 3), rel=0.06)


def test_reshape_to_another_size_is_refused():
    with pytest.raises(ValueError, match=r"keeps the number of entries. Received: "):
        axes.reshape(independent((4,), 0, 1), (5,))


def test_permuted_axes_keep_their_pairs():
    x = drawn((3, 4, 2))
    found = axes.permute(moments_from(x), (2, 0, 1))
    assert_same(found, x.transpose(0, 1, 4, 2, 3))


@pytest.mark.parametrize(
    "matrix",
    [
        np.kron(np.eye(3), np.full((1, 2), 0.5)),  # pooling
        np.full((1, 6), 1 / 6),  # global pooling
        np.repeat(np.eye(6), 2, axis=0),  # repeating
        np.eye(6)[1:5],  # cropping
        np.pad(np.eye(6), ((1, 1), (0, 0))),  # padding
    ],
)
def test_fixed_matrix_along_an_axis(matrix):
    x = drawn((6, 3))
    found = axes.along(moments_from(x), 0, matrix)
    assert_same(found, np.einsum("oi,deic->deoc", matrix, x), rel=0.05)


def test_padding_shows_in_the_profile():
    x = independent((6, 3), 0.0, 2.0)
    found = axes.along(x, 0, np.pad(np.eye(6), ((1, 1), (0, 0))))
    np.testing.assert_allclose(found.square[:, 0], [0, 4, 4, 4, 4, 4, 4, 0])


def test_broadcast_repeats_and_gather_sums():
    x = drawn((4,))
    found = axes.broadcast(moments_from(x), (3, 4))
    repeated = np.repeat(x[:, :, None], 3, axis=2)
    assert_same(found, repeated)
    assert_same(axes.gather(found, moments_from(x)), repeated.sum(axis=2))


def test_concatenated_tensors_mix_their_pairs():
    x, y = drawn((3, 4)), 2 * drawn((3, 6), seed=1)
    found = axes.concatenate([moments_from(x), moments_from(y)], 1)
    assert_same(found, np.concatenate([x, y], axis=3))
    assert found.square[0, 0] == pytest.approx((x**2).mean(), rel=1e-6)
    assert found.square[0, -1] == pytest.approx((y**2).mean(), rel=1e-6)


def test_sum_and_product_of_independent_tensors():
    x, y = drawn((3, 4)), drawn((3, 4), seed=1)
    pair = [moments_from(x), moments_from(y)]
    assert_same(add(pair, [1.0, -2.0]), x - 2 * y, rel=0.05)
    assert_same(multiply(*pair), x * y, rel=0.1)


def test_folded_axis_counts_as_examples_and_comes_back():
    x = moments_from(drawn((3, 4)))
    back = axes.unfold(axes.fold(x), 3)
    np.testing.assert_allclose(back.raw, x.raw, atol=1e-12)


def test_function_of_each_entry_keeps_track_of_pairs():
    x = drawn((3, 4))
    assert_same(apply(moments_from(x), relu), relu(x), rel=0.03)


def test_function_of_a_function_is_taken_at_the_gaussian_root():
    x = independent((5,), 0.0, 1.0)
    twice = apply(apply(x, relu), lambda z: z - 0.5)
    expected = gaussian_expectation(lambda z: (np.maximum(z, 0) - 0.5) ** 2)
    assert twice.level == pytest.approx(expected, rel=1e-4)


def test_gradient_meets_the_slope_at_the_root():
    x = apply(independent((5,), 0.0, 1.0), np.tanh)
    gradient = independent((5,), 0.0, 1.0)
    found = slope(gradient, x, np.square)  # (2 tanh z)^2
    expected = gaussian_expectation(lambda z: 4 * np.tanh(z) ** 2)
    assert found.level == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("chosen", [(1,), (0, 1)])
def test_standardized_tensor_loses_what_its_axes_share(chosen):
    x = drawn((40, 60))
    places = tuple(axis + 2 for axis in chosen)
    centered = x - x.mean(axis=places, keepdims=True)
    exact = centered / np.sqrt((centered**2).mean())
    found, variance = axes.standardize(moments_from(x), chosen)
    assert_same(found, exact, rel=0.01)
    assert variance.mean() == pytest.approx((centered**2).mean(), rel=0.01)


def test_standardizing_across_the_batch_removes_what_examples_share():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 1, 30)) + 2 * rng.standard_normal((50, 400, 30))
    raw = np.array([[5.0, 0.0], [1.0, 0.0]])  # a unit's offset, and the rest
    found, variance = axes.standardize(moments_of((30,), 0, 5.0, raw), (), batch=True)
    exact = x - x.mean(axis=1, keepdims=True)
    assert variance.mean() == pytest.approx((exact**2).mean(), rel=0.02)
    assert found.raw[1, 0] == pytest.approx(0, abs=1e-12)


# --- kernels --------------------------------------------------------------------------


def convolved(x, kernel, padding):
    """x (draw, example, position, channel) by kernel (draw, tap, channel, filter)."""
    if padding == "same":
        x = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, 3, axis=2)
    return np.einsum("depck,dkcf->depf", windows, kernel)


@pytest.mark.parametrize("mean", [0.0, 0.3])
def test_dense_kernel_mixes_channels(mean):
    x = drawn((3, 8))
    rng = np.random.default_rng(5)
    kernels = mean + rng.standard_normal((DRAWS, 8, 6))
    biases = rng.standard_normal((DRAWS, 1, 1, 6)) + 0.5
    exact = np.einsum("detc,dcf->detf", x, kernels) + biases
    kernel = Kernel(
        sum(pair_sums(one) for one in kernels) / DRAWS, kernels.mean() * 48, (8, 6)
    )
    bias = (float(biases.mean()), float((biases**2).mean()))
    found = Mixing(kernel, "tc", "cf", "tf")(moments_from(x), bias)
    assert_same(found, exact, rel=0.1)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_convolution_mixes_taps_and_channels(padding):
    x = drawn((8, 6))
    kernels = np.random.default_rng(5).standard_normal((DRAWS, 3, 6, 5))
    sums = sum(pair_sums(one) for one in kernels) / DRAWS
    window = {"x": taps(8, 3, padding=padding)}
    mixing = Mixing(Kernel(sums, 0.0, (3, 6, 5)), "xc", "xcf", "xf", window)
    assert_same(mixing(moments_from(x)), convolved(x, kernels, padding), rel=0.1)


def test_border_of_a_padded_convolution_gets_less():
    kernel = Kernel.of(np.ones((3, 1, 1)))
    mixing = Mixing(kernel, "xc", "xcf", "xf", {"x": taps(5, 3, padding="same")})
    found = mixing(independent((5, 1), 0.0, 1.0))
    np.testing.assert_allclose(found.square[:, 0] / 3, [2 / 3, 1, 1, 1, 2 / 3])


def test_depthwise_kernel_keeps_channels_apart():
    x = independent((9, 4), 0.0, 1.0)
    kernels = np.random.default_rng(0).standard_normal((3, 4, 2))
    window = {"x": taps(9, 3)}
    found = Mixing(Kernel.of(kernels), "xc", "xcm", "xcm", window)(x)
    assert found.shape == (7, 4, 2)
    assert found.level == pytest.approx(3 * (kernels**2).mean(), rel=1e-9)


def test_way_back_is_the_transposed_map():
    kernels = np.random.default_rng(0).standard_normal((3, 6, 5))
    mixing = Mixing(Kernel.of(kernels), "xc", "xcf", "xf", {"x": taps(8, 3)})
    gradient = independent((6, 5), 0.0, 1.0)
    found = mixing.turned()(gradient)
    # At the border a position takes part in 1, then 2 windows, else in 3.
    share = np.array([1, 2, 3, 3, 3, 3, 2, 1]) / 3
    whole = (kernels**2).sum() / 6
    np.testing.assert_allclose(found.square[:, 0], whole * share, rtol=1e-9)


def test_weight_gradient_is_a_sum_over_positions():
    rng = np.random.default_rng(0)
    x, g = drawn((7, 5)), drawn((7, 4), seed=3) - 0.2
    exact = np.einsum("dxc,dxf->dcf", x[:, 0], g[:, 0])
    mixing = Mixing(Kernel.of(rng.standard_normal((5, 4))), "xc", "cf", "xf")
    gradient = moments_from(g)
    alone = gradient.raw
    alone[1:] = 0  # gradients of two examples have nothing in common
    gradient = moments_of((7, 4), 0.0, alone.flat[0], alone)
    found = mixing.weight_gradient(moments_from(x), gradient)
    assert found == pytest.approx((exact**2).mean(), rel=0.1)


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_taps_join_positions_as_a_convolution_does(padding, stride):
    table = taps(10, 4, stride, 1, padding)
    kernel = np.array([1.0, 10.0, 100.0, 1000.0])
    matrix = np.where(table >= 0, kernel[table], 0.0)
    x = np.arange(1.0, 11.0)
    before = {"valid": 0, "causal": 3}.get(padding)
    if before is None:
        before = max((len(matrix) - 1) * stride + 4 - 10, 0) // 2
    padded = np.pad(x, (before, 10))
    expected = [
        padded[i * stride : i * stride + 4] @ kernel for i in range(len(matrix))
    ]
    np.testing.assert_allclose(matrix @ x, expected)
