"""Moments on their way through a model: the formulas, and a rule for each layer.

`moments` and `axes` have the state and what fixed operations make of it, `mixing` what
a kernel does, `gaussians` what functions of Gaussians average to; all NumPy. `tape`
puts them in a row and goes back. The rest are rules by class of layer, in one table.
"""

from keras_inits.architecture.propagation import (
    attention,
    entries,
    kernels,
    merging,
    normalization,
    places,
    recurrence,
)
from keras_inits.architecture.propagation.moments import (
    Moments,
    independent,
    moments_of,
)
from keras_inits.architecture.propagation.notes import Reading
from keras_inits.architecture.propagation.operations import operate
from keras_inits.architecture.propagation.rules import RULES, Untreated, treat
from keras_inits.architecture.propagation.tape import Tape

__all__ = [
    "RULES",
    "Moments",
    "Reading",
    "Tape",
    "Untreated",
    "attention",
    "entries",
    "independent",
    "kernels",
    "merging",
    "moments_of",
    "normalization",
    "operate",
    "places",
    "recurrence",
    "treat",
]
