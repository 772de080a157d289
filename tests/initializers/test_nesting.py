"""What is made of other initializers: what may be wrapped, and what it then keeps."""

import copy
import json
import math
import pickle

import keras
import numpy as np
import pytest

import keras_inits as ki
from keras_inits import Blockwise, Normalized, Scaled, SpectralNormalized, Transposed
from keras_inits.initializers.nesting import cast_last
from tests.initializers.tools import as_numpy, values_of
from tests.processes import run_python

L = keras.layers

# One of each, of initializers of both kinds, with the shape that it is drawn in.
WRAPPERS = {
    "Scaled": (lambda seed: Scaled(ki.HeNormal(seed=seed), -0.3), (24, 20)),
    "Scaled of Keras's": (
        lambda seed: Scaled(keras.initializers.HeNormal(seed=seed), 2),
        (24, 20),
    ),
    "Normalized": (lambda seed: Normalized(ki.GlorotUniform(seed=seed)), (24, 20)),
    "Normalized along axes": (
        lambda seed: Normalized(ki.RandomNormal(seed=seed), [0, -1], 3.0),
        (6, 5, 4),
    ),
    "SpectralNormalized": (
        lambda seed: SpectralNormalized(ki.HeNormal(seed=seed), 0.7),
        (24, 20),
    ),
    "Blockwise": (lambda seed: Blockwise(ki.Orthogonal(seed=seed), 4), (6, 24)),
    "Blockwise along an inner axis": (
        lambda seed: Blockwise(ki.GlorotUniform(seed=seed), 3, axis=1),
        (5, 6, 4),
    ),
    "Transposed": (lambda seed: Transposed(ki.HeNormal(seed=seed)), (3, 6, 5)),
    "Transposed by a cycle": (
        lambda seed: Transposed(ki.RandomUniform(seed=seed), [2, 0, 1]),
        (3, 6, 5),
    ),
    "nested": (
        lambda seed: Blockwise(Transposed(Scaled(ki.Orthogonal(seed=seed), 2)), 3),
        (5, 15),
    ),
}
every_wrapper = pytest.mark.parametrize(
    ("make", "shape"), WRAPPERS.values(), ids=WRAPPERS
)


# --- what may be wrapped --------------------------------------------------------------


@pytest.mark.backend
@pytest.mark.parametrize(
    ("initializer", "found"),
    [
        ("he_normal", keras.initializers.HeNormal),
        ("keras_inits>HeNormal", ki.HeNormal),
        (ki.HeNormal, ki.HeNormal),
    ],
)
def test_wrapper_finds_an_initializer_by_name_or_class(initializer, found):
    scaled = Scaled(initializer, 2)
    assert type(scaled.initializer) is found
    assert values_of(scaled, (300, 100)).std() == pytest.approx(
        2 * math.sqrt(2 / 300), rel=0.02
    )


@pytest.mark.parametrize("nothing", [None, 3, lambda s, dtype=None: 0, np.ones(3)])
def test_what_is_no_initializer_is_refused(nothing):
    with pytest.raises(TypeError, match=r"must be an initializer .* Received: initial"):
        Scaled(nothing, 2)


@pytest.mark.parametrize("name", ["he_normall", {"class_name": "Nope", "config": {}}])
def test_unknown_name_of_an_initializer_is_refused(name):
    with pytest.raises(ValueError, match=r"`initializer` is unknown. Received: "):
        Scaled(name, 2)


def test_wrapper_raises_what_the_wrapped_one_raises():
    with pytest.raises(ValueError, match="Orthogonal fills matrices and kernels"):
        Scaled(ki.Orthogonal(), 2)((5,))


# --- axes that a layer tells ----------------------------------------------------------


@pytest.mark.backend
@pytest.mark.parametrize("glorot", [ki.GlorotUniform(), "glorot_uniform"])
def test_wrapper_hands_on_what_an_einsum_layer_tells(glorot):
    layer = L.EinsumDense(
        "abc,cde->abde", (None, 8, 64), kernel_initializer=Scaled(glorot, 2)
    )
    layer.build((None, 5, 512))
    # Keras's fans of the bare shape give 0.0074.
    expected = 2 * math.sqrt(2 / (512 + 512))
    assert as_numpy(layer.kernel).std() == pytest.approx(expected, rel=0.01)


@pytest.mark.backend
def test_axes_that_were_given_outweigh_those_that_are_told():
    inner = ki.LecunNormal(input_axes=[0, 1], output_axes=[2])
    layer = L.EinsumDense(
        "abc,cde->abde", (None, 8, 64), kernel_initializer=Scaled(inner, 2)
    )
    layer.build((None, 5, 64))
    assert as_numpy(layer.kernel).std() == pytest.approx(2 / math.sqrt(512), rel=0.02)


