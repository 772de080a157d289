"""What a person can choose about a run: how often to measure, and on how much."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["BACKENDS", "QUICK", "Settings"]

BACKENDS = ("tensorflow", "jax", "torch")


@dataclass(frozen=True)
class Settings:
    """How much to measure.

    Args:
        rounds: how often each call is timed, where the budget allows it.
        least: how often at least.
        budget: seconds for the rounds of one row of a table.
        quick: leave out all that takes long; proves that it works, no more.
    """

    rounds: int = 15
    least: int = 5
    budget: float = 60.0
    quick: bool = False

    def each_round(self) -> Iterator[int]:
        """Counts rounds until there are enough of them, or the budget is spent."""
        start = time.perf_counter()
        for done in range(self.rounds):
            if done >= self.least and time.perf_counter() - start > self.budget:
                return
            yield done


#: Small sizes and few rounds.
QUICK = Settings(rounds=5, least=3, budget=1.0, quick=True)
