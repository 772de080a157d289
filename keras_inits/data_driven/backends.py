"""What differs between TensorFlow, JAX and torch when a pass is watched: gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras

__all__ = ["Pass", "backward", "dense", "detached", "forward", "usable", "watched"]

#: What a pass computes: given trainable values (None where the backend knows them by
#: itself), the scalar to differentiate, and tensors to hand back as they are.
Pass = Callable[[Sequence[Any] | None], tuple[Any, Any]]


def forward(run: Callable[[], Any]) -> Any:
    """Call a function without keeping anything for a backward pass."""
    if keras.backend.backend() == "torch":
        import torch

        with torch.no_grad():
            return run()
    return run()


def backward(
    run: Pass, variables: Sequence[Any]
) -> tuple[Any, Any, list[Any], list[Any]]:
    """One forward and one backward pass.

    Args:
        run: the pass; on JAX it is called with the values of `variables` to use.
        variables: the Keras variables to differentiate by.

    Returns:
        The scalar, what else the pass returned, the gradients (None for a variable
        that the scalar does not depend on; JAX cannot tell and gives zeros), and the
        same list.
    """
    name = keras.backend.backend()
    make = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    if name not in make:
        raise ValueError(
            f"Gradients are known for {', '.join(make)}. Received: backend={name!r}. "
            "Set KERAS_BACKEND to one of them."
        )
    scalar, others, gradients = make[name](run, variables)
    return scalar, others, gradients, list(variables)


def _tensorflow(run: Pass, variables: Sequence[Any]) -> tuple[Any, Any, list[Any]]:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        scalar, others = run(None)
    values = [variable.value for variable in variables]
    return scalar, others, tape.gradient(scalar, values) if values else []


def _jax(run: Pass, variables: Sequence[Any]) -> tuple[Any, Any, list[Any]]:
    import jax

    values = [variable.value for variable in variables]
    scalar, pull_back, others = jax.vjp(run, values, has_aux=True)
    (gradients,) = pull_back(jax.numpy.ones_like(scalar))
    return scalar, others, gradients


def _torch(run: Pass, variables: Sequence[Any]) -> tuple[Any, Any, list[Any]]:
    import torch

    with torch.enable_grad():
        scalar, others = run(None)
    values = [variable.value for variable in variables]
    if not values or not scalar.requires_grad:
        return scalar.detach(), others, [None] * len(values)
    gradients = torch.autograd.grad(scalar, values, allow_unused=True)
    return scalar.detach(), others, list(gradients)


def watched(tensor: Any, see: Callable[[Any], None]) -> Any:
    """The same tensor, whose gradient is shown to `see` when the backward pass comes.

    Nothing is kept for it, and `see` is not called where no gradient arrives.
    """
    name = keras.backend.backend()
    if name == "torch":
        if tensor.requires_grad:
            tensor.register_hook(see)
        return tensor
    if name == "tensorflow":
        return _tensorflow_watched(tensor, see)
    import jax

    if not isinstance(tensor, jax.core.Tracer):
        return tensor  # a constant: nothing is differentiated by it
    return _jax_watch()(tensor, see)


def _tensorflow_watched(tensor: Any, see: Callable[[Any], None]) -> Any:
    import tensorflow as tf

    @tf.custom_gradient  # type: ignore[untyped-decorator, unused-ignore]
    def same(value: Any) -> tuple[Any, Callable[[Any], Any]]:
        def pull_back(gradient: Any) -> Any:
            see(dense(gradient))
            return gradient

        return tf.identity(value), pull_back

    return same(tensor)


@functools.cache
def _jax_watch() -> Callable[[Any, Callable[[Any], None]], Any]:
    import jax

    @functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
    def same(value: Any, see: Callable[[Any], None]) -> Any:
        return value

    def go_forward(value: Any, see: Callable[[Any], None]) -> tuple[Any, None]:
        return value, None

    def pull_back(see: Callable[[Any], None], kept: None, gradient: Any) -> tuple[Any]:
        see(gradient)
        return (gradient,)

    same.defvjp(go_forward, pull_back)
    watch: Callable[[Any, Callable[[Any], None]], Any] = same
    return watch


def dense(gradient: Any) -> Any:
    """A gradient as a plain tensor: TensorFlow's of an embedding lists the rows used.

    Rows listed twice are summed.
    """
    if type(gradient).__name__ == "IndexedSlices":
        import tensorflow as tf

        return tf.convert_to_tensor(gradient)
    return gradient


def detached(tensor: Any) -> Any:
    """The tensor as a constant: what is computed from it is not differentiated."""
    return tensor.detach() if hasattr(tensor, "detach") else _constant(tensor)


def _constant(tensor: Any) -> Any:
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.stop_gradient(tensor)
    return keras.ops.stop_gradient(tensor)


def usable(tensor: Any, home: Any) -> bool:
    """Whether a tensor has numbers now, and not only within a loop being compiled.

    Args:
        tensor: what a layer was called with, or returned.
        home: on JAX, any tensor of the pass itself, outside of loops; else None.
    """
    name = keras.backend.backend()
    if name == "tensorflow":
        return hasattr(tensor, "numpy")
    if name == "torch":
        import torch

        wrapped: bool = torch._C._functorch.is_functorch_wrapped_tensor(tensor)
        return not wrapped
    import jax

    if not isinstance(tensor, jax.core.Tracer):
        return True
    return getattr(tensor, "_trace", None) is getattr(home, "_trace", tensor)
