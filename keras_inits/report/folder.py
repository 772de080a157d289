"""A comparison as a folder: results as JSON, figures, TensorBoard logs."""

from __future__ import annotations

import json
from pathlib import Path

from keras_inits.records import Comparison, Run
from keras_inits.report import plots
from keras_inits.report.tensorboard import write_events

__all__ = ["RESULTS", "TENSORBOARD", "write_folder"]

RESULTS = "results.json"
TENSORBOARD = "tensorboard"


def write_folder(comparison: Comparison, folder: Path) -> list[Path]:
    """Write everything there is to keep of a comparison.

    Results come first: they are what can't be made again from the rest.

    Args:
        comparison: The record, with at least one run.
        folder: Where to write; made if missing.

    Returns:
        The paths written: `results.json`, the figures, then `tensorboard`, which
        holds a folder a run.

    Raises:
        ImportError: If matplotlib or tensorboard is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / RESULTS
    results.write_text(json.dumps(comparison.to_dict(), allow_nan=False) + "\n")
    figures = plots.write_figures(comparison, folder)
    for run in comparison.runs:
        write_events(run, folder / TENSORBOARD / _slug(run))
    return [results, *figures, folder / TENSORBOARD]


def _slug(run: Run) -> str:
    return f"{run.scheme}/{run.draw}".replace(" ", "_")
