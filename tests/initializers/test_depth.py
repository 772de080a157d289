"""Factors that follow depth, against the papers' numbers and small networks."""

import copy
import math
import pickle

import keras
import numpy as np
import pytest

import keras_inits as ki
from keras_inits.initializers.depth import (
    DepthScaled,
    LayerScale,
    ReZero,
    SkipInit,
    deepnorm_alpha,
    deepnorm_beta,
    fixup_gain,
    gpt2_gain,
    t_fixup_gain,
)
from tests.initializers.tools import as_numpy, digest, values_of
from tests.processes import run_python

# --- the numbers ---------------------------------------------------------------------


def test_gpt2_of_12_blocks():
    # Its code: stddev 0.02 / sqrt(2 * n_layer) for the projections.
    assert 0.02 * gpt2_gain(12) == pytest.approx(0.00408248, abs=1e-8)


def test_t_fixup_of_6_blocks():
    assert t_fixup_gain(6, "encoder") == pytest.approx(0.4281, abs=5e-5)
    assert t_fixup_gain(6, "decoder") == pytest.approx(0.3689, abs=5e-5)
    assert t_fixup_gain(6, "embedding") == t_fixup_gain(6, "decoder")


def test_deepnorm_of_12_blocks():
    assert deepnorm_alpha(12) == pytest.approx(2.2134, abs=5e-5)
    assert deepnorm_beta(12) == pytest.approx(0.3195, abs=5e-5)


def test_deepnorm_of_an_encoder_and_a_decoder():
    # torchscale's code, with N = 18 and M = 6: 0.81 and 1 / 1.15, of (N^4 M)^(1/16).
    root = (18**4 * 6) ** 0.0625
    assert deepnorm_alpha(18, "encoder", 6) == pytest.approx(0.81 * root)
    assert deepnorm_beta(18, "encoder", 6) == pytest.approx(1 / 1.15 / root, rel=1e-3)
    assert deepnorm_alpha(6, "decoder", 18) == pytest.approx(18**0.25)
    assert deepnorm_beta(6, "decoder", 18) == pytest.approx(72**-0.25)


@pytest.mark.parametrize(
    ("layers", "branch_layers", "expected"),
    [(16, 2, 16 ** (-1 / 2)), (16, 3, 16 ** (-1 / 4)), (54, 4, 54 ** (-1 / 6))],
)
def test_fixup_of_l_branches_of_m_layers(layers, branch_layers, expected):
    assert fixup_gain(layers, branch_layers) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("layers", "value"),
    [(1, 0.1), (18, 0.1), (19, 1e-5), (24, 1e-5), (25, 1e-6), (48, 1e-6)],
)
def test_layer_scale_falls_with_depth(layers, value):
    np.testing.assert_array_equal(
        values_of(LayerScale(layers), (7,)), np.float32(value)
    )


@pytest.mark.parametrize("shape", [(), (1,), (5,)])
def test_skip_init_is_0(shape):
    assert not values_of(SkipInit(), shape).any()
    assert ReZero is SkipInit


# --- the class -----------------------------------------------------------------------

RULES = {
    "gpt2": (("gpt2", 12), {}, 24**-0.5),
    "beit": (("beit", 3), {}, 6**-0.5),
    "t_fixup": (("t_fixup", 6), {}, 0.67 * 6**-0.25),
    "t_fixup decoder": (("t_fixup", 6), {"part": "decoder"}, 54**-0.25),
    "deepnorm": (("deepnorm", 12), {}, 96**-0.25),
    "deepnorm encoder": (
        ("deepnorm", 18),
        {"part": "encoder", "other_layers": 6},
        0.87 * (18**4 * 6) ** (-1 / 16),
    ),
    "fixup": (("fixup", 16), {}, 0.25),
    "fixup of 3": (("fixup", 16), {"branch_layers": 3}, 0.5),
}


@pytest.mark.backend
@pytest.mark.parametrize(("rule", "options", "gain"), RULES.values(), ids=RULES)
def test_values_are_those_of_the_inner_scheme_times_the_gain(rule, options, gain):
    inner = ki.GlorotNormal(seed=3)
    scaled = values_of(DepthScaled(inner, *rule, **options), (40, 30))
    np.testing.assert_allclose(scaled, gain * values_of(inner, (40, 30)), rtol=1e-6)


