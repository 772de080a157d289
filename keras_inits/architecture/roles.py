"""What a model's layers and variables are: which own weights, in what order, named how.

It looks at a model's structure alone, never at the values of its weights.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import keras

from keras_inits.architecture.graph import Call, data_flow

__all__ = [
    "activation_name",
    "following_activation",
    "following_activations",
    "layer_path",
    "own_weights",
    "weight_layers",
    "weight_role",
]

# How Keras's own layers, and those who follow its customs, call their variables.
_BIASES = ("bias", "beta")
_SCALES = ("gamma", "scale")


def weight_layers(model: Any) -> list[Any]:
    """The layers that own weights, each once, nested models opened.

    The order is the one the data takes in functional and sequential models, and that
    of creation in subclassed ones. A recurrent layer is one layer, its cell is part of
    it; so are `TimeDistributed` and `SpectralNormalization` with what they wrap.
    Attention and `Bidirectional` are opened: their projections and directions are
    layers of their own.

    Args:
        model: a Keras model or layer. What is not built owns nothing yet.

    Raises:
        TypeError: for an object that is no layer.

    Example:
        >>> import keras
        >>> model = keras.Sequential([
        ...     keras.Input((8,)), keras.layers.Dense(4), keras.layers.ReLU(),
        ...     keras.layers.Dense(2, name="head"),
        ... ])
        >>> [layer.name for layer in weight_layers(model)][-1]
        'head'
    """
    if not isinstance(model, keras.Layer):
        raise TypeError(
            f"`model` must be a Keras model or layer. Received: model={model!r} (of "
            f"type {type(model).__name__})."
        )
    return [layer for layer in _walk(model, set()) if own_weights(layer)]


def own_weights(layer: Any) -> list[Any]:
    """The variables that belong to this entry of `weight_layers`, and to no other.

    For most layers those are `layer.weights`; for a layer that holds other layers,
    only what it adds itself.
    """
    if _is_whole(layer):
        return list(layer.weights)
    inner = {id(v) for child in _children(layer) for v in child.weights}
    return [variable for variable in layer.weights if id(variable) not in inner]


def layer_path(layer: Any) -> str:
    """Where the layer is in its model: the common start of its variables' paths.

    Such as `"encoder/dense_3"`, `"attention/query"` or `"lstm/lstm_cell"`. A layer
    without weights answers with its own path, or its name before it is built.
    """
    paths = [variable.path.split("/")[:-1] for variable in own_weights(layer)]
    common = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return "/".join(common) or getattr(layer, "path", None) or str(layer.name)


def weight_role(layer: Any, variable: Any) -> str:
    """What a variable does in its layer.

    Args:
        layer: the layer that owns it, as listed by `weight_layers`.
        variable: one of its weights.

    Returns:
        `"kernel"` for what multiplies and mixes inputs, `"embedding"` for a table of
        vectors, `"bias"` for what is added, `"scale"` for a factor of each channel,
        and `"other"`, such as moving statistics.
    """
    name = variable.path.split("/")[-1]
    if name == "reverse_embeddings" or name.endswith("kernel"):
        return "kernel"
    if name.endswith("bias") or name in _BIASES:
        return "bias"
    if "embedding" in name:
        return "embedding"
    if name in _SCALES:
        return "scale"
    several_axes = sum(size > 1 for size in variable.shape) > 1
    keras_own = type(layer).__module__.startswith("keras.")
    return (
        "kernel" if several_axes and variable.trainable and not keras_own else "other"
    )


def activation_name(layer: Any) -> str | None:
    """Keras's name of the activation that the layer itself applies.

    Returns:
        Such as `"relu"`; a function of one's own by its name; None for a layer that
        applies none, or the linear one. `ReLU` and its like count by what they compute,
        a LeakyReLU as `"leaky_relu"` whatever its slope.
    """
    if isinstance(layer, keras.layers.ReLU):
        return _relu_name(layer)
    for kind, name in _ACTIVATION_LAYERS.items():
        if isinstance(layer, kind):
            return name
    for part in ("cell", "forward_layer", "layer"):
        inner = getattr(layer, part, None)
        if isinstance(inner, keras.Layer):
            return activation_name(inner)
    function = getattr(layer, "activation", None)
    if function is None:
        return None
    name = getattr(function, "__name__", type(function).__name__)
    return None if name == "linear" else str(name)


def following_activation(model: Any, layer: Any) -> str | None:
    """The activation that the layer's output meets: its own, or the next layer's.

    The next layer's counts where the layer applies none itself and everything that
    takes its output is an activation of one name. Where no graph tells what follows,
    as in a subclassed model, only its own is known.
    """
    return following_activations(model, [layer])[0]


def following_activations(model: Any, layers: Sequence[Any]) -> list[str | None]:
    """The same for several layers of a model, whose graph is read once."""
    takers: dict[Any, list[Call]] = {}
    made: dict[int, list[Any]] = {}
    for call in data_flow(model).calls:
        made.setdefault(id(call.operation), []).extend(call.outputs)
        for tensor in call.inputs:
            takers.setdefault(tensor, []).append(call)
    found: list[str | None] = []
    for layer in layers:
        outputs = made.get(id(layer), [])
        calls = [call for tensor in outputs for call in takers.get(tensor, [])]
        names = {_applied_alone(call) for call in calls}
        following = names.pop() if len(names) == 1 else None
        found.append(activation_name(layer) or following)
    return found


_ACTIVATION_LAYERS = {
    keras.layers.LeakyReLU: "leaky_relu",
    keras.layers.PReLU: "prelu",
    keras.layers.ELU: "elu",
    keras.layers.Softmax: "softmax",
}


def _relu_name(layer: Any) -> str:
    if layer.negative_slope:
        return "leaky_relu"
    return "relu6" if layer.max_value == 6 else "relu"


def _applied_alone(call: Call) -> str | None:
    """The activation's name if the operation does nothing else."""
    operation = call.operation
    kinds = (keras.layers.Activation, keras.layers.ReLU, *_ACTIVATION_LAYERS)
    if isinstance(operation, kinds):
        return activation_name(operation)
    if isinstance(operation, keras.Layer):
        return None
    # keras.ops.relu(x) in a functional model: an operation named after its function.
    name = type(operation).__name__.lower()
    known = {"relu", "gelu", "silu", "elu", "selu", "tanh", "sigmoid", "softplus"}
    return name if name in known else None


def _is_whole(layer: Any) -> bool:
    """Whether what is inside is called in its own way, step by step or through views.

    Such a layer's parts have no output that one could look at.
    """
    if isinstance(layer, keras.layers.Bidirectional):
        return False
    return isinstance(layer, keras.layers.RNN | keras.layers.Wrapper)


def _children(layer: Any) -> list[Any]:
    if isinstance(layer, keras.layers.Bidirectional):
        return [layer.forward_layer, layer.backward_layer]
    if isinstance(layer, keras.Model):
        # A functional model's layers are in the order of its graph. It may track more.
        return list(layer.layers) + list(_direct_parts(layer))
    return list(_direct_parts(layer))


def _direct_parts(layer: Any) -> Iterator[Any]:
    yield from layer._flatten_layers(include_self=False, recursive=False)


def _walk(layer: Any, seen: set[int]) -> Iterator[Any]:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    yield layer
    if not _is_whole(layer):
        for child in _children(layer):
            yield from _walk(child, seen)
