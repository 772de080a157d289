"""Signals and gradients by depth in random networks, beside the theory."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.evidence_rows import Row, mean_of, slopes

__all__ = ["EXPERIMENTS"]


def _ratio_per_layer(small: bool) -> list[Row]:
    """He et al.: what a ReLU layer does to E x^2, with this package's schemes."""
    import keras

    import keras_inits
    from keras_inits.theory import variance_map

    width, depth, nets = (128, 10, 4) if small else (512, 30, 20)
    schemes = (
        ("HeNormal", 1.0, 2.0),
        ("GlorotUniform", 0.5, 1.0),
        ("LecunUniform", 0.5, 1.0),
    )
    rows = []
    for name, published, weight_variance in schemes:
        ratios = []
        for net in range(nets):
            x = np.random.default_rng(net).normal(size=width)
            first = np.maximum(x, 0)
            x = first
            for layer in range(depth):
                scheme = getattr(keras_inits, name)(seed=1000 * net + layer)
                kernel = keras.ops.convert_to_numpy(scheme((width, width)))
                x = np.maximum(kernel.T.astype(float) @ x, 0)
            ratios.append((np.sum(x**2) / np.sum(first**2)) ** (1 / depth))
        rows.append(
            Row(
                "He et al. 2015",
                f"ratio of E x² per ReLU layer, `{name}`",
                published,
                variance_map("relu", weight_variance)(1.0),
                **mean_of(ratios),
            )
        )
    return rows


def _fixed_points(small: bool) -> list[Row]:
    from keras_inits.theory import correlation_map, settled, variance_map

    width, depth, nets = (200, 20, 4) if small else (800, 40, 12)
    published = {1.3: (0.3153, 1.0), 2.5: (1.0640, 0.4468), 4.0: (2.1955, 0.1651)}
    rows = []
    for weights, (variance, correlation) in published.items():
        squares, cosines = [], []
        for net in range(nets):
            rng = np.random.default_rng(net)
            x = rng.normal(size=(width, 2))
            for _ in range(depth):
                kernel = rng.normal(size=(width, width)) * math.sqrt(weights / width)
                biases = rng.normal(size=(width, 1)) * math.sqrt(0.05)
                x = kernel @ np.tanh(x) + biases
            squares.append(np.mean(x**2))
            cosines.append(np.mean(x[:, 0] * x[:, 1]) / np.mean(x**2))
        where = f"tanh, b = 0.05, w = {weights:g}"
        source = "Poole et al. 2016"
        mapping = variance_map("tanh", weights, 0.05)
        found = settled(mapping).value
        rows.append(Row(source, f"q*: {where}", variance, found, **mean_of(squares)))
        found = settled(correlation_map("tanh", weights, 0.05)).value
        rows.append(Row(source, f"c*: {where}", correlation, found, **mean_of(cosines)))
    return rows


def _critical_line(small: bool) -> list[Row]:
    from keras_inits.theory import edge_of_chaos

    line = {0.001: 1.18919, 0.01: 1.424205, 0.05: 1.760955, 0.3: 2.505127}
    return [
        Row(
            "Schoenholz et al. 2017",
            f"critical w of tanh, b = {biases:g}",
            weights,
            edge_of_chaos("tanh", bias_variance=biases).weight_variance,
        )
        for biases, weights in line.items()
    ]


def _depth_scales(small: bool) -> list[Row]:
    """Fitted to the fall of 1 - c, or |c - c*|, by depth in one wide network each."""
    from keras_inits.theory import correlation_map, depth_scale, settled, variance_map

    published = {1.0: 3.627, 1.3: 7.834, 1.5: 15.79, 2.5: 11.8, 4.0: 6.98}
    width, nets = (300, 3) if small else (1000, 10)
    rows = []
    for weights, expected in published.items():
        scale = depth_scale("tanh", weights, 0.05).correlation
        end = settled(correlation_map("tanh", weights, 0.05)).value
        variance = settled(variance_map("tanh", weights, 0.05)).value
        depth = math.ceil(1.5 * scale)
        away = []
        for net in range(nets):
            rng = np.random.default_rng(net)
            # In the ordered phase from far apart; in the other from alike, by pairs.
            start = 0.9 if end == 1 else end + 0.3
            one, other = rng.normal(size=(2, width)) * math.sqrt(variance)
            other = start * one + math.sqrt(1 - start**2) * other
            x = np.stack([one, other], axis=1)
            cosines = []
            for _ in range(depth + 1):
                cosines.append(x[:, 0] @ x[:, 1] / np.prod(np.linalg.norm(x, axis=0)))
                kernel = rng.normal(size=(width, width)) * math.sqrt(weights / width)
                biases = rng.normal(size=(width, 1)) * math.sqrt(0.05)
                x = kernel @ np.tanh(x) + biases
            away.append(np.abs(np.array(cosines) - end))
        # The first layers are not in the linear regime yet.
        first = depth // 4
        logs = np.log(np.mean(away, axis=0)[first:])
        slope = np.polyfit(np.arange(logs.size), logs, 1)[0]
        rows.append(
            Row(
                "Schoenholz et al. 2017",
                f"depth scale of tanh, b = 0.05, w = {weights:g}",
                expected,
                scale,
                float(-1 / slope),
            )
        )
    return rows


def _self_normalization(small: bool) -> list[Row]:
    from keras_inits.theory import settled, variance_map
    from keras_inits.theory.curves import curve_of

    selu = curve_of("selu")
    of_mean = selu.expectation(lambda z, f, slope: [f * (z * z - 1) / 2], 1.0)[0]
    of_variance = variance_map("selu", 1.0).slope(1.0)
    source = "Klambauer et al. 2017"
    return [
        Row(
            source, "SELU: fixed variance", 1.0, settled(variance_map("selu", 1)).value
        ),
        Row(source, "SELU: ∂mean/∂variance there", 0.088835, float(of_mean)),
        Row(source, "SELU: ∂variance/∂variance there", 0.782648, of_variance),
        Row(source, "SELU: norm of both", 0.787673, math.hypot(of_mean, of_variance)),
    ]


