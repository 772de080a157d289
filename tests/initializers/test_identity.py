"""Schemes that begin as the identity: copies and Hadamard mixtures."""

import itertools

import keras
import numpy as np
import pytest
from scipy import linalg

from keras_inits import Dirac, ZerO
from keras_inits.initializers.constants import Identity
from tests.initializers.tools import as_numpy, values_of

L = keras.layers


def host_values(scheme, shape, dtype="float32", index=None):
    return scheme._values(shape, np.dtype(dtype))(index)


def signal(axes, channels, length=6):
    size = (2, *(length for _ in range(axes)), channels)
    return np.random.default_rng(1).normal(size=size).astype("float32")


# --- Dirac: the layer is the identity -------------------------------------------------

KINDS = {
    "plain": ("Conv{}D", Dirac(), {"filters": 6}),
    "grouped": ("Conv{}D", Dirac(groups=3), {"filters": 6, "groups": 3}),
    "transposed": ("Conv{}DTranspose", Dirac(transposed=True), {"filters": 6}),
    "depthwise": ("DepthwiseConv{}D", Dirac(depthwise=True), {}),
}


@pytest.mark.backend
@pytest.mark.parametrize("size", [2, 3, 4, 5])
@pytest.mark.parametrize(
    ("kind", "axes"), list(itertools.product(KINDS, (1, 2, 3)))[:-1]
)
def test_convolution_is_the_identity(kind, axes, size):
    layer, scheme, arguments = KINDS[kind]
    name = "depthwise_initializer" if kind == "depthwise" else "kernel_initializer"
    convolution = getattr(L, layer.format(axes))(
        kernel_size=size, padding="same", use_bias=False, **arguments, **{name: scheme}
    )
    inputs = signal(axes, 6)
    np.testing.assert_array_equal(as_numpy(convolution(inputs)), inputs)


@pytest.mark.backend
def test_first_output_for_a_channel_of_a_depthwise_convolution_copies_it():
    convolution = L.DepthwiseConv2D(
        (3, 4),
        padding="same",
        depth_multiplier=2,
        depthwise_initializer=KINDS["depthwise"][1],
    )
    inputs = signal(2, 3)
    outputs = as_numpy(convolution(inputs)).reshape(*inputs.shape, 2)
    np.testing.assert_array_equal(outputs[..., 0], inputs)
    assert not outputs[..., 1].any()


@pytest.mark.backend
@pytest.mark.parametrize("filters", [4, 9])
def test_as_many_channels_are_carried_as_there_are(filters):
    inputs = signal(2, 6)
    layer = L.Conv2D(filters, 3, padding="same", kernel_initializer=Dirac(gain=0.5))
    outputs = as_numpy(layer(inputs))
    carried = min(filters, 6)
    np.testing.assert_array_equal(outputs[..., :carried], inputs[..., :carried] / 2)
    assert not outputs[..., carried:].any()


@pytest.mark.parametrize(
    ("shape", "groups"),
    [((3, 4, 4), 1), ((5, 3, 2, 8), 2), ((3, 3, 6, 8), 4), ((1, 3, 3, 4, 9), 3)],
)
def test_dirac_equals_the_peer_in_torch_for_odd_windows(shape, groups):
    torch = pytest.importorskip("torch")
    *window, inputs, outputs = shape
    theirs = torch.empty(outputs, inputs, *window)
    torch.nn.init.dirac_(theirs, groups)
    axes = (*range(2, len(shape)), 1, 0)
    np.testing.assert_array_equal(
        host_values(Dirac(groups), shape), theirs.numpy().transpose(axes)
    )


def test_dirac_refuses_what_has_no_window():
    message = r"rank 3 or more\. Received: shape=\(3, 4\) of rank 2\. Identity\(\)"
    with pytest.raises(ValueError, match=message):
        Dirac()((3, 4))


def test_dirac_refuses_groups_that_do_not_divide_the_outputs():
    with pytest.raises(ValueError, match=r"shape=\(3, 2, 8\), groups=3"):
        Dirac(groups=3)((3, 2, 8))


def test_dirac_checks_its_arguments():
    with pytest.raises(TypeError, match=r"integer\. Received: groups=1\.5"):
        Dirac(groups=1.5)
    with pytest.raises(ValueError, match=r"an integer >= 1\. Received: groups=0"):
        Dirac(groups=0)
    with pytest.raises(ValueError, match="gain=-1"):
        Dirac(gain=-1)
    with pytest.raises(
        ValueError, match=r"transposed=True, depthwise=True\. Choose one"
    ):
        Dirac(transposed=True, depthwise=True)


# --- the padded identity: Identity for matrices, Dirac for kernels --------------------


