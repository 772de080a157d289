"""Where and with what a run was made: processor, cores, versions, date, command."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["describe", "headline"]

_PACKAGES = ("keras_inits", "keras", "tensorflow", "jax", "torch", "numpy", "scipy")


def describe(arguments: list[str]) -> dict[str, Any]:
    """The facts, as JSON can hold them."""
    return {
        "processor": _processor(),
        "cores": _cores(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python -m benchmarks", *arguments]),
    }


def headline(facts: dict[str, Any]) -> str:
    """One paragraph that belongs above the tables."""
    packages = ", ".join(f"{name} {text}" for name, text in facts["packages"].items())
    load = "" if facts["load"] is None else f", load {facts['load']:.1f} at the start"
    return (
        f"Measured {facts['date']} by `{facts['command']}` on {facts['processor']} "
        f"with {facts['cores']} cores, which every library uses by its default"
        f"{load}; {facts['system']}, Python {facts['python']}, {packages}."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.machine()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
