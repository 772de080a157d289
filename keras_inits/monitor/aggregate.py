"""From numbers a weight to numbers a layer, a block or the whole model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inits.records import Layout, Sample, Weight

__all__ = ["LEVELS", "Grouping", "combine", "grouping", "totals"]

#: What numbers can be of, from the finest.
LEVELS = ("weight", "layer", "block", "model")

#: Quantities that every measured weight has: NaN among them is a number gone wrong.
_OF_THE_WEIGHT = ("gradient_", "weight_", "update_", "accumulated_")

_Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Grouping:
    """Which weights make which group. A weight may be in several, as blocks nest.

    Args:
        names: A name a group.
        members: A group's weights, one after the other for all groups.
        starts: Where in `members` each group begins.
        lengths: How many members each group has.
        sizes: The number of entries of each member.
    """

    names: tuple[str, ...]
    members: NDArray[np.intp]
    starts: NDArray[np.intp]
    lengths: NDArray[np.intp]
    sizes: _Array


def grouping(layout: Layout, per: str) -> Grouping:
    """The groups of a layout's weights at a level, in the layout's order.

    Args:
        layout: What the numbers are about.
        per: `"weight"`, `"layer"`, `"block"` (the nested models; there may be none)
            or `"model"`.

    Raises:
        ValueError: For another level.

    Example:
        >>> from keras_inits.records import Weight
        >>> layout = Layout("m", (Weight("a/kernel", "a", "kernel", (2, 3)),
        ...                       Weight("a/bias", "a", "bias", (3,))))
        >>> grouping(layout, "layer").names
        ('a',)
    """
    if per not in LEVELS:
        raise ValueError(
            f"`per` must be one of {', '.join(map(repr, LEVELS))}. Received: "
            f"per={per!r}."
        )
    groups: dict[str, list[int]] = {}
    for index, weight in enumerate(layout.weights):
        for name in _groups_of(weight, layout, per):
            groups.setdefault(name, []).append(index)
    lengths = [len(group) for group in groups.values()]
    members = [index for group in groups.values() for index in group]
    sizes = [max(layout.weights[index].size, 1) for index in members]
    return Grouping(
        names=tuple(groups),
        members=np.array(members, np.intp),
        starts=np.cumsum([0, *lengths[:-1]], dtype=np.intp)[: len(lengths)],
        lengths=np.array(lengths, np.intp),
        sizes=np.array(sizes, np.float64),
    )


def _groups_of(weight: Weight, layout: Layout, per: str) -> list[str]:
    if per == "weight":
        return [weight.path]
    if per == "layer":
        return [weight.layer]
    if per == "model":
        return [layout.model]
    return [name for name in layout.blocks if f"{weight.layer}/".startswith(f"{name}/")]


def combine(values: Mapping[str, _Array], groups: Grouping) -> dict[str, _Array]:
    """The numbers of groups from those of their weights.

    What a quantity's name ends on says how: `norm` combines as the root of the sum of
    squares, `rms` and `std` as the root of the mean of squares by size, `max` and `min`
    as themselves, `share` and `mean` as the mean by size, `nonfinite` and `count` as
    the sum. `update_ratio` is the norm of the group's updates over the norm of its
    weights. Any other quantity has no known way to combine, and is left out of groups
    of several weights.

    A weight without a value (NaN) does not take part. But where it has a number in
    another quantity, so that it was measured, its gradient, update or value is itself
    no number, and then the group's is none either.

    Args:
        values: By quantity, an array whose last axis has an entry a weight.
        groups: From `grouping`.

    Returns:
        By quantity, an array whose last axis has an entry a group.

    Example:
        >>> from keras_inits.records import Weight
        >>> layout = Layout("m", (Weight("a/kernel", "a", "kernel", (2, 3)),
        ...                       Weight("a/bias", "a", "bias", (3,))))
        >>> of_weights = {"gradient_norm": np.array([3.0, 4.0])}
        >>> combine(of_weights, grouping(layout, "layer"))["gradient_norm"]
        array([5.])
    """
    if not values or len(groups.names) == len(groups.members):  # nothing to combine
        return {name: array[..., groups.members] for name, array in values.items()}
    present = [~np.isnan(array) for array in values.values()]
    measured = np.logical_or.reduce(np.broadcast_arrays(*present))
    combined = {}
    for name, array in values.items():
        if name == "update_ratio":
            continue
        rule = _RULES.get(name.rpartition("_")[2])
        if rule is None:
            continue  # said above: it has no known way to combine
        known = measured if name.startswith(_OF_THE_WEIGHT) else ~np.isnan(array)
        combined[name] = _apply(rule, array, known, groups)
    if "update_ratio" in values:
        _add_ratio(values, combined, groups)
    return combined


def _apply(rule: Any, array: _Array, known: NDArray[np.bool_], groups: Grouping) -> Any:
    entries = array[..., groups.members]
    taken = known[..., groups.members]
    with np.errstate(all="ignore"):
        result = rule(entries, taken, groups)
    some = np.logical_or.reduceat(taken, groups.starts, axis=-1)
    return np.where(some, result, np.nan)


def _sum(entries: _Array, taken: NDArray[np.bool_], groups: Grouping) -> Any:
    kept = np.where(taken, entries, 0.0)
    return np.add.reduceat(kept, groups.starts, axis=-1)


def _norm(entries: _Array, taken: NDArray[np.bool_], groups: Grouping) -> Any:
    """Scaled by the group's largest, as a square is 0 or inf long before a norm is."""
    kept = np.where(taken, entries, 0.0)
    plain = np.sqrt(np.add.reduceat(kept**2, groups.starts, axis=-1))
    if np.all((plain > 1e-100) & (plain < 1e100)):
        return plain
    largest = np.maximum.reduceat(np.abs(kept), groups.starts, axis=-1)
    scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    scaled = kept / np.repeat(scale, groups.lengths, axis=-1)
    return scale * np.sqrt(np.add.reduceat(scaled**2, groups.starts, axis=-1))


