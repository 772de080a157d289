"""The rim: how host arrays become tensors of Keras's backend, and states are read back.

The one module of this room that knows the three backends. Each is imported in the
function that needs it: Keras has loaded it by then, or it is not the backend.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras.src.backend.common.symbolic_scope import in_symbolic_scope

from keras_inits.initializers.stream import Index

__all__ = ["check_layout", "is_symbolic", "next_state", "numpy_dtype", "to_tensor"]


def is_symbolic() -> bool:
    """Whether Keras only infers shapes, so that no value will ever be looked at.

    Subclassed models call each initializer once like that before they call it in
    earnest; on some backends several times. To draw then would cost time, and put the
    random sequence out of step between backends.
    """
    return bool(in_symbolic_scope())


def numpy_dtype(dtype: str) -> Any:
    """The NumPy dtype of a Keras dtype's name, bfloat16 and the float8 included."""
    import ml_dtypes

    return np.dtype(getattr(ml_dtypes, dtype, dtype))


def to_tensor(
    values: Callable[[Index | None], Any], shape: tuple[int, ...], layout: Any
) -> Any:
    """Hands an array over to the backend, without a copy where the memory allows it.

    Args:
        values: gives the NumPy array at an index, the whole for None. Nobody else may
            keep or change what it returns.
        shape: of the whole tensor.
        layout: None, or how JAX is to spread the tensor over devices: a `Sharding` or a
            `keras.distribution.TensorLayout`. Each device then gets its own part alone.
    """
    backend = keras.backend.backend()
    if layout is not None:
        return _to_sharded(values, shape, layout)
    array = values(None)
    if backend == "tensorflow" and array.size:
        return _to_tensorflow(array)
    if backend == "jax":
        import jax

        return jax.device_put(array, may_alias=True)
    if backend == "torch":
        return keras.ops.convert_to_tensor(_to_torch(array))
    return keras.ops.convert_to_tensor(array)


def check_layout(layout: Any) -> None:
    """Raises where the backend has no layouts."""
    backend = keras.backend.backend()
    if layout is not None and backend != "jax":
        raise ValueError(
            "`layout` spreads a tensor over devices on the JAX backend only. "
            f"Received: layout={layout!r} on the {backend} backend. Leave it out."
        )


def next_state(seed: Any) -> list[int]:
    """Advances a `keras.random.SeedGenerator`, and returns the state it had."""
    try:
        with _outside_of_graphs():
            # Not `seed.next()`: inside a layout's mesh JAX refuses its arithmetic.
            state = keras.ops.convert_to_numpy(seed.state.value)
            seed.state.assign(state + np.array([0, 1], state.dtype))
    except Exception as error:
        raise RuntimeError(
            "Initial weights are drawn on the host, and the state of this "
            f"SeedGenerator can't be read there now. Received: seed={seed!r}. Call the "
            "initializer outside of the compiled function, or give it an integer seed."
        ) from error
    return [int(word) for word in state]


def _outside_of_graphs() -> Any:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.init_scope()
    if backend == "jax":
        import jax

        return jax.ensure_compile_time_eval()
    import contextlib

    return contextlib.nullcontext()


def _to_tensorflow(array: Any) -> Any:
    import tensorflow as tf

    # DLPack has no word for the dtypes that ml_dtypes adds to NumPy: send the bits.
    foreign = array.dtype.isbuiltin != 1
    if foreign and array.itemsize == 1:  # no bitcast to float8 either
        return tf.convert_to_tensor(array)
    bits = array.view(f"u{array.itemsize}") if foreign else array
    tensor = tf.experimental.dlpack.from_dlpack(bits.__dlpack__())
    return tf.bitcast(tensor, array.dtype) if foreign else tensor


def _to_torch(array: Any) -> Any:
    import torch

    if array.dtype.isbuiltin != 1:
        tensor = torch.from_numpy(array.view(f"i{array.itemsize}"))
        return tensor.view(getattr(torch, array.dtype.name))
    return torch.from_numpy(array)


def _to_sharded(
    values: Callable[[Index | None], Any], shape: tuple[int, ...], layout: Any
) -> Any:
    import jax

    if isinstance(layout, keras.distribution.TensorLayout):
        layout = layout.backend_layout
    if isinstance(layout.mesh, jax.sharding.AbstractMesh):
        # Keras hands over an abstract mesh, and has set the one that it stands for.
        layout = jax.sharding.NamedSharding(jax.sharding.get_mesh(), layout.spec)
    owners_of: dict[tuple[tuple[int, int], ...], list[Any]] = {}
    for device, index in layout.addressable_devices_indices_map(shape).items():
        bounds = [part.indices(n)[:2] for part, n in zip(index, shape, strict=True)]
        owners_of.setdefault(tuple(bounds), []).append(device)
    shards = []
    for box, owners in owners_of.items():
        part = values(tuple(slice(*bounds) for bounds in box))
        copies = [jax.device_put(part, owner, may_alias=True) for owner in owners]
        # The host's memory holds one part at a time.
        shards += jax.block_until_ready(copies)
        # JAX gives memory back at its next call.
        del part
        jax.device_put(0)
    return jax.make_array_from_single_device_arrays(shape, layout, shards)
