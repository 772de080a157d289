"""Weights of state-space layers, against closed forms, SciPy and a simulated system."""

import math

import keras
import numpy as np
import pytest
from scipy import signal, special, stats

from keras_inits.initializers.state_space import S4D, HippoLegS, LogUniform, LRURing
from tests.initializers.tools import as_numpy, values_of

L = keras.layers


# --- HiPPO ----------------------------------------------------------------------------


@pytest.mark.backend
def test_hippo_has_the_published_matrices():
    expected = -np.array(
        [
            [1, 0, 0, 0],
            [math.sqrt(3), 2, 0, 0],
            [math.sqrt(5), math.sqrt(15), 3, 0],
            [math.sqrt(7), math.sqrt(21), math.sqrt(35), 4],
        ]
    )
    np.testing.assert_allclose(values_of(HippoLegS("A"), (4, 4)), expected, rtol=1e-6)
    np.testing.assert_allclose(
        values_of(HippoLegS("B"), (4,)), np.sqrt([1, 3, 5, 7]), rtol=1e-6
    )


def test_hippo_holds_the_past_as_legendre_coefficients():
    """Theorem 2: c' = (A c + B f) / t has c_n(t) = (f, sqrt(2n+1) P_n) over [0, t]."""
    size, end = 8, 3.0
    a = HippoLegS("A")._values((size, size), np.dtype("float64"))(None)
    b = HippoLegS("B")._values((size,), np.dtype("float64"))(None)

    def f(x):
        return np.sin(2 * x) + x**2

    def coefficients(t):
        nodes, weights = special.roots_legendre(60)
        places = t * (nodes + 1) / 2
        return np.array(
            [
                math.sqrt(2 * n + 1)
                * (weights * f(places) * special.eval_legendre(n, nodes)).sum()
                / 2
                for n in range(size)
            ]
        )

    step = 1e-5
    slope = (coefficients(end + step) - coefficients(end - step)) / (2 * step)
    expected = (a @ coefficients(end) + b * f(end)) / end
    np.testing.assert_allclose(slope, expected, atol=1e-7)


@pytest.mark.backend
def test_hippo_step_is_the_bilinear_rule_of_scipy():
    size, step = 16, 0.02
    a, b = (
        values_of(HippoLegS(part), (size, n)) for part, n in (("A", size), ("B", 1))
    )
    system = (a.astype(float), b.astype(float), np.ones((1, size)), np.zeros((1, 1)))
    expected_a, expected_b, *_ = signal.cont2discrete(system, step, "bilinear")
    discrete_a = values_of(HippoLegS("A", step), (size, size))
    discrete_b = values_of(HippoLegS("B", step), (size, 1))
    np.testing.assert_allclose(discrete_a, expected_a, atol=2e-6)
    np.testing.assert_allclose(discrete_b, expected_b, atol=2e-6)


@pytest.mark.backend
def test_hippo_in_a_recurrent_layer_is_the_discrete_system():
    size, step, steps = 6, 0.1, 20
    layer = L.SimpleRNN(
        size,
        activation=None,
        recurrent_initializer=HippoLegS("A", step, transposed=True),
        kernel_initializer=HippoLegS("B", step, transposed=True),
    )
    inputs = np.random.default_rng(1).normal(size=(steps, 1))
    a = HippoLegS("A", step)._values((size, size), np.dtype("float64"))(None)
    b = HippoLegS("B", step)._values((size, 1), np.dtype("float64"))(None)
    state = np.zeros(size)
    for value in inputs:
        state = a @ state + b @ value
    final = layer(inputs[np.newaxis].astype("float32"))
    np.testing.assert_allclose(as_numpy(final)[0], state, rtol=1e-4, atol=1e-5)


@pytest.mark.backend
def test_every_input_of_hippo_has_the_same_column():
    b = values_of(HippoLegS("B"), (5, 3))
    np.testing.assert_array_equal(b, b[:, :1].repeat(3, axis=1))
    np.testing.assert_array_equal(
        values_of(HippoLegS("B", transposed=True), (3, 5)), b.T
    )


@pytest.mark.parametrize(
    ("part", "shape", "text"),
    [
        ("A", (4, 5), r"Part A .* shape \(N, N\).* Received: shape=\(4, 5\)"),
        ("A", (4,), r"Received: shape=\(4,\)"),
        ("B", (), r"Part B .* \(N,\), \(N, inputs\).* Received: shape=\(\)"),
        ("B", (2, 2, 2), r"Received: shape=\(2, 2, 2\)"),
    ],
)
def test_shape_must_fit_the_part_of_hippo(part, shape, text):
    with pytest.raises(ValueError, match=text):
        HippoLegS(part)(shape)


