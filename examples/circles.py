"""What the first weights decide: three initializations of one small network.

300 points on two circles, a network 2-10-5-1, plain gradient descent on the whole
batch. Run it: python examples/circles.py (a few seconds). `keras-inits demo` makes
the same experiment in full, with other draws, figures and TensorBoard logs.
"""

import keras
import numpy as np
from sklearn.datasets import make_circles

import keras_inits

STEPS = 15_000


def build(initializer):
    """The network, ending in a logit: its sigmoid is in the loss."""
    dense = keras.layers.Dense
    layers = [
        keras.Input((2,)),
        dense(10, "relu", kernel_initializer=initializer),
        dense(5, "relu", kernel_initializer=initializer),
        dense(1, kernel_initializer=initializer),
    ]
    return keras.Sequential(layers)


def main(steps=STEPS):
    """Train the network from each initializer and print how it ended."""
    x, y = make_circles(300, noise=0.05, random_state=1)
    x_test, y_test = make_circles(100, noise=0.05, random_state=2)
    schemes = {
        "zeros": keras_inits.Zeros(),
        "large random": keras_inits.RandomNormal(stddev=10.0, seed=1),
        "he": keras_inits.HeNormal(seed=1),
    }
    torch = keras.backend.backend() == "torch"  # it takes its steps one by one
    for name, initializer in schemes.items():
        model = build(initializer)
        model.compile(
            keras.optimizers.SGD(0.01),
            keras.losses.BinaryCrossentropy(from_logits=True),
            metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)],
            steps_per_execution=1 if torch else min(steps, 500),
        )
        # One epoch in which every batch is all the points: `epochs=steps` is slow.
        points, classes = np.tile(x, (steps, 1)), np.tile(y, steps)
        model.fit(points, classes, batch_size=len(x), shuffle=False, verbose=0)
        _, train = model.evaluate(x, y, verbose=0)
        _, test = model.evaluate(x_test, y_test, verbose=0)
        print(f"{name:<14} train {train:.1%}   test {test:.1%}")


if __name__ == "__main__":
    main()
