"""The table of what counts as wrong: limits, persistence, reasons and sources."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

__all__ = ["RULES", "Rule"]


@dataclass(frozen=True)
class Rule:
    """When a judge is certain.

    Args:
        kind: What it finds, one of `keras_inits.records.KINDS`.
        severity: One of `keras_inits.records.SEVERITIES`.
        limits: Numbers by name; the reason says what each is held against.
        reason: Why these numbers.
        source: Where they are from: a paper, or a property of the number format.
        samples: The least number of samples over which it must hold.
        steps: The least number of optimizer steps over which it must hold.

    Example:
        >>> patient = RULES["stalled"].changed(steps=5000)
        >>> patient.steps, patient.samples == RULES["stalled"].samples
        (5000, True)
    """

    kind: str
    severity: str
    limits: Mapping[str, float]
    reason: str
    source: str
    samples: int = 1
    steps: int = 0

    def __getitem__(self, limit: str) -> float:
        """A limit by its name."""
        return self.limits[limit]

    def changed(
        self,
        severity: str | None = None,
        samples: int | None = None,
        steps: int | None = None,
        **limits: float,
    ) -> Rule:
        """A rule with other numbers.

        Raises:
            ValueError: for a limit that the rule does not have, or a number that is
                not positive and finite.
        """
        unknown = sorted(limits.keys() - self.limits.keys())
        if unknown:
            raise ValueError(
                f"This rule for {self.kind!r} has no such limit. Received: "
                f"{', '.join(unknown)}. It has {', '.join(self.limits) or 'none'}, "
                "and `severity`, `samples` and `steps`."
            )
        given: dict[str, Any] = {"samples": samples, "steps": steps}
        given = {name: value for name, value in given.items() if value is not None}
        for name, value in {**given, **limits}.items():
            if not (math.isfinite(value) and value > 0):
                raise ValueError(
                    "A rule's numbers must be positive and finite. Received: "
                    f"{name}={value!r}. Leave a rule out of `rules` to switch it off."
                )
        return replace(
            self,
            severity=self.severity if severity is None else severity,
            limits={**self.limits, **limits},
            **given,
        )


def _rule(kind: str, severity: str, reason: str, source: str, **numbers: Any) -> Rule:
    persistence = {
        name: int(numbers.pop(name)) for name in ("samples", "steps") if name in numbers
    }
    limits = {name: float(value) for name, value in numbers.items()}
    return Rule(kind, severity, limits, reason, source, **persistence)


#: Every rule by name. Norms are of whole tensors, "decades" are powers of ten between
#: the layer next to the loss and the layer next to the data, on a robust straight line
#: through the logarithms of all layers: single odd layers (a head that starts at zero,
#: a bias that a normalization cancels) do not move it.
RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "vanishing by depth": _rule(
            "vanishing",
            "severe",
            "The gradient with respect to pre-activations, which a bias's gradient "
            "shows (without biases: gradient norm times weight norm), falls by "
            "`decades` from the loss to the data and falls steadily (`agreement`, "
            "Kendall's tau). ReLU with Xavier's variance loses a factor 0.71 a layer: "
            "22 layers (3.3 decades) were found to train, 30 (4.5) to stall. Half a "
            "decade of room is left for chance in finite widths, and the layer at "
            "fault must not be one that `fallen` shows to learn: a loss below that "
            "share of the first one acquits anything short of `hopeless` decades. It "
            "takes `layers` layers to speak of depth.",
            "He et al., 2015, arXiv:1502.01852, section 2.2; "
            "Hanin & Nica, 2019, arXiv:1812.05994",
            decades=3.5,
            hopeless=6.0,
            agreement=0.6,
            layers=5,
            fallen=0.7,
            samples=5,
            steps=20,
        ),
        "vanishing alike": _rule(
            "vanishing",
            "severe",
            "In a network of ReLU or nearly linear layers without biases the products "
            "<W, dL/dW> are equal in all layers, so a dead one has small gradients "
            "everywhere and none is smaller than the others. What shows it: in every "
            "layer, moving all weights by 1 % changes the loss by less than a "
            "ten-thousandth of itself (gradient norm times weight norm, over the loss, "
            "below `elasticity`; healthy networks measure 0.5 to 40), and the weights' "
            "own norms say that the signal fades by `decades` on the way through. Each "
            "alone has innocent reasons (a minimum; branches), both together do not. "
            "A head that starts at zero has itself a gradient of the usual size, held "
            "against the norm that would keep a signal's size. Gradients that differ "
            "by more than `spread` decades are for the other rule, as are networks of "
            "fewer than `layers` layers; those with normalization or factors for their "
            "branches are left out, and so is a loss below `fallen` of the first one.",
            "Euler's theorem on homogeneous functions; He et al., 2015, "
            "arXiv:1502.01852",
            elasticity=0.01,
            decades=3.0,
            spread=1.5,
            fallen=0.7,
            layers=5,
            samples=5,
            steps=20,
        ),
        "exploding by depth": _rule(
            "exploding",
            "severe",
            "The gradient with respect to pre-activations grows by `decades` from the "
            "loss to the data, steadily (`agreement`, over at least `layers` layers), "
            "and some layer's gradient is as large as its weights (`per_weight`), so "
            "that a learning rate of 0.1 moves it by a tenth. "
            "Twice He's variance over 30 layers is 4.5 decades; plain networks "
            "with batch normalization grow by a factor 1.21 a layer and train up to "
            "about 30 of them, 2.5 decades. Such a layer does its harm at the next "
            "update: there is nothing to wait for but chance in a single batch. Where "
            "it comes about later, a loss below `fallen` of the first one acquits.",
            "He et al., 2015, arXiv:1502.01852; Yang et al., 2019, arXiv:1902.08129",
            decades=3.0,
            agreement=0.6,
            layers=5,
            per_weight=1.0,
            fallen=0.5,
            samples=3,
            steps=3,
        ),
        "exploding alike": _rule(
            "exploding",
            "severe",
            "The counterpart of `vanishing alike`: the weights' norms say that the "
            "signal grows by `decades`, and gradients are `per_weight` times as large "
            "as the weights (healthy networks measure 0.01 to 1). `layers` and "
            "`spread` are as there, `fallen` as for `exploding by depth`.",
            "Euler's theorem on homogeneous functions; He et al., 2015, "
            "arXiv:1502.01852",
            decades=3.0,
            spread=1.5,
            layers=5,
            per_weight=10.0,
            fallen=0.5,
            samples=3,
            steps=3,
        ),
        "exploding in time": _rule(
            "exploding",
            "severe",
            "An update as long as the weights themselves (`update`; a healthy one is "
            "near a thousandth) or weights grown by `growth` within a few samples, and "
            "then a loss (where it is not known, a gradient) `worse` times what the "
            "run began with. Neither alone will do: weights that begin at zero take "
            "updates as long as themselves, and a loss may leap without harm.",
            "Karpathy, 2015, CS231n notes (ratio of updates to weights near 1e-3); "
            "gradient descent diverges where an update overshoots by twice",
            update=1.0,
            growth=4.0,
            worse=10.0,
        ),
        "dead layer": _rule(
            "dead",
            "severe",
            "A layer's kernel and bias and the next layer's kernel have gradients of "
            "exactly zero, while the next layer's bias does not: nothing comes out of "
            "the layer, whatever comes in. Or no weight at all has a gradient while "
            "the loss is above `loss` of what it was at first. A branch that starts "
            "at zero differs: there the next kernel does have a gradient. A small "
            "layer can be silent for a batch, hence the persistence.",
            "Lu et al., 2019, arXiv:1903.06733",
            loss=0.1,
            samples=8,
            steps=8,
        ),
        "dead units": _rule(
            "dead",
            "warning",
            "A share `units` of the entries of a ReLU layer's bias gradient is exactly "
            "zero batch after batch. At initialization each unit is silent for half of "
            "the inputs; batches of one leave half or more of the units without a "
            "gradient, so the share must be far above that and stay.",
            "Lu et al., 2019, arXiv:1903.06733",
            units=0.95,
            samples=20,
            steps=50,
        ),
        "dead outputs": _rule(
            "dead",
            "severe",
            "On the held batch a share `units` of a layer's units gives zero for every "
            "input.",
            "Lu et al., 2019, arXiv:1903.06733",
            units=0.95,
            samples=2,
        ),
        "saturated outputs": _rule(
            "vanishing",
            "warning",
            "On the held batch a share `outputs` of a layer's values sits at the ends "
            "of its activation, where the slope is near zero. Heads are left out: "
            "saturation is what they are trained for.",
            "Glorot & Bengio, 2010, https://proceedings.mlr.press/v9/glorot10a.html",
            outputs=0.9,
            samples=2,
        ),
        "symmetry": _rule(
            "symmetry",
            "severe",
            "A share `units` of a layer's units is equal to another unit of it, and "
            "still is after updates that moved the layer by `moved` of its norm. Equal "
            "units get equal gradients: nothing but noise can part them again. Layers "
            "that start at zero pass, because their first update parts the units.",
            "Goodfellow et al., 2016, Deep Learning, section 8.4",
            units=0.5,
            moved=1e-4,
        ),
        "stalled": _rule(
            "stalled",
            "severe",
            "Updates below `update` of the weights: at this rate a million steps move "
            "them by a percent, and below 6e-8 float32 rounds most of it away. They "
            "are also below `per_gradient` of the gradients, so it is the learning "
            "rate that is small and not a gradient near a minimum; and they do not "
            "rise by `warm_up` between the first and the last half of the run, as they "
            "would in a warm-up from a tiny learning rate. Weights that were ever "
            "moved faster are not stalled: a schedule may end at zero. Where updates "
            "are not measured, all norms must stand still for `unseen` steps under "
            "gradients of at least `asked` of the weights.",
            "IEEE 754: half an ulp of float32 is 2^-24; Goyal et al., 2017, "
            "arXiv:1706.02677 (warm-up)",
            update=1e-8,
            per_gradient=1e-7,
            warm_up=1.2,
            unseen=1000,
            asked=1e-3,
            samples=10,
            steps=300,
        ),
        "disconnected": _rule(
            "disconnected",
            "warning",
            "Automatic differentiation returned no gradient at all: no operation leads "
            "from the weight to the loss.",
            "by definition",
        ),
        "always zero": _rule(
            "disconnected",
            "warning",
            "All gradients of a layer have been exactly zero since the first step "
            "while other layers had some. JAX answers so where others answer None. "
            "Branches that start at zero get a gradient after one update, hence the "
            "patience; embeddings are left out, since rows may go unused.",
            "by definition",
            samples=10,
            steps=200,
        ),
        "non-finite": _rule(
            "non-finite",
            "severe",
            "A gradient, weight or output is NaN or infinite, and no loss scaling "
            "explains it: one such update is final.",
            "IEEE 754",
        ),
        "loss scale falls": _rule(
            "loss-scale",
            "severe",
            "Dynamic loss scaling halves its factor at each overflow. From 2^15 a "
            "healthy run needs a few halvings; a factor of `scale` leaves nothing to "
            "halve, and `overflows` in a row mean a factor of a million for nothing.",
            "Micikevicius et al., 2018, arXiv:1710.03740",
            scale=1.0,
            overflows=20,
        ),
        "float16 underflow": _rule(
            "loss-scale",
            "severe",
            "Without a loss scale, entries of float16 gradients below 6e-8 become "
            "zero: a share `zeros` of the entries of most kernels' gradients is, and "
            "their root mean square is below `entry`, a few of float16's smallest "
            "steps. Where zeros are not counted, it must be below the smallest.",
            "Micikevicius et al., 2018, arXiv:1710.03740, section 3.2; IEEE 754: the "
            "smallest float16 is 2^-24",
            zeros=0.5,
            entry=1e-6,
            samples=5,
            steps=5,
        ),
    }
)
