"""TensorBoard event files of runs, written without TensorFlow."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from keras_inits.records import Run
from keras_inits.report.extras import require

__all__ = ["write_events"]


def write_events(run: Run, folder: Path) -> Path:
    """Write a run's history as scalars: one event a measured step.

    The scalars are `cost`, `accuracy` (train), and for each layer
    `gradient_norm/<layer>` and `weight_norm/<layer>` (L2, kernels).

    The records go straight into the file: the `tensorboard` package's own event
    writer opens it through TensorFlow wherever that is installed, which takes
    seconds and means nothing to a user of JAX or torch.

    Args:
        run: The record.
        folder: Where to put the file; made if missing.

    Returns:
        The path of the event file.

    Raises:
        ImportError: If tensorboard is missing; the text names the extra.
    """
    records = require("tensorboard.summary.writer.record_writer")
    proto = require("tensorboard.compat.proto.event_pb2")
    now = time.time()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"events.out.tfevents.{int(now):010d}.keras_inits"
    with path.open("wb") as file:
        writer = records.RecordWriter(file)
        first = proto.Event(wall_time=now, file_version="brain.Event:2")
        writer.write(first.SerializeToString())
        for index, step in enumerate(run.history.step):
            event = proto.Event(wall_time=now, step=step)
            event.summary.MergeFrom(_summary(run, index))
            writer.write(event.SerializeToString())
        writer.flush()
    return path


def _summary(run: Run, index: int) -> Any:
    history = run.history
    scalars = {"cost": history.cost, "accuracy": history.accuracy}
    for layer, column in history.gradient_norm.items():
        scalars[f"gradient_norm/{layer}"] = column
    for layer, column in history.weight_norm.items():
        scalars[f"weight_norm/{layer}"] = column
    summary = require("tensorboard.compat.proto.summary_pb2").Summary()
    for tag, column in scalars.items():
        summary.value.add(tag=tag, simple_value=column[index])
    return summary
