"""Chains, against closed forms, published rates and networks of width 512."""

import math

import numpy as np
import pytest

from keras_inits.theory import (
    Activation,
    Curve,
    Dropout,
    Layer,
    Normalization,
    Residual,
    Signal,
    activation,
    chi_1,
    correlation_map,
    edge_of_chaos,
    iterates,
    propagate,
    settled,
    variance_map,
)

WIDTH = 512


def slope(name, x):
    function = activation(name)
    return (function(x + 1e-6) - function(x - 1e-6)) / 2e-6


class Measured:
    """A chain of width 512 in NumPy: forward on two inputs, backward on the first."""

    def __init__(self, chain, correlation, seed):
        self.rng = np.random.default_rng(seed)
        one, other = self.rng.normal(size=(2, WIDTH))
        other = correlation * one + math.sqrt(1 - correlation**2) * other
        x = np.stack([one, other], axis=1)
        x *= math.sqrt(WIDTH) / np.linalg.norm(x, axis=0)
        self.squares, self.overlaps, backs = [], [], []
        self.note(x)
        for link in chain:
            x, back = self.forward(link, x)
            self.note(x)
            backs.append(back)
        gradient = self.rng.normal(size=WIDTH)
        self.gradients = [np.mean(gradient**2)]
        for back in reversed(backs):
            gradient = back(gradient)
            self.gradients.append(np.mean(gradient**2))
        self.gradients = np.array(self.gradients[::-1]) / self.gradients[0]

    def note(self, x):
        self.squares.append(np.mean(x**2))
        self.overlaps.append(np.mean(x[:, 0] * x[:, 1]))

    def forward(self, link, x):
        if isinstance(link, Layer):
            return self.layer(link, x)
        if isinstance(link, Activation):
            slopes = slope(link.activation, x[:, 0])
            return activation(link.activation)(x), lambda g: slopes * g
        if isinstance(link, Residual):
            return self.residual(link, x)
        if isinstance(link, Dropout):
            keep = self.rng.random((WIDTH, 2)) >= link.rate
            keep = keep / (1 - link.rate)
            return keep * x, lambda g: keep[:, 0] * g
        return self.normalization(link, x)

    def layer(self, link, x):
        matrix = self.rng.standard_normal((WIDTH, WIDTH), np.float32)
        matrix *= math.sqrt(link.weight_variance / WIDTH)
        biases = self.rng.normal(size=(WIDTH, 1)) * math.sqrt(link.bias_variance)
        z = matrix @ x + biases
        slopes = slope(link.activation, z[:, 0])
        return activation(link.activation)(z), lambda g: (slopes * g) @ matrix

    def residual(self, link, x):
        inner, backs = x, []
        for part in link.branch:
            inner, back = self.forward(part, inner)
            backs.append(back)

        def backward(g):
            branch = g
            for back in reversed(backs):
                branch = back(branch)
            return link.skip_scale * g + link.branch_scale * branch

        return link.skip_scale * x + link.branch_scale * inner, backward

    def normalization(self, link, x):
        centred = x - x.mean(axis=0) if link.kind == "layer" else x
        size = np.sqrt(np.mean(centred**2, axis=0))
        y = centred / size

        def backward(g):
            if link.kind == "layer":
                g = g - g.mean()
            return (g - y[:, 0] * np.mean(g * y[:, 0])) / size[0]

        return y, backward


CHAINS = {
    "tanh": [Layer("tanh", 1.76, 0.05)] * 7,
    "gelu": [Layer("gelu", 2.2, 0.1)] * 7,
    "relu": [Layer("relu", 2.0)] * 7,
    "sigmoid, then linear": [Layer("sigmoid", 3.0, 0.2), Layer("linear", 2.0)],
    "pre-activation branches": [
        Layer("linear"),
        *[Residual([Activation("relu"), Layer("linear", 2.0)])] * 5,
    ],
    "branches that end in ReLU": [Residual([Layer("relu", 1.0)])] * 6,
    "branches of tanh": [Residual([Layer("tanh", 1.0), Layer("linear", 0.5)])] * 5,
    "scaled branches": [Residual([Layer("gelu", 2.0), Layer("linear", 2.0)], 0.8, 0.6)]
    * 5,
    "pre-norm branches": [
        Residual([Normalization("layer"), Layer("gelu", 1.5), Layer("linear", 1.5)])
    ]
    * 5,
    "layer normalization": [
        Layer("softplus", 1.0, 0.1),
        Normalization("layer"),
        Layer("tanh", 2.0),
        Normalization("layer"),
    ]
    * 2,
    "rms normalization": [Layer("softplus", 1.0, 0.1), Normalization("rms")] * 3,
    "dropout": [Layer("tanh", 1.5, 0.1), Dropout(0.2)] * 5,
}


