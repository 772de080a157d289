"""What all initializers share: configuration, the way from a seed to a tensor.

A scheme says what it draws, by one of two methods: `RandomInitializer._law`, for
independent values, or `Initializer._values`, for everything else.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import keras
import numpy as np

from keras_inits.initializers import checks, tensors
from keras_inits.initializers.laws import Law
from keras_inits.initializers.seeds import check_seed, entropy, fold
from keras_inits.initializers.stream import Index, Stream

__all__ = [
    "Initializer",
    "MapInitializer",
    "RandomInitializer",
    "made_whole",
    "register",
]

_Class = TypeVar("_Class", bound=type)


def register(cls: _Class) -> _Class:
    """Makes Keras find a class as `"keras_inits>Name"`, in saved models and by name."""
    registered: _Class = keras.saving.register_keras_serializable("keras_inits")(cls)
    return registered


class Initializer(keras.initializers.Initializer):
    """An initializer whose configuration is the arguments it was made with.

    A subclass stores each argument of its `__init__` under the argument's own name.
    """

    def __call__(self, shape: Any, dtype: Any = None, layout: Any = None) -> Any:
        """Returns a new tensor of initial values.

        Args:
            shape: sizes of the tensor, each known.
            dtype: of the tensor; `keras.config.floatx()` unless given.
            layout: on JAX, how the tensor is spread over devices, as Keras passes it
                under a `keras.distribution`: each device gets its own part alone.

        Raises:
            TypeError: where the shape is no sequence of integers.
            ValueError: where the shape or the dtype does not fit the scheme.
        """
        shape = checks.check_shape(shape)
        dtype = self._check(shape, dtype)
        tensors.check_layout(layout)
        if tensors.is_symbolic():
            return keras.ops.zeros(shape, dtype)
        values = self._values(shape, tensors.numpy_dtype(dtype))
        return tensors.to_tensor(values, shape, layout)

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        """Returns the name of the dtype, or raises where this scheme can't do it."""
        return checks.check_dtype(type(self).__name__, dtype)

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        """Fixes the values of one tensor; returns what gives any part of them."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments it was made with, as JSON can hold them."""
        return {
            name: keras.saving.serialize_keras_object(self._saved(name))
            for name in self._arguments()
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Initializer":
        """Makes an initializer from what `get_config` returned."""
        return cls(
            **{
                name: keras.saving.deserialize_keras_object(value)
                if isinstance(value, dict)
                else value
                for name, value in config.items()
            }
        )

    @classmethod
    def _arguments(cls) -> dict[str, Any]:
        """The names and defaults of what `__init__` takes."""
        parameters = inspect.signature(cls).parameters
        return {name: parameter.default for name, parameter in parameters.items()}

    def _saved(self, name: str) -> Any:
        """The value of an argument, as it goes into the configuration."""
        return getattr(self, name)

    def __repr__(self) -> str:
        given = [
            f"{name}={getattr(self, name)!r}"
            for name, default in self._arguments().items()
            if not _same(getattr(self, name), default)
        ]
        return f"{type(self).__name__}({', '.join(given)})"


class RandomInitializer(Initializer):
    """An initializer that draws from the stream of its seed.

    Args:
        seed: None, an integer of any size, or a `keras.random.SeedGenerator`.
            None draws anew at each call, so that layers which share an instance start
            different; `keras.utils.set_random_seed` makes the whole model reproducible.
            An integer gives the same values at each call, on every backend; other
            shapes and other schemes get independent ones. A generator advances.
    """

    def __init__(self, seed: Any = None) -> None:
        self.seed = check_seed(seed)

    def _stream(self, shape: tuple[int, ...]) -> Stream:
        return Stream(fold(entropy(self.seed), type(self).__name__, shape))

    def _law(self, shape: tuple[int, ...]) -> Law:
        """The distribution of each value of a tensor of this shape."""
        raise NotImplementedError

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        law, stream = self._law(shape), self._stream(shape)
        return lambda index: stream.draw(law, shape, dtype, index)

    def __getstate__(self) -> dict[str, Any]:
        # A SeedGenerator can't be pickled: it holds the backend's module.
        state = self.__dict__.copy()
        if isinstance(self.seed, keras.random.SeedGenerator):
            held = keras.ops.convert_to_numpy(self.seed.state)
            state["seed"] = (self.seed.get_config(), held)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if isinstance(self.seed, tuple):
            config, held = self.seed
            self.seed = keras.random.SeedGenerator.from_config(config)
            self.seed.state.assign(held)


class MapInitializer(RandomInitializer, keras.initializers.VarianceScaling):
    """A scheme that takes a kernel for a linear map, from its inputs to its outputs.

    Which axes of a kernel are inputs, its shape does not tell: an attention kernel of
    shape `(features, heads, head_size)` maps the first axis to the other two.
    `EinsumDense`, and so `MultiHeadAttention`, tell the axes to those initializers that
    are instances of `keras.initializers.VarianceScaling`; that is all this class
    inherits from it.

    Args:
        seed: as for `RandomInitializer`.
        input_axes: axes of the kernel that are its inputs, a list of integers; by the
            convention of dense and convolution layers unless given.
        output_axes: axes that are its outputs. Axes in neither list, such as a batch or
            an axis of experts, hold maps side by side.
    """

    def __init__(
        self, seed: Any = None, input_axes: Any = None, output_axes: Any = None
    ) -> None:
        super().__init__(seed)
        checks.check_axes(input_axes, output_axes)
        self.input_axes = input_axes
        self.output_axes = output_axes

    def _map_axes(self, rank: int) -> tuple[list[int], list[int], list[int]]:
        """The axes that are inputs, outputs, and neither; all but the last, the last
        and none, where nobody told.
        """
        if self.input_axes is None:
            return list(range(rank - 1)), [rank - 1], []
        inputs = [axis % rank for axis in self.input_axes]
        outputs = [axis % rank for axis in self.output_axes]
        return inputs, outputs, [a for a in range(rank) if a not in inputs + outputs]

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        axes = [*(self.input_axes or ()), *(self.output_axes or ())]
        positive = {axis % len(shape) for axis in axes} if shape else set()
        if any(not -len(shape) <= axis < len(shape) for axis in axes) or len(
            positive
        ) < len(axes):
            raise ValueError(
                f"The axes of {type(self).__name__} do not fit the shape. Received: "
                f"shape={shape}, input_axes={self.input_axes}, "
                f"output_axes={self.output_axes}. Name each axis at most once."
            )
        return super()._check(shape, dtype)


def made_whole(make: Callable[[], Any]) -> Callable[[Index | None], Any]:
    """Values where every part needs every other: made once, at the first part."""
    made = functools.cache(make)
    return lambda index: made() if index is None else made()[index]


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(np.array_equal(value, default))
