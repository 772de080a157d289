"""Moments through dot-product attention at initialization: an average, nearly even."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inits.architecture.propagation import moments
from keras_inits.architecture.propagation.gaussians import softmax_moments
from keras_inits.architecture.propagation.moments import Moments
from keras_inits.architecture.propagation.rules import Untreated, rule, treat
from keras_inits.architecture.propagation.tape import Tape

__all__ = ["attend"]

Floats = NDArray[np.float64]


def attend(
    tape: Tape,
    query: Moments,
    key: Moments,
    value: Moments,
    factor: float,
    causal: bool = False,
    rate: float = 0.0,
) -> Moments:
    """Softmax(factor * query . key) times value, head by head.

    The scores count as Gaussian and as independent of the values, which they are while
    the three kernels are. Shapes are (positions, heads, features of a head).

    Args:
        tape: where to note it.
        query: its moments.
        key: the key's.
        value: the value's.
        factor: on the scores.
        causal: whether a position sees those before it and itself alone.
        rate: of dropout on the weights.
    """
    count, width = key.shape[0], key.shape[2]
    length = query.shape[0]
    asked, spread = query.raw, key.raw[:, 0] - key.raw[:, 1]
    logits = factor**2 * (
        width * asked[0, 0, 0, 0] * spread[0, 0, 0]
        + width * (width - 1) * asked[0, 0, 0, 1] * spread[0, 0, 1]
    )
    alike, even, mixed = _overlaps(length, count, max(float(logits), 0.0), causal)
    drop = 1 / (1 - rate)

    common = _in_common(asked, spread, alike, even)
    near, far = value.raw[0, 0, 0, 0], value.raw[0, 1, 0, 0]
    profile = (drop * alike * near + (1 - alike) * far)[:, None, None]
    shape = (length, *value.shape[1:])
    raw = _averaged(value.raw, common, drop)
    made = moments.moments_of(shape, value.average, profile, raw)

    def pull(gradient: Moments) -> list[Moments]:
        arrived = gradient.raw
        # How far the values' scores differ along the gradient, for two queries that
        # are the same or not.
        apart = value.raw[0, 0, 0, 0] - value.raw[0, 1, 0, 0]
        reach = value.shape[2] * apart
        own = mixed[0] * reach * arrived[0, 0, 0, 0]
        other = mixed[1] * reach * arrived[0, 1, 0, 0] * common[0, 1, 0] / even[1]
        by_query = np.zeros_like(query.pairs)
        by_query[0, 0, 0, 0] = factor**2 * own * spread[0, 0, 0]
        by_query[0, 1, 0, 0] = factor**2 * other * spread[0, 0, 0]
        by_key = np.zeros_like(key.pairs)
        by_key[0, 0, 0, 0] = (
            factor**2
            * (length / count)
            * (own * asked[0, 0, 0, 0] + (length - 1) * other * asked[0, 1, 0, 0])
        )
        by_value = (length / count) * _gathered(arrived, common, drop, length, count)
        return [
            moments.moments_of(x.shape, 0.0, found.flat[0], found)
            for x, found in ((query, by_query), (key, by_key), (value, by_value))
        ]

    return tape.note(made, [query, key, value], pull)


def _in_common(asked: Floats, spread: Floats, alike: Floats, even: Floats) -> Floats:
    """What two queries' weights have in common, by kind: batch, position, head.

    Args:
        asked: second moments of the query.
        spread: of the key, less those between positions.
        alike: the same for one query with itself, by its position.
        even: the same for even weights: a query with itself, and two queries.
    """
    common = np.empty((len(asked), 2, 2))
    first = asked[0, 0, 0, 0] * spread[0, 0, 0]
    for kind in np.ndindex(common.shape):
        batch, place, head = kind
        both = asked[batch, place, head, 0] * spread[batch, head, 0]
        share = np.clip(both / first, 0.0, 1.0) if first > 0 else 1.0
        common[kind] = even[place] + share * max(alike.mean() - even[0], 0.0)
    return common


def _averaged(value: Floats, common: Floats, drop: float) -> Floats:
    """Second moments of averages of values, of two queries of each kind."""
    raw = np.empty_like(value)
    for kind in np.ndindex(raw.shape):
        batch, place, head, unit = kind
        shared = common[batch, place, head]
        times = drop if (batch, place, head) == (0, 0, 0) else 1.0
        near, far = value[batch, 0, head, unit], value[batch, 1, head, unit]
        raw[kind] = times * shared * near + (1 - shared) * far
    return raw


def _gathered(
    arrived: Floats, common: Floats, drop: float, length: int, count: int
) -> Floats:
    """Second moments of what queries send back to values, of each kind of pair.

    Args:
        arrived: those of the gradient by the averages.
        common: what the weights of two queries have in common.
        drop: 1 over the share that dropout leaves.
        length: how many queries.
        count: how many values.
    """
    raw = np.empty_like(arrived)
    for kind in np.ndindex(raw.shape):
        batch, place, head, unit = kind
        parts = []
        for moved in (0, 1):
            shared = common[batch, moved, head]
            if not moved and (batch, head) == (0, 0):
                shared *= 1 if place else drop
            if place:
                shared = (1 - shared) / max(count - 1, 1)
            parts.append(shared * arrived[batch, moved, head, unit])
        raw[kind] = parts[0] + (length - 1) * parts[1]
    return raw


def _overlaps(
    length: int, count: int, variance: float, causal: bool
) -> tuple[Floats, Floats, Floats]:
    """What two queries' weights have in common: sum over keys of a a'.

    Returns:
        For one query with itself, by its position; for even weights: a query with
        itself, and two queries; and the same less what moves all scores alike: that
        part of a gradient does not pass.
    """
    variance = round(min(variance, 1e4), 4)
    seen = np.full(length, count)
    if causal:
        seen = np.minimum(np.arange(length) + 1, count)
    steps = np.unique(np.geomspace(1, count, 16).round().astype(int))
    table = np.array([softmax_moments(int(step), variance)[:2] for step in steps]).T
    alike, passed = (np.interp(seen, steps, steps * row) for row in table)
    left = 1 - 1 / seen
    if not causal:
        even = np.full(2, 1 / count)
        return alike, even, np.array([passed.mean(), left[0] / count])
    # Of two positions, the later one sees the more: 1 / that many is in common.
    pairs = max(length * (length - 1) / 2, 1)
    before = np.concatenate([[0.0], np.cumsum(left)[:-1]])
    even = np.array([(1 / seen).mean(), np.arange(length) @ (1 / seen) / pairs])
    return alike, even, np.array([passed.mean(), before @ (1 / seen) / pairs])


@rule(keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)
def _multi_head(
    tape: Tape, layer: Any, inputs: Sequence[Moments], keywords: Mapping[str, Any]
) -> Moments:
    query, value = inputs[0], inputs[1]
    key = inputs[2] if len(inputs) > 2 else value
    if len(query.shape) != 2 or len(value.shape) != 2:
        raise Untreated("attention over more than one axis")
    if keywords.get("return_attention_scores"):
        raise Untreated("the attention scores as a second output")
    if any(
        keywords.get(name) is not None
        for name in ("attention_mask", "query_mask", "value_mask", "key_mask")
    ):
        raise Untreated("an attention mask, whose shape depends on data")
    part = functools.partial(treat, tape, keywords={})
    asked = part(layer._query_dense, [query])
    keys = part(layer._key_dense, [key])
    values = part(layer._value_dense, [value])
    repeats = asked.shape[1] // keys.shape[1]
    if repeats > 1:
        matrix = np.repeat(np.eye(keys.shape[1]), repeats, axis=0)
        keys, values = (tape.along(x, 1, matrix) for x in (keys, values))
    gate = None
    if layer.get_config().get("use_gate"):
        gate = part(layer._gate_dense, [query])
    rate = layer._dropout_layer.rate
    factor = 1 / math.sqrt(asked.shape[2])
    causal = bool(keywords.get("use_causal_mask"))
    found = attend(tape, asked, keys, values, factor, causal, rate)
    if gate is not None:
        found = tape.multiply([found, gate])
    return part(layer._output_dense, [found])