@pytest.mark.backend
@pytest.mark.parametrize(
    "inner", ["he_normal", keras.initializers.HeNormal(seed=1), "keras_inits>HeNormal"]
)
def test_inner_scheme_may_be_any_of_keras(inner):
    values = values_of(DepthScaled(inner, "fixup", 16), (300, 400))
    assert values.std() == pytest.approx(math.sqrt(2 / 300) / 4, rel=0.02)


@pytest.mark.backend
def test_attention_tells_its_axes_to_the_inner_scheme():
    scheme = DepthScaled(ki.GlorotUniform(), "deepnorm", 12)
    layer = keras.layers.MultiHeadAttention(4, 8, kernel_initializer=scheme)
    layer.build((None, 5, 32), (None, 5, 32))
    for kernel in (layer.value_dense.kernel, layer.output_dense.kernel):
        limit = np.abs(as_numpy(kernel)).max()
        assert limit == pytest.approx(96**-0.25 * math.sqrt(6 / 64), rel=0.02)


@pytest.mark.backend
def test_seeded_scheme_keeps_its_seed_in_an_einsum_layer():
    scheme = DepthScaled(ki.Orthogonal(seed=6), "gpt2", 2)
    layer = keras.layers.EinsumDense(
        "abc,cde->abde", (None, 4, 8), kernel_initializer=scheme
    )
    layer.build((None, 5, 32))
    inner = ki.Orthogonal(seed=6, input_axes=[0], output_axes=[1, 2])
    expected = values_of(inner, (32, 4, 8)) / 2
    np.testing.assert_allclose(as_numpy(layer.kernel), expected, atol=1e-6)


@pytest.mark.backend
def test_seed_of_a_layer_goes_to_the_inner_scheme():
    # EinsumDense writes one into the configuration.
    scheme = DepthScaled(ki.HeNormal(), "gpt2", 2)
    seeded = DepthScaled.from_config({**scheme.get_config(), "seed": 9})
    expected = DepthScaled(ki.HeNormal(seed=9), "gpt2", 2)
    assert digest(values_of(seeded, (9, 9))) == digest(values_of(expected, (9, 9)))


def test_unseeded_scheme_draws_anew():
    scheme = DepthScaled(ki.HeNormal(), "gpt2", 2)
    assert digest(values_of(scheme, (9, 9))) != digest(values_of(scheme, (9, 9)))


def test_inner_scheme_keeps_its_values():
    # An orthogonal kernel is made once and handed out as it is.
    draw = DepthScaled(ki.Orthogonal(seed=1), "gpt2", 2)._values(
        (9, 9), np.dtype("float32")
    )
    np.testing.assert_array_equal(draw(None), draw(None))


@pytest.mark.backend
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision_is_cast_last(dtype):
    scheme = DepthScaled(ki.HeNormal(seed=1), "t_fixup", 6)
    low, full = (values_of(scheme, (30, 20), d) for d in (dtype, "float32"))
    np.testing.assert_array_equal(low, full.astype(low.dtype))


def test_part_of_a_kernel_is_that_part_of_the_whole():
    draw = DepthScaled(ki.HeNormal(seed=1), "gpt2", 3)._values(
        (9, 8), np.dtype("float32")
    )
    index = (slice(2, 7), slice(3, 6))
    np.testing.assert_array_equal(draw(index), draw(None)[index])


COPIES = [
    lambda s: keras.initializers.get(keras.initializers.serialize(s)),
    lambda s: type(s).from_config(s.get_config()),
    lambda s: pickle.loads(pickle.dumps(s)),
    copy.deepcopy,
]


@pytest.mark.backend
@pytest.mark.parametrize("through", COPIES)
def test_copy_gives_the_same_values(through):
    scheme = DepthScaled(ki.HeNormal(seed=2), "deepnorm", 6, "encoder", 3)
    again = through(scheme)
    assert digest(values_of(again, (30, 20))) == digest(values_of(scheme, (30, 20)))


@pytest.mark.backend
@pytest.mark.parametrize("through", COPIES[:2])
def test_copy_of_a_generator_starts_its_sequence_again(through):
    generator = keras.random.SeedGenerator(7)
    scheme = DepthScaled(ki.HeNormal(seed=generator), "gpt2", 6)
    again = through(scheme)
    for _ in range(2):
        assert digest(values_of(again, (9, 9))) == digest(values_of(scheme, (9, 9)))


LOAD = """
import json, sys
import keras, keras_inits.initializers.depth
model = keras.saving.load_model(sys.argv[1])
found = [layer.kernel_initializer for layer in model.layers]
found.append(model.layers[0].bias_initializer)
print(json.dumps([
    keras.ops.convert_to_numpy(scheme((4, 3))).tolist() for scheme in found
]))
"""


