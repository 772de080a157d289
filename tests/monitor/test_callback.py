"""The callback in the life of a training: begins, ends, accidents, wrong arguments."""

import keras
import numpy as np
import pytest

from keras_inits.monitor import NormMonitor, NormMonitorWarning, Sink, VerdictError
from keras_inits.records import Verdict
from tests.monitor import by_hand, runs

layers = keras.layers
BACKEND = keras.backend.backend()
pytestmark = pytest.mark.backend


def make(optimizer=None):
    return runs.sequential(
        layers.Dense(4, "relu"), layers.Dense(2), optimizer=optimizer
    )


def steps_of(monitor):
    return [sample.step for sample in monitor.history.samples]


def train(model, *callbacks, epochs=1, **fitting):
    x, y = runs.data()
    fitting = {"batch_size": runs.BATCH, "verbose": 0, "shuffle": False, **fitting}
    return model.fit(x, y, epochs=epochs, callbacks=list(callbacks), **fitting)


def ours(warned):
    return [each for each in warned if each.category is NormMonitorWarning]


class At(keras.callbacks.Callback):
    """Does something at a batch, counted from 0 over all epochs."""

    def __init__(self, batch, action):
        super().__init__()
        self.count, self.batch, self.action = -1, batch, action

    def on_train_batch_begin(self, batch, logs=None):
        self.count += 1
        if self.count == self.batch:
            self.action()


def fail():
    raise InterruptedError("on purpose")


def interrupt():
    raise KeyboardInterrupt


# --- what it leaves behind -----------------------------------------------------------


def attributes(model):
    """What an object is made of, but for what training itself makes."""
    made = {"history", "_jax_state", "_initial_epoch", "stop_training", "_epoch"}
    return {name for name in vars(model) if name not in made}


def test_a_model_is_as_before_after_training():
    model = make("adam")
    train(model)
    before = attributes(model), attributes(model.optimizer)
    function = vars(model)["train_function"]
    variables = [v.path for v in model.optimizer.variables]
    train(model, NormMonitor())
    assert (attributes(model), attributes(model.optimizer)) == before
    assert vars(model)["train_function"] is function
    assert [v.path for v in model.optimizer.variables] == variables
    assert type(model) is keras.Sequential


@pytest.mark.parametrize("action", [fail, interrupt])
@pytest.mark.parametrize("first", [True, False])
def test_a_model_is_as_before_after_an_accident(action, first):
    model, monitor = make("adam"), NormMonitor()
    train(model)
    before = attributes(model), attributes(model.optimizer)
    accident = At(2, action)
    callbacks = [accident, monitor] if first else [monitor, accident]
    with pytest.raises((InterruptedError, KeyboardInterrupt)):
        train(model, *callbacks)
    train(model)
    assert (attributes(model), attributes(model.optimizer)) == before
    train(model, monitor)
    assert steps_of(monitor)[-4:] == list(range(11, 15))


class Failing(keras.Sequential):
    """A model whose training step fails once it is told to."""

    broken = False

    def train_step(self, *arguments):
        if self.broken:
            fail()
        return super().train_step(*arguments)


def test_an_accident_inside_of_a_step_leaves_nothing_behind():
    model = Failing([keras.Input((6,)), layers.Dense(2)])
    model.compile("sgd", "mse", run_eagerly=True)
    train(model)
    before = attributes(model), attributes(model.optimizer)
    model.broken = True
    with pytest.raises(InterruptedError):
        train(model, NormMonitor())
    model.broken = False
    assert attributes(model) - before[0] == {"broken"}
    assert attributes(model.optimizer) == before[1]
    if BACKEND != "jax":  # where a step that fails takes the weights with it
        train(model)


# --- again and again -----------------------------------------------------------------


class Counting(keras.Sequential):
    """A model that counts how often its training step is traced."""

    traces = 0

    def train_step(self, *arguments):
        type(self).traces += 1
        return super().train_step(*arguments)