@pytest.mark.parametrize("case", CHAINS)
def test_chain_is_that_of_networks_of_width_512(case):
    chain, correlation, nets = CHAINS[case], 0.4, 16
    expected = propagate(chain, correlation=correlation)
    drawn = [Measured(chain, correlation, seed) for seed in range(nets)]
    squares = np.mean([net.squares for net in drawn], axis=0)
    overlaps = np.mean([net.overlaps for net in drawn], axis=0)
    gradients = np.mean([net.gradients for net in drawn], axis=0)
    # Mean squares of ReLU spread by sqrt(5 depth / width / nets): .065 at a depth of 7.
    np.testing.assert_allclose(np.sqrt(squares), np.sqrt(expected.variance), rtol=0.05)
    cosines = [np.divide(net.overlaps, net.squares) for net in drawn]
    errors = np.std(cosines, axis=0) / math.sqrt(nets)
    off = np.abs(overlaps / squares - expected.correlation)
    assert (off <= 4 * errors + 0.005).all()
    np.testing.assert_allclose(np.sqrt(gradients), expected.gradient, rtol=0.1)


def test_plain_chain_is_the_variance_map():
    w, b, depth = 2.0, 0.1, 9
    found = propagate(
        [Layer("linear", w, b), *[Activation("tanh"), Layer("linear", w, b)] * depth],
        0.7,
    )
    expected = iterates(variance_map("tanh", w, b), w * 0.7 + b, depth)
    np.testing.assert_allclose(found.variance[1::2], expected, rtol=1e-9)


def test_plain_chain_is_the_correlation_map():
    point = edge_of_chaos("tanh", 1.0)
    w, b = point.weight_variance, point.bias_variance
    pair = [Activation("tanh"), Layer("linear", w, b)]
    found = propagate(pair * 9, variance=1.0, correlation=0.2)
    expected = iterates(correlation_map("tanh", w, b, 1.0), 0.2, 9)
    np.testing.assert_allclose(found.correlation[::2], expected, rtol=1e-8)


def test_gradient_of_a_plain_chain_is_a_power_of_chi_1():
    q = settled(variance_map("tanh", 2.5, 0.05)).value
    pair = [Activation("tanh"), Layer("linear", 2.5, 0.05)]
    found = propagate(pair * 20, variance=q)
    chi = chi_1("tanh", 2.5, 0.05)
    assert found.gradient[0] == pytest.approx(chi**10, rel=1e-8)
    assert found.gradient[-1] == 1


def test_gradient_of_relu_branches_grows_as_published():
    # Yang & Schoenholz (2017): (1 + w / 2)^L; 57.7 at L = 10 with w = 1.
    blocks = [Residual([Layer("relu", 1.0), Layer("linear", 1.0)])] * 10
    found = propagate(blocks)
    assert found.gradient[0] ** 2 == pytest.approx(1.5**10, rel=1e-9)
    assert found.variance[-1] == pytest.approx(57.665, rel=1e-4)


def test_gradient_of_tanh_branches_grows_like_the_exponential_of_a_root():
    # Yang & Schoenholz (2017): ln of the gradient grows as sqrt(L).
    def exponent(block):
        gradient = propagate([block] * 200).gradient
        logs = np.log(gradient[0] / gradient[[50, 100, 200]])
        return math.log2((logs[2] - logs[1]) / (logs[1] - logs[0]))

    branch = Residual([Layer("tanh", 1.0), Layer("linear", 1.0)])
    assert exponent(branch) == pytest.approx(0.5, abs=0.05)
    assert exponent(Layer("tanh", 2.5)) == pytest.approx(1, abs=1e-3)


