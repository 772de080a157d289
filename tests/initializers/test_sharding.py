"""On JAX, each device of a mesh draws its own part of a kernel, and no more.

Four devices made of one processor need a process of their own, which also lets this
run in the suite of any backend.
"""

import importlib.util

import pytest

from tests.processes import run_python

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="JAX is not installed"
)

SCRIPT = """
import gc, json, math, tracemalloc
import jax
import keras
import numpy as np
import keras_inits as ki
from keras_inits.initializers import stream, tensors

devices = keras.distribution.list_devices()
assert len(devices) == 4
host = np.asarray
results = {}

MESHES = {
    "data": (None, None),
    "rows": ({"model": 4}, ("model", None)),
    "columns": ({"model": 4}, (None, "model")),
    "both": ({"a": 2, "b": 2}, ("a", "b")),
    "both, the other way": ({"a": 2, "b": 2}, ("b", "a")),
    "rows, each twice": ({"a": 2, "b": 2}, ("a", None)),
}
SCHEMES = {
    "HeNormal": lambda: ki.HeNormal(seed=1),
    "GlorotUniform": lambda: ki.GlorotUniform(seed=1),
    "TruncatedNormal": lambda: ki.TruncatedNormal(seed=1),
    "Orthogonal": lambda: ki.Orthogonal(seed=1),
    "Identity": lambda: ki.Identity(0.5),
    "Constant": lambda: ki.Constant(np.arange(192.0)),
    "Zeros": lambda: ki.Zeros(),
    "Ones": lambda: ki.Ones(),
    "generator": lambda: ki.HeNormal(seed=keras.random.SeedGenerator(3)),
}
SHAPE = (1024, 192)  # three blocks of the stream


def distribution(name):
    sizes, spec = MESHES[name]
    if sizes is None:
        return keras.distribution.DataParallel(devices=devices)
    mesh = keras.distribution.DeviceMesh(
        tuple(sizes.values()), tuple(sizes), devices)
    layout_map = keras.distribution.LayoutMap(mesh)
    layout_map[".*kernel"] = spec
    return keras.distribution.ModelParallel(layout_map=layout_map)


for scheme_name, make in SCHEMES.items():
    whole = host(make()(SHAPE))
    for mesh_name in MESHES:
        keras.distribution.set_distribution(distribution(mesh_name))
        layer = keras.layers.Dense(SHAPE[1], kernel_initializer=make())
        try:
            layer.build((None, SHAPE[0]))
        except Exception as error:
            results[f"{scheme_name} by {mesh_name}"] = {"error": str(error)}
            continue
        finally:
            keras.distribution.set_distribution(None)
        kernel = layer.kernel.value
        results[f"{scheme_name} by {mesh_name}"] = {
            "difference": float(np.abs(host(kernel) - whole).max()),
            "equal": host(kernel).tobytes() == whole.tobytes(),
            "shards": [list(s.data.shape) for s in kernel.addressable_shards],
            "devices": len({s.device for s in kernel.addressable_shards}),
            "dtype": str(kernel.dtype),
        }

# A model trains.
for mesh_name in ("data", "columns", "both"):
    keras.distribution.set_distribution(distribution(mesh_name))
    keras.utils.set_random_seed(1)
    model = keras.Sequential([
        keras.Input((16,)),
        keras.layers.Dense(32, "relu", kernel_initializer=ki.HeNormal()),
        keras.layers.Dense(8, kernel_initializer=ki.Orthogonal()),
    ])
    model.compile("sgd", "mse")
    inputs = np.random.default_rng(1).normal(size=(8, 16)).astype("float32")
    before = host(model.layers[0].kernel.value)
    loss = float(model.train_on_batch(inputs, np.ones((8, 8), "float32")))
    after = model.layers[0].kernel.value
    results[f"training by {mesh_name}"] = {
        "loss": loss,
        "moved": bool((host(after) != before).any()),
        "sum": float(before.sum()),
    }
    keras.distribution.set_distribution(None)

# A layout of Keras, and one of JAX's own, given by hand.
mesh = keras.distribution.DeviceMesh((4,), ("model",), devices)
layout = keras.distribution.TensorLayout(("model", None), mesh)
for name, given in {"keras": layout, "jax": layout.backend_layout}.items():
    tensor = ki.HeNormal(seed=1)(SHAPE, layout=given)
    results[f"layout of {name}"] = {
        "equal": host(tensor).tobytes() == host(ki.HeNormal(seed=1)(SHAPE)).tobytes(),
        "shards": [list(s.data.shape) for s in tensor.addressable_shards],
    }

# A processor as a device goes on using the host's memory where it is aligned, so that
# all parts stay. An accelerator copies: so does this, once the memory is not aligned.
def not_aligned(shape, dtype):
    return aligned((1 + math.prod(shape),), dtype)[1:].reshape(shape)


aligned, stream.empty = stream.empty, not_aligned
stream._cores = lambda: 1  # each thread has its scratch
large = (4096, 2048)
for name, spec in {"rows": ("model", None), "columns": (None, "model")}.items():
    layout = keras.distribution.TensorLayout(spec, mesh).backend_layout
    values = ki.HeNormal(seed=1)._values(large, np.dtype("float32"))
    ki.HeNormal(seed=2)((8, 8))
    gc.collect()
    tracemalloc.start()
    tensor = tensors.to_tensor(values, large, layout)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    results[f"memory by {name}"] = {
        "peak": peak, "shard": 4 * large[0] * large[1] // 4,
        # To draw what is cut along an inner axis takes index arrays of a block.
        "scratch": 2**20 if name == "rows" else 80 * 2**16,
    }
print(json.dumps(results))
"""
MESHES = {
    "data": [[1024, 192]] * 4,
    "rows": [[256, 192]] * 4,
    "columns": [[1024, 48]] * 4,
    "both": [[512, 96]] * 4,
    "both, the other way": [[512, 96]] * 4,
    "rows, each twice": [[512, 192]] * 4,
}
TRAINED = ["data", "columns", "both"]
SCHEMES = [
    "HeNormal",
    "GlorotUniform",
    "TruncatedNormal",
    "Orthogonal",
    "Identity",
    "Constant",
    "Zeros",
    "Ones",
    "generator",
]


