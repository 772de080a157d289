"""The table of what counts as wrong before training: limits, reasons, sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["RULES", "Rule"]


@dataclass(frozen=True)
class Rule:
    """When a finding is made, and how grave it is.

    Args:
        kind: what it finds, one of `keras_inits.records.KINDS`.
        measure: what is held against the limits.
        limits: for each severity the number from which it applies.
        spared: what looks alike and is healthy, and how it is told apart.
        reason: why these numbers.
        source: where they are from.
    """

    kind: str
    measure: str
    limits: Mapping[str, float]
    spared: str
    reason: str
    source: str

    def severity(self, value: float) -> str | None:
        """The gravest severity that the value reaches, None if it reaches none."""
        for name in ("severe", "warning", "note"):
            if name in self.limits and value >= self.limits[name]:
                return name
        return None


def _rule(
    kind: str, measure: str, spared: str, reason: str, source: str, **limits: float
) -> Rule:
    return Rule(kind, measure, MappingProxyType(limits), spared, reason, source)


_DECADES = (
    "ReLU layers with Xavier's variance lose a factor 0.71 each: networks of 22 such "
    "layers were found to train, of 30 to stall at chance. From fifth to fifth they "
    "lose about 2.6 and 3.6 decades. tanh layers at weight variance 1 lose as much of "
    "the gradient: 30 layers (1.5 decades) learn slowly, 60 (2.9 decades) not at all."
)
_DECADES_FROM = (
    "He et al., 2015, arXiv:1502.01852, section 2.2; Schoenholz et al., 2017, "
    "arXiv:1611.01232, figure 5"
)

#: Every rule by name. "Decades" are powers of ten.
RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "vanishing signal": _rule(
            "vanishing",
            "decades from the smaller rms at the first kernel (what it takes, what it "
            "gives) down to the largest at the last fifth of the layers",
            "a layer that takes or gives a signal of healthy size is enough: branches "
            "and heads that start at zero, small kernels under a normalization",
            _DECADES,
            _DECADES_FROM,
            warning=2.0,
            severe=3.0,
        ),
        "exploding signal": _rule(
            "exploding",
            "decades from the larger rms at the first kernel up to the smallest at the "
            "last fifth of the layers",
            "one normalization among the last layers is enough, whatever the scale of "
            "the kernels before it; a residual stream grows as the root of its depth",
            _DECADES,
            _DECADES_FROM,
            warning=2.0,
            severe=3.0,
        ),
        "vanishing gradient": _rule(
            "vanishing",
            "decades from the norm of the gradient at the last fifth of the layers "
            "(the head's own output aside) down to the largest at the first fifth",
            "gradients by outputs are compared, not those by weights, which are equal "
            "in all layers of a dead ReLU network; the largest counts, so that closed "
            "branches hide behind the stream around them; exact zeros are for "
            "`no gradient`",
            _DECADES,
            _DECADES_FROM,
            warning=2.0,
            severe=3.0,
        ),
        "exploding gradient": _rule(
            "exploding",
            "decades from the largest norm of the gradient at the last fifth of the "
            "layers up to the smallest at the first fifth",
            "what a normalization gives has a gradient of healthy size, whatever the "
            "scale of the kernel before it",
            "Weights of tanh layers at variance 4 blow the gradient up by 1.5 decades "
            "in 30 layers, which still learn, and by 3 in 60, which do not.",
            _DECADES_FROM,
            warning=2.0,
            severe=3.0,
        ),
        "symmetry": _rule(
            "symmetry",
            "share of a kernel's units whose weights equal another's and whose "
            "gradients do, too (within a thousandth), so that no step tells them apart",
            "a kernel of zeros in a head or at the end of a branch, whose units get "
            "different gradients; where its gradient is 0 for now, one behind it that "
            "starts at zero and gets a gradient that differs by input; copies on "
            "purpose, as for upsampling",
            "Any two such units stay one for ever; half of them halve the layer.",
            "exact: the gradient is a function of the unit's weights",
            warning=1e-9,
            severe=0.5,
        ),
        "identical": _rule(
            "identical",
            "trainable kernels that begin with one sequence of 16 or more numbers, but "
            "for a factor (cosine above 0.99999)",
            "kernels with few different numbers or mostly zeros: identities, filters",
            "Two independent draws agree so far with probability below 1e-30. An "
            "integer seed in one initializer gives each layer the same stream.",
            "cosines of independent Gaussian vectors have a spread of 1/sqrt(length)",
            warning=2.0,
        ),
        "saturation": _rule(
            "saturation",
            "share of the entries at an activation where its slope is under 5 % of the "
            "largest",
            "a gate at rest: what its bias shifted is off centre by more than it "
            "spreads, and does not count",
            "With pre-activations N(0, s^2), half of tanh's entries are there from "
            "s = 3.2: three times what any scheme aims for. At 0.9, one entry in ten "
            "learns.",
            "Glorot & Bengio, 2010, sections 3.1 and 3.2",
            warning=0.5,
            severe=0.9,
        ),
        "dead": _rule(
            "dead",
            "share of units that are silent on the whole batch, if it lies 4 standard "
            "deviations of a fair coin's over one half, too",
            "a layer that gives exact zeros because its weights are zeros",
            "A ReLU unit with symmetric weights and no bias is silent with probability "
            "one half where all samples look alike, as they do behind many layers, and "
            "less elsewhere.",
            "Lu et al., 2019, arXiv:1903.06733",
            warning=0.75,
            severe=0.95,
        ),
        "fan": _rule(
            "fan",
            "how many times too small or too large the weights are, for the scheme was "
            "given another fan than the layer has; only where their spread is the one "
            "that the wrong fan leads to",
            "layers whose output is normalized; weights loaded or set otherwise",
            "An LSTM's four gates make a factor up to 2, a depthwise kernel of 128 "
            "channels 11, ten of which take a signal to 1e-9.",
            "measured with Keras 3.15; fans counted from the layers' definitions",
            note=1.5,
            warning=3.0,
        ),
        "input": _rule(
            "input",
            "by how much the rms of what the first kernel takes is over or under 1",
            "inputs scaled by a layer of the model, and first kernels whose output is "
            "normalized; integers that are looked up",
            "Bytes of an image have an rms over 100, standardized data 1; from 10 on, "
            "the first layer's gradient outweighs the others' a hundredfold.",
            "LeCun et al., 1998, Efficient BackProp, section 4.3",
            warning=10.0,
            severe=1000.0,
        ),
        "input features": _rule(
            "input",
            "the largest standard deviation of a feature over the smallest that is not "
            "0, for samples that are rows of numbers",
            "features that are 0 or 1, rare ones among them; normalized inputs",
            "The curvature of the loss spreads as the square: 1e6, where plain descent "
            "needs a million steps for the smallest feature.",
            "LeCun et al., 1998, Efficient BackProp, section 5.1",
            warning=1000.0,
        ),
        "loss": _rule(
            "loss",
            "the loss over that of a guess, if it is 1 nat over it as well: ln C for C "
            "classes, ln 2 for two",
            "a head that spreads its logits a little: logits N(0, 1) cost half a nat",
            "Logits that cost as much again as not knowing have a standard deviation "
            "over 2. The first steps unlearn them; at ten times the answers are sure, "
            "wrong, and flat.",
            "E logsumexp of Gaussian logits; Karpathy, 2019, a recipe for training "
            "neural networks",
            warning=2.0,
            severe=10.0,
        ),
        "squared loss": _rule(
            "loss",
            "the mean square over the variance of the targets, which is what answering "
            "their mean earns",
            "targets off centre by up to three standard deviations",
            "Nine tenths of the first gradients go into one number, the mean.",
            "bias and variance of a constant answer",
            warning=10.0,
            severe=1000.0,
        ),
        "disconnected": _rule(
            "disconnected",
            "share of the trainable layers that the loss does not depend on",
            "frozen layers",
            "What gets no gradient does not learn; if it is all, nothing does.",
            "exact: the backward pass does not arrive",
            warning=1e-9,
            severe=1.0,
        ),
        "no gradient": _rule(
            "disconnected",
            "share of the trainable layers whose gradient is 0 in every entry",
            "what lies before weights that start at zero and get a gradient: they open "
            "at the first step; a loss of 0; layers that other findings explain",
            "No step changes these weights, unless something behind them changes.",
            "exact",
            severe=1e-9,
        ),
        "non-finite": _rule(
            "non-finite",
            "entries that are NaN or infinite",
            "gradients in float16 that are finite at a smaller loss scale",
            "One of them reaches every weight in one step.",
            "exact",
            severe=1.0,
        ),
        "no weights": _rule(
            "disconnected",
            "models without weights, 1 or 0",
            "",
            "There is nothing to initialize and nothing to train.",
            "exact",
            note=1.0,
        ),
    }
)
