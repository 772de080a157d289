"""Processes that each hold one backend of Keras, and stay alive between questions."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import TracebackType
from typing import Any, TypeVar

__all__ = ["Worker", "environment"]

_T = TypeVar("_T")


def environment(backend: str) -> dict[str, str]:
    """The variables that choose a backend, on the processor, without its chatter."""
    return {
        "KERAS_BACKEND": backend,
        "CUDA_VISIBLE_DEVICES": "-1",
        "JAX_PLATFORMS": "cpu",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


class Worker:
    """A fresh process on one backend, which runs functions of this package.

    Args:
        backend: the name by which Keras knows it.
    """

    def __init__(self, backend: str) -> None:
        self._pool = ProcessPoolExecutor(
            max_workers=1,
            mp_context=get_context("spawn"),
            initializer=_prepare,
            initargs=(backend,),
        )

    def run(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Returns function(*arguments) of the other process, or raises what it did."""
        return self._pool.submit(function, *arguments).result()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown()


def _prepare(backend: str) -> None:
    os.environ.update(environment(backend))
    terminal, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # TensorFlow greets at the level of the file descriptor
    try:
        import keras  # noqa: F401
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)