@pytest.mark.parametrize("scheme", [HippoLegS, S4D, LRURing])
def test_part_must_be_known(scheme):
    with pytest.raises(ValueError, match=r"`part` is unknown. Received: part='a'. Use"):
        scheme("a")


# --- S4D ------------------------------------------------------------------------------


@pytest.mark.backend
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("lin", [-0.5, -0.5 + 1j * math.pi, -0.5 + 2j * math.pi]),
        # N = 6: 6 / pi times 6 - 1, 6 / 3 - 1, 6 / 5 - 1.
        ("inv", [-0.5 + 30j / math.pi, -0.5 + 6j / math.pi, -0.5 + 1.2j / math.pi]),
        ("real", [-1, -2, -3]),
    ],
)
@pytest.mark.parametrize("copies", [(), (4,), (2, 3)])
def test_s4d_has_the_published_diagonal(kind, expected, copies):
    log_real, imaginary = (
        values_of(S4D(part, kind), (*copies, 3)) for part in ("log_real", "imaginary")
    )
    diagonal = -np.exp(log_real) + 1j * imaginary
    assert diagonal.shape == (*copies, 3)
    np.testing.assert_allclose(
        diagonal, np.broadcast_to(expected, diagonal.shape), rtol=1e-6
    )


def test_real_s4d_has_the_eigenvalues_of_hippo():
    hippo = HippoLegS("A")._values((12, 12), np.dtype("float64"))(None)
    log_real = S4D("log_real", "real")._values((12,), np.dtype("float64"))(None)
    np.testing.assert_allclose(-np.exp(log_real), np.diag(hippo))


def test_inverse_s4d_approaches_the_normal_part_of_hippo():
    """Its law is that of the largest frequencies, up to lower orders of N."""
    size = 256
    a = HippoLegS("A")._values((size, size), np.dtype("float64"))(None)
    root = np.sqrt(np.arange(size) + 0.5)
    normal = a + np.outer(root, root)
    frequencies = np.sort(np.linalg.eigvals(normal).imag)[::-1][:2]
    inverse = S4D("imaginary", "inv")._values((size // 2,), np.dtype("float64"))(None)
    np.testing.assert_allclose(inverse[:2], frequencies, rtol=0.02)


def test_s4d_needs_an_axis_and_a_kind():
    with pytest.raises(ValueError, match=r"an axis of states.* Received: shape=\(\)"):
        S4D()(())
    with pytest.raises(ValueError, match=r"Received: kind='legs'. Use one of 'lin'"):
        S4D(kind="legs")


# --- LRU ------------------------------------------------------------------------------

RINGS = {
    "the disk": {},
    "a thin ring": {"r_min": 0.9, "r_max": 0.999},
    "a slice": {"r_min": 0.4, "r_max": 0.8, "max_phase": math.pi / 10},
}
every_ring = pytest.mark.parametrize("ring", RINGS.values(), ids=RINGS)


def parts_of(ring, size=20000, seed=1):
    return [
        values_of(LRURing(part, **ring, seed=seed), (size,)).astype(float)
        for part in ("nu_log", "theta_log", "gamma_log")
    ]


@pytest.mark.backend
@every_ring
def test_eigenvalues_are_uniform_on_the_ring(ring):
    nu_log, theta_log, _ = parts_of(ring)
    eigenvalues = np.exp(-np.exp(nu_log) + 1j * np.exp(theta_log))
    low, high = ring.get("r_min", 0), ring.get("r_max", 1)
    # Uniform by area: in the square of the modulus.
    modulus = stats.uniform(low**2, high**2 - low**2)
    assert stats.kstest(np.abs(eigenvalues) ** 2, modulus.cdf).pvalue > 1e-4
    max_phase = ring.get("max_phase", 2 * math.pi)
    phases = np.angle(eigenvalues) % (2 * math.pi)
    assert stats.kstest(phases, stats.uniform(0, max_phase).cdf).pvalue > 1e-4
    assert (np.abs(eigenvalues) < 1).all()
    correlation = stats.spearmanr(np.abs(eigenvalues), phases).statistic
    assert abs(correlation) < 5 / math.sqrt(eigenvalues.size)


@pytest.mark.backend
@every_ring
def test_gamma_normalizes_the_eigenvalue_of_the_same_seed(ring):
    nu_log, _, gamma_log = parts_of(ring)
    modulus = np.exp(-np.exp(nu_log))
    # float32 leaves 1 - modulus^2 no relative precision near 1.
    np.testing.assert_allclose(np.exp(2 * gamma_log) + modulus**2, 1, rtol=1e-6)


@pytest.mark.backend
def test_normalized_states_have_the_variance_of_their_input():
    nu_log, theta_log, gamma_log = parts_of({"r_min": 0.5, "r_max": 0.9}, size=200)
    eigenvalues = np.exp(-np.exp(nu_log) + 1j * np.exp(theta_log))
    states = np.zeros(200, complex)
    rng, squares = np.random.default_rng(1), []
    for step in range(3000):
        states = eigenvalues * states + np.exp(gamma_log) * rng.normal(size=200)
        squares += [np.abs(states) ** 2] if step > 100 else []
    assert np.mean(squares) == pytest.approx(1, rel=0.02)


def test_ring_is_finite_at_its_edges(monkeypatch):
    for share in (0.0, 1 - 2.0**-53):
        monkeypatch.setattr(
            "keras_inits.initializers.stream.Stream.draw",
            lambda self, law, shape, *rest, share=share: np.full(shape, share),
        )
        for part in ("nu_log", "theta_log", "gamma_log"):
            assert np.isfinite(
                LRURing(part, seed=1)._values((3,), np.dtype("f"))(None)
            ).all()


@pytest.mark.parametrize("seed", [None, keras.random.SeedGenerator(1)])
def test_gamma_without_an_integer_seed_is_refused(seed):
    with pytest.raises(ValueError, match=r"same integer seed. Received: part='gamma_l"):
        LRURing("gamma_log", seed=seed)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"r_min": -0.1},
            r"`r_min` must be a finite number >= 0 <= 1. Received: r_min",
        ),
        ({"r_max": 1.5}, r"`r_max` must be a finite number >= 0 <= 1. Received: r_max"),
        ({"r_min": 0.9, "r_max": 0.5}, r"`r_min` must be below `r_max`. Received: r_m"),
        ({"max_phase": 0}, r"`max_phase` must be positive"),
    ],
)
def test_arguments_of_a_ring_are_checked(arguments, text):
    with pytest.raises(ValueError, match=text):
        LRURing(**arguments)


