"""The sink that TensorBoard shows: curves, histograms, heatmaps, verdicts, settings."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inits.monitor.aggregate import combine, grouping, totals
from keras_inits.monitor.sinks.base import Sink, cannot_write, check_seconds
from keras_inits.monitor.sinks.heatmaps import Heatmaps
from keras_inits.monitor.sinks.thinning import Spacing
from keras_inits.records import Layout, Sample, Verdict
from keras_inits.report.monitoring import (
    QUANTITIES,
    labels,
    verdict_markdown,
    verdicts_markdown,
)
from keras_inits.report.tensorboard import EventFile

__all__ = ["TensorBoardSink"]

#: The group of the whole model's curves.
MODEL = "model"
LISTED = 100  # verdicts in the list of all of them
#: The facts that HParams shows before the others.
FIRST = ("learning_rate", "loss", "model", "optimizer")


class TensorBoardSink(Sink):
    """Event files for TensorBoard, by its own package alone, without TensorFlow.

    In `log_dir / run`, beside what `keras.callbacks.TensorBoard` writes into the same
    `log_dir`:

    - curves a layer, a group a quantity, the layers in the network's order, as
      `gradient_norm/03 dense_2`, with a leading number so that they stay in it; the
      nested models', as `gradient_norm of blocks/1 encoder`; and the whole model's, as
      `model/gradient_norm`;
    - in Custom Scalars all layers' curves of a quantity in one chart (whose middle
      button makes its axis logarithmic);
    - heatmaps of layer and step after an epoch, one a quantity, if matplotlib is
      there. Making them takes a hundredth of the time at most, so that short epochs
      have fewer;
    - a histogram over the layers of log10 of the gradient's norm;
    - each verdict as a text, and a list of all;
    - the layout's facts, as the learning rate, in HParams, in a row that has the
      folder's name.

    A long run's curves are thinned out, for TensorBoard draws 1,000 points of a curve
    and reads all: the layers' have 1,500 points after 100,000 measured steps, the
    model's own 10,400.

    Args:
        log_dir: TensorBoard's log directory.
        per: `"layer"` or `"weight"`: what a curve is about.
        run: The folder below, which TensorBoard shows as the run's name.
        dense: The layers' curves have every sample up to twice this number, and then a
            sample each 1 / `dense` of the way, the model's ten times as many; None for
            all.
        heatmaps: Whether to draw them.
        flush_seconds: How many seconds to hold numbers back; so many are lost at most
            if the process is killed.

    Raises:
        ImportError: By `open`, if tensorboard is missing.

    Example:
        >>> import numpy as np
        >>> from keras_inits.records import Weight
        >>> sink = TensorBoardSink("logs", heatmaps=False)
        >>> sink.open(Layout("m", (Weight("dense/kernel", "dense", "kernel", (2, 3)),)))
        >>> sink.write(Sample(1, 0, 0.0, {"gradient_norm": np.array([0.25])}))
        >>> sink.close()
        >>> len(list(Path("logs/norms").iterdir()))
        1
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        per: str = "layer",
        run: str = "norms",
        dense: int | None = 200,
        heatmaps: bool = True,
        flush_seconds: float = 5.0,
    ) -> None:
        if per not in ("layer", "weight"):
            raise ValueError(
                "`per` must be 'layer' or 'weight'. Received: "
                f"per={per!r}. Blocks and the whole model have curves of their own."
            )
        if dense is not None and (isinstance(dense, bool) or dense < 1):
            raise ValueError(
                "`dense` must be a whole number of samples, at least 1, or None. "
                f"Received: dense={dense!r}."
            )
        self.folder = Path(log_dir) / run
        self.per = per
        self.heatmaps = heatmaps
        self.flush_seconds = check_seconds(flush_seconds)
        self._layers_due = Spacing(dense)
        self._model_due = Spacing(None if dense is None else 10 * dense)
        self._verdicts: list[Verdict] = []
        self._layout: Layout | None = None
        self._file: EventFile | None = None
        self._charted: set[str] = set()
        self._flushed = 0.0

    def open(self, layout: Layout) -> None:
        """Begin a new event file, beside those of an earlier run.

        Raises:
            ImportError: If tensorboard is missing.
            SinkError: If the folder can't be written.
        """
        self.close()
        if self._layout is None or self._layout.weights != layout.weights:
            self._heatmaps = Heatmaps(layout, self.heatmaps)
        self._layout = layout
        self._layers = grouping(layout, "layer")
        parts = tuple(block for block in layout.blocks if _is_part(block, layout))
        self._blocks = grouping(replace(layout, blocks=parts), "block")
        self._model = grouping(layout, "model")
        self._curves = grouping(layout, self.per)
        self._titles = _titles(layout)
        about = {"model": layout.model, "optimizer": layout.optimizer}
        self._facts = about | dict(layout.facts)
        try:
            self._file = EventFile(self.folder)
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        self._charted = set()
        self._flushed = time.monotonic()

    def write(self, sample: Sample) -> None:
        """Take the numbers of one step."""
        file = self._opened_file()
        if not self._charted.issuperset(sample.values):
            self._set_up(file, sample)
        if self._model_due.takes_next():
            file.scalars(sample.step, self._of_model(sample), sample.time)
        if self._layers_due.takes_next():
            self._write_layers(file, sample)
        self._heatmaps.keep(sample)
        if time.monotonic() - self._flushed >= self.flush_seconds:
            self.flush()

    def _of_model(self, sample: Sample) -> dict[str, float]:
        numbers = totals(sample, self._model)
        if sample.loss is not None:
            numbers["loss"] = sample.loss
        if sample.loss_scale != 1.0:
            numbers |= {"loss_scale": sample.loss_scale, "overflow": sample.overflow}
        return {f"{MODEL}/{name}": value for name, value in numbers.items()}

    def _write_layers(self, file: EventFile, sample: Sample) -> None:
        curves = {}
        for groups, suffix in ((self._curves, ""), (self._blocks, " of blocks")):
            combined = combine(sample.values, groups)
            titles = [self._titles[name] for name in groups.names]
            for quantity, array in _points(combined).items():
                for title, value, has_point in zip(titles, *array, strict=True):
                    if has_point:
                        curves[f"{quantity}{suffix}/{title}"] = value
        file.scalars(sample.step, curves, sample.time)
        gradients = {n: v for n, v in sample.values.items() if n == "gradient_norm"}
        norms = combine(gradients, self._layers).get("gradient_norm", np.zeros(1))
        known = norms[np.isfinite(norms) & (norms > 0)]
        if known.size:
            tag = "gradient_norm over layers/log10"
            file.histograms(sample.step, {tag: np.log10(known)}, sample.time)

    def _set_up(self, file: EventFile, sample: Sample) -> None:
        """What can be written once it is known what is measured."""
        self._charted.update(sample.values)
        layers = sorted(combine(sample.values, self._curves), key=_rank)
        whole = [name.partition("/")[2] for name in self._of_model(sample)]
        whole.sort(key=lambda name: (name != "loss", _rank(name)))
        file.charts(
            {
                "Layers": {name: [f"^{name}/"] for name in layers},
                "Whole model": {name: [f"^{MODEL}/{name}$"] for name in whole},
            }
        )
        metrics = [f"{MODEL}/{name}" for name in whole]
        file.hyperparameters(self._facts, metrics, FIRST)

    def write_histograms(
        self, step: int, arrays: Mapping[str, Any], group: str = "weights"
    ) -> None:
        """Histograms of arrays, by choice: weights cost far more to read than norms.

        Args:
            step: The optimizer step.
            arrays: By the path of a weight or a layer.
            group: The card that they are shown under.
        """
        named = {
            f"{group}/{self._titles.get(path, path)}": array
            for path, array in arrays.items()
        }
        self._opened_file().histograms(step, named)

    def write_outputs(
        self, step: int, outputs: Mapping[str, Mapping[str, float]]
    ) -> None:
        """Curves of what the layers put out on the held batch."""
        curves = {
            f"output_{name}/{self._titles.get(path, path)}": float(value)
            for path, numbers in outputs.items()
            for name, value in numbers.items()
            if isinstance(value, float | int)
        }
        self._opened_file().scalars(step, curves)

    def write_verdict(self, verdict: Verdict) -> None:
        """The verdict as a text, and the list of all, at once."""
        file = self._opened_file()
        self._verdicts.append(verdict)
        where = self._titles.get(verdict.layer, verdict.layer or "whole model")
        markdown = verdict_markdown(verdict)
        file.text(verdict.step, f"verdicts/{verdict.kind}: {where}", markdown)
        listed = verdicts_markdown(self._verdicts[-LISTED:])
        file.text(verdict.step, "all verdicts/in order", listed)
        self.flush()

    def write_epoch(self, epoch: int, step: int, logs: Mapping[str, Any]) -> None:
        """Heatmaps, if the ones before were quick enough."""
        if self._heatmaps.may_draw():
            self._draw_heatmaps()

    def _draw_heatmaps(self) -> None:
        for quantity, png in self._heatmaps.pngs(self._verdicts).items():
            step = self._heatmaps.last_step
            self._opened_file().image(step, f"heatmaps/{quantity}", png)

    def flush(self) -> None:
        """Write what is held back."""
        self._flushed = time.monotonic()
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Draw the last heatmaps, and close the file."""
        if self._file is not None:
            try:
                self._draw_heatmaps()
            finally:
                self._file.close()
                self._file = None

    def _opened_file(self) -> EventFile:
        if self._file is None:
            raise ValueError(
                "TensorBoardSink is not open. Received: "
                f"folder={str(self.folder)!r}. Call `open(layout)` first."
            )
        return self._file


def _titles(layout: Layout) -> dict[str, str]:
    """Names of layers, weights and blocks with a number, so that they sort in order."""
    digits = len(str(len(layout.layers)))
    names = labels([*layout.layers])
    titles = {
        layer: f"{number:0{digits}d} {name}"
        for number, (layer, name) in enumerate(
            zip(layout.layers, names, strict=True), 1
        )
    }
    parts = [block for block in layout.blocks if _is_part(block, layout)]
    block_digits = len(str(len(parts)))
    # The folders that all layers share aren't shown of the blocks either.
    shared = len(layout.layers[0]) - len(names[0]) if names else 0
    return {
        **{
            block: f"{number:0{block_digits}d} {block[shared:]}"
            for number, block in enumerate(parts, 1)
        },
        **{
            weight.path: titles[weight.layer] + weight.path.removeprefix(weight.layer)
            for weight in layout.weights
        },
        **titles,
    }


def _is_part(block: str, layout: Layout) -> bool:
    """Whether some layer is outside: else the block is the model."""
    return not all(f"{layer}/".startswith(f"{block}/") for layer in layout.layers)


def _rank(quantity: str) -> tuple[int, str]:
    """The order of the charts: what to look at first comes first."""
    known = [*QUANTITIES]
    at = known.index(quantity) if quantity in known else len(known)
    return at, quantity


def _points(
    combined: Mapping[str, NDArray[np.float64]],
) -> dict[str, tuple[list[float], list[bool]]]:
    """Values, and where there is a point: no number is one only if it went wrong."""
    if not combined:
        return {}
    known = {name: ~np.isnan(array) for name, array in combined.items()}
    measured = np.logical_or.reduce([*known.values()])
    for name in known:
        if name.startswith(("gradient_", "weight_")):
            known[name] = measured
    return {
        name: (array.tolist(), known[name].tolist()) for name, array in combined.items()
    }
