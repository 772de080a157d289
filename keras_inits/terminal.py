"""What a command needs of its terminal: quiet imports, a bar, a tame Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from keras_inits.report.extras import require

__all__ = ["deferred_interrupt", "progress", "without_chatter"]

CHATTER = re.compile(
    r"[IW]\d{4} |WARNING: All log messages before absl|To enable the following"
)


@contextmanager
def without_chatter() -> Iterator[None]:
    """Hold back what libraries write to stderr, and let go what isn't chatter.

    TensorFlow's C++ writes some lines before it has read the level of its log, so
    that only the file descriptor itself can be held.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            lines = held.read().decode(errors="replace").splitlines(keepends=True)
            sys.stderr.writelines(line for line in lines if not CHATTER.match(line))


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], None]]:
    """Ctrl-C as a flag, raised where the function given is called; a second at once.

    What a signal raises lands anywhere, also where it is swallowed with a traceback:
    JAX, which Keras imports, runs a callback in every garbage collection.
    """
    pressed: list[int] = []

    def press(number: int, frame: Any) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    def check() -> None:
        if pressed:
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:  # as a shell has it for what runs in background
        yield check
        return
    signal.signal(signal.SIGINT, press)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def progress(console: Any, total: int) -> Iterator[Callable[[str, int], None]]:
    """A bar over all steps of all runs; nothing where no terminal shows it."""
    rich = require("rich.progress")
    bar = rich.Progress(
        rich.TextColumn("{task.description:<28}"),
        rich.BarColumn(),
        rich.TaskProgressColumn(),
        rich.TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=total)

        def report(title: str, done: int) -> None:
            bar.update(task, completed=done, description=title)

        yield report
