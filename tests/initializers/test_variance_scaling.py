"""The named schemes against the papers' formulas, and their fans inside layers."""

import math

import keras
import numpy as np
import pytest

import keras_inits as ki
from keras_inits import Fans
from tests.initializers.tools import as_numpy, values_of

pytestmark = pytest.mark.backend

SHAPES = {
    "dense": ((800, 500), 800, 500),
    "1D": ((5, 200, 400), 1000, 2000),
    "2D": ((3, 3, 100, 300), 900, 2700),
    "3D": ((2, 3, 4, 100, 200), 2400, 4800),
    "vector": ((200_000,), 200_000, 200_000),
}
FORMULAS = {
    "GlorotNormal": lambda i, o: math.sqrt(2 / (i + o)),
    "GlorotUniform": lambda i, o: math.sqrt(2 / (i + o)),
    "XavierNormal": lambda i, o: math.sqrt(2 / (i + o)),
    "XavierUniform": lambda i, o: math.sqrt(6 / (i + o)) / math.sqrt(3),
    "HeNormal": lambda i, o: math.sqrt(2 / i),
    "HeUniform": lambda i, o: math.sqrt(6 / i) / math.sqrt(3),
    "KaimingNormal": lambda i, o: math.sqrt(2 / i),
    "KaimingUniform": lambda i, o: math.sqrt(6 / i) / math.sqrt(3),
    "LecunNormal": lambda i, o: math.sqrt(1 / i),
    "LecunUniform": lambda i, o: math.sqrt(3 / i) / math.sqrt(3),
}


@pytest.mark.parametrize(("name", "formula"), FORMULAS.items(), ids=FORMULAS)
@pytest.mark.parametrize(("shape", "fan_in", "fan_out"), SHAPES.values(), ids=SHAPES)
def test_stddev_is_the_papers(name, formula, shape, fan_in, fan_out):
    values = values_of(getattr(ki, name)(seed=1), shape)
    # 5 standard errors at 180,000 values and more.
    assert values.std() == pytest.approx(formula(fan_in, fan_out), rel=0.0085)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("fan_in", 900), ("fan_out", 2700), ("fan_avg", 1800), ("fan_geo_avg", 1558.846)],
)
@pytest.mark.parametrize(
    "distribution", ["uniform", "truncated_normal", "untruncated_normal", "normal"]
)
def test_variance_is_scale_over_the_fan(mode, expected, distribution):
    scheme = ki.VarianceScaling(3, mode, distribution, seed=1)
    values = values_of(scheme, SHAPES["2D"][0])
    assert values.std() == pytest.approx(math.sqrt(3 / expected), rel=0.007)


