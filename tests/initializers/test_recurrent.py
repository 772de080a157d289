"""Biases of gates and reservoirs, in Keras's recurrent layers and by hand."""

import math

import keras
import numpy as np
import pytest
from scipy import stats

import keras_inits as ki
from keras_inits import Blockwise
from keras_inits.initializers.recurrent import ChronoBias, EchoState, UnitForgetBias
from tests.initializers.tools import as_numpy, values_of

L = keras.layers


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# --- chrono ---------------------------------------------------------------------------


@pytest.mark.backend
@pytest.mark.parametrize(("low", "high"), [(2, 784), (10, 50), (2, 2.5)])
def test_chrono_spreads_the_forget_bias_by_its_law(low, high):
    units = 20000
    bias = values_of(ChronoBias(units, high, seed=1, min_steps=low), (4 * units,))
    admit, forget, cell, output = bias.reshape(4, units)
    # T - 1 = exp(b) is uniform.
    law = stats.uniform(low - 1, high - low)
    assert stats.kstest(np.exp(forget.astype(float)), law.cdf).pvalue > 1e-4
    np.testing.assert_array_equal(admit, -forget)
    assert not cell.any()
    assert not output.any()


@pytest.mark.backend
def test_chrono_starts_from_two_steps_unless_told():
    bias = values_of(ChronoBias(1000, 3, seed=1), (4000,))
    assert 0 <= bias[1000:2000].min() < 0.01
    assert math.log(2) - 0.01 < bias[1000:2000].max() <= np.float32(math.log(2))


def decay_of(layer, units, steps):
    """By what the state of each unit shrinks in a step, where no input comes in."""
    layer.build((1, steps, 1))
    for weight in layer.weights:
        if weight.name != "bias":
            weight.assign(np.zeros(weight.shape))
    start = np.full((1, units), 1e-3, "float32")
    is_lstm = isinstance(layer, L.LSTM)
    states = [np.zeros_like(start), start] if is_lstm else [start]
    _, *final = layer(np.zeros((1, steps, 1), "float32"), initial_state=states)
    return (as_numpy(final[-1])[0] / 1e-3) ** (1 / steps)


@pytest.mark.backend
@pytest.mark.parametrize(
    ("layer_class", "cell", "arguments"),
    [
        (L.LSTM, "lstm", {"unit_forget_bias": False}),
        (L.GRU, "gru", {}),
        (L.GRU, "gru", {"reset_after": False}),
    ],
)
def test_chrono_units_forget_within_their_time(layer_class, cell, arguments):
    units = 40
    scheme = ChronoBias(units, max_steps=100, cell=cell, seed=1)
    layer = layer_class(units, bias_initializer=scheme, return_state=True, **arguments)
    decay = decay_of(layer, units, steps=3)
    # A unit with sigmoid(b) = (T - 1) / T keeps that share in a step.
    times = 1 / (1 - decay)
    assert times.min() > 1.99
    assert times.max() < 100.1
    gate = as_numpy(layer.cell.bias).reshape(-1, units)[1 if cell == "lstm" else 0]
    np.testing.assert_allclose(decay, sigmoid(gate), rtol=1e-3)
    assert times.std() > 10


@pytest.mark.backend
def test_gru_has_its_chrono_bias_in_the_row_of_the_input():
    bias = values_of(ChronoBias(5, 100, "gru", seed=1), (2, 15))
    assert (bias[0, :5] > 0).all()
    assert not bias[0, 5:].any()
    assert not bias[1].any()


BIASES = [
    lambda units, cell: ChronoBias(units, 100, cell),
    lambda units, cell: UnitForgetBias(units, 2.0, cell),
]
each_bias = pytest.mark.parametrize("make", BIASES, ids=["chrono", "unit forget"])


@pytest.mark.backend
@each_bias
@pytest.mark.parametrize("units", [5, 8])  # 8 and 16 could be four gates as well
@pytest.mark.parametrize(
    "layer_of",
    [
        lambda units, bias: L.LSTM(units, bias_initializer=bias),
        lambda units, bias: L.ConvLSTM2D(units, 3, bias_initializer=bias),
    ],
    ids=["LSTM", "ConvLSTM2D"],
)
def test_layer_that_sets_its_own_forget_bias_is_refused(make, units, layer_of):
    layer = layer_of(units, make(units, "lstm"))
    with pytest.raises(ValueError, match="build it with unit_forget_bias=False"):
        layer.build(
            (None, 5, 6, 6, 3) if isinstance(layer, L.ConvLSTM2D) else (1, 5, 3)
        )


