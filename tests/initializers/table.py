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
        golden="3660da2d28396533 ee7e98b8160f00d4 6ddfea38e012687f 945fe10129f53752",
    ),
    Row(
        "RandomNormal with mean",
        ki.RandomNormal,
        {"mean": -1.5, "stddev": 0.7},
        lambda fan_in, fan_out: stats.norm(-1.5, 0.7),
        golden="41343d2947235134 93613afe8c83a816 ac14b35fe8f95095 1f39bebee81e6f28",
    ),
    Row(
        "RandomUniform",
        ki.RandomUniform,
        {},
        lambda fan_in, fan_out: stats.uniform(-0.05, 0.1),
        golden="4ee1762e78e5e443 8d768dfff6f166a2 f526a2a2b7831b6e 31de51a5b886da01",
    ),
    Row(
        "RandomUniform off centre",
        ki.RandomUniform,
        {"minval": 1, "maxval": 4},
        lambda fan_in, fan_out: stats.uniform(1, 3),
        golden="7814d4e0befa9260 04f08756140d460f 3943faaec75b7412 7cffaa330cffd0c2",
    ),
    Row(
        "TruncatedNormal",
        ki.TruncatedNormal,
        {},
        lambda fan_in, fan_out: stats.truncnorm(-2, 2, scale=0.05),
        golden="8145d2ef7f1d0664 d726287409912a47 1dfb1424522ce59f 9d7e4a7f68824478",
    ),
    Row(
        "TruncatedNormal of a result",
        ki.TruncatedNormal,
        {"stddev": 0.02, "stddev_of": "result"},
        lambda fan_in, fan_out: truncated(0.02**2),
        golden="f20582981741d4e7 7d5872d30feac4c1 843a05f0c507d02e ca41a298a570a3a5",
    ),
    Row(
        "TruncatedNormal at one side",
        ki.TruncatedNormal,
        {"mean": 0.5, "stddev": 2, "low": -0.5, "high": math.inf},
        lambda fan_in, fan_out: stats.truncnorm(-0.5, math.inf, 0.5, 2),
        golden=(-0.097564, 2.620211, 0.596883, 1.244021),
    ),
    Row(
        "TruncatedNormal in a tail",
        ki.TruncatedNormal,
        {"stddev": 1.0, "low": 5, "high": 6},
        lambda fan_in, fan_out: stats.truncnorm(5, 6),
        golden=(5.021706, 5.291363, 5.069366, 5.126455),
    ),
    Row(
        "TruncatedNormal in the other tail",
        ki.TruncatedNormal,
        {"stddev": 1.0, "low": -math.inf, "high": -3, "stddev_of": "result"},
        lambda fan_in, fan_out: stats.truncnorm(
            -math.inf, -3, scale=1 / stats.truncnorm.std(-math.inf, -3)
        ),
        golden=(-11.423108, -12.981136, -11.7045, -12.037728),
    ),
    Row(
        "VarianceScaling",
        ki.VarianceScaling,
        {},
        lambda fan_in, fan_out: truncated(1 / fan_in),
        golden="39656ddd225607f9 65e992b3fe29f01f b2f12fd36dbe5721 39f6bf3530d142c7",
    ),
    Row(
        "VarianceScaling normal",
        ki.VarianceScaling,
        {"scale": 3, "mode": "fan_out", "distribution": "normal"},
        lambda fan_in, fan_out: normal(3 / fan_out),
        golden="7165ccc08fdf5716 9e4ef190d187f832 c8fca6f2fbd7b5d6 a6c750065b59687d",
    ),
    Row(
        "VarianceScaling untruncated by fan_geo_avg",
        ki.VarianceScaling,
        {"mode": "fan_geo_avg", "distribution": "untruncated_normal"},
        lambda fan_in, fan_out: normal(1 / math.sqrt(fan_in * fan_out)),
        golden="5e7dbbfe02d28746 e604d9a37797edeb c84a9935059c2091 36ade3f5c150def7",
    ),
    Row(
        "VarianceScaling uniform by fan_avg",
        ki.VarianceScaling,
        {"scale": 0.5, "mode": "fan_avg", "distribution": "uniform"},
        lambda fan_in, fan_out: uniform(0.5 / ((fan_in + fan_out) / 2)),
        golden="274b97dcb105e9d5 2df696d0600fb518 c661b89b32a906ee 87524525e4c9f93e",
    ),
    Row(
        "VarianceScaling with gain",
        ki.VarianceScaling,
        {"gain": 1.5, "distribution": "uniform"},
        lambda fan_in, fan_out: uniform(1.5**2 / fan_in),
        golden="8673b50fae37a025 3bb2fdf518bb3a8f 9921fd14506b0853 a573a7042269d8aa",
    ),
    Row(
        "VarianceScaling with gain by name",
        ki.VarianceScaling,
        {"gain": "tanh"},
        lambda fan_in, fan_out: truncated(1 / 0.394294 / fan_in),
        golden="b2c31f56c49ece1e c6aabc9b9f8e9900 d8d9c2fcb1d5a1d1 72502bbd6b06bfeb",
    ),
    Row(
        "VarianceScaling with gain by function",
        ki.VarianceScaling,
        {"gain": leaky, "distribution": "normal"},
        lambda fan_in, fan_out: normal(2 / (1 + 0.1**2) / fan_in),
        golden="76d06282143060f9 a359a43697b35fdc cbbccda09d544680 a90462b950bae8c4",
    ),
    Row(
        "VarianceScaling with gain by Keras's function",
        ki.VarianceScaling,
        {"gain": keras.activations.relu},
        lambda fan_in, fan_out: truncated(2 / fan_in),
        golden="649a24cedf906812 2913af35dbbfe5b4 163c87d4fe00cd45 be180b2c6f76a48c",
    ),
    Row(
        "GlorotNormal",
        ki.GlorotNormal,
        {},
        lambda fan_in, fan_out: normal(2 / (fan_in + fan_out)),
        golden="3688f000a57ad369 802b42c9d6e3b052 39fc17e7ec4ba470 68a3f496592c1a9f",
    ),
    Row(
        "GlorotNormal truncated",
        ki.GlorotNormal,
        {"truncated": True},
        lambda fan_in, fan_out: truncated(2 / (fan_in + fan_out)),
        golden="4d52251465f5e130 59233ce7f70a370b f776a88763afac8d d28d354f3b42c98d",
    ),
    Row(
        "GlorotUniform",
        ki.GlorotUniform,
        {},
        lambda fan_in, fan_out: uniform(2 / (fan_in + fan_out)),
        golden="8cd1c7a5bdd24c8a 6eded7268f45323e 868bfe08ba2ec0bc 2844416c07166c89",
    ),
    Row(
        "HeNormal",
        ki.HeNormal,
        {},
        lambda fan_in, fan_out: normal(2 / fan_in),
        golden="77b6ef3a66195753 dc8ad03074c03fbd b603e5fc5a670160 d74249fdd39067e4",
    ),
    Row(
        "HeNormal truncated",
        ki.HeNormal,
        {"truncated": True},
        lambda fan_in, fan_out: truncated(2 / fan_in),
        golden="6484acbe2ec1dcef cbaf857cffbf1aa0 6c84ed16bc8324d7 c8ac2094b84118cf",
    ),
    Row(
        "HeNormal with slope",
        ki.HeNormal,
        {"negative_slope": 0.5},
        lambda fan_in, fan_out: normal(2 / (1 + 0.5**2) / fan_in),
        golden="552e6d0b0858d6f6 0c6b4e6af67b8a9d 66e5bad128da83ff ec68cc24027d2579",
    ),
    Row(
        "HeUniform",
        ki.HeUniform,
        {},
        lambda fan_in, fan_out: uniform(2 / fan_in),
        golden="3fdd94c5d94c89b8 3a8eb8fb1aac97c4 60600633da69d093 550557f6cd5c5541",
    ),
    Row(
        "HeUniform with slope",
        ki.HeUniform,
        {"negative_slope": -0.2},
        lambda fan_in, fan_out: uniform(2 / (1 + 0.2**2) / fan_in),
        golden="cdf60041ff2c0a76 f1d6348ac1431170 6b4623d068fbcd8c a98eddf5131a4cef",
    ),
    Row(
        "LecunNormal",
        ki.LecunNormal,
        {},
        lambda fan_in, fan_out: normal(1 / fan_in),
        golden="16567528b26ab902 94303710b2059c9c d9fce9575470a48a ce033af7fc6f13df",
    ),
    Row(
        "LecunNormal truncated",
        ki.LecunNormal,
        {"truncated": True},
        lambda fan_in, fan_out: truncated(1 / fan_in),
        golden="197c5332007dc011 56184107fb074fba 42a6f4bb0bbfca7c e6ff81da11daeabd",
    ),
    Row(
        "LecunUniform",
        ki.LecunUniform,
        {},
        lambda fan_in, fan_out: uniform(1 / fan_in),
        golden="4acf47268747cfe4 29286f119add4ebe 35e267f65e11c2a2 4eaba1ecd31a84c5",
    ),
    Row(
        "GlorotNormal with fans",
        ki.GlorotNormal,
        {"fans": ki.Fans([-2], [-1], window=True, output_blocks=4)},
        lambda fan_in, fan_out: normal(2 / (fan_in + fan_out / 4)),
        shapes=MATRICES,
        golden="42c4fc960d9e706c 94e8b5282fcea53a a83e00ab0ff7adca ca7347183e467ee5",
    ),
    Row(
        "Orthogonal",
        ki.Orthogonal,
        {},
        shapes=MATRICES,
        golden=(0.034256, 0.144961, -0.104935, 0.123741),
    ),
    Row(
        "Orthogonal with gain",
        ki.Orthogonal,
        {"gain": "relu"},
        shapes=MATRICES,
        golden=(0.048445, 0.205006, -0.1484, 0.174996),
    ),
    Row(
        "DeltaOrthogonal",
        ki.DeltaOrthogonal,
        {},
        shapes=KERNELS,
        layers=CONVOLUTIONS,
        golden=(0.122834, -0.097742, 0.706047, 0.067067),
    ),
    Row(
        "DeltaOrthogonal with gain",
        ki.DeltaOrthogonal,
        {"gain": "relu"},
        shapes=KERNELS,
        layers=CONVOLUTIONS,
        golden=(0.173714, -0.138228, 0.998502, 0.094848),
    ),
    Row(
        "DeltaOrthogonal scaled",
        ki.DeltaOrthogonal,
        {"scaled": True},
        shapes=KERNELS,
        layers=CONVOLUTIONS,
        golden=(0.150441, -0.119709, 0.864728, 0.08214),
    ),
    Row(
        "ConvOrthogonal",
        ki.ConvOrthogonal,
        {},
        shapes=KERNELS,
        layers=CONVOLUTIONS,
        golden=(-0.036462, -0.020983, 0.049846, -0.015006),
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
        golden="ddc4e7e9f9ae26d2 290356ac1201d2ba 4dfe9862d98123b6 b960bdb112430fcb",
    ),
    Row(
        "LooksLinear on both sides",
        ki.LooksLinear,
        {},
        shapes=((64, 48), (3, 8, 48), (2, 3, 4, 48), (2, 3, 2, 2, 48)),
        layers=(),
        wraps=ki.Orthogonal,
        golden=(0.12467, 0.104835, -0.073484, 0.117559),
    ),
    Row(
        "Sparse",
        ki.Sparse,
        {},
        shapes=MATRICES,
        golden="8c4f5eae396a4210 08f4a28697c79c65 0348d418ca97b5b6 ea3c9839c407e440",
    ),
    Row(
        "Sparse of three",
        ki.Sparse,
        {"nonzeros": 3, "stddev": 0.3},
        shapes=MATRICES,
        golden="683b2b6ff6806308 e95c21bc5a8bdd40 9d21837fc691939a 11387983796a8134",
    ),
    Row(
        "ICNR",
        ki.ICNR,
        {},
        shapes=KERNELS,
        layers=("Conv1D", "Conv2D"),
        wraps=ki.HeNormal,
        golden="fc5f8538a6814b46 1373675cea8f0d68 567eccfa981f2da5 17f0e526e856474a",
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
        golden=(0.475454, 0.417863, 0.392921, 0.412783),
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
        golden="fc70251e55f033cf 3203a90fc179b679 20eae6e6f721cc6a 79341cde7e9442f7",
    ),
    Row(
        "Siren first",
        ki.Siren,
        {"first": True},
        lambda fan_in, fan_out: stats.uniform(-1 / fan_in, 2 / fan_in),
        golden="30c0cb158e292b0b 9e2bd8e674643dbb 65d8c390320138f2 e8f67878e1b8f09d",
    ),
    Row(
        "Siren exact",
        ki.Siren,
        {"exact": True},
        lambda fan_in, fan_out: uniform(2 / (900 * fan_in * (1 - math.exp(-2)))),
        golden="158649269c512779 8938faa164203e4f 5a6da3acb7541b6d 08fbf7bdafc939e0",
    ),
    Row(
        "FourierFeatures",
        ki.FourierFeatures,
        {"stddev": 3},
        lambda fan_in, fan_out: stats.norm(0, 3),
        golden="b57aac9bbe0c72a2 1bb4031e9e77382e 98035044a043d060 e5094d42c2474ca1",
    ),
    Row(
        "FourierFeatures of a bias",
        ki.FourierFeatures,
        {"part": "bias"},
        lambda fan_in, fan_out: stats.uniform(0, 2 * math.pi),
        golden="b75e4159aa84a469 b226869f9b0e5317 b6c487384a143aa0 64b1287ce052c012",
    ),
    Row(
        "DepthScaled",
        ki.DepthScaled,
        {"rule": "deepnorm", "layers": 12},
        lambda fan_in, fan_out: normal(96**-0.5 * 2 / (fan_in + fan_out)),
        wraps=ki.GlorotNormal,
        golden=(0.029195, 0.014634, -0.000896, 0.011992),
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
        golden="1ab10021ae04a37f 999c9d8509b45f10 10350835c1418774 44ca948dc4ba0e82",
    ),
    Row(
        "TorchDefault of a bias",
        ki.TorchDefault,
        {"fan_in": 9},
        lambda fan_in, fan_out: stats.uniform(-1 / 3, 2 / 3),
        golden="075eb7d9f129141d 0d605396dcd24b3f 2783266d0810c56d bd9f8eb58a9688ec",
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
        golden="4373be71b963f6c4 6a75d0bd9ddada03 c6bbabd69bed3d73 d6a234c9d3dfd82d",
    ),
    Row(
        "Critical of a bias",
        ki.Critical,
        {"part": "bias"},
        random=False,
        golden="93779b4a7f35cff5 e9c60542a691dc6b e9c60542a691dc6b 2b00b32ffd81dfda",
    ),
    Row(
        "Critical of tanh",
        ki.Critical,
        {"activation": "tanh", "bias_variance": 0.05},
        lambda fan_in, fan_out: normal(1.760955 / fan_in),
        golden="7e63854a056e429f 35a788ff18bee52a 24b3b1fa78ef1935 faeded751930d512",
    ),
    Row(
        "Critical of a bias of tanh",
        ki.Critical,
        {"activation": "tanh", "part": "bias", "variance": 1},
        lambda fan_in, fan_out: normal(0.1509646),
        golden="732b06dec3edd1c8 c8da0c258a53fbbe 16e2e6b1f2bca385 829574bd3c4d0f4e",
    ),
    Row(
        "Scaled",
        ki.Scaled,
        {"factor": 0.3},
        lambda fan_in, fan_out: normal(0.3**2 * 2 / fan_in),
        wraps=ki.HeNormal,
        golden="bfeccb67e84ac119 1b1f6e39406e9b2c 20f56c17ee709b50 efd6d9804bb23c72",
    ),
    Row(
        "Blockwise",
        ki.Blockwise,
        {"blocks": 4},
        lambda fan_in, fan_out: uniform(2 / (fan_in + fan_out / 4)),
        shapes=VECTORS,
        layers=UNSPLIT,
        wraps=ki.GlorotUniform,
        golden="5711ea2a900707f6 82e7ebe909b33f2f 25f7aed1601a147d b9aa3b215393136e",
    ),
    Row(
        "Blockwise orthogonal",
        ki.Blockwise,
        {"blocks": 4},
        shapes=MATRICES,
        layers=UNSPLIT,
        wraps=ki.Orthogonal,
        golden=(-0.025134, 0.034944, -0.204217, -0.060872),
    ),
    Row(
        "Transposed",
        ki.Transposed,
        {},
        lambda fan_in, fan_out: normal(2 / fan_out),
        shapes=MATRICES,
        wraps=ki.HeNormal,
        golden="b0fd2cab9f6f8746 06f3da98aa62ce23 472f1fcfa1176fa4 3f6a720d6d0b6b93",
    ),
    Row(
        "Normalized",
        ki.Normalized,
        {},
        shapes=MATRICES,
        wraps=ki.HeNormal,
        golden=(0.032774, 0.016557, -0.016747, -0.148148),
    ),
    Row(
        "SpectralNormalized",
        ki.SpectralNormalized,
        {"norm": 0.9},
        shapes=MATRICES,
        wraps=ki.HeNormal,
        golden=(0.017407, 0.008484, -0.008395, -0.068455),
    ),
    Row(
        "ChronoBias",
        ki.ChronoBias,
        {"units": 12, "max_steps": 100},
        shapes=((48,),),
        empty=(),
        layers=(),
        golden=(-4.404488, -3.039486, -4.050302, -3.352073),
    ),
    Row(
        "ChronoBias of a GRU",
        ki.ChronoBias,
        {"units": 16, "max_steps": 100, "cell": "gru"},
        shapes=((2, 48), (48,)),
        empty=(),
        layers=(),
        golden=(4.003978, 3.014871, 2.289446, 4.019857),
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
        golden=(-0.172926, 0.234611, 0.085926, -0.193628),
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
        golden=(-0.987623, -2.196668, -0.522088, -0.975626),
    ),
    Row(
        "LogUniform",
        ki.LogUniform,
        {},
        lambda fan_in, fan_out: stats.loguniform(0.001, 0.1),
        golden=(0.006328, 0.041474, 0.014505, 0.002186),
    ),
]

LAWFUL = [row for row in ROWS if row.law]
RANDOM = [row for row in ROWS if row.random]
IN_LAYERS = [(row, layer) for row in ROWS for layer in row.layers]
