"""Units that compute the same, in the weights of layers of several kinds."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits.monitor.layout import WatchedWeights
from keras_inits.monitor.structure import Structure, duplicated_units

pytestmark = pytest.mark.backend


def structure(layer, *shape):
    model = keras.Sequential([keras.Input(shape), layer])
    return Structure(WatchedWeights(model, lambda path: True, {}).kernels())


def test_twins_are_counted_with_all_that_equal_them():
    rows = np.random.default_rng(0).standard_normal((6, 5))
    rows[4] = rows[1]
    rows[5] = rows[1]
    assert duplicated_units(rows) == (3, 6)
    assert duplicated_units(rows[:4]) == (0, 4)


@pytest.mark.parametrize(
    ("layer", "shape", "axis"),
    [
        (layers.Dense(4), (3,), 1),
        (layers.Conv2D(4, 2), (5, 5, 3), 3),
        (layers.Conv2DTranspose(4, 2), (5, 5, 3), 2),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_unit_is_what_gives_an_output(layer, shape, axis):
    assert not structure(layer, *shape).start
    kernel = np.array(keras.ops.convert_to_numpy(layer.kernel.value))
    units = np.moveaxis(kernel, axis, 0)
    units[1] = units[3]
    layer.kernel.assign(kernel)
    found = structure(layer, *shape)
    assert [*found.start.values()] == [(2, 4)]
    assert found.now() == {}
    units[0] += 1.0
    layer.kernel.assign(kernel)
    assert [*found.now().values()] == [(2, 4)]


def test_inputs_that_are_alike_are_no_twins():
    layer = layers.Conv2DTranspose(4, 2)
    structure(layer, 5, 5, 3)
    kernel = np.array(keras.ops.convert_to_numpy(layer.kernel.value))
    kernel[..., 1] = kernel[..., 0]
    layer.kernel.assign(kernel)
    assert not structure(layer, 5, 5, 3).start
