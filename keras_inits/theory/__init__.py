"""What mean-field theory says of activations and depth; NumPy and SciPy only."""

from keras_inits.theory.activations import activation, activation_names
from keras_inits.theory.gains import gain
from keras_inits.theory.gaussian import gaussian_expectation

__all__ = ["activation", "activation_names", "gain", "gaussian_expectation"]