@pytest.mark.parametrize("slope", [0.01, 0.2, -0.3, 1, 2.5])
@pytest.mark.parametrize("scheme", [ki.HeNormal, ki.HeUniform])
def test_negative_slope_takes_its_part_of_the_variance(scheme, slope):
    with_slope, without = (
        values_of(scheme(seed=1, negative_slope=s), (64, 64)) for s in (slope, 0)
    )
    np.testing.assert_allclose(
        with_slope, without / math.sqrt(1 + slope * slope), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("scheme", [ki.GlorotNormal, ki.HeNormal, ki.LecunNormal])
def test_truncation_cuts_and_keeps_the_variance(scheme):
    shape = (600, 600)
    cut, whole = (values_of(scheme(seed=1, truncated=t), shape) for t in (True, False))
    stddev = whole.std()
    assert cut.std() == pytest.approx(stddev, rel=0.01)
    assert np.abs(cut).max() == pytest.approx(2 * stddev / 0.8796256610342398, rel=0.01)
    assert np.abs(whole).max() > 4 * stddev


@pytest.mark.parametrize("scheme", [ki.GlorotNormal, ki.HeNormal, ki.LecunNormal])
def test_truncated_one_has_the_spread_of_keras(scheme):
    host = getattr(keras.initializers, scheme.__name__)
    ours, theirs = (
        values_of(s, (600, 600)) for s in (scheme(seed=1, truncated=True), host(seed=1))
    )
    assert ours.std() == pytest.approx(theirs.std(), rel=0.01)


def test_normal_is_the_untruncated_one():
    normal = ki.VarianceScaling(distribution="normal", seed=1)
    assert normal.distribution == "untruncated_normal"
    assert np.abs(values_of(normal, (600, 600))).max() > 4.2 / math.sqrt(600)


def test_names_of_people_are_the_same_classes():
    assert ki.XavierNormal is ki.GlorotNormal
    assert ki.XavierUniform is ki.GlorotUniform
    assert ki.KaimingNormal is ki.HeNormal
    assert ki.KaimingUniform is ki.HeUniform


def test_empty_fan_counts_as_one():
    assert values_of(ki.HeNormal(seed=1), (0, 4)).shape == (0, 4)
    assert values_of(ki.HeNormal(seed=1), (4, 0)).shape == (4, 0)


@pytest.mark.parametrize(
    ("fans", "shape", "expected"),
    [
        (Fans.depthwise(), (3, 3, 40_000, 1), 9),
        (Fans.transposed_convolution(strides=2), (4, 4, 100, 200), 800),
        (Fans.embedding(), (1000, 300), 300),
        (Fans.dense(), (400, 500), 400),
    ],
)
def test_scheme_follows_the_fans_that_it_is_given(fans, shape, expected):
    values = values_of(ki.LecunNormal(seed=1, fans=fans), shape)
    assert values.std() == pytest.approx(math.sqrt(1 / expected), rel=0.01)


def test_fans_go_before_axes():
    scheme = ki.LecunNormal(
        seed=1, input_axes=[0], output_axes=[1], fans=Fans([1], [0])
    )
    assert values_of(scheme, (400, 900)).std() == pytest.approx(1 / 30, rel=0.01)


LAWS = [ki.LecunNormal, ki.LecunUniform, ki.VarianceScaling]


@pytest.mark.parametrize("scheme", LAWS)
def test_fans_inside_attention_are_those_of_the_maps(scheme):
    layer = keras.layers.MultiHeadAttention(8, 64, kernel_initializer=scheme())
    layer.build((None, 10, 384), (None, 10, 384))
    for part, shape, fan_in in [
        (layer.query_dense, (384, 8, 64), 384),
        (layer.key_dense, (384, 8, 64), 384),
        (layer.value_dense, (384, 8, 64), 384),
        (layer.output_dense, (8, 64, 384), 512),
    ]:
        kernel = as_numpy(part.kernel)
        assert kernel.shape == shape
        assert kernel.std() == pytest.approx(1 / math.sqrt(fan_in), rel=0.02)


def test_kernels_of_attention_differ():
    layer = keras.layers.MultiHeadAttention(8, 64, kernel_initializer=ki.HeNormal())
    layer.build((None, 10, 384), (None, 10, 384))
    query, key = (
        as_numpy(p.kernel).ravel() for p in (layer.query_dense, layer.key_dense)
    )
    assert abs(np.corrcoef(query, key)[0, 1]) < 0.02


@pytest.mark.parametrize("scheme", LAWS)
@pytest.mark.parametrize(
    ("equation", "inputs", "shape", "fan_in"),
    [
        ("abc,cd->abd", (None, 5, 300), (5, 400), 300),
        ("abc,cde->abde", (None, 5, 300), (5, 4, 100), 300),
        ("abcd,cde->abe", (None, 5, 4, 100), (5, 300), 400),
        # Experts: for each place along the axis b a matrix of its own, 100 x 200.
        ("abc,bcd->abd", (None, 16, 100), (16, 200), 100),
    ],
)
def test_fans_inside_einsum_dense_are_those_of_the_map(
    scheme, equation, inputs, shape, fan_in
):
    layer = keras.layers.EinsumDense(equation, shape, kernel_initializer=scheme(seed=1))
    layer.build(inputs)
    kernel = as_numpy(layer.kernel)
    assert kernel.std() == pytest.approx(1 / math.sqrt(fan_in), rel=0.02)


@pytest.mark.parametrize(
    "told",
    [
        {"input_axes": [1], "output_axes": [2]},
        {"fans": Fans.einsum("abc,bcd->abd")},
    ],
    ids=["axes", "fans"],
)
def test_fan_out_of_an_expert_is_its_own(told):
    # By itself EinsumDense counts the axis of the experts as outputs.
    layer = keras.layers.EinsumDense(
        "abc,bcd->abd", (16, 200), kernel_initializer=ki.GlorotNormal(seed=1, **told)
    )
    layer.build((None, 16, 100))
    kernel = as_numpy(layer.kernel)
    assert kernel.std() == pytest.approx(math.sqrt(2 / (100 + 200)), rel=0.02)


def test_einsum_dense_keeps_the_arguments_of_the_scheme():
    scheme = ki.HeNormal(seed=1, negative_slope=0.5, truncated=True)
    layer = keras.layers.EinsumDense(
        "abc,cde->abde", (5, 4, 10), kernel_initializer=scheme
    )
    layer.build((None, 5, 30))
    expected = ki.HeNormal(1, [0], [1, 2], negative_slope=0.5, truncated=True)
    np.testing.assert_array_equal(
        as_numpy(layer.kernel), values_of(expected, (30, 4, 10))
    )