# --- steps ----------------------------------------------------------------------------

READ = {
    "value": np.log,
    "log": lambda x: x,
    "inverse_softplus": lambda x: np.log(np.log1p(np.exp(x))),
}


@pytest.mark.backend
@pytest.mark.parametrize("stored", READ)
@pytest.mark.parametrize(("low", "high"), [(0.001, 0.1), (0.5, 30)])
def test_logarithm_of_a_step_is_uniform(stored, low, high):
    scheme = LogUniform(low, high, seed=1, stored=stored)
    logarithms = READ[stored](values_of(scheme, (20000,)).astype(float))
    law = stats.uniform(math.log(low), math.log(high / low))
    assert stats.kstest(logarithms, law.cdf).pvalue > 1e-4
    assert logarithms.min() > math.log(low) - 1e-5
    assert logarithms.max() < math.log(high) + 1e-5


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"minval": 0}, r"`minval` must be positive"),
        (
            {"minval": 0.1},
            r"`minval` must be below .* Received: minval=0.1, maxval=0.1",
        ),
        ({"stored": "exp"}, r"Received: stored='exp'. Use one of 'value', 'log', "),
    ],
)
def test_arguments_of_steps_are_checked(arguments, text):
    with pytest.raises(ValueError, match=text):
        LogUniform(**arguments)


# --- what the other schemes keep too --------------------------------------------------

SCHEMES = {
    "HippoLegS A": (lambda seed: HippoLegS("A"), (12, 12)),
    "HippoLegS B": (lambda seed: HippoLegS("B", transposed=True), (2, 12)),
    "HippoLegS with a step": (lambda seed: HippoLegS("A", 0.03), (12, 12)),
    "S4D": (lambda seed: S4D("imaginary", "inv"), (3, 12)),
    "LRURing nu": (lambda seed: LRURing("nu_log", seed=seed), (3, 12)),
    "LRURing theta": (lambda seed: LRURing("theta_log", seed=seed), (3, 12)),
    "LRURing gamma": (lambda seed: LRURing("gamma_log", seed=seed), (3, 12)),
    "LogUniform": (lambda seed: LogUniform(seed=seed), (3, 12)),
    "LogUniform of Mamba": (
        lambda seed: LogUniform(seed=seed, stored="inverse_softplus"),
        (3, 12),
    ),
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
