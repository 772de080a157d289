"""Runs Python code in a process of its own, on the package that is under test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras_inits

_PACKAGE_FOLDER = str(Path(keras_inits.__file__).parents[1])


def run_python(code, *arguments, folder=None, **environment):
    """Runs code, and returns what it printed last, read as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": _PACKAGE_FOLDER, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
