"""The tap against gradients taken by hand, on every kind of layer and optimizer."""

import keras
import numpy as np
import pytest

from keras_inits.monitor import NormMonitor
from tests.monitor import by_hand, runs

layers = keras.layers
BACKEND = keras.backend.backend()
pytestmark = pytest.mark.backend


class Residual(keras.Model):
    """A subclassed model, built by its first call, which uses one layer twice."""

    def __init__(self):
        super().__init__()
        self.twice = layers.Dense(6, activation="tanh")
        self.head = layers.Dense(2)

    def call(self, x):
        return self.head(x + self.twice(self.twice(x)))


class OwnStep(keras.Model):
    """A model with a training step of its own: half the loss, for clarity."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, x, training=False):
        return self.inner(x, training=training)

    def compute_loss(self, *arguments, **named):
        return 0.5 * super().compute_loss(*arguments, **named)

    def train_step(self, *arguments):
        return super().train_step(*arguments)


def nested():
    inner = keras.Sequential([layers.Dense(5, "relu"), layers.Dense(4)], name="inner")
    return runs.sequential(inner, layers.Dense(2))


def branched():
    x = keras.Input((6,))
    a, b = layers.Dense(5, "relu")(x), layers.Dense(5, "tanh")(x)
    outputs = layers.Dense(2)(layers.Concatenate()([layers.Add()([a, b]), a]))
    return runs.compiled(keras.Model(x, outputs))


def frozen():
    model = runs.sequential(layers.Dense(5), layers.Dense(4), layers.Dense(2))
    model.layers[1].trainable = False
    return runs.compiled(model)


def sequence(*inner):
    return lambda: runs.sequential(
        *(make() for make in inner), layers.Dense(2), shape=(5, 6)
    )


def attention():
    x = keras.Input((5, 6))
    mixed = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 3)(x, x))
    outputs = layers.Dense(2)(layers.GlobalAveragePooling1D()(mixed))
    return runs.compiled(keras.Model(x, outputs))


def embedding():
    x = keras.Input((7,), dtype="int32")
    table = layers.Embedding(20, 4)(x)
    outputs = layers.Dense(2)(layers.Flatten()(table))
    return runs.compiled(keras.Model(x, outputs))


MODELS = {
    "dense": lambda: runs.sequential(layers.Dense(8, "relu"), layers.Dense(2)),
    "convolution": lambda: runs.sequential(
        layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2), shape=(6, 6, 3)
    ),
    "lstm": sequence(lambda: layers.LSTM(4)),
    "gru": sequence(lambda: layers.GRU(4)),
    "bidirectional": sequence(lambda: layers.Bidirectional(layers.SimpleRNN(3))),
    "attention": attention,
    "embedding": embedding,
    "batch normalization": lambda: runs.sequential(
        layers.Dense(8), layers.BatchNormalization(), layers.ReLU(), layers.Dense(2)
    ),
    "dropout": lambda: runs.sequential(
        layers.Dense(8, "relu"), layers.Dropout(0.5, seed=3), layers.Dense(2)
    ),
    "frozen": frozen,
    "nested": nested,
    "branched": branched,
    "subclassed": lambda: runs.compiled(Residual()),
    "own step": lambda: runs.compiled(
        OwnStep(keras.Sequential([layers.Dense(4, "relu"), layers.Dense(2)]))
    ),
}


def inputs(name):
    if name == "embedding":
        random = np.random.default_rng(0)
        x = random.integers(0, 20, (32, 7)).astype("int32")
        x[:, 1] = x[:, 0]  # a row that each sequence names twice
        return x, runs.data()[1]
    shapes = {"convolution": (6, 6, 3), "attention": (5, 6), "lstm": (5, 6)}
    shapes |= {"gru": (5, 6), "bidirectional": (5, 6)}
    return runs.data(shapes.get(name, (6,)))


@pytest.mark.parametrize("name", MODELS)
def test_norms_are_those_of_gradients_by_hand(name):
    make, (x, y) = MODELS[name], inputs(name)
    model, _, monitor, state = runs.watched(make, x, y)
    if not state or len(state) < len(model.variables):
        state = start_of(make, x, y)
    expected, paths = runs.norms_by_hand(lambda: built(make, x), x, y, state)
    found = runs.measured(monitor, [v.path for v in model.trainable_variables])
    assert len(paths) == len(model.trainable_variables)
    # The bias of attention keys has no effect: its gradient is rounding alone.
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=5e-8)


def built(make, x):
    model = make()
    if not model.built:
        model(x[: runs.BATCH])
    return model


def start_of(make, x, y):
    """What an unbuilt model starts from: nothing of it was known when it began."""
    model = runs.seeded(lambda: built(make, x))
    return [by_hand.value(v) for v in model.variables]


HOW = {
    "tensorflow": [
        {},
        {"jit_compile": True},
        {"run_eagerly": True},
        {"steps_per_execution": 3},
        {"steps_per_execution": 3, "jit_compile": True},
        {"steps_per_execution": 3, "run_eagerly": True},
    ],
    "jax": [{}, {"run_eagerly": True}, {"steps_per_execution": 3}],
    "torch": [{}],
}[BACKEND]


def chain(**compiling):
    return runs.sequential(
        layers.Dense(8, "relu"),
        layers.BatchNormalization(),
        layers.Dense(8, "tanh"),
        layers.Dense(2),
        optimizer=keras.optimizers.Adam(0.003),
        **compiling,
    )


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("every", [1, 3])
def test_a_watched_run_is_the_same_to_the_bit(how, every):
    x, y = runs.data()

    def make():
        return chain(**how)

    monitor = NormMonitor(every=every)
    model, losses, *_ = runs.watched(make, x, y, epochs=3, monitor=monitor)
    plain, plain_losses = runs.fit(make, x, y, epochs=3)
    assert losses == plain_losses
    for ours, theirs in zip(model.variables, plain.variables, strict=True):
        np.testing.assert_array_equal(by_hand.value(ours), by_hand.value(theirs))
    steps = [sample.step for sample in monitor.history.samples]
    assert steps == list(range(1, 13, every))


@pytest.mark.skipif(BACKEND != "torch", reason="compiles with torch.compile")
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's own
def test_a_step_of_torch_compile_is_read_and_left_the_same():
    x, y = runs.data()

    def make(**how):
        return runs.sequential(layers.Dense(8, "relu"), layers.Dense(2), **how)

    def compiled():
        return make(jit_compile=True)

    monitor = NormMonitor(every=3)
    model, losses, _, state = runs.watched(compiled, x, y, epochs=2, monitor=monitor)
    plain, plain_losses = runs.fit(compiled, x, y, epochs=2)
    assert losses == plain_losses
    for ours, theirs in zip(model.variables, plain.variables, strict=True):
        np.testing.assert_array_equal(by_hand.value(ours), by_hand.value(theirs))
    expected, paths = runs.norms_by_hand(make, x, y, state, epochs=2)
    found = runs.measured(monitor, paths)
    np.testing.assert_allclose(found, expected[::3], rtol=5e-6)


@pytest.mark.parametrize("how", HOW, ids=str)
def test_every_way_to_run_a_step_gives_the_same_norms(how):
    x, y = runs.data()
    _, _, monitor, state = runs.watched(lambda: chain(**how), x, y)
    expected, paths = runs.norms_by_hand(chain, x, y, state)
    np.testing.assert_allclose(runs.measured(monitor, paths), expected, rtol=5e-6)


OPTIMIZERS = {
    "clipnorm": lambda: keras.optimizers.SGD(0.01, clipnorm=0.01),
    "global_clipnorm": lambda: keras.optimizers.SGD(0.01, global_clipnorm=0.01),
    "clipvalue": lambda: keras.optimizers.SGD(0.01, clipvalue=0.001),
    "weight_decay": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "ema": lambda: keras.optimizers.SGD(0.01, use_ema=True, ema_overwrite_frequency=2),
    "momentum": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    "loss scale": lambda: keras.optimizers.SGD(0.01, loss_scale_factor=1024.0),
}


class Weights(keras.callbacks.Callback):
    """Keeps the weights after each step."""

    def on_train_begin(self, logs=None):
        self.steps = [self.now()]

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(self.now())

    def now(self):
        return [
            by_hand.value(v).astype("float64") for v in self.model.trainable_variables
        ]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_gradients_are_read_before_the_optimizer_and_updates_after_it(name):
    x, y = runs.data()

    def make():
        return runs.sequential(
            layers.Dense(8, "relu"), layers.Dense(2), optimizer=OPTIMIZERS[name]()
        )

    weights, monitor = Weights(), NormMonitor()
    model, _ = runs.fit(make, x, y, weights, monitor)
    paths = [v.path for v in model.trainable_variables]
    state = [by_hand.value(v) for v in runs.seeded(make).variables]
    if name != "loss scale":
        expected, _ = runs.norms_by_hand(make, x, y, state)
        found = runs.measured(monitor, paths)
        np.testing.assert_allclose(found, expected, rtol=5e-6)
    before = [[by_hand.norm(w) for w in step] for step in weights.steps[:-1]]
    found = runs.measured(monitor, paths, "weight_norm")
    np.testing.assert_allclose(found, before, rtol=1e-6)
    pairs = zip(weights.steps[1:], weights.steps[:-1], strict=True)
    moved = [
        [by_hand.norm(a - b) for a, b in zip(new, old, strict=True)]
        for new, old in pairs
    ]
    found = runs.measured(monitor, paths, "update_norm")
    np.testing.assert_allclose(found, moved, rtol=1e-5)


def test_a_fixed_loss_scale_is_taken_out_of_the_norms():
    x, y = runs.data()

    def make(**scale):
        return runs.sequential(
            layers.Dense(2), optimizer=keras.optimizers.SGD(0.01, **scale)
        )

    _, _, plain, _ = runs.watched(make, x, y)
    _, _, scaled, _ = runs.watched(lambda: make(loss_scale_factor=64.0), x, y)
    ours, theirs = (m.history.to_arrays()["gradient_norm"] for m in (plain, scaled))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert {sample.loss_scale for sample in scaled.history.samples} == {64.0}


def test_gradient_accumulation_shows_the_micro_batch_and_what_is_applied():
    x, y = runs.data()

    def make(steps):
        return runs.sequential(
            layers.Dense(2),
            optimizer=keras.optimizers.SGD(0.01, gradient_accumulation_steps=steps),
        )

    _, _, monitor, _ = runs.watched(lambda: make(2), x, y)
    _, _, whole, _ = runs.watched(lambda: make(None), x, y, batch_size=2 * runs.BATCH)
    arrays = monitor.history.to_arrays()
    assert [sample.applied for sample in monitor.history.samples] == [False, True] * 2
    applied = arrays["accumulated_gradient_norm"]
    assert np.isnan(applied[::2]).all()
    expected = whole.history.to_arrays()["gradient_norm"]
    np.testing.assert_allclose(applied[1::2], expected, rtol=2e-6)
    assert (arrays["update_norm"][::2] == 0).all()
    first, _ = runs.norms_by_hand(
        lambda: make(None),
        x,
        y,
        [by_hand.value(v) for v in runs.seeded(make_one).variables],
    )
    np.testing.assert_allclose(arrays["gradient_norm"][0], first[0], rtol=2e-6)


def make_one():
    return runs.sequential(layers.Dense(2))


@pytest.fixture
def float16():
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    yield
    keras.mixed_precision.set_dtype_policy(before)


def test_dynamic_loss_scale_is_taken_out_and_overflow_is_flagged(float16):
    x, y = runs.data()

    def make():
        inner = keras.optimizers.SGD(0.001)
        return runs.sequential(
            layers.Dense(8, "relu"),
            layers.Dense(2, dtype="float32"),
            optimizer=keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**17),
        )

    monitor = NormMonitor(on_verdict=lambda verdict: None)
    _, losses, *_ = runs.watched(make, 20 * x, 20 * y, epochs=4, monitor=monitor)
    _, plain_losses = runs.fit(make, 20 * x, 20 * y, epochs=4)
    assert losses == plain_losses
    samples = monitor.history.samples
    assert {sample.overflow for sample in samples} == {True, False}
    for sample in samples:
        finite = np.isfinite(sample.values["gradient_norm"]).all()
        assert finite != sample.overflow
        assert sample.applied != sample.overflow
        moved = sample.values["update_norm"] > 0
        assert moved.any() != sample.overflow
    scales = [sample.loss_scale for sample in samples]
    assert scales[0] == 2.0**17
    assert scales[-1] < scales[0]
    good = [s for s in samples if not s.overflow]
    # SGD moves a weight by the rate times the unscaled gradient.
    np.testing.assert_allclose(
        good[0].values["update_norm"],
        0.001 * good[0].values["gradient_norm"],
        rtol=1e-3,
    )


def exponents():
    return runs.sequential(layers.Dense(3, use_bias=False), layers.Dense(2))


@pytest.mark.parametrize("scale", [1e-30, 1e25])
def test_norms_outside_of_what_float32_can_square(scale):
    x, _ = runs.data()
    y = np.zeros((len(x), 2), "float32")

    def make():
        x_in = keras.Input((6,))
        outputs = layers.Dense(2, use_bias=False)(x_in) * scale
        return runs.compiled(keras.Model(x_in, outputs), loss=mean)

    _, _, monitor, _ = runs.watched(make, x, y)
    found = monitor.history.to_arrays()["gradient_norm"][:, 0]
    sums = x.reshape(4, runs.BATCH, 6).astype("float64").sum(1) * scale / runs.BATCH / 2
    np.testing.assert_allclose(found, np.sqrt(2 * (sums**2).sum(1)), rtol=2e-6)


@keras.saving.register_keras_serializable("tests")
def mean(y, outputs):
    return keras.ops.mean(outputs, axis=-1)


def test_full_measures_count_entries():
    x, y = runs.data()
    x[:, 0] = 0

    def make():
        return runs.sequential(layers.Dense(3), layers.Dense(2))

    monitor = NormMonitor(measures="full", batch=x)
    model, *_ = runs.watched(make, x, y, monitor=monitor)
    arrays = monitor.history.to_arrays()
    kernel = list(arrays["path"]).index(model.layers[0].kernel.path)
    np.testing.assert_allclose(arrays["zero_share"][:, kernel], 1 / 6, rtol=1e-6)
    assert (arrays["nonfinite"] == 0).all()
    step = by_hand.train(runs.seeded(make), [(x[:8], y[:8])])[0]
    largest = [np.abs(g).max() for g in step]
    found = runs.measured(
        monitor, [v.path for v in model.trainable_variables], "gradient_max"
    )
    np.testing.assert_allclose(found[0], largest, rtol=2e-6)
