"""Initializers made of initializers: scaled, normalized, transposed."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_inits.initializers import checks
from keras_inits.initializers.base import made_whole, register
from keras_inits.initializers.nesting import Wrapper, cast_last
from keras_inits.initializers.stream import Index, precision_of

__all__ = ["Normalized", "Scaled", "SpectralNormalized", "Transposed"]


@register
class Scaled(Wrapper):
    """The values of another initializer, times a factor.

    W = factor * V. For recipes that shrink some layers with depth, as GPT-2 shrinks the
    projections of its residual branches by 1 / sqrt(number of branches). Schemes with a
    `gain` do not need it.

    Args:
        initializer: of V; any initializer of this package or of Keras, as an instance,
            a class, a name or a configuration.
        factor: a number.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`.

    Raises:
        TypeError: where `initializer` is none, or `factor` no number.
        ValueError: where `initializer` is an unknown name, or `factor` is NaN or
            infinite; when called, as `initializer` does.

    Example:
        >>> kernel = Scaled("glorot_uniform", 12**-0.5)((512, 64))
    """

    def __init__(
        self,
        initializer: Any,
        factor: float,
        input_axes: Any = None,
        output_axes: Any = None,
    ) -> None:
        super().__init__(initializer, input_axes, output_axes)
        self.factor = checks.check_number("factor", factor)

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        return self._scaled(self.factor, shape, dtype)


@register
class Normalized(Wrapper):
    """The values of another initializer, with the weights of each unit of a given norm.

    W[:, j] = norm * V[:, j] / |V[:, j]|_2: the incoming weights of each output unit
    keep their direction and get the L2 norm `norm`. At norm 1 a unit that sees N(0, 1)
    gives a variance of exactly 1, not on average over units. With `axis=-1`, the
    vectors of an embedding get the norm. Where weights are to vary in norm, as between
    the units of a Gaussian kernel, leave it.

    Args:
        initializer: of V; see `Scaled`.
        axis: the axis or axes, an integer or a list, along which a vector is
            normalized; the inputs of the map unless given, which are all axes but the
            last, or what an `EinsumDense` tells.
        norm: L2 norm of each vector, a number > 0.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`.

    Raises:
        TypeError: where `initializer` is none, `norm` no number, or `axis` no integers.
        ValueError: where `norm` is not positive or `axis` names an axis twice; when
            called, where the shape lacks the axis, or a vector to normalize is 0.

    Example:
        >>> kernel = Normalized("he_normal", norm=2.0)((512, 64))
        >>> table = Normalized("normal", axis=-1)((1000, 64))

    Reference: Salimans & Kingma, 2016, arXiv:1602.07868, where `norm` is g.
    """

    def __init__(
        self,
        initializer: Any,
        axis: Any = None,
        norm: float = 1.0,
        input_axes: Any = None,
        output_axes: Any = None,
    ) -> None:
        super().__init__(initializer, input_axes, output_axes)
        self.axis = None if axis is None else _check_axis(axis)
        self.norm = checks.check_positive("norm", norm)

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        axes = self._axes(shape)
        if not axes or len({axis % len(shape) for axis in axes}) < len(axes):
            raise ValueError(
                "Normalized needs axes to take norms along, each named once. Received: "
                f"shape={shape}, axis={self.axis}. For a vector, give axis=0."
            )
        return super()._check(shape, dtype)

    def _axes(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if self.axis is None:
            return tuple(self._map_axes(len(shape))[0]) if shape else ()
        axes = (self.axis,) if isinstance(self.axis, int) else tuple(self.axis)
        for axis in axes:
            checks.check_axis("axis", axis, shape)
        return axes

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        precision, axes = precision_of(dtype), self._axes(shape)
        inner = self._drawn(shape, precision)

        def make() -> Any:
            values = inner(None)
            if not values.size:
                return cast_last(values, dtype)
            squares = np.square(values, dtype=np.float64)
            norms = np.sqrt(squares.sum(axes, keepdims=True))
            if not norms.all():
                raise ValueError(
                    "A vector of zeros has no direction, and can't be normalized. "
                    f"Received: initializer={self.initializer!r}, shape={shape}, "
                    f"axis={self.axis}."
                )
            return cast_last(values * (self.norm / norms), dtype)

        return made_whole(make)


@register
class SpectralNormalized(Wrapper):
    """The values of another initializer, scaled to a given largest singular value.

    W = norm * V / s_max(V), where the kernel is taken for a matrix of
    `prod(shape[:-1]) x shape[-1]`, or as its axes say: no vector grows by more than the
    factor `norm`. For networks with a Lipschitz bound, such as critics of Wasserstein
    GANs and deep equilibrium models. The bound holds for a dense layer; for a
    convolution it holds for the matrix, not for the map. It needs the eigenvalues of
    the smaller Gram matrix, n^3 operations for n units.

    Args:
        initializer: of V; see `Scaled`.
        norm: the largest singular value, a number > 0.
        input_axes: see `MapInitializer`.
        output_axes: see `MapInitializer`; other axes hold maps side by side, each of
            which gets the norm.

    Raises:
        TypeError: where `initializer` is none, or `norm` no number.
        ValueError: where `norm` is not positive; when called, where the shape has a
            rank below 2, or a map is 0.

    Example:
        >>> kernel = SpectralNormalized("glorot_uniform", norm=0.9)((512, 64))

    Reference: Miyato et al., 2018, arXiv:1802.05957.
    """

    def __init__(
        self,
        initializer: Any,
        norm: float = 1.0,
        input_axes: Any = None,
        output_axes: Any = None,
    ) -> None:
        super().__init__(initializer, input_axes, output_axes)
        self.norm = checks.check_positive("norm", norm)

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        if len(shape) < 2:
            raise ValueError(
                "SpectralNormalized fills matrices and kernels, shapes of rank 2 or "
                f"more. Received: shape={shape} of rank {len(shape)}. "
                "Normalized(axis=0) sets the length of a vector."
            )
        return super()._check(shape, dtype)

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        inner = self._drawn(shape, precision_of(dtype))

        def make() -> Any:
            out = np.array(inner(None), np.float64)
            if out.size:
                inputs, outputs, others = self._map_axes(len(shape))
                maps = out.transpose(*others, *inputs, *outputs)
                for place in np.ndindex(tuple(shape[axis] for axis in others)):
                    rows = math.prod(shape[axis] for axis in inputs)
                    maps[place] *= self.norm / self._largest(
                        maps[place].reshape(rows, -1)
                    )
            return cast_last(out, dtype)

        return made_whole(make)

    def _largest(self, matrix: Any) -> float:
        """The largest singular value of a matrix in float64."""
        rows, columns = matrix.shape
        gram = matrix @ matrix.T if rows < columns else matrix.T @ matrix
        # Squaring costs the small eigenvalues their precision, not the largest.
        largest = float(np.linalg.eigvalsh(gram)[-1])
        if largest <= 0:
            raise ValueError(
                "A map of zeros can't be scaled to a norm. Received: "
                f"initializer={self.initializer!r}."
            )
        return math.sqrt(largest)


@register
class Transposed(Wrapper):
    """A kernel that is stored in another order of its axes.

    W = V', with V drawn for the shape with its axes permuted. For kernels stored as
    `(out, in)`, as in torch, and for transposed convolutions, `(*window, out, in)`:
    fans and orthogonality are then those of the map. `Fans` tells a scheme its fans
    without moving a value.

    Args:
        initializer: of V; see `Scaled`.
        axes: a permutation of 0, 1, ..., as `numpy.transpose` takes it: axis i of V is
            axis `axes[i]` of W. Swaps the last two unless given.
        input_axes: see `MapInitializer`; axes of W.
        output_axes: see `MapInitializer`; axes of W.

    Raises:
        TypeError: where `initializer` is none, or `axes` no list of integers.
        ValueError: where `axes` is no permutation; when called, where the shape is of
            another rank, or below 2.

    Example:
        >>> kernel = Transposed("he_normal")((64, 512))
    """

    def __init__(
        self,
        initializer: Any,
        axes: Sequence[int] | None = None,
        input_axes: Any = None,
        output_axes: Any = None,
    ) -> None:
        super().__init__(initializer, input_axes, output_axes)
        self.axes = None if axes is None else _check_permutation(axes)

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        rank = len(shape)
        if rank < 2 if self.axes is None else rank != len(self.axes):
            wanted = "2 or more" if self.axes is None else str(len(self.axes))
            raise ValueError(
                f"This Transposed fills shapes of rank {wanted}. Received: "
                f"shape={shape} of rank {rank}, axes={self.axes}."
            )
        return super()._check(shape, dtype)

    def _order(self, rank: int) -> list[int]:
        return self.axes or [*range(rank - 2), rank - 1, rank - 2]

    def _inner_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(shape[axis] for axis in self._order(len(shape)))

    def _inner_axes(self, rank: int) -> tuple[Any, Any]:
        order = self._order(rank)
        inputs, outputs, _ = self._map_axes(rank)
        return [order.index(a) for a in inputs], [order.index(a) for a in outputs]

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        order = self._order(len(shape))
        inner = self._drawn(shape, dtype)

        def values(index: Index | None) -> Any:
            inside = None if index is None else tuple(index[axis] for axis in order)
            return cast_last(inner(inside).transpose(np.argsort(order)), dtype)

        return values


def _check_axis(axis: Any) -> int | list[int]:
    if not isinstance(axis, (list, tuple)):
        return checks.check_integer("axis", axis)
    axes = [checks.check_integer("axis", number) for number in axis]
    if len(set(axes)) < len(axes):
        raise ValueError(f"`axis` names an axis twice. Received: axis={axis!r}.")
    return axes


def _check_permutation(axes: Any) -> list[int]:
    found = [checks.check_integer("axes", axis) for axis in axes]
    if sorted(found) != list(range(len(found))):
        raise ValueError(
            f"`axes` must be a permutation of 0, 1, ... Received: axes={axes!r}."
        )
    return found
