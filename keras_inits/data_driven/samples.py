"""Inputs for a model of which no data are at hand."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

__all__ = ["OPEN_AXIS", "random_inputs"]

#: Stands for an axis whose size the model leaves open.
OPEN_AXIS = 32


def random_inputs(model: Any, samples: int, seed: int = 0) -> tuple[Any, str]:
    """A batch of standard normal numbers of the shapes that a model takes.

    Inputs of integers get integers instead, each as likely, below the size of the
    model's smallest embedding.

    Args:
        model: a built Keras model that knows its inputs: a functional or sequential
            one, or one that was built for a shape.
        samples: how many.
        seed: of NumPy's generator.

    Returns:
        The batch, in the structure that the model takes, and what it is, in words.

    Raises:
        ValueError: for a model that does not know what it takes.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> batch, words = random_inputs(model, 4)
        >>> batch.shape, words
        ((4, 3), 'standard normal inputs')
    """
    random = np.random.default_rng(seed)
    limit = _smallest_table(model)
    drawn: set[str] = set()

    def draw(symbol: Any) -> Any:
        shape = (samples, *(size or OPEN_AXIS for size in symbol.shape[1:]))
        looked_up = any(layer in _tables(model) for layer in _takers(model, symbol))
        if "int" in symbol.dtype or (looked_up and limit):
            drawn.add(f"random integers below {limit}")
            return random.integers(0, limit, shape).astype(symbol.dtype)
        drawn.add("standard normal inputs")
        return random.standard_normal(shape).astype("float32")

    batch = keras.tree.map_structure(draw, _symbols(model))
    return batch, " and ".join(sorted(drawn))


def _symbols(model: Any) -> Any:
    """Symbolic inputs, in the structure that the model takes."""
    known = getattr(model, "_inputs_struct", None)
    if known is None and getattr(model, "_functional", None) is not None:
        known = model._functional._inputs_struct
    if known is not None:
        return known
    shape = (model.get_build_config() or {}).get("input_shape")
    if shape is None:
        raise ValueError(
            "The model does not say what it takes. Received: model="
            f"{model.name!r}, a {type(model).__name__}. Pass data."
        )
    return keras.tree.map_shape_structure(
        lambda one: keras.KerasTensor(one, "float32"), shape
    )


def _tables(model: Any) -> list[Any]:
    return [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Embedding)
    ]


def _smallest_table(model: Any) -> int:
    return min((int(layer.input_dim) for layer in _tables(model)), default=2)


def _takers(model: Any, symbol: Any) -> list[Any]:
    """The layers that take an input as it comes; also a sequential model's first."""
    first = model.layers[:1] if isinstance(model, keras.Sequential) else []
    history = getattr(symbol, "_keras_history", None)
    nodes = history.operation._outbound_nodes if history is not None else []
    return [*first, *(node.operation for node in nodes)]
