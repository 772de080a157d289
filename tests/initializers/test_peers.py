"""Other libraries' defaults, against their own draws."""

import math

import keras
import numpy as np
import pytest
from scipy import stats

import keras_inits as ki
from keras_inits.initializers.peers import TorchDefault, peer_default
from tests.initializers.tools import as_numpy, digest, values_of

WIDE = (300, 500)


def same_law(first, second):
    both = (np.asarray(a, float).ravel() for a in (first, second))
    return stats.ks_2samp(*both).pvalue > 1e-4


# --- torch ---------------------------------------------------------------------------


def torch_layers():
    """Layers of torch, with the shape that the kernel has in Keras."""
    from torch import nn

    return {
        "Linear": (nn.Linear(300, 500), (300, 500), {}),
        "Conv2d": (nn.Conv2d(40, 200, 3), (3, 3, 40, 200), {}),
        "Conv1d in groups": (nn.Conv1d(60, 900, 5, groups=3), (5, 20, 900), {}),
        "depthwise Conv2d": (
            nn.Conv2d(6000, 6000, 3, groups=6000),
            (3, 3, 6000, 1),
            {"fans": ki.Fans.depthwise()},
        ),
        "ConvTranspose2d": (nn.ConvTranspose2d(70, 90, 3), (3, 3, 90, 70), {}),
    }


@pytest.mark.parametrize(
    "name",
    ["Linear", "Conv2d", "Conv1d in groups", "depthwise Conv2d", "ConvTranspose2d"],
)
def test_law_is_that_of_the_layer_of_torch(name):
    import torch

    torch.manual_seed(3)
    layer, shape, arguments = torch_layers()[name]
    weight, bias = (v.detach().numpy() for v in (layer.weight, layer.bias))
    kernel = values_of(TorchDefault(seed=1, **arguments), shape)
    assert same_law(kernel, weight)
    limit = 1 / math.sqrt(np.prod(weight.shape[1:]))
    for values in (kernel, weight):
        assert limit * (1 - 1e-3) < np.abs(values).max() <= limit * (1 + 1e-6)
    fan_in = int(np.prod(weight.shape[1:]))
    ours = values_of(TorchDefault(fan_in=fan_in, seed=1), (20000,))
    assert same_law(ours, bias)
    assert limit * (1 - 1e-3) < np.abs(ours).max() <= limit * (1 + 1e-6)


def test_kernel_is_he_uniform_with_a_slope_of_sqrt_5():
    values = values_of(TorchDefault(seed=1), WIDE)
    he = ki.HeUniform(negative_slope=math.sqrt(5))
    assert values.std() == pytest.approx(values_of(he, WIDE).std(), rel=0.01)


@pytest.mark.backend
def test_attention_tells_its_axes():
    layer = keras.layers.MultiHeadAttention(4, 8, kernel_initializer=TorchDefault())
    layer.build((None, 5, 32), (None, 5, 32))
    for kernel in (layer.query_dense.kernel, layer.output_dense.kernel):
        limit = np.abs(as_numpy(kernel)).max()
        assert limit == pytest.approx(1 / math.sqrt(32), rel=0.02)


@pytest.mark.backend
@pytest.mark.parametrize(
    "scheme",
    [
        TorchDefault(seed=4),
        TorchDefault(fan_in=12.5, seed=4),
        TorchDefault(seed=4, fans=ki.Fans.embedding()),
    ],
    ids=str,
)
def test_copy_gives_the_same_values(scheme):
    again = keras.initializers.get(keras.initializers.serialize(scheme))
    assert digest(values_of(again, (30, 20))) == digest(values_of(scheme, (30, 20)))


@pytest.mark.parametrize("shape", [(64,), ()])
def test_bias_needs_the_fan_in_of_its_layer(shape):
    with pytest.raises(ValueError, match=r"does not tell .* Received: shape=\("):
        TorchDefault()(shape)


def test_fan_in_and_fans_exclude_each_other():
    with pytest.raises(ValueError, match=r"Received: fan_in=3, fans=Fans\("):
        TorchDefault(3, fans=ki.Fans.dense())