def _sine(small: bool) -> list[Row]:
    """Sitzmann et al. print 1 and .7071, by an approximation."""
    from keras_inits.theory import settled, variance_map

    width, depth, nets = (256, 10, 4) if small else (1024, 20, 10)
    inner, outer = [], []
    for net in range(nets):
        rng = np.random.default_rng(net)
        x = rng.uniform(-math.pi / 2, math.pi / 2, size=(width, 4))
        for _ in range(depth):
            bound = math.sqrt(6 / width)
            x = rng.uniform(-bound, bound, size=(width, width)) @ np.sin(x)
        inner.append(np.std(x))
        outer.append(np.std(np.sin(x)))
    variance = settled(variance_map(np.sin, 2.0)).value
    source = "Sitzmann et al. 2020"
    out = math.sqrt((1 - math.exp(-2 * variance)) / 2)
    return [
        Row(
            source,
            "SIREN: std before the sine",
            1.0,
            math.sqrt(variance),
            **mean_of(inner),
        ),
        Row(source, "SIREN: std after it", math.sqrt(0.5), out, **mean_of(outer)),
    ]


def _branches(small: bool) -> list[Row]:
    """Pre-activation branches x + V f(W x), with weights of variance 1 / fan_in."""
    from keras_inits.theory import Layer, Residual, propagate

    width, nets = (128, 4) if small else (512, 20)
    source = "Yang & Schoenholz 2017"
    relu = propagate([Residual([Layer("relu", 1.0), Layer("linear", 1.0)])] * 10)
    drawn = [_branch_gradients("relu", 10, width, net)[0] for net in range(nets)]
    depth = 64
    tanh = propagate([Residual([Layer("tanh", 1.0), Layer("linear", 1.0)])] * depth)
    curves = [_branch_gradients("tanh", depth, width, net) for net in range(nets // 2)]
    claim = "squared gradient over 10 ReLU branches, (1 + w/2)^L"
    return [
        Row(source, claim, 57.7, float(relu.gradient[0] ** 2), **mean_of(drawn)),
        Row(
            source,
            f"exponent of ln gradient in depth, tanh branches, L = {depth}",
            0.5,
            _exponent(np.log(tanh.gradient[0] / tanh.gradient)),
            _exponent(np.mean([np.log(c[0] / c) / 2 for c in curves], axis=0)),
        ),
    ]


def _exponent(logs: Any) -> float:
    """Of a power law of depth, from the increments over the last two doublings."""
    last = len(logs) - 1
    late, early = logs[last] - logs[last // 2], logs[last // 2] - logs[last // 4]
    return math.log2(late / early)


def _branch_gradients(name: str, depth: int, width: int, seed: int) -> Any:
    """The mean square gradient at the input of each branch, and at the end."""
    from keras_inits.theory import activation

    rng, function = np.random.default_rng(seed), activation(name)
    x, blocks = rng.normal(size=width), []
    for _ in range(depth):
        inner, outer = rng.normal(size=(2, width, width)) / math.sqrt(width)
        z = inner @ x
        blocks.append((inner, outer, slopes(name, z)))
        x = x + outer @ function(z)
    gradient = rng.normal(size=width)
    gradients = [np.mean(gradient**2)]
    for inner, outer, steep in reversed(blocks):
        gradient = gradient + (steep * (gradient @ outer)) @ inner
        gradients.append(np.mean(gradient**2))
    return np.array(gradients[::-1]) / gradients[0]


def _narrow(small: bool) -> list[Row]:
    from keras_inits.theory import log_norm, norm_kurtosis

    nets = 100 if small else 2000
    rows = []
    for width, depth, mean, variance in (
        (100, 50, -1.271, 2.597),
        (20, 20, -2.744, 6.235),
    ):
        rng = np.random.default_rng(width)
        logs = []
        for _ in range(nets):
            x = np.ones(width)
            for _ in range(depth):
                kernel = rng.normal(size=(width, width)) * math.sqrt(2 / width)
                x = np.maximum(kernel @ x, 0)
            size = np.mean(x**2)
            if size > 0:  # a layer may be dead
                logs.append(math.log(size))
        law = log_norm([width] * depth)
        where = f"ReLU, width {width}, depth {depth}"
        source = "Hanin 2018; Hanin & Nica 2019"
        spread = float(np.var(logs, ddof=1))
        error = spread * math.sqrt(2 / len(logs))
        rows += [
            Row(
                source,
                f"mean of the squared norm's ln: {where}",
                mean,
                law.mean,
                **mean_of(logs),
            ),
            Row(
                source, f"its variance: {where}", variance, law.variance, spread, error
            ),
        ]
    z = np.maximum(np.random.default_rng(1).normal(size=(100 * nets, 3, 30)), 0)
    squares = np.prod(2 * np.mean(z**2, axis=2), axis=1)
    ratio = float(np.mean(squares**2) / np.mean(squares) ** 2)
    claim = "kurtosis of the norm: ReLU, width 30, depth 3"
    rows.append(Row(source, claim, 1.58796, norm_kurtosis([30] * 3), ratio))
    return rows


EXPERIMENTS: tuple[Callable[[bool], list[Row]], ...] = (
    _ratio_per_layer,
    _fixed_points,
    _critical_line,
    _depth_scales,
    _self_normalization,
    _sine,
    _branches,
    _narrow,
)
