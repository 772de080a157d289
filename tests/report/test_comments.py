"""Each rule for a comment, on both sides of its condition."""

import math

import pytest

from keras_inits.report.comments import comment_on_draws, comment_on_run

SYMMETRY = "every unit of a layer computes the same: symmetry is never broken"


def test_a_dead_run_is_told_with_all_that_was_measured(dead_run, points):
    assert comment_on_run(dead_run, points) == (
        f"{SYMMETRY}; no weight ever gets a gradient; the cost stays at 0.6931; "
        "one answer for all points"
    )


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"gradient_norm": {"output": (0.0, 0.0, 1e-9)}}, "no weight ever gets"),
        ({"cost": (0.70, 0.69, 0.69)}, "the cost stays"),
        ({"predicted_ones": 3}, "one answer for all"),
    ],
)
def test_identical_units_claim_no_more_than_was_measured(
    make_run, dead_run, points, change, missing
):
    same = {
        "distinct_units": dead_run.distinct_units,
        "cost": dead_run.history.cost,
        "gradient_norm": dead_run.history.gradient_norm,
        "predicted_ones": 4,
    }
    assert missing in comment_on_run(make_run(**same), points)
    comment = comment_on_run(make_run(**same | change), points)
    assert comment.startswith(SYMMETRY)
    assert missing not in comment


@pytest.mark.parametrize(
    ("units", "distinct"),
    [
        ({"hidden_1": 10, "hidden_2": 5}, {"hidden_1": 1, "hidden_2": 2}),
        ({"hidden_1": 10, "hidden_2": 1}, {"hidden_1": 1, "hidden_2": 1}),
    ],
)
def test_symmetry_is_not_claimed_where_units_differ_or_one_is_alone(
    make_run, points, units, distinct
):
    run = make_run(hidden_units=units, distinct_units=distinct)
    assert SYMMETRY not in comment_on_run(run, points)


def test_a_good_run_is_told_with_the_step_it_got_good(make_run, points):
    assert comment_on_run(make_run(), points) == (
        "separates the circles, 95% right by step 200"
    )


@pytest.mark.parametrize(("start", "told"), [(3.4, False), (3.5, True)])
def test_a_start_far_above_a_coin_is_sure_and_wrong(make_run, points, start, told):
    comment = comment_on_run(make_run(cost=(start, 0.2, 0.1)), points)
    assert ("starts sure and wrong, at 5 times" in comment) is told


@pytest.mark.parametrize(
    ("accuracy", "outcome"),
    [
        (0.54, "no better than one answer for all"),
        (0.56, "separates the circles in part"),
        (0.94, "separates the circles in part"),
        (0.95, "separates the circles, 95% right"),
    ],
)
def test_the_outcome_goes_by_the_accuracy(make_run, points, accuracy, outcome):
    run = make_run(accuracy=(0.5, 0.5, accuracy))
    assert comment_on_run(run, points).startswith(outcome)


@pytest.mark.parametrize(("end", "told"), [(0.68, True), (0.3, False)])
def test_a_cost_that_hardly_moved_is_told_of_a_run_that_learned_nothing(
    make_run, points, end, told
):
    run = make_run(cost=(0.7, 0.69, end), accuracy=(0.5, 0.5, 0.5))
    assert ("its cost has hardly moved" in comment_on_run(run, points)) is told


@pytest.mark.parametrize(("before", "told"), [(0.31, True), (0.301, False)])
def test_a_cost_that_still_falls_is_told_of_a_run_on_its_way(
    make_run, points, before, told
):
    run = make_run(cost=(0.9, before, 0.3), accuracy=(0.5, 0.7, 0.8))
    assert ("its cost still falls" in comment_on_run(run, points)) is told


@pytest.mark.parametrize(("test", "told"), [(0.94, True), (0.96, False)])
def test_a_gap_to_new_points_is_told(make_run, points, test, told):
    comment = comment_on_run(make_run(test_accuracy=test), points)
    assert ("does worse on new points" in comment) is told


def test_a_run_that_diverges_is_told_with_its_last_finite_step(make_run, points):
    run = make_run(cost=(0.9, 5.0, math.nan))
    assert comment_on_run(run, points) == (
        "diverges: the cost is no finite number after step 100"
    )
    run = make_run(cost=(math.inf,) * 3)
    assert comment_on_run(run, points).endswith("from the start")


@pytest.mark.parametrize(
    ("accuracies", "comment"),
    [
        ((0.95, 0.99, 1.0), "every draw separates the circles"),
        ((0.50, 0.52, 0.54), "no draw gets better than one answer for all"),
        ((0.50, 0.52, 0.94), "no draw separates the circles, the best ends at 94%"),
        (
            (0.60, 0.99, 0.99, 0.99),
            "the circles are separated in 3 of 4 draws, the worst ends at 60%",
        ),
        (
            (0.60, 0.90, 0.99, 0.99),
            "a matter of luck: the circles are separated in 2 of 4 draws",
        ),
    ],
)
def test_draws_are_summed_up_by_how_many_separate_the_circles(
    make_run, points, accuracies, comment
):
    runs = [make_run(seed=0, train_accuracy=accuracy) for accuracy in accuracies]
    assert comment_on_draws(runs, points) == comment


def test_draws_that_all_stay_symmetric_are_told_as_such(dead_run, make_run, points):
    told = "no draw breaks the symmetry of the units"
    assert comment_on_draws([dead_run, dead_run], points) == told
    assert comment_on_draws([dead_run, make_run()], points) != told


def test_a_single_run_is_commented_as_itself(dead_run, points):
    assert comment_on_draws([dead_run], points) == comment_on_run(dead_run, points)
