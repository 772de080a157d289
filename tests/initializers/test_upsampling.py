"""ICNR and linear interpolation, against what the layers make of them."""

import keras
import numpy as np
import pytest

import keras_inits as ki
from keras_inits.initializers.upsampling import ICNR, Bilinear
from tests.initializers.tools import as_numpy, values_of

L = keras.layers


def image(*shape):
    return np.random.default_rng(1).normal(size=(2, *shape)).astype("float32")


# --- ICNR ----------------------------------------------------------------------------


@pytest.mark.backend
@pytest.mark.parametrize("inner", [ki.HeNormal(seed=3), ki.Orthogonal(seed=3)], ids=str)
@pytest.mark.parametrize("scale", [2, 3])
def test_subpixel_convolution_starts_as_nearest_upsampling(inner, scale):
    scheme = ICNR(inner, scale)
    filters = 4
    fine = L.Conv2D(filters * scale**2, 3, kernel_initializer=scheme)
    coarse = L.Conv2D(filters, 3, kernel_initializer=inner)
    inputs = image(7, 6, 5)
    shuffled = keras.ops.depth_to_space(
        fine(inputs), scale, data_format="channels_last"
    )
    repeated = L.UpSampling2D(scale, interpolation="nearest")(coarse(inputs))
    # Kernels of other widths may be summed up in another order.
    np.testing.assert_allclose(as_numpy(shuffled), as_numpy(repeated), atol=2e-6)


@pytest.mark.backend
def test_channels_are_equal_to_the_last_bit():
    inner = ki.HeNormal(seed=3)
    kernel = values_of(ICNR(inner), (3, 3, 5, 24))
    filters = values_of(inner, (3, 3, 5, 6))
    shuffled = keras.ops.depth_to_space(
        kernel.reshape(1, 9, 5, 24), 2, data_format="channels_last"
    )
    nearest = filters.reshape(1, 9, 5, 6).repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(as_numpy(shuffled), nearest)


@pytest.mark.parametrize("scale", [2, 3])
def test_pixel_shuffle_of_torch_gives_nearest_upsampling(scale):
    import torch

    inner = ki.GlorotUniform(seed=2)
    kernel = values_of(ICNR(inner, scale, "pixel_shuffle"), (3, 3, 5, 2 * scale**2))
    small = values_of(inner, (3, 3, 5, 2))
    inputs = torch.from_numpy(image(5, 8, 8))

    def convolve(array):
        weight = torch.from_numpy(np.ascontiguousarray(array.transpose(3, 2, 0, 1)))
        return torch.nn.functional.conv2d(inputs, weight)

    shuffled = torch.nn.PixelShuffle(scale)(convolve(kernel))
    nearest = torch.nn.Upsample(scale_factor=scale)(convolve(small))
    np.testing.assert_allclose(shuffled.numpy(), nearest.numpy(), atol=2e-6)


def test_the_two_orders_differ():
    first, second = (
        values_of(ICNR(ki.HeNormal(seed=1), order=order), (3, 3, 4, 8))
        for order in ("depth_to_space", "pixel_shuffle")
    )
    assert not np.array_equal(first, second)


def test_scale_may_differ_between_axes():
    kernel = values_of(ICNR(ki.HeNormal(seed=1), [2, 3]), (3, 3, 4, 12))
    filters = kernel.reshape(3, 3, 4, 6, 2)
    np.testing.assert_array_equal(filters, filters[:, :, :, :1].repeat(6, axis=3))


@pytest.mark.parametrize("window", [(5,), (3, 3), (2, 3, 2)])
def test_copies_of_a_filter_count_the_axes_of_the_window(window):
    kernel = values_of(ICNR(ki.HeNormal(seed=1)), (*window, 4, 24))
    copies = 2 ** len(window)
    assert len(np.unique(kernel.reshape(-1, 24), axis=1).T) == 24 // copies


