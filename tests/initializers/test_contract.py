"""What every scheme keeps: its law, its values, its configuration, its place in layers.

A new scheme joins with a row of `table.ROWS`.
"""

import copy
import inspect
import json
import math
import pickle

import keras
import numpy as np
import pytest
from scipy import stats

import keras_inits as ki
from keras_inits import initializers
from tests.initializers.table import (
    DTYPES,
    IN_LAYERS,
    LAWFUL,
    LAYERS,
    RANDOM,
    ROWS,
    SIZES_BY_RANK,
)
from tests.initializers.tools import as_numpy, digest, values_of
from tests.processes import run_python

# Kernels, with fan_in and fan_out counted by hand.
KERNELS = {
    "dense": ((900, 600), 900, 600),
    "convolution": ((3, 3, 150, 400), 9 * 150, 9 * 400),
}
# JAX has float64 only on demand: a test below asks for it, in another process.
DTYPES_HERE = DTYPES[:3] if keras.backend.backend() == "jax" else DTYPES


def every(rows):
    return pytest.mark.parametrize("row", rows, ids=str)


def first_values(array):
    """The first four that are not small."""
    values = array.astype(float).ravel()
    return values[np.abs(values) > 1e-3 * np.abs(values).max()][:4]


def is_nearly(array, other):
    return np.allclose(array.astype(float), other.astype(float), atol=1e-6)


# --- the table itself ---------------------------------------------------------------


def test_every_public_scheme_has_a_row():
    base = {"Initializer", "MapInitializer", "RandomInitializer"}
    public = {
        value
        for name, value in vars(initializers).items()
        if name in set(initializers.__all__) - base
        and inspect.isclass(value)
        and issubclass(value, keras.initializers.Initializer)
    }
    assert public == {row.scheme for row in ROWS}


# Their values depend on each other.
DEPENDENT = {
    ki.Blockwise,  # of orthogonal blocks
    ki.ChronoBias,
    ki.ConvOrthogonal,
    ki.ConvolutionAware,
    ki.DeltaOrthogonal,
    ki.EchoState,
    ki.ICNR,
    ki.LooksLinear,
    ki.Normalized,
    ki.Orthogonal,
    ki.Sparse,
    ki.SpectralNormalized,
}


def test_names_of_rows_are_unique():
    assert len({row.name for row in ROWS}) == len(ROWS)


@every(ROWS)
def test_row_without_a_law_is_constant_or_dependent(row):
    assert row.law or not row.random or row.scheme in DEPENDENT


@every(ROWS)
def test_row_is_random_where_calls_differ(row):
    first, second = (values_of(row.make(seed), row.shape) for seed in (1, 2))
    assert row.random == (not is_nearly(first, second))


# --- law ----------------------------------------------------------------------------


@pytest.fixture(params=KERNELS, scope="module")
def kernel(request):
    return KERNELS[request.param]


@every(LAWFUL)
def test_mean_is_within_its_error(row, kernel):
    shape, *fans = kernel
    law, values = row.law(*fans), values_of(row.make(1), shape).astype(float)
    assert abs(values.mean() - law.mean()) < 5 * law.std() / math.sqrt(values.size)


@every(LAWFUL)
def test_standard_deviation_is_within_its_error(row, kernel):
    shape, *fans = kernel
    law, values = row.law(*fans), values_of(row.make(1), shape).astype(float)
    excess = law.stats("k")
    error = law.std() * math.sqrt((excess + 2) / (4 * values.size))
    assert abs(values.std() - law.std()) < 5 * error


@every(LAWFUL)
def test_values_follow_the_law(row, kernel):
    shape, *fans = kernel
    values = values_of(row.make(1), shape).astype(float).ravel()
    assert stats.kstest(values, row.law(*fans).cdf).pvalue > 1e-4


