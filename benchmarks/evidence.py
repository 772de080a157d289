"""Published numbers beside what the theory predicts and random networks show."""

from dataclasses import asdict
from typing import Any

from benchmarks import evidence_signals, evidence_spectra
from benchmarks.evidence_rows import Row
from benchmarks.settings import Settings
from benchmarks.tables import NOTHING, Table, show

__all__ = ["measure", "tables"]


def measure(settings: Settings) -> list[dict[str, Any]]:
    experiments = (*evidence_signals.EXPERIMENTS, *evidence_spectra.EXPERIMENTS)
    return [asdict(row) for one in experiments for row in one(settings.quick)]


def tables(measured: list[dict[str, Any]]) -> list[Table]:
    return [
        Table(
            title="Published, predicted, measured",
            columns=["source", "number", "published", "predicted", "measured", "±"],
            rows=[_cells(Row(**cells)) for cells in measured],
            note=(
                "Predicted by `keras_inits.theory`; measured on random networks of "
                "finite width in NumPy, with the standard error of the mean over "
                "draws. Finite width adds a bias of the order of depth / width."
            ),
        )
    ]


def _cells(row: Row) -> list[str]:
    numbers = (row.published, row.predicted, row.measured)
    error = NOTHING if row.error is None else f"{row.error:.2g}"
    return [row.source, row.claim, *(show(value, 5) for value in numbers), error]
