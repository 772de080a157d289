"""Kernels by way of frequencies, against NumPy's and SciPy's transforms."""

import json
import math

import keras
import numpy as np
import pytest
from scipy import stats

import keras_inits as ki
from keras_inits import ConvolutionAware, Gabor
from keras_inits.initializers import laws
from tests.initializers.tools import as_numpy, digest, values_of


def through_json(scheme):
    text = json.dumps(keras.saving.serialize_keras_object(scheme))
    return keras.saving.deserialize_keras_object(json.loads(text))


# --- ConvolutionAware ----------------------------------------------------------------

# Window, and how many frequencies it has up to mirror images, counted by hand.
WINDOWS = [((5,), 3), ((4,), 3), ((3, 3), 5), ((2, 2), 4), ((4, 3), 7), ((3, 3, 3), 14)]


@pytest.mark.parametrize(("window", "count"), WINDOWS)
def test_filters_of_a_unit_are_orthogonal_in_the_fourier_domain(window, count):
    scheme = ConvolutionAware(eps_std=0, seed=1)
    kernel = values_of(scheme, (*window, 2 * count, 3)).astype(float)
    axes = tuple(range(len(window)))
    spectra = np.fft.fftn(kernel, axes=axes).reshape(-1, 2 * count, 3)
    for unit in range(3):
        for first in (0, count):  # each set of `count` filters by itself
            part = spectra[:, first : first + count, unit]
            gram = part.conj().T @ part
            np.testing.assert_allclose(gram, gram[0, 0] * np.eye(count), atol=1e-5)


@pytest.mark.parametrize(("window", "count"), WINDOWS)
def test_spectra_without_noise_are_real(window, count):
    kernel = values_of(ConvolutionAware(eps_std=0, seed=1), (*window, count, 2))
    spectra = np.fft.fftn(kernel, axes=tuple(range(len(window))))
    assert np.abs(spectra.imag).max() < 1e-6 < np.abs(spectra.real).max()


@pytest.mark.parametrize("eps_std", [0, 0.05, 1])
@pytest.mark.parametrize("window", [(5,), (3, 3), (3, 2, 3)])
def test_variance_is_that_of_he_for_any_noise(eps_std, window):
    shape = (*window, 64, 200)
    values = values_of(ConvolutionAware(eps_std, seed=2), shape).astype(float)
    variance = 2 / (64 * math.prod(window))
    assert np.square(values).mean() == pytest.approx(variance, rel=0.02)
    assert abs(values.mean()) < 5 * math.sqrt(variance / values.size)


@pytest.mark.parametrize("eps_std", [0.05, 0.5])
def test_noise_alone_breaks_the_symmetry(eps_std):
    values = values_of(ConvolutionAware(eps_std, seed=2), (5, 50, 400)).astype(float)
    # Places n and -n of a filter of length sqrt(2 / 5) and places that share it.
    odd = (values[1:3] - values[:2:-1]) / math.sqrt(2)
    shrunk = values.std() / math.sqrt(2 / 5**2 + eps_std**2)
    assert odd.std() == pytest.approx(eps_std * shrunk, rel=0.02)
    assert stats.kstest(odd.ravel(), stats.norm(0, odd.std()).cdf).pvalue > 1e-4


def test_noise_is_independent_of_the_spectra():
    shape, eps_std = (5, 20, 100), 0.5
    scheme = ConvolutionAware(eps_std, seed=2)
    without = values_of(ConvolutionAware(0, seed=2), shape) * math.sqrt(2 / 5**2)
    noise = values_of(scheme, shape) * math.sqrt(2 / 5**2 + eps_std**2) - without
    # What the spectra are made of, as the first draw of their stream.
    normals = scheme._stream(shape).draw(laws.Normal(0.0, 1.0), shape, np.float32)
    correlation = np.corrcoef(noise.ravel(), normals.ravel())[0, 1]
    assert abs(correlation) < 5 / math.sqrt(noise.size)


