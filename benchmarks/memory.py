"""The peak of a process's memory across one draw, as a multiple of the result."""

import gc
import math
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.settings import BACKENDS, Settings
from benchmarks.tables import Table, shape_name, show, verdict
from benchmarks.timing import finish
from benchmarks.workers import Worker

__all__ = ["STATUS", "measure", "reset_peak", "status", "tables"]

SHAPES = ((1024, 1024), (4096, 4096))
QUICK_SHAPES = ((1024, 1024),)
# Loads code and starts threads; its own memory may stay behind, and is small.
WARM_UP = (256, 256)

GOAL, ORTHOGONAL_GOAL = 1.1, 3.0

#: What Linux tells of a process; without it, nothing here can be measured.
STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_WHOSE = {"ours": peers.ours, "keras": peers.keras_own}


def measure(settings: Settings) -> list[dict[str, Any]]:
    if not STATUS.exists():
        return []
    shapes = QUICK_SHAPES if settings.quick else SHAPES
    schemes = (*peers.RANDOM, peers.ORTHOGONAL)
    measured = []
    for scheme, shape, backend in product(schemes, shapes, BACKENDS):
        cell: dict[str, Any] = {"scheme": scheme, "shape": shape, "backend": backend}
        for whose in _WHOSE:
            with Worker(backend) as worker:  # a fresh process: no memory lies about
                cell[whose] = worker.run(peak, whose, scheme, shape)
        measured.append(cell)
    return measured


def peak(whose: str, scheme: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """Runs in a worker: by how many bytes one draw raised the peak of memory."""
    call = _WHOSE[whose](scheme)
    finish(call(WARM_UP))
    gc.collect()
    exact = reset_peak()
    before = status("VmRSS")
    result = call(shape)
    finish(result)
    rise = status("VmHWM") - before
    return {"bytes": rise, "result": 4 * math.prod(shape), "exact": exact}


def reset_peak() -> bool:
    """Whether the kernel let go of the peak that importing had reached."""
    try:
        _RESET.write_text("5")
    except OSError:
        return False
    return True


def status(name: str) -> int:
    """Bytes of this process: `VmRSS` as it stands, `VmHWM` at its peak."""
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise LookupError(f"{STATUS} has no line {name}.")


def tables(measured: list[dict[str, Any]]) -> list[Table]:
    title = "Peak memory of a draw, as a multiple of the result"
    if not measured:
        return [Table(title, [], [], "Skipped: it is read from Linux's /proc.")]
    note = (
        "Each in a fresh process, after a small draw. Code that a backend compiles for "
        "a new shape counts, and shows at small results."
    )
    if not all(cell[whose]["exact"] for cell in measured for whose in _WHOSE):
        note += " Upper bounds: this kernel does not reset a peak."
    columns = ["scheme", "shape", "result, MiB", "backend", "ours", "Keras"]
    rows = [_row(cell) for cell in measured]
    return [Table(title, [*columns, "limit", "goal"], rows, note)]


def _row(cell: dict[str, Any]) -> list[str]:
    limit = ORTHOGONAL_GOAL if cell["scheme"] == peers.ORTHOGONAL else GOAL
    ratios = {whose: cell[whose]["bytes"] / cell[whose]["result"] for whose in _WHOSE}
    return [
        cell["scheme"],
        shape_name(cell["shape"]),
        show(cell["ours"]["result"] / 2**20, 2),
        cell["backend"],
        *(show(ratio) for ratio in ratios.values()),
        f"{limit:g}",
        verdict(ratios["ours"], limit),
    ]
