"""Measuring tensors on torch."""

from __future__ import annotations

import itertools
from typing import Any

import torch

__all__ = [
    "END_OF_DATA",
    "IN_PLACE",
    "LOOPS_IN_GRAPH",
    "TAP_POINT",
    "change",
    "counts",
    "current",
    "dense",
    "divided",
    "equal",
    "is_chief",
    "kept",
    "largest",
    "norms",
    "outlined",
    "packed",
    "reduced",
    "scalar",
    "stacked",
    "to_numpy",
    "where_applied",
    "whole",
]

#: What the iterator over a data set raises at its end.
END_OF_DATA = (StopIteration,)

#: Whether an optimizer may change the gradients that it is given.
IN_PLACE = True

#: Whether `steps_per_execution` is a loop in the compiled step.
LOOPS_IN_GRAPH = False

#: The method of an optimizer that every step goes through.
TAP_POINT = "apply"

# Squares of float32 are lost below 1e-19 and above 1e19; a norm well inside of that
# range has lost nothing that counts.
_LEAST_SAFE_NORM, _MOST_SAFE_NORM = 1e-15, 1e15

# The largest piece of a tensor whose norm is taken in single precision: all pieces
# together are right to six digits.
_PIECE = 1 << 16


def current(variable: Any, state: Any = None) -> Any:
    """The value of a variable, as the step sees it now."""
    return getattr(variable, "value", variable).detach()


def kept(value: Any) -> Any:
    """The value, safe from being changed in place."""
    return value.clone()


def packed(tensors: list[Any], keep: bool = False) -> list[Any]:
    """Tensors as they are: torch's operations are quick to start."""
    return [tensor.clone() for tensor in tensors] if keep else tensors


def dense(gradient: Any, compiled: bool) -> Any:
    """A gradient whose entries are all there is: rows named twice are summed."""
    gradient = gradient.detach()
    return gradient.coalesce().values() if gradient.is_sparse else gradient


def whole(gradient: Any) -> Any:
    """A gradient in the shape of its variable."""
    gradient = gradient.detach()
    return gradient.to_dense() if gradient.is_sparse else gradient


def reduced(gradients: list[Any]) -> list[Any]:
    """The gradients of all processes: torch has averaged them already."""
    return gradients


def change(after: list[Any], before: list[Any]) -> list[Any]:
    """What each tensor has changed by."""
    return list(torch._foreach_sub(after, before))


def norms(several: list[list[Any]], compiled: bool) -> list[Any]:
    """The L2 norms of several packs, also where squares are 0 or infinite in float32.

    Args:
        several: The packs.
        compiled: Whether the step is compiled; it makes no difference here.

    Returns:
        A vector for each, with an entry a tensor, in float64.
    """
    return [_in_pieces(pack) for pack in several]


def _in_pieces(pack: list[Any]) -> Any:
    """On the processor, norms in single precision of pieces, where those are safe.

    A norm in double precision copies its tensor there first, and takes several times as
    long; one in single precision of 4 million entries is off in the fifth digit.
    """
    if torch.compiler.is_compiling() or not all(map(_is_plain, pack)):
        return torch.stack([_norm(x) for x in pack])
    pieces = [_pieces(x) for x in pack]
    found = torch.stack(torch._foreach_norm(list(itertools.chain(*pieces)))).double()
    if len(found) > len(pack):
        places = torch.repeat_interleave(torch.tensor(list(map(len, pieces))))
        squares = torch.zeros(len(pack), dtype=torch.float64)
        found = squares.index_add_(0, places, found.square()).sqrt()
    low, high = found.aminmax()
    if low > _LEAST_SAFE_NORM and high < _MOST_SAFE_NORM:  # NaN is neither
        return found
    return torch.stack([_norm(x) for x in pack])


def _pieces(x: Any) -> Any:
    return x.reshape(-1).split(_PIECE) if x.numel() > _PIECE else (x,)


def _is_plain(x: Any) -> bool:
    """Whether a tensor lies here, in single precision, and asking it costs no wait."""
    return type(x) is torch.Tensor and x.is_cpu and x.dtype == torch.float32


def _norm(x: Any) -> Any:
    if x.dtype != torch.float64:  # whose range holds the square of any narrower one
        return torch.linalg.vector_norm(x, dtype=torch.float64)
    top = x.abs().max() if x.numel() else x.new_zeros(())
    unit = torch.where((top > 0) & torch.isfinite(top), top, torch.ones_like(top))
    return unit * torch.linalg.vector_norm(x / unit)


def largest(pack: list[Any]) -> Any:
    """The largest magnitude in each tensor."""
    found = [torch.linalg.vector_norm(x.double(), float("inf")) for x in pack]
    return torch.stack(found)


def counts(pack: list[Any]) -> tuple[Any, Any]:
    """How many entries of each tensor are not 0, and how many are not finite."""
    nonzero = [torch.count_nonzero(x) for x in pack]
    nonfinite = [torch.count_nonzero(~torch.isfinite(x)) for x in pack]
    return torch.stack(nonzero).double(), torch.stack(nonfinite).double()


def divided(value: Any, scale: Any) -> Any:
    """A tensor divided by a number or a scalar of any precision."""
    return value / scale


def equal(value: Any, number: int) -> Any:
    """Whether a scalar equals a number."""
    return value == number


def scalar(value: Any) -> Any:
    """A number or a scalar as a tensor."""
    return torch.as_tensor(value, dtype=torch.float32)


def outlined(arguments: Any) -> Any:
    """Nothing: a variable that the loss does not depend on has no gradient here."""
    return None


def stacked(rows: list[Any]) -> Any:
    """The rows as one tensor, so that one transfer brings them all."""
    return torch.stack(rows)


def where_applied(condition: Any, value: Any) -> Any:
    """The value, or NaN where the condition does not hold."""
    return torch.where(condition, value, torch.full_like(value, torch.nan))


def is_chief(model: Any) -> bool:
    """Whether this process is the one of several that writes."""
    several = torch.distributed.is_available() and torch.distributed.is_initialized()
    return not several or torch.distributed.get_rank() == 0


def to_numpy(tensor: Any) -> Any:
    """The tensor's values on the host."""
    return tensor.detach().cpu().numpy()
