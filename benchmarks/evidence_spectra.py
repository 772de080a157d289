"""Critical points, tailored slopes and spectra of Jacobians, beside the theory."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.evidence_rows import Row, mean_of, orthogonal, slopes

__all__ = ["EXPERIMENTS"]


def _half_stable(small: bool) -> list[Row]:
    from keras_inits.theory import half_stable_point

    published = {
        "silu": (1.98800468, 0.55514317, 14.32017),
        "gelu": (1.98305826, 0.17292239, (3 + math.sqrt(17)) / 2),
    }
    rows = []
    for name, numbers in published.items():
        point = half_stable_point(name)
        found = (point.weight_variance, point.bias_variance, point.variance)
        for word, number, value in zip(("w", "b", "q"), numbers, found, strict=True):
            claim = f"half-stable point of `{name}`: {word}"
            rows.append(Row("Roberts, Yaida & Hanin 2021", claim, number, value))
    return rows


def _tailored(small: bool) -> list[Row]:
    from keras_inits.theory import tailored_slope

    def network(layer: Callable[[float], float]) -> float:
        c = 0.0
        for blocks in (3, 4, 23, 3):
            for block in range(blocks):
                skip = c if block else layer(c)
                c = 0.36 * skip + 0.64 * layer(layer(layer(c)))
        return layer(c)

    slope = tailored_slope(network, 0.75)
    claim = "TAT: slope of leaky ReLU in a ResNet-101 with skips of 0.6, c = 0.75"
    return [Row("Zhang et al. 2022", claim, 0.6291800290, slope)]


def _products(small: bool) -> list[Row]:
    from keras_inits.theory import jacobian_spectrum

    width, depth, nets = (100, 10, 3) if small else (400, 10, 6)
    exact, largest = [], []
    for net in range(nets):
        rng = np.random.default_rng(net)
        one, other = np.eye(width), np.eye(width)
        for _ in range(depth):
            one = orthogonal(rng, width) @ one
            other = rng.normal(size=(width, width)) / math.sqrt(width) @ other
        exact.append(np.abs(np.linalg.svd(one, compute_uv=False) ** 2 - 1).max() + 1)
        largest.append(np.linalg.svd(other, compute_uv=False)[0] ** 2)
    spectra = {
        weights: jacobian_spectrum("linear", 1.0, depth=depth, weights=weights)
        for weights in ("orthogonal", "gaussian")
    }
    source = "Saxe et al. 2014"
    return [
        Row(
            source,
            f"largest s² of {depth} orthogonal matrices",
            1.0,
            spectra["orthogonal"].largest,
            **mean_of(exact),
        ),
        Row(
            source,
            f"largest s² of {depth} Gaussian matrices, (L+1)^(L+1)/L^L",
            28.5,
            spectra["gaussian"].largest,
            **mean_of(largest),
        ),
    ]


def _jacobians(small: bool) -> list[Row]:
    from keras_inits.theory import edge_of_chaos, jacobian_spectrum

    depth = 8
    published = {
        ("relu", 0.0): (8.0, 16.0),
        ("tanh", 1e-4): (0.0917, 8.09),
        ("tanh", 0.01): (1.220, 9.22),
        ("tanh", 0.05): (2.738, 10.74),
    }
    rows = []
    for (name, biases), numbers in published.items():
        point = edge_of_chaos(name, bias_variance=biases)
        for weights, number in zip(("orthogonal", "gaussian"), numbers, strict=True):
            spectrum = jacobian_spectrum(
                name, point.weight_variance, biases, depth=depth, weights=weights
            )
            drawn = _singular_values(name, point, depth, weights, small)
            where = f"`{name}`, b = {biases:g}, {weights}, L = {depth}"
            source = "Pennington et al. 2017"
            # Relative to each draw's own mean, which strays from 1 at finite width.
            spreads = [np.var(values) / np.mean(values) ** 2 for values in drawn]
            rows.append(
                Row(
                    source,
                    f"Var s²: {where}",
                    number,
                    spectrum.variance,
                    **mean_of(spreads),
                )
            )
            if name == "relu" and weights == "orthogonal":
                tops = [float(np.max(values)) for values in drawn]
                claim = "largest s² of the same, L^L/(L-1)^(L-1)"
                rows.append(
                    Row(source, claim, 20.37, spectrum.largest, **mean_of(tops))
                )
    return rows


def _singular_values(
    name: str, point: Any, depth: int, weights: str, small: bool
) -> list[Any]:
    from keras_inits.theory import activation

    width, nets = (100, 3) if small else (400, 8)
    function, found = activation(name), []
    for net in range(nets):
        rng = np.random.default_rng(net)
        x = rng.normal(size=width) * math.sqrt(point.variance)
        jacobian = np.eye(width)
        for _ in range(depth):
            if weights == "orthogonal":
                kernel = orthogonal(rng, width)
            else:
                kernel = rng.normal(size=(width, width)) / math.sqrt(width)
            kernel *= math.sqrt(point.weight_variance)
            jacobian = kernel @ (slopes(name, x)[:, None] * jacobian)
            biases = rng.normal(size=width) * math.sqrt(point.bias_variance)
            x = kernel @ function(x) + biases
        found.append(np.linalg.svd(jacobian, compute_uv=False) ** 2)
    return found


EXPERIMENTS: tuple[Callable[[bool], list[Row]], ...] = (
    _half_stable,
    _tailored,
    _products,
    _jacobians,
)
