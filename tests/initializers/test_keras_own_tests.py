"""Keras's own tests of its initializers, from its wheel, run on these classes."""

import functools
import importlib
import sys
import types
import unittest

import keras
import pytest
from keras.src import initializers as host

import keras_inits as ki

pytestmark = pytest.mark.backend

THEIRS = {cls.__name__ for cls in host.ALL_OBJECTS} - {"Initializer"}
# Our classes, which take the place of Keras's.
SWAPPED = {name: getattr(ki, name) for name in THEIRS if hasattr(ki, name)}
# Host tests that use no initializer: they are about functions.
WITHOUT_INITIALIZERS = {"test_compute_fans_with_axes", "test_get_method_with_tensor"}


def stand_in():
    """The `conftest` of Keras's repository, which its wheel lacks."""
    module = types.ModuleType("conftest")

    def skip_if_backend(backend, reason):
        return pytest.mark.skipif(keras.backend.backend() == backend, reason=reason)

    module.skip_if_backend = skip_if_backend
    return module


def load_host_tests():
    before = sys.modules.get("conftest")
    sys.modules["conftest"] = stand_in()
    try:
        return [
            importlib.import_module(f"keras.src.initializers.{kind}_initializers_test")
            for kind in ("random", "constant")
        ]
    finally:
        if before is None:
            del sys.modules["conftest"]
        else:
            sys.modules["conftest"] = before


CASES = {
    method: (module, case)
    for module in load_host_tests()
    for case in vars(module).values()
    if isinstance(case, type)
    and issubclass(case, unittest.TestCase)
    and case.__module__ == module.__name__
    for method in unittest.TestLoader().getTestCaseNames(case)
}


@pytest.fixture
def used(monkeypatch):
    """Puts our classes in place of Keras's, and lists those that are used."""
    classes = []

    def recorded(method):
        @functools.wraps(method)  # configurations are read from signatures
        def recording(self, *arguments, **keywords):
            classes.append(type(self))
            return method(self, *arguments, **keywords)

        return recording

    # Not `__new__`: Python can't undo that, and refuses all arguments afterwards.
    for cls in {cls for ours in SWAPPED.values() for cls in ours.__mro__}:
        for name in {"__init__", "__call__"} & set(vars(cls)):
            if cls.__module__.startswith("keras_inits."):
                monkeypatch.setattr(cls, name, recorded(vars(cls)[name]))
    for name, ours in SWAPPED.items():
        theirs = getattr(host, name)
        monkeypatch.setattr(host, name, ours)
        for identifier, found in list(host.ALL_OBJECTS_DICT.items()):
            if found is theirs:
                monkeypatch.setitem(host.ALL_OBJECTS_DICT, identifier, ours)
    for module in {module for module, _ in CASES.values()}:
        if hasattr(module, "compute_fans"):
            monkeypatch.setattr(module, "compute_fans", ki.compute_fans)
    return classes


def run(method):
    _, case = CASES[method]
    result = unittest.TestResult()
    case(method).run(result)
    problems = [text for _, text in [*result.failures, *result.errors]]
    assert result.testsRun == 1
    assert not result.skipped
    return problems


def test_every_class_of_keras_is_swapped():
    assert set(SWAPPED) == THEIRS
    assert len(SWAPPED) == 16
    assert all(cls.__module__.startswith("keras_inits.") for cls in SWAPPED.values())


def test_host_tests_are_found():
    assert len(CASES) >= 20
    assert {"test_stft_initializer", *WITHOUT_INITIALIZERS} <= set(CASES)


@pytest.mark.parametrize("method", CASES)
def test_host_test_passes(method, used):
    assert run(method) == []
    if method not in WITHOUT_INITIALIZERS:
        assert any(issubclass(cls, ki.Initializer) for cls in used)


@pytest.mark.parametrize(
    ("method", "scheme"),
    [
        ("test_random_normal", ki.RandomNormal),
        ("test_variance_scaling", ki.VarianceScaling),
        ("test_orthogonal", ki.Orthogonal),
        ("test_stft_initializer", ki.STFT),
    ],
)
def test_host_test_uses_the_class_that_took_its_place(method, scheme, used):
    run(method)
    assert set(used) == {scheme}


def test_host_test_can_fail(used, monkeypatch):
    class Wrong(ki.Orthogonal):
        def _maps(self, stream, shape, dtype):
            return 1.01 * super()._maps(stream, shape, dtype)

    monkeypatch.setattr(host, "Orthogonal", Wrong)
    assert run("test_orthogonal")
    assert Wrong in used


def test_swap_is_undone():
    assert ki.HeNormal(seed=3).seed == 3
    assert host.HeNormal is not ki.HeNormal
    assert keras.initializers.get("he_normal").__class__ is host.HeNormal
