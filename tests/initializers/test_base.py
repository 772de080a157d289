"""What the base classes do for every scheme, seen on schemes of our own."""

import inspect

import keras
import numpy as np
import pytest

import keras_inits as ki
from keras_inits.initializers import base, laws
from tests.initializers.table import ROWS
from tests.initializers.tools import digest, values_of

pytestmark = pytest.mark.backend


class Laplace(ki.RandomInitializer):
    """A scheme as a user would write it."""

    def __init__(self, width=1.0, seed=None):
        super().__init__(seed)
        self.width = width

    def _law(self, shape):
        return laws.Uniform(-self.width, self.width)


def test_new_scheme_needs_a_law_alone():
    scheme = Laplace(width=3, seed=1)
    values = values_of(scheme, (100, 100))
    assert 2.9 < np.abs(values).max() < 3
    assert scheme.get_config() == {"width": 3, "seed": 1}
    again = scheme.clone()
    assert type(again) is Laplace
    assert digest(values_of(again, (5, 5))) == digest(values_of(scheme, (5, 5)))


def test_subclass_has_a_stream_of_its_own():
    class Mine(ki.HeNormal):
        pass

    one, other = (values_of(s(seed=1), (300, 300)) for s in (ki.HeNormal, Mine))
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02


def test_base_class_can_not_be_called():
    with pytest.raises(NotImplementedError):
        ki.Initializer()((3,))
    with pytest.raises(NotImplementedError):
        ki.RandomInitializer()((3,))


def test_registered_name_has_the_package_before_it():
    @base.register
    class OfTheTests(ki.Initializer):
        pass

    name = "keras_inits>OfTheTests"
    assert keras.saving.get_registered_name(OfTheTests) == name
    assert keras.saving.get_registered_object(name) is OfTheTests


@pytest.mark.parametrize(
    ("scheme", "text"),
    [
        (ki.HeNormal(), "HeNormal()"),
        (ki.HeNormal(seed=3, truncated=True), "HeNormal(seed=3, truncated=True)"),
        (ki.RandomNormal(0.0, 0.05), "RandomNormal()"),
        (ki.RandomNormal(stddev=2), "RandomNormal(stddev=2)"),
        (ki.Constant(0.5), "Constant(value=0.5)"),
        (ki.Orthogonal(gain="relu"), "Orthogonal(gain='relu')"),
        (
            ki.VarianceScaling(input_axes=[0], output_axes=[1, 2]),
            "VarianceScaling(input_axes=[0], output_axes=[1, 2])",
        ),
    ],
)
def test_repr_shows_what_differs_from_the_defaults(scheme, text):
    assert repr(scheme) == text


@pytest.mark.parametrize(
    "row",
    [r for r in ROWS if "array" not in r.name and "function" not in r.name],
    ids=str,
)
def test_repr_makes_the_scheme_again(row):
    scheme = row.make(1)
    names = {**vars(ki), "inf": float("inf")}
    again = eval(repr(scheme), names)
    assert again.get_config() == scheme.get_config()


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_arguments_are_stored_under_their_names(row):
    scheme = row.make(1)
    for name in inspect.signature(row.scheme).parameters:
        assert hasattr(scheme, name)
    for name, value in row.arguments.items():
        if not isinstance(value, (str, np.ndarray)):
            assert getattr(scheme, name) == value


def test_map_initializer_is_seen_by_einsum_dense():
    # EinsumDense rebuilds those alone with the axes of its kernel.
    assert issubclass(ki.MapInitializer, keras.initializers.VarianceScaling)
    layer = keras.layers.EinsumDense(
        "abc,cd->abd", (5, 4), kernel_initializer=ki.HeNormal(seed=1)
    )
    layer.build((None, 5, 6))
    expected = ki.HeNormal(seed=1, input_axes=[0], output_axes=[1])
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(layer.kernel.value), values_of(expected, (6, 4))
    )
