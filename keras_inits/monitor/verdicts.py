"""The judge: sees a run's samples one by one and says when something is wrong."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from keras_inits.monitor import cures
from keras_inits.monitor.rules import RULES, Rule
from keras_inits.monitor.verdict_by_depth import (
    exploding_alike,
    exploding_by_depth,
    vanishing_alike,
    vanishing_by_depth,
)
from keras_inits.monitor.verdict_depth import Depth
from keras_inits.monitor.verdict_finite import Finiteness
from keras_inits.monitor.verdict_in_time import (
    exploding_in_time,
    float16_underflow,
    stalled,
)
from keras_inits.monitor.verdict_looks import Looks
from keras_inits.monitor.verdict_memory import RECTIFIERS, Memory
from keras_inits.monitor.verdict_run import Found, Run
from keras_inits.monitor.verdict_zeros import always_zero, dead_layer, dead_units
from keras_inits.records import Layout, Sample, Verdict

__all__ = ["Judge"]

_Check = Callable[[Run, Rule], Iterator[Found]]

#: What is looked at every few samples, most telling first.
_SLOW: dict[str, _Check] = {
    "float16 underflow": float16_underflow,
    "exploding by depth": exploding_by_depth,
    "exploding alike": exploding_alike,
    "vanishing by depth": vanishing_by_depth,
    "vanishing alike": vanishing_alike,
    "dead layer": dead_layer,
    "dead units": dead_units,
    "stalled": stalled,
    "always zero": always_zero,
}
_CHECKS = {**_SLOW, "exploding in time": exploding_in_time}

#: Said once for the whole network, at the layer where it shows most.
_OF_THE_WHOLE = {"vanishing", "exploding", "stalled", "loss-scale", "non-finite"}

#: What follows from what: a kind stays unsaid where one that explains it was said.
_EXPLAINED = {
    "vanishing": {"exploding", "symmetry", "loss-scale", "dead"},
    "exploding": {"loss-scale"},
    "dead": {"exploding", "vanishing", "loss-scale", "disconnected"},
    "stalled": {"exploding", "vanishing", "dead", "loss-scale"},
    "disconnected": {"exploding", "vanishing", "dead", "loss-scale"},
}


@dataclass
class _Held:
    """Since when a rule's condition has been met at every check."""

    step: int
    sample: int


