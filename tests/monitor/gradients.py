"""Training by hand on TensorFlow, without the callback: the numbers of a run from the
gradients of a plain `tf.GradientTape`, and a judge that is shown them."""

import dataclasses
import functools
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

from keras_inits.monitor.rules import RULES
from keras_inits.monitor.verdicts import Judge
from keras_inits.records import Layout, Sample, Weight

CHEAP = ("gradient_norm", "weight_norm")


@dataclass
class Recording:
    """What a judge is shown of a run."""

    layout: Layout
    samples: list = field(default_factory=list)
    duplicates: dict = field(default_factory=dict)  # by step, {layer: (same, units)}
    outputs: dict = field(default_factory=dict)  # by step, {layer: {name: number}}
    disconnected: tuple = ()


# --- data, networks, losses ----------------------------------------------------------


@functools.cache
def digits():
    """1797 pictures of 8 x 8 as standardized vectors, and their classes."""
    data = load_digits()
    x = (data.data - data.data.mean()) / data.data.std()
    return x.astype("float32"), data.target.astype("int32")


def batches(size=128, x=None, y=None, shape=(64,), among=None):
    """Random batches by the step's number; all examples of `among` if there is one."""
    x = digits()[0] if x is None else x
    y = digits()[1] if y is None else y

    def batch(number):
        rng = np.random.default_rng([7, number])
        chosen = slice(among) if among else rng.integers(0, len(x), size)
        return tf.constant(x[chosen].reshape(-1, *shape)), tf.constant(y[chosen])

    return batch


def cross_entropy(y, logits):
    logits = tf.cast(logits, tf.float32)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))


def squared_error(y, values):
    return tf.reduce_mean(tf.square(tf.cast(y, values.dtype)[:, None] - values))


def dense_network(
    depth,
    activation="relu",
    initializer="he_normal",
    width=64,
    head="glorot_uniform",
    use_bias=True,
    outputs=10,
    bias_initializer="zeros",
):
    """Hidden layers of one kind, and a linear head."""
    layers = [keras.Input((64,))]
    for place in range(depth):
        layer = keras.layers.Dense(
            width,
            activation,
            name=f"hidden_{place}",
            use_bias=use_bias,
            kernel_initializer=new(initializer),
            bias_initializer=new(bias_initializer),
        )
        layers.append(layer)
    head = keras.layers.Dense(
        outputs, use_bias=use_bias, kernel_initializer=new(head), name="head"
    )
    return keras.Sequential([*layers, head], name="net")


def new(initializer):
    """An initializer of its own for each layer."""
    return initializer if isinstance(initializer, str) else initializer()


def scaled(scale):
    """Normal weights of variance scale / fan_in."""
    return lambda: keras.initializers.VarianceScaling(scale)


def sgd(rate=0.01, **arguments):
    return keras.optimizers.SGD(rate, **arguments)


def adam(rate=1e-3, **arguments):
    return keras.optimizers.Adam(rate, **arguments)


def ramp(start, end, steps):
    """A learning rate that goes in a straight line."""
    return keras.optimizers.schedules.PolynomialDecay(start, steps, end, power=1.0)


# --- training ------------------------------------------------------------------------


def layout_of(model, **facts):
    """Every trainable weight once, in the order of the model's layers."""
    weights = []
    for layer in model.layers:
        for variable in layer.trainable_variables:
            weight = Weight(
                variable.path,
                variable.path.rpartition("/")[0],
                role_of(layer, variable),
                tuple(variable.shape),
                getattr(getattr(layer, "activation", None), "__name__", None),
            )
            weights.append(weight)
    return Layout(model.name, tuple(weights), facts=facts)


def role_of(layer, variable):
    if isinstance(layer, keras.layers.Embedding):
        return "embedding"
    name = variable.path.rpartition("/")[2]
    roles = {"bias": "bias", "beta": "bias", "gamma": "scale"}
    return "kernel" if "kernel" in name else roles.get(name, "other")


def units_alike(kernel):
    """How many columns equal another one, of how many."""
    columns = np.asarray(kernel).reshape(-1, kernel.shape[-1]).T
    _, counts = np.unique(columns, axis=0, return_counts=True)
    return int(counts[counts > 1].sum()), len(columns)


def norm(array):
    # np.linalg.norm calls BLAS, whose threads wait for each other on a busy machine.
    return np.sqrt(np.sum(np.square(array, dtype="float64")))


def training_step(model, variables, loss, optimizer):
    """A function of a batch and a loss scale that makes a step.

    It returns the loss and the gradients, which NumPy measures where they are wanted:
    a graph without measures is traced in half the time.
    """

    @tf.function(autograph=False)
    def step(x, y, scale):
        with tf.GradientTape() as tape:
            value = tf.cast(loss(y, model(x, training=True)), tf.float32)
            target = value * scale
        gradients = [
            g if g is None else tf.convert_to_tensor(g)
            for g in tape.gradient(target, variables)
        ]
        optimizer.apply(
            [
                tf.zeros(v.shape) if g is None else g
                for g, v in zip(gradients, variables, strict=True)
            ],
            variables,
        )
        return value, gradients

    return step


