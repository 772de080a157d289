"""Fifty layers, three ways: gradients that vanish, that explode, that train.

A network of 50 layers of 64 units learns to read the 1,797 handwritten digits of
scikit-learn. Only activation and first weights differ; the monitor says what happens,
where, from which step on, and what cures it. Run it: python examples/fifty_layers.py (a
minute or two). It writes a figure a network, and TensorBoard's logs, to runs/fifty.
"""

import sys
from pathlib import Path

import keras
from sklearn.datasets import load_digits

import keras_inits
from keras_inits import NormMonitor

DEPTH, WIDTH, EPOCHS = 50, 64, 6
NETWORKS = {
    "vanishes": ("sigmoid", keras_inits.GlorotUniform()),
    "explodes": ("relu", keras_inits.VarianceScaling(8.0, "fan_in")),  # He's is 2
    "learns": ("relu", keras_inits.Orthogonal(gain=2**0.5)),
}


def build(activation, initializer):
    """The network. One initializer without a seed draws anew for each layer."""
    hidden = [
        keras.layers.Dense(WIDTH, activation, kernel_initializer=initializer)
        for _ in range(DEPTH)
    ]
    return keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])


def main(folder="runs/fifty", epochs=EPOCHS):
    """Train the three networks, and show what the monitor saw."""
    x, y = load_digits(return_X_y=True)
    x = ((x - x.mean()) / x.std()).astype("float32")
    for name, (activation, initializer) in NETWORKS.items():
        keras.utils.clear_session()  # layers are named anew, to compare them by name
        keras.utils.set_random_seed(1)
        model = build(activation, initializer)
        model.compile(
            keras.optimizers.Adam(3e-4),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        logs = Path(folder) / name
        monitor = NormMonitor(logs, every=5, on_verdict=lambda verdict: None)
        history = model.fit(
            x, y, batch_size=64, epochs=epochs, verbose=0, callbacks=[monitor]
        )
        accuracy = history.history["accuracy"][-1]
        print(f"{name}: train accuracy {accuracy:.1%} after {epochs} epochs")
        for verdict in monitor.verdicts:
            print(f"  step {verdict.step}, {verdict.layer}: {verdict.kind}")
            print(f"    cause: {verdict.cause}")
            print(f"    cure: {verdict.cure}")
        if not monitor.verdicts:
            print("  nothing to complain of")
        monitor.plot().savefig(logs / "norms.png", dpi=80)
    print(f"Look at {folder}/*/norms.png, or type: tensorboard --logdir {folder}")


if __name__ == "__main__":
    main(*sys.argv[1:])