class Judge:
    """Reads samples and says what is wrong, each thing once a layer, when certain.

    It keeps a few arrays as long as the layout, however long the run, and takes samples
    at any spacing with any quantities beside `gradient_norm` and `weight_norm`:
    `update_norm` lets it see updates, `zero_share` single dead units, `nonfinite` which
    gradient is NaN.

    A run whose gradients are small, zero or NaN for a good reason is let pass; the
    reasons are in the table of rules.

    Args:
        layout: What the samples are about.
        rules: Rules by name; a rule that is left out is switched off.

    Raises:
        ValueError: for the name of a rule that there is not.

    Example:
        >>> import numpy as np
        >>> from keras_inits.records import Weight
        >>> weights = [Weight("a/kernel", "a", "kernel", (4, 4), "relu")]
        >>> judge = Judge(Layout("model", tuple(weights)))
        >>> numbers = {"weight_norm": np.ones(1), "gradient_norm": np.ones(1)}
        >>> judge.see(Sample(step=1, epoch=0, time=0.0, values=numbers))
        []
        >>> numbers = {**numbers, "gradient_norm": np.array([np.inf])}
        >>> [verdict] = judge.see(Sample(step=2, epoch=0, time=0.0, values=numbers))
        >>> verdict.kind, verdict.layer, verdict.step
        ('non-finite', 'a', 2)
    """

    def __init__(self, layout: Layout, rules: Mapping[str, Rule] = RULES) -> None:
        unknown = sorted(rules.keys() - RULES.keys())
        if unknown:
            raise ValueError(
                "There is no such rule. Received: "
                f"{', '.join(map(repr, unknown))}. The rules are "
                f"{', '.join(map(repr, RULES))}."
            )
        self.layout = layout
        self.rules = dict(rules)
        self._run = Run(Memory(layout), Depth(layout))
        self._looks = Looks(self._run)
        self._finite = Finiteness(layout)
        self._held: dict[str, _Held] = {}
        self._over = False
        self._overflows = 0
        self._rectified = np.array(
            [w.role == "bias" and w.activation in RECTIFIERS for w in layout.weights],
            bool,
        )

    # --- what it is shown ------------------------------------------------------------

    def see(self, sample: Sample) -> list[Verdict]:
        """The verdicts that this sample makes certain, usually none."""
        if self._over:
            return []
        if sample.overflow:
            return self._say(sample.step, "loss scale falls", self._overflow(sample))
        self._overflows = 0
        found = self._finite.look(sample, self._looks.not_finite)
        if found is not None:
            return self._end(sample, found)
        memory = self._run.memory
        memory.add(sample)
        self._count_silent(sample)
        verdicts = self._say(
            sample.step, "exploding in time", self._check("exploding in time")
        )
        if _is_due(memory.samples):
            for name in _SLOW:
                verdicts += self._persistent(name)
        return verdicts

    def see_structure(
        self, step: int, duplicates: Mapping[str, tuple[int, int]]
    ) -> list[Verdict]:
        """Takes in how many units of each layer equal another one.

        Args:
            step: The optimizer step after which they were counted; 0 is before the
                first.
            duplicates: For the path of each layer that was looked at, the number of
                units that have a twin, and of all units.
        """
        rule = self.rules.get("symmetry")
        if rule is None:
            return []
        found = self._looks.structure(step, duplicates, rule)
        return self._say(step, "symmetry", found)

    def see_disconnected(self, paths: Collection[str], step: int) -> list[Verdict]:
        """Takes in which weights have no gradient at all.

        Args:
            paths: The paths of the weights.
            step: The step at which it was seen.
        """
        self._finite.has_none(paths)
        layers: dict[str, list[str]] = {}
        for path in paths:
            layers.setdefault(path.rpartition("/")[0], []).append(path)
        found = [
            Found(
                layer,
                {"weights": weights},
                "No operation leads from these weights to the loss: they get no "
                "gradient and keep their values.",
                cures.leave_out(layer),
            )
            for layer, weights in layers.items()
        ]
        return self._say(step, "disconnected", found)

    def see_outputs(
        self, step: int, outputs: Mapping[str, Mapping[str, float]]
    ) -> list[Verdict]:
        """Takes in what the layers put out on a held batch.

        Args:
            step: The optimizer step after which it was measured.
            outputs: For the path of each layer, numbers by name: the shares `"dead"` of
                units and `"saturated"` of values, the count `"nonfinite"`.
        """
        if self._over:
            return []
        self._looks.first_not_finite(outputs)
        verdicts = []
        for name in ("dead outputs", "saturated outputs"):
            rule = self.rules.get(name)
            if rule is not None:
                found = self._looks.outputs(name, outputs, rule)
                if not self._is_explained(rule.kind):
                    verdicts += self._say(step, name, found)
        return verdicts

    # --- how it decides --------------------------------------------------------------

    def _check(self, name: str) -> Iterable[Found]:
        rule = self.rules.get(name)
        if rule is None or self._is_explained(rule.kind):
            return ()
        return _CHECKS[name](self._run, rule)

    def _persistent(self, name: str) -> list[Verdict]:
        """The verdicts of a check, once it has held for long enough."""
        found = [*self._check(name)]
        if not found:
            self._held.pop(name, None)
            return []
        rule, memory = self.rules[name], self._run.memory
        since = _Held(memory.since, memory.samples - memory.recent)
        held = self._held.setdefault(name, since)
        if memory.samples - held.sample < rule.samples:
            return []
        if memory.step - held.step + 1 < rule.steps:
            return []
        return self._say(memory.step, name, found, since=held.step)

    def _say(
        self,
        step: int,
        name: str,
        found: Iterable[Found],
        since: int | None = None,
    ) -> list[Verdict]:
        verdicts: list[Verdict] = []
        rule = self.rules.get(name)
        if rule is None:
            return verdicts
        for one in found:
            key = rule.kind, one.layer
            if key in self._run.verdicts:
                continue
            if rule.kind in _OF_THE_WHOLE & self._run.has_kinds:
                break
            self._run.verdicts.add(key)
            evidence = {"rule": name, **one.evidence}
            if since is not None:
                evidence["since_step"] = since
            verdicts.append(
                Verdict(
                    kind=rule.kind,
                    severity=rule.severity,
                    layer=one.layer,
                    evidence=evidence,
                    cause=one.cause,
                    cure=one.cure,
                    step=max(step, 1),
                )
            )
        return verdicts

    def _is_explained(self, kind: str) -> bool:
        return not self._run.has_kinds.isdisjoint(_EXPLAINED.get(kind, ()))

    def _end(self, sample: Sample, found: Found) -> list[Verdict]:
        """Non-finite numbers: an explosion before them is said without waiting."""
        verdicts = []
        if self._run.memory.samples:
            for name in ("exploding by depth", "exploding alike", "exploding in time"):
                verdicts += self._say(sample.step, name, self._check(name))
        if "exploding" in self._run.has_kinds:
            found = replace(
                found,
                cause="Numbers grew past the end of their format, after gradients or "
                "updates had exploded.",
                cure=cures.calmer_optimizer(self.layout),
            )
        self._over = True
        return verdicts + self._say(sample.step, "non-finite", [found])

    def _overflow(self, sample: Sample) -> Iterator[Found]:
        rule = self.rules.get("loss scale falls")
        self._overflows += 1
        if rule is None:
            return
        if self._overflows >= rule["overflows"] or sample.loss_scale <= rule["scale"]:
            yield Found(
                "",
                {
                    "loss_scale": sample.loss_scale,
                    "overflows_in_a_row": self._overflows,
                    "loss": sample.loss,
                },
                "Gradients overflow whatever the loss scale: not the scale is at "
                "fault, but the forward pass or the gradients exceed float16.",
                cures.wider_range(),
            )

    def _count_silent(self, sample: Sample) -> None:
        rule, share = self.rules.get("dead units"), sample.values.get("zero_share")
        if rule is None or share is None:
            return
        silent = self._run.memory.silent
        silent += 1
        silent *= (share >= rule["units"]) & self._rectified


def _is_due(sample: int) -> bool:
    """Whether the slower checks are made: often at first, then every 32 samples."""
    if sample <= 64:
        return sample in (3, 5) or sample % 4 == 0
    return sample % (16 if sample <= 512 else 32) == 0