@every(LAWFUL)
def test_float64_values_follow_the_law(row):
    shape, *fans = KERNELS["dense"]
    # On JAX the rim would cast to float32: look at what it is given.
    values = row.make(1)._values(shape, np.dtype("float64"))(None).ravel()
    assert values.dtype == np.float64
    assert stats.kstest(values, row.law(*fans).cdf).pvalue > 1e-4


BOUNDED = [row for row in LAWFUL if np.isfinite(row.law(1, 1).support()).any()]


@every(BOUNDED)
def test_values_reach_their_bounds_and_stay_inside(row, kernel):
    shape, *fans = kernel
    law, values = row.law(*fans), values_of(row.make(1), shape)
    low, high = law.support()
    ulp = 2 * np.spacing(np.float32(max(abs(law.mean()), law.std()) * 6))
    size = values.size
    # The outermost of n draws leaves a share of about 1/n outside.
    assert low - ulp <= values.min() <= law.ppf(30 / size)
    assert law.ppf(1 - 30 / size) <= values.max() <= high + ulp


@every([row for row in BOUNDED if row.law(1, 1).dist.name == "uniform"])
def test_upper_end_of_a_uniform_law_is_never_drawn(row, kernel):
    shape, *fans = kernel
    low, high = row.law(*fans).support()
    values = values_of(row.make(1), shape)
    assert values.min() >= np.float32(low)
    assert values.max() < np.float32(high)


# --- the same numbers, everywhere and for ever ---------------------------------------


@pytest.mark.backend
@every([row for row in ROWS if row.has_digests])
@pytest.mark.parametrize("dtype", DTYPES_HERE)
def test_seed_gives_the_pinned_bits(row, dtype):
    values = values_of(row.make(1), row.shape, dtype)
    assert values.dtype.name == dtype
    assert digest(values) == dict(zip(DTYPES, row.golden.split(), strict=True))[dtype]


DIGESTS = """
import json
from tests.initializers.table import DTYPES, ROWS
from tests.initializers.tools import digest, values_of
print(json.dumps({
    row.name: " ".join(digest(values_of(row.make(1), row.shape, d)) for d in DTYPES)
    for row in ROWS if row.has_digests
}))
"""


@pytest.mark.backend
@pytest.mark.skipif("keras.backend.backend() != 'jax'", reason="about JAX alone")
def test_seed_gives_the_pinned_bits_on_jax_in_float64(pytestconfig):
    digests = run_python(DIGESTS, folder=pytestconfig.rootpath, JAX_ENABLE_X64="1")
    assert digests == {row.name: row.golden for row in ROWS if row.has_digests}


def test_pinned_bits_do_not_depend_on_the_processor(pytestconfig):
    # NumPy has several versions of exp, log and tanh, and takes the processor's best.
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    best = " ".join(name for name in __cpu_dispatch__ if __cpu_features__[name])
    digests = run_python(
        DIGESTS, folder=pytestconfig.rootpath, NPY_DISABLE_CPU_FEATURES=best
    )
    assert digests == {row.name: row.golden for row in ROWS if row.has_digests}


@pytest.mark.backend
@every([row for row in ROWS if not row.has_digests])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_seed_gives_the_pinned_numbers(row, dtype):
    # Their last bits depend on the processor: matrix products, logarithms.
    values = values_of(row.make(1), row.shape, dtype)
    tolerance = {"float32": 1e-5, "bfloat16": 0.02, "float16": 2e-3}[dtype]
    assert values.dtype.name == dtype
    assert first_values(values) == pytest.approx(row.golden, rel=tolerance, abs=1e-6)


@pytest.mark.backend
@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        (ki.HeNormal, "62626892ae195666"),
        (ki.GlorotUniform, "951bb0767e747d1c"),
        (ki.TruncatedNormal, "f028d1133c32e448"),
    ],
)
def test_seed_gives_the_pinned_bits_over_several_blocks(scheme, expected):
    assert digest(values_of(scheme(seed=1), (700, 300))) == expected