@pytest.mark.backend
@pytest.mark.parametrize("module", [ki, keras.initializers])
def test_einsum_layers_share_a_generator_through_a_wrapper(module):
    scheme = Scaled(module.HeNormal(seed=keras.random.SeedGenerator(3)), 2)
    kernels = []
    for _ in range(2):
        layer = L.EinsumDense("ab,bc->ac", 4, kernel_initializer=scheme)
        layer.build((None, 6))
        kernels.append(as_numpy(layer.kernel))
    assert (kernels[0] != kernels[1]).all()


def test_axes_of_a_wrapper_must_fit_the_shape():
    with pytest.raises(ValueError, match=r"axes of Scaled do not fit .* Received: "):
        Scaled("ones", 2, input_axes=[0], output_axes=[2])((3, 3))


# --- what the other schemes keep too --------------------------------------------------


@every_wrapper
def test_part_is_that_of_the_whole(make, shape):
    values = make(1)._values(shape, np.dtype("float32"))
    whole = values(None).copy()
    rng = np.random.default_rng(0)
    for _ in range(20):
        bounds = [sorted(rng.choice(n + 1, 2, replace=False)) for n in shape]
        box = tuple(slice(*map(int, pair)) for pair in bounds)
        np.testing.assert_array_equal(values(box), whole[box])
    np.testing.assert_array_equal(values(None), whole)


@pytest.mark.backend
@every_wrapper
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision_is_float32_cast_last(make, shape, dtype):
    low, full = (values_of(make(3), shape, d) for d in (dtype, "float32"))
    assert low.dtype.name == dtype
    np.testing.assert_array_equal(low, full.astype(low.dtype))


def test_half_precision_is_rounded_from_float32():
    # Just above the middle of two float16, in float32 the middle: rounds to even.
    value = np.array([1 + 2.0**-11 + 2.0**-40])
    assert cast_last(value, np.dtype("float16")) == np.float16(1)


@pytest.mark.backend
@every_wrapper
def test_float64_is_drawn_at_its_own_precision(make, shape):
    values = values_of(make(3), shape, "float64")
    if keras.backend.backend() == "jax":
        assert values.dtype.name == "float32"  # unless JAX_ENABLE_X64
    else:
        assert values.dtype.name == "float64"
        assert (values != values.astype("float32")).any()


@pytest.mark.backend
@every_wrapper
@pytest.mark.parametrize("empty_axis", [0, -1])
def test_tensor_may_be_empty(make, shape, empty_axis):
    sizes = list(shape)
    sizes[empty_axis] = 0
    assert values_of(make(1), sizes).shape == tuple(sizes)


COPIES = {
    "from_config": lambda scheme: type(scheme).from_config(scheme.get_config()),
    "json": lambda scheme: keras.saving.deserialize_keras_object(
        json.loads(json.dumps(keras.saving.serialize_keras_object(scheme)))
    ),
    "clone": lambda scheme: scheme.clone(),
    "pickle": lambda scheme: pickle.loads(pickle.dumps(scheme)),
    "deepcopy": copy.deepcopy,
}


@pytest.mark.backend
@every_wrapper
@pytest.mark.parametrize("through", COPIES.values(), ids=COPIES)
def test_copy_gives_the_same_values(make, shape, through):
    scheme = make(5)
    copied = through(scheme)
    assert type(copied) is type(scheme)
    np.testing.assert_array_equal(values_of(copied, shape), values_of(scheme, shape))


def test_representation_shows_what_is_wrapped():
    text = "Blockwise(initializer=Scaled(initializer=HeNormal(seed=1), factor=2), "
    assert repr(Blockwise(Scaled(ki.HeNormal(seed=1), 2), 4)) == text + "blocks=4)"


LOAD = """
import json, sys
import keras, keras_inits, keras_inits.initializers.wrappers
import numpy as np
model = keras.saving.load_model(sys.argv[1])
arrays = {}
for layer in model.layers:
    if layer.weights:
        shape = layer.kernel.shape
        arrays[layer.name] = keras.ops.convert_to_numpy(layer.kernel_initializer(shape))
np.savez(sys.argv[2], **arrays)
print(json.dumps(sorted(arrays)))
"""


@pytest.mark.backend
def test_wrapped_schemes_come_back_in_another_process(tmp_path):
    inputs, outputs, expected = keras.Input((12,)), [], {}
    for number, (make, shape) in enumerate(WRAPPERS.values()):
        if len(shape) == 2:
            name = f"layer_{number}"
            layer = L.Dense(24, kernel_initializer=make(9), name=name)
            outputs.append(layer(inputs))
            expected[name] = as_numpy(layer.kernel)
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "model.keras")

    names = run_python(LOAD, tmp_path / "model.keras", tmp_path / "values.npz")

    loaded = np.load(tmp_path / "values.npz")
    assert names == sorted(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(loaded[name], values, err_msg=name)
