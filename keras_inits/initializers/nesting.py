"""What structured initializers share, and those made of initializers above all.

What is held may be of this package or of Keras: both are drawn at full precision, and
the result is cast last.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_inits.initializers.base import Initializer, MapInitializer, made_whole
from keras_inits.initializers.seeds import derive
from keras_inits.initializers.stream import Index, empty, precision_of

__all__ = [
    "Whole",
    "Wrapper",
    "cast_last",
    "check_initializer",
    "inner_values",
]


class Whole(Initializer):
    """A kernel of which no part is cheaper than the whole."""

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        precision = precision_of(dtype)
        make = self._maker(shape, precision)

        def whole() -> Any:
            out = empty(shape, dtype)
            if out.size:
                out[...] = make().astype(precision, copy=False)
            return out

        return made_whole(whole)

    def _maker(self, shape: tuple[int, ...], precision: Any) -> Callable[[], Any]:
        """Fixes the values; returns what computes them, for a kernel of any size."""
        raise NotImplementedError


class Wrapper(MapInitializer):
    """An initializer that makes its values from those of another.

    The seed is that of the other. An `EinsumDense` layer tells the axes of its map to
    the wrapper, which hands them on: `Scaled(HeNormal(), 0.5)` has the right fans in
    `MultiHeadAttention` too.

    Args:
        initializer: any initializer of this package or of Keras: an instance, a class,
            a name such as `"he_normal"`, or a configuration.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`.
    """

    def __init__(
        self, initializer: Any, input_axes: Any = None, output_axes: Any = None
    ) -> None:
        self.initializer = check_initializer(initializer)
        super().__init__(_seed_of(self.initializer), input_axes, output_axes)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Initializer":
        """Makes an initializer from what `get_config` returned.

        A seed may be among it, as `EinsumDense` adds one: it goes to what is wrapped.
        """
        arguments = {name: value for name, value in config.items() if name != "seed"}
        wrapper = super().from_config(arguments)
        seed = config.get("seed")
        if seed is not None and isinstance(wrapper, Wrapper):
            wrapper.initializer = _rebuilt(wrapper.initializer, seed=seed)
            wrapper.seed = seed
        return wrapper

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        name = super()._check(shape, dtype)
        if isinstance(self.initializer, Initializer):
            self._told(len(shape))._check(self._inner_shape(shape), name)
        return name

    def _inner_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape that is asked of the wrapped initializer."""
        return shape

    def _inner_axes(self, rank: int) -> tuple[Any, Any]:
        """The axes of the map, as the wrapped initializer sees it."""
        return self.input_axes, self.output_axes

    def _told(self, rank: int) -> Any:
        """The wrapped initializer, with the axes that the layer told."""
        inner = self.initializer
        has_axes = isinstance(inner, keras.initializers.VarianceScaling)
        if self.input_axes is None or not has_axes or inner.input_axes is not None:
            return inner
        input_axes, output_axes = self._inner_axes(rank)
        return _rebuilt(
            inner, seed=inner.seed, input_axes=input_axes, output_axes=output_axes
        )

    def _drawn(
        self, shape: tuple[int, ...], dtype: Any, block: int | None = None
    ) -> Callable[[Index | None], Any]:
        """Fixes values of the wrapped initializer; nobody may write to what they give.

        Args:
            shape: of the wrapper's tensor.
            dtype: of the values.
            block: draws values of its own for each number, whatever the seed is.
        """
        inner, inner_shape = self._told(len(shape)), self._inner_shape(shape)
        if block is not None and isinstance(self.seed, int):
            inner = _rebuilt(inner, seed=derive(self.seed, "block", block))
        return inner_values(inner, inner_shape, dtype)

    def _scaled(
        self, factor: float, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        """Fixes values of the wrapped initializer, times a factor."""
        precision = precision_of(dtype)
        inner = self._drawn(shape, precision)

        def values(index: Index | None) -> Any:
            part = inner(index)
            out = empty(part.shape, dtype)
            np.multiply(part, precision(factor), out, dtype=precision, casting="unsafe")
            return out

        return values


def check_initializer(initializer: Any) -> Any:
    """Returns an instance of a Keras initializer for all that stands for one."""
    try:
        found = keras.initializers.get(initializer)
    except (TypeError, ValueError) as error:
        if isinstance(initializer, (str, dict)):
            raise ValueError(
                f"`initializer` is unknown. Received: initializer={initializer!r}. Use "
                "an instance, or a name that Keras knows, such as 'he_normal' or "
                "'keras_inits>HeNormal'."
            ) from error
        found = None
    if not isinstance(found, keras.initializers.Initializer):
        raise TypeError(
            "`initializer` must be an initializer of Keras or keras_inits. Received: "
            f"initializer={initializer!r} (of type {type(initializer).__name__}). Wrap "
            "an array in Constant(), and make a function a subclass of "
            "keras.initializers.Initializer, so that they come back from a saved model."
        )
    return found


def inner_values(
    initializer: Any, shape: tuple[int, ...], dtype: Any
) -> Callable[[Index | None], Any]:
    """Fixes what an initializer gives now; returns what gives any part of it.

    Nobody may change the arrays: an initializer may hand out the same one twice.

    Args:
        initializer: of this package, or any other of Keras, which draws all at once on
            the backend.
        shape: of the whole tensor.
        dtype: of the values, a NumPy dtype.
    """
    if isinstance(initializer, Initializer):
        values: Callable[[Index | None], Any] = initializer._values(shape, dtype)
        return values
    whole = _call(initializer, shape, dtype)
    return lambda index: whole if index is None else whole[index]


def cast_last(values: Any, dtype: Any) -> Any:
    """A copy that a backend can take over, rounded to float32 on the way to less."""
    out = empty(values.shape, dtype)
    out[...] = values.astype(precision_of(dtype), copy=False)
    return out


def _seed_of(initializer: Any) -> Any:
    seed = getattr(initializer, "seed", None)
    return seed if isinstance(seed, (int, keras.random.SeedGenerator)) else None


def _rebuilt(initializer: Any, **changes: Any) -> Any:
    """A copy with other arguments, made as `EinsumDense` makes its copies."""
    if not hasattr(initializer, "seed"):
        return initializer
    seed, ours = changes["seed"], isinstance(initializer, Initializer)
    if isinstance(seed, int) and not ours and seed >= 2**31:
        changes["seed"] = seed % 2**31  # what Keras takes on every backend
    return type(initializer).from_config({**initializer.get_config(), **changes})


def _call(initializer: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """The values of an initializer that is not of this package."""
    # JAX has float64 only where it is enabled, and makes float32 of it elsewhere.
    widest = keras.ops.convert_to_tensor(np.zeros((), precision_of(dtype)))
    name = keras.backend.standardize_dtype(widest.dtype)
    values = keras.ops.convert_to_numpy(initializer(shape, dtype=name))
    return np.asarray(values, dtype)
