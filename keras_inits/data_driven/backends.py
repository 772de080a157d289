"""What differs between TensorFlow, JAX and torch when a pass is watched: gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras

__all__ = [
    "Pass",
    "backward",
    "dense",
    "detached",
    "forward",
    "square_sum",
    "usable",
    "watched",
]

#: What a pass computes: the scalar to differentiate and another one to hand back. It
#: gets a function for each variable, which gives the value to use when it is needed.
Pass = Callable[[Sequence[Callable[[], Any]]], tuple[Any, Any]]
#: Takes the gradient by the variable of a place.
See = Callable[[int, Any], None]


def forward(run: Callable[[], Any]) -> Any:
    """Call a function without keeping anything for a backward pass."""
    if keras.backend.backend() == "torch":
        import torch

        with torch.no_grad():
            return run()
    return run()


def backward(run: Pass, variables: Sequence[Any], see: See) -> Any:
    """One forward and one backward pass.

    Gradients are shown to `see` one by one and not kept: together they are as large as
    the model. None is shown for a variable that the scalar does not depend on.

    Args:
        run: the pass, which must use the values that it is given.
        variables: the Keras variables to differentiate by.
        see: what to show the gradients to.

    Returns:
        The second scalar of the pass.

    Raises:
        ValueError: on another backend.
    """
    name = keras.backend.backend()
    make = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    if name not in make:
        raise ValueError(
            f"Gradients are known for {', '.join(make)}. Received: backend={name!r}. "
            "Set KERAS_BACKEND to one of them."
        )
    return make[name](run, [variable.value for variable in variables], see)


def _tensorflow(run: Pass, values: list[Any], see: See) -> Any:
    import tensorflow as tf

    def seen(place: int, value: Any) -> Any:
        tensor = tf.convert_to_tensor(value)
        tape.watch(tensor)
        see_here = functools.partial(see, place)
        return _tensorflow_watched(tensor, see_here, goes_on=False)

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        watched = [
            functools.partial(seen, place, value) for place, value in enumerate(values)
        ]
        scalar, other = run(watched)
    # By nothing: all that is wanted is seen on the way.
    tape.gradient(scalar, tf.zeros(()))
    return other


def _jax(run: Pass, values: list[Any], see: See) -> Any:
    import jax

    def seen(place: int, unit: Any) -> Any:
        see_here = functools.partial(see, place)
        return _jax_watch()(values[place], unit, see_here, False)

    def differentiated(unit: Any) -> tuple[Any, Any]:
        # By a number that changes nothing: all that is wanted is seen on the way.
        early = [seen(place, unit) for place in range(len(values))]

        def value(place: int) -> Any:
            # A gradient is seen, and let go, when the way back comes to the place
            # where the watch began: late is better, but for what begins in a loop.
            late = seen(place, unit)
            return late if usable(late, unit) else early[place]

        return run([functools.partial(value, place) for place in range(len(values))])

    scalar, pull_back, other = jax.vjp(differentiated, 1.0, has_aux=True)
    pull_back(jax.numpy.ones_like(scalar))
    return other


def _torch(run: Pass, values: list[Any], see: See) -> Any:
    import torch

    with torch.enable_grad():
        scalar, other = run([functools.partial(_same, value) for value in values])
    if values and scalar.requires_grad:
        gradients = list(torch.autograd.grad(scalar, values, allow_unused=True))
        for place in range(len(gradients)):
            gradient, gradients[place] = gradients[place], None
            if gradient is not None:
                see(place, gradient)
    return other


def _same(value: Any) -> Any:
    return value


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
        return _tensorflow_watched(tensor, see, goes_on=True)
    import jax

    if not isinstance(tensor, jax.core.Tracer):
        return tensor  # a constant: nothing is differentiated by it
    return _jax_watch()(tensor, 1.0, see, True)


def _tensorflow_watched(tensor: Any, see: Callable[[Any], None], goes_on: bool) -> Any:
    import tensorflow as tf

    def same(value: Any) -> tuple[Any, Callable[[Any], Any]]:
        def pull_back(gradient: Any) -> Any:
            see(dense(gradient))
            return gradient if goes_on else None

        return tf.identity(value), pull_back

    return tf.custom_gradient(same)(tensor)


@functools.cache
def _jax_watch() -> Callable[[Any, Any, Callable[[Any], None], bool], Any]:
    """Made once, for JAX keeps what it knows of a function by the function.

    What it gives is the value, as it depends on `unit` too; the gradient is shown to
    `see`, and goes on to whatever the value was made of where `goes_on` says so.
    """
    import jax

    @functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
    def same(value: Any, unit: Any, see: Callable[[Any], None], goes_on: bool) -> Any:
        return value

    def go_forward(
        value: Any, unit: Any, see: Callable[[Any], None], goes_on: bool
    ) -> tuple[Any, None]:
        return value, None

    def pull_back(
        see: Callable[[Any], None], goes_on: bool, kept: None, gradient: Any
    ) -> tuple[Any, None]:
        see(gradient)
        return gradient if goes_on else None, None

    same.defvjp(go_forward, pull_back)
    watch: Callable[[Any, Any, Callable[[Any], None], bool], Any] = same
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


def square_sum(vector: Any) -> Any:
    """The sum of the squares of a vector, read once and nothing written."""
    name = keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        return 2.0 * tf.nn.l2_loss(vector)
    return keras.ops.vdot(vector, vector)
