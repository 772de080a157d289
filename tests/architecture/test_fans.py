"""Each kernel gets the variance that its scheme promises at the layer's output."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_inits
from keras_inits.architecture.fans import fans_by_weight, fans_of

# The layer, its arguments, the shape of a batch. The layers are linear, so that LeCun's
# scheme makes an output of variance 1 from an input of variance 1.
RIGHT_IN_KERAS = {
    "dense": (layers.Dense, {"units": 256}, (512, 256)),
    "convolution 1-D": (layers.Conv1D, {"filters": 128, "kernel_size": 5}, (8, 64, 64)),
    "convolution 2-D": (
        layers.Conv2D,
        {"filters": 128, "kernel_size": 3},
        (4, 24, 24, 64),
    ),
    "convolution 3-D": (
        layers.Conv3D,
        {"filters": 64, "kernel_size": 3},
        (4, 12, 12, 12, 64),
    ),
    "grouped convolution": (
        layers.Conv2D,
        {"filters": 256, "kernel_size": 3, "groups": 32},
        (4, 24, 24, 256),
    ),
    "einsum": (
        layers.EinsumDense,
        {"equation": "abc,cd->abd", "output_shape": (None, 256)},
        (8, 64, 256),
    ),
}
WRONG_IN_KERAS = {
    "transposed convolution 1-D, stride 3": (
        layers.Conv1DTranspose,
        {"filters": 32, "kernel_size": 6, "strides": 3},
        (8, 64, 256),
    ),
    "transposed convolution 2-D, stride 1": (
        layers.Conv2DTranspose,
        {"filters": 16, "kernel_size": 4},
        (4, 24, 24, 512),
    ),
    "transposed convolution 2-D, stride 2": (
        layers.Conv2DTranspose,
        {"filters": 16, "kernel_size": 4, "strides": 2},
        (4, 24, 24, 512),
    ),
    "transposed convolution 3-D, stride 2": (
        layers.Conv3DTranspose,
        {"filters": 16, "kernel_size": 4, "strides": 2},
        (4, 8, 8, 8, 256),
    ),
    "depthwise convolution 1-D": (
        layers.DepthwiseConv1D,
        {"kernel_size": 9},
        (4, 40, 4096),
    ),
    "depthwise convolution 2-D": (
        layers.DepthwiseConv2D,
        {"kernel_size": 3},
        (2, 20, 20, 4096),
    ),
    "einsum with experts": (
        layers.EinsumDense,
        {"equation": "abc,bcd->abd", "output_shape": (64, 32)},
        (512, 64, 32),
    ),
}
# Keras 3.15 tells EinsumDense's axes to every VarianceScaling, its own too.
KERAS_MENDED = {"einsum with experts"}


def variance_at_the_output(kind, arguments, batch, initializer):
    name = "depthwise" if "Depthwise" in kind.__name__ else "kernel"
    layer = kind(**arguments, **{f"{name}_initializer": initializer})
    x = np.random.default_rng(0).standard_normal(batch, dtype="float32")
    y = keras.ops.convert_to_numpy(layer(x))
    if "Transpose" in kind.__name__:  # at the border the window meets fewer inputs
        y = y[:, *[slice(size, -size) for size in layer.kernel_size]]
    return float(np.var(y))


@pytest.mark.parametrize("case", RIGHT_IN_KERAS | WRONG_IN_KERAS)
def test_output_has_the_variance_that_lecun_promises(case):
    kind, arguments, batch = (RIGHT_IN_KERAS | WRONG_IN_KERAS)[case]
    fans = fans_of(kind(**arguments))
    scheme = keras_inits.LecunNormal(seed=3, fans=fans)
    measured = variance_at_the_output(kind, arguments, batch, scheme)
    assert measured == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("case", sorted(WRONG_IN_KERAS.keys() - KERAS_MENDED))
def test_keras_own_scheme_misses_the_variance(case):
    keras.utils.set_random_seed(0)
    scheme = keras.initializers.LecunNormal()
    measured = variance_at_the_output(*WRONG_IN_KERAS[case], scheme)
    assert not 0.7 < measured < 1.4


def test_separable_convolution_keeps_variance_with_its_two_fans():
    plain = layers.SeparableConv2D(1024, 3)
    layer = layers.SeparableConv2D(
        1024,
        3,
        depthwise_initializer=keras_inits.LecunNormal(
            seed=1, fans=fans_of(plain, "depthwise_kernel")
        ),
        pointwise_initializer=keras_inits.LecunNormal(
            seed=1, fans=fans_of(plain, "pointwise_kernel")
        ),
    )
    x = np.random.default_rng(0).standard_normal((2, 12, 12, 1024), dtype="float32")
    y = keras.ops.convert_to_numpy(layer(x))
    assert np.var(y) == pytest.approx(1, abs=0.02)


# layer, the weight's name, its kernel's shape, the two fans: the numbers are counted by
# hand from the layer's definition.
COUNTED = [
    (layers.Conv2D(256, 3, groups=32), None, (3, 3, 8, 256), (72, 72)),
    (layers.Conv2D(32, 4, strides=4), None, (4, 4, 3, 32), (48, 32)),
    (layers.Conv2D(32, 4, strides=(4, 1)), None, (4, 4, 3, 32), (48, 128)),
    (layers.Conv2DTranspose(4, 4), None, (4, 4, 4, 256), (4096, 64)),
    (layers.Conv2DTranspose(4, 4, strides=2), None, (4, 4, 4, 256), (1024, 64)),
    (layers.DepthwiseConv2D(3, depth_multiplier=2), None, (3, 3, 8, 2), (9, 18)),
    (layers.Embedding(50000, 512), None, (50000, 512), (512, 512)),
    (
        layers.ReversibleEmbedding(50000, 512, tie_weights=False),
        "reverse_embeddings",
        (512, 50000),
        (512, 50000),
    ),
    (layers.SimpleRNN(256), "kernel", (128, 256), (128, 256)),
    (layers.LSTM(256), "kernel", (128, 1024), (128, 256)),
    (layers.LSTM(256), "recurrent_kernel", (256, 1024), (256, 256)),
    (layers.GRU(256), "kernel", (128, 768), (128, 256)),
    (layers.ConvLSTM2D(16, 3), "kernel", (3, 3, 8, 64), (72, 144)),
    (layers.ConvLSTM2D(16, 3), "recurrent_kernel", (3, 3, 16, 64), (144, 144)),
    (layers.MultiHeadAttention(8, 64), "query/kernel", (512, 8, 64), (512, 512)),
    (
        layers.MultiHeadAttention(8, 64),
        "attention_output/kernel",
        (8, 64, 512),
        (512, 512),
    ),
    (layers.GroupQueryAttention(64, 8, 2), "key/kernel", (512, 2, 64), (512, 128)),
    (layers.TimeDistributed(layers.Dense(4)), None, (16, 4), (16, 4)),
    (layers.RNN(layers.GRUCell(8)), "kernel", (4, 24), (4, 8)),
    (layers.SpectralNormalization(layers.Conv1D(8, 3)), None, (3, 4, 8), (12, 24)),
    (
        layers.STFTSpectrogram(mode="real", frame_length=256, frame_step=64),
        None,
        (256, 1, 129),
        (256, 516),
    ),
]


@pytest.mark.parametrize(
    ("layer", "weight", "shape", "expected"),
    COUNTED,
    ids=[f"{type(row[0]).__name__}-{row[1]}-{row[3]}" for row in COUNTED],
)
def test_fans_are_those_counted_by_hand(layer, weight, shape, expected):
    fans = fans_of(layer, weight)(shape)
    assert fans == expected


def built_layers():
    """One of each layer class that owns a kernel, built."""
    image, sequence = (None, 12, 12, 4), (None, 10, 4)
    shapes = {
        "Embedding": (None, 10),
        "ReversibleEmbedding": (None, 10),
        "Dense": (None, 4),
        "ConvLSTM1D": (None, 3, 12, 4),
        "ConvLSTM2D": (None, 3, 12, 12, 4),
        "ConvLSTM3D": (None, 3, 8, 8, 8, 4),
        "Conv3D": (None, 8, 8, 8, 4),
        "Conv3DTranspose": (None, 8, 8, 8, 4),
    }
    made = [
        layers.Dense(3),
        layers.EinsumDense("abc,cd->abd", (None, 5)),
        layers.Embedding(20, 6),
        layers.ReversibleEmbedding(20, 6, tie_weights=False),
        *[getattr(layers, f"Conv{n}D")(6, 3) for n in (1, 2, 3)],
        *[getattr(layers, f"Conv{n}DTranspose")(6, 3) for n in (1, 2, 3)],
        *[getattr(layers, f"DepthwiseConv{n}D")(3) for n in (1, 2)],
        *[getattr(layers, f"SeparableConv{n}D")(6, 3) for n in (1, 2)],
        layers.SimpleRNN(5),
        layers.LSTM(5),
        layers.GRU(5),
        *[getattr(layers, f"ConvLSTM{n}D")(6, 3) for n in (1, 2, 3)],
        layers.RNN(layers.LSTMCell(5)),
        layers.Bidirectional(layers.GRU(5)),
        layers.TimeDistributed(layers.Dense(3)),
        layers.SpectralNormalization(layers.Dense(3)),
    ]
    for layer in made:
        name = type(layer).__name__
        layer.build(shapes.get(name, image if "2D" in name else sequence))
    for attention in (
        layers.MultiHeadAttention(2, 3),
        layers.GroupQueryAttention(3, 4, 2),
    ):
        attention.build(sequence, sequence)
        made.append(attention)
    return made


@pytest.mark.backend
@pytest.mark.parametrize("layer", built_layers(), ids=lambda layer: layer.name)
def test_every_kernel_of_a_layer_is_named_as_its_path_ends(layer):
    kernels = [w.path for w in layer.trainable_weights if len(w.shape) >= 2]
    kernels = [path for path in kernels if not path.endswith("bias")]
    names = fans_by_weight(layer)
    assert len(names) == len(kernels)
    for name in names:
        assert sum(path.endswith("/" + name) for path in kernels) == 1


def test_every_keras_layer_that_takes_a_kernel_initializer_is_known():
    import inspect

    from keras_inits.architecture import fans

    no_kernel = {"PReLU", "JaxLayer"}  # a slope a channel; a function of the user's
    for name in dir(layers):
        kind = getattr(layers, name)
        if not (isinstance(kind, type) and issubclass(kind, keras.Layer)):
            continue
        arguments = inspect.signature(kind.__init__).parameters
        takes_one = any(
            argument.startswith(("kernel", "depthwise", "embeddings"))
            and argument.endswith("initializer")
            for argument in arguments
        )
        if takes_one and name not in no_kernel:
            assert any(known in fans._RULES for known in kind.__mro__), name


def test_subclass_of_a_known_layer_has_its_fans():
    class MyDense(layers.Dense):
        pass

    assert fans_of(MyDense(3)) == keras_inits.Fans.dense()


@pytest.mark.backend
def test_glorot_has_the_right_std_at_each_gate():
    fans = fans_of(layers.LSTM(256))
    kernel = keras_inits.GlorotNormal(seed=1, fans=fans)((128, 1024))
    std = float(np.std(keras.ops.convert_to_numpy(kernel)))
    assert std == pytest.approx(0.0722, rel=0.01)


@pytest.mark.backend
def test_embedding_rows_have_length_one():
    fans = fans_of(layers.Embedding(5000, 512))
    table = keras_inits.LecunNormal(seed=1, fans=fans)((5000, 512))
    lengths = np.linalg.norm(keras.ops.convert_to_numpy(table), axis=1)
    assert np.mean(lengths**2) == pytest.approx(1, rel=0.01)


def test_something_that_is_no_layer_is_refused():
    with pytest.raises(TypeError, match=r"must be a Keras layer. Received: layer=3"):
        fans_of(3)


def test_layer_without_a_kernel_is_refused():
    with pytest.raises(ValueError, match="fans of Dropout 'quiet' are not known"):
        fans_of(layers.Dropout(0.5, name="quiet"))


def test_several_kernels_must_be_told_apart():
    message = "weight=None|Its kernels are 'depthwise_kernel', 'pointwise_kernel'"
    with pytest.raises(ValueError, match=message):
        fans_of(layers.SeparableConv2D(4, 3))
