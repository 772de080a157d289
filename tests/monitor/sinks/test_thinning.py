"""What is kept of long runs: bounded, even, first and last."""

import numpy as np
import pytest

from keras_inits.monitor.sinks.thinning import EvenlyThinned, Spacing


@pytest.mark.parametrize("count", [0, 1, 8, 9, 100, 1001, 54321])
def test_no_more_than_the_capacity_is_kept_and_no_less_than_a_third(count):
    kept = EvenlyThinned(40)
    for number in range(count):
        kept.append(number)
    items = list(kept)
    assert len(items) == len(kept) <= 40
    assert len(items) >= min(count, 13)
    assert items == sorted(set(items))


def test_first_and_latest_are_kept():
    kept = EvenlyThinned(40)
    for number in range(10_007):
        kept.append(number)
    items = list(kept)
    assert items[0] == 0
    assert items[-10:] == list(range(9_997, 10_007))


def test_the_older_ones_are_evenly_spaced():
    kept = EvenlyThinned(40)
    for number in range(10_007):
        kept.append(number)
    gaps = np.diff(list(kept)[:-10])
    assert len(set(gaps)) == 1


def test_spacing_takes_all_of_a_short_run():
    spacing = Spacing(50)
    assert all(spacing.takes_next() for _ in range(100))


def test_spacing_without_a_limit_takes_all():
    spacing = Spacing(None)
    assert all(spacing.takes_next() for _ in range(5000))


def test_spacing_grows_in_step_with_the_run():
    spacing = Spacing(50)
    taken = np.array([n for n in range(100_000) if spacing.takes_next()])
    gaps = np.diff(taken)
    assert np.all(gaps <= np.maximum(1, taken[:-1] / 50))
    assert len(taken) == pytest.approx(50 * (2 + np.log(100_000 / 100)), rel=0.05)
