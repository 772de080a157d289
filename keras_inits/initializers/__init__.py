"""Schemes that see no more than the shape of a weight, as Keras initializers."""

from keras_inits.initializers.base import (
    Initializer,
    MapInitializer,
    RandomInitializer,
)
from keras_inits.initializers.constants import Constant, Identity, Ones, Zeros
from keras_inits.initializers.distributions import (
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
)
from keras_inits.initializers.fans import Fans, compute_fans
from keras_inits.initializers.orthogonal import Orthogonal
from keras_inits.initializers.variance_scaling import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    KaimingNormal,
    KaimingUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
    XavierNormal,
    XavierUniform,
)

__all__ = [
    "Constant",
    "Fans",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "KaimingNormal",
    "KaimingUniform",
    "LecunNormal",
    "LecunUniform",
    "MapInitializer",
    "Ones",
    "Orthogonal",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "XavierNormal",
    "XavierUniform",
    "Zeros",
    "compute_fans",
]
