"""Watching a training run: norms of every layer, where they go, and what is wrong."""

from keras_inits.monitor.callback import NormMonitor
from keras_inits.monitor.recorder import NormMonitorWarning, VerdictError
from keras_inits.monitor.schedules import (
    Both,
    Either,
    Epochs,
    Every,
    First,
    Logarithmic,
    Schedule,
    When,
)
from keras_inits.monitor.sinks import (
    CSVSink,
    FileSink,
    History,
    JSONLinesSink,
    ParquetSink,
    Record,
    Sink,
    SinkError,
    TensorBoardSink,
)

__all__ = [
    "Both",
    "CSVSink",
    "Either",
    "Epochs",
    "Every",
    "FileSink",
    "First",
    "History",
    "JSONLinesSink",
    "Logarithmic",
    "NormMonitor",
    "NormMonitorWarning",
    "ParquetSink",
    "Record",
    "Schedule",
    "Sink",
    "SinkError",
    "TensorBoardSink",
    "VerdictError",
    "When",
]
