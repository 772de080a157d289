"""Any part of a tensor, by any number of threads, holds the same values."""

import itertools
import math
import threading
import tracemalloc

import numpy as np
import pytest

import keras_inits as ki
from keras_inits.initializers import laws, stream
from keras_inits.initializers.seeds import fold
from keras_inits.initializers.stream import empty, precision_of
from tests.initializers.tools import draw, values_of

LAWS = {
    "normal": laws.Normal(0.0, 1.0),
    "uniform": laws.Uniform(-1.0, 1.0),
    "truncated": laws.TruncatedNormal(0.0, 1.0),
    "one side": laws.TruncatedNormal(0.0, 1.0, -1.0, math.inf),
    "tail": laws.TruncatedNormal(0.0, 1.0, 5.0, 6.0),
}
every_law = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
DTYPES = ["float32", "float64", "float16"]
# As many float32 values as one generator gives the words of.
BLOCK = 2**16


@every_law
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("threads", [2, 3, 7])
def test_values_do_not_depend_on_the_number_of_threads(
    law, dtype, threads, monkeypatch
):
    monkeypatch.setattr(stream, "_WORTH", BLOCK)
    shape = (25, BLOCK - 5)
    alone = draw(law, shape, dtype, threads=1)
    together = draw(law, shape, dtype, threads=threads)
    np.testing.assert_array_equal(alone, together)


class Meeting:
    """A law that draws nothing until so many threads draw at once."""

    def __init__(self, threads):
        self.barrier = threading.Barrier(threads, timeout=60)

    def fill(self, bits, out):
        self.barrier.wait()
        out[:] = 1


def test_large_tensor_is_drawn_by_all_threads_at_once():
    assert (draw(Meeting(3), (3, 16 * BLOCK), "float32", threads=3) == 1).all()


def test_small_tensor_is_drawn_by_its_caller_alone():
    class Caller:
        def fill(self, bits, out):
            out[:] = threading.get_ident()

    values = draw(Caller(), (BLOCK,), "float64", threads=8)
    assert set(values) == {float(threading.get_ident())}


def test_error_in_a_thread_is_raised():
    class Broken:
        def fill(self, bits, out):
            raise ArithmeticError("broken")

    for threads in (1, 3):
        with pytest.raises(ArithmeticError, match="broken"):
            draw(Broken(), (48, BLOCK), threads=threads)


@pytest.mark.parametrize(
    ("dtype", "precision"),
    [("float64", "float64"), ("float32", "float32"), ("float16", "float32")],
)
def test_precision_is_double_for_double_alone(dtype, precision):
    assert precision_of(np.dtype(dtype)) == np.dtype(precision)


SHAPE = (5, 300, 7, 64)  # 10.25 blocks
INDICES = {
    "all": np.s_[0:5, 0:300, 0:7, 0:64],
    "rows": np.s_[1:3, 0:300, 0:7, 0:64],
    "contiguous inside a row": np.s_[2:3, 40:250, 0:7, 0:64],
    "second axis": np.s_[0:5, 100:200, 0:7, 0:64],
    "last axis": np.s_[0:5, 0:300, 0:7, 16:48],
    "last column": np.s_[0:5, 0:300, 0:7, 63:64],
    "every axis": np.s_[1:4, 10:290, 2:5, 3:61],
    "one value": np.s_[4:5, 299:300, 6:7, 63:64],
    "one value at a block's border": np.s_[0:1, 146:147, 2:3, 0:1],
    "across a block's border": np.s_[0:1, 146:147, 1:3, 32:64],
    "no rows": np.s_[2:2, 0:300, 0:7, 0:64],
    "no columns": np.s_[0:5, 0:300, 0:7, 64:64],
    "open": np.s_[:, :150, :, 32:],
}


@pytest.fixture(scope="module")
def whole():
    return {
        (name, dtype): draw(law, SHAPE, dtype)
        for (name, law), dtype in itertools.product(LAWS.items(), DTYPES)
    }


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
@pytest.mark.parametrize("threads", [1, 3])
def test_part_equals_the_same_part_of_the_whole(whole, name, dtype, index, threads):
    part = draw(LAWS[name], SHAPE, dtype, index=index, threads=threads)
    np.testing.assert_array_equal(part, whole[name, dtype][index])


@pytest.mark.parametrize("shape", [(), (0,), (1,), (BLOCK,), (BLOCK + 1,), (0, 3)])
def test_whole_has_the_shape(shape):
    values = draw(LAWS["normal"], shape)
    assert values.shape == shape
    assert np.isfinite(values).all()


