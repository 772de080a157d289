"""The command `keras-inits`: arguments in, calls to the library, text out.

Only this module prints. Nothing heavy is imported before the arguments are known
to be good, so that `--help` and a typing error answer at once.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_inits.report.extras import require
from keras_inits.terminal import deferred_interrupt, progress, without_chatter

if TYPE_CHECKING:
    from keras_inits.experiments.circles import Circles
    from keras_inits.experiments.comparing import PlannedRun
    from keras_inits.records import Comparison, Run

__all__ = ["main"]

INTERRUPTED = 130  # 128 + SIGINT, as shells count it
OPENERS = {"darwin": "open", "win32": "start"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments without the program's name; those of the process if None.

    Returns:
        The exit status: 0, 1 where a package is missing, 130 after Ctrl-C.

    Raises:
        SystemExit: From argparse, with status 2 for arguments that are no good.
    """
    args = _parser().parse_args(argv)
    # TensorFlow reads this when it is imported. At 2, the lack of a GPU would still
    # be an error; what really goes wrong is raised in Python at any level.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        status: int = args.command(args)
    except ImportError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-inits", description="Weight initialization for Keras 3."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_diagnose(commands)
    return parser


def _add_demo(commands: Any) -> None:
    about = (
        "Train the same small network on two circles from zeros, from large random "
        "weights and from He's, and show what the first weights decide."
    )
    demo = commands.add_parser(
        "demo", help="the experiment on circles", description=about
    )
    demo.add_argument(
        "--steps",
        type=_whole_number(1),
        default=15_000,
        metavar="N",
        help="full-batch gradient steps of each run (default: %(default)s)",
    )
    demo.add_argument(
        "--seeds",
        type=_whole_number(0),
        default=8,
        metavar="N",
        help="draws of each scheme besides the published one (default: %(default)s)",
    )
    demo.add_argument(
        "--schemes",
        nargs="+",
        default=["zeros", "large_random", "he"],
        metavar="NAME",
        help="zeros, large_random, he, or any initializer of the library, as "
        "glorot_uniform or Orthogonal (default: the first three)",
    )
    demo.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="new or empty folder for results, figures and TensorBoard logs "
        "(default: runs/demo-DATE-TIME)",
    )
    demo.set_defaults(command=_demo, fail=demo.error)


def _add_diagnose(commands: Any) -> None:
    about = (
        "Say whether a saved model will train: one forward and one backward pass over "
        "a batch, a table of its layers, what is wrong, why, and what cures it. The "
        "exit status is 1 where a finding is severe."
    )
    diagnose = commands.add_parser(
        "diagnose", help="the check before training", description=about
    )
    diagnose.add_argument(
        "model", type=Path, metavar="MODEL", help="a model saved by Keras, as .keras"
    )
    diagnose.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help=".npz with the inputs, under `x` or the names of the model's inputs, or "
        ".npy (default: standard normal inputs)",
    )
    diagnose.add_argument(
        "--labels",
        metavar="KEY",
        help="the name of the labels in the .npz (default: none, outputs are weighed "
        "at random)",
    )
    diagnose.add_argument(
        "--loss",
        metavar="NAME",
        help="a loss of Keras, as mse (default: the one the model was compiled with)",
    )
    diagnose.add_argument(
        "--samples",
        type=_whole_number(1),
        default=128,
        metavar="N",
        help="the size of the batch: the first N of the data (default: %(default)s)",
    )
    for name, what in (("json", "numbers"), ("html", "page"), ("plot", "figure")):
        diagnose.add_argument(
            f"--{name}", type=Path, metavar="FILE", help=f"write the {what} there, too"
        )
    diagnose.set_defaults(command=_diagnose, fail=diagnose.error)


