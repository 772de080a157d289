"""Orthogonal matrices from the Haar measure, without a factorization; no Keras."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from keras_inits.initializers.stream import empty

__all__ = ["haar"]

# The part of an update that is made at once: it stays in a core's cache.
_TILE = (256, 1024)
# Matrices of so many values and fewer are made by one thread. Two that wait for each
# other after each small product gain nothing on an idle machine, and on a busy one they
# take ten times as long.
_ALONE = 512 * 512
_LOCK = threading.Lock()


def haar(
    rows: int,
    columns: int,
    normals: Callable[[int, tuple[int, int]], Any],
    gain: float,
    dtype: Any,
) -> Any:
    """Draws a matrix with orthonormal columns, or rows where it has fewer rows.

    In the QR factorization of a Gaussian matrix, the Householder vectors are themselves
    independent Gaussian vectors of decreasing length. So they are drawn as such, and
    their reflections multiplied out in blocks: H = I - V T V' with
    T^-1 = striu(V'V) + diag(v'v / 2). For n x n that is 4/3 n^3 operations, nearly all
    in matrix products, where factorizing costs twice that at a lower rate.

    Args:
        rows: of the matrix.
        columns: of the matrix.
        normals: gives a fresh C-contiguous array of standard normals in the working
            precision, for a number that counts up from 0 and a shape.
        gain: factor on the matrix.
        dtype: working precision, float32 or float64.

    Returns:
        An array of shape (rows, columns), in C order.

    Reference: Stewart, 1980, "The efficient generation of random orthogonal matrices",
    doi:10.1137/0717034; the blocks, Schreiber & Van Loan, 1989, doi:10.1137/0910005.
    """
    with _one_thread() if rows * columns <= _ALONE else contextlib.nullcontext():
        return _product(rows, columns, normals, gain, dtype)


def _product(
    rows: int,
    columns: int,
    normals: Callable[[int, tuple[int, int]], Any],
    gain: float,
    dtype: Any,
) -> Any:
    """Multiplies the reflections out, from the last panel to the first."""
    result = empty((rows, columns), dtype)
    tall = result if rows >= columns else result.T
    long, short = tall.shape
    width = _panel_width(long, short)
    signs = np.empty(short, dtype)
    for panel, start in reversed(list(enumerate(range(0, short, width)))):
        stop = min(start + width, short)
        vectors = normals(panel, (stop - start, long - start))
        signs[start:stop], half_squares = _reflectors(vectors)
        triangle = np.triu(vectors @ vectors.T, 1)
        np.fill_diagonal(triangle, half_squares)
        _apply(tall, start, stop, vectors, _invert(triangle))
    result *= gain * (signs if rows >= columns else signs[:, np.newaxis])
    return result


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keeps NumPy's products to the thread that calls them."""
    # The limit holds for the process: two that overlap would not put it back.
    with _LOCK, _pools().limit(limits=1, user_api="blas"):
        yield


@functools.cache
def _pools() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _panel_width(long: int, short: int) -> int:
    """Reflections in a block, as timed: wide ones use the processor better, narrow ones
    waste less on their triangles. A seed's values depend on it.
    """
    if long <= 512:
        return 64
    return 128 if short <= 2048 else 256


def _invert(triangle: Any) -> Any:
    """The inverse of an upper triangular matrix, by halves.

    SciPy's LAPACK would do it at once, but with threads of its own, which then spin
    beside NumPy's and take the processor from the products.
    """
    size = len(triangle)
    if size <= 64:
        return np.linalg.inv(triangle)
    half = size // 2
    inverse = np.zeros_like(triangle)
    upper = inverse[:half, :half] = _invert(triangle[:half, :half])
    lower = inverse[half:, half:] = _invert(triangle[half:, half:])
    inverse[:half, half:] = -(upper @ triangle[:half, half:] @ lower)
    return inverse


def _reflectors(vectors: Any) -> tuple[Any, Any]:
    """Makes Gaussian vectors x, one in a row, into Householder vectors v, in place.

    Row j starts at its j-th value. Returns the signs of R's diagonal and v'v / 2.
    """
    count, length = vectors.shape
    vectors[:, :count] = np.triu(vectors[:, :count])
    first = np.diagonal(vectors).astype(np.float64)
    # The sums in float64: the orthogonality of the product hangs on them.
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    pivots = (first + np.copysign(np.sqrt(squares), first)).astype(vectors.dtype)
    np.fill_diagonal(vectors, pivots)
    half_squares = (squares - first**2 + pivots.astype(np.float64) ** 2) / 2
    signs = -np.copysign(1.0, first)
    if count == length:  # the last vector has one value: nothing to reflect but a sign
        vectors[-1] = 0
        half_squares[-1] = 1
        signs[-1] *= -1
    return signs, half_squares


def _apply(tall: Any, start: int, stop: int, vectors: Any, factor: Any) -> None:
    """Multiplies tall[start:, start:] by a panel's reflections from the left.

    Until then the rows and columns of the panel are those of the identity, and hold
    nothing yet.
    """
    head, rest = vectors[:, : stop - start], vectors[:, stop - start :]
    inner = tall[stop:, stop:]
    if inner.size:
        projected = factor @ (rest @ inner)
        tall[start:stop, stop:] = -(head.T @ projected)
        if inner.flags.c_contiguous or inner.strides[1] == inner.itemsize:
            _subtract_product(inner, rest.T, projected)
        else:
            _subtract_product(inner.T, projected.T, rest)
    tall[start:, start:stop] = -(vectors.T @ (factor @ head))
    diagonal = np.arange(start, stop)
    tall[diagonal, diagonal] += 1


def _subtract_product(target: Any, left: Any, right: Any) -> None:
    """Subtracts left @ right in place, a tile at a time."""
    scratch = np.empty(_TILE, target.dtype)
    rows, columns = _TILE
    for top in range(0, target.shape[0], rows):
        for start in range(0, target.shape[1], columns):
            part = target[top : top + rows, start : start + columns]
            product = scratch[: part.shape[0], : part.shape[1]]
            np.matmul(
                left[top : top + rows], right[:, start : start + columns], out=product
            )
            part -= product
