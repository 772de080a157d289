"""Initializers made of initializers, against NumPy on what they wrap."""

import math

import keras
import numpy as np
import pytest

import keras_inits as ki
from keras_inits import Blockwise, Normalized, Scaled, SpectralNormalized, Transposed
from tests.initializers.tools import as_numpy, is_orthogonal, values_of

L = keras.layers


def singular_values(matrix):
    return np.linalg.svd(matrix.astype(float), compute_uv=False)


# --- a factor -------------------------------------------------------------------------


@pytest.mark.backend
@pytest.mark.parametrize(
    "initializer",
    [
        ki.HeNormal(seed=3),
        keras.initializers.HeNormal(seed=3),
        keras.initializers.serialize(ki.HeNormal(seed=3)),
        {"class_name": "HeNormal", "config": {"seed": 3}},
    ],
)
def test_scaled_multiplies_what_it_wraps(initializer):
    inner = keras.initializers.get(initializer)
    expected = np.float32(-0.3) * values_of(inner, (30, 20))
    scaled = values_of(Scaled(initializer, -0.3), (30, 20))
    np.testing.assert_array_equal(scaled, expected)


@pytest.mark.parametrize("factor", [math.nan, math.inf])
def test_factor_must_be_finite(factor):
    with pytest.raises(ValueError, match=r"`factor` must be a finite number"):
        Scaled("zeros", factor)


# --- norms ----------------------------------------------------------------------------


@pytest.mark.backend
@pytest.mark.parametrize("initializer", ["he_normal", ki.HeNormal()])
@pytest.mark.parametrize("shape", [(40, 30), (3, 3, 8, 30)])
def test_normalized_sets_the_norm_of_each_output_unit(initializer, shape):
    kernel = values_of(Normalized(initializer, norm=2.5), shape)
    norms = np.linalg.norm(kernel.reshape(-1, 30).astype(float), axis=0)
    np.testing.assert_allclose(norms, 2.5, rtol=1e-6)


@pytest.mark.backend
def test_normalized_keeps_directions():
    inner = ki.HeNormal(seed=1)
    kernel, drawn = (values_of(i, (40, 30)) for i in (Normalized(inner), inner))
    np.testing.assert_allclose(kernel, drawn / np.linalg.norm(drawn, axis=0), rtol=1e-5)


@pytest.mark.backend
@pytest.mark.parametrize(("axis", "axes"), [(-1, (2,)), (0, (0,)), ([0, 2], (0, 2))])
def test_normalized_takes_the_norm_along_the_axes_given(axis, axes):
    values = values_of(Normalized("normal", axis), (7, 6, 5)).astype(float)
    np.testing.assert_allclose(np.sqrt((values**2).sum(axes)), 1, rtol=1e-6)


@pytest.mark.backend
def test_normalized_refuses_a_vector_of_zeros():
    with pytest.raises(ValueError, match=r"zeros has no direction, .* Received: init"):
        Normalized("zeros")((4, 3))


@pytest.mark.parametrize(
    ("axis", "shape", "text"),
    [
        (3, (4, 3), r"lacks the `axis`. Received: shape=\(4, 3\) of rank 2, axis=3"),
        ([0, -2], (4, 3), r"each named once. Received: shape=\(4, 3\), axis=\[0, -2\]"),
        (None, (4,), r"Received: shape=\(4,\), axis=None. For a vector, give axis=0"),
        (None, (), r"Received: shape=\(\), axis=None"),
    ],
)
def test_normalized_needs_its_axes(axis, shape, text):
    with pytest.raises(ValueError, match=text):
        Normalized("ones", axis)(shape)


def test_axis_of_normalized_is_checked_at_once():
    with pytest.raises(ValueError, match=r"names an axis twice. Received: axis=\[1, 1"):
        Normalized("ones", [1, 1])
    with pytest.raises(TypeError, match=r"`axis` must be an integer. Received: axis="):
        Normalized("ones", "last")


@pytest.mark.backend
@pytest.mark.parametrize("initializer", ["he_normal", ki.GlorotUniform()])
@pytest.mark.parametrize("shape", [(40, 30), (30, 40), (3, 3, 4, 30), (50, 1)])
def test_spectral_normalized_sets_the_largest_singular_value(initializer, shape):
    kernel = values_of(SpectralNormalized(initializer, 0.9), shape)
    largest = singular_values(kernel.reshape(-1, shape[-1]))[0]
    assert largest == pytest.approx(0.9, rel=1e-6)


