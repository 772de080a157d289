"""The short-time Fourier transform's kernel, against Keras, NumPy and SciPy."""

import json
import math

import keras
import numpy as np
import pytest
from scipy import signal

from keras_inits import STFT
from tests.initializers.tools import as_numpy, values_of
from tests.processes import run_python

WINDOWS_OF_STFT = ["hann", "hamming", None, list(range(1, 65)), np.hanning(64)]


@pytest.mark.backend
@pytest.mark.parametrize("side", ["real", "imag"])
@pytest.mark.parametrize("window", WINDOWS_OF_STFT, ids=lambda w: str(w)[:7])
@pytest.mark.parametrize("scaling", ["density", "spectrum", None])
@pytest.mark.parametrize("periodic", [False, True])
def test_values_are_those_of_keras(side, window, scaling, periodic):
    theirs = keras.initializers.STFT(side, window, scaling, periodic)
    # Keras's float32 loses digits to large arguments.
    precision = "float32" if keras.backend.backend() == "jax" else "float64"
    tolerance = 1e-6 if precision == "float64" else 2e-5
    expected = values_of(theirs, (64, 1, 129), precision)
    found = values_of(STFT(side, window, scaling, periodic), (64, 1, 129))
    scale = max(1e-3, np.abs(expected).max())
    np.testing.assert_allclose(found / scale, expected / scale, atol=tolerance)


@pytest.mark.parametrize("periodic", [False, True])
def test_real_and_imaginary_sides_make_the_transform_of_scipy(periodic):
    frame, length = 32, 64
    sound = np.random.default_rng(3).normal(size=frame)
    real, imag = (
        values_of(STFT(side, "hann", None, periodic), (frame, 1, 33))[:, 0]
        for side in ("real", "imag")
    )
    window = signal.get_window("hann", frame, periodic)
    expected = np.fft.rfft(sound * window, length)
    np.testing.assert_allclose(sound @ real + 1j * (sound @ imag), expected, atol=1e-5)


def test_large_arguments_keep_their_digits():
    draw = STFT("imag", None)._values((4096, 1, 2049), np.dtype("float64"))
    exact = -math.sin(2 * math.pi * (4095 * 2047 % 4096) / 4096)
    assert draw(None)[4095, 0, 2047] == pytest.approx(exact, abs=1e-14)


def test_window_may_have_parameters():
    kernel = values_of(STFT(window=("kaiser", 8.0), scaling=None), (16, 1, 9))
    expected = signal.get_window(("kaiser", 8.0), 16, False)
    np.testing.assert_allclose(kernel[:, 0, 0], expected, rtol=1e-6)


LOAD = """
import json, sys
import keras, keras_inits.initializers.stft
import numpy as np
schemes = [keras.saving.deserialize_keras_object(c) for c in json.loads(sys.argv[1])]
values = [keras.ops.convert_to_numpy(s((8, 1, 5))).tolist() for s in schemes]
print(json.dumps(values))
"""


@pytest.mark.backend
def test_window_comes_back_in_another_process():
    windows = [np.hanning(8), list(range(1, 9)), ("kaiser", 3.0), "hamming"]
    windows.append(keras.ops.convert_to_tensor(np.hanning(8).astype("float32")))
    schemes = [STFT(window=window) for window in windows]
    saved = json.dumps([keras.saving.serialize_keras_object(s) for s in schemes])
    loaded = run_python(LOAD, saved)
    for scheme, values in zip(schemes, loaded, strict=True):
        np.testing.assert_array_equal(
            np.asarray(values, "float32"), values_of(scheme, (8, 1, 5))
        )


@pytest.mark.backend
def test_spectrogram_layer_takes_the_scheme():
    window = np.hanning(16)
    layer = keras.layers.Conv1D(
        17, 16, strides=8, use_bias=False, kernel_initializer=STFT("real", window)
    )
    sound = np.random.default_rng(1).normal(size=(2, 64, 1)).astype("float32")
    frames = np.stack([sound[:, i : i + 16, 0] for i in range(0, 49, 8)], 1)
    expected = np.fft.rfft(frames * window, 32).real / np.linalg.norm(window)
    np.testing.assert_allclose(as_numpy(layer(sound)), expected, atol=1e-5)


def test_every_input_channel_gets_the_kernel():
    kernel = values_of(STFT(), (8, 3, 5))
    np.testing.assert_array_equal(kernel[:, :1].repeat(3, axis=1), kernel)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("imaginary",), r"`side` must be 'real' or 'imag'. Received: side=imaginary"),
        (("real", "hann", "l2"), r"`scaling` must be .* Received: scaling=l2"),
        (("real", "unknown"), r"get_window knows. Received: window='unknown'"),
        (("real", "kaiser"), r"get_window knows. Received: window='kaiser'. .*param"),
        (("real", 3.0), r"`window` must be .* Received: window=3.0"),
        (("real", [[1.0]]), r"`window` must be .* Received: window="),
        (("real", object()), r"`window` must be .* Received: window="),
    ],
)
def test_stft_refuses_what_keras_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        STFT(*arguments)


def test_stft_refuses_a_window_of_another_length():
    with pytest.raises(ValueError, match=r"equal to \[frame_length\].* 4 values"):
        STFT(window=[1, 2, 3, 4])((8, 1, 5))


def test_stft_refuses_other_ranks():
    with pytest.raises(ValueError, match=r"rank 3. Received: shape=\(8, 5\)"):
        STFT()((8, 5))
