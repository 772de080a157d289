"""What theory expects of a model before training, from its weights alone: no data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_inits.architecture.graph import Graph, data_flow
from keras_inits.architecture.walk import Walk
from keras_inits.records import Diagnosis

__all__ = ["forecast"]

_Pair = tuple[float, float]


def forecast(
    model: Any,
    input_moments: _Pair | Sequence[_Pair] | Mapping[str, _Pair] | None = None,
    loss: Any = None,
) -> Diagnosis:
    """What theory expects each layer to do before training, without any data.

    Means, mean squares and pair moments pass from layer to layer as mean-field theory
    has it: entries of wide tensors count as Gaussian, weights as drawn at random with
    the moments that they actually have, the loss's gradient as independent of the
    weights that it meets on its way back.

    Use it to see a network's shape at once: what vanishes, explodes or is flattened by
    depth. It does not see data (correlated pixels, rare tokens), nor what training
    makes of the weights; dropout and batch statistics are as in training.

    How near it comes to what passes over standard normal inputs measure, in rms:
    within 5 % (outputs) and 6 % (gradients) at width 512 for chains of dense layers or
    convolutions, with BatchNorm too, and for pre-norm residual and attention blocks.
    Within 6 % and 10 % for the other layers at widths of 64 to 256. Further off are a
    second LSTM or GRU on the sequence of a first (up to 25 % too low), gradients by
    keys and under a causal mask (10 to 15 %), the weights' gradients (20 % for dense
    layers and convolutions, up to half for depthwise kernels), and sums of a tensor
    with its own normalization, which count as uncorrelated. Narrow ReLU networks
    without normalization scatter by themselves: the logarithm of the mean square by
    about sqrt(5 x depth / width).

    Args:
        model: a built Keras model. A subclassed one is run on symbolic tensors.
        input_moments: mean and standard deviation of the inputs' entries, which count
            as independent; a pair for all, or one an input, in a list or by name. 0 and
            1 if not given.
        loss: its name or object. A cross-entropy sets the gradient at the start of the
            way back, and is forecast itself: `facts["loss"]`. Without it the gradient
            by the outputs counts as independent entries.

    Returns:
        A `Diagnosis` with a reading a layer that owns weights, in the order the data
        takes. `predicted` has `output_mean`, `output_std`, `output_rms`, before the
        activation `preactivation_std` and `preactivation_rms`, `gain` (rms out over
        rms in), and `gradient_rms` and `weight_gradient_rms`: rms of the loss's
        gradient by the output and by the kernels, each relative to the last layer's.
        Recurrent layers have no `weight_gradient_rms`, normalization neither.
        `untreated` names what has no rule; the signal then goes on with the rms it had,
        its entries independent.

    Raises:
        TypeError: for an object that is no model.
        ValueError: for a model that is not built, or moments that fit no input.

    Example:
        >>> import keras
        >>> keras.utils.set_random_seed(0)
        >>> layers = [
        ...     keras.layers.Dense(512, "relu", kernel_initializer="he_normal")
        ...     for _ in range(3)
        ... ]
        >>> model = keras.Sequential([keras.Input((512,)), *layers])
        >>> for reading in forecast(model).layers:
        ...     print(f"{reading.predicted['output_rms']:.1f}")
        1.0
        1.0
        1.0

    Reference: Poole et al., 2016, arXiv:1606.05340; Schoenholz et al., 2017,
    arXiv:1611.01232; Yang and Schoenholz, 2017, arXiv:1712.08969 (residual networks);
    Xiao et al., 2018, arXiv:1806.05393 (convolutions).
    """
    _check_model(model)
    graph = data_flow(model, trace=True)
    losses = _losses(loss, len(graph.outputs))
    walk = Walk(model, graph)
    walk.forward(_pairs_of(model, graph, input_moments))
    walk.backward(losses)
    return walk.table()


def _losses(loss: Any, count: int) -> list[Any]:
    if isinstance(loss, Mapping):
        loss = list(loss.values())
    if not isinstance(loss, list | tuple):
        loss = [loss] * count
    if len(loss) != count:
        raise ValueError(
            f"`loss` must be one, or one for each of the {count} outputs. Received: "
            f"loss={loss!r}."
        )
    return [one if one is None else _loss(one) for one in loss]


def _loss(one: Any) -> Any:
    if not isinstance(one, str):
        return one
    kinds = {
        "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
        "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
    }
    return kinds[one]() if one in kinds else keras.losses.get(one)


def _check_model(model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"`model` must be a Keras model. Received: model={model!r} (of type "
            f"{type(model).__name__})."
        )
    if not model.built:
        raise ValueError(
            "A forecast needs the weights, so the model must be built. Received: "
            f"model={model.name!r}, not built. Start it with keras.Input, or call it "
            "on a batch first."
        )


def _pairs_of(model: Any, graph: Graph, given: Any) -> list[_Pair]:
    """Mean and standard deviation for each input."""
    count = len(graph.inputs)
    if given is None:
        return [(0.0, 1.0)] * count
    if isinstance(given, Mapping):
        names = [tensor.name for tensor in getattr(model, "inputs", None) or []]
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise ValueError(
                "`input_moments` names inputs that the model lacks. Received: "
                f"{unknown}. Its inputs are {names}."
            )
        return [_pair(given.get(name, (0.0, 1.0))) for name in names]
    if len(np.shape(given)) == 2 and len(given) == count:
        return [_pair(one) for one in given]
    return [_pair(given)] * count


def _pair(given: Any) -> _Pair:
    try:
        mean, stddev = (float(number) for number in given)
    except (TypeError, ValueError):
        mean, stddev = math.nan, math.nan
    if not (math.isfinite(mean) and math.isfinite(stddev) and stddev >= 0):
        raise ValueError(
            "`input_moments` must be a mean and a standard deviation, or one such pair "
            f"an input. Received: input_moments={given!r}."
        )
    return mean, stddev
