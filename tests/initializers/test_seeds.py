"""What a seed may be, and what it promises."""

import random

import keras
import numpy as np
import pytest

import keras_inits as ki
from keras_inits.initializers.seeds import check_seed, entropy
from tests.initializers.tools import as_numpy, digest, values_of

pytestmark = pytest.mark.backend
SHAPE = (16, 8)


def digest_of(scheme):
    return digest(values_of(scheme, SHAPE))


@pytest.mark.parametrize("seed", [0, 3, -1, 2**31, 2**33, -(2**63), 2**64 + 1, 10**40])
def test_integer_of_any_size_is_a_seed(seed):
    scheme = ki.HeNormal(seed=seed)
    assert scheme.seed == seed
    assert digest_of(scheme) == digest_of(ki.HeNormal(seed=seed))


def test_integers_give_different_values():
    seeds = [0, 1, -1, 2**32, 2**32 + 1, 2**63, -(2**63), 2**64, 2**64 + 1]
    assert len({digest_of(ki.HeNormal(seed=seed)) for seed in seeds}) == len(seeds)


@pytest.mark.parametrize(
    "kind", [np.int8, np.int32, np.int64, np.uint8, np.uint64, np.asarray]
)
def test_numpy_integer_equals_the_python_one(kind):
    scheme = ki.HeNormal(seed=kind(3))
    assert type(scheme.seed) is int
    assert digest_of(scheme) == digest_of(ki.HeNormal(seed=3))


@pytest.mark.parametrize(
    "seed", [True, False, np.True_, 1.0, np.float32(3), "3", [3], np.array([1, 2]), 1j]
)
def test_other_kinds_are_refused(seed):
    message = (
        r"`seed` must be None, an integer or a keras\.random\.SeedGenerator\. "
        r"Received: seed=.* \(of type .*\)\. Pass an integer for the same weights at "
        r"each call, or None with keras\.utils\.set_random_seed\(\) for a reproducible "
        r"model\."
    )
    with pytest.raises(TypeError, match=message):
        ki.HeNormal(seed=seed)


@pytest.mark.parametrize("scheme", [ki.RandomNormal, ki.Orthogonal, ki.HeUniform])
def test_every_scheme_checks_its_seed(scheme):
    with pytest.raises(TypeError, match="`seed` must be None, an integer"):
        scheme(seed=1.5)


def test_generator_advances_at_each_call():
    scheme = ki.HeNormal(seed=keras.random.SeedGenerator(3))
    assert len({digest_of(scheme) for _ in range(5)}) == 5


def test_generator_shared_by_schemes_advances_for_both():
    generator = keras.random.SeedGenerator(3)
    first, second = ki.HeNormal(seed=generator), ki.HeNormal(seed=generator)
    assert digest_of(first) != digest_of(second)


def test_generator_starts_the_same_sequence_from_the_same_seed():
    first, second = (ki.HeNormal(seed=keras.random.SeedGenerator(3)) for _ in range(2))
    assert [digest_of(first) for _ in range(3)] == [digest_of(second) for _ in range(3)]


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (3, "72ecedda25e9f461"),
        (2**31 - 1, "75fe3b3df8b04bec"),
        (123456789, "098e7360b1cb397d"),
    ],
)
def test_generator_gives_the_pinned_bits(seed, expected):
    scheme = ki.HeNormal(seed=keras.random.SeedGenerator(seed))
    digest_of(scheme)
    assert digest_of(scheme) == expected


def test_generator_comes_back_from_a_configuration():
    scheme = ki.HeNormal(seed=keras.random.SeedGenerator(3, name="mine"))
    config = scheme.get_config()
    revived = ki.HeNormal.from_config(config)
    assert isinstance(revived.seed, keras.random.SeedGenerator)
    assert revived.seed is not scheme.seed
    assert revived.get_config() == config
    assert digest_of(revived) == digest_of(scheme)


def test_generator_is_kept_as_the_object_it_is():
    generator = keras.random.SeedGenerator(3)
    assert check_seed(generator) is generator


def test_unseeded_draws_follow_the_global_seed():
    scheme = ki.HeNormal()
    keras.utils.set_random_seed(8)
    first = [digest_of(scheme) for _ in range(3)]
    keras.utils.set_random_seed(8)
    assert [digest_of(scheme) for _ in range(3)] == first
    assert len(set(first)) == 3


def test_seeded_draws_leave_the_global_generator_alone():
    keras.utils.set_random_seed(8)
    state = random.getstate()
    digest_of(ki.HeNormal(seed=1))
    digest_of(ki.HeNormal(seed=keras.random.SeedGenerator(1)))
    assert random.getstate() == state


