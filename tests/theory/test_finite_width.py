"""Finite widths, against published numbers, closed forms and narrow networks."""

import math

import numpy as np
import pytest
from scipy import stats

from keras_inits.theory import log_norm, norm_kurtosis


@pytest.mark.parametrize(
    ("width", "depth", "mean", "variance"),
    [(100, 50, -1.271, 2.597), (20, 20, -2.744, 6.235)],
)
def test_law_of_relu_is_the_published_one(width, depth, mean, variance):
    # Hanin (2018); Hanin & Nica (2019).
    law = log_norm([width] * depth)
    assert law.mean == pytest.approx(mean, abs=6e-4)
    assert law.variance == pytest.approx(variance, abs=6e-4)


def test_law_of_relu_is_that_of_narrow_networks():
    rng, width, depth, nets = np.random.default_rng(1), 20, 10, 20_000
    # Of normal weights only the squares of normal values are seen, half of them.
    z = np.maximum(rng.normal(size=(nets, depth, width)), 0)
    logs = np.log(2 * np.mean(z**2, axis=2)).sum(axis=1)
    law = log_norm([width] * depth)
    error = logs.std() / math.sqrt(nets)
    assert law.mean == pytest.approx(logs.mean(), abs=4 * error)
    error = math.sqrt(2 / nets) * logs.var() * 1.2
    assert law.variance == pytest.approx(logs.var(), abs=4 * error)


def test_gradients_of_narrow_networks_have_the_same_law():
    rng, width, depth, nets = np.random.default_rng(2), 24, 6, 3000
    logs = []
    for _ in range(nets):
        x, matrices = np.ones(width), []
        for _ in range(depth):
            matrix = rng.normal(size=(width, width)) * math.sqrt(2 / width)
            x = matrix @ x
            matrices.append(matrix * (x > 0)[:, None])
            x = np.maximum(x, 0)
        gradient = rng.normal(size=width)
        size = np.sum(gradient**2)
        for matrix in reversed(matrices):
            gradient = gradient @ matrix
        logs.append(math.log(np.sum(gradient**2) / size))
    law = log_norm([width] * depth)
    assert np.mean(logs) == pytest.approx(law.mean, abs=0.1)
    assert np.var(logs) == pytest.approx(law.variance, rel=0.15)


def test_law_of_linear_layers_is_that_of_chi_squares():
    law = log_norm([7, 30], "linear")
    means, variances = zip(
        *(
            (
                stats.chi2(n).expect(lambda x, n=n: math.log(x / n)),
                stats.chi2(n).expect(lambda x, n=n: math.log(x / n) ** 2),
            )
            for n in (7, 30)
        ),
        strict=True,
    )
    assert law.mean == pytest.approx(sum(means), rel=1e-6)
    expected = sum(v - m**2 for m, v in zip(means, variances, strict=True))
    assert law.variance == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("name", "factor"), [("relu", 5), ("linear", 2)])
def test_exact_law_tends_to_the_asymptotic_one(name, factor):
    exact = log_norm([5000] * 10, name)
    limit = log_norm([5000] * 10, name, asymptotic=True)
    assert limit.variance == pytest.approx(factor * 10 / 5000, rel=1e-9)
    assert limit.mean == -limit.variance / 2
    assert exact.variance == pytest.approx(limit.variance, rel=2e-3)
    assert exact.mean == pytest.approx(limit.mean, rel=2e-3)


def test_widths_may_differ():
    law = log_norm([10, 20, 40], "leaky_relu", asymptotic=True)
    slope = 0.2
    excess = 6 * (1 + slope**4) / (1 + slope**2) ** 2 - 1
    assert law.variance == pytest.approx(excess * (0.1 + 0.05 + 0.025), rel=1e-9)


def test_kurtosis_is_the_product():
    assert norm_kurtosis([30, 30, 30]) == pytest.approx((1 + 5 / 30) ** 3, rel=1e-12)
    assert norm_kurtosis([30] * 3) == pytest.approx(1.58796, abs=1e-5)


def test_kurtosis_is_that_of_narrow_networks():
    rng = np.random.default_rng(1)
    z = np.maximum(rng.normal(size=(200_000, 3, 30)), 0)
    squares = np.prod(2 * np.mean(z**2, axis=2), axis=1)
    measured = np.mean(squares**2) / np.mean(squares) ** 2
    assert norm_kurtosis([30] * 3) == pytest.approx(measured, rel=0.02)


def test_law_of_leaky_relu_is_only_asymptotic():
    message = r"known for ReLU and for linear .* Received: activation='leaky_relu'"
    with pytest.raises(ValueError, match=message):
        log_norm([10], "leaky_relu")


@pytest.mark.parametrize("function", [log_norm, norm_kurtosis])
@pytest.mark.parametrize(
    ("widths", "kind"), [([], ValueError), ([3, 0], ValueError), ([2.5], TypeError)]
)
def test_widths_must_count(function, widths, kind):
    with pytest.raises(kind, match=r"`widths` must be .* Received: "):
        function(widths)


@pytest.mark.parametrize("function", [log_norm, norm_kurtosis])
def test_tanh_has_no_such_law(function):
    with pytest.raises(ValueError, match=r"only where f\(c x\) = c f\(x\).* Received"):
        function([10], "tanh")
