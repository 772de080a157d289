"""The tap where a model trains on several devices or in several processes.

Several devices made of one processor need a process of their own, which also lets this
run in the suite of any backend.
"""

import importlib.util
import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.processes import run_python

COMMON = """
import json, sys
import keras
import numpy as np

from keras_inits.monitor import NormMonitor
from tests.monitor import by_hand

random = np.random.default_rng(0)
x = random.standard_normal((32, 6)).astype("float32")
y = random.standard_normal((32, 4)).astype("float32")

def make(optimizer="sgd", **compiling):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([
        keras.Input((6,)),
        keras.layers.Dense(8, "relu", name="first"),
        keras.layers.Dense(4, name="second"),
    ], name="model")
    model.compile(optimizer, "mse", **compiling)
    return model

def train(model, *callbacks):
    return model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0,
                     callbacks=list(callbacks)).history["loss"]

def outcome(model, monitor, losses):
    arrays = monitor.history.to_arrays()
    values = [by_hand.value(v).tolist() for v in model.trainable_variables]
    return {"gradient": arrays["gradient_norm"].tolist(),
            "update": arrays["update_norm"].tolist(),
            "steps": arrays["step"].tolist(), "losses": losses, "weights": values,
            "paths": list(arrays["path"])}
"""

MIRRORED = (
    """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
"""
    + COMMON
    + """
found = {}
monitor, model = NormMonitor(), make()
found["one"] = outcome(model, monitor, train(model, monitor))
strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
with strategy.scope():
    model, plain = make(), make()
monitor = NormMonitor()
found["two"] = outcome(model, monitor, train(model, monitor))
found["two"]["plain"] = train(plain)
print(json.dumps(found))
"""
)


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="needs TensorFlow"
)
def test_mirrored_replicas_show_the_gradient_of_the_whole_batch():
    found = run_python(MIRRORED, KERAS_BACKEND="tensorflow")
    one, two = found["one"], found["two"]
    assert two["steps"] == one["steps"] == list(range(1, 9))
    assert two["losses"] == two["plain"]
    np.testing.assert_allclose(two["gradient"], one["gradient"], rtol=2e-6)
    np.testing.assert_allclose(two["update"], one["update"], rtol=1e-5)


SHARDED = (
    COMMON
    + """
devices = keras.distribution.list_devices()
assert len(devices) == 4
mesh = keras.distribution.DeviceMesh((2, 2), ("data", "model"), devices)
layouts = keras.distribution.LayoutMap(mesh)
layouts["first/kernel"] = (None, "model")
layouts["first/bias"] = ("model",)
layouts["second/kernel"] = ("model", None)
ways = {
    "one": None,
    "data": keras.distribution.DataParallel(devices=devices),
    "model": keras.distribution.ModelParallel(
        layout_map=layouts, batch_dim_name="data"),
}
found = {}
for name, way in ways.items():
    if way is not None:
        keras.distribution.set_distribution(way)
    monitor, model = NormMonitor(), make("adam")
    found[name] = outcome(model, monitor, train(model, monitor))
    found[name]["plain"] = train(make("adam"))
print(json.dumps(found))
"""
)


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX")
def test_sharded_training_shows_the_gradient_of_the_whole_batch():
    found = run_python(
        SHARDED,
        KERAS_BACKEND="jax",
        XLA_FLAGS="--xla_force_host_platform_device_count=4",
    )
    for name in ("data", "model"):
        one, several = found["one"], found[name]
        assert several["steps"] == list(range(1, 9))
        assert several["losses"] == several["plain"]
        np.testing.assert_allclose(several["gradient"], one["gradient"], rtol=1e-4)
        np.testing.assert_allclose(
            several["gradient"][0], one["gradient"][0], rtol=2e-6
        )


WORKER = (
    COMMON
    + """
import tensorflow as tf
from keras_inits.monitor import JSONLinesSink

# Keras 3's own fit does not run under this strategy, but a loop of one's own does.
strategy = tf.distribute.MultiWorkerMirroredStrategy()
with strategy.scope():
    model = make(keras.optimizers.SGD(0.01))
    model.optimizer.build(model.trainable_variables)
variables = model.trainable_variables

@tf.function
def step(data):
    def replica(x, y):
        with tf.GradientTape() as tape:
            error = tf.reduce_sum((model(x, training=True) - y) ** 2) / (8 * 4)
        return monitor.apply(tape.gradient(error, variables), variables)
    return strategy.run(replica, args=data)

monitor = NormMonitor(sinks=[JSONLinesSink(sys.argv[1])])
data = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
with monitor.watching(model, model.optimizer):
    for batch in strategy.experimental_distribute_dataset(data):
        monitor.record(step(batch))
print(json.dumps(monitor.history.to_arrays()["gradient_norm"].tolist()))
"""
)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="needs TensorFlow"
)
def test_of_several_workers_the_chief_alone_writes(tmp_path, pytestconfig):
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    running = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        environment = {
            **os.environ,
            "TF_CONFIG": json.dumps({"cluster": {"worker": workers}, "task": task}),
            "KERAS_BACKEND": "tensorflow",
            "CUDA_VISIBLE_DEVICES": "",
            "PYTHONPATH": str(pytestconfig.rootpath),
        }
        log = tmp_path / f"worker {index}.jsonl"
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER, str(log)],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        ended = [worker.communicate(timeout=240) for worker in running]
    finally:
        for worker in running:
            worker.kill()
    assert [worker.returncode for worker in running] == [0, 0], ended
    first, second = (json.loads(out.splitlines()[-1]) for out, _ in ended)
    assert len(first) == 4
    np.testing.assert_array_equal(first, second)  # the gradient of the whole batch
    assert [path.name for path in tmp_path.iterdir()] == ["worker 0.jsonl"]
