"""How deep a plain network trains, beside six times its depth scale: tanh on digits."""

from itertools import product
from typing import Any

from benchmarks.settings import Settings
from benchmarks.tables import Table, show
from benchmarks.workers import Worker

__all__ = ["measure", "tables"]

BIAS_VARIANCE = 0.05
# Ordered, critical (to three digits) and chaotic.
WEIGHT_VARIANCES = (1.0, 1.3, 1.761, 2.5, 4.0)
DEPTHS = (10, 30, 60, 100)
WIDTH, BATCH = 200, 64
# Divided by the depth: on the edge of chaos the curvature grows in proportion to it. At
# 1 / L even the critical network of 100 layers does not train, and shorter ones do.
LEARNING_RATE = 0.3
STEPS = 1000

# Depth, accuracy of He's and of Xavier's scheme (He et al., 2015, figure 3: the one
# trains, the other stalls).
RELU_DEPTH, RELU_STEPS, RELU_RATE = 30, 600, 1.0


def measure(settings: Settings) -> list[dict[str, Any]]:
    variances = WEIGHT_VARIANCES[::2] if settings.quick else WEIGHT_VARIANCES
    depths = DEPTHS[:1] if settings.quick else DEPTHS
    measured = []
    with Worker("tensorflow") as worker:
        for weights, depth in product(variances, depths):
            steps = 100 if settings.quick else STEPS
            accuracy = worker.run(train_tanh, weights, depth, steps)
            measured.append({"weights": weights, "depth": depth, "accuracy": accuracy})
        for scheme in ("HeNormal", "GlorotNormal"):
            depth = 5 if settings.quick else RELU_DEPTH
            accuracy = worker.run(train_relu, scheme, depth, RELU_STEPS)
            measured.append({"scheme": scheme, "depth": depth, "accuracy": accuracy})
    return measured


def train_tanh(weight_variance: float, depth: int, steps: int) -> float:
    """Runs in a worker: the test accuracy."""
    import keras_inits

    def scheme(part: str, seed: int) -> Any:
        return keras_inits.Critical(
            weight_variance**0.5, part, seed, bias_variance=BIAS_VARIANCE
        )

    layers = [
        {
            "activation": "tanh",
            "kernel_initializer": scheme("kernel", layer),
            "bias_initializer": scheme("bias", layer),
        }
        for layer in range(depth)
    ]
    return _train(layers, steps, LEARNING_RATE / depth)


def train_relu(scheme: str, depth: int, steps: int) -> float:
    """Runs in a worker: the test accuracy."""
    import keras_inits

    make = getattr(keras_inits, scheme)
    layers = [
        {"activation": "relu", "kernel_initializer": make(seed=layer)}
        for layer in range(depth)
    ]
    return _train(layers, steps, RELU_RATE / depth)


def _train(layers: list[dict[str, Any]], steps: int, learning_rate: float) -> float:
    import keras
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    import keras_inits

    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=0.25, random_state=1, stratify=y
    )
    scale = np.sqrt(np.mean((x_train - x_train.mean()) ** 2))
    x_train, x_test = ((part - x.mean()) / scale for part in (x_train, x_test))
    model = keras.Sequential(
        [
            *(keras.layers.Dense(WIDTH, **arguments) for arguments in layers),
            keras.layers.Dense(
                10, kernel_initializer=keras_inits.LecunNormal(seed=len(layers))
            ),
        ]
    )
    model.compile(
        keras.optimizers.SGD(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=20,
        metrics=["accuracy"],
    )
    epochs = -(-steps * BATCH // len(x_train))
    model.fit(x_train, y_train, batch_size=BATCH, epochs=epochs, verbose=0)
    return float(
        model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
    )


def tables(measured: list[dict[str, Any]]) -> list[Table]:
    tanh = [cell for cell in measured if "weights" in cell]
    relu = [cell for cell in measured if "scheme" in cell]
    return [_depths(tanh), _schemes(relu)]


def _depths(measured: list[dict[str, Any]]) -> Table:
    from keras_inits.theory import depth_scale

    depths = sorted({cell["depth"] for cell in measured})
    by_place = {(cell["weights"], cell["depth"]): cell["accuracy"] for cell in measured}
    rows = []
    for weights in dict.fromkeys(cell["weights"] for cell in measured):
        scale = depth_scale("tanh", weights, BIAS_VARIANCE).correlation
        accuracies = [show(by_place[weights, depth]) for depth in depths]
        limit = "1000 and more" if scale > 170 else show(6 * scale)
        rows.append([f"{weights:g}", show(scale), limit, *accuracies])
    return Table(
        title="Trainable depth: test accuracy on digits",
        columns=["w", "depth scale", "6 depth scales", *[f"L = {d}" for d in depths]],
        rows=rows,
        note=(
            f"tanh layers of {WIDTH} units without normalization, weights of variance "
            f"w / fan_in and biases of variance {BIAS_VARIANCE:g} by `Critical`; "
            f"scikit-learn's digits, plain SGD at a rate of {LEARNING_RATE:g} / L, "
            f"{STEPS} steps of {BATCH}, one seed. Schoenholz et al. (2017): networks "
            "train down to about six depth scales. Chance is 0.1."
        ),
    )


def _schemes(measured: list[dict[str, Any]]) -> Table:
    published = {"HeNormal": "> 0.8", "GlorotNormal": "< 0.2"}
    predicted = {"HeNormal": 1.0, "GlorotNormal": 0.5}
    return Table(
        title=f"{RELU_DEPTH} ReLU layers: test accuracy on digits",
        columns=["scheme", "published", "E x² per layer, predicted", "measured"],
        rows=[
            [
                f"`{cell['scheme']}`",
                published[cell["scheme"]],
                show(predicted[cell["scheme"]]),
                show(cell["accuracy"]),
            ]
            for cell in measured
        ],
        note=(
            "He et al. (2015), as reproduced on 5000 digits of MNIST; here on "
            f"scikit-learn's, {RELU_STEPS} steps at a rate of {RELU_RATE:g} / L, the "
            "rest as above."
        ),
    )
