"""Schemes that see no more than the shape of a weight, as Keras initializers."""

from keras_inits.initializers.base import (
    Initializer,
    MapInitializer,
    RandomInitializer,
)
from keras_inits.initializers.biases import LogPrior, PriorProbability
from keras_inits.initializers.blockwise import Blockwise
from keras_inits.initializers.constants import Constant, Identity, Ones, Zeros
from keras_inits.initializers.conv_orthogonal import ConvOrthogonal, DeltaOrthogonal
from keras_inits.initializers.critical import Critical, critical_variances
from keras_inits.initializers.depth import (
    DepthScaled,
    LayerScale,
    ReZero,
    SkipInit,
    deepnorm_alpha,
    deepnorm_beta,
    fixup_gain,
    gpt2_gain,
    t_fixup_gain,
)
from keras_inits.initializers.distributions import (
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
)
from keras_inits.initializers.fans import Fans, compute_fans
from keras_inits.initializers.filters import ConvolutionAware, Gabor
from keras_inits.initializers.identity import Dirac, ZerO
from keras_inits.initializers.implicit import FourierFeatures, Siren
from keras_inits.initializers.looks_linear import LooksLinear
from keras_inits.initializers.orthogonal import Orthogonal
from keras_inits.initializers.peers import TorchDefault, peer_default
from keras_inits.initializers.recurrent import ChronoBias, EchoState, UnitForgetBias
from keras_inits.initializers.sparse import Sparse
from keras_inits.initializers.state_space import S4D, HippoLegS, LogUniform, LRURing
from keras_inits.initializers.stft import STFT
from keras_inits.initializers.upsampling import ICNR, Bilinear
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
from keras_inits.initializers.wrappers import (
    Normalized,
    Scaled,
    SpectralNormalized,
    Transposed,
)

__all__ = [
    "ICNR",
    "S4D",
    "STFT",
    "Bilinear",
    "Blockwise",
    "ChronoBias",
    "Constant",
    "ConvOrthogonal",
    "ConvolutionAware",
    "Critical",
    "DeltaOrthogonal",
    "DepthScaled",
    "Dirac",
    "EchoState",
    "Fans",
    "FourierFeatures",
    "Gabor",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "HippoLegS",
    "Identity",
    "Initializer",
    "KaimingNormal",
    "KaimingUniform",
    "LRURing",
    "LayerScale",
    "LecunNormal",
    "LecunUniform",
    "LogPrior",
    "LogUniform",
    "LooksLinear",
    "MapInitializer",
    "Normalized",
    "Ones",
    "Orthogonal",
    "PriorProbability",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "ReZero",
    "Scaled",
    "Siren",
    "SkipInit",
    "Sparse",
    "SpectralNormalized",
    "TorchDefault",
    "Transposed",
    "TruncatedNormal",
    "UnitForgetBias",
    "VarianceScaling",
    "XavierNormal",
    "XavierUniform",
    "ZerO",
    "Zeros",
    "compute_fans",
    "critical_variances",
    "deepnorm_alpha",
    "deepnorm_beta",
    "fixup_gain",
    "gpt2_gain",
    "peer_default",
    "t_fixup_gain",
]