def _root_mean_square(
    entries: _Array, taken: NDArray[np.bool_], groups: Grouping
) -> Any:
    root = np.sqrt(groups.sizes)
    sizes = np.where(taken, root, 0.0)
    return _norm(entries * root, taken, groups) / _norm(sizes, taken, groups)


def _mean(entries: _Array, taken: NDArray[np.bool_], groups: Grouping) -> Any:
    sizes = np.where(taken, groups.sizes, 0.0)
    return _sum(entries * groups.sizes, taken, groups) / _sum(sizes, taken, groups)


def _max(entries: _Array, taken: NDArray[np.bool_], groups: Grouping) -> Any:
    kept = np.where(taken, entries, -np.inf)
    return np.maximum.reduceat(kept, groups.starts, axis=-1)


def _min(entries: _Array, taken: NDArray[np.bool_], groups: Grouping) -> Any:
    kept = np.where(taken, entries, np.inf)
    return np.minimum.reduceat(kept, groups.starts, axis=-1)


_RULES = {
    "norm": _norm,
    "rms": _root_mean_square,
    "std": _root_mean_square,
    "max": _max,
    "min": _min,
    "share": _mean,
    "mean": _mean,
    "nonfinite": _sum,
    "count": _sum,
}


def _add_ratio(
    values: Mapping[str, _Array], combined: dict[str, _Array], groups: Grouping
) -> None:
    if "weight_norm" not in values:
        return
    with np.errstate(all="ignore"):
        if "update_norm" in values:
            update = combined["update_norm"]
        else:
            products = values["update_ratio"] * values["weight_norm"]
            update = _apply(_norm, products, ~np.isnan(products), groups)
        weight = combined["weight_norm"]
        combined["update_ratio"] = np.where(weight > 0, update / weight, np.nan)


def totals(sample: Sample, model: Grouping) -> dict[str, float]:
    """The whole model's numbers at a step, as Keras's `logs` take them.

    Args:
        sample: The step.
        model: `grouping(layout, "model")`, made once a run.

    Returns:
        By quantity, as `"gradient_norm"`.

    Example:
        >>> from keras_inits.records import Weight
        >>> layout = Layout("m", (Weight("a/kernel", "a", "kernel", (2, 3)),
        ...                       Weight("b/kernel", "b", "kernel", (3, 1))))
        >>> sample = Sample(1, 0, 0.0, {"gradient_norm": np.array([3.0, 4.0])})
        >>> totals(sample, grouping(layout, "model"))
        {'gradient_norm': 5.0}
    """
    combined = combine(sample.values, model)
    return {name: float(array[0]) for name, array in combined.items()}
