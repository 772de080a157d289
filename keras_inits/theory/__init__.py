"""What mean-field theory says of activations and depth; NumPy and SciPy only."""

from keras_inits.theory.activations import activation, activation_names
from keras_inits.theory.criticality import (
    CriticalPoint,
    critical_line,
    edge_of_chaos,
    half_stable_point,
    is_homogeneous,
)
from keras_inits.theory.curves import Curve
from keras_inits.theory.depth_scales import DepthScale, chi_1, depth_scale
from keras_inits.theory.finite_width import LogNorm, log_norm, norm_kurtosis
from keras_inits.theory.fixed_points import FixedPoint, fixed_points, settled
from keras_inits.theory.gains import gain
from keras_inits.theory.gaussian import gaussian_expectation
from keras_inits.theory.jacobian import JacobianSpectrum, jacobian_spectrum
from keras_inits.theory.joint import joint_expectation
from keras_inits.theory.maps import (
    CorrelationMap,
    VarianceMap,
    correlation_map,
    iterates,
    variance_map,
)
from keras_inits.theory.propagation import (
    Activation,
    Dropout,
    Layer,
    Link,
    Normalization,
    Propagation,
    Residual,
    Signal,
    propagate,
)
from keras_inits.theory.shaping import tailored_slope

__all__ = [
    "Activation",
    "CorrelationMap",
    "CriticalPoint",
    "Curve",
    "DepthScale",
    "Dropout",
    "FixedPoint",
    "JacobianSpectrum",
    "Layer",
    "Link",
    "LogNorm",
    "Normalization",
    "Propagation",
    "Residual",
    "Signal",
    "VarianceMap",
    "activation",
    "activation_names",
    "chi_1",
    "correlation_map",
    "critical_line",
    "depth_scale",
    "edge_of_chaos",
    "fixed_points",
    "gain",
    "gaussian_expectation",
    "half_stable_point",
    "is_homogeneous",
    "iterates",
    "jacobian_spectrum",
    "joint_expectation",
    "log_norm",
    "norm_kurtosis",
    "propagate",
    "settled",
    "tailored_slope",
    "variance_map",
]