@pytest.mark.backend
def test_spectral_normalized_is_a_multiple_of_what_it_wraps():
    inner = ki.HeNormal(seed=1)
    kernel, drawn = (values_of(i, (40, 30)) for i in (SpectralNormalized(inner), inner))
    np.testing.assert_allclose(kernel, drawn / singular_values(drawn)[0], rtol=1e-5)


@pytest.mark.backend
@pytest.mark.parametrize(
    "scheme",
    [
        SpectralNormalized("he_normal", 2, input_axes=[1], output_axes=[2]),
        Blockwise(SpectralNormalized("he_normal", 2), axis=0),
    ],
)
def test_spectral_normalized_sets_each_map_of_an_expert_layer(scheme):
    # Keras tells the axis of the experts as one of the outputs.
    layer = L.EinsumDense("abc,bcd->abd", (16, 12), kernel_initializer=scheme)
    layer.build((None, 16, 8))
    for kernel in as_numpy(layer.kernel):
        assert singular_values(kernel)[0] == pytest.approx(2, rel=1e-6)


@pytest.mark.backend
def test_spectral_normalized_refuses_what_has_no_norm():
    with pytest.raises(ValueError, match=r"map of zeros .* Received: initializer="):
        SpectralNormalized("zeros")((4, 3))
    with pytest.raises(ValueError, match=r"Received: shape=\(4,\) of rank 1"):
        SpectralNormalized("ones")((4,))


@pytest.mark.parametrize("scheme", [Normalized, SpectralNormalized])
def test_norm_must_be_positive(scheme):
    with pytest.raises(ValueError, match=r"`norm` must be positive"):
        scheme("ones", norm=0)


# --- transposition --------------------------------------------------------------------


@pytest.mark.backend
@pytest.mark.parametrize("module", [ki, keras.initializers])
@pytest.mark.parametrize(
    ("axes", "shape", "inner_shape"),
    [
        (None, (7, 5), (5, 7)),
        (None, (3, 3, 4, 5), (3, 3, 5, 4)),
        ([2, 0, 1], (7, 5, 4), (4, 7, 5)),
    ],
)
def test_transposed_draws_in_the_other_order(module, axes, shape, inner_shape):
    inner = module.HeNormal(seed=1)
    stored, drawn = (
        values_of(Transposed(inner, axes), shape),
        values_of(inner, inner_shape),
    )
    order = axes or [*range(len(shape) - 2), -1, -2]
    np.testing.assert_array_equal(stored.transpose(order), drawn)


@pytest.mark.backend
def test_transposed_has_the_fans_of_a_transposed_convolution():
    layer = L.Conv2DTranspose(4, 4, kernel_initializer=Transposed(ki.LecunNormal()))
    layer.build((None, 8, 8, 256))
    # fan_in is 4 * 4 * 256; Keras counts 4 * 4 * 4.
    assert as_numpy(layer.kernel).std() == pytest.approx(1 / 64, rel=0.02)


@pytest.mark.backend
def test_transposed_hands_on_the_axes_of_the_map():
    kernel = values_of(
        Transposed(
            ki.Orthogonal(seed=1), [2, 0, 1], input_axes=[1], output_axes=[0, 2]
        ),
        (2, 20, 5),
    )
    assert is_orthogonal(kernel.transpose(1, 0, 2).reshape(20, 10))


def test_transposed_needs_a_permutation_and_its_rank():
    with pytest.raises(ValueError, match=r"must be a permutation .* Received: axes="):
        Transposed("ones", [0, 2])
    with pytest.raises(TypeError, match=r"`axes` must be an integer. Received: axes="):
        Transposed("ones", ["a"])
    with pytest.raises(ValueError, match=r"rank 3. Received: shape=\(2, 2\) of rank 2"):
        Transposed("ones", [2, 0, 1])((2, 2))
    with pytest.raises(
        ValueError, match=r"2 or more. Received: shape=\(2,\) of rank 1"
    ):
        Transposed("ones")((2,))
