"""Orthogonal convolutions keep lengths: at one tap, and spread over the window."""

import math

import keras
import numpy as np
import pytest
from scipy import stats

from keras_inits.initializers.conv_orthogonal import ConvOrthogonal, DeltaOrthogonal
from keras_inits.initializers.orthogonal import Orthogonal
from tests.initializers.tools import values_of

WINDOWS = [(1,), (2,), (3,), (4,), (5,), (3, 3), (2, 4), (1, 3), (3, 1), (2, 3, 2)]
CHANNELS = [(6, 6), (4, 7), (7, 4), (1, 5), (1, 1)]


def host_values(scheme, shape, dtype="float32", index=None):
    return scheme._values(shape, np.dtype(dtype))(index)


def symbol(kernel):
    """The matrices that a circular convolution applies, one for each wave."""
    axes = range(kernel.ndim - 2)
    return np.fft.fftn(kernel, [8] * len(axes), axes=axes)


def convolve(inputs, kernel, circular):
    """Convolves by the backend, with zeros or the other end's values at the border."""
    padding = "same"
    if circular:
        window = kernel.shape[:-2]
        sides = [(0, 0), *((0, size - 1) for size in window), (0, 0)]
        inputs, padding = np.pad(inputs, sides, mode="wrap"), "valid"
    outputs = keras.ops.conv(inputs, kernel, padding=padding)
    return keras.ops.convert_to_numpy(outputs)


def signal(window, channels, length=6):
    size = (2, *(length for _ in window), channels)
    return np.random.default_rng(1).normal(size=size).astype("float32")


# --- DeltaOrthogonal ------------------------------------------------------------------


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("window", WINDOWS)
def test_delta_orthogonal_is_orthogonal_at_the_centre_and_zero_elsewhere(
    window, channels
):
    kernel = host_values(DeltaOrthogonal(gain=3.0, seed=1), (*window, *channels))
    centre = tuple((size - 1) // 2 for size in window)
    matrix = kernel[centre].astype(float)
    short = matrix if channels[0] <= channels[1] else matrix.T
    np.testing.assert_allclose(short @ short.T, 9 * np.eye(len(short)), atol=1e-5)
    kernel[centre] = 0
    assert not kernel.any()


def test_delta_orthogonal_is_drawn_from_the_haar_measure():
    scheme = DeltaOrthogonal(seed=keras.random.SeedGenerator(1))
    corners = [host_values(scheme, (3, 4, 4))[1][0, 0] for _ in range(400)]
    # A coordinate of a uniform point on the sphere; without the sign fix of QR, of one
    # sign.
    assert stats.kstest(np.square(corners), stats.beta(0.5, 1.5).cdf).pvalue > 1e-4
    assert abs(np.mean(np.sign(corners))) < 5 / math.sqrt(400)


@pytest.mark.backend
@pytest.mark.parametrize("channels", [(6, 6), (4, 7)])
@pytest.mark.parametrize("window", WINDOWS)
def test_delta_orthogonal_preserves_norm(window, channels):
    inputs = signal(window, channels[0])
    kernel = values_of(DeltaOrthogonal(seed=2), (*window, *channels))
    outputs = convolve(inputs, kernel, circular=False)
    assert np.linalg.norm(outputs) == pytest.approx(np.linalg.norm(inputs), rel=1e-5)


@pytest.mark.backend
@pytest.mark.parametrize(
    ("scheme", "circular"), [(DeltaOrthogonal, False), (ConvOrthogonal, True)]
)
def test_two_hundred_linear_layers_preserve_norm(scheme, circular):
    inputs = hidden = signal((3, 3), 8)
    for layer in range(200):
        kernel = values_of(scheme(seed=layer), (3, 3, 8, 8))
        hidden = convolve(hidden, kernel, circular)
    assert np.linalg.norm(hidden) == pytest.approx(np.linalg.norm(inputs), rel=1e-5)


def test_delta_orthogonal_has_the_structure_of_jax_and_tensorflow():
    jax = pytest.importorskip("jax")
    init_ops = pytest.importorskip("tensorflow.python.ops.init_ops")
    for shape in [(3, 4, 6), (4, 3, 5, 5), (2, 3, 4, 3, 4)]:
        theirs = [
            jax.nn.initializers.delta_orthogonal()(jax.random.key(1), shape),
            init_ops.ConvolutionDeltaOrthogonal(seed=1)(shape),
        ]
        kernel = host_values(DeltaOrthogonal(seed=1), shape)
        for other in map(np.asarray, theirs):
            np.testing.assert_array_equal(kernel != 0, other != 0)
            np.testing.assert_allclose(
                np.linalg.svd(symbol(kernel), compute_uv=False),
                np.linalg.svd(symbol(other), compute_uv=False),
                atol=1e-5,
            )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_part_of_a_kernel_is_the_part_of_the_whole(dtype):
    index = (slice(0, 3), slice(1, 2), slice(1, 5), slice(2, 6))
    for scheme in DeltaOrthogonal(seed=1), ConvOrthogonal(seed=1):
        whole = host_values(scheme, (3, 4, 5, 6), dtype)
        part = host_values(scheme, (3, 4, 5, 6), dtype, index)
        assert part.any()
        np.testing.assert_array_equal(part, whole[index])


# --- scaled ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "outputs", "factor"), [(16, 64, 2.0), (64, 16, 1.0), (9, 9, 1.0)]
)
def test_scaled_multiplies_by_the_root_of_the_growth(inputs, outputs, factor):
    for scheme, shape in [
        (Orthogonal, (inputs, outputs)),
        (DeltaOrthogonal, (3, 3, inputs, outputs)),
    ]:
        plain = host_values(scheme(gain=1.5, seed=1), shape)
        scaled = host_values(scheme(gain=1.5, seed=1, scaled=True), shape)
        np.testing.assert_allclose(scaled, factor * plain, rtol=1e-6)


