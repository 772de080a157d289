"""Weight initialization for Keras 3, on TensorFlow, JAX and torch."""

from keras_inits import initializers, theory
from keras_inits.architecture import fans_of
from keras_inits.initializers import *  # noqa: F403

__version__ = "0.1.0"

__all__ = ["__version__", "fans_of", "initializers", "theory", *initializers.__all__]
