"""Colours of what was found, one set for white pages and for black ones."""

from __future__ import annotations

__all__ = ["DIM", "GOOD", "SEVERITY_COLOURS"]

# After Okabe and Ito, as far apart for every kind of colour vision; each is darkened or
# lightened to a contrast of 4.2 at least, on white and on the #111 of dark notebooks.
SEVERITY_COLOURS = {"severe": "#D14B14", "warning": "#9E7000", "note": "#1E7EBF"}
GOOD = "#00895F"
DIM = "#7B7B7B"
