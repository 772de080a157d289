"""Small training runs, with the monitor, without it, and by hand."""

import keras
import numpy as np

from keras_inits.monitor import NormMonitor
from tests.monitor import by_hand

BATCH = 8


def data(shape=(6,), outputs=2, count=4 * BATCH, seed=0):
    random = np.random.default_rng(seed)
    x = random.standard_normal((count, *shape)).astype("float32")
    return x, random.standard_normal((count, outputs)).astype("float32")


def sequential(*layers, shape=(6,), optimizer=None, **compiling):
    """A compiled model, alike on each call with layers made anew."""
    model = keras.Sequential([keras.Input(shape), *layers])
    return compiled(model, optimizer, **compiling)


def compiled(model, optimizer=None, loss="mse", **compiling):
    model.compile(optimizer or keras.optimizers.SGD(0.01), loss, **compiling)
    return model


def seeded(make):
    policy = keras.config.dtype_policy()
    keras.utils.clear_session(free_memory=False)  # names count from the start again
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(1)
    return make()


class Start(keras.callbacks.Callback):
    """Keeps the state that training starts from."""

    def on_train_begin(self, logs=None):
        self.state = [by_hand.value(v) for v in self.model.variables]


def fit(make, x, y, *callbacks, epochs=1, **fitting):
    """A model made, and trained without shuffling."""
    model = seeded(make)
    fitting = {"batch_size": BATCH, "shuffle": False, "verbose": 0, **fitting}
    keras.utils.set_random_seed(2)
    history = model.fit(x, y, epochs=epochs, callbacks=list(callbacks), **fitting)
    return model, history.history["loss"]


def watched(make, x, y, epochs=1, monitor=None, **fitting):
    """The monitored model, its monitor, and what it started from."""
    monitor = monitor or NormMonitor()
    start = Start()
    model, losses = fit(make, x, y, start, monitor, epochs=epochs, **fitting)
    return model, losses, monitor, start.state


def norms_by_hand(make, x, y, state, epochs=1):
    """The norm of each gradient at each step: steps x trainable variables."""
    model = seeded(make)
    for variable, value in zip(model.variables, state, strict=False):
        variable.assign(value)
    slices = [slice(i, i + BATCH) for i in range(0, len(y), BATCH)] * epochs
    cut = keras.tree.map_structure
    batches = [(cut(lambda a, s=s: a[s], x), y[s]) for s in slices]
    keras.utils.set_random_seed(2)
    steps = by_hand.train(model, batches)
    norm = by_hand.norm
    found = [[np.nan if g is None else norm(g) for g in step] for step in steps]
    return np.array(found), [v.path for v in model.trainable_variables]


def measured(monitor, paths, quantity="gradient_norm"):
    """The monitor's numbers, with columns in the order of these paths."""
    arrays = monitor.history.to_arrays()
    columns = [list(arrays["path"]).index(path) for path in paths]
    return arrays[quantity][:, columns]