def test_scaled_orthogonal_keeps_the_mean_square_of_a_growing_layer():
    inputs = np.random.default_rng(1).normal(size=24)
    kernel = host_values(
        Orthogonal(seed=1, input_axes=[0], output_axes=[1, 2], scaled=True), (24, 5, 12)
    )
    outputs = np.tensordot(inputs, kernel, 1)
    assert np.mean(outputs**2) == pytest.approx(np.mean(inputs**2), rel=1e-5)


# --- ConvOrthogonal -------------------------------------------------------------------


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("window", WINDOWS)
def test_all_singular_values_of_the_symbol_are_the_gain(window, channels):
    kernel = host_values(ConvOrthogonal(gain=2.0, seed=3), (*window, *channels))
    values = np.linalg.svd(symbol(kernel), compute_uv=False)
    np.testing.assert_allclose(values, 2, rtol=1e-5)


@pytest.mark.backend
@pytest.mark.parametrize("channels", [(6, 6), (4, 7)])
@pytest.mark.parametrize("window", WINDOWS)
def test_circular_convolution_with_conv_orthogonal_preserves_norm(window, channels):
    inputs = signal(window, channels[0])
    kernel = values_of(ConvOrthogonal(seed=2), (*window, *channels))
    outputs = convolve(inputs, kernel, circular=True)
    assert np.linalg.norm(outputs) == pytest.approx(np.linalg.norm(inputs), rel=1e-5)


@pytest.mark.parametrize("window", WINDOWS)
def test_conv_orthogonal_uses_every_tap(window):
    kernel = host_values(ConvOrthogonal(seed=3), (*window, 16, 24))
    energy = np.sum(kernel**2, axis=(-2, -1))
    assert energy.shape == window
    assert energy.min() > 1e-2 * energy.mean()