@pytest.mark.skipif(BACKEND == "torch", reason="nothing is traced")
def test_a_second_fit_goes_on_counting_and_traces_nothing():
    Counting.traces = 0
    model = Counting([keras.Input((6,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    monitor = NormMonitor(every=3)
    train(model, monitor)
    traced = Counting.traces
    train(model, monitor, epochs=2)
    assert Counting.traces == traced
    assert steps_of(monitor) == [1, 4, 7, 10]


def test_a_model_compiled_anew_is_watched_anew():
    model, monitor = make(), NormMonitor()
    train(model, monitor)
    model.layers[0].trainable = False
    model.compile(keras.optimizers.SGD(0.01), "mse")
    fresh = NormMonitor()
    train(model, fresh)
    paths = {weight.path for weight in fresh.history.layout.weights}
    assert paths == {v.path for v in model.layers[1].variables}


def test_only_due_steps_are_measured():
    monitor = NormMonitor(every=lambda step: step in (2, 7))
    train(make(), monitor, epochs=2)
    assert steps_of(monitor) == [2, 7]


def test_a_pattern_chooses_the_weights():
    monitor = NormMonitor(layers="dense.*kernel")
    train(make(), monitor)
    assert [weight.role for weight in monitor.history.layout.weights] == ["kernel"] * 2


def test_checkpoints_in_the_middle_load_as_without_the_monitor(tmp_path):
    model, monitor = make("adam"), NormMonitor()
    path = tmp_path / "model.keras"
    saver = keras.callbacks.ModelCheckpoint(path, save_freq=3)
    train(model, saver, monitor)
    loaded = keras.saving.load_model(path)
    assert type(loaded) is keras.Sequential
    assert type(loaded.optimizer) is type(model.optimizer)
    assert len(loaded.optimizer.variables) == len(model.optimizer.variables)
    assert int(keras.ops.convert_to_numpy(loaded.optimizer.iterations.value)) == 3


def test_a_restored_run_goes_on_counting(tmp_path):
    keep = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    model = runs.seeded(make)
    with pytest.raises(InterruptedError):
        train(model, keep, NormMonitor(), At(6, fail), epochs=3)
    resumed = NormMonitor()
    keep = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    train(runs.seeded(make), keep, resumed, epochs=3)
    assert steps_of(resumed) == list(range(5, 13))


# --- what it says --------------------------------------------------------------------


class Unused(keras.Model):
    """A model with a layer whose output the loss never sees."""

    def __init__(self):
        super().__init__()
        self.used, self.unused = layers.Dense(2), layers.Dense(3, name="unused")

    def call(self, x):
        self.unused(x)
        return self.used(x)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.filterwarnings("ignore:gradients do not exist")
def test_a_weight_without_gradient_is_named_as_disconnected():
    model, monitor = runs.compiled(Unused()), NormMonitor(on_verdict=lambda _: None)
    train(model, monitor)
    found = [v for v in monitor.verdicts if v.kind == "disconnected"]
    assert {verdict.layer.rpartition("/")[2] for verdict in found} == {"unused"}
    arrays = monitor.history.to_arrays()
    lost = [path.split("/")[-2] == "unused" for path in arrays["path"]]
    norms = arrays["gradient_norm"][:, lost]
    assert (norms == 0 if BACKEND == "jax" else np.isnan(norms)).all()


def exploding():
    stretched = keras.initializers.RandomNormal(stddev=3.0, seed=1)
    chain = [layers.Dense(16, "relu", kernel_initializer=stretched) for _ in range(12)]
    return runs.sequential(
        *chain, layers.Dense(2), optimizer=keras.optimizers.SGD(1e-25)
    )


def test_a_verdict_is_a_warning_by_default():
    monitor = NormMonitor()
    with pytest.warns(NormMonitorWarning, match="exploding"):
        train(exploding(), monitor, epochs=5)
    assert "exploding" in {verdict.kind for verdict in monitor.verdicts}


def test_a_verdict_can_stop_training():
    monitor = NormMonitor(on_verdict="stop")
    with pytest.warns(NormMonitorWarning):
        history = train(exploding(), monitor, epochs=50)
    assert 1 <= len(history.epoch) < 50


def test_a_verdict_can_be_raised():
    monitor = NormMonitor(on_verdict="raise")
    with pytest.raises(VerdictError, match="exploding") as error:
        train(exploding(), monitor, epochs=50)
    assert error.value.verdict in monitor.verdicts


def test_a_verdict_can_be_handed_on():
    seen = []
    train(exploding(), NormMonitor(on_verdict=seen.append), epochs=5)
    assert isinstance(seen[0], Verdict)


def test_totals_join_the_logs_of_keras(tmp_path):
    monitor = NormMonitor(totals=True)
    history = train(
        make(), monitor, keras.callbacks.CSVLogger(tmp_path / "log.csv"), epochs=2
    )
    assert len(history.history["gradient_norm"]) == 2
    last = monitor.history.samples[-1].values["gradient_norm"]
    expected = np.sqrt((last**2).sum())
    assert history.history["gradient_norm"][-1] == pytest.approx(expected)
    assert "gradient_norm" in (tmp_path / "log.csv").read_text().splitlines()[0]


# --- a loop of one's own -------------------------------------------------------------


def test_a_loop_of_ones_own_is_watched():
    x, y = runs.data()
    model = runs.seeded(make)
    expected, paths = runs.norms_by_hand(
        make, x, y, [by_hand.value(v) for v in model.variables]
    )
    monitor = NormMonitor()
    model.optimizer.build(model.trainable_variables)
    with monitor.watching(model, model.optimizer):
        for start in range(0, len(x), runs.BATCH):
            part = slice(start, start + runs.BATCH)
            step = by_hand.gradients(model, x[part], y[part])
            if BACKEND == "jax":
                state = [v.value for v in model.optimizer.variables]
                values = [v.value for v in model.trainable_variables]
                values, state, readings = monitor.stateless_apply(state, step, values)
                pairs = [
                    *zip(model.trainable_variables, values, strict=True),
                    *zip(model.optimizer.variables, state, strict=True),
                ]
                for variable, value in pairs:
                    variable.assign(value)
            else:
                readings = monitor.apply(step, model.trainable_variables)
            monitor.record(readings)
    np.testing.assert_allclose(runs.measured(monitor, paths), expected, rtol=2e-6)
    with pytest.raises(RuntimeError, match="watches nothing now"):
        monitor.record(readings)


# --- accidents of its own ------------------------------------------------------------


class Broken(Sink):
    """A sink that breaks at its third sample."""

    def __init__(self):
        self.count = 0

    def write(self, sample):
        self.count += 1
        if self.count == 3:
            raise OSError("No space left on device")


def test_a_broken_sink_warns_once_and_training_goes_on():
    broken = Broken()
    monitor = NormMonitor(sinks=[broken])
    with pytest.warns(NormMonitorWarning, match="No space left") as warned:
        history = train(make(), monitor, epochs=3)
    assert len(ours(warned)) == 1
    assert broken.count == 3
    assert len(history.epoch) == 3
    assert steps_of(monitor) == list(range(1, 13))


class Unopenable(Sink):
    def open(self, layout):
        raise PermissionError("not allowed")

    def write(self, sample):
        pass


def test_a_sink_that_cannot_open_is_an_error_before_the_first_step():
    model = make()
    before = [by_hand.value(v) for v in model.variables]
    with pytest.raises(PermissionError, match="not allowed"):
        train(model, NormMonitor(sinks=[Unopenable()]))
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(by_hand.value(variable), value)


def test_a_log_dir_that_is_a_file_is_an_error_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        train(make(), NormMonitor(tmp_path / "file"))


def test_two_monitors_on_one_model_are_refused():
    model = make()
    with pytest.raises(ValueError, match="Two NormMonitors watch one model"):
        train(model, NormMonitor(), NormMonitor())
    train(model, NormMonitor())


def test_a_monitor_belongs_to_one_model():
    monitor, first, second = NormMonitor(), make(), make()
    train(first, monitor)
    with pytest.raises(ValueError, match="Make a new NormMonitor"):
        train(second, monitor)


class Halving(keras.optimizers.Optimizer):
    """An optimizer that nobody has seen."""

    def __init__(self, learning_rate=0.01, **named):
        super().__init__(learning_rate=learning_rate, **named)

    def update_step(self, gradient, variable, learning_rate):
        rate = keras.ops.cast(learning_rate, variable.dtype)
        self.assign_sub(variable, gradient * rate / 2)


def test_an_optimizer_that_nobody_has_seen_is_watched():
    monitor = NormMonitor()
    train(make(Halving()), monitor)
    arrays = monitor.history.to_arrays()
    expected = 0.005 * arrays["gradient_norm"]
    np.testing.assert_allclose(arrays["update_norm"], expected, rtol=1e-3)


class NoOptimizer(keras.Sequential):
    """A model whose training step trains nothing."""

    def train_step(self, *arguments):
        if BACKEND == "jax":
            state, _ = arguments
            return {"loss": keras.ops.zeros(())}, state
        return {"loss": keras.ops.zeros(())}


def test_a_step_that_uses_no_optimizer_warns_once_and_goes_on():
    model = NoOptimizer([keras.Input((6,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    with pytest.warns(NormMonitorWarning, match="saw no gradients") as warned:
        train(model, NormMonitor(), epochs=2)
    assert len(ours(warned)) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"measures": "all"}, ValueError, "`measures` must be one of 'cheap', "),
        ({"on_verdict": "shout"}, ValueError, "`on_verdict` must be one of 'warn'"),
        ({"measures": "full"}, ValueError, "Give some inputs, as batch="),
        ({"every": 0}, ValueError, "every=0"),
        ({"every": True}, TypeError, "every=True"),
        ({"layers": 3}, TypeError, "`layers` must be a regular expression"),
        ({"layers": "("}, ValueError, "`layers` is no regular expression"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, text):
    with pytest.raises(error, match=text.replace("(", r"\(")):
        NormMonitor(**arguments)


def test_a_pattern_that_matches_nothing_is_an_error_before_the_first_step():
    with pytest.raises(ValueError, match=r"`layers` matches no trainable weight"):
        train(make(), NormMonitor(layers="attention"))


@pytest.mark.filterwarnings("ignore:The model does not have any trainable")
def test_a_model_without_trainable_weights_is_named():
    model = make()
    model.trainable = False
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="nothing to watch"):
        train(model, NormMonitor())
