"""Tables of numbers as Markdown, and the words that say whether a goal is met."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["NOTHING", "Table", "shape_name", "show", "verdict"]

#: Stands in a cell that has no number.
NOTHING = "-"


@dataclass(frozen=True)
class Table:
    """A table as a person reads it: every cell is text.

    Args:
        title: what it shows.
        columns: their heads.
        rows: as many cells as there are columns.
        note: how to read it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def markdown(self) -> str:
        """The table as it goes into a README; numbers to the right."""
        columns = zip(*self.rows, strict=True)
        edges = ["---:" if _is_numeric(column) else "---" for column in columns]
        lines = [self.columns, edges, *self.rows]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts = [f"**{self.title}**", self.note, body if self.rows else ""]
        return "\n\n".join(part for part in parts if part)


def show(value: float | None, digits: int = 3) -> str:
    """A number to some significant digits, without an exponent where that is short."""
    if value is None:
        return NOTHING
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.{max(digits - 1, 0)}e}"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    return f"{value:.{max(digits - whole, 0)}f}"


def shape_name(shape: Sequence[int]) -> str:
    """A shape as text: (1024, 1024)."""
    return str(tuple(shape))


def verdict(value: float | None, limit: float | None) -> str:
    """Whether a number stays within its limit."""
    if value is None or limit is None:
        return NOTHING
    return "met" if value <= limit else "missed"


def _is_numeric(column: Sequence[str]) -> bool:
    return all(cell == NOTHING or cell[0].isdigit() for cell in column)
