"""What the door lets in, what it refuses, and in which words."""

import math
import re

import keras
import numpy as np
import pytest

import keras_inits as ki
from keras_inits.initializers import checks
from tests.initializers.table import RANDOM, ROWS
from tests.initializers.tools import digest, values_of

pytestmark = pytest.mark.backend
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("number", [0, 3, -2.5, 1e300])
def test_python_number_stays_as_it_is(number):
    checked = checks.check_number("gain", number)
    assert (checked, type(checked)) == (number, type(number))


@pytest.mark.parametrize(
    "number",
    [np.float32(0.5), np.float64(0.5), np.array(0.5), np.array([[0.5]]), "tensor"],
)
def test_array_of_one_number_becomes_a_python_number(number):
    number = keras.ops.convert_to_tensor(0.5) if number == "tensor" else number
    checked = checks.check_number("gain", number)
    assert (checked, type(checked)) == (0.5, float)


@pytest.mark.parametrize(
    "number", ["1", None, True, np.True_, [1, 2], np.zeros(2), np.zeros(0), 1j, {}]
)
def test_what_is_no_number_is_refused(number):
    with pytest.raises(
        TypeError, match=r"`stddev` must be a number\. Received: stddev="
    ):
        ki.RandomNormal(stddev=number)


NOT_FINITE = [
    (ki.RandomNormal, "mean"),
    (ki.RandomNormal, "stddev"),
    (ki.RandomUniform, "minval"),
    (ki.RandomUniform, "maxval"),
    (ki.TruncatedNormal, "mean"),
    (ki.TruncatedNormal, "stddev"),
    (ki.HeNormal, "negative_slope"),
    (ki.HeUniform, "negative_slope"),
    (ki.VarianceScaling, "gain"),
    (ki.Orthogonal, "gain"),
    (ki.Identity, "gain"),
]


@pytest.mark.parametrize(("scheme", "name"), NOT_FINITE)
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_number_must_be_finite(scheme, name, value):
    message = rf"`{name}` must be a finite number( >= 0)?\. Received: {name}={value}\."
    with pytest.raises(ValueError, match=message):
        scheme(**{name: value})


@pytest.mark.parametrize(
    ("scheme", "name"),
    [
        (ki.RandomNormal, "stddev"),
        (ki.TruncatedNormal, "stddev"),
        (ki.VarianceScaling, "gain"),
        (ki.Orthogonal, "gain"),
        (ki.Identity, "gain"),
    ],
)
def test_factor_must_not_be_negative(scheme, name):
    message = rf"`{name}` must be a finite number >= 0\. Received: {name}=-0\.1\."
    with pytest.raises(ValueError, match=message):
        scheme(**{name: -0.1})
    scheme(**{name: 0})


def test_number_has_an_upper_limit_where_one_is_given():
    message = r"`share` must be a finite number >= 0 <= 1\. Received: share=1\.5\."
    with pytest.raises(ValueError, match=message):
        checks.check_number("share", 1.5, least=0, most=1)


@pytest.mark.parametrize("scale", [0, -1.0, NAN, INF, -INF])
def test_scale_must_be_positive(scale):
    message = rf"Argument `scale` must be positive float\. Received: scale={scale}\."
    with pytest.raises(ValueError, match=message):
        ki.VarianceScaling(scale=scale)


@pytest.mark.parametrize("count", [1, 7, np.int64(7), np.array(7)])
def test_count_becomes_a_python_integer(count):
    checked = checks.check_count("units", count)
    assert (checked, type(checked)) == (count, int)


@pytest.mark.parametrize("count", [0, -3])
def test_count_must_be_at_least_one(count):
    message = f"`units` must be an integer >= 1. Received: units={count}."
    with pytest.raises(ValueError, match=re.escape(message)):
        checks.check_count("units", count)


@pytest.mark.parametrize("count", [2.5, 2.0, "2", None, [2]])
def test_count_must_be_an_integer(count):
    message = f"`units` must be an integer. Received: units={count!r} (of type "
    with pytest.raises(TypeError, match=re.escape(message)):
        checks.check_count("units", count)


def test_counts_are_one_or_a_list():
    assert checks.check_counts("scale", 2) == 2
    assert checks.check_counts("scale", (2, np.int64(3))) == [2, 3]
    with pytest.raises(ValueError, match=r">= 1\. Received: scale=0\."):
        checks.check_counts("scale", [2, 0])
    with pytest.raises(TypeError, match=r"an integer\. Received: scale='2'"):
        checks.check_counts("scale", "2")


