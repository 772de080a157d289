"""Convolution kernels by way of frequencies: convolution-aware, Gabor."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_inits.initializers import checks, laws
from keras_inits.initializers.base import RandomInitializer, register
from keras_inits.initializers.fans import Fans, check_fans, compute_fans
from keras_inits.initializers.gains import check_gain, saved_gain
from keras_inits.initializers.nesting import Whole
from keras_inits.initializers.stream import Stream

__all__ = ["ConvolutionAware", "Gabor"]


@register
class ConvolutionAware(Whole, RandomInitializer):
    """Filters that are orthogonal in the Fourier domain, and a little noise.

    The filters of one output unit, one for each input channel, get real spectra that
    are the rows of a random orthogonal matrix; their inverse Fourier transforms, plus
    noise N(0, eps_std^2) to break their symmetry, are scaled to the variance
    gain^2 / fan_in. A real spectrum makes a filter even, so a window of k places has
    about k / 2 orthogonal ones: with more channels than that, independent sets follow
    one another. By Parseval's theorem the filters themselves are orthogonal too.

    For convolutions whose channels see the same part of the signal, as an alternative
    to `HeNormal`; a window of a single place has no frequencies, and gets that.

    The author's code takes half a spectrum of each filter, where in two dimensions some
    frequencies are still each other's mirror images; here each is taken once, so that
    the orthogonality is exact.

    Args:
        eps_std: standard deviation of the noise, a number >= 0, next to filters of
            length sqrt(2 / k), before both are scaled.
        seed: see `RandomInitializer`.
        gain: see `VarianceScaling`; ReLU's, sqrt(2), unless given.
        fans: see `VarianceScaling`.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: where a number is negative, NaN or infinite, or the activation
            unknown; when called, where the kernel has no window.

    Example:
        >>> kernel = ConvolutionAware(seed=1)((3, 3, 16, 32))

    Reference: Aghajanyan, 2017, arXiv:1702.06295.
    """

    def __init__(
        self,
        eps_std: float = 0.05,
        seed: Any = None,
        *,
        gain: Any = "relu",
        fans: Fans | None = None,
    ) -> None:
        super().__init__(seed)
        self.eps_std = checks.check_number("eps_std", eps_std, least=0)
        self.gain = gain
        self._factor = check_gain(gain)
        self.fans = check_fans(fans)

    def _saved(self, name: str) -> Any:
        if name == "gain":
            return saved_gain(self.gain, self._factor)
        return super()._saved(name)

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        if len(shape) < 3:
            raise ValueError(
                "ConvolutionAware fills kernels of convolutions, shapes of rank 3 or "
                f"more. Received: shape={shape} of rank {len(shape)}. Orthogonal() "
                "suits a dense layer."
            )
        return super()._check(shape, dtype)

    def _maker(self, shape: tuple[int, ...], precision: Any) -> Callable[[], Any]:
        stream = self._stream(shape)
        fan_in, _ = self.fans(shape) if self.fans else compute_fans(shape)
        stddev = self._factor / math.sqrt(max(1.0, fan_in))
        if math.prod(shape[:-2]) == 1:
            law = laws.Normal(0.0, stddev)
            return lambda: stream.draw(law, shape, precision)
        return lambda: self._filters(stream, shape, precision, stddev)

    def _filters(
        self, stream: Stream, shape: tuple[int, ...], precision: Any, stddev: float
    ) -> Any:
        places, (inputs, outputs) = math.prod(shape[:-2]), shape[-2:]
        basis = even_filters(shape[:-2]).astype(precision)
        sets = -(-inputs // len(basis))
        normals = stream.draw(
            laws.Normal(0.0, 1.0), (outputs, sets, len(basis), len(basis)), precision
        )
        spectra = _orthogonal(normals).reshape(outputs, -1, len(basis))[:, :inputs]
        filters = (spectra.astype(precision) @ basis).transpose(2, 1, 0)
        noise = stream.draw(
            laws.Normal(0.0, self.eps_std), (places, inputs, outputs), precision, lane=1
        )
        # A filter's length is sqrt(2 / places), and its places are alike on average.
        scale = stddev / math.sqrt(2 / places**2 + self.eps_std**2)
        return ((filters + noise) * precision(scale)).reshape(shape)


def even_filters(window: tuple[int, ...]) -> Any:
    """The inverse Fourier transforms of an orthogonal basis of real, even spectra.

    Args:
        window: sizes of the filters.

    Returns:
        An array with a filter of length sqrt(2 / places) in each row, orthogonal to the
        others; about half as many rows as the window has places.
    """
    places = math.prod(window)
    frequencies = np.indices(window).reshape(len(window), places)
    sizes = np.reshape(window, (-1, 1))
    mirror = np.ravel_multi_index(tuple(-frequencies % sizes), window)
    kept = np.flatnonzero(np.arange(places) <= mirror)
    spectra = np.zeros((len(kept), places))
    spectra[np.arange(len(kept)), kept] = 1
    spectra[np.arange(len(kept)), mirror[kept]] = 1
    # All of the length sqrt(2), also where a frequency is its own mirror image.
    spectra[kept == mirror[kept]] *= math.sqrt(2)
    axes = tuple(range(1, len(window) + 1))
    filters = np.fft.ifftn(spectra.reshape(-1, *window), axes=axes).real
    return filters.reshape(len(kept), places)


def _orthogonal(normals: Any) -> Any:
    """Haar-orthogonal matrices, many small ones at once."""
    q, r = np.linalg.qr(normals)
    # Without the signs, the measure would be LAPACK's (Mezzadri, 2007).
    signs = np.copysign(1.0, np.diagonal(r, axis1=-2, axis2=-1))
    return q * signs[..., np.newaxis, :]


@register
class Gabor(Whole):
    """A bank of Gabor filters: plane waves under a Gaussian window.

    g(x, y) = exp(-(u^2 + aspect^2 v^2) / (2 sigma^2)) cos(2 pi u / wavelength + phase),
    with u = x cos t + y sin t along the wave and v = -x sin t + y cos t across it; x
    counts columns to the right and y rows downwards from the window's centre. sigma
    follows from the bandwidth b in octaves: sigma = wavelength / pi * sqrt(ln(2) / 2) *
    (2^b + 1) / (2^b - 1). Each output unit gets one filter, the same on every input
    channel, scaled to the L2 norm `gain`: white noise of variance 1 comes out with
    variance gain^2.

    The units run through the orientations first, then the phases, then the wavelengths,
    and begin again where the bank is through. For the first convolution of a network
    that sees images, where trained filters look like these; deeper layers do not.

    Args:
        orientations: how many, spread evenly over half a turn from 0; or a list of
            angles in radians.
        wavelengths: in pixels, a number >= 2 or a list.
        phases: in radians, a number or a list; 0 gives even filters, pi / 2 odd ones.
        bandwidth: of each filter in octaves, a number > 0.
        aspect: length of the window along the wave by its length across, a number > 0.
        gain: L2 norm of a unit's weights, a number >= 0.

    Raises:
        TypeError: where an argument is of the wrong kind.
        ValueError: where a number is out of its range or a list empty; when called,
            where the shape is not of rank 4.

    Example:
        >>> kernel = Gabor(orientations=4, wavelengths=[3, 6])((7, 7, 3, 16))

    Reference: Daugman, 1985, doi:10.1364/JOSAA.2.001160; the bandwidth, Kruizinga &
    Petkov, 1999, doi:10.1109/83.791965.
    """

    def __init__(
        self,
        orientations: int | Sequence[float] = 8,
        wavelengths: float | Sequence[float] = 4.0,
        phases: float | Sequence[float] = (0.0, math.pi / 2),
        bandwidth: float = 1.0,
        aspect: float = 0.5,
        gain: float = 1.0,
    ) -> None:
        if hasattr(orientations, "__index__") and np.ndim(orientations) == 0:
            self.orientations: Any = checks.check_count("orientations", orientations)
        else:
            self.orientations = _numbers("orientations", orientations)
        self.wavelengths = _numbers("wavelengths", wavelengths, least=2)
        self.phases = _numbers("phases", phases)
        self.bandwidth = checks.check_positive("bandwidth", bandwidth)
        self.aspect = checks.check_positive("aspect", aspect)
        self.gain = checks.check_number("gain", gain, least=0)

    def _check(self, shape: tuple[int, ...], dtype: Any) -> str:
        if len(shape) != 4:
            raise ValueError(
                "Gabor fills kernels of two-dimensional convolutions, shapes of rank "
                f"4. Received: shape={shape} of rank {len(shape)}."
            )
        return super()._check(shape, dtype)

    def _maker(self, shape: tuple[int, ...], precision: Any) -> Callable[[], Any]:
        return lambda: self._bank(shape)

    def _bank(self, shape: tuple[int, ...]) -> Any:
        height, width, inputs, outputs = shape
        angles = self.orientations
        if isinstance(angles, int):
            angles = [math.pi * i / angles for i in range(angles)]
        cycle = itertools.cycle(
            itertools.product(self.wavelengths, self.phases, angles)
        )
        # The orientations change fastest.
        chosen = [(a, w, p) for w, p, a in itertools.islice(cycle, outputs)]
        y, x = np.mgrid[:height, :width]
        y, x = y - (height - 1) / 2, x - (width - 1) / 2
        bank = np.stack(
            [gabor(x, y, *one, self.bandwidth, self.aspect) for one in chosen], -1
        )
        norms = np.sqrt(inputs * np.square(bank).sum((0, 1)))
        # In a window of one place a wave can be 0 everywhere.
        bank *= self.gain / np.where(norms > 0, norms, 1)
        return bank[:, :, np.newaxis, :]


def gabor(
    x: Any,
    y: Any,
    orientation: float,
    wavelength: float,
    phase: float,
    bandwidth: float,
    aspect: float,
) -> Any:
    """The Gabor function at points (x, y); see `Gabor` for its numbers."""
    octaves = 2**bandwidth
    sigma = wavelength / math.pi * math.sqrt(math.log(2) / 2)
    sigma *= (octaves + 1) / (octaves - 1)
    along = x * math.cos(orientation) + y * math.sin(orientation)
    across = -x * math.sin(orientation) + y * math.cos(orientation)
    envelope = np.exp(-(along**2 + (aspect * across) ** 2) / (2 * sigma**2))
    return envelope * np.cos(2 * math.pi * along / wavelength + phase)


def _numbers(name: str, given: Any, **bounds: float) -> list[float]:
    """One finite number or several, as a list."""
    several = isinstance(given, (list, tuple, np.ndarray))
    numbers = [
        checks.check_number(name, number, **bounds)
        for number in (given if several else [given])
    ]
    if not numbers:
        raise ValueError(f"`{name}` is empty. Received: {name}={given!r}. Give one.")
    return numbers