def test_spectra_are_rows_of_haar_matrices():
    # Entries of a Haar matrix squared are Beta(1/2, (n - 1) / 2); its signs are even.
    values = values_of(ConvolutionAware(eps_std=0, seed=4), (3, 2, 4000)).astype(float)
    constant = values.sum(0)  # the frequency 0 of each filter
    share = constant**2 / 3 / np.square(values).sum(0)
    assert stats.kstest(share[0], stats.beta(0.5, 0.5).cdf).pvalue > 1e-4
    assert abs((constant > 0).mean() - 0.5) < 5 * 0.5 / math.sqrt(constant.size)


def test_filters_of_two_units_are_independent():
    values = values_of(ConvolutionAware(seed=4), (5, 3, 3000)).reshape(15, 3000)
    correlation = np.corrcoef(values[:, ::2].ravel(), values[:, 1::2].ravel())[0, 1]
    assert abs(correlation) < 5 / math.sqrt(values.size / 2)


def test_window_of_one_place_gets_he_normal():
    values = values_of(ConvolutionAware(seed=4), (1, 1, 200, 200)).ravel()
    law = stats.norm(0, math.sqrt(2 / 200))
    assert stats.kstest(values.astype(float), law.cdf).pvalue > 1e-4


def test_fans_and_gain_set_the_variance():
    scheme = ConvolutionAware(gain=3.0, fans=ki.Fans.depthwise(), seed=1)
    values = values_of(scheme, (3, 3, 2000, 1))
    assert values.std() == pytest.approx(3 / 3, rel=0.02)


@pytest.mark.backend
@pytest.mark.parametrize("layer", [keras.layers.Conv1D, keras.layers.Conv3D])
def test_convolutions_take_a_convolution_aware_kernel(layer):
    made = layer(4, 3, kernel_initializer=ConvolutionAware(seed=1))
    made.build((None, *[6] * (made.rank), 2))
    expected = values_of(ConvolutionAware(seed=1), made.kernel.shape)
    np.testing.assert_array_equal(as_numpy(made.kernel), expected)


@pytest.mark.backend
def test_convolution_aware_comes_back_with_its_values():
    scheme = ConvolutionAware(0.1, seed=3, gain="gelu")
    shape = (3, 3, 7, 5)
    assert digest(values_of(through_json(scheme), shape)) == digest(
        values_of(scheme, shape)
    )
    assert digest(values_of(scheme, shape)) == digest(values_of(scheme, shape))


def test_convolution_aware_refuses_a_matrix():
    with pytest.raises(ValueError, match=r"rank 3 or more. Received: shape=\(4, 4\)"):
        ConvolutionAware()((4, 4))


# --- Gabor ---------------------------------------------------------------------------


def test_gabor_function_at_points():
    theta, wavelength, phase, aspect, bandwidth = 0.7, 5.0, 0.3, 0.8, 1.5
    kernel = values_of(
        Gabor([theta], wavelength, phase, bandwidth, aspect, gain=1.0), (7, 9, 1, 1)
    )[..., 0, 0].astype(float)
    sigma = (
        wavelength / math.pi * math.sqrt(math.log(2) / 2) * (2**1.5 + 1) / (2**1.5 - 1)
    )

    def by_hand(row, column):
        x, y = column - 4, row - 3
        u = x * math.cos(theta) + y * math.sin(theta)
        v = y * math.cos(theta) - x * math.sin(theta)
        window = math.exp(-(u**2 + aspect**2 * v**2) / (2 * sigma**2))
        return window * math.cos(2 * math.pi * u / wavelength + phase)

    for row, column in [(0, 0), (3, 5), (6, 2), (2, 8)]:
        ratio = kernel[row, column] / kernel[3, 4]
        assert ratio == pytest.approx(by_hand(row, column) / by_hand(3, 4), abs=1e-6)


