"""Fans against numbers counted by hand, for every kind of kernel."""

import json

import keras
import pytest

import keras_inits as ki
from keras_inits import Fans, compute_fans

KERNELS = [
    ((), (1, 1)),
    ((7,), (7, 7)),
    ((5, 7), (5, 7)),
    ((3, 5, 7), (15, 21)),
    ((3, 3, 64, 128), (576, 1152)),
    ((3, 2, 4, 5, 7), (120, 168)),
    ((0, 7), (0, 7)),
]


@pytest.mark.parametrize(("shape", "expected"), KERNELS)
def test_fans_by_the_convention_of_keras(shape, expected):
    assert compute_fans(shape) == expected


@pytest.mark.parametrize(("shape", "expected"), KERNELS[:-1])
def test_convention_is_that_of_the_host(shape, expected):
    from keras.src.initializers.random_initializers import compute_fans as theirs

    assert compute_fans(shape) == theirs(shape)


@pytest.mark.parametrize(
    ("shape", "inputs", "outputs", "expected"),
    [
        ((512, 8, 64), [0], [1, 2], (512, 512)),
        ((8, 64, 512), [0, 1], [2], (512, 512)),
        ((8, 64, 512), [-3, -2], [-1], (512, 512)),
        ((16, 32, 24), [1], [2], (32, 24)),
        ((5, 7), [1], [0], (7, 5)),
        ((5, 7), [], [1], (1, 7)),
    ],
)
def test_fans_by_axes(shape, inputs, outputs, expected):
    assert compute_fans(shape, inputs, outputs) == expected


# The true fans of KERAS_FACTS, which Keras gets wrong from the shape alone.
PRESETS = {
    "dense": (Fans.dense(), (5, 7), (5, 7)),
    "convolution": (Fans.convolution(), (3, 3, 64, 128), (576, 1152)),
    "convolution with strides": (Fans.convolution(strides=4), (4, 4, 3, 32), (48, 32)),
    "convolution with two strides": (
        Fans.convolution(strides=(4, 2)),
        (4, 4, 3, 32),
        (48, 64),
    ),
    "grouped convolution": (Fans.convolution(groups=32), (3, 3, 8, 256), (72, 72)),
    "depthwise": (Fans.depthwise(), (3, 3, 256, 1), (9, 9)),
    "depthwise with strides": (Fans.depthwise(strides=3), (3, 3, 256, 2), (9, 2)),
    "transposed": (Fans.transposed_convolution(), (4, 4, 4, 256), (4096, 64)),
    "transposed with strides": (
        Fans.transposed_convolution(strides=2),
        (4, 4, 4, 256),
        (1024, 64),
    ),
    "embedding": (Fans.embedding(), (50000, 512), (512, 512)),
    "LSTM": (Fans.gates(4), (128, 1024), (128, 256)),
    "ConvLSTM": (Fans.gates(4, window=True), (3, 3, 8, 64), (72, 144)),
    "einsum of attention": (Fans.einsum("abc,cde->abde"), (512, 8, 64), (512, 512)),
    "einsum of experts": (Fans.einsum("abc,bcd->abd"), (16, 32, 24), (32, 24)),
    "einsum with an ellipsis": (Fans.einsum("...x,xy->...y"), (5, 7), (5, 7)),
}


@pytest.mark.parametrize(("fans", "shape", "expected"), PRESETS.values(), ids=PRESETS)
def test_preset_counts_the_true_fans(fans, shape, expected):
    assert fans(shape) == expected


@pytest.mark.parametrize("fans", [p[0] for p in PRESETS.values()], ids=PRESETS)
def test_fans_come_back_from_a_configuration(fans):
    text = json.dumps(keras.saving.serialize_keras_object(fans))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert again == fans
    assert hash(again) == hash(fans)
    assert eval(repr(fans)) == fans


def test_fans_of_other_kernels_are_not_equal():
    fans = {fans for fans, _, _ in PRESETS.values()}
    assert len(fans) == len({repr(f) for f in fans}) > 10
    assert Fans.dense() != "dense"


@pytest.mark.parametrize("fans", [3, "dense", (5, 7), {}])
def test_other_kinds_are_refused(fans):
    message = r"`fans` must be a keras_inits\.Fans\. Received: fans=.* Use a preset,"
    with pytest.raises(TypeError, match=message):
        ki.HeNormal(fans=fans)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (([0, 0], [1]), ValueError, "`input_axes` names an axis twice. Received: "),
        (([0], [1, 1]), ValueError, "`output_axes` names an axis twice. Received: "),
        ((3, [1]), TypeError, "`input_axes` must be a list of integers. Received: "),
        (([0], ["a"]), TypeError, "`output_axes` must be a list of integers. Received"),
        (([0], [1], False, 0), ValueError, "`input_strides` must be an integer >= 1"),
        (
            ([0], [1], False, 1, 0.5),
            TypeError,
            "`output_strides` must be an integer. Received: ",
        ),
        (
            ([0], [1], False, 1, 1, 0),
            ValueError,
            "`output_blocks` must be an integer >=",
        ),
    ],
)
def test_wrong_fields_are_refused(arguments, kind, message):
    with pytest.raises(kind, match=message):
        Fans(*arguments)


def test_kernel_must_have_the_axes():
    message = r"The kernel lacks an axis that its fans name\. Received: shape=\(5,\)"
    with pytest.raises(ValueError, match=message):
        Fans.dense()((5,))


def test_window_must_have_the_axes_of_its_strides():
    message = (
        r"The kernel's window has other axes than its strides\. Received: strides="
    )
    with pytest.raises(ValueError, match=message):
        Fans.convolution(strides=(2, 2))((3, 4, 5))


@pytest.mark.parametrize("equation", ["ab", "ab,bc", "ab->ab", "ab,xy->ac", 3, "a,->a"])
def test_equation_must_be_of_a_kernel(equation):
    message = "An einsum equation must have the form 'input,kernel->output'"
    with pytest.raises(ValueError, match=message):
        Fans.einsum(equation)