def _whole_number(least: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(
                f"expected a whole number, at least {least}. Received: {text!r}"
            )
        return value

    return whole_number


def _demo(args: argparse.Namespace) -> int:
    folder = _new_folder(args.out, args.fail)
    with deferred_interrupt() as check:
        for module in ("rich.console", "sklearn", "matplotlib.figure", "tensorboard"):
            require(module)  # a minute of training comes before most of them
        console = require("rich.console").Console()
        with console.status("Loading Keras ..."), without_chatter():
            from keras_inits.experiments import circles, comparing, schemes
        check()
        try:
            plan = comparing.plan_runs(schemes.find_schemes(args.schemes), args.seeds)
            folder.mkdir(parents=True, exist_ok=True)
        except (ValueError, OSError) as error:
            args.fail(str(error))
        data = circles.load_circles()
        runs: list[Run] = []
        try:
            _train_all(plan, data, args.steps, runs, console, check)
        except KeyboardInterrupt:
            console.print(f"Interrupted: {len(runs)} of {len(plan)} runs are complete.")
        if not runs:
            folder.rmdir()
            return INTERRUPTED
        result = comparing.comparison(data, runs, steps=args.steps, planned=len(plan))
        _show(result, folder, console)
        return INTERRUPTED if result.interrupted else 0


def _new_folder(out: Path | None, fail: Callable[[str], Any]) -> Path:
    """The run folder, which is never one with something in it."""
    if out is None:
        name = "demo-" + time.strftime("%Y%m%d-%H%M%S")
        taken = len(list(Path("runs").glob(name + "*")))
        return Path("runs") / (f"{name}-{taken + 1}" if taken else name)
    if out.exists() and not out.is_dir():
        fail(f"--out must be a folder, and this is a file. Received: {str(out)!r}")
    if out.is_dir() and any(out.iterdir()):
        fail(
            "--out must be a new or empty folder, so that no earlier run is lost. "
            f"Received: {str(out)!r}"
        )
    return out


def _train_all(
    plan: Sequence[PlannedRun],
    data: Circles,
    steps: int,
    runs: list[Run],
    console: Any,
    check: Callable[[], None],
) -> None:
    """Make the planned runs, appending each to `runs` as soon as it is complete."""
    from keras_inits.experiments import comparing

    with progress(console, len(plan) * steps) as report:

        def on_step(step: int) -> None:
            check()
            report(plan[len(runs)].title, len(runs) * steps + step)

        for planned in plan:
            runs.append(comparing.train(planned, data, steps=steps, on_step=on_step))
            if not console.is_terminal:
                accuracy = f"{runs[-1].train_accuracy:.1%}"
                done = f"{len(runs)}/{len(plan)}"
                console.print(f"{done} {planned.title}: {accuracy}", highlight=False)


def _show(result: Comparison, folder: Path, console: Any) -> None:
    from keras_inits.report import folder as run_folder
    from keras_inits.report import tables

    console.print(tables.comparison_shown(result))
    with console.status("Drawing figures ..."):
        written = run_folder.write_folder(result, folder)
    figures = [path for path in written if path.suffix == ".png"]
    opener = OPENERS.get(sys.platform, "xdg-open")
    lines = [f"Written to {folder}: {', '.join(path.name for path in written)}"]
    lines += ["To look at it:"]
    lines += [f"  {opener} {shlex.quote(str(path))}" for path in figures]
    lines += [f"  tensorboard --logdir {shlex.quote(str(written[-1]))}"]
    console.print("\n".join(lines), soft_wrap=True, markup=False, highlight=False)


def _diagnose(args: argparse.Namespace) -> int:
    if not args.model.exists():
        args.fail(f"there is no such model. Received: {str(args.model)!r}")
    if args.labels is not None and args.data is None:
        args.fail(f"--labels names an array of --data. Received: {args.labels!r} alone")
    console = require("rich.console").Console()
    with console.status("Loading Keras ..."), without_chatter():
        import keras

        from keras_inits.data_driven import diagnose
        from keras_inits.report.diagnosis import diagnosis_table
    try:
        with console.status("Loading the model ..."), without_chatter():
            model = keras.saving.load_model(args.model)
        x, y, words = _batch(args, model)
        with console.status("One forward and one backward pass ..."), without_chatter():
            diagnosis = diagnose(model, x, y, loss=args.loss)
    except (ValueError, TypeError, OSError) as error:
        args.fail(str(error))
    if words:
        console.print(f"No data given: {words}.", highlight=False)
    console.print(diagnosis_table(diagnosis, console.width))
    _write(args, diagnosis)
    return 1 if diagnosis.severe else 0


def _batch(args: argparse.Namespace, model: Any) -> tuple[Any, Any, str]:
    """Inputs, labels if any, and what the inputs are where no data were given."""
    if args.data is None:
        from keras_inits.data_driven.samples import random_inputs

        x, words = random_inputs(model, args.samples)
        return x, None, words
    import numpy as np

    loaded = np.load(args.data)
    if isinstance(loaded, np.ndarray):
        if args.labels is not None:
            raise ValueError(
                "--labels needs names, which a .npz has. Received: "
                f"--data {str(args.data)!r}"
            )
        return loaded[: args.samples], None, ""
    with loaded:
        arrays = {name: loaded[name][: args.samples] for name in loaded.files}
    labels = None
    if args.labels is not None:
        if args.labels not in arrays:
            raise ValueError(
                f"--labels must name an array of the data. Received: {args.labels!r}. "
                f"There are {', '.join(map(repr, arrays))}"
            )
        labels = arrays.pop(args.labels)
    return _inputs(model, arrays), labels, ""


def _inputs(model: Any, arrays: dict[str, Any]) -> Any:
    """The array called x, the only one, or those called as the model's inputs."""
    names = [tensor.name for tensor in getattr(model, "inputs", None) or []]
    if len(names) > 1 and set(names) <= set(arrays):
        return [arrays[name] for name in names]
    if "x" in arrays:
        return arrays["x"]
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    raise ValueError(
        f"The data must hold an array `x`, or one for each input: {names or ['x']}. "
        f"Received: {', '.join(map(repr, arrays))}. Name the labels by --labels"
    )


def _write(args: argparse.Namespace, diagnosis: Any) -> None:
    if args.json is not None:
        text = json.dumps(diagnosis.to_dict(), indent=1, default=float)
        args.json.write_text(text, "utf-8")
    if args.html is not None:
        page = '<!doctype html><meta charset="utf-8">'
        args.html.write_text(page + diagnosis._repr_html_(), "utf-8")
    if args.plot is not None:
        diagnosis.plot().savefig(args.plot, dpi=150)