@pytest.mark.parametrize("wavelength", [4.0, 6.4])
def test_spectrum_peaks_at_orientation_and_wavelength(wavelength):
    kernel = values_of(Gabor(6, wavelength, 0.0), (32, 32, 1, 6))[:, :, 0]
    frequencies = np.fft.fftfreq(256)
    for unit in range(6):
        spectrum = np.abs(np.fft.fft2(kernel[..., unit], (256, 256)))
        row, column = np.unravel_index(spectrum.argmax(), spectrum.shape)
        peak = np.array([frequencies[column], frequencies[row]])
        angle = math.pi * unit / 6
        wave = np.array([math.cos(angle), math.sin(angle)]) / wavelength
        peak *= np.sign(peak @ wave)  # a real filter has the mirrored peak too
        np.testing.assert_allclose(peak, wave, atol=0.01)


def test_bandwidth_is_in_octaves():
    # At half the peak, the upper frequency is 2^b times the lower.
    kernel = values_of(Gabor([0.0], 8.0, 0.0, bandwidth=1.0), (101, 101, 1, 1))
    spectrum = np.abs(np.fft.fft(kernel[..., 0, 0].sum(0), 4096))[:2048]
    above = np.flatnonzero(spectrum > spectrum.max() / 2)
    assert above[-1] / above[0] == pytest.approx(2, rel=0.03)


def test_phase_makes_filters_even_or_odd():
    kernel = values_of(Gabor(2, 4.0, [0.0, math.pi / 2]), (9, 9, 1, 4))[:, :, 0]
    turned = kernel[::-1, ::-1]
    np.testing.assert_allclose(turned[..., :2], kernel[..., :2], atol=1e-6)
    np.testing.assert_allclose(turned[..., 2:], -kernel[..., 2:], atol=1e-6)


def test_bank_runs_through_orientations_then_phases_then_wavelengths():
    angles, phases, wavelengths = [0.1, 0.9], [0.0, 1.0], [3.0, 5.0]
    bank = values_of(Gabor(angles, wavelengths, phases), (7, 7, 1, 10))
    order = [(w, p, a) for w in wavelengths for p in phases for a in angles]
    for unit, (wavelength, phase, angle) in enumerate(order):
        one = values_of(Gabor([angle], wavelength, phase), (7, 7, 1, 1))
        np.testing.assert_array_equal(bank[..., unit], one[..., 0])
    np.testing.assert_array_equal(bank[..., 8:], bank[..., :2])


def test_norm_of_each_unit_is_the_gain():
    kernel = values_of(Gabor(gain=1.5), (5, 7, 3, 16)).reshape(-1, 16)
    np.testing.assert_allclose(np.linalg.norm(kernel, axis=0), 1.5, rtol=1e-6)


def test_input_channels_are_alike():
    kernel = values_of(Gabor(), (5, 5, 3, 8))
    np.testing.assert_array_equal(kernel[:, :, :1].repeat(3, axis=2), kernel)


@pytest.mark.backend
def test_gabor_comes_back_from_json():
    scheme = Gabor(np.array([0.0, 1.0]), (3, 6), bandwidth=2)
    np.testing.assert_array_equal(
        values_of(through_json(scheme), (5, 5, 2, 7)), values_of(scheme, (5, 5, 2, 7))
    )


def test_integers_of_numpy_count_orientations():
    assert Gabor(np.int64(4)).orientations == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"orientations": 0}, r"`orientations` must be an integer >= 1"),
        ({"orientations": []}, r"`orientations` is empty. Received: orientations=\[\]"),
        ({"wavelengths": 1.5}, r"`wavelengths` must be a finite number >= 2"),
        ({"phases": math.nan}, r"`phases` must be a finite number"),
        ({"bandwidth": 0}, r"`bandwidth` must be positive"),
        ({"aspect": -1}, r"`aspect` must be positive"),
        ({"gain": -1}, r"`gain` must be a finite number >= 0"),
    ],
)
def test_gabor_refuses_numbers_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        Gabor(**arguments)


def test_gabor_refuses_other_ranks():
    with pytest.raises(ValueError, match=r"rank 4. Received: shape=\(5, 3, 8\)"):
        Gabor()((5, 3, 8))