def test_seeded_draws_ignore_the_global_seed():
    keras.utils.set_random_seed(8)
    first = digest_of(ki.HeNormal(seed=1))
    keras.utils.set_random_seed(9)
    assert digest_of(ki.HeNormal(seed=1)) == first


def test_layers_that_share_an_unseeded_scheme_differ():
    scheme = ki.HeNormal()
    layers = [keras.layers.Dense(8, kernel_initializer=scheme) for _ in range(2)]
    for layer in layers:
        layer.build((None, 16))
    first, second = (as_numpy(layer.kernel) for layer in layers)
    assert not np.allclose(first, second)


def make_layers():
    # All at once: Keras's LSTM takes a seed for dropout from the same source.
    shared = ki.HeNormal()
    return [
        keras.layers.Dense(8, kernel_initializer=shared),
        keras.layers.Dense(8, kernel_initializer=shared),
        keras.layers.LSTM(
            4,
            kernel_initializer=ki.GlorotUniform(),
            recurrent_initializer=ki.RandomNormal(),
            bias_initializer=ki.RandomUniform(),
        ),
    ]


class Subclassed(keras.Model):
    """Keras calls its initializers once more than needed, to infer shapes."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = make_layers()

    def call(self, inputs):
        return self.last(self.second(self.first(inputs)))


def functional():
    first, second, last = make_layers()
    inputs = keras.Input((5, 8))
    return keras.Model(inputs, last(second(first(inputs))))


def sequential():
    return keras.Sequential(make_layers())


def digests_of_model(make, seed):
    keras.utils.set_random_seed(seed)
    model = make()
    model(np.ones((2, 5, 8), "float32"))
    return [digest(as_numpy(variable)) for variable in model.weights]


@pytest.mark.parametrize("make", [functional, sequential, Subclassed])
def test_global_seed_makes_the_model_reproducible(make):
    first = digests_of_model(make, 5)
    assert digests_of_model(make, 5) == first
    other = digests_of_model(make, 6)
    # But for the two biases of the dense layers, which are zero.
    assert sum(a != b for a, b in zip(first, other, strict=True)) == len(first) - 2


# Kernel and bias of both dense layers, then the LSTM's three weights.
MODEL = [
    "c23f509510ec45c6",
    "66687aadf862bd77",
    "4f8251e887f087a3",
    "66687aadf862bd77",
    "8a774e0b856a5576",
    "6da3d607897031f7",
    "535978b939bd7d46",
]


@pytest.mark.parametrize("make", [functional, sequential, Subclassed])
def test_global_seed_gives_the_pinned_model(make):
    assert digests_of_model(make, 5) == MODEL


def test_integer_entropy_is_the_number_in_words():
    assert entropy(12) == "integer:12"
    assert entropy(-(2**70)) == f"integer:-{2**70}"


@pytest.mark.skipif("keras.backend.backend() != 'jax'", reason="about JAX alone")
def test_generator_under_tracing_is_an_error():
    import jax

    scheme = ki.HeNormal(seed=keras.random.SeedGenerator(3))
    generator = scheme.seed

    def call(state):
        generator.state._value = state
        return scheme(SHAPE)

    state = generator.state.value
    message = (
        "Initial weights are drawn on the host, and the state of this SeedGenerator "
        "can't be read there now. Received: seed=.*Call the initializer outside of the "
        "compiled function, or give it an integer seed."
    )
    with pytest.raises(RuntimeError, match=message):
        jax.jit(call)(state)
    generator.state._value = state


@pytest.mark.skipif("keras.backend.backend() != 'jax'", reason="about JAX alone")
def test_integer_seed_works_under_tracing():
    import jax

    traced = jax.jit(lambda: ki.HeNormal(seed=3)(SHAPE))()
    assert digest(as_numpy(traced)) == digest_of(ki.HeNormal(seed=3))


@pytest.mark.skipif(
    "keras.backend.backend() != 'tensorflow'", reason="about TensorFlow alone"
)
@pytest.mark.parametrize("seed", [3, "generator"])
def test_call_inside_a_tensorflow_function_gives_the_same_values(seed):
    import tensorflow as tf

    def fresh():
        return keras.random.SeedGenerator(3) if seed == "generator" else seed

    scheme = ki.HeNormal(seed=fresh())
    traced = tf.function(lambda: scheme(SHAPE))()
    assert digest(as_numpy(traced)) == digest_of(ki.HeNormal(seed=fresh()))
