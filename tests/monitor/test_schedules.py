"""Schedules: which steps are due, alone and combined, and what is refused."""

import itertools

import numpy as np
import pytest

from keras_inits.monitor.schedules import (
    Epochs,
    Every,
    First,
    Logarithmic,
    Schedule,
    as_schedule,
)


def due_steps(schedule, last=200, epoch_length=10):
    return [
        step
        for step in range(1, last + 1)
        if schedule.due(step, (step - 1) // epoch_length)
    ]


def test_every_n_begins_with_the_first_step():
    assert due_steps(as_schedule(7), 30) == [1, 8, 15, 22, 29]


def test_every_one_is_every_step():
    assert due_steps(as_schedule(1), 5) == [1, 2, 3, 4, 5]


def test_numpy_integers_are_numbers_of_steps():
    assert as_schedule(np.int64(3)) == Every(3)


def test_logarithmic_has_as_many_steps_in_each_later_decade():
    steps = np.array(due_steps(Logarithmic(5), 100_000))
    counts = [np.sum((steps > low) & (steps <= 10 * low)) for low in (10, 100, 1000)]
    assert counts == [5, 5, 5]
    assert {1, 10, 100, 1000, 10_000, 100_000} <= set(steps)


def test_epochs_counts_from_where_keras_says_that_an_epoch_begins():
    schedule = Epochs(every=2, steps=2)
    schedule.begin_epoch(0, 1)
    assert [schedule.due(step, 0) for step in (1, 2, 3)] == [True, True, False]
    schedule.begin_epoch(0, 4)  # fit again, from epoch 0
    assert [schedule.due(step, 0) for step in (4, 5, 6)] == [True, True, False]


def test_epochs_without_a_number_of_steps_is_all_of_the_epoch():
    assert due_steps(Epochs(3, steps=None), 40) == [*range(1, 11), *range(31, 41)]


def test_a_function_says_which_steps_are_due():
    assert due_steps(as_schedule(lambda step: step % 11 == 5), 30) == [5, 16, 27]


def test_a_union_is_due_where_either_is_and_an_intersection_where_both_are():
    two, three = Every(2), Every(3)
    assert set(due_steps(two | three)) == set(due_steps(two)) | set(due_steps(three))
    assert due_steps(two & three) == due_steps(Every(6))


def test_combinations_show_how_they_were_written():
    schedule = (First(3) | Every(10)) & Epochs(2)
    assert repr(schedule) == (
        "(First(steps=3) | Every(steps=10)) & Epochs(every=2, steps=1)"
    )


def test_a_number_may_stand_in_a_combination():
    assert due_steps(First(2) | 10, 25) == [1, 2, 11, 21]


def test_a_schedule_of_ones_own_needs_due_alone():
    class Primes(Schedule):
        def due(self, step, epoch=0):
            return step in (2, 3, 5, 7)

    assert due_steps(as_schedule(Primes())) == [2, 3, 5, 7]


@pytest.mark.parametrize(
    ("every", "error", "text"),
    [
        (0, ValueError, r"at least 1. Received: every=0. To measure nothing"),
        (-3, ValueError, r"Received: every=-3"),
        (True, TypeError, r"Received: every=True \(of type bool\)"),
        (2.0, TypeError, r"Received: every=2.0 \(of type float\)"),
        (None, TypeError, r"Received: every=None"),
        ("epoch", TypeError, r"a schedule as First\(100\).* Received: every='epoch'"),
        (First, TypeError, r"Received: every=<class"),
        (lambda: True, TypeError, r"a function that takes the step"),
    ],
)
def test_what_is_no_schedule_is_refused(every, error, text):
    with pytest.raises(error, match=text):
        as_schedule(every)


@pytest.mark.parametrize("make", [Every, First, Logarithmic, Epochs])
def test_a_count_below_one_is_refused(make):
    with pytest.raises(ValueError, match=r"must be at least 1. Received: \w+=0"):
        make(0)
    with pytest.raises(TypeError, match=r"must be a whole number. Received: \w+=1.5"):
        make(1.5)


def test_a_function_that_returns_nothing_is_refused():
    with pytest.raises(TypeError, match=r"True or False. Received: None.*step 4"):
        as_schedule(lambda step: None).due(4)


def test_a_schedule_without_due_says_what_to_write():
    with pytest.raises(NotImplementedError, match=r"def due\(self, step, epoch=0\)"):
        Schedule().due(1)


def test_asking_twice_gives_the_same_answer():
    schedule = Epochs(1, 2) | Logarithmic(3)
    steps = list(itertools.chain.from_iterable((step, step) for step in range(1, 9)))
    answers = [schedule.due(step, (step - 1) // 4) for step in steps]
    assert answers[::2] == answers[1::2]
