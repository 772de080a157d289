"""What measuring leaves behind: plain frozen data, no Keras and no backend's tensors.

The rooms that measure write these records, reports read them and see nothing else, so
that a table or a figure can be made (and tested) without training anything.
"""

from keras_inits.records.diagnosis import Diagnosis, LayerReading
from keras_inits.records.experiment import (
    Comparison,
    History,
    LogitMap,
    Points,
    Run,
    Spread,
)
from keras_inits.records.findings import KINDS, SEVERITIES, Finding, Verdict
from keras_inits.records.monitoring import Layout, Sample, Weight

__all__ = [
    "KINDS",
    "SEVERITIES",
    "Comparison",
    "Diagnosis",
    "Finding",
    "History",
    "LayerReading",
    "Layout",
    "LogitMap",
    "Points",
    "Run",
    "Sample",
    "Spread",
    "Verdict",
    "Weight",
]
