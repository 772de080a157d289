"""Where the monitor's numbers go: tables, JSON lines, TensorBoard, memory."""

from keras_inits.monitor.sinks.base import FileSink, Sink, SinkError
from keras_inits.monitor.sinks.history import History, Record
from keras_inits.monitor.sinks.jsonl import JSONLinesSink
from keras_inits.monitor.sinks.parquet import ParquetSink
from keras_inits.monitor.sinks.tables import CSVSink
from keras_inits.monitor.sinks.tensorboard import TensorBoardSink

__all__ = [
    "CSVSink",
    "FileSink",
    "History",
    "JSONLinesSink",
    "ParquetSink",
    "Record",
    "Sink",
    "SinkError",
    "TensorBoardSink",
]