def test_rank_of_a_projection_is_binomial():
    # With two taps the first is Q P: its squares sum to the rank of P.
    scheme = ConvOrthogonal(seed=keras.random.SeedGenerator(1))
    ranks = [np.sum(host_values(scheme, (2, 6, 6))[0] ** 2) for _ in range(600)]
    np.testing.assert_allclose(ranks, np.round(ranks), atol=1e-4)
    observed = np.bincount(np.round(ranks).astype(int), minlength=7)
    expected = 600 * stats.binom(6, 0.5).pmf(np.arange(7))
    assert stats.chisquare(observed, expected).pvalue > 1e-4


def test_projections_are_independent_of_the_matrix():
    scheme = ConvOrthogonal(seed=keras.random.SeedGenerator(3))
    shares = []
    for _ in range(200):
        kernel = host_values(scheme, (2, 6, 6))
        matrix = kernel.sum(0)  # Q, for P + (I - P) = I
        projection = matrix.T @ kernel[0]
        column = projection @ matrix[:, 0]
        shares.append([np.sum(column**2), np.sum((projection @ matrix[0]) ** 2)])
    error = np.std(shares, 0) / math.sqrt(len(shares))
    assert (np.abs(np.mean(shares, 0) - 0.5) < 5 * error).all()


def energies(kernels):
    """The share of each tap in the sum of squares, and its standard error."""
    shares = np.array([np.mean(k**2, axis=(-2, -1)) for k in kernels])
    shares /= shares.sum(axis=tuple(range(1, shares.ndim)), keepdims=True)
    return shares.mean(0), shares.std(0) / math.sqrt(len(shares))


def test_taps_of_one_axis_share_the_energy_binomially():
    # Independent projections: E tr(P P') / n = 1/4 for each choice of P or I - P.
    scheme = ConvOrthogonal(seed=keras.random.SeedGenerator(2))
    mean, error = energies([host_values(scheme, (4, 6, 6)) for _ in range(200)])
    assert (np.abs(mean - np.array([1, 3, 3, 1]) / 8) < 5 * error).all()


@pytest.mark.parametrize("window", [(3,), (3, 3), (2, 2, 2)])
def test_conv_orthogonal_has_the_structure_of_tensorflow(window):
    init_ops = pytest.importorskip("tensorflow.python.ops.init_ops")
    shape = (*window, 4, 6)
    theirs = getattr(init_ops, f"ConvolutionOrthogonal{len(window)}D")(seed=1)
    ours = ConvOrthogonal(seed=keras.random.SeedGenerator(1))
    kernels = [np.asarray(theirs(shape)) for _ in range(60)]
    values = np.linalg.svd(symbol(kernels[0]), compute_uv=False)
    np.testing.assert_allclose(values, 1, rtol=1e-5)
    their_mean, their_error = energies(kernels)
    mean, error = energies([host_values(ours, shape) for _ in range(200)])
    assert (np.abs(mean - their_mean) < 5 * np.hypot(error, their_error)).all()


def test_conv_orthogonal_is_as_precise_as_its_dtype():
    kernel = host_values(ConvOrthogonal(seed=3), (3, 3, 20, 20), "float64")
    values = np.linalg.svd(symbol(kernel), compute_uv=False)
    np.testing.assert_allclose(values, 1, rtol=1e-13)


# --- errors ---------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", [DeltaOrthogonal, ConvOrthogonal])
def test_matrix_is_refused_with_the_way_out(scheme):
    message = r"rank 3 or more\. Received: shape=\(3, 4\) of rank 2\. Orthogonal\(\)"
    with pytest.raises(ValueError, match=message):
        scheme()((3, 4))


@pytest.mark.parametrize("scheme", [DeltaOrthogonal, ConvOrthogonal])
def test_gain_is_a_number_or_an_activation(scheme):
    assert scheme("relu")._factor == pytest.approx(math.sqrt(2))
    with pytest.raises(ValueError, match="gain=-1"):
        scheme(gain=-1)
    with pytest.raises(TypeError, match="gain=None"):
        scheme(gain=None)


def test_gain_by_function_is_saved_as_what_it_stands_for():
    config = ConvOrthogonal(keras.activations.relu, seed=1).get_config()
    assert config == {"gain": "relu", "seed": 1}