@pytest.mark.parametrize("inner", ["he_normal", "keras_inits>HeNormal", ki.HeNormal])
def test_inner_scheme_may_be_given_by_name(inner):
    kernel = values_of(ICNR(inner), (3, 3, 64, 64))
    assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.03)


@pytest.mark.backend
def test_kernel_comes_back_from_a_file(tmp_path):
    scheme = ICNR(ki.HeNormal(seed=5), 2)
    model = keras.Sequential(
        [keras.Input((6, 6, 3)), L.Conv2D(8, 3, kernel_initializer=scheme)]
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").layers[-1]
    again = loaded.kernel_initializer
    assert type(again) is ICNR
    np.testing.assert_array_equal(
        values_of(again, (3, 3, 3, 8)), values_of(scheme, (3, 3, 3, 8))
    )


def test_part_of_a_kernel_is_that_part_of_the_whole():
    scheme, shape = ICNR(ki.HeNormal(seed=5), 2), (3, 3, 4, 8)
    index = (slice(1, 3), slice(0, 3), slice(2, 4), slice(3, 7))
    draw = scheme._values(shape, np.dtype("float32"))
    np.testing.assert_array_equal(draw(index), draw(None)[index])


def test_icnr_refuses_channels_that_are_not_in_groups():
    with pytest.raises(
        ValueError, match=r"no multiple.*Received: shape=\(3, 3, 4, 6\)"
    ):
        ICNR(ki.HeNormal())((3, 3, 4, 6))


def test_icnr_refuses_a_matrix():
    with pytest.raises(ValueError, match=r"rank 3 or more. Received: shape=\(4, 8\)"):
        ICNR(ki.HeNormal())((4, 8))


def test_icnr_refuses_a_scale_for_other_axes():
    with pytest.raises(
        ValueError, match=r"Received: scale=\[2, 2\], shape=\(3, 4, 8\)"
    ):
        ICNR(ki.HeNormal(), [2, 2])((3, 4, 8))


@pytest.mark.parametrize("initializer", [None, 3, np.ones((2, 2)), lambda shape: shape])
def test_icnr_refuses_what_is_no_initializer(initializer):
    with pytest.raises(
        TypeError, match=r"must be an initializer of Keras.* Received: "
    ):
        ICNR(initializer)


def test_icnr_refuses_an_unknown_name():
    with pytest.raises(
        ValueError, match=r"`initializer` is unknown. Received: .*'nope'"
    ):
        ICNR("nope")


@pytest.mark.parametrize("scale", [0, 1.5, "two"])
def test_icnr_refuses_a_scale_that_is_no_count(scale):
    with pytest.raises((ValueError, TypeError), match="`scale` must be"):
        ICNR(ki.HeNormal(), scale)


# --- Bilinear ------------------------------------------------------------------------


def interpolated(inputs, points, axis):
    """Linear interpolation of an array at fractional positions along an axis."""
    low = np.floor(points).astype(int)
    share = (points - low).reshape([-1 if a == axis else 1 for a in range(inputs.ndim)])
    first, second = inputs.take(low, axis), inputs.take(low + 1, axis)
    return (1 - share) * first + share * second


LAYERS = {1: L.Conv1DTranspose, 2: L.Conv2DTranspose, 3: L.Conv3DTranspose}


@pytest.mark.backend
@pytest.mark.parametrize(
    ("axes", "stride", "window"),
    [(1, 2, 4), (1, 3, 5), (1, 3, 6), (1, 4, 8), (2, 2, 4), (2, 3, 5), (3, 2, 4)],
)
def test_transposed_convolution_interpolates_linearly(axes, stride, window):
    layer = LAYERS[axes](
        3,
        window,
        strides=stride,
        padding="valid",
        use_bias=False,
        kernel_initializer=Bilinear(),
    )
    inputs = image(*[5, 4, 4][:axes], 3)
    outputs = as_numpy(layer(inputs))
    expected = inputs.astype(float)
    # Output j of a valid layer is input (j - (window - 1) / 2) / stride.
    inside = []
    for axis in range(1, axes + 1):
        j = np.arange(outputs.shape[axis])
        points = (j - (window - 1) / 2) / stride
        within = (points >= 0) & (points < inputs.shape[axis] - 1)
        inside.append(np.flatnonzero(within))
        expected = interpolated(expected, points[within], axis)
    assert expected.size
    found = outputs[np.ix_(range(2), *inside, range(3))]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.backend
@pytest.mark.parametrize(("stride", "window"), [(2, 4), (3, 5), (4, 8)])
def test_same_padding_agrees_with_the_resize_of_keras(stride, window):
    layer = L.Conv2DTranspose(
        2,
        window,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=Bilinear(),
    )
    inputs = image(6, 6, 2)
    outputs = as_numpy(layer(inputs))
    resized = as_numpy(
        keras.ops.image.resize(
            inputs,
            (6 * stride, 6 * stride),
            "bilinear",
            data_format="channels_last",
        )
    )
    inner = slice(stride, -stride)
    np.testing.assert_allclose(
        outputs[:, inner, inner], resized[:, inner, inner], atol=1e-5
    )


def test_kernel_is_that_of_long_et_al():
    # Their upsample_filt, for an even and an odd window.
    four = np.array([1, 3, 3, 1]) / 4
    five = np.array([1, 2, 3, 2, 1]) / 3
    kernel = values_of(Bilinear(), (4, 5, 2, 2), "float32")
    for channel in range(2):
        np.testing.assert_allclose(kernel[:, :, channel, channel], np.outer(four, five))
        assert not kernel[:, :, channel, 1 - channel].any()


@pytest.mark.parametrize(("window", "stride"), [(4, 2), (5, 3), (6, 3), (7, 3), (9, 2)])
def test_every_output_gets_weights_that_sum_to_one(window, stride):
    kernel = values_of(Bilinear(stride), (window, 1, 1)).ravel()
    sums = [kernel[start::stride].sum() for start in range(stride)]
    np.testing.assert_allclose(sums, 1, rtol=1e-6)


def test_zoom_of_scipy_gives_the_same_image():
    from scipy import ndimage

    inputs = np.random.default_rng(2).normal(size=(6, 5))
    stride, window = 3, 5
    tent = values_of(Bilinear(), (window, window, 1, 1), "float32")[:, :, 0, 0]
    spread = np.zeros((6 * stride, 5 * stride))
    spread[1::stride, 1::stride] = inputs
    enlarged = ndimage.convolve(spread, tent, mode="constant")
    zoomed = ndimage.zoom(inputs, stride, order=1, mode="nearest", grid_mode=True)
    inner = slice(1, -1)
    np.testing.assert_allclose(enlarged[inner, inner], zoomed[inner, inner], atol=1e-6)


def test_part_of_a_bilinear_kernel_is_that_part_of_the_whole():
    index = (slice(1, 4), slice(0, 3), slice(1, 3), slice(2, 5))
    draw = Bilinear()._values((4, 5, 4, 5), np.dtype("float32"))
    np.testing.assert_array_equal(draw(index), draw(None)[index])


@pytest.mark.parametrize("strides", [2, [2, 3], None])
def test_bilinear_comes_back_from_its_configuration(strides):
    again = Bilinear.from_config(Bilinear(strides).get_config())
    np.testing.assert_array_equal(
        values_of(again, (4, 6, 2, 2)), values_of(Bilinear(strides), (4, 6, 2, 2))
    )


def test_bilinear_refuses_a_window_that_leaves_gaps():
    with pytest.raises(ValueError, match=r"too small to interpolate.*strides=3"):
        Bilinear(3)((4, 4, 2, 2))


def test_bilinear_refuses_a_matrix():
    with pytest.raises(ValueError, match=r"rank 3 or more. Received: shape=\(4, 4\)"):
        Bilinear()((4, 4))
