"""What the weights say: drawn for other fans, from one seed, or all alike."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from keras_inits.data_driven.examined import Examined
from keras_inits.data_driven.likeness import alike
from keras_inits.data_driven.remaking import remake_kernel
from keras_inits.data_driven.rules import RULES
from keras_inits.data_driven.signals import Signal
from keras_inits.data_driven.weights import Kernel
from keras_inits.records import Finding

__all__ = ["fan", "identical", "symmetry"]

_Found = Iterator[Finding]
_Pair = tuple[float, float]


def fan(seen: Examined) -> _Found:
    """Weights drawn for fans that the layer does not have."""
    for path, kernels in seen.kernels.items():
        signal = seen.signal(path)
        for kernel in kernels:
            if not kernel.trainable or (signal is not None and signal.normalized):
                continue
            if kernel.assumed is None or kernel.fans is None:
                continue
            fans = kernel.assumed, kernel.fans
            ratio = _fan_ratio(kernel, *fans)
            if ratio is None:
                continue
            severity = RULES["fan"].severity(max(ratio, 1 / ratio))
            if severity is not None:
                yield _fan_finding(seen, path, kernel, fans, ratio, severity)


def _fan_ratio(kernel: Kernel, assumed: _Pair, true: _Pair) -> float | None:
    """The weights' spread over what the scheme gives with the true fans."""
    if assumed == true:
        return None
    drawn = kernel.drawn_std(assumed)
    meant = kernel.drawn_std(true)
    if not drawn or not meant or not math.isfinite(kernel.std):
        return None
    noise = 6.0 / math.sqrt(2.0 * math.prod(kernel.shape))
    if abs(kernel.std / drawn - 1.0) > 0.02 + noise:
        return None  # set otherwise since
    return drawn / meant


def _fan_finding(
    seen: Examined,
    path: str,
    kernel: Kernel,
    fans: tuple[_Pair, _Pair],
    ratio: float,
    severity: str,
) -> Finding:
    assumed, true = fans
    kind = type(kernel.layer).__name__
    scheme = type(kernel.initializer).__name__
    size = f"{1 / ratio:.2g} times too small" if ratio < 1 else f"{ratio:.2g} times"
    size += "" if ratio < 1 else " too large"
    return Finding(
        "fan",
        severity,
        path,
        {
            "weight": kernel.name,
            "fans assumed": list(assumed),
            "fans": list(true),
            "std": kernel.std,
            "std with true fans": kernel.drawn_std(true),
        },
        f"{scheme} takes the fans of {kind}'s {kernel.name} for another layer's: its "
        f"weights are {size}.",
        remake_kernel(seen, path, kernel),
    )


def identical(seen: Examined) -> _Found:
    """Weights of several layers that hold one sequence of numbers."""
    everything = [kernel for kernels in seen.kernels.values() for kernel in kernels]
    paths = {id(k): path for path, kernels in seen.kernels.items() for k in kernels}
    for group in alike(everything):
        first, *others = group
        severity = RULES["identical"].severity(len(group))
        if severity is None:
            continue
        equal = all(np.array_equal(first.values, other.values) for other in others)
        words = "are equal" if equal else "begin with the same numbers but for a factor"
        yield Finding(
            "identical",
            severity,
            paths[id(others[0])],
            {"weights": [kernel.variable.path for kernel in group], "equal": equal},
            f"{len(group)} weights {words}: their layers share an integer seed, or one "
            "unseeded initializer.",
            remake_kernel(seen, paths[id(others[0])], others[0]),
        )


def symmetry(seen: Examined) -> _Found:
    """Units that compute the same and get the same gradient."""
    for path, kernels in seen.kernels.items():
        signal = seen.signal(path)
        for kernel in kernels:
            if not kernel.trainable or kernel.nonfinite or kernel.duplicates == 0:
                continue
            units = len(kernel.twins)
            stuck = _stuck(seen, kernel, signal)
            severity = RULES["symmetry"].severity(stuck / units)
            if severity is None:
                continue
            value = "zeros" if kernel.is_zero else "equal weights"
            count = "All" if stuck == units else f"{stuck} of {units}"
            yield Finding(
                "symmetry",
                severity,
                path,
                {"units": units, "with a twin": stuck, "rank": kernel.rank},
                f"{count} units of the layer have {value} and equal gradients: they "
                "compute the same and will after every step.",
                remake_kernel(seen, path, kernel),
            )


def _stuck(seen: Examined, kernel: Kernel, signal: Signal | None) -> int:
    """Units that have a twin which no step will tell from them."""
    gradient = seen.gradient_array(kernel.variable)
    if gradient is None or signal is None:
        return 0
    if not gradient.any():
        opens = _opens_later(seen, kernel)
        took = signal.input
        lies_still = took is not None and took.largest == 0.0
        return 0 if opens and not lies_still else int((kernel.twins >= 0).sum())
    rows = kernel.units(gradient)
    stuck = 0
    for number in range(int(kernel.twins.max()) + 1):
        members = rows[kernel.twins == number].astype(np.float64)
        spread = np.abs(members - members[0]).max()
        if spread <= 1e-3 * np.sqrt(np.mean(members**2)):
            stuck += len(members)
    return stuck


def _opens_later(seen: Examined, kernel: Kernel) -> bool:
    """Whether a weight that starts at zero gets a gradient that differs by input.

    Then the zeros behind which this kernel lies are gone after a step, and with them
    the equality: what comes back to its units will differ.
    """
    for other in (k for kernels in seen.kernels.values() for k in kernels):
        if other is kernel or not other.is_zero:
            continue
        gradient = seen.gradient_array(other.variable)
        if gradient is None or not gradient.any():
            continue
        rows = other.units(gradient).T.astype(np.float64)  # one for each input
        spread = np.abs(rows - rows[0]).max()
        if len(rows) > 1 and spread > 1e-3 * np.abs(rows).max():
            return True
    return seen.zero_scale_opens()
