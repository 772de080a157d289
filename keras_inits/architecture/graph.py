"""The data flow of a model: its calls one after another, nested models opened.

It reads the graph that Keras keeps of functional and sequential models. What is
subclassed keeps none: on request, its `call` is run on symbolic tensors to record one.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras

__all__ = ["Call", "Graph", "Tensor", "data_flow"]

# Where a `call` is Keras's own. Its applications bring layers as people write them.
_KERAS_OWN = ("keras.src.layers.", "keras.src.models.", "keras.src.ops.")

# The batch of symbolic tensors, where a model leaves it open.
_BATCH = 2

_Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Tensor:
    """Stands for a tensor among the arguments of a call: `Graph.shapes` has it."""

    number: int


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer or an operation.

    Args:
        operation: the layer or the `keras.Operation`; a shared one has several calls.
        arguments: positional arguments, with a `Tensor` for each tensor.
        keywords: keyword arguments, likewise.
        outputs: numbers of the tensors it makes.
    """

    operation: Any
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    outputs: tuple[int, ...]

    @property
    def inputs(self) -> tuple[int, ...]:
        """Numbers of the tensors it takes, in the order of the arguments."""
        flat = keras.tree.flatten((self.arguments, dict(self.keywords)))
        return tuple(item.number for item in flat if isinstance(item, Tensor))


@dataclass
class Graph:
    """A model as a list of calls, in an order in which they can be made.

    Args:
        shapes: shape of each tensor with the batch's axis, None where open, by number.
        dtypes: the name of each tensor's type, by number.
        inputs: numbers of the model's inputs.
        outputs: numbers of its outputs.
        calls: the calls.
        opened: the calls of subclassed layers that were looked into; what they do
            inside is among `calls`.
        closed: layers that hold others and could not be opened, by `id`: the reason.
    """

    shapes: dict[int, _Shape] = field(default_factory=dict)
    dtypes: dict[int, str] = field(default_factory=dict)
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    calls: list[Call] = field(default_factory=list)
    opened: list[Call] = field(default_factory=list)
    closed: dict[int, str] = field(default_factory=dict)

    def takers(self, number: int) -> list[Call]:
        """The calls that take a tensor."""
        return [call for call in self.calls if number in call.inputs]


def data_flow(model: Any, trace: bool = False) -> Graph:
    """The calls that a model makes on its way from inputs to outputs.

    Nested models are opened; a shared layer appears once a call. The model is left as
    it is.

    Args:
        model: a built Keras model.
        trace: whether to run the `call` of subclassed models and layers on symbolic
            tensors to look inside. Otherwise, and where that fails, such a layer is
            one call, and a subclassed model has no calls.

    Raises:
        TypeError: for an object that is no model.

    Example:
        >>> import keras
        >>> inputs = keras.Input((8,))
        >>> shared = keras.layers.Dense(8, name="shared")
        >>> model = keras.Model(inputs, shared(shared(inputs)))
        >>> [call.operation.name for call in data_flow(model).calls]
        ['shared', 'shared']
    """
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"`model` must be a Keras model. Received: model={model!r} (of type "
            f"{type(model).__name__})."
        )
    return _Reader(trace).read(model)


