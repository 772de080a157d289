"""TensorBoard's event files, written without TensorFlow."""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_inits.records import Run
from keras_inits.report.crc32c import masked_crc32c
from keras_inits.report.extras import require

__all__ = ["EventFile", "write_events"]

BUCKETS = 30  # of a histogram, as many as TensorBoard's own


class EventFile:
    """A new event file in a folder, which TensorBoard shows as one run.

    The records go straight into the file: the `tensorboard` package's own event writer
    opens it through TensorFlow wherever that is installed, which takes seconds and
    means nothing to a user of JAX or torch. They are held in memory until `flush`,
    which writes whole records. Steps count optimizer steps; a number becomes float32,
    the precision that TensorBoard has.

    Args:
        folder: Made if missing. Its name below TensorBoard's log directory is the
            run's name.

    Raises:
        ImportError: If tensorboard is missing; the text names the extra.
        OSError: If the folder can't be written.

    Example:
        >>> with EventFile(Path("logs") / "norms") as file:
        ...     file.scalars(1, {"gradient_norm/1 dense": 0.25})
        >>> file.path.parent.name
        'norms'
    """

    def __init__(self, folder: Path) -> None:
        self._protos = _Protos()
        now = time.time_ns()
        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads the files of a folder in the order of their names.
        stamp = f"{now // 10**9:010d}.{now % 10**9:09d}"
        self.path = folder / f"events.out.tfevents.{stamp}.keras_inits"
        self._held: list[bytes] = []
        self._file = self.path.open("xb", buffering=0)
        event = self._protos.event(wall_time=now / 1e9, file_version="brain.Event:2")
        self._hold(event)
        self.flush()

    def scalars(
        self, step: int, values: Mapping[str, float], seconds: float | None = None
    ) -> None:
        """Points of curves: by tag, of which the part before `/` names the group.

        Args:
            step: Their place on the horizontal axis.
            values: By tag.
            seconds: When, in Unix's seconds; now if None.
        """
        summary = self._protos.summary()
        for tag, value in values.items():
            summary.value.add(tag=tag, simple_value=value)
        self._add(step, summary, seconds)

    def histograms(
        self, step: int, arrays: Mapping[str, Any], seconds: float | None = None
    ) -> None:
        """Histograms of arrays' entries, by tag; what is not finite is left out."""
        summary = self._protos.summary()
        for tag, array in arrays.items():
            entries = np.asarray(array, np.float64).ravel()
            buckets = _buckets(entries[np.isfinite(entries)])
            tensor = self._protos.doubles(buckets)
            metadata = self._protos.metadata("histogram")
            summary.value.add(tag=tag, tensor=tensor, metadata=metadata)
        self._add(step, summary, seconds)

    def image(
        self, step: int, tag: str, png: bytes, seconds: float | None = None
    ) -> None:
        """A picture: a PNG file's content."""
        width, height = struct.unpack(">II", png[16:24])  # as a PNG's header has them
        parts = [str(width).encode(), str(height).encode(), png]
        self._add_texts("image", step, tag, parts, seconds, [len(parts)])

    def text(
        self, step: int, tag: str, markdown: str, seconds: float | None = None
    ) -> None:
        """A text, shown as Markdown."""
        self._add_texts("text", step, tag, [markdown.encode()], seconds)

    def charts(self, categories: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        """What the Custom Scalars tab shows: charts of several curves each.

        Args:
            categories: By a category's title, its charts; by a chart's title, regular
                expressions of the tags whose curves it shows.
        """
        layout = self._protos.layout(
            category=[
                {
                    "title": title,
                    "chart": [
                        {"title": name, "multiline": {"tag": list(tags)}}
                        for name, tags in charts.items()
                    ],
                }
                for title, charts in categories.items()
            ]
        )
        content = [layout.SerializeToString()]
        self._add_texts("custom_scalar", 0, "custom_scalars__config__", content)

    def hyperparameters(
        self,
        values: Mapping[str, Any],
        metrics: Sequence[str] = (),
        first: Sequence[str] = (),
    ) -> None:
        """What the HParams tab shows of this run, in a row that has the folder's name.

        Args:
            values: By name; what is no number, truth value or text is shown as text.
            metrics: Tags of the scalars to show beside them.
            first: Names of values to show before the others.
        """
        plain = {name: _plain(value) for name, value in values.items()}
        summary = self._protos.hyperparameters(plain, metrics, first, self._trial())
        self._add(0, summary)

    def _trial(self) -> str:
        """The folder, its end first: the tab cuts off what is long.

        Without a name, runs of equal values would be one row, of averages.
        """
        *above, parent, name = ("", "", *self.path.parent.parts)
        end = f"{parent}/{name}".removeprefix("/")
        start = str(Path(*above))
        return end if start == "." else f"{end} in {start}"

    def flush(self) -> None:
        """Hand over all records so far to the operating system."""
        data = memoryview(b"".join(self._held))
        self._held.clear()
        while data:  # a nearly full disk takes a part, and raises at the next
            data = data[self._file.write(data) :]

    def close(self) -> None:
        """Flush, and close the file."""
        if not self._file.closed:
            try:
                self.flush()
            finally:
                self._file.close()

    def __enter__(self) -> EventFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _add_texts(
        self,
        plugin: str,
        step: int,
        tag: str,
        texts: Sequence[bytes],
        seconds: float | None = None,
        shape: Sequence[int] = (),
    ) -> None:
        summary = self._protos.summary()
        tensor = self._protos.strings(texts, shape)
        metadata = self._protos.metadata(plugin)
        summary.value.add(tag=tag, tensor=tensor, metadata=metadata)
        self._add(step, summary, seconds)

    def _add(self, step: int, summary: Any, seconds: float | None = None) -> None:
        now = time.time() if seconds is None else seconds
        self._hold(self._protos.event(wall_time=now, step=step, summary=summary))

    def _hold(self, event: Any) -> None:
        """The TFRecord format: length, its checksum, the data, its checksum."""
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        checks = (struct.pack("<I", masked_crc32c(part)) for part in (length, data))
        self._held += [length, next(checks), data, next(checks)]


class _Protos:
    """The messages of which the `tensorboard` package has the types."""

    def __init__(self) -> None:
        proto = "tensorboard.compat.proto"
        self.event = require(f"{proto}.event_pb2").Event
        self.summary = require(f"{proto}.summary_pb2").Summary
        self._tensor = require(f"{proto}.tensor_pb2").TensorProto
        self._shape = require(f"{proto}.tensor_shape_pb2").TensorShapeProto
        self._types = require(f"{proto}.types_pb2")

    def strings(self, texts: Sequence[bytes], shape: Sequence[int]) -> Any:
        dimensions = self._shape(dim=[{"size": size} for size in shape])
        kind = self._types.DT_STRING
        return self._tensor(dtype=kind, tensor_shape=dimensions, string_val=texts)

    def doubles(self, array: Any) -> Any:
        dimensions = self._shape(dim=[{"size": size} for size in array.shape])
        data = array.astype("<f8").tobytes()
        kind = self._types.DT_DOUBLE
        return self._tensor(dtype=kind, tensor_shape=dimensions, tensor_content=data)

    def layout(self, **fields: Any) -> Any:
        module = require("tensorboard.plugins.custom_scalar.layout_pb2")
        return module.Layout(**fields)

    def metadata(self, plugin: str) -> Any:
        module = require(f"tensorboard.plugins.{plugin}.metadata")
        if plugin == "custom_scalar":
            return module.create_summary_metadata()
        return module.create_summary_metadata(display_name=None, description=None)

    def hyperparameters(
        self,
        values: Mapping[str, Any],
        metrics: Sequence[str],
        first: Sequence[str],
        trial: str,
    ) -> Any:
        v2 = require("tensorboard.plugins.hparams.summary_v2")
        api = require("tensorboard.plugins.hparams.api_pb2")
        data = require("tensorboard.plugins.hparams.plugin_data_pb2")
        metadata = require("tensorboard.plugins.hparams.metadata")
        kinds = {bool: api.DATA_TYPE_BOOL, str: api.DATA_TYPE_STRING}
        experiment = api.Experiment(
            hparam_infos=[
                {
                    "name": name,
                    "type": kinds.get(type(value), api.DATA_TYPE_FLOAT64),
                    # The tab shows five, those that differ before the others.
                    "differs": name in first,
                }
                for name, value in values.items()
            ],
            metric_infos=[{"name": {"tag": tag}} for tag in metrics],
        )
        content = data.HParamsPluginData(experiment=experiment)
        summary = self.summary()
        summary.value.add(
            tag=metadata.EXPERIMENT_TAG,
            tensor=metadata.NULL_TENSOR,
            metadata=metadata.create_summary_metadata(content),
        )
        summary.MergeFrom(v2.hparams_pb(dict(values), trial_id=trial))
        return summary


def _buckets(entries: Any) -> Any:
    """Rows of left edge, right edge and count."""
    if entries.size == 0:
        return np.zeros((BUCKETS, 3))
    low, high = entries.min(), entries.max()
    edges = np.linspace(low, high, BUCKETS + 1)
    if not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():  # no room between
        buckets = np.tile([low, high, 0.0], (BUCKETS, 1))
        buckets[-1, 2] = entries.size
        return buckets
    counts, _ = np.histogram(entries, edges)
    return np.stack([edges[:-1], edges[1:], counts], axis=1)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, bool | int | float | str) else str(value)


def write_events(run: Run, folder: Path) -> Path:
    """Write a run's history as scalars: one event a measured step.

    The scalars are `cost`, `accuracy` (train), and for each layer
    `gradient_norm/<layer>` and `weight_norm/<layer>` (L2, kernels).

    Args:
        run: The record.
        folder: Where to put the file; made if missing.

    Returns:
        The path of the event file.

    Raises:
        ImportError: If tensorboard is missing; the text names the extra.
    """
    history = run.history
    columns = {"cost": history.cost, "accuracy": history.accuracy}
    for quantity in ("gradient_norm", "weight_norm"):
        for layer, column in getattr(history, quantity).items():
            columns[f"{quantity}/{layer}"] = column
    with EventFile(folder) as file:
        for index, step in enumerate(history.step):
            file.scalars(step, {tag: each[index] for tag, each in columns.items()})
    return file.path