@pytest.fixture(scope="module")
def results():
    return run_python(
        SCRIPT,
        KERAS_BACKEND="jax",
        JAX_PLATFORMS="cpu",
        XLA_FLAGS="--xla_force_host_platform_device_count=4",
    )


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("mesh", MESHES)
def test_kernel_has_the_numbers_of_the_whole(results, scheme, mesh):
    result = results[f"{scheme} by {mesh}"]
    assert "error" not in result
    assert result["dtype"] == "float32"
    if scheme == "Orthogonal":  # through matrix products, in an order of their own
        assert result["difference"] < 1e-6
    else:
        assert result["equal"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("mesh", "shards"), MESHES.items(), ids=MESHES)
def test_each_device_holds_its_own_part_alone(results, scheme, mesh, shards):
    result = results[f"{scheme} by {mesh}"]
    assert "error" not in result
    assert result["shards"] == shards
    assert result["devices"] == 4


@pytest.mark.parametrize("mesh", TRAINED)
def test_sharded_model_trains(results, mesh):
    result = results[f"training by {mesh}"]
    assert 0 < result["loss"] < 100
    assert result["moved"]


def test_model_starts_the_same_under_every_distribution(results):
    assert len({results[f"training by {mesh}"]["sum"] for mesh in TRAINED}) == 1


@pytest.mark.parametrize("kind", ["keras", "jax"])
def test_layout_may_be_given_by_hand(results, kind):
    result = results[f"layout of {kind}"]
    assert result["equal"]
    assert result["shards"] == [[256, 192]] * 4


@pytest.mark.parametrize("cut", ["rows", "columns"])
def test_host_holds_one_part_at_a_time(results, cut):
    result = results[f"memory by {cut}"]
    assert result["peak"] < 1.5 * result["shard"] + result["scratch"]


TABLE_SCRIPT = """
import json
import keras
import numpy as np
from tests.initializers.table import ROWS

mesh = keras.distribution.DeviceMesh(
    (2, 2), ("a", "b"), keras.distribution.list_devices())
results = {}
for row in ROWS:
    for shape in row.shapes:
        names = ["a", "b"]
        axes = [
            names.pop() if names and size > 1 and size % 2 == 0 else None
            for size in shape
        ]
        if len(names) == 2 or 0 in shape:
            continue
        layout = keras.distribution.TensorLayout(tuple(axes), mesh)
        part = keras.Variable(row.make(1), shape=shape, layout=layout).value
        whole = np.asarray(row.make(1)(shape))
        places = int(np.prod([2 for axis in axes if axis]))
        results[f"{row} of {shape}"] = {
            "difference": float(np.abs(np.asarray(part) - whole).max()),
            "scale": float(np.abs(whole).max()),
            "exact": row.has_digests,
            "size": part.addressable_shards[0].data.size * places,
            "whole": whole.size,
        }
print(json.dumps(results))
"""


def test_every_scheme_of_the_table_is_the_same_in_parts(pytestconfig):
    results = run_python(
        TABLE_SCRIPT,
        folder=pytestconfig.rootpath,
        PYTHONPATH=str(pytestconfig.rootpath),
        KERAS_BACKEND="jax",
        JAX_PLATFORMS="cpu",
        XLA_FLAGS="--xla_force_host_platform_device_count=4",
    )
    assert len(results) > 100
    off = {
        name: result
        for name, result in results.items()
        if result["difference"] > (0 if result["exact"] else 1e-5 * result["scale"])
        or result["size"] != result["whole"]
    }
    assert off == {}
