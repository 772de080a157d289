"""Kernels that were filled from one sequence of numbers, and those that were not."""

import keras
import pytest
from keras import layers

from keras_inits.data_driven.likeness import alike
from keras_inits.data_driven.weights import kernels_of
from tests.data_driven.models import normal


def built_kernels(layer, *shape):
    layer.build((None, *shape))
    return kernels_of(layer)


def filled(array):
    dense = layers.Dense(array.shape[1])
    kernels = built_kernels(dense, array.shape[0])
    dense.kernel.assign(array)
    return kernels


def test_one_seed_in_two_initializers_is_found_through_shape_and_scheme():
    kernels = [
        *built_kernels(layers.Dense(32, kernel_initializer=with_seed("HeNormal")), 16),
        *built_kernels(layers.Dense(8, kernel_initializer=with_seed("HeNormal")), 64),
        *built_kernels(layers.Dense(8), 64),
    ]
    assert alike(kernels) == [kernels[:2]]


def with_seed(name):
    return getattr(keras.initializers, name)(seed=3)


@pytest.mark.parametrize("name", ["zeros", "ones", "identity"])
def test_kernels_that_were_not_drawn_are_not_told_apart(name):
    kernels = [
        built_kernels(layers.Dense(32, kernel_initializer=name), 32)[0]
        for _ in range(2)
    ]
    assert alike(kernels) == []


def test_frozen_copies_are_left_alone():
    kernels = [*filled(normal(20, 20)), *filled(normal(20, 20))]
    assert len(alike(kernels)) == 1
    kernels[0].variable.trainable = False
    assert alike(kernels) == []