def measured(gradients, scale, before, after):
    """The numbers of a step: NaN for a weight without a gradient."""
    none = np.full(1, np.nan)
    gradients = [none if g is None else g.numpy() / scale for g in gradients]
    pairs = zip(after, before, strict=True)
    rows = {
        "gradient_norm": [norm(g) for g in gradients],
        "weight_norm": [norm(b) for b in before],
        "update_norm": [norm(a.astype("float64") - b) for a, b in pairs],
        "zero_share": [np.mean(g == 0) if g is not none else np.nan for g in gradients],
    }
    return {name: np.array(row) for name, row in rows.items()}


def record(
    model, batch, loss, optimizer, steps, every=1, look_at=(0,), held=None, **facts
):
    """Train, and keep the numbers of every `every`-th step, the first one included.

    At the steps `look_at` the kernels are searched for equal units, and the outputs on
    the batch `held` are measured, if there is one.
    """
    recording = Recording(layout_of(model, **facts))
    by_path = {v.path: v for v in model.trainable_variables}
    weights = recording.layout.weights
    variables = [by_path[weight.path] for weight in weights]
    optimizer.build(variables)
    step = training_step(model, variables, loss, optimizer)
    scaling = hasattr(optimizer, "dynamic_scale")

    def look(number):
        recording.duplicates[number] = {
            weight.layer: units_alike(variable)
            for weight, variable in zip(weights, variables, strict=True)
            if weight.role == "kernel"
        }
        if held is not None:
            recording.outputs[number] = outputs(model, held)

    for number in range(steps + 1):
        if number:
            scale = float(optimizer.dynamic_scale) if scaling else 1.0
            is_due = (number - 1) % every == 0
            if is_due and (every > 1 or number == 1):
                before = [v.numpy() for v in variables]
            loss_now, gradients = step(*batch(number), tf.constant(scale))
            if is_due:
                after = [v.numpy() for v in variables]
                values = measured(gradients, scale, before, after)
                one = sample(number, values, loss_now, scaling, scale)
                recording.samples.append(one)
                before = after
        if number in look_at:
            look(number)
    pairs = zip(weights, gradients, strict=True)
    recording.disconnected = tuple(weight.path for weight, g in pairs if g is None)
    return recording


def sample(number, values, loss, scaling, scale):
    overflow = scaling and not np.isfinite(values["gradient_norm"]).all()
    return Sample(
        step=number,
        epoch=0,
        time=float(number),
        values=values,
        overflow=overflow,
        loss_scale=scale,
        applied=not overflow,
        loss=float(loss),
    )


def outputs(model, x):
    """What each layer with a kernel puts out on a batch."""
    layers = [layer for layer in model.layers if hasattr(layer, "kernel")]
    probe = keras.Model(model.inputs[0], [layer.output for layer in layers])
    found = {}
    for layer, values in zip(layers, probe(x), strict=True):
        units = np.asarray(values).reshape(-1, values.shape[-1])
        low = {"tanh": -1, "sigmoid": 0}.get(layer.activation.__name__, np.inf)
        ends = np.minimum(np.abs(units - low), np.abs(units - 1))
        found[layer.kernel.path.rpartition("/")[0]] = {
            "dead": float(np.mean(np.all(units == 0, axis=0))),
            "saturated": float(np.mean(ends < 0.01)) if low < 1 else 0.0,
            "std": float(units.std()),
            "nonfinite": int(np.sum(~np.isfinite(units))),
        }
    return found


# --- judging -------------------------------------------------------------------------


def verdicts(recording, only=None, loss=True, every=1, rules=RULES):
    """What a judge says of a run.

    Args:
        recording: The run.
        only: The quantities that it is shown; all by default.
        loss: Whether it is told the loss.
        every: It is shown every so many of the samples.
        rules: Its rules.
    """
    judge = Judge(recording.layout, rules)
    start = {
        layer: (same, units)
        for layer, (same, units) in recording.duplicates.get(0, {}).items()
        if same
    }
    found = judge.see_structure(0, start)
    for place, full in enumerate(recording.samples):
        if place % every == 0:
            values = {name: full.values[name] for name in only or full.values}
            told = full.loss if loss else None
            found += judge.see(dataclasses.replace(full, values=values, loss=told))
        if place == 0 and recording.disconnected:
            found += judge.see_disconnected(recording.disconnected, full.step)
        alike = recording.duplicates.get(full.step, {})
        found += judge.see_structure(
            full.step, {layer: alike[layer] for layer in alike if layer in start}
        )
        if full.step in recording.outputs:
            found += judge.see_outputs(full.step, recording.outputs[full.step])
    return found


#: Ways in which less is shown of a run.
VIEWS = {
    "all": {},
    "norms alone": {"only": CHEAP},
    "loss unknown": {"loss": False},
    "every third": {"every": 3},
}
