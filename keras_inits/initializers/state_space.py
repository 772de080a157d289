"""Schemes for state-space layers: HiPPO, S4D, the ring of the LRU, time steps.

Keras has no such layer: these are for the weights of one's own. A complex weight is two
real ones, each with a scheme of its own; the argument `part` says which.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_inits.initializers import checks, laws
from keras_inits.initializers.base import Initializer, RandomInitializer, register
from keras_inits.initializers.bits import Bits
from keras_inits.initializers.nesting import cast_last
from keras_inits.initializers.stream import Index

__all__ = ["S4D", "HippoLegS", "LRURing", "LogUniform"]


@register
class HippoLegS(Initializer):
    """The state matrix that keeps a function's past as Legendre coefficients.

    For dx/dt = A x + B u: A[n, k] = -sqrt((2n + 1) (2k + 1)) where n > k, -(n + 1)
    where n = k, 0 where n < k; B[n] = sqrt(2n + 1). With a `step` s, the bilinear rule
    makes of them the matrices of x' = A x + B u over discrete time,
    (I - s/2 A)^-1 (I + s/2 A) and (I - s/2 A)^-1 s B.

    The start of S4 and its kin, for dependencies over thousands of steps. The formulas
    are for column vectors, A @ x; Keras multiplies rows, x @ W: `transposed=True` gives
    the `recurrent_initializer` (A) and `kernel_initializer` (B) of a linear
    `SimpleRNN`, with a `step`.

    Args:
        part: `"A"`, of shape (N, N); or `"B"`, of shape (N,) or (N, inputs), where each
            input gets the same column.
        step: None for continuous time, or the step of the bilinear rule, a number > 0.
        transposed: whether to give the transpose, for row vectors.

    Raises:
        TypeError: where `step` is no number.
        ValueError: where `part` is unknown, or `step` not positive; when called, where
            the shape does not fit the part.

    Example:
        >>> a = HippoLegS("A")((64, 64))
        >>> recurrent = HippoLegS("A", step=0.01, transposed=True)((64, 64))

    Reference: Gu et al., 2020, arXiv:2008.07669, theorem 2; in this form, Gu et al.,
    2022, arXiv:2111.00396, equations 2 and 3.
    """

    def __init__(
        self, part: str = "A", step: float | None = None, transposed: bool = False
    ) -> None:
        self.part = _check_part(part, ("A", "B"))
        self.step = None if step is None else checks.check_positive("step", step)
        self.transposed = bool(transposed)

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        is_square = len(shape) == 2 and shape[0] == shape[1]
        if not (is_square if self.part == "A" else len(shape) in (1, 2)):
            wanted = "(N, N)" if self.part == "A" else "(N,), (N, inputs)"
            raise ValueError(
                f"Part {self.part} of HippoLegS has the shape {wanted}, or its "
                f"transpose. Received: shape={shape}."
            )
        return super()._check(shape, dtype)

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        order = shape[::-1] if self.transposed else shape
        a, b = _hippo_legs(order[0])
        if self.step is not None:
            a, b = _bilinear(a, b, self.step)
        part = a if self.part == "A" else b.reshape(-1, *[1] * (len(shape) - 1))
        part = np.broadcast_to(part, order)
        return _parts_of(part.T if self.transposed else part, dtype)


def _hippo_legs(size: int) -> tuple[Any, Any]:
    n = np.arange(size)
    b = np.sqrt(2 * n + 1.0)
    return np.tril(-np.outer(b, b), -1) - np.diag(n + 1.0), b


def _bilinear(a: Any, b: Any, step: float) -> tuple[Any, Any]:
    from scipy import linalg

    eye = np.eye(len(a))
    right = np.column_stack([eye + step / 2 * a, step * b])
    solved = linalg.solve_triangular(eye - step / 2 * a, right, lower=True)
    return solved[:, :-1], solved[:, -1]


@register
class S4D(Initializer):
    """The diagonal state matrix of S4D.

    The n-th value on the diagonal is, for state size N,

    - `"lin"`: A[n] = -1/2 + i pi n;
    - `"inv"`: A[n] = -1/2 + i N / pi (N / (2n + 1) - 1);
    - `"real"`: A[n] = -(n + 1).

    Complex values stand for themselves and their conjugates: for these N is twice the
    last axis of the weight. The axes before it hold copies. "lin" and "inv" are the
    usual choices; "real" needs no complex numbers, and does worse.

    Args:
        part: `"log_real"`, log(-Re A), the weight that S4D trains so that the real part
            stays negative; or `"imaginary"`, Im A.
        kind: `"lin"`, `"inv"` or `"real"`.

    Raises:
        ValueError: where `part` or `kind` is unknown; when called, where the shape is
            that of a scalar.

    Example:
        >>> log_real = S4D("log_real")((256, 32))
        >>> imaginary = S4D("imaginary", kind="inv")((256, 32))

    Reference: Gu et al., 2022, arXiv:2206.11893, section 4.
    """

    def __init__(self, part: str = "log_real", kind: str = "lin") -> None:
        self.part = _check_part(part, ("log_real", "imaginary"))
        self.kind = checks.check_option("kind", kind, ("lin", "inv", "real"))

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        if not shape:
            raise ValueError(
                "S4D needs an axis of states, the last. Received: shape=()."
            )
        return super()._check(shape, dtype)

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        n = np.arange(shape[-1], dtype=np.float64)
        if self.part == "log_real":
            diagonal = np.log(n + 1 if self.kind == "real" else np.full_like(n, 0.5))
        elif self.kind == "lin":
            diagonal = math.pi * n
        elif self.kind == "inv":
            size = 2 * len(n)
            diagonal = size / math.pi * (size / (2 * n + 1) - 1)
        else:
            diagonal = np.zeros_like(n)
        return _parts_of(np.broadcast_to(diagonal, shape), dtype)


@register
class LRURing(RandomInitializer):
    """The eigenvalues of a linear recurrent unit (LRU), uniform on a ring.

    lambda = exp(-exp(nu_log) + i exp(theta_log)), with |lambda|^2 from
    U(r_min^2, r_max^2) and the phase from U(0, max_phase); gamma_log =
    log sqrt(1 - |lambda|^2) normalizes the input of each state. So
    nu_log = log(-1/2 log(u (r_max^2 - r_min^2) + r_min^2)) and
    theta_log = log(max_phase v), with u and v from U(0, 1).

    The closer `r_min` and `r_max` are to 1, the longer the memory; a small `max_phase`
    (pi / 10) suits sequences of thousands of steps.

    `gamma_log` belongs to the `nu_log` of the same integer seed, the same ring and the
    same shape.

    Args:
        part: `"nu_log"`, `"theta_log"` or `"gamma_log"`.
        r_min: inner radius, a number >= 0.
        r_max: outer radius, a number above `r_min` and at most 1.
        max_phase: in radians, a number > 0.
        seed: see `RandomInitializer`; an integer for `"gamma_log"`.

    Raises:
        TypeError: where a number is of another kind, or the seed.
        ValueError: where `part` is unknown, a number out of range, or `"gamma_log"` has
            no integer seed.

    Example:
        >>> nu_log = LRURing("nu_log", r_min=0.9, r_max=0.999, seed=1)((64,))
        >>> gamma_log = LRURing("gamma_log", r_min=0.9, r_max=0.999, seed=1)((64,))

    Reference: Orvieto et al., 2023, arXiv:2303.06349, sections 3.2 and 3.4.
    """

    def __init__(
        self,
        part: str = "nu_log",
        r_min: float = 0.0,
        r_max: float = 1.0,
        max_phase: float = 2 * math.pi,
        seed: Any = None,
    ) -> None:
        super().__init__(seed)
        self.part = _check_part(part, ("nu_log", "theta_log", "gamma_log"))
        self.r_min = checks.check_number("r_min", r_min, least=0, most=1)
        self.r_max = checks.check_number("r_max", r_max, least=0, most=1)
        self.max_phase = checks.check_positive("max_phase", max_phase)
        if self.r_min >= self.r_max:
            raise ValueError(
                "`r_min` must be below `r_max`. Received: "
                f"r_min={r_min}, r_max={r_max}. They are the radii of a ring."
            )
        if self.part == "gamma_log" and not isinstance(self.seed, int):
            raise ValueError(
                "gamma_log belongs to the nu_log of the same integer seed. Received: "
                f"part='gamma_log', seed={self.seed!r}. Give both parts one integer."
            )

    def _values(
        self, shape: tuple[int, ...], dtype: Any
    ) -> Callable[[Index | None], Any]:
        stream = self._stream(shape)
        lane = 1 if self.part == "theta_log" else 0

        def values(index: Index | None) -> Any:
            # In float64: near the ring's edges a step of 2^-24 is coarse, and 0 is out.
            share = stream.draw(laws.Uniform(0.0, 1.0), shape, np.float64, index, lane)
            np.clip(share, 2.0**-53, 1 - 2.0**-53, out=share)
            return cast_last(self._transformed(share), dtype)

        return values

    def _transformed(self, share: Any) -> Any:
        """What the part makes of uniform values."""
        if self.part == "theta_log":
            return np.log(self.max_phase * share)
        inner, outer = self.r_min**2, self.r_max**2
        if self.part == "nu_log":
            return np.log(-0.5 * np.log(share * (outer - inner) + inner))
        return 0.5 * np.log1p(-(share * (outer - inner) + inner))


_STORED = ("value", "log", "inverse_softplus")


@dataclass(frozen=True)
class _LogUniformLaw:
    """exp(U[log low, log high]), or what is stored in its place."""

    low: float
    high: float
    stored: str

    def fill(self, bits: Bits, out: Any) -> None:
        """See `Law`."""
        laws.Uniform(math.log(self.low), math.log(self.high)).fill(bits, out)
        if self.stored != "log":
            np.exp(out, out=out)
        if self.stored == "inverse_softplus":
            # softplus(x) = log(1 + exp(x)) = t has x = t + log(1 - exp(-t)).
            out += np.log(-np.expm1(-out))


@register
class LogUniform(RandomInitializer):
    """Values with a uniform logarithm: each scale from `minval` to `maxval` alike.

    t = exp(u) with u from U[log minval, log maxval]. For the time steps of state-space
    layers, whose memory is 1 / t steps, and other positive weights of unknown scale.

    Args:
        minval: lower end, a number > 0.
        maxval: upper end, a number above `minval`.
        seed: see `RandomInitializer`.
        stored: what the weight holds: `"value"`, t; `"log"`, log t, as in S4, S4D and
            S5; or `"inverse_softplus"`, x with log(1 + exp(x)) = t, as in Mamba.

    Raises:
        TypeError: where a number is of another kind, or the seed.
        ValueError: where `minval` is not positive or not below `maxval`, or `stored` is
            unknown.

    Example:
        >>> log_step = LogUniform(0.001, 0.1, stored="log", seed=1)((256,))

    Reference: Gu et al., 2022, arXiv:2111.00396 and arXiv:2206.11893; Gu & Dao, 2023,
    arXiv:2312.00752, section 3.6.
    """

    def __init__(
        self,
        minval: float = 0.001,
        maxval: float = 0.1,
        seed: Any = None,
        *,
        stored: str = "value",
    ) -> None:
        super().__init__(seed)
        self.minval = checks.check_positive("minval", minval)
        self.maxval = checks.check_positive("maxval", maxval)
        if self.minval >= self.maxval:
            raise ValueError(
                "`minval` must be below `maxval`. Received: "
                f"minval={minval}, maxval={maxval}. Constant() gives one value to all."
            )
        self.stored = checks.check_option("stored", stored, _STORED)

    def _law(self, shape: tuple[int, ...]) -> laws.Law:
        return _LogUniformLaw(self.minval, self.maxval, self.stored)


def _check_part(part: Any, parts: tuple[str, ...]) -> str:
    """Returns the name of a part of a layer, whose case matters: A is no a."""
    if part in parts:
        return str(part)
    raise ValueError(
        f"`part` is unknown. Received: part={part!r}. Use one of "
        f"{', '.join(map(repr, parts))}."
    )


def _parts_of(whole: Any, dtype: Any) -> Callable[[Index | None], Any]:
    """Gives the parts of an array that may be a view."""
    return lambda index: cast_last(whole if index is None else whole[index], dtype)
