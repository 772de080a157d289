"""Optional packages of the reports, imported when a report needs them."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["require"]


def require(module: str) -> Any:
    """Import an optional module, or say how to get it.

    Args:
        module: Dotted name, as `"matplotlib.figure"`.

    Returns:
        The module.

    Raises:
        ImportError: If it is missing; the text names the extra to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f"This report needs {package}, which is not installed. "
            "Install it: pip install 'keras_inits[demo]'"
        ) from error
