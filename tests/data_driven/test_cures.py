"""Cures are code: each is run, and what it makes is right."""

import keras
import numpy
import pytest
from keras import layers

import keras_inits
from keras_inits.data_driven import diagnose
from keras_inits.data_driven.cures import initializer_for, layer_with
from keras_inits.data_driven.weights import kernels_of
from tests.data_driven.models import (
    cross_entropy,
    dense_chain,
    kernel,
    labels,
    normal,
    values,
)

X, Y = normal(64, 64), labels(64)


def run(cure, **given):
    """Runs a cure as a person would; what its last line is worth, if it says."""
    names = {"keras": keras, "keras_inits": keras_inits, "numpy": numpy, **given}
    try:
        return eval(cure, names), names
    except SyntaxError:
        exec(cure, names)
        return None, names


def low_bias():
    return keras.initializers.Constant(-8.0)


def wide():
    return keras.initializers.RandomNormal(stddev=1.0)


def seeded():
    return keras.initializers.HeNormal(seed=5)


SICK = {
    "vanishing": lambda: dense_chain(30, "glorot_normal"),
    "exploding": lambda: dense_chain(20, wide),
    "symmetry": lambda: dense_chain(2, "zeros"),
    "identical": lambda: dense_chain(3, seeded),
    "saturation": lambda: dense_chain(3, wide, "tanh"),
    "dead": lambda: dense_chain(2, bias_initializer=low_bias()),
}


@pytest.mark.backend
@pytest.mark.parametrize("kind", sorted(SICK))
def test_a_model_of_the_cured_layer_is_healthy(kind):
    model = SICK[kind]()
    finding = next(f for f in diagnose(model, X).findings if f.kind == kind)
    names = [finding.layer, *finding.evidence.get("also", [])]
    cured, _ = run(finding.cure)
    old = next(la for la in model.layers if la.name == names[0].split("/")[-1])
    assert type(cured) is type(old)
    assert cured.units == old.units
    fresh = [run(finding.cure)[0] for _ in range(5)]
    healthy = keras.Sequential([keras.Input((64,)), *fresh, layers.Dense(10)])
    assert diagnose(healthy, X).findings == ()


@pytest.mark.backend
def test_a_head_of_zeros_starts_at_chance():
    model = dense_chain(2)
    kernel(model, 2).assign(values(kernel(model, 2)) * 6.0)
    (finding,) = diagnose(model, X, Y, cross_entropy()).findings
    head, _ = run(finding.cure)
    cured = keras.Sequential([keras.Input((64,)), *model.layers[:-1], head])
    facts = diagnose(cured, X, Y, cross_entropy()).facts
    assert facts["loss"] == pytest.approx(facts["loss of a guess"], rel=1e-5)


@pytest.mark.backend
def test_inputs_are_scaled_and_nan_are_removed():
    x = X * 200.0
    finding = diagnose(dense_chain(2), x).findings[0]
    _, names = run(finding.cure, x=x)
    scaled = keras.ops.convert_to_numpy(names["scale"](x))
    assert scaled.std() == pytest.approx(1.0, rel=1e-3)
    x = X.copy()
    x[2, 3] = numpy.nan
    (finding,) = diagnose(dense_chain(2), x).findings
    _, names = run(finding.cure, x=x)
    assert numpy.isfinite(names["x"]).all()


@pytest.mark.backend
def test_weights_that_are_not_finite_are_drawn_anew():
    model = dense_chain(2)
    kernel(model, 1).assign(values(kernel(model, 1)) * numpy.nan)
    finding = diagnose(model, X).findings[0]
    run(finding.cure, model=model)
    assert diagnose(model, X).findings == ()


@pytest.mark.backend
def test_layers_that_go_nowhere_are_frozen():
    inputs = keras.Input((64,))
    x = layers.Dense(32, "relu")(inputs)
    model = keras.Model(inputs, [layers.Dense(10)(x), layers.Dense(4, name="two")(x)])
    model.compile("sgd", [cross_entropy(), None])
    (finding,) = diagnose(model, X, [Y, Y]).findings
    run(finding.cure, model=model)
    assert diagnose(model, X, [Y, Y]).findings == ()


LAYERS = {
    "dense": (layers.Dense(8, "relu", use_bias=False), (4,)),
    "conv": (layers.Conv2D(8, 3, strides=2, padding="same"), (8, 8, 4)),
    "grouped": (layers.Conv2D(8, (3, 1), groups=2, activation="gelu"), (8, 8, 4)),
    "depthwise": (layers.DepthwiseConv2D(3, strides=2), (8, 8, 64)),
    "transposed": (layers.Conv2DTranspose(8, 4, strides=2), (8, 8, 64)),
    "separable": (layers.SeparableConv1D(8, 3), (8, 4)),
    "lstm": (layers.LSTM(8, return_sequences=True), (5, 4)),
    "embedding": (layers.Embedding(9, 4, embeddings_initializer="he_normal"), (5,)),
    "einsum": (layers.EinsumDense("abc,cde->abde", (None, 2, 4)), (3, 8)),
}


def built_layer(name):
    layer, shape = LAYERS[name]
    layer = type(layer).from_config(layer.get_config())
    layer.build((None, *shape))
    return layer, shape


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_a_layer_is_written_as_the_call_that_makes_it(name):
    layer, shape = built_layer(name)
    again, _ = run(layer_with(layer))
    again.build((None, *shape))
    old, new = layer.get_config(), again.get_config()
    for key in old.keys() - {"name"}:
        if not key.endswith("_initializer"):
            assert old[key] == new[key], key
    assert [w.shape for w in again.weights] == [w.shape for w in layer.weights]


@pytest.mark.parametrize("name", sorted(set(LAYERS) - {"lstm", "embedding"}))
def test_the_scheme_of_a_cure_holds_a_signal(name):
    layer, _ = built_layer(name)
    for one in kernels_of(layer):
        scheme, _ = run(initializer_for(one, "relu"))
        drawn = keras.ops.convert_to_numpy(scheme(one.shape))
        fan = one.fans[0]
        noise = 5.0 / numpy.sqrt(2 * drawn.size)
        assert drawn.std() == pytest.approx(numpy.sqrt(2 / fan), rel=noise)


def test_layers_of_other_makers_are_drawn_anew_in_place():
    class Mine(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(
                shape=(shape[-1], 16), initializer="zeros", name="kernel"
            )

        def call(self, x):
            return keras.ops.relu(x @ self.kernel)

    model = keras.Sequential([keras.Input((64,)), Mine(), layers.Dense(10)])
    (finding,) = diagnose(model, X).findings
    assert finding.kind == "symmetry"
    run(finding.cure, model=model)
    assert diagnose(model, X).findings == ()


@pytest.mark.backend
def test_where_no_weights_keep_the_gradient_the_activation_is_changed():
    model = dense_chain(20, "glorot_normal", "sigmoid")
    found = [f for f in diagnose(model, X).findings if f.kind == "vanishing"]
    fresh = [run(found[0].cure)[0] for _ in range(20)]
    assert fresh[0].activation is keras.activations.relu
    healthy = keras.Sequential([keras.Input((64,)), *fresh, layers.Dense(10)])
    assert diagnose(healthy, X).findings == ()