@pytest.mark.parametrize("bounds", [(1, 1), (2, 1), (0.0, -0.5)])
def test_minval_must_be_below_maxval(bounds):
    message = "`minval` must be below `maxval`. Received: minval={}, maxval={}."
    with pytest.raises(ValueError, match=re.escape(message.format(*bounds))):
        ki.RandomUniform(*bounds)


@pytest.mark.parametrize("bounds", [(1, 1), (2, 1), (3, -3)])
def test_low_must_be_below_high(bounds):
    message = (
        "`low` must be below `high`. Received: low={}, high={}. They count standard"
    )
    with pytest.raises(ValueError, match=re.escape(message.format(*bounds))):
        ki.TruncatedNormal(low=bounds[0], high=bounds[1])


@pytest.mark.parametrize(
    "bounds", [{"low": NAN}, {"high": NAN}, {"low": INF}, {"high": -INF}]
)
def test_bound_may_be_infinite_on_its_own_side_alone(bounds):
    message = (
        r"`(low|high)` must be a finite number\. Received: (low|high)=(nan|-?inf)\."
    )
    with pytest.raises(ValueError, match=message):
        ki.TruncatedNormal(**bounds)


@pytest.mark.parametrize(
    ("scheme", "name", "options"),
    [
        (ki.VarianceScaling, "mode", "'fan_in', 'fan_out', 'fan_avg', 'fan_geo_avg'"),
        (
            ki.VarianceScaling,
            "distribution",
            "'uniform', 'truncated_normal', 'untruncated_normal', 'normal'",
        ),
        (ki.TruncatedNormal, "stddev_of", "'parent', 'result'"),
    ],
)
@pytest.mark.parametrize("value", ["fan", 3, None])
def test_unknown_option_is_refused_with_the_known_ones(scheme, name, options, value):
    message = (
        f"Invalid `{name}` argument: {value!r}. Received: {name}={value!r}. "
        f"Use one of {options}."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        scheme(**{name: value})


def test_option_may_be_written_in_capitals():
    scheme = ki.VarianceScaling(mode="FAN_OUT", distribution="Uniform")
    assert (scheme.mode, scheme.distribution) == ("fan_out", "uniform")


@pytest.mark.parametrize("scheme", [ki.GlorotNormal, ki.HeNormal, ki.LecunNormal])
@pytest.mark.parametrize("value", [1, None, "yes"])
def test_truncated_is_true_or_false(scheme, value):
    message = f"`truncated` must be True or False. Received: truncated={value!r}."
    with pytest.raises(TypeError, match=re.escape(message)):
        scheme(truncated=value)


# The first row of each scheme.
MAPS = {
    row.scheme: row
    for row in reversed(ROWS)
    if issubclass(row.scheme, ki.MapInitializer)
}
every_map = pytest.mark.parametrize("row", MAPS.values(), ids=str)


@every_map
@pytest.mark.parametrize("axes", [{"input_axes": [0]}, {"output_axes": [0]}])
def test_axes_go_together(row, axes):
    message = r"`input_axes` and `output_axes` go together\. Received: .*Give both or"
    with pytest.raises(ValueError, match=message):
        row.make(**axes)


@every_map
@pytest.mark.parametrize("axes", [([0, 0], [1]), ([0], [0]), ([0], [1, 1])])
def test_axis_is_named_once(row, axes):
    with pytest.raises(
        ValueError, match="An axis can be named once in `input_axes` and"
    ):
        row.make(input_axes=axes[0], output_axes=axes[1])


@every_map
@pytest.mark.parametrize("axes", [(0, [1]), (["a"], [1]), ([0.5], [1])])
def test_axes_are_lists_of_integers(row, axes):
    with pytest.raises(
        TypeError, match="`input_axes` and `output_axes` must be lists of"
    ):
        row.make(input_axes=axes[0], output_axes=axes[1])


@every_map
@pytest.mark.parametrize("axes", [([0], [2]), ([-3], [1]), ([0], [-2])])
def test_axes_must_fit_the_shape(row, axes):
    message = (
        f"The axes of {row.scheme.__name__} do not fit the shape. Received: "
        f"shape=(4, 48), input_axes={axes[0]}, output_axes={axes[1]}. Name each axis "
        "at most once."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        row.make(input_axes=axes[0], output_axes=axes[1])((4, 48))


every_row = pytest.mark.parametrize("row", ROWS, ids=str)


@every_row
@pytest.mark.parametrize("shape", [3, None, 2.5, "ab", (2.0, 3), ("a", 3), ([1], 2)])
def test_shape_must_be_a_sequence_of_integers(row, shape):
    message = (
        f"`shape` must be a sequence of integers. Received: shape={shape!r}. "
        "Write (3,) for a vector of three."
    )
    with pytest.raises(TypeError, match=re.escape(message)):
        row.make(1)(shape)


@every_row
@pytest.mark.parametrize("shape", [(-1, 48), (48, -3)])
def test_size_must_not_be_negative(row, shape):
    message = f"No size of `shape` can be negative. Received: shape={shape}."
    with pytest.raises(ValueError, match=re.escape(message)):
        row.make(1)(shape)


@every_row
@pytest.mark.parametrize("shape", [(None, 48), (48, None)])
def test_size_must_be_known(row, shape):
    message = f"Every size of `shape` must be known. Received: shape={shape}. Build the"
    with pytest.raises(ValueError, match=re.escape(message)):
        row.make(1)(shape)


@pytest.mark.parametrize(
    "shape", [[3, 4], (np.int64(3), np.int32(4)), np.array([3, 4])]
)
def test_shape_may_hold_numpy_integers(shape):
    assert checks.check_shape(shape) == (3, 4)
    assert {type(size) for size in checks.check_shape(shape)} == {int}
    assert digest(values_of(ki.HeNormal(seed=1), shape)) == digest(
        values_of(ki.HeNormal(seed=1), (3, 4))
    )


random_rows = pytest.mark.parametrize("row", RANDOM, ids=str)


@random_rows
@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_random_scheme_needs_floats(row, dtype):
    message = (
        f"{row.scheme.__name__} draws real numbers and needs a floating-point dtype. "
        f"Received: dtype={dtype!r}. Use 'float32', 'float64', 'float16' or 'bfloat16'."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        row.make(1)(row.shape, dtype)


@every_row
def test_unknown_dtype_is_refused(row):
    with pytest.raises(ValueError, match="Invalid dtype: float31"):
        row.make(1)(row.shape, "float31")


@pytest.mark.parametrize("rank", [0, 1])
def test_orthogonal_needs_a_matrix(rank):
    shape = (5,) * rank
    message = (
        "Orthogonal fills matrices and kernels, shapes of rank 2 or more. Received: "
        f"shape={shape} of rank {rank}. Zeros() suits a bias."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        ki.Orthogonal()(shape)


@pytest.mark.parametrize("rank", [0, 1, 3, 4])
def test_identity_needs_a_matrix(rank):
    shape = (5,) * rank
    message = (
        "Identity fills matrices, shapes of rank 2. Received: "
        f"shape={shape} of rank {rank}."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        ki.Identity()(shape)


@pytest.mark.skipif("keras.backend.backend() == 'jax'", reason="JAX has layouts")
@every_row
def test_layout_is_refused_where_there_is_none(row):
    message = (
        "`layout` spreads a tensor over devices on the JAX backend only. Received: "
    )
    with pytest.raises(ValueError, match=message):
        row.make(1)(row.shape, layout="rows")


REFUSED = {
    "shape": {"shape": (-1, 4)},
    "unknown size": {"shape": (None, 4)},
    "kind of shape": {"shape": 4},
    "dtype": {"dtype": "int32"},
    "unknown dtype": {"dtype": "float31"},
}
if keras.backend.backend() != "jax":
    REFUSED["layout"] = {"layout": "rows"}


@random_rows
@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_refused_call_does_not_advance_the_generator(row, call):
    generator = keras.random.SeedGenerator(3)
    before = digest(values_of(generator_state(generator), ()))
    with pytest.raises((TypeError, ValueError)):
        row.make(generator)(**{"shape": row.shape, **call})
    assert digest(values_of(generator_state(generator), ())) == before


def generator_state(generator):
    return lambda shape, dtype: generator.state


def test_refused_axes_do_not_advance_the_generator():
    generator = keras.random.SeedGenerator(3)
    scheme = ki.HeNormal(seed=generator, input_axes=[0], output_axes=[5])
    with pytest.raises(ValueError, match="do not fit the shape"):
        scheme((4, 6))
    expected = values_of(ki.HeNormal(seed=keras.random.SeedGenerator(3)), (4, 6))
    assert digest(values_of(ki.HeNormal(seed=generator), (4, 6))) == digest(expected)