def test_batch_normalization_makes_gradients_explode():
    # Yang et al. (2019): by pi / (pi - 1) a layer with ReLU, whatever the weights.
    for w in (0.5, 2.0):
        chain = [Layer("linear", w), Normalization("batch"), Activation("relu")]
        found = propagate(chain * 11)
        rates = (found.gradient[3:-4:3] / found.gradient[6:-1:3]) ** 2
        np.testing.assert_allclose(rates, math.pi / (math.pi - 1), rtol=1e-8)


def test_normalization_forgets_the_scale_of_weights():
    one, other = (
        propagate([Layer("tanh", w), Normalization("layer"), Layer("relu", 2.0)])
        for w in (2.0, 2.0)
    )
    scaled = propagate([Layer("linear", 9.0), Normalization("rms"), Layer("relu", 2.0)])
    plain = propagate([Layer("linear", 1.0), Normalization("rms"), Layer("relu", 2.0)])
    assert one.variance[-1] == other.variance[-1]
    assert scaled.variance[-1] == pytest.approx(plain.variance[-1])
    assert scaled.gradient[0] == pytest.approx(plain.gradient[0])


def test_branch_of_0_is_the_identity():
    block = Residual([Layer("relu", 5.0), Layer("linear", 5.0)], branch_scale=0.0)
    found = propagate([block] * 100, correlation=0.3)
    assert found.variance[-1] == 1
    assert found.correlation[-1] == pytest.approx(0.3)
    assert found.gradient[0] == 1


def test_fan_ratio_is_seen_by_the_gradient_alone():
    found = propagate([Layer("linear", 1.0, fan_ratio=4.0)])
    assert found.variance[-1] == 1
    assert found.gradient[0] == 2


def test_arrays_have_an_entry_for_the_input_and_one_for_each_link():
    found = propagate([Layer("tanh", 1.0)] * 3, variance=2.0, correlation=-1.0)
    for numbers in (found.variance, found.correlation, found.gradient):
        assert numbers.shape == (4,)
    assert found.variance[0] == 2
    assert found.correlation == pytest.approx([-1] * 4)


def test_empty_chain_changes_nothing():
    assert propagate([]).variance.tolist() == [1]


def test_signal_may_die():
    found = propagate([Layer("linear", 0.0), Layer("relu", 2.0)], correlation=0.5)
    assert found.variance.tolist() == [1, 0, 0]
    assert found.correlation.tolist() == [0.5, 0, 0]


def test_curve_and_own_links_are_taken():
    def doubled(signal):
        return Signal(4 * signal.square, 4 * signal.overlap, normal=signal.normal), 4.0

    found = propagate([doubled, Activation(Curve(np.tanh))], variance=0.25)
    expected = propagate([Activation("tanh")], variance=1.0)
    assert found.variance[-1] == pytest.approx(expected.variance[-1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Layer("nope"), "Unknown activation. Received: 'nope'"),
        (lambda: Activation("nope"), "Unknown activation. Received: 'nope'"),
        (lambda: Layer("relu", -1.0), "`weight_variance` is a variance"),
        (lambda: Layer("relu", 1.0, -1.0), "`bias_variance` is a variance"),
        (lambda: Layer("relu", fan_ratio=0), "`fan_ratio` must be > 0. Received: fan"),
        (lambda: Normalization("group"), "one of 'layer', 'rms', 'batch'. Received"),
        (lambda: Normalization(epsilon=-1), "`epsilon` is a variance"),
        (lambda: Dropout(1.0), "`rate` must lie from 0 to below 1. Received: rate=1"),
        (lambda: Residual([Activation("relu")]), "A branch needs a Layer: without"),
        (lambda: propagate([], correlation=2), "`correlation` must lie within"),
        (lambda: propagate([], variance=0), "`variance` is a variance and must be > 0"),
    ],
)
def test_wrong_numbers_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_activation_must_follow_weights():
    message = r"must follow weights.* Received: activation=.* Put a Layer between"
    with pytest.raises(ValueError, match=message):
        propagate([Activation("relu"), Activation("tanh")])


def test_batch_of_equal_inputs_cannot_be_normalized():
    message = "nothing to normalize.* Received: kind='batch'.* a correlation below 1"
    with pytest.raises(ValueError, match=message):
        propagate([Normalization("batch")], correlation=1.0)


def test_names_are_no_links():
    with pytest.raises(TypeError, match=r"`chain` must hold .* Received: 'relu'"):
        propagate(["relu"])
