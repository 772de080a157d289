"""A model is looked at and left as it was: values, state and attributes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["NOT_BUILT", "unchanged"]

NOT_BUILT = "The model must be built, with all of its layers."


@contextmanager
def unchanged(model: Any) -> Iterator[None]:
    """Undo what happens to the attributes of a model and of its layers.

    Attributes added are removed, and those replaced are put back; lists, dicts and sets
    get their old content. Variables are not copied: a `keras.StatelessScope` within
    keeps every assignment to itself, those of batch statistics, seeds and metrics too.
    A layer that would create weights is stopped.

    Args:
        model: a Keras model or layer.

    Raises:
        ValueError: from within, where a part of the model is not built yet.
    """
    layers = list(model._flatten_layers())
    # A compiled loss builds itself when it is first called.
    others = [getattr(model, name, None) for name in ("_compile_loss", "optimizer")]
    objects = [*layers, *(other for other in others if other is not None)]
    saved = [(one, _Attributes(vars(one))) for one in objects]
    for layer in layers:
        if not layer.built:
            vars(layer)["add_weight"] = _refusal(layer, model)
    try:
        yield
    finally:
        for one, attributes in saved:
            attributes.restore(vars(one))


class _Attributes:
    """The attributes of an object as they were, and the content of their containers."""

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.values = dict(attributes)
        self.contents = [
            (value, kind, kind(value))
            for value in self.values.values()
            for kind in (list, dict, set)
            if isinstance(value, kind)
        ]

    def restore(self, attributes: dict[str, Any]) -> None:
        for name in [name for name in attributes if name not in self.values]:
            del attributes[name]
        for name, value in self.values.items():
            if attributes.get(name, self) is not value:
                attributes[name] = value
        for value, kind, content in self.contents:
            if not _same(value, kind, content):
                _refill(value, kind, content)


def _same(value: Any, kind: type, content: Any) -> bool:
    """Whether a container holds the same objects, compared without comparing them."""
    if len(value) != len(content):
        return False
    if kind is dict:
        return all(key in value and value[key] is content[key] for key in content)
    if kind is list:
        return all(a is b for a, b in zip(value, content, strict=True))
    return all(item in value for item in content)


def _refill(value: Any, kind: Any, content: Any) -> None:
    # By the methods of the plain type: those of Keras's tracked containers, and their
    # trackers, are not to hear of it.
    kind.clear(value)
    if kind is list:
        list.extend(value, content)
    else:
        kind.update(value, content)


def _refusal(layer: Any, model: Any) -> Any:
    def add_weight(*args: Any, **kwargs: Any) -> Any:
        raise ValueError(
            f"{NOT_BUILT} Received: model={model.name!r}, whose layer {layer.name!r} "
            "has no weights yet. Call the model on a batch once."
        )

    return add_weight
