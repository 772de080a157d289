"""The cure of most findings: the layer at fault, made anew with the right scheme."""

from __future__ import annotations

import inspect

from keras_inits.data_driven import cures
from keras_inits.data_driven.examined import Examined
from keras_inits.data_driven.signals import Signal
from keras_inits.data_driven.weights import Kernel, argument_for

__all__ = ["remake", "remake_at", "remake_kernel"]


def remake(seen: Examined, signal: Signal, **changes: str) -> str:
    """The layer anew: its kernel by the scheme for its activation."""
    kernels = seen.kernels.get(signal.path, [])
    if not kernels:
        return _nearest(seen, signal, changes)
    return remake_kernel(seen, signal.path, kernels[0], **changes)


def _nearest(seen: Examined, signal: Signal, changes: dict[str, str]) -> str:
    """For a layer without a kernel: the kernel before it."""
    before = None
    for other in seen.signals:
        if other is signal:
            break
        if seen.kernels.get(other.path):
            before = other
    if before is None:
        return "model.summary()"
    return remake_kernel(seen, before.path, seen.kernels[before.path][0], **changes)


def remake_at(seen: Examined, path: str) -> str:
    """The layer of this path anew, where it was heard of."""
    signal = seen.signal(path)
    return "model.summary()" if signal is None else remake(seen, signal)


def remake_kernel(seen: Examined, path: str, kernel: Kernel, **changes: str) -> str:
    """The layer anew, with one of its weights by the scheme for its activation."""
    signal = seen.signal(path)
    activation = None if signal is None else signal.activation
    activation = changes.get("activation", activation or "").strip('"') or None
    scheme = cures.initializer_for(kernel, activation)
    argument = argument_for(kernel.layer, kernel.name)
    arguments = {argument: scheme, **changes}
    known = set(inspect.signature(type(kernel.layer).__init__).parameters)
    arguments = {name: text for name, text in arguments.items() if name in known}
    try:
        return cures.layer_with(kernel.layer, **arguments)
    except (ValueError, NotImplementedError):
        return cures.redraw(kernel, scheme)
