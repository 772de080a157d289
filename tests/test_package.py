"""The whole: who may import whom, what an import costs, what the texts promise."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import keras_inits
from tests.processes import run_python

PACKAGE = Path(keras_inits.__file__).parent

# --- rooms ---------------------------------------------------------------------------

ORDER = ["initializers", "architecture", "data_driven", "monitor", "experiments"]
MAY_SEE = {
    "theory": {"theory"},
    "records": {"records", "report"},  # its records show themselves
    "report": {"report", "records"},
    **{
        room: {"theory", "records", "report", *ORDER[: place + 1]}
        for place, room in enumerate(ORDER)
    },
}
MAY_SEE["initializers"] -= {"records", "report"}
COMMAND_LINE = {"cli", "terminal", "__main__"}
WITHOUT_KERAS = {"theory", "records", "report"}


def imported_names(source, module, is_package=False):
    """Full names of all that a module imports, also inside of functions."""
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def violations(source, module, is_package=False):
    """The imports of a module that its room may not have."""
    room = module.split(".")[1]
    if room in COMMAND_LINE:  # sees all
        return []
    found = []
    for name in imported_names(source, module, is_package):
        parts = name.split(".")
        if parts[0] == "keras" and room in WITHOUT_KERAS:
            found.append(name)
        if parts[0] == "keras_inits" and parts[1] not in MAY_SEE[room]:
            found.append(name)
    return found


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        if name != "keras_inits":
            yield pytest.param(path, name, is_package, id=name)


@pytest.mark.parametrize(("path", "name", "is_package"), [*modules()])
def test_module_imports_rooms_before_its_own(path, name, is_package):
    assert violations(path.read_text("utf-8"), name, is_package) == []


@pytest.mark.parametrize(("path", "name", "is_package"), [*modules()])
def test_module_belongs_to_a_room(path, name, is_package):
    assert name.split(".")[1] in {*MAY_SEE, *COMMAND_LINE}


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("import keras", "keras_inits.theory.gains"),
        ("from keras import ops", "keras_inits.report.plots"),
        ("def f():\n    import keras.ops", "keras_inits.theory.gains"),
        ("from keras_inits import initializers", "keras_inits.theory.gains"),
        ("from keras_inits import HeNormal", "keras_inits.theory.gains"),
        ("import keras_inits.architecture", "keras_inits.initializers.base"),
        ("from keras_inits.architecture import x", "keras_inits.initializers.base"),
        ("from ..architecture import x", "keras_inits.initializers.base"),
        ("from .. import monitor", "keras_inits.architecture.roles"),
        ("from keras_inits.monitor.taps import x", "keras_inits.data_driven.lsuv"),
        ("from keras_inits.experiments import x", "keras_inits.monitor.taps"),
        ("from keras_inits.report import plots", "keras_inits.initializers.base"),
        ("from keras_inits.experiments import x", "keras_inits.report.plots"),
        ("from keras_inits.theory import gain", "keras_inits.records"),
        ("from keras_inits import cli", "keras_inits.experiments.circles"),
    ],
)
def test_planted_violation_is_found(source, module):
    assert len(violations(source, module)) == 1


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from keras_inits.theory import gain", "keras_inits.initializers.gains"),
        ("from keras_inits.initializers import Fans", "keras_inits.architecture.fans"),
        ("from . import laws", "keras_inits.initializers.base"),
        ("from keras_inits.records import Run", "keras_inits.report.plots"),
        ("from keras_inits.report import plots\nimport keras", "keras_inits.cli"),
    ],
)
def test_import_of_a_room_before_is_allowed(source, module):
    assert violations(source, module) == []


# --- what is public ------------------------------------------------------------------

PUBLIC = [
    name
    for name in ("keras_inits", *(f"keras_inits.{room}" for room in MAY_SEE))
    if importlib.util.find_spec(name)
    and hasattr(importlib.import_module(name), "__all__")
]


@pytest.mark.parametrize("name", PUBLIC)
def test_all_is_complete_and_without_repeats(name):
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, public) for public in module.__all__)


@pytest.mark.parametrize("room", ["initializers", "theory"])
def test_all_holds_every_public_name_of_a_room(room):
    module = importlib.import_module(f"keras_inits.{room}")
    imported = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert set(module.__all__) == imported


def test_schemes_are_at_the_top_of_the_package():
    from keras_inits import initializers

    assert set(initializers.__all__) <= set(keras_inits.__all__)
    for name in initializers.__all__:
        assert getattr(keras_inits, name) is getattr(initializers, name)


def test_readme_catalogues_every_scheme(pytestconfig):
    readme = (pytestconfig.rootpath / "README.md").read_text("utf-8")
    catalogue = readme.split("## The catalogue")[1].split("\nEach class takes")[0]
    rows = [line for line in catalogue.splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in rows)))
    bases = {"Initializer", "MapInitializer", "RandomInitializer", "Fans"}
    first_names = {"XavierNormal", "XavierUniform", "KaimingNormal", "KaimingUniform"}
    schemes = {
        name
        for name in keras_inits.initializers.__all__
        if isinstance(getattr(keras_inits, name), type)
    }
    assert named == schemes - bases - first_names


def test_version_is_a_number():
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.\w+)?", keras_inits.__version__)


# --- what an import costs ------------------------------------------------------------

IMPORTS = """
import json, sys
import keras
before = set(sys.modules)
import keras_inits
new = sorted(set(sys.modules) - before)
print(json.dumps({"new": new, "all": sorted(sys.modules)}))
"""
HEAVY = {"matplotlib", "tensorboard", "sklearn", "rich", "pandas", "mlxtend"}
BACKENDS = {"tensorflow", "torch", "jax"}


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_import_brings_in_nothing_heavy(backend):
    pytest.importorskip(backend)
    modules = run_python(IMPORTS, KERAS_BACKEND=backend)
    new = {name.split(".")[0] for name in modules["new"]}
    assert not new & (HEAVY | BACKENDS)
    assert "scipy.stats" not in modules["new"]
    assert "scipy.integrate" not in modules["new"]
    # Keras itself looks at JAX, through its optional packages, on every backend.
    assert not {n.split(".")[0] for n in modules["all"]} & BACKENDS - {backend, "jax"}


# --- what the texts promise ----------------------------------------------------------


def examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    for found in pkgutil.walk_packages([str(PACKAGE)], "keras_inits."):
        if found.name.endswith("__main__"):
            continue
        for test in finder.find(importlib.import_module(found.name)):
            if test.examples:
                yield pytest.param(test, id=test.name)


@pytest.mark.parametrize("test", [*examples()])
def test_example_of_a_docstring_runs(test, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(verbose=False)
    report = []
    runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


@pytest.mark.parametrize(
    "name", sorted(set(keras_inits.initializers.__all__) - {"Initializer"})
)
def test_public_name_says_what_it_is(name):
    assert inspect.getdoc(getattr(keras_inits, name))


def blocks(text):
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_readme_runs_from_top_to_bottom(pytestconfig, tmp_path, monkeypatch):
    readme = (pytestconfig.rootpath / "README.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "readme"}
    for number, block in enumerate(blocks(readme), 1):
        exec(compile(block, f"README.md, block {number}", "exec"), names)


def test_blocks_are_those_of_python_alone():
    text = "```python\na = 1\n```\n\n```sh\nmake\n```\n\n```python\nb = a\n```\n"
    assert blocks(text) == ["a = 1\n", "b = a\n"]