@pytest.mark.backend
def test_nested_schemes_come_back_in_another_process(tmp_path):
    schemes = [
        DepthScaled(ki.Orthogonal("relu", seed=5), "fixup", 9, branch_layers=3),
        DepthScaled(DepthScaled(ki.HeNormal(seed=5), "gpt2", 3), "t_fixup", 2),
        LayerScale(20),
    ]
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(
                3, kernel_initializer=schemes[0], bias_initializer=schemes[2]
            ),
            keras.layers.Dense(3, kernel_initializer=schemes[1]),
        ]
    )
    model.save(tmp_path / "model.keras")
    for scheme, values in zip(
        schemes, run_python(LOAD, tmp_path / "model.keras"), strict=True
    ):
        np.testing.assert_array_equal(
            np.asarray(values, "float32"), values_of(scheme, (4, 3))
        )


# --- what the factors are for --------------------------------------------------------


def change_after_one_step(layers, scheme_of):
    """The change of a residual network's output by one step of gradient descent.

    x + V relu(W x) for each branch with V = 0, and a fixed head: the gradient of V is
    the outer product of the head with what the branch holds, that of W is 0.
    """
    width = 64
    rng = np.random.default_rng(1)
    x, head = rng.normal(size=width), rng.normal(size=width) / math.sqrt(width)
    signal = x.copy()
    for layer in range(layers):
        kernel = values_of(scheme_of(layer), (width, width)).astype(float)
        step = 0.1 / width * np.outer(head, np.maximum(kernel.T @ x, 0))
        signal = signal + step @ np.maximum(kernel.T @ signal, 0)
    return head @ (signal - x)


def test_fixup_makes_the_first_step_independent_of_depth():
    changes = [
        change_after_one_step(
            n, lambda layer, n=n: DepthScaled(ki.HeNormal(seed=layer), "fixup", n)
        )
        for n in (4, 40, 400)
    ]
    np.testing.assert_allclose(changes, changes[-1], rtol=0.15)


def test_first_step_grows_with_depth_without_fixup():
    few, many = (
        change_after_one_step(n, lambda layer: ki.HeNormal(seed=layer)) for n in (4, 40)
    )
    assert many > 8 * few


@pytest.mark.parametrize("blocks", [6, 24])
def test_gpt2_holds_the_sum_of_the_branches(blocks):
    # 2 branches a block, each of a variance of 1 without the factor.
    x = np.random.default_rng(2).normal(size=(256, 16))
    total = np.zeros_like(x)
    for branch in range(2 * blocks):
        scheme = DepthScaled(ki.LecunNormal(seed=branch), "gpt2", blocks)
        total += values_of(scheme, (256, 256)).T @ x
    assert np.square(total).mean() == pytest.approx(1, rel=0.15)


# --- refusals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gpt2_gain(0), "`layers` must be an integer >= 1. Received: layers=0"),
        (lambda: t_fixup_gain(2, "head"), "Invalid `part` argument: 'head'"),
        (lambda: fixup_gain(4, 1), r"starts at 0.* Received: branch_layers=1. Use Zer"),
        (
            lambda: deepnorm_beta(4, "encoder"),
            "go together.* Received: part='encoder', other_layers=None",
        ),
        (lambda: deepnorm_alpha(4, other_layers=3), "Received: part=None"),
        (lambda: LayerScale(0), "`layers` must be an integer >= 1"),
        (
            lambda: DepthScaled("he_normal", "gpt3", 2),
            "Invalid `rule` argument: 'gpt3'",
        ),
        (
            lambda: DepthScaled("he_normal", "gpt2", 2, part="encoder"),
            "rule 'gpt2' has no `part`. Received: part='encoder'",
        ),
        (
            lambda: DepthScaled("he_normal", "t_fixup", 2, branch_layers=3),
            "rule 't_fixup' has no `branch_layers`",
        ),
        (lambda: DepthScaled("nope", "gpt2", 2), "`initializer` is unknown"),
        (
            lambda: DepthScaled(ki.Identity(), "gpt2", 2)((2, 2, 2)),
            "Identity fills matrices",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_depth_scaled_refuses_what_is_no_initializer():
    with pytest.raises(TypeError, match=r"must be an initializer of Keras"):
        DepthScaled(None, "gpt2", 2)


def test_a_share_of_a_layer_is_refused():
    with pytest.raises(TypeError, match=r"must be an integer. Received: layers=2.5"):
        t_fixup_gain(2.5)
