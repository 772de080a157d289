"""Layouts and samples made by hand: sinks are tested without training anything."""

import numpy as np

from keras_inits.records import Layout, Sample, Verdict, Weight

LAYOUT = Layout(
    model="model",
    weights=(
        Weight("model/encoder/dense/kernel", "model/encoder/dense", "kernel", (3, 4)),
        Weight("model/encoder/dense/bias", "model/encoder/dense", "bias", (4,)),
        Weight("model/encoder/dense_1/kernel", "model/encoder/dense_1", "kernel", (4,)),
        Weight("model/head/kernel", "model/head", "kernel", (4, 1)),
        Weight("model/head/bias", "model/head", "bias", (1,)),
    ),
    blocks=("model", "model/encoder"),
    optimizer="Adam",
    facts={"learning_rate": 0.001, "amsgrad": False, "loss": "mse", "clip": None},
)

VERDICT = Verdict(
    kind="vanishing",
    severity="severe",
    layer="model/encoder/dense",
    evidence={"gradient_rms": 1e-9},
    cause="Each layer shrinks the gradient.",
    cure="layer = keras.layers.Dense(4, kernel_initializer='he_normal')",
    step=3,
)


def sample(step, seed=0, epoch=0, **changes):
    """A sample whose numbers follow from its step and the seed."""
    draws = np.random.default_rng([seed, step])
    count = len(LAYOUT.weights)
    gradient, weight = 10.0 ** draws.uniform(-30, 3, count), draws.uniform(1, 2, count)
    update = draws.uniform(1e-4, 1e-3, count)
    values = {
        "gradient_norm": gradient,
        "weight_norm": weight,
        "update_norm": update,
        "update_ratio": update / weight,
    }
    fields = {"time": 1000.0 + step, "loss": 1.0 / step, "values": values}
    return Sample(**({"step": step, "epoch": epoch} | fields | changes))


def write(sink, samples, layout=LAYOUT):
    sink.open(layout)
    for one in samples:
        sink.write(one)
    sink.close()