def test_each_value_of_a_vector_can_be_drawn_alone():
    law, size = LAWS["truncated"], BLOCK + 40
    whole = draw(law, (size,))
    for place in [*range(0, 40), *range(BLOCK - 20, size)]:
        alone = draw(law, (size,), index=(slice(place, place + 1),))
        assert alone[0] == whole[place]


HUGE = (2**20, 2**13)  # 2^33 values, 32 GiB in float32


def measured(function):
    tracemalloc.start()
    try:
        return function(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "index",
    [
        np.s_[2**20 - 40 : 2**20, 0 : 2**13],
        np.s_[2**19 + 1 : 2**19 + 41, 0 : 2**13],
        np.s_[2**20 - 16 : 2**20, 2**12 : 2**13],
    ],
)
def test_far_part_is_drawn_without_the_rest(index):
    part, peak = measured(lambda: draw(LAWS["normal"], HUGE, index=index))
    assert part.shape == tuple(s.stop - s.start for s in index)
    assert abs(part.mean()) < 5 / math.sqrt(part.size)
    # The part itself, and the scratch of a few blocks.
    assert peak < part.nbytes + 100 * BLOCK


def test_far_parts_agree_with_each_other():
    law = LAWS["normal"]
    rows = draw(law, HUGE, index=np.s_[2**20 - 16 : 2**20, 0 : 2**13])
    column = draw(law, HUGE, index=np.s_[2**20 - 16 : 2**20, 8000:8003])
    value = draw(law, HUGE, index=np.s_[2**20 - 1 : 2**20, 2**13 - 1 : 2**13])
    np.testing.assert_array_equal(column, rows[:, 8000:8003])
    assert value[0, 0] == rows[-1, -1]


def test_far_parts_differ_from_near_ones():
    law = LAWS["normal"]
    # 2^32 values, so 2^16 blocks, lie between: a 32-bit counter would come round.
    near = draw(law, HUGE, index=np.s_[0:8, 0 : 2**13])
    far = draw(law, HUGE, index=np.s_[2**19 : 2**19 + 8, 0 : 2**13])
    assert abs(np.corrcoef(near.ravel(), far.ravel())[0, 1]) < 0.02


COUNT = 1_000_000


def correlation(first, second):
    size = min(first.size, second.size)
    pair = first.ravel()[:size], second.ravel()[:size]
    return abs(np.corrcoef(*pair)[0, 1])


def test_lanes_are_independent():
    first, second = (draw(LAWS["normal"], (COUNT,), lane=lane) for lane in (0, 1))
    assert correlation(first, second) < 0.01


def test_blocks_are_independent():
    values = draw(LAWS["normal"], (16, BLOCK))
    assert correlation(values[:-1], values[1:]) < 0.01


SQUARE = (1000, 1000)
PAIRS = {
    "shapes": (ki.HeNormal(seed=0), SQUARE, ki.HeNormal(seed=0), (1000, 1010)),
    "shapes of one size": (
        ki.HeNormal(seed=0),
        SQUARE,
        ki.HeNormal(seed=0),
        (500, 2000),
    ),
    "schemes": (ki.HeNormal(seed=0), SQUARE, ki.GlorotNormal(seed=0), SQUARE),
    "seeds": (ki.HeNormal(seed=0), SQUARE, ki.HeNormal(seed=1), SQUARE),
    "signs of a seed": (ki.HeNormal(seed=1), SQUARE, ki.HeNormal(seed=-1), SQUARE),
    "seeds beyond 64 bits": (
        ki.HeNormal(seed=1),
        SQUARE,
        ki.HeNormal(seed=1 + 2**64),
        SQUARE,
    ),
    "calls without a seed": (SHARED := ki.HeNormal(), SQUARE, SHARED, SQUARE),
}


@pytest.mark.parametrize(
    ("one", "shape", "other", "other_shape"), PAIRS.values(), ids=PAIRS
)
def test_tensors_are_independent(one, shape, other, other_shape):
    first, second = values_of(one, shape), values_of(other, other_shape)
    assert correlation(first, second) < 0.01


def test_keys_belong_to_entropy_scheme_and_shape_alone():
    parts = itertools.product(
        ["integer:1", "integer:11", "unseeded:1", "generator:1"],
        ["HeNormal", "HeUniform"],
        [(), (1,), (11,), (1, 1), (1, 11), (11, 1)],
    )
    keys = [fold(*part) for part in parts]
    assert len(set(keys)) == len(keys) == 48
    assert all(0 <= word < 2**64 for key in keys for word in key)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int8"])
@pytest.mark.parametrize("shape", [(), (3,), (129, 3)])
def test_empty_starts_at_a_multiple_of_64_bytes(shape, dtype):
    array = empty(shape, dtype)
    assert array.ctypes.data % 64 == 0
    assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
    assert array.flags.c_contiguous
    assert array.flags.writeable