class _Reader:
    """Collects calls while it walks through a model."""

    def __init__(self, trace: bool) -> None:
        self.trace = trace
        self.graph = Graph()
        self.parts: list[Any] = []

    def read(self, model: Any) -> Graph:
        self.parts = list(model._flatten_layers())
        function = _function_of(model)
        if function is not None:
            numbers = [self._new(tensor) for tensor in function.inputs]
            outputs = self._replay(function, numbers)
        elif self.trace and (symbols := _symbols_of(model)) is not None:
            arguments, keywords = keras.tree.map_structure(
                lambda symbol: Tensor(self._new(symbol)), symbols
            )
            numbers = [t.number for t in keras.tree.flatten((arguments, keywords))]
            outputs = self._opened(model, arguments, keywords) or []
        else:
            numbers, outputs = [], []
            self.graph.closed[id(model)] = "a subclassed model keeps no graph"
        self.graph.inputs, self.graph.outputs = tuple(numbers), tuple(outputs)
        return self.graph

    def _new(self, tensor: Any) -> int:
        number = len(self.graph.shapes)
        self.graph.shapes[number] = tuple(tensor.shape)
        self.graph.dtypes[number] = keras.backend.standardize_dtype(tensor.dtype)
        return number

    def _replay(self, function: Any, numbers: list[int]) -> list[int]:
        """Walk a function's nodes in order, its inputs being the given tensors."""
        known = dict(zip(map(id, function.inputs), numbers, strict=True))
        by_depth = function._nodes_by_depth
        for depth in sorted(by_depth, reverse=True):
            for node in by_depth[depth]:
                if not node.operation or node.is_input:
                    continue
                if any(id(tensor) not in known for tensor in node.input_tensors):
                    continue

                def named(item: Any) -> Any:
                    if isinstance(item, keras.KerasTensor):
                        return Tensor(known[id(item)])
                    return item

                arguments, keywords = node.arguments.convert(named)
                outputs = self._call(node, arguments, keywords)
                known.update(zip(map(id, node.outputs), outputs, strict=True))
        return [known[id(tensor)] for tensor in function.outputs]

    def _call(
        self, node: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> list[int]:
        operation = node.operation
        function = _function_of(operation)
        if function is not None:
            taken = arguments[0] if arguments else next(iter(keywords.values()))
            items = keras.tree.flatten(taken)
            if len(items) == len(function.inputs) and all(
                isinstance(item, Tensor) for item in items
            ):
                return self._replay(function, [item.number for item in items])
        elif self.trace and _is_custom(operation):
            opened = self._opened(operation, arguments, keywords)
            if opened is not None and len(opened) == len(node.outputs):
                return opened
        outputs = [self._new(tensor) for tensor in node.outputs]
        self.graph.calls.append(
            Call(operation, tuple(arguments), dict(keywords), tuple(outputs))
        )
        return outputs

    def _opened(
        self, layer: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> list[int] | None:
        """Record the layer's `call`, or note why that is not possible."""
        symbols: list[Any] = []
        numbers: list[int] = []

        def symbol(item: Any) -> Any:
            if not isinstance(item, Tensor):
                return item
            shape, dtype = (
                self.graph.shapes[item.number],
                self.graph.dtypes[item.number],
            )
            # A person's code may ask for the size of the batch.
            shape = tuple(
                _BATCH if n is None and i == 0 else n for i, n in enumerate(shape)
            )
            symbols.append(keras.KerasTensor(shape, dtype))
            numbers.append(item.number)
            return symbols[-1]

        keywords = {name: item for name, item in keywords.items() if item is not None}
        filled = keras.tree.map_structure(symbol, (tuple(arguments), keywords))
        mark = len(self.graph.calls)
        try:
            with _unrecorded(self.parts):
                outputs = layer.call(*filled[0], **filled[1])
                function = keras.Function(symbols, keras.tree.flatten(outputs))
            made = self._replay(function, numbers)
            self.graph.opened.append(
                Call(layer, tuple(arguments), dict(keywords), tuple(made))
            )
            return made
        except Exception as error:  # a person's own code may raise anything
            del self.graph.calls[mark:]
            text = str(error).strip().splitlines()
            self.graph.closed[id(layer)] = (
                f"its call does not run on symbolic tensors: {type(error).__name__}"
                + (f": {text[0]}" if text else "")
            )
            return None


def _function_of(operation: Any) -> Any:
    """The functional graph inside a model, if it has one."""
    if isinstance(operation, keras.Sequential):
        return operation._functional
    if hasattr(operation, "_nodes_by_depth") and isinstance(operation, keras.Model):
        # A subclass of a functional model may call it in its own way.
        return operation if not _is_custom(operation) else None
    return None


def _is_custom(operation: Any) -> bool:
    """Whether what a layer computes is written outside of Keras."""
    if not isinstance(operation, keras.Layer):
        return False
    for kind in type(operation).__mro__:
        if "call" in kind.__dict__:
            return not kind.__module__.startswith(_KERAS_OWN)
    return False


def _symbols_of(model: Any) -> Any:
    """Symbolic arguments of the shapes that a subclassed model was built for."""
    config = (model.get_build_config() if model.built else None) or {}

    def symbol(shape: Any) -> Any:
        return keras.KerasTensor((None, *shape[1:]), keras.config.floatx())

    if config.get("input_shape") is not None:
        shape = config["input_shape"]
        return (keras.tree.map_shape_structure(symbol, shape),), {}
    if config.get("shapes_dict"):  # several arguments: "query_shape" of "query"
        shapes = config["shapes_dict"].items()
        named = {name.removesuffix("_shape"): shape for name, shape in shapes}
        return (), {
            name: keras.tree.map_shape_structure(symbol, shape)
            for name, shape in named.items()
        }
    return None


@contextmanager
def _unrecorded(parts: Sequence[Any]) -> Iterator[None]:
    """Take back what calls on symbolic tensors leave in the layers that are called."""
    inbound = [len(part._inbound_nodes) for part in parts]
    outbound = [len(part._outbound_nodes) for part in parts]
    try:
        yield
    finally:
        for part, entered, left in zip(parts, inbound, outbound, strict=True):
            del part._inbound_nodes[entered:]
            del part._outbound_nodes[left:]
