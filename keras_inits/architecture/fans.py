"""The true fans of every Keras layer's kernels: one table, by kind of layer."""

from collections.abc import Callable
from typing import Any

import keras

from keras_inits.initializers import Fans

__all__ = ["fans_by_weight", "fans_of"]

_Rule = Callable[[Any], dict[str, Fans]]


def fans_of(layer: Any, weight: str | None = None) -> Fans:
    """The fans of a layer's kernel, to be passed to a scheme as `fans=`.

    The layer need not be built. Embeddings count as kernels.

    Args:
        layer: a Keras layer with a kernel, or a wrapper around one.
        weight: which, where the layer has several and none is called `"kernel"`; by its
            name as it ends the variable's path, such as `"depthwise_kernel"`,
            `"recurrent_kernel"` or `"query/kernel"`.

    Raises:
        TypeError: for an object that is no layer.
        ValueError: for a layer without a kernel or of an unknown kind, or where
            `weight` is needed or is none of its kernels.

    Example:
        >>> import keras
        >>> fans = fans_of(keras.layers.DepthwiseConv2D(3))
        >>> fans((3, 3, 256, 1))
        (9.0, 9.0)
    """
    fans = fans_by_weight(layer)
    if weight is None:
        weight = next(iter(fans)) if len(fans) == 1 else "kernel"
    if weight not in fans:
        raise ValueError(
            f"`weight` must name a kernel of {type(layer).__name__} "
            f"{layer.name!r}. Received: weight={weight!r}. Its kernels are "
            f"{', '.join(map(repr, fans))}."
        )
    return fans[weight]


def fans_by_weight(layer: Any) -> dict[str, Fans]:
    """The fans of all kernels of a layer, by the names that end their paths.

    Raises:
        TypeError: for an object that is no layer.
        ValueError: for a layer without a kernel, or of an unknown kind.
    """
    if not isinstance(layer, keras.Layer):
        raise TypeError(
            f"`layer` must be a Keras layer. Received: layer={layer!r} (of type "
            f"{type(layer).__name__})."
        )
    for kind in type(layer).__mro__:
        if kind in _RULES:
            return _RULES[kind](layer)
    raise ValueError(
        f"The fans of {type(layer).__name__} {layer.name!r} are not known: it has no "
        "kernel, or is no layer of Keras. Build a keras_inits.Fans from the axes of "
        "its kernel."
    )


def _dense(layer: Any) -> dict[str, Fans]:
    return {"kernel": Fans.dense()}


def _einsum_dense(layer: Any) -> dict[str, Fans]:
    return {"kernel": Fans.einsum(layer.equation)}


def _embedding(layer: Any) -> dict[str, Fans]:
    return {"embeddings": Fans.embedding()}


def _reversible_embedding(layer: Any) -> dict[str, Fans]:
    if layer.tie_weights:
        return _embedding(layer)
    return {**_embedding(layer), "reverse_embeddings": Fans.dense()}


def _convolution(layer: Any) -> dict[str, Fans]:
    return {"kernel": Fans.convolution(layer.groups, layer.strides)}


def _transposed_convolution(layer: Any) -> dict[str, Fans]:
    return {"kernel": Fans.transposed_convolution(layer.strides)}


def _depthwise_convolution(layer: Any) -> dict[str, Fans]:
    return {"kernel": Fans.depthwise(layer.strides)}


def _separable_convolution(layer: Any) -> dict[str, Fans]:
    return {
        "depthwise_kernel": Fans.depthwise(layer.strides),
        "pointwise_kernel": Fans.convolution(),
    }


def _recurrent(gates: int) -> _Rule:
    fans = Fans.gates(gates)
    return lambda layer: {"kernel": fans, "recurrent_kernel": fans}


def _convolutional_recurrent(layer: Any) -> dict[str, Fans]:
    cell = getattr(layer, "cell", layer)
    return {
        "kernel": Fans(
            [-2], [-1], window=True, output_strides=cell.strides, output_blocks=4
        ),
        "recurrent_kernel": Fans.gates(4, window=True),
    }


def _attention(layer: Any) -> dict[str, Fans]:
    # Projections are (features, heads, head_size), and back (heads, head_size, *out).
    inward = Fans([0], [1, 2])
    gated = layer.get_config()["use_gate"]
    names = ["query", "key", "value"] + ["gate"] * bool(gated)
    outputs = getattr(layer, "_output_shape", None) or (None,)
    back = Fans([0, 1], range(2, 2 + len(outputs)))
    return {
        **{f"{name}/kernel": inward for name in names},
        "attention_output/kernel": back,
    }


def _wrapped(attribute: str) -> _Rule:
    return lambda layer: fans_by_weight(getattr(layer, attribute))


def _bidirectional(layer: Any) -> dict[str, Fans]:
    found = {}
    for part in (layer.forward_layer, layer.backward_layer):
        cell = f"{part.cell.name}/" if hasattr(part, "cell") else ""
        for name, fans in fans_by_weight(part).items():
            found[f"{part.name}/{cell}{name}"] = fans
    return found


def _spectrogram(layer: Any) -> dict[str, Fans]:
    fans = Fans.convolution(strides=layer.frame_step or layer.frame_length // 2)
    names = {"real": ["real"], "imag": ["imag"]}.get(layer.mode, ["real", "imag"])
    return {f"{name}_kernel": fans for name in names}


_layers = keras.layers
_RULES: dict[type, _Rule] = {
    _layers.Dense: _dense,
    _layers.EinsumDense: _einsum_dense,
    _layers.Embedding: _embedding,
    _layers.ReversibleEmbedding: _reversible_embedding,
    _layers.Conv1D: _convolution,
    _layers.Conv2D: _convolution,
    _layers.Conv3D: _convolution,
    _layers.Conv1DTranspose: _transposed_convolution,
    _layers.Conv2DTranspose: _transposed_convolution,
    _layers.Conv3DTranspose: _transposed_convolution,
    _layers.DepthwiseConv1D: _depthwise_convolution,
    _layers.DepthwiseConv2D: _depthwise_convolution,
    _layers.SeparableConv1D: _separable_convolution,
    _layers.SeparableConv2D: _separable_convolution,
    _layers.SimpleRNN: _recurrent(1),
    _layers.SimpleRNNCell: _recurrent(1),
    _layers.GRU: _recurrent(3),
    _layers.GRUCell: _recurrent(3),
    _layers.LSTM: _recurrent(4),
    _layers.LSTMCell: _recurrent(4),
    _layers.ConvLSTM1D: _convolutional_recurrent,
    _layers.ConvLSTM2D: _convolutional_recurrent,
    _layers.ConvLSTM3D: _convolutional_recurrent,
    _layers.MultiHeadAttention: _attention,
    _layers.GroupQueryAttention: _attention,
    _layers.STFTSpectrogram: _spectrogram,
    _layers.RNN: _wrapped("cell"),
    _layers.Bidirectional: _bidirectional,
    _layers.TimeDistributed: _wrapped("layer"),
    _layers.SpectralNormalization: _wrapped("layer"),
}