@pytest.mark.backend
@every(RANDOM)
def test_integer_seed_gives_the_same_values_at_each_call(row):
    scheme = row.make(5)
    first, second = (digest(values_of(scheme, row.shape)) for _ in range(2))
    assert first == second


@pytest.mark.backend
@every(RANDOM)
def test_another_seed_gives_other_values(row):
    first, second = (values_of(row.make(seed), row.shape) for seed in (5, 6))
    assert not is_nearly(first, second)


@pytest.mark.backend
@every(RANDOM)
def test_unseeded_scheme_draws_anew_at_each_call(row):
    scheme = row.make()
    assert not is_nearly(values_of(scheme, row.shape), values_of(scheme, row.shape))


# --- dtypes and shapes ---------------------------------------------------------------


@pytest.mark.backend
@every(ROWS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision_is_float32_cast_last(row, dtype):
    scheme = row.make(3)
    low, full = (values_of(scheme, row.shape, d) for d in (dtype, "float32"))
    assert low.dtype.name == dtype
    np.testing.assert_array_equal(low, full.astype(low.dtype))


@pytest.mark.backend
@every(ROWS)
def test_float64_is_drawn_at_its_own_precision(row):
    scheme = row.make(3)
    values = values_of(scheme, row.shape, "float64")
    on_jax = keras.backend.backend() == "jax"
    assert values.dtype.name == ("float32" if on_jax else "float64")
    has_fractions = row.random or "gain" in row.arguments
    if has_fractions and not on_jax:
        assert (values != values.astype("float32")).any()


@pytest.mark.backend
@every(ROWS)
def test_default_dtype_is_floatx(row):
    assert values_of(row.make(3), row.shape).dtype.name == "float32"
    keras.config.set_floatx("float16")
    try:
        assert values_of(row.make(3), row.shape).dtype.name == "float16"
    finally:
        keras.config.set_floatx("float32")


@pytest.mark.backend
@every(ROWS)
@pytest.mark.parametrize("rank", range(6))
def test_tensor_has_the_shape_that_was_asked_for(row, rank):
    shapes = [shape for shape in row.shapes if len(shape) == rank]
    for shape in shapes:
        values = values_of(row.make(3), list(shape))
        assert values.shape == shape
        assert np.isfinite(values).all()
    if not shapes:
        with pytest.raises(ValueError, match="Received: "):
            row.make(3)(SIZES_BY_RANK[rank])


@pytest.mark.backend
@every([row for row in ROWS if row.empty_shapes])
@pytest.mark.parametrize("dtype", DTYPES[:3])
def test_tensor_may_be_empty(row, dtype):
    for shape in row.empty_shapes:
        values = values_of(row.make(3), shape, dtype)
        assert (values.shape, values.dtype.name) == (shape, dtype)


@every(ROWS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_part_is_that_of_the_whole(row, dtype):
    # What a device of a mesh asks for.
    rng = np.random.default_rng(0)
    for shape in row.shapes:
        values = row.make(1)._values(shape, np.dtype(dtype))
        whole = np.array(row.make(1)._values(shape, np.dtype(dtype))(None))
        assert (whole.shape, whole.dtype.name) == (shape, dtype)
        for _ in range(5):
            bounds = [sorted(rng.choice(n + 1, 2, replace=False)) for n in shape]
            box = tuple(slice(*map(int, pair)) for pair in bounds)
            part = values(box)
            assert part.dtype.name == dtype
            if row.has_digests:
                np.testing.assert_array_equal(part, whole[box])
            else:  # through matrix products, in an order of their own
                rtol = 1e-5 if dtype == "float32" else 2e-3
                np.testing.assert_allclose(part, whole[box], rtol=rtol, atol=1e-6)


# --- configurations: the same values come back ---------------------------------------


def through_config(scheme):
    return type(scheme).from_config(scheme.get_config())


def through_json(scheme):
    text = json.dumps(keras.saving.serialize_keras_object(scheme))
    return keras.saving.deserialize_keras_object(json.loads(text))


def through_get(scheme):
    return keras.initializers.get(keras.initializers.serialize(scheme))


def through_pickle(scheme):
    return pickle.loads(pickle.dumps(scheme))


COPIES = [through_config, through_json, through_get, lambda scheme: scheme.clone()]
EXACT_COPIES = [through_pickle, copy.deepcopy, copy.copy]


@pytest.mark.backend
@every(ROWS)
@pytest.mark.parametrize("through", [*COPIES, *EXACT_COPIES])
def test_copy_gives_the_same_values(row, through):
    scheme = row.make(7)
    copied = through(scheme)
    assert type(copied) is type(scheme)
    assert copied is not scheme
    assert digest(values_of(copied, row.shape)) == digest(values_of(scheme, row.shape))


@pytest.mark.backend
@every(RANDOM)
@pytest.mark.parametrize("through", COPIES)
def test_copy_of_a_generator_starts_its_sequence_again(row, through):
    scheme = row.make(keras.random.SeedGenerator(7))
    copied = through(scheme)
    for _ in range(2):
        first, second = (values_of(s, row.shape) for s in (scheme, copied))
        assert digest(first) == digest(second)


@pytest.mark.backend
@every(RANDOM)
@pytest.mark.parametrize("through", [through_pickle, copy.deepcopy])
def test_pickle_of_a_generator_keeps_its_place(row, through):
    scheme = row.make(keras.random.SeedGenerator(7))
    start = values_of(scheme, row.shape)
    copied = through(scheme)
    # Each goes on from there on its own.
    next_of_copy = values_of(copied, row.shape)
    next_of_scheme = values_of(scheme, row.shape)
    assert digest(next_of_copy) == digest(next_of_scheme) != digest(start)


@pytest.mark.backend
@every(RANDOM)
@pytest.mark.parametrize("through", [*COPIES, *EXACT_COPIES])
def test_unseeded_copy_differs(row, through):
    scheme = row.make()
    first, second = (values_of(s, row.shape) for s in (scheme, through(scheme)))
    assert not is_nearly(first, second)


@every(ROWS)
def test_configuration_holds_every_argument(row):
    parameters = inspect.signature(row.scheme).parameters
    assert list(row.make(1).get_config()) == list(parameters)


PLAIN = [row for row in ROWS if row.is_plain]


@pytest.mark.backend
@every(PLAIN)
def test_string_finds_the_scheme(row):
    found = keras.initializers.get(f"keras_inits>{row.scheme.__name__}")
    assert type(found) is row.scheme


# --- in the place of Keras's own -----------------------------------------------------


IN_KERAS = [row for row in PLAIN if hasattr(keras.initializers, row.scheme.__name__)]


def test_every_scheme_of_keras_but_constant_has_a_plain_row():
    classes = {
        value for value in vars(keras.initializers).values() if inspect.isclass(value)
    }
    names = {cls.__name__ for cls in classes} - {"Initializer"}
    assert {row.scheme.__name__ for row in IN_KERAS} == names - {"Constant"}


@every(IN_KERAS)
def test_signature_begins_as_the_one_in_keras(row):
    host = getattr(keras.initializers, row.scheme.__name__)
    theirs = inspect.signature(host).parameters
    ours = dict(inspect.signature(row.scheme).parameters)
    assert list(ours)[: len(theirs)] == list(theirs)
    for name, parameter in theirs.items():
        assert ours[name].default == parameter.default
        assert ours[name].kind == parameter.kind


@every(ROWS)
def test_scheme_is_an_instance_of_the_host_class(row):
    assert isinstance(row.make(), keras.initializers.Initializer)


L = keras.layers
MAKERS = {
    "Dense": ((6,), lambda k: L.Dense(4, kernel_initializer=k())),
    "Conv1D": ((6, 3), lambda k: L.Conv1D(4, 3, kernel_initializer=k())),
    "Conv2D": ((6, 6, 3), lambda k: L.Conv2D(4, 3, kernel_initializer=k())),
    "Conv3D": ((4, 4, 4, 2), lambda k: L.Conv3D(4, 3, kernel_initializer=k())),
    "EinsumDense": (
        (5, 6),
        lambda k: L.EinsumDense("abc,cde->abde", (5, 2, 3), kernel_initializer=k()),
    ),
    "MultiHeadAttention": (
        (5, 6),
        lambda k: L.MultiHeadAttention(2, 3, kernel_initializer=k()),
    ),
    "LSTM": (
        (5, 6),
        lambda k: L.LSTM(4, kernel_initializer=k(), recurrent_initializer=k()),
    ),
    "GRU": (
        (5, 6),
        lambda k: L.GRU(4, kernel_initializer=k(), recurrent_initializer=k()),
    ),
    "Bidirectional": (
        (5, 6),
        lambda k: L.Bidirectional(
            L.LSTM(4, kernel_initializer=k(), recurrent_initializer=k())
        ),
    ),
}


def build(name, make):
    size, layer_of = MAKERS[name]
    layer, shape = layer_of(make), (None, *size)
    if name == "MultiHeadAttention":
        layer.build(shape, shape)
    else:
        layer.build(shape)
    return layer


def apply(layer, tensor):
    is_attention = isinstance(layer, L.MultiHeadAttention)
    return layer(tensor, tensor) if is_attention else layer(tensor)


def test_table_knows_the_layers():
    assert set(LAYERS) == set(MAKERS)


@pytest.mark.backend
@pytest.mark.parametrize(("row", "name"), IN_LAYERS, ids=str)
def test_layer_takes_its_kernel_from_the_scheme(row, name):
    layer = build(name, lambda: row.make(4))
    kernels = [v for v in layer.weights if v.name in ("kernel", "recurrent_kernel")]
    assert kernels
    is_map = isinstance(row.make(), ki.MapInitializer)
    for variable in kernels:
        scheme = row.make(4)
        if is_map and name in ("EinsumDense", "MultiHeadAttention"):
            out = variable.path.endswith("attention_output/kernel")
            axes = ([0, 1], [2]) if out else ([0], [1, 2])
            scheme = row.make(4, input_axes=axes[0], output_axes=axes[1])
        np.testing.assert_allclose(
            as_numpy(variable), values_of(scheme, variable.shape), rtol=1e-6
        )


def functional_model(make):
    outputs, inputs = [], []
    for name, (size, layer_of) in MAKERS.items():
        inputs.append(keras.Input(size, name=f"to_{name}"))
        outputs.append(L.Flatten()(apply(layer_of(make), inputs[-1])))
    return keras.Model(inputs, L.Dense(1)(L.Concatenate()(outputs)))


def sequential_model(make):
    layers = [MAKERS["Conv2D"][1](make), L.Flatten(), MAKERS["Dense"][1](make)]
    return keras.Sequential(layers)


class SubclassedModel(keras.Model):
    def __init__(self, make):
        super().__init__()
        self.recurrent = MAKERS["LSTM"][1](make)
        self.dense = MAKERS["Dense"][1](make)

    def call(self, inputs):
        return self.dense(self.recurrent(inputs))


MODELS = {
    "functional": (functional_model, [size for size, _ in MAKERS.values()]),
    "sequential": (sequential_model, [(6, 6, 3)]),
    "subclassed": (SubclassedModel, [(5, 6)]),
}


@pytest.mark.backend
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("scheme", [ki.HeNormal, ki.GlorotUniform, ki.Orthogonal])
def test_model_takes_a_training_step(name, scheme):
    make_model, sizes = MODELS[name]
    model = make_model(scheme)
    model.compile("sgd", "mse", run_eagerly=name == "functional")
    rng = np.random.default_rng(1)
    inputs = [rng.normal(size=(2, *size)).astype("float32") for size in sizes]
    inputs = inputs if len(inputs) > 1 else inputs[0]
    model(inputs)
    before = [as_numpy(v).copy() for v in model.trainable_variables]
    assert np.isfinite(model.train_on_batch(inputs, np.ones((2, 1), "float32")))
    after = [as_numpy(v) for v in model.trainable_variables]
    moved = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    # A softmax does not feel the bias of the attention's keys.
    assert sum(moved) >= len(moved) - 1


@pytest.mark.backend
def test_layers_build_under_the_bfloat16_policy():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("bfloat16")
    try:
        for name in MAKERS:
            for variable in build(name, ki.Orthogonal).weights:
                assert variable.dtype == "bfloat16"
    finally:
        keras.config.set_dtype_policy(before)


# --- a file, read by another process -------------------------------------------------

LOAD = """
import json, sys
import keras, keras_inits
import numpy as np
model = keras.saving.load_model(sys.argv[1])
arrays, classes = {}, {}
for layer in model.layers:
    if not layer.weights:
        continue
    for name in ("kernel", "bias"):
        arrays[f"{layer.name}.{name}"] = keras.ops.convert_to_numpy(
            getattr(layer, name).value)
    name = layer.name.split("_")[0]
    scheme = getattr(layer, f"{name}_initializer")
    redrawn = scheme(getattr(layer, name).shape)
    arrays[f"{layer.name}.again"] = keras.ops.convert_to_numpy(redrawn)
    classes[layer.name] = type(scheme).__name__
np.savez(sys.argv[2], **arrays)
print(json.dumps(classes))
"""
CONVOLUTIONS = {3: L.Conv1D, 4: L.Conv2D, 5: L.Conv3D}


def layer_with(scheme, shape, name):
    """A layer with a kernel or, of rank 1, a bias of a scheme; the shape of inputs."""
    if len(shape) == 1:
        layer = L.Dense(*shape, bias_initializer=scheme, name=f"bias_{name}")
        return layer, (7,)
    options = {
        "kernel_initializer": scheme,
        "bias_initializer": ki.Constant(0.5),
        "name": f"kernel_{name}",
    }
    if len(shape) == 2:
        return L.Dense(shape[1], **options), (shape[0],)
    *window, channels, filters = shape
    layer = CONVOLUTIONS[len(shape)](filters, window, **options)
    return layer, (*window, channels)


@pytest.mark.backend
def test_saved_model_loads_in_another_process(tmp_path):
    kinds = {
        "an_integer": lambda: 9,
        "a_generator": lambda: keras.random.SeedGenerator(9),
    }
    inputs, outputs, schemes = {}, [], {}
    for number, row in enumerate(ROWS):
        for kind, seed in kinds.items() if row.random else [("none", None)]:
            scheme = row.make(seed and seed())
            layer, size = layer_with(scheme, row.shape, f"{number}_{kind}")
            if size not in inputs:
                inputs[size] = keras.Input(size)
            outputs.append(layer(inputs[size]))
            schemes[layer.name] = scheme
    model = keras.Model(list(inputs.values()), outputs)
    expected = {}
    for name, scheme in schemes.items():
        layer, weight = model.get_layer(name), name.split("_")[0]
        expected[f"{name}.kernel"] = as_numpy(layer.kernel)
        expected[f"{name}.bias"] = as_numpy(layer.bias)
        # In both processes a generator has given the weight, and goes on.
        expected[f"{name}.again"] = values_of(scheme, getattr(layer, weight).shape)
    model.save(tmp_path / "model.keras")

    classes = run_python(LOAD, tmp_path / "model.keras", tmp_path / "values.npz")

    assert classes == {name: type(scheme).__name__ for name, scheme in schemes.items()}
    loaded = np.load(tmp_path / "values.npz")
    assert set(loaded) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(loaded[name], values, err_msg=name)