@each_bias
@pytest.mark.parametrize(
    ("cell", "shape", "text"),
    [
        ("lstm", (8,), r"shape \(4 \* units,\) = \(32,\). Received: shape=\(8,\), un"),
        ("lstm", (2, 24), r"Received: shape=\(2, 24\), units=8"),
        ("gru", (32,), r"\(2, 24\), or \(24,\) with .* Received: shape=\(32,\), uni"),
        ("gru", (2, 12), r"Received: shape=\(2, 12\), units=8, cell='gru'. Give"),
    ],
)
def test_bias_must_be_whole(make, cell, shape, text):
    with pytest.raises(ValueError, match=text):
        make(8, cell)(shape)


@pytest.mark.backend
@each_bias
def test_convolutional_cell_takes_a_bias_of_its_filters(make):
    layer = L.ConvLSTM2D(4, 3, bias_initializer=make(4, "lstm"), unit_forget_bias=False)
    layer.build((None, 5, 6, 6, 3))
    assert (as_numpy(layer.cell.bias).reshape(4, 4)[1] > 0).all()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"units": 0}, r"`units` must be an integer >= 1. Received: units=0"),
        ({"cell": "rnn"}, r"Received: cell='rnn'. Use one of 'lstm', 'gru'"),
        ({"max_steps": 2}, r"`max_steps` must be above .* Received: max_steps=2, min_"),
        ({"min_steps": 1}, r"`min_steps` must be a finite number >= 2. Received: min_"),
        ({"max_steps": math.inf}, r"`max_steps` must be a finite number. Received: m"),
    ],
)
def test_arguments_of_chrono_are_checked(arguments, text):
    with pytest.raises(ValueError, match=text):
        ChronoBias(**{"units": 4, "max_steps": 10, **arguments})


# --- forget bias ----------------------------------------------------------------------


@pytest.mark.backend
def test_unit_forget_bias_is_the_default_of_keras():
    layer = L.LSTM(6)
    layer.build((None, 5, 3))
    bias = values_of(UnitForgetBias(6), (24,))
    np.testing.assert_array_equal(bias, as_numpy(layer.cell.bias))


@pytest.mark.backend
@pytest.mark.parametrize("reset_after", [True, False])
def test_unit_forget_bias_keeps_the_state_of_a_gru(reset_after):
    scheme = UnitForgetBias(6, value=2.0, cell="gru")
    layer = L.GRU(
        6, bias_initializer=scheme, reset_after=reset_after, return_state=True
    )
    np.testing.assert_allclose(decay_of(layer, 6, 3), sigmoid(2.0), rtol=1e-3)


# --- IRNN -----------------------------------------------------------------------------


@pytest.mark.backend
def test_irnn_keeps_a_positive_state_for_ever():
    layer = L.SimpleRNN(
        6,
        activation="relu",
        recurrent_initializer=ki.Identity(),
        kernel_initializer=ki.RandomNormal(stddev=0.001),
    )
    start = np.arange(6, dtype="float32")[np.newaxis]
    state = layer(np.zeros((1, 300, 2), "float32"), initial_state=[start])
    np.testing.assert_array_equal(as_numpy(state), start)


# --- reservoirs -----------------------------------------------------------------------


def spectral_radius(matrix):
    return np.abs(np.linalg.eigvals(matrix.astype(float))).max()


@pytest.mark.backend
@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize(
    ("radius", "density", "size"), [(0.9, 0.1, 150), (1.25, 1.0, 60), (0.5, 0.3, 7)]
)
def test_reservoir_has_its_spectral_radius(distribution, radius, density, size):
    scheme = EchoState(radius, density, distribution, seed=1)
    assert spectral_radius(values_of(scheme, (size, size))) == pytest.approx(
        radius, abs=1e-5
    )


@pytest.mark.backend
@pytest.mark.parametrize("density", [0.02, 0.1, 0.7, 1.0])
def test_reservoir_has_its_share_of_weights(density):
    matrix = values_of(EchoState(density=density, seed=1), (300, 300))
    error = math.sqrt(density * (1 - density)) / 300
    assert abs((matrix != 0).mean() - density) <= 5 * error


