"""The history of a run in memory: bounded, as records, as arrays, as a data frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from keras_inits.monitor.aggregate import combine, grouping
from keras_inits.monitor.sinks.base import Sink
from keras_inits.monitor.sinks.thinning import EvenlyThinned
from keras_inits.records import Layout, Sample, Verdict, Weight
from keras_inits.report.extras import require

__all__ = ["History", "Record"]

_FIELDS = ("step", "epoch", "time", "overflow", "applied", "loss_scale", "loss")


class Record(Mapping[str, Any]):
    """The numbers of one weight at one step, by attribute and by item.

    It has `step`, `path`, `layer`, `role`, `epoch`, `time`, `overflow`, `applied`,
    `loss_scale`, `loss`, and every quantity that was measured at that step, as
    `gradient_norm`. `dict(record)` is a plain dict of them.
    """

    __slots__ = ("_index", "_sample", "_weight")

    def __init__(self, sample: Sample, weight: Weight, index: int) -> None:
        self._sample = sample
        self._weight = weight
        self._index = index

    def __getitem__(self, name: str) -> Any:
        if name in self._sample.values:
            return float(self._sample.values[name][self._index])
        if name in _FIELDS:
            return getattr(self._sample, name)
        if name in ("path", "layer", "role"):
            return getattr(self._weight, name)
        raise KeyError(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                f"A record has no {name!r}. Received: step={self.step}, "
                f"path={self.path!r}. It has {', '.join(self)}."
            ) from None

    def __iter__(self) -> Iterator[str]:
        yield from ("step", "path", "layer", "role", *_FIELDS[1:])
        yield from self._sample.values

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        names = ("step", "path", *self._sample.values)
        return f"Record({', '.join(f'{name}={self[name]!r}' for name in names)})"


class History(Sink, Sequence[Record]):
    """What was measured, in memory: a sequence of records, a weight and step each.

    It is bounded: of a long run it keeps the first sample, the latest quarter of
    `capacity`, and an even choice of those between. A number takes 8 bytes, so that
    1000 steps of 400 weights and 5 quantities take 16 MB, however long the run.

    Args:
        capacity: How many steps to keep, at least 8.

    Example:
        >>> history = History()
        >>> history.open(Layout("m", (Weight("a/kernel", "a", "kernel", (2, 3)),
        ...                           Weight("b/kernel", "b", "kernel", (3, 1)))))
        >>> for step in (1, 2):
        ...     norms = np.array([0.5, 0.25]) / step
        ...     history.write(Sample(step, 0, 0.0, {"gradient_norm": norms}))
        >>> history[-1].path, history[-1].gradient_norm
        ('b/kernel', 0.125)
        >>> [record["step"] for record in history]
        [1, 1, 2, 2]
        >>> history.to_arrays()["gradient_norm"]
        array([[0.5  , 0.25 ],
               [0.25 , 0.125]])
    """

    def __init__(self, capacity: int = 1000) -> None:
        if isinstance(capacity, bool) or not isinstance(capacity, int) or capacity < 8:
            raise ValueError(
                "`capacity` must be a whole number of steps, at least 8. Received: "
                f"capacity={capacity!r}."
            )
        self.capacity = capacity
        self.layout: Layout | None = None
        self.verdicts: list[Verdict] = []
        self._kept: EvenlyThinned[Sample] = EvenlyThinned(capacity)
        self._outputs: EvenlyThinned[tuple[int, Mapping[str, Any]]]
        self._outputs = EvenlyThinned(capacity)

    def open(self, layout: Layout) -> None:
        """Go on, where the weights are the same as before.

        Raises:
            ValueError: If it holds numbers of other weights.
        """
        if self._kept and self.layout and layout.weights != self.layout.weights:
            raise ValueError(
                "This history holds another model's numbers. Received: a layout of "
                f"{layout.model!r} with {len(layout.weights)} weights, after one of "
                f"{self.layout.model!r} with {len(self.layout.weights)}. Use a new "
                "History, or call `clear()`."
            )
        self.layout = layout

    def write(self, sample: Sample) -> None:
        """Take the numbers of one step; the arrays are copied."""
        # One array for all: a view would keep alive whatever it is a view of.
        copied = np.array([*sample.values.values()], np.float64)
        values = dict(zip(sample.values, copied, strict=True))
        self._kept.append(Sample(**{**vars(sample), "values": values}))

    def write_verdict(self, verdict: Verdict) -> None:
        """Take what was found to be wrong."""
        self.verdicts.append(verdict)

    def write_outputs(
        self, step: int, outputs: Mapping[str, Mapping[str, float]]
    ) -> None:
        """Take what the layers put out on the held batch."""
        self._outputs.append((step, outputs))

    def clear(self) -> None:
        """Forget all."""
        self._outputs.clear()
        self._kept.clear()
        self.verdicts.clear()

    @property
    def samples(self) -> tuple[Sample, ...]:
        """What is kept, oldest first: a sample a step."""
        return tuple(self._kept)

    @property
    def outputs(self) -> tuple[tuple[int, Mapping[str, Any]], ...]:
        """What the layers put out on the held batch: the step, and numbers by layer."""
        return tuple(self._outputs)

    @property
    def _weights(self) -> tuple[Weight, ...]:
        return self.layout.weights if self.layout else ()

    def __len__(self) -> int:
        return len(self._kept) * len(self._weights)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return list(self)[index]
        number = range(len(self))[index]
        sample, weight = divmod(number, len(self._weights))
        return Record(self.samples[sample], self._weights[weight], weight)

    def __iter__(self) -> Iterator[Record]:
        for sample in self.samples:
            for index, weight in enumerate(self._weights):
                yield Record(sample, weight, index)

    def __repr__(self) -> str:
        kept, weights = len(self._kept), len(self._weights)
        return f"<History of {kept} steps and {weights} weights>"

    def to_arrays(self, per: str = "weight") -> dict[str, NDArray[Any]]:
        """Everything as arrays, a row a step and a column a weight or a group of them.

        Args:
            per: `"weight"`, `"layer"`, `"block"` or `"model"`.

        Returns:
            `step`, `epoch`, `time`, `overflow`, `applied`, `loss_scale` and `loss`
            with an entry a step; `path` with an entry a column; and each quantity as
            [steps, columns] in float64, NaN where there is no number.
        """
        samples = self.samples
        if self.layout is None:
            return {"path": np.array([], str)} | _fields(samples)
        groups = grouping(self.layout, per)
        quantities = dict.fromkeys(name for each in samples for name in each.values)
        absent = np.full(len(self._weights), np.nan)
        values = {
            name: np.array([each.values.get(name, absent) for each in samples])
            for name in quantities
        }
        return {
            **_fields(samples),
            "path": np.array(groups.names, str),
            **combine(values, groups),
        }

    def to_dataframe(self, per: str = "weight") -> Any:
        """A pandas data frame: a row a step and weight, a column a quantity.

        Args:
            per: `"weight"`, `"layer"`, `"block"` or `"model"`.

        Raises:
            ImportError: If pandas is missing; `to_arrays` needs nothing.
        """
        try:
            pandas = require("pandas")
        except ImportError as error:
            raise ImportError(
                "A data frame needs pandas, which is not installed. Install it: pip "
                "install pandas. Or use `to_arrays()`, which needs nothing."
            ) from error
        arrays = self.to_arrays(per)
        paths = arrays.pop("path")
        columns: dict[str, Any] = {
            "step": np.repeat(arrays.pop("step"), len(paths)),
            "path": np.tile(paths, len(self._kept)),
        }
        for name, array in arrays.items():
            flat = np.repeat(array, len(paths)) if array.ndim == 1 else array.ravel()
            columns[name] = flat
        return pandas.DataFrame(columns)


def _fields(samples: Sequence[Sample]) -> dict[str, NDArray[Any]]:
    kinds = (np.int64, np.int64, np.float64, np.bool_, np.bool_, np.float64, np.float64)
    return {
        name: np.array([getattr(each, name) for each in samples], kind)
        for name, kind in zip(_FIELDS, kinds, strict=True)
    }
