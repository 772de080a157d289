"""Weight initialization for Keras 3, on TensorFlow, JAX and torch."""

import importlib
import sys
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"


def _runs_as_command() -> bool:
    """Whether this import is that of `keras-inits` or `python -m keras_inits`.

    The command reads its arguments before it loads Keras, which takes seconds.
    Everybody else gets all at once: Keras finds a class in a saved model only after the
    class was imported.
    """
    program = sys.argv[0] if sys.argv else ""
    return program == "-m" or PurePath(program).stem == "keras-inits"


if TYPE_CHECKING:
    from keras_inits import monitor
    from keras_inits.architecture import fans_of, forecast
    from keras_inits.data_driven import diagnose
    from keras_inits.monitor import NormMonitor

# What no saved model needs is loaded when first asked for: half of the time.
_ON_DEMAND = {
    "NormMonitor": "keras_inits.monitor",
    "diagnose": "keras_inits.data_driven",
    "fans_of": "keras_inits.architecture",
    "forecast": "keras_inits.architecture",
}

if TYPE_CHECKING or not _runs_as_command():
    from keras_inits import initializers, theory
    from keras_inits.initializers import *  # noqa: F403

    __all__ = [
        "__version__",
        "NormMonitor",
        "diagnose",
        "fans_of",
        "forecast",
        "initializers",
        "monitor",
        "theory",
        *initializers.__all__,
    ]


def __getattr__(name: str) -> Any:
    if name == "monitor":
        return importlib.import_module("keras_inits.monitor")
    if name in _ON_DEMAND:
        return getattr(importlib.import_module(_ON_DEMAND[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