@pytest.mark.backend
@pytest.mark.parametrize(
    ("distribution", "law"),
    [("uniform", stats.uniform(-1, 2)), ("normal", stats.norm(0, 1))],
)
def test_weights_of_a_reservoir_follow_their_law(distribution, law):
    matrix = values_of(EchoState(0.9, 0.3, distribution, seed=1), (200, 200))
    weights = matrix[matrix != 0].astype(float)
    # The scale is free: in units of the root mean square.
    weights *= law.std() / np.sqrt((weights**2).mean())
    assert stats.kstest(weights, law.cdf).pvalue > 1e-4


@pytest.mark.backend
def test_reservoir_of_a_single_unit_is_its_radius():
    assert abs(values_of(EchoState(0.7, 1.0, seed=1), (1, 1))) == pytest.approx(0.7)


@pytest.mark.parametrize("seed", range(20))
def test_small_sparse_reservoir_is_drawn_until_it_has_a_cycle(seed):
    # Three of four such draws have none.
    matrix = EchoState(density=0.1, seed=seed)._values((4, 4), np.dtype("f"))(None)
    assert spectral_radius(matrix) == pytest.approx(0.9, abs=1e-5)


def test_reservoir_without_a_cycle_is_refused():
    with pytest.raises(ValueError, match=r"no cycle.* shape=\(2, 2\), density=1e-06"):
        EchoState(density=1e-6, seed=1)((2, 2))


@pytest.mark.parametrize("shape", [(4,), (4, 16), (2, 4, 4)])
def test_reservoir_must_be_square(shape):
    with pytest.raises(ValueError, match=r"square matrices.* Received: shape="):
        EchoState()(shape)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"radius": 0}, "`radius` must be positive"),
        ({"density": 0}, "`density` must be positive"),
        ({"density": 1.1}, r"`density` must be a finite number <= 1. Received: den"),
        ({"distribution": "cauchy"}, r"Received: distribution='cauchy'. Use one of"),
    ],
)
def test_arguments_of_a_reservoir_are_checked(arguments, text):
    with pytest.raises(ValueError, match=text):
        EchoState(**arguments)


@pytest.mark.backend
def test_gates_are_reservoirs_each():
    layer = L.LSTM(30, recurrent_initializer=Blockwise(EchoState(0.8, seed=1), 4))
    layer.build((None, 5, 3))
    gates = np.split(as_numpy(layer.cell.recurrent_kernel), 4, axis=1)
    assert [spectral_radius(gate) for gate in gates] == pytest.approx([0.8] * 4)


# --- what the other schemes keep too --------------------------------------------------

SCHEMES = {
    "ChronoBias": (lambda seed: ChronoBias(6, 50, seed=seed), (24,)),
    "ChronoBias of a GRU": (lambda seed: ChronoBias(6, 50, "gru", seed), (2, 18)),
    "UnitForgetBias": (lambda seed: UnitForgetBias(6, 0.3), (24,)),
    "EchoState": (lambda seed: EchoState(0.9, 0.5, seed=seed), (20, 20)),
}
every = pytest.mark.parametrize(("make", "shape"), SCHEMES.values(), ids=SCHEMES)


@every
def test_part_is_that_of_the_whole(make, shape):
    values = make(1)._values(shape, np.dtype("float32"))
    box = tuple(slice(n // 4, n // 2 + 1) for n in shape)
    np.testing.assert_array_equal(values(box), values(None)[box])


@pytest.mark.backend
@every
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision_is_float32_cast_last(make, shape, dtype):
    low, full = (values_of(make(3), shape, d) for d in (dtype, "float32"))
    assert low.dtype.name == dtype
    np.testing.assert_array_equal(low, full.astype(low.dtype))


@pytest.mark.backend
@every
def test_scheme_comes_back_from_its_configuration(make, shape):
    scheme = make(5)
    copied = keras.initializers.get(keras.initializers.serialize(scheme))
    assert repr(copied) == repr(scheme)
    np.testing.assert_array_equal(values_of(copied, shape), values_of(scheme, shape))


@pytest.mark.backend
def test_recurrent_model_takes_a_training_step():
    model = keras.Sequential(
        [
            keras.Input((5, 3)),
            L.LSTM(
                8,
                bias_initializer=ChronoBias(8, 50),
                unit_forget_bias=False,
                return_sequences=True,
            ),
            L.GRU(8, bias_initializer=ChronoBias(8, 50, "gru"), return_sequences=True),
            L.SimpleRNN(8, recurrent_initializer=EchoState(density=0.5)),
            L.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    inputs = np.random.default_rng(1).normal(size=(4, 5, 3)).astype("float32")
    assert np.isfinite(model.train_on_batch(inputs, np.ones((4, 1), "float32")))