@pytest.mark.parametrize("fan_in", [0, -2, math.nan])
def test_fan_in_must_be_positive(fan_in):
    with pytest.raises(ValueError, match=r"`fan_in` must be positive"):
        TorchDefault(fan_in)


# --- the others ----------------------------------------------------------------------


def of_flax(weight):
    """What flax.linen's defaults are made of, jax.nn.initializers."""
    import jax

    make = {
        "kernel": jax.nn.initializers.lecun_normal(),
        "embedding": jax.nn.initializers.variance_scaling(
            1.0, "fan_in", "normal", out_axis=0
        ),
    }
    return np.asarray(make[weight](jax.random.key(1), WIDE))


def of_haiku(weight):
    """haiku.initializers.TruncatedNormal(stddev), by the JAX function it calls."""
    import jax

    stddev = 1 / math.sqrt(300) if weight == "kernel" else 1.0
    return stddev * np.asarray(
        jax.random.truncated_normal(jax.random.key(1), -2, 2, WIDE)
    )


def of_timm(weight):
    """timm.layers.trunc_normal_ is torch's, with its default bounds of -2 and 2."""
    import torch

    torch.manual_seed(1)
    return torch.nn.init.trunc_normal_(torch.empty(WIDE), std=0.02).numpy()


def of_torch(weight):
    import torch

    torch.manual_seed(1)
    make = {"kernel": torch.nn.Linear, "embedding": torch.nn.Embedding}[weight]
    layer = make(*WIDE)
    return layer.weight.detach().numpy()


@pytest.mark.parametrize("weight", ["kernel", "embedding"])
@pytest.mark.parametrize(
    ("library", "theirs"),
    [("flax", of_flax), ("haiku", of_haiku), ("timm", of_timm), ("torch", of_torch)],
)
def test_default_follows_the_law_of_the_library(library, weight, theirs):
    ours = values_of(peer_default(library, weight, seed=2), WIDE)
    expected = theirs(weight)
    assert same_law(ours, expected)
    assert ours.std() == pytest.approx(expected.std(), rel=0.01)
    reach = np.abs(expected).max() / expected.std()
    assert np.abs(ours).max() / ours.std() == pytest.approx(reach, rel=0.15)


def test_flax_and_haiku_differ_by_what_cutting_takes():
    flax, haiku = (
        values_of(peer_default(name, seed=2), WIDE) for name in ("flax", "haiku")
    )
    ratio = haiku.std() / flax.std()
    assert ratio == pytest.approx(stats.truncnorm.std(-2, 2), rel=0.01)


def test_truncation_of_timm_cuts_nothing():
    values = values_of(peer_default("timm", seed=2), (1000, 1000)).ravel()
    assert np.abs(values).max() > 4 * 0.02
    law = stats.norm(0, 0.02)
    assert stats.kstest(values.astype(float), law.cdf).pvalue > 1e-4


@pytest.mark.parametrize("library", ["flax", "haiku", "timm"])
def test_biases_start_at_0(library):
    assert not values_of(peer_default(library, "bias"), (5,)).any()


@pytest.mark.backend
@pytest.mark.parametrize("library", ["flax", "haiku", "timm", "torch"])
@pytest.mark.parametrize("weight", ["kernel", "embedding"])
def test_default_is_saved_as_a_scheme_of_the_package(library, weight):
    scheme = peer_default(library, weight, seed=5)
    again = keras.initializers.get(keras.initializers.serialize(scheme))
    assert digest(values_of(again, (30, 20))) == digest(values_of(scheme, (30, 20)))


@pytest.mark.parametrize(
    ("library", "weight", "message"),
    [
        ("chainer", "kernel", "Invalid `library` argument: 'chainer'"),
        ("torch", "bias", "Invalid `weight` argument: 'bias'"),
        ("flax", "gate", "Invalid `weight` argument: 'gate'"),
    ],
)
def test_unknown_default_is_refused(library, weight, message):
    with pytest.raises(ValueError, match=message):
        peer_default(library, weight)
