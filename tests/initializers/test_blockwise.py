"""Kernels of several maps: each block is drawn by itself."""

import math

import keras
import numpy as np
import pytest

import keras_inits as ki
from keras_inits import Blockwise, Scaled, SpectralNormalized
from tests.initializers.tools import as_numpy, is_orthogonal, values_of

L = keras.layers
CELLS = {"LSTM": (L.LSTM, 4), "GRU": (L.GRU, 3)}
SCHEMES = {
    "ours": ki.Orthogonal,
    "Keras's": keras.initializers.Orthogonal,
}


def gates_of(kernel, count):
    return np.split(as_numpy(kernel), count, axis=-1)


@pytest.mark.backend
@pytest.mark.parametrize(("layer_class", "count"), CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("orthogonal", SCHEMES.values(), ids=SCHEMES)
def test_each_gate_is_orthogonal_by_itself(layer_class, count, orthogonal):
    blockwise = Blockwise(orthogonal(seed=1), count)
    layer = layer_class(32, recurrent_initializer=blockwise)
    layer.build((None, 5, 16))
    assert all(map(is_orthogonal, gates_of(layer.cell.recurrent_kernel, count)))


@pytest.mark.backend
@pytest.mark.parametrize(("layer_class", "count"), CELLS.values(), ids=CELLS)
def test_gates_of_keras_alone_are_not_orthogonal(layer_class, count):
    layer = layer_class(32)  # with Keras's Orthogonal
    layer.build((None, 5, 16))
    assert not any(map(is_orthogonal, gates_of(layer.cell.recurrent_kernel, count)))


@pytest.mark.backend
@pytest.mark.parametrize(
    "glorot", [ki.GlorotUniform(seed=1), "glorot_uniform", Scaled("glorot_uniform", 1)]
)
def test_each_gate_counts_its_own_fans(glorot):
    layer = L.LSTM(256, kernel_initializer=Blockwise(glorot, 4))
    layer.build((None, 5, 128))
    kernel = as_numpy(layer.cell.kernel)
    # 0.0722; sqrt(2 / (128 + 1024)) = 0.0417 with Keras's fans.
    assert kernel.std() == pytest.approx(math.sqrt(2 / (128 + 256)), rel=0.01)


@pytest.mark.backend
def test_each_group_of_a_convolution_counts_its_own_fans():
    scheme = ki.VarianceScaling(1.0, "fan_out", "untruncated_normal")
    layer = L.Conv2D(256, 3, groups=32, kernel_initializer=Blockwise(scheme, 32))
    layer.build((None, 8, 8, 256))
    kernel = as_numpy(layer.kernel)
    # 0.118; 0.0206 with Keras's fan_out of 2304.
    assert kernel.shape == (3, 3, 8, 256)
    assert kernel.std() == pytest.approx(1 / math.sqrt(72), rel=0.02)


SEEDS = {
    "an integer": lambda: ki.GlorotUniform(seed=7),
    "a negative integer": lambda: ki.GlorotUniform(seed=-7),
    "none": lambda: ki.GlorotUniform(),
    "a generator": lambda: ki.GlorotUniform(seed=keras.random.SeedGenerator(7)),
    "an integer in Keras": lambda: keras.initializers.GlorotUniform(seed=7),
    "none in Keras": lambda: keras.initializers.GlorotUniform(),
    "a generator in Keras": lambda: keras.initializers.GlorotUniform(
        seed=keras.random.SeedGenerator(7)
    ),
    "an integer in a wrapper": lambda: Scaled(ki.GlorotUniform(seed=7), 2),
    "an integer in a wrapper in Keras": lambda: Scaled(
        keras.initializers.GlorotUniform(seed=7), 2
    ),
}


@pytest.mark.backend
@pytest.mark.parametrize("make", SEEDS.values(), ids=SEEDS)
def test_blocks_are_independent_whatever_the_seed(make):
    blocks = np.split(values_of(Blockwise(make(), 4), (50, 400)), 4, axis=-1)
    correlations = np.corrcoef([block.ravel() for block in blocks])
    # 5 standard errors of 1 / sqrt(5000).
    assert np.abs(correlations - np.eye(4)).max() < 0.071


@pytest.mark.backend
@pytest.mark.parametrize("name", ["an integer", "an integer in Keras"])
def test_integer_seed_gives_the_same_blocks_at_each_call(name):
    scheme = Blockwise(SEEDS[name](), 4)
    first, second = (values_of(scheme, (5, 8)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.backend
@pytest.mark.parametrize("name", ["none", "a generator", "a generator in Keras"])
def test_other_seeds_give_new_blocks_at_each_call(name):
    scheme = Blockwise(SEEDS[name](), 4)
    first, second = (values_of(scheme, (5, 8)) for _ in range(2))
    assert (first != second).all()


@pytest.mark.backend
def test_blocks_are_one_for_each_place_unless_counted():
    kernel = values_of(Blockwise(ki.Orthogonal(seed=1), axis=1), (20, 3, 8))
    assert all(is_orthogonal(kernel[:, head]) for head in range(3))


@pytest.mark.parametrize(
    ("arguments", "shape", "text"),
    [
        ({"blocks": 4}, (6, 30), r"shape=\(6, 30\), axis=-1, blocks=4, and 30 is no m"),
        ({"blocks": 2, "axis": 2}, (6, 30), r"lacks the `axis`. .* rank 2, axis=2"),
        ({"blocks": 2}, (), r"lacks the `axis`. Received: shape=\(\)"),
        ({"axis": "heads"}, (6, 2, 30), r"only an attention layer tells.* Received: "),
    ],
)
def test_blocks_must_fit_the_shape(arguments, shape, text):
    with pytest.raises(ValueError, match=text):
        Blockwise("ones", **arguments)(shape)


def test_blocks_and_axis_are_checked_at_once():
    with pytest.raises(
        ValueError, match=r"`blocks` must be an integer >= 1. Received: bl"
    ):
        Blockwise("ones", 0)
    with pytest.raises(TypeError, match=r"`blocks` must be an integer. Received: bl"):
        Blockwise("ones", 2.5)
    with pytest.raises(TypeError, match=r"`axis` must be an integer. Received: axis="):
        Blockwise("ones", 2, axis="head")


class Recurrent(keras.Model):
    """A subclassed model: Keras calls its initializers without a value first."""

    def __init__(self):
        super().__init__()
        kernel, recurrent = "glorot_uniform", ki.Orthogonal()
        self.lstm, self.gru = (
            cell(
                6,
                kernel_initializer=Blockwise(kernel, gates),
                recurrent_initializer=Blockwise(recurrent, gates),
                return_sequences=True,
            )
            for cell, gates in CELLS.values()
        )
        self.dense = L.Dense(1, kernel_initializer=SpectralNormalized("he_normal", 0.9))

    def call(self, inputs):
        return self.dense(self.gru(self.lstm(inputs)))


@pytest.mark.backend
def test_recurrent_model_takes_a_training_step():
    model = Recurrent()
    model.compile("sgd", "mse", run_eagerly=False)
    inputs = np.random.default_rng(1).normal(size=(4, 5, 3)).astype("float32")
    assert np.isfinite(model.train_on_batch(inputs, np.ones((4, 5, 1), "float32")))