@pytest.mark.parametrize("shape", [(4, 4), (4, 7), (7, 4), (1, 5)])
def test_identity_of_a_matrix_is_padded_by_zeros(shape):
    expected = 2 * np.pad(
        np.eye(min(shape)), [(0, size - min(shape)) for size in shape]
    )
    np.testing.assert_array_equal(host_values(Identity(2), shape), expected)
    pointwise = host_values(Dirac(gain=2), (1, 1, *shape))
    np.testing.assert_array_equal(pointwise[0, 0], expected)


# --- ZerO -----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 5), (8, 8), (9, 4), (16, 1)])
def test_zero_is_the_partial_identity_where_the_width_does_not_grow(shape):
    np.testing.assert_array_equal(host_values(ZerO(), shape), np.eye(*shape))


@pytest.mark.parametrize(
    ("inputs", "outputs", "power"),
    [(1, 2, 1), (3, 4, 2), (3, 5, 3), (7, 8, 3), (8, 9, 4), (10, 100, 7), (9, 129, 8)],
)
def test_zero_is_the_corner_of_hadamards_matrix_where_the_width_grows(
    inputs, outputs, power
):
    size = 2**power
    into, out_of = np.eye(size, inputs), np.eye(outputs, size)
    # The paper's matrices are (out, in).
    theirs = out_of @ linalg.hadamard(size) @ into
    for orthonormal, factor in [(False, 2 ** (-(power - 1) / 2)), (True, size**-0.5)]:
        kernel = host_values(ZerO(orthonormal), (inputs, outputs), "float64")
        np.testing.assert_allclose(kernel, factor * theirs.T, rtol=1e-15)


@pytest.mark.parametrize(("orthonormal", "expected"), [(True, 1), (False, 2)])
def test_zero_has_orthogonal_rows_for_powers_of_two(orthonormal, expected):
    kernel = host_values(ZerO(orthonormal), (20, 64))
    np.testing.assert_allclose(
        kernel @ kernel.T, expected * np.eye(20), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("window", [(3,), (2, 5), (3, 4, 1)])
@pytest.mark.parametrize("channels", [(4, 4), (6, 3), (3, 6)])
def test_zero_fills_the_centre_tap_of_a_convolution(window, channels):
    kernel = host_values(ZerO(), (*window, *channels))
    centre = tuple((size - 1) // 2 for size in window)
    np.testing.assert_array_equal(kernel[centre], host_values(ZerO(), channels))
    kernel[centre] = 0
    assert not kernel.any()


def middle_update_rank(scheme, steps=50):
    """Trains x -> 4 -> 16 -> 16 -> 4 by hand; the rank by which the middle moved."""
    rng = np.random.default_rng(1)
    inputs, targets = rng.normal(size=(64, 4)), rng.normal(size=(64, 4))
    shapes = [(4, 4), (4, 16), (16, 16), (16, 4)]
    weights = [host_values(scheme, shape, "float64") for shape in shapes]
    start = weights[2].copy()
    for _ in range(steps):
        signals = [inputs]
        for weight in weights[:-1]:
            signals.append(np.maximum(signals[-1] @ weight, 0))
        error = (signals[-1] @ weights[-1] - targets) / len(inputs)
        gradients = []
        for weight, before in zip(weights[::-1], signals[::-1], strict=True):
            gradients.append(before.T @ error)
            error = error @ weight.T * (before > 0)
        for weight, gradient in zip(weights, gradients[::-1], strict=True):
            weight -= 0.1 * gradient
    return np.linalg.matrix_rank(weights[2] - start, tol=1e-8)


def test_zero_learns_in_more_directions_than_there_are_inputs():
    # Theorem 1 of the paper: partial identities never leave the rank of the inputs.
    assert middle_update_rank(Identity()) <= 4
    assert middle_update_rank(ZerO()) > 4


def test_zero_refuses_vectors():
    with pytest.raises(ValueError, match=r"rank 2 or more\. Received: shape=\(3,\)"):
        ZerO()((3,))


# --- parts ----------------------------------------------------------------------------

SCHEMES = [
    Dirac(),
    Dirac(groups=2),
    Dirac(depthwise=True),
    ZerO(),
]
BOXES = [
    ((0, 3), (0, 6), (0, 12)),
    ((1, 3), (1, 5), (2, 9)),
    ((0, 2), (3, 6), (0, 5)),
    ((1, 2), (2, 3), (7, 12)),
    ((2, 3), (0, 6), (0, 12)),
]


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
@pytest.mark.parametrize("box", BOXES)
def test_part_of_a_kernel_is_the_part_of_the_whole(scheme, box):
    shape, index = (3, 6, 12), tuple(slice(*ends) for ends in box)
    whole = host_values(scheme, shape)
    part = host_values(scheme, shape, index=index)
    assert part.flags.c_contiguous
    np.testing.assert_array_equal(part, whole[index])


@pytest.mark.backend
@pytest.mark.parametrize("shape", [(0, 6, 12), (3, 0, 12), (3, 6, 0)])
def test_kernel_may_be_empty(shape):
    for scheme in SCHEMES:
        assert values_of(scheme, shape, "bfloat16").shape == shape
