"""The table of the contract: a scheme joins all its tests with one row.

The laws are written from the papers' formulas, for fans that the tests count by hand.
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from scipy import stats

import keras_inits as ki

# More than a vector, less than a block of the stream.
GOLDEN_SHAPE = (64, 48)
SIZES_BY_RANK = ((), (48,), (7, 48), (3, 5, 48), (2, 3, 4, 48), (2, 3, 2, 2, 48))
DTYPES = ("float32", "bfloat16", "float16", "float64")
CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D")
# The outputs of their kernels are multiples of four.
UNSPLIT = ("Dense", *CONVOLUTIONS, "LSTM", "GRU", "Bidirectional")
LAYERS = (*UNSPLIT, "EinsumDense", "MultiHeadAttention")


def of_ranks(*ranks):
    """The golden shape, and one of each of the ranks."""
    return GOLDEN_SHAPE, *(SIZES_BY_RANK[rank] for rank in ranks)


ANY_RANK = of_ranks(*range(6))
VECTORS = of_ranks(*range(1, 6))
MATRICES = of_ranks(*range(2, 6))
KERNELS = ((3, 2, 8, 12), *(SIZES_BY_RANK[rank] for rank in (3, 4, 5)))
SQUARES = ((48, 48), (5, 5))


@dataclass(frozen=True)
class Row:
    """A scheme with one choice of arguments.

    Attributes:
        name: of the row.
        scheme: the class.
        arguments: what it is made with, but for the seed and what it wraps.
        law: from fan_in and fan_out, the SciPy law of each value; None where the values
            depend on each other or on no chance.
        golden: what seed 1 gives for the first of `shapes`: a digest for each of
            `DTYPES`, or, where the last bits depend on the machine, the first four
            values that are not small.
        shapes: some that it is defined on; it refuses the ranks that are not among
            them.
        empty: shapes without a value that it is defined on; unless given, `shapes` with
            any one axis, or all, of size 0.
        layers: those whose kernels it fits.
        random: whether its values are drawn.
        wraps: from `seed=`, the initializer that it is made of and that holds the seed.
    """

    name: str
    scheme: Callable[..., Any]
    arguments: dict[str, Any]
    law: Callable[[int, int], Any] | None = None
    golden: str | tuple[float, ...] = ""
    shapes: tuple[tuple[int, ...], ...] = ANY_RANK
    empty: tuple[tuple[int, ...], ...] | None = None
    layers: tuple[str, ...] = LAYERS
    random: bool = True
    wraps: Callable[..., Any] | None = None

    @property
    def shape(self):
        return self.shapes[0]

    @property
    def empty_shapes(self):
        if self.empty is not None:
            return self.empty
        with_axes = [shape for shape in self.shapes if shape]
        some = {
            (*shape[:axis], 0, *shape[axis + 1 :])
            for shape in with_axes
            for axis in range(len(shape))
        }
        return tuple(sorted(some | {(0,) * len(shape) for shape in with_axes}))

    @property
    def is_plain(self):
        """Whether it is made without any argument but the seed."""
        return not self.arguments and self.wraps is None

    @property
    def has_digests(self):
        return isinstance(self.golden, str)

    def make(self, seed=None, **changes):
        arguments = {**self.arguments, **changes}
        if self.wraps is not None:
            arguments["initializer"] = self.wraps(seed=seed)
        elif "seed" in inspect.signature(self.scheme).parameters:
            arguments["seed"] = seed
        return self.scheme(**arguments)

    def __str__(self):
        return self.name


def normal(variance):
    return stats.norm(0, math.sqrt(variance))


def uniform(variance):
    limit = math.sqrt(3 * variance)
    return stats.uniform(-limit, 2 * limit)


def truncated(variance):
    stddev = math.sqrt(variance) / stats.truncnorm.std(-2, 2)
    return stats.truncnorm(-2, 2, scale=stddev)


class _Ring(stats.rv_continuous):
    """nu_log of an LRU: exp(-2 exp(nu_log)) is from U(low^2, high^2)."""

    def _cdf(self, x, low, high):
        return (high**2 - np.exp(-2 * np.exp(x))) / (high**2 - low**2)

    def _pdf(self, x, low, high):
        return 2 * np.exp(x - 2 * np.exp(x)) / (high**2 - low**2)

    def _ppf(self, q, low, high):
        return np.log(-0.5 * np.log(high**2 - q * (high**2 - low**2)))

    def _get_support(self, low, high):
        return np.log(-np.log(high)), np.log(-np.log(low))


def ring(low, high):
    return _Ring(name="ring")(low, high)


def leaky(x):
    """An activation that Keras has no name for."""
    return np.where(x > 0, x, 0.1 * x)


ROWS = [
    Row(
        "Zeros",
        ki.Zeros,
        {},
        random=False,
        golden="f3cc103136423a57 fd9243e1ba57263e fd9243e1ba57263e de676bae28a48001",
    ),
    Row(
        "Ones",
        ki.Ones,
        {},
        random=False,
        golden="83343ed0f6123c1b 468bce82de828a0a 84b582bfea8a3dde 9ba8b31b96aea813",
    ),
    Row(
        "Constant",
        ki.Constant,
        {"value": 0.3},
        random=False,
        golden="fe2aa61ceacca4e3 b4e5c92cc568cf7b 843c5b93b726e0a7 8698c0bda72181b0",
    ),
    Row(
        "Constant of an array",
        ki.Constant,
        {"value": np.linspace(-1, 1, 48)},
        shapes=VECTORS,
        empty=((0, 48), (3, 0, 48)),
        layers=(),
        random=False,
        golden="311adc7eb862f76a 412b0da1c8cc6392 933e6ef963fcf906 fb6a863df95dbc61",
    ),
    Row(
        "Identity",
        ki.Identity,
        {},
        shapes=of_ranks(2),
        layers=(),
        random=False,
        golden="a1609e5b647bc195 02f6c7ee785a49af 201d01288d7588be ad8e506ecc5a1ddb",
    ),
    Row(
        "Identity with gain",
        ki.Identity,
        {"gain": 0.3},
        shapes=of_ranks(2),
        layers=(),
        random=False,
        golden="35642e4b2bd5d1c8 4faacf3618ba1cb1 eb9c9f2bbf4fe5a6 5b9f17407367082e",
    ),
    Row(
        "RandomNormal",
        ki.RandomNormal,
        {},
        lambda fan_in, fan_out: stats.norm(0, 0.05),
        golden="72768bf300509464 9137358c3460152b d95aba7711fc5629 00d16890d5429214",
    ),
    Row(
        "RandomNormal with mean",
        ki.RandomNormal,
        {"mean": -1.5, "stddev": 0.7},
        lambda fan_in, fan_out: stats.norm(-1.5, 0.7),
        golden="ca6ffd3ed2981f89 1ad1e5e63eb7f2c7 8755b2d0f5d2f626 1720f4ba50519b69",
    ),
    Row(
        "RandomUniform",
        ki.RandomUniform,
        {},
        lambda fan_in, fan_out: stats.uniform(-0.05, 0.1),
        golden="d56f6e3714afc63c 536ccd6798a9f1a1 2bb1448399092514 e80f2acf9aae5ec5",
    ),
    Row(
        "RandomUniform off centre",
        ki.RandomUniform,
        {"minval": 1, "maxval": 4},
        lambda fan_in, fan_out: stats.uniform(1, 3),
        golden="2b55f0f83ca40d6e 996c196e364d3bf3 960521a816feade8 1730c52db7a5bda1",
    ),
    Row(
        "TruncatedNormal",
        ki.TruncatedNormal,
        {},
        lambda fan_in, fan_out: stats.truncnorm(-2, 2, scale=0.05),
        golden="12ae66b373cfe0f9 3a1eeb8316a92ae2 bf73afc1a402b0fd 0a983c715411878b",
    ),
    Row(
        "TruncatedNormal of a result",
        ki.TruncatedNormal,
        {"stddev": 0.02, "stddev_of": "result"},
        lambda fan_in, fan_out: truncated(0.02**2),
        golden="babb17aed72f966a 0d45e6dbd450ccd7 273231e162c201db a091923258b19d50",
    ),
    Row(
        "TruncatedNormal at one side",
        ki.TruncatedNormal,
        {"mean": 0.5, "stddev": 2, "low": -0.5, "high": math.inf},
        lambda fan_in, fan_out: stats.truncnorm(-0.5, math.inf, 0.5, 2),
        golden="4bd990240f05eabf d09388e3cc7e518c 5e258c0da757db36 8add58c6d051cd00",
    ),
    Row(
        "TruncatedNormal in a tail",
        ki.TruncatedNormal,
        {"stddev": 1.0, "low": 5, "high": 6},
        lambda fan_in, fan_out: stats.truncnorm(5, 6),
        golden=(5.067162, 5.185851, 5.247399, 5.286532),
    ),
    Row(
        "TruncatedNormal in the other tail",
        ki.TruncatedNormal,
        {"stddev": 1.0, "low": -math.inf, "high": -3, "stddev_of": "result"},
        lambda fan_in, fan_out: stats.truncnorm(
            -math.inf, -3, scale=1 / stats.truncnorm.std(-math.inf, -3)
        ),
        golden=(-11.691553, -12.380465, -12.731963, -12.953823),
    ),
    Row(
        "VarianceScaling",
        ki.VarianceScaling,
        {},
        lambda fan_in, fan_out: truncated(1 / fan_in),
        golden="aca6631318306131 cb86567d67d91bb1 c35383f6e14195c1 343a26ba269bdcbd",
    ),
    Row(
        "VarianceScaling normal",
        ki.VarianceScaling,
        {"scale": 3, "mode": "fan_out", "distribution": "normal"},
        lambda fan_in, fan_out: normal(3 / fan_out),
        golden="96df4a8cd51fc8a0 3278f778945e08f5 cf6d7604cff03ecc 27dc5daf40968875",
    ),
    Row(
        "VarianceScaling untruncated by fan_geo_avg",
        ki.VarianceScaling,
        {"mode": "fan_geo_avg", "distribution": "untruncated_normal"},
        lambda fan_in, fan_out: normal(1 / math.sqrt(fan_in * fan_out)),
        golden="aae2af7ab53b7cb8 774de2fbd4f02bf5 ca01ed6538f7201d 71d35486af1f5601",
    ),
    Row(
        "VarianceScaling uniform by fan_avg",
        ki.VarianceScaling,
        {"scale": 0.5, "mode": "fan_avg", "distribution": "uniform"},
        lambda fan_in, fan_out: uniform(0.5 / ((fan_in + fan_out) / 2)),
        golden="ece98777160e49e2 915318d149828420 1ffe705befe2837e e3e2015b2c4d88e7",
    ),
    Row(
        "VarianceScaling with gain",
        ki.VarianceScaling,
        {"gain": 1.5, "distribution": "uniform"},
        lambda fan_in, fan_out: uniform(1.5**2 / fan_in),
        golden="3dcb285d57c67c65 374e764ff34ec88d 1f21c717d1ca13eb dc74b75dce5ef44f",
    ),
    Row(
        "VarianceScaling with gain by name",
        ki.VarianceScaling,
        {"gain": "tanh"},
        lambda fan_in, fan_out: truncated(1 / 0.394294 / fan_in),
        golden="d0e6b1a7b5b860b8 e70d3beb0b057ead afb0819fed2d03fd 43a5fed03e153e89",
    ),
    Row(
        "VarianceScaling with gain by function",
        ki.VarianceScaling,
        {"gain": leaky, "distribution": "normal"},
        lambda fan_in, fan_out: normal(2 / (1 + 0.1**2) / fan_in),
        golden="d7f614407380dd54 0c0381c430ef448a e01fd70fbe84f516 db79c595f9cb7da1",
    ),
    Row(
        "VarianceScaling with gain by Keras's function",
        ki.VarianceScaling,
        {"gain": keras.activations.relu},
        lambda fan_in, fan_out: truncated(2 / fan_in),
        golden="bcbbe0156acb50f2 883097aff3f24fd4 5e0ff1182ffe102b f489544b896437c7",
    ),
    Row(
        "GlorotNormal",
        ki.GlorotNormal,
        {},
        lambda fan_in, fan_out: normal(2 / (fan_in + fan_out)),
        golden="a180e4641d445000 dca417bfeefb5b19 c19bfe6bc4554ea0 8c699570309a06b4",
    ),
    Row(
        "GlorotNormal truncated",
        ki.GlorotNormal,
        {"truncated": True},
        lambda fan_in, fan_out: truncated(2 / (fan_in + fan_out)),
        golden="51525f4990917c52 72f9e1c93547a1c6 0584d517b0a89213 3c520e5788d555de",
    ),
    Row(
        "GlorotUniform",
        ki.GlorotUniform,
        {},
        lambda fan_in, fan_out: uniform(2 / (fan_in + fan_out)),
        golden="e026c1b9aafd853e 3f7a9e01fbe8dec2 a000f63d85845c14 cca81b4e047358ca",
    ),
    Row(
        "HeNormal",
        ki.HeNormal,
        {},
        lambda fan_in, fan_out: normal(2 / fan_in),
        golden="17c9edeceb73ceed 5951b1d3db8e24c5 4d5be1ed0cec7c1b 7e08a95057ca35e1",
    ),
    Row(
        "HeNormal truncated",
        ki.HeNormal,
        {"truncated": True},
        lambda fan_in, fan_out: truncated(2 / fan_in),
        golden="d5fe4c930d8d08c7 65eef21cf0560f67 69b8f5b0100fefb5 ae89e4ceedac38b7",
    ),
    Row(
        "HeNormal with slope",
        ki.HeNormal,
        {"negative_slope": 0.5},
        lambda fan_in, fan_out: normal(2 / (1 + 0.5**2) / fan_in),
        golden="76b7edbb617d0272 063305f13afc8c63 8802cc66724ba992 de0b66a0472c6f72",
    ),
    Row(
        "HeUniform",
        ki.HeUniform,
        {},
        lambda fan_in, fan_out: uniform(2 / fan_in),
        golden="afc9ca0c538e7e9b a9c5453dc6ebb626 7288303c7a182680 2edd05d9a20bbdb5",
    ),
    Row(
        "HeUniform with slope",
        ki.HeUniform,
        {"negative_slope": -0.2},
        lambda fan_in, fan_out: uniform(2 / (1 + 0.2**2) / fan_in),
        golden="e44223aab5f4b4e8 0d7a801d7143c5c8 5b3b076700c7cc1c 0003db9167d7a40a",
    ),
    Row(
        "LecunNormal",
        ki.LecunNormal,
        {},
        lambda fan_in, fan_out: normal(1 / fan_in),
        golden="17144099c9fe111d 08db2a181c0489ae 11eab2a1d087d8e5 3d4f16a7cf9bcff5",
    ),
    Row(
        "LecunNormal truncated",
        ki.LecunNormal,
        {"truncated": True},
        lambda fan_in, fan_out: truncated(1 / fan_in),
        golden="7fe5a419bba30930 603834d4422bcc3d 12d8979750f7856e 9324220c4fd6492b",
    ),
    Row(
        "LecunUniform",
        ki.LecunUniform,
        {},
        lambda fan_in, fan_out: uniform(1 / fan_in),
        golden="386846ecacb6f5e5 e27ca1b8b45b08f5 308b9c101c6324d7 d54d61cada961cad",
    ),
    Row(
        "GlorotNormal with fans",
        ki.GlorotNormal,
        {"fans": ki.Fans([-2], [-1], window=True, output_blocks=4)},
        lambda fan_in, fan_out: normal(2 / (fan_in + fan_out / 4)),
        shapes=MATRICES,
        golden="58b406ba15285bf8 4b45ee4acd763e81 810642263ec715c1 c4f8ca4d1dec043c",
    ),
    Row(
        "Orthogonal",
        ki.Orthogonal,
        {},
        shapes=MATRICES,
        golden=(-0.128312, 0.116093, -0.233046, 0.001062),
    ),
    Row(
        "Orthogonal with gain",
        ki.Orthogonal,
        {"gain": "relu"},
        shapes=MATRICES,
        golden=(-0.181461, 0.16418, -0.329577, 0.001502),
    ),
    Row(
        "DeltaOrthogonal",
        ki.DeltaOrthogonal,
        {},
        shapes=KERNELS,
        layers=CONVOLUTIONS,
        golden=(-0.3161384, 0.09389097, -0.1390253, 0.2249286),
    ),
    Row(
        "DeltaOrthogonal with gain",
        ki.DeltaOrthogonal,
        {"gain": "relu"},
        shapes=KERNELS,
        layers=CONVOLUTIONS,
        golden=(-0.4470872, 0.1327819, -0.1966115, 0.3180971),
    ),
    Row(
        "DeltaOrthogonal scaled",
        ki.DeltaOrthogonal,
        {"scaled": True},
        shapes=KERNELS,
        layers=CONVOLUTIONS,
        golden=(-0.3871889, 0.1149925, -0.1702705, 0.2754802),
    ),
    Row(
        "ConvOrthogonal",
        ki.ConvOrthogonal,
        {},
        shapes=KERNELS,
        layers=CONVOLUTIONS,
        golden=(0.2826868, 0.3876309, 0.006231266, 0.01675471),
    ),
    Row(
        "Dirac",
        ki.Dirac,
        {},
        shapes=KERNELS,
        layers=CONVOLUTIONS,
        random=False,
        golden="c82498435ae89b74 0e484153ef2ef84c 2dc7cef434c03d8d 1415edc7d9499351",
    ),
    Row(
        "Dirac of groups",
        ki.Dirac,
        {"groups": 2},
        shapes=KERNELS,
        layers=CONVOLUTIONS,
        random=False,
        golden="2ec83165b8c1bf45 665a91ead1f9122d 431c034d94622bb6 1f1c122531966923",
    ),
    Row(
        "Dirac transposed",
        ki.Dirac,
        {"transposed": True},
        shapes=KERNELS,
        layers=CONVOLUTIONS,
        random=False,
        golden="c82498435ae89b74 0e484153ef2ef84c 2dc7cef434c03d8d 1415edc7d9499351",
    ),
    Row(
        "Dirac with gain",
        ki.Dirac,
        {"gain": 0.3},
        shapes=KERNELS,
        layers=CONVOLUTIONS,
        random=False,
        golden="33ce22aae9a88079 36fbb9db17db8414 d69ee3406a9d72ee 5bf83dd2009abdab",
    ),
    Row(
        "Dirac depthwise",
        ki.Dirac,
        {"depthwise": True},
        shapes=KERNELS,
        layers=CONVOLUTIONS,
        random=False,
        golden="4619474149536ad3 2c50170a7d609d8e 1676879902ab671e 8556c20065b28d2c",
    ),
    Row(
        "ZerO",
        ki.ZerO,
        {},
        shapes=((48, 64), *MATRICES),
        random=False,
        golden="89e5de74fb206c9d 5c70de6625e34c99 03b7071396667a93 95683e00d7e800cc",
    ),
    Row(
        "ZerO orthonormal",
        ki.ZerO,
        {"orthonormal": True},
        shapes=((48, 64), *MATRICES),
        random=False,
        golden="9475aaa24791d61a cda9afbd94195bbd 6a47d4e7cf6dc042 aec40e4ed9d29f60",
    ),
    Row(
        "LooksLinear",
        ki.LooksLinear,
        {"mirror": "outputs"},
        shapes=MATRICES,
        layers=UNSPLIT,
        wraps=ki.RandomNormal,
        golden="5b2f460483809752 0b5d06e3c5573764 b15652fb6d411fac b77010e7603fa565",
    ),
    Row(
        "LooksLinear on both sides",
        ki.LooksLinear,
        {},
        shapes=((64, 48), (3, 8, 48), (2, 3, 4, 48), (2, 3, 2, 2, 48)),
        layers=(),
        wraps=ki.Orthogonal,
        golden=(-0.2685481, 0.1230754, 0.1703261, 0.09939584),
    ),
    Row(
        "Sparse",
        ki.Sparse,
        {},
        shapes=MATRICES,
        golden="f50de0382395ba2d 48656d56c61180fd 1c73e76273d991a4 c67aeb2b902653a9",
    ),
    Row(
        "Sparse of three",
        ki.Sparse,
        {"nonzeros": 3, "stddev": 0.3},
        shapes=MATRICES,
        golden="ee9e2f992fa3a978 5d1731faa15b6aaf d15acfd6971aa88c d0e829c027e86d20",
    ),
    Row(
        "ICNR",
        ki.ICNR,
        {},
        shapes=KERNELS,
        layers=("Conv1D", "Conv2D"),
        wraps=ki.HeNormal,
        golden="8a0f3ff472bfbe53 6369937e4f6e8dd6 f78b478f19486382 56cf2b08ec90bef6",
    ),
    Row(
        "Bilinear",
        ki.Bilinear,
        {},
        shapes=KERNELS,
        layers=CONVOLUTIONS,
        random=False,
        golden="d7a776cb41904835 5c5c0ff3cb09f375 21b5c7af2c59061b 6d63dbba2fb3dcf3",
    ),
    Row(
        "ConvolutionAware",
        ki.ConvolutionAware,
        {},
        shapes=KERNELS,
        layers=CONVOLUTIONS,
        golden=(0.1576232, 0.1226593, 0.206607, 0.4009557),
    ),
    Row(
        "Gabor",
        ki.Gabor,
        {},
        shapes=((7, 7, 3, 16), (2, 3, 4, 48)),
        layers=("Conv2D",),
        random=False,
        golden=(0.03450343, 0.02629678, 0.03450343, -0.07421019),
    ),
    Row(
        "STFT",
        ki.STFT,
        {},
        shapes=((16, 1, 9), (3, 5, 48)),
        layers=("Conv1D",),
        random=False,
        golden=(0.01822622, 0.01683883, 0.01288788, 0.006974872),
    ),
    Row(
        "Siren",
        ki.Siren,
        {},
        lambda fan_in, fan_out: uniform(2 / (900 * fan_in)),
        golden="a3f001d2eec77398 5af81740dfc8aba3 0f9673b8eb1c9fd3 334d842285285278",
    ),
    Row(
        "Siren first",
        ki.Siren,
        {"first": True},
        lambda fan_in, fan_out: stats.uniform(-1 / fan_in, 2 / fan_in),
        golden="0b707fa4f6177a09 98ab7a4fcdb7253e 0b4dd2b28e84936a e7c581d4b92fa0bd",
    ),
    Row(
        "Siren exact",
        ki.Siren,
        {"exact": True},
        lambda fan_in, fan_out: uniform(2 / (900 * fan_in * (1 - math.exp(-2)))),
        golden="082b26d0bbb94cd7 2171a4705145f1a7 c4fe888a9fab8990 afbca2cbb7e58e5a",
    ),
    Row(
        "FourierFeatures",
        ki.FourierFeatures,
        {"stddev": 3},
        lambda fan_in, fan_out: stats.norm(0, 3),
        golden="5268912289739d74 f30c6840c6b6b5e0 d72e109e93b94d96 5dcc57329974ebd4",
    ),
    Row(
        "FourierFeatures of a bias",
        ki.FourierFeatures,
        {"part": "bias"},
        lambda fan_in, fan_out: stats.uniform(0, 2 * math.pi),
        golden="306cc25102be7e1d 3d71326ce805c67c cb8a78602c0bf775 a9c6b04891c3e788",
    ),
    Row(
        "DepthScaled",
        ki.DepthScaled,
        {"rule": "deepnorm", "layers": 12},
        lambda fan_in, fan_out: normal(96**-0.5 * 2 / (fan_in + fan_out)),
        wraps=ki.GlorotNormal,
        golden=(0.02995389, -0.02808796, 0.01369492, -0.0578553),
    ),
    Row(
        "LayerScale",
        ki.LayerScale,
        {"layers": 24},
        random=False,
        golden="19bc337df3610fd4 e7699b2cf18615ca d4b2cdbef477043d 428fb48afcd44568",
    ),
    Row(
        "SkipInit",
        ki.SkipInit,
        {},
        random=False,
        golden="f3cc103136423a57 fd9243e1ba57263e fd9243e1ba57263e de676bae28a48001",
    ),
    Row(
        "TorchDefault",
        ki.TorchDefault,
        {},
        lambda fan_in, fan_out: uniform(1 / (3 * fan_in)),
        shapes=MATRICES,
        golden="97e2642a128d9ad5 a762a18415ced1e1 2063ed96f2ee2bd1 deb76863674b4e69",
    ),
    Row(
        "TorchDefault of a bias",
        ki.TorchDefault,
        {"fan_in": 9},
        lambda fan_in, fan_out: stats.uniform(-1 / 3, 2 / 3),
        golden="7a74eccb9e6dede3 2c71cf917d32a7f7 328a8c8f071192a5 b2ffb187890f1bb1",
    ),
    Row(
        "PriorProbability",
        ki.PriorProbability,
        {},
        random=False,
        golden=(-4.59512, -4.59512, -4.59512, -4.59512),
    ),
    Row(
        "LogPrior",
        ki.LogPrior,
        {"priors": list(range(1, 49))},
        shapes=VECTORS,
        empty=((0, 48), (3, 0, 48)),
        layers=(),
        random=False,
        golden=(-7.069874, -6.376727, -5.971262, -5.68358),
    ),
    Row(
        "Critical",
        ki.Critical,
        {},
        lambda fan_in, fan_out: normal(2 / fan_in),
        golden="c48d576736f471be 2097cc37c84a4ca3 c587c77fad0207ce f8f6e0192e4bc324",
    ),
    Row(
        "Critical of a bias",
        ki.Critical,
        {"part": "bias"},
        random=False,
        golden="7071240830477c8e 71e3f33b3727bd2e 71e3f33b3727bd2e 764aeb1d1733501a",
    ),
    Row(
        "Scaled",
        ki.Scaled,
        {"factor": 0.3},
        lambda fan_in, fan_out: normal(0.3**2 * 2 / fan_in),
        wraps=ki.HeNormal,
        golden="3e46acbb5b932157 99024c87558d4483 017181304bdb630b 71b18290ba8a9e89",
    ),
    Row(
        "Blockwise",
        ki.Blockwise,
        {"blocks": 4},
        lambda fan_in, fan_out: uniform(2 / (fan_in + fan_out / 4)),
        shapes=VECTORS,
        layers=UNSPLIT,
        wraps=ki.GlorotUniform,
        golden="9718547a822d92b6 e2db39400ef38636 219eb1d73b169215 99dc8215e37ab2ab",
    ),
    Row(
        "Blockwise orthogonal",
        ki.Blockwise,
        {"blocks": 4},
        shapes=MATRICES,
        layers=UNSPLIT,
        wraps=ki.Orthogonal,
        golden=(0.05388427, -0.2777961, 0.2587877, -0.09677368),
    ),
    Row(
        "Transposed",
        ki.Transposed,
        {},
        lambda fan_in, fan_out: normal(2 / fan_out),
        shapes=MATRICES,
        wraps=ki.HeNormal,
        golden="7dc21340325fb78f 726b4911a278ddc5 17aab09828888862 a2f98df37c6398ae",
    ),
    Row(
        "Normalized",
        ki.Normalized,
        {},
        shapes=MATRICES,
        wraps=ki.HeNormal,
        golden=(-0.01195897, -0.08854382, 0.04638512, -0.1761559),
    ),
    Row(
        "SpectralNormalized",
        ki.SpectralNormalized,
        {"norm": 0.9},
        shapes=MATRICES,
        wraps=ki.HeNormal,
        golden=(-0.006177704, -0.04777179, 0.0196398, -0.08215307),
    ),
    Row(
        "ChronoBias",
        ki.ChronoBias,
        {"units": 12, "max_steps": 100},
        shapes=((48,),),
        empty=(),
        layers=(),
        golden=(-4.265052, -2.518658, -4.400816, -4.465388),
    ),
    Row(
        "ChronoBias of a GRU",
        ki.ChronoBias,
        {"units": 16, "max_steps": 100, "cell": "gru"},
        shapes=((2, 48), (48,)),
        empty=(),
        layers=(),
        golden=(4.212754, 4.198273, 3.98644, 4.558298),
    ),
    Row(
        "UnitForgetBias",
        ki.UnitForgetBias,
        {"units": 12},
        shapes=((48,),),
        empty=(),
        layers=(),
        random=False,
        golden="55950684c9807ece 2c539cb1225ab03d d45c2d919792416a 17a4e9b46f9b5460",
    ),
    Row(
        "EchoState",
        ki.EchoState,
        {"radius": 0.9, "density": 0.5},
        shapes=SQUARES,
        empty=((0, 0),),
        layers=(),
        golden=(-0.07701102, -0.1630952, -0.04115273, -0.2019489),
    ),
    Row(
        "HippoLegS",
        ki.HippoLegS,
        {},
        shapes=SQUARES,
        empty=((0, 0),),
        layers=(),
        random=False,
        golden="0fb0a14ff701cca8 762c88b98b446333 3d56968608514dd2 e63a324e07f35d9d",
    ),
    Row(
        "HippoLegS of inputs",
        ki.HippoLegS,
        {"part": "B"},
        shapes=of_ranks(1, 2),
        layers=(),
        random=False,
        golden="5a9357839dca56ec 1837ae23b71c4fe7 31c1ac58cb70d7ce a68c313e1796413f",
    ),
    Row(
        "S4D",
        ki.S4D,
        {},
        shapes=VECTORS,
        random=False,
        golden=(-0.6931472, -0.6931472, -0.6931472, -0.6931472),
    ),
    Row(
        "S4D imaginary",
        ki.S4D,
        {"part": "imaginary", "kind": "inv"},
        shapes=VECTORS,
        random=False,
        golden="cb67ce43a1b306c9 6c8d5e6cf61952bf 6bb69be5a1d29d2a 4539bf342de6a9af",
    ),
    Row(
        "LRURing",
        ki.LRURing,
        {"part": "nu_log", "r_min": 0.4, "r_max": 0.9},
        lambda fan_in, fan_out: ring(0.4, 0.9),
        golden=(-2.037741, -0.2809417, -1.448703, -2.077074),
    ),
    Row(
        "LogUniform",
        ki.LogUniform,
        {},
        lambda fan_in, fan_out: stats.loguniform(0.001, 0.1),
        golden=(0.006033478, 0.0801691, 0.001764076, 0.005373971),
    ),
]

LAWFUL = [row for row in ROWS if row.law]
RANDOM = [row for row in ROWS if row.random]
IN_LAYERS = [(row, layer) for row in ROWS for layer in row.layers]
