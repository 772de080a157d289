"""The judge, shown numbers made up for the purpose, and the parts it is made of."""

import dataclasses
import pickle

import keras
import numpy as np
import pytest
import scipy.stats

import keras_inits
from keras_inits.monitor import cures
from keras_inits.monitor.rules import RULES
from keras_inits.monitor.verdict_depth import Depth, signal_gains, trend
from keras_inits.monitor.verdicts import Judge
from keras_inits.records import KINDS, SEVERITIES, Layout, Sample, Weight

WIDTH = 100


def layout(depth=10, activation="relu", bias=True, **facts):
    """Dense layers `dense_0` ... as wide as their inputs."""
    weights = []
    for place in range(depth):
        layer = f"dense_{place}"
        name = activation if place < depth - 1 else "linear"
        kernel = Weight(f"{layer}/kernel", layer, "kernel", (WIDTH, WIDTH), name)
        weights.append(kernel)
        if bias:
            weights.append(Weight(f"{layer}/bias", layer, "bias", (WIDTH,), name))
    return Layout("model", tuple(weights), facts=facts)


def sample(step, count, loss=2.3, **values):
    """A sample of `count` weights; a number stands for each of them."""
    usual = {"gradient_norm": 0.1, "weight_norm": 14.1, "update_norm": 0.01}
    norms = {
        name: np.array(np.broadcast_to(value, count), np.float64)
        for name, value in {**usual, **values}.items()
        if value is not None
    }
    return Sample(step=step, epoch=0, time=0.0, values=norms, loss=loss)


def judged(judge, steps, **values):
    """The verdicts over steps; a value may be a function of the step."""
    found = []
    for step in steps:
        now = {name: v(step) if callable(v) else v for name, v in values.items()}
        found += judge.see(sample(step, len(judge.layout.weights), **now))
    return found


def kinds(found):
    return [verdict.kind for verdict in found]


# --- the table -----------------------------------------------------------------------


@pytest.mark.parametrize("name", RULES)
def test_rule_uses_the_words_of_the_records(name):
    assert RULES[name].kind in KINDS
    assert RULES[name].severity in SEVERITIES


@pytest.mark.parametrize("name", RULES)
def test_rule_explains_its_limits_and_names_a_source(name):
    rule = RULES[name]
    assert [limit for limit in rule.limits if f"`{limit}`" not in rule.reason] == []
    assert rule.source


def test_every_kind_that_a_monitor_can_find_has_a_rule():
    found = {rule.kind for rule in RULES.values()}
    assert found == {
        "vanishing",
        "exploding",
        "dead",
        "symmetry",
        "stalled",
        "disconnected",
        "non-finite",
        "loss-scale",
    }


def test_changed_rule_keeps_its_other_numbers():
    rule = RULES["stalled"].changed(update=1e-6, steps=50)
    assert (rule["update"], rule.steps) == (1e-6, 50)
    assert rule["warm_up"] == RULES["stalled"]["warm_up"]
    assert RULES["stalled"]["update"] == 1e-8


def test_changed_refuses_a_limit_that_there_is_not():
    with pytest.raises(
        ValueError, match=r"no such limit\. Received: decades\. It has "
    ):
        RULES["stalled"].changed(decades=2)


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf])
def test_changed_refuses_a_number_that_can_be_no_limit(value):
    with pytest.raises(ValueError, match=r"positive and finite\. Received: update="):
        RULES["stalled"].changed(update=value)


def test_judge_refuses_an_unknown_rule():
    rules = {"vanishing": RULES["stalled"]}
    with pytest.raises(ValueError, match=r"no such rule\. Received: 'vanishing'\. The"):
        Judge(layout(), rules)


# --- lines through norms -------------------------------------------------------------


def test_trend_is_the_slope_of_theil_and_sen():
    logs = np.random.default_rng(0).normal(size=40) + 0.3 * np.arange(40)
    expected = scipy.stats.theilslopes(logs).slope
    assert trend(logs).decades == pytest.approx(39 * expected)


def test_agreement_of_a_trend_is_kendalls_tau():
    logs = np.random.default_rng(1).normal(size=40) - 0.1 * np.arange(40)
    expected = scipy.stats.kendalltau(np.arange(40), logs).statistic
    assert trend(logs).agreement == pytest.approx(expected)


def test_trend_leaves_out_what_is_not_finite():
    logs = np.array([0.0, -np.inf, 2.0, np.nan, 4.0, 5.0])
    line = trend(logs)
    assert (line.decades, line.layers) == (5.0, 4)
    assert line.agreement == 1


def test_trend_is_not_moved_by_a_quarter_of_odd_points():
    logs = 0.1 * np.arange(40)
    logs[::4] = -9
    assert trend(logs).decades == pytest.approx(3.9, abs=0.4)


def test_trend_of_many_layers_spans_all_of_them():
    assert trend(0.01 * np.arange(1000)).decades == pytest.approx(9.99)


@pytest.mark.parametrize(
    ("activation", "small", "large"),
    [
        ("relu", 0.5**0.5, 0.5**0.5),
        ("leaky_relu", 0.52**0.5, 0.52**0.5),  # (1 + 0.2^2) / 2
        ("tanh", 1, 0),
        ("sigmoid", 0.25, 0),
        ("gelu", 0.5, 0.5**0.5),
        ("elu", 1, 0.5**0.5),
        (None, 0.5**0.5, 0.5**0.5),
        ("my_own", 0.5**0.5, 0.5**0.5),
    ],
)
def test_signal_gain_is_the_root_of_the_mean_square_slope(activation, small, large):
    assert signal_gains(activation) == pytest.approx((small, large), abs=2e-3)


def test_norms_say_what_becomes_of_a_signal():
    rng = np.random.default_rng(0)
    kernels = [0.7 * rng.normal(size=(WIDTH, WIDTH)) / WIDTH**0.5 for _ in range(20)]
    x = rng.normal(size=(50, WIDTH))
    for kernel in kernels:
        x = np.maximum(x @ kernel, 0)
    network = layout(20, bias=False)
    norms = np.array([np.linalg.norm(kernel) for kernel in kernels])
    fall, _ = Depth(network).of_signals(norms)
    # The last layer counts as ReLU here and as anywhere.
    assert fall == pytest.approx(np.log10(np.sqrt(np.mean(x**2))), abs=0.5)


def test_bias_before_a_normalization_is_left_out():
    weights = [
        Weight("a/kernel", "a", "kernel", (4, 4)),
        Weight("a/bias", "a", "bias", (4,)),
        Weight("norm/gamma", "norm", "scale", (4,)),
        Weight("norm/beta", "norm", "bias", (4,)),
        Weight("b/kernel", "b", "kernel", (4, 4)),
        Weight("b/bias", "b", "bias", (4,)),
    ]
    depth = Depth(Layout("model", tuple(weights)))
    assert [weights[place].path for place in depth.biases] == ["norm/beta", "b/bias"]


# --- depth ---------------------------------------------------------------------------


def by_depth(depth, low, high, bias=True):
    """Gradients that go from `low` at the data to `high` at the loss."""
    rise = np.geomspace(low, high, depth)
    return np.repeat(rise, 2) if bias else rise


def test_steady_fall_of_gradients_is_vanishing():
    judge = Judge(layout())
    [verdict] = judged(judge, range(1, 41), gradient_norm=by_depth(10, 1e-6, 1))
    assert (verdict.kind, verdict.layer, verdict.step) == ("vanishing", "dense_0", 20)
    assert verdict.evidence["decades"] == pytest.approx(6)
    assert verdict.evidence["factor_per_layer"] == pytest.approx(10 ** (6 / 9))
    assert verdict.evidence["first_gradient_norm"] == pytest.approx(1e-6)
    assert verdict.evidence["since_step"] == 1


def test_steady_growth_of_gradients_is_exploding():
    judge = Judge(layout())
    [verdict] = judged(judge, range(1, 41), gradient_norm=by_depth(10, 1e5, 1))
    assert (verdict.kind, verdict.layer, verdict.step) == ("exploding", "dense_0", 3)


@pytest.mark.parametrize("ends", [(1e-3, 1), (500, 1), (1e-4, 1e-7)])
def test_gradients_within_a_few_decades_or_small_all_over_are_let_pass(ends):
    assert (
        judged(Judge(layout()), range(1, 41), gradient_norm=by_depth(10, *ends)) == []
    )


def test_fall_that_does_not_last_is_let_pass():
    fall = by_depth(10, 1e-6, 1)
    found = judged(
        Judge(layout()),
        range(1, 60),
        gradient_norm=lambda step: fall if step % 20 < 10 else 0.1,
    )
    assert found == []


def test_fall_in_a_network_that_learns_is_let_pass():
    found = judged(
        Judge(layout()),
        range(1, 200),
        gradient_norm=by_depth(10, 1e-4, 1),
        loss=lambda step: 2.3 * 0.9**step,
    )
    assert found == []


def test_one_small_layer_in_the_middle_is_let_pass():
    gradient = np.full(20, 0.1)
    gradient[8:10] = 1e-9
    assert judged(Judge(layout()), range(1, 41), gradient_norm=gradient) == []


# The trap: 30 layers of ReLU with Xavier's variance and no biases have weight gradients
# of 5e-5 in all layers, and twice He's 1e5; first to last says nothing.
def test_flat_gradients_of_a_network_that_fades_are_vanishing():
    judge = Judge(layout(30, bias=False))
    [verdict] = judged(judge, range(1, 41), gradient_norm=5e-5, weight_norm=10.0)
    assert (verdict.kind, verdict.step) == ("vanishing", 20)
    evidence = verdict.evidence
    assert evidence["first_gradient_norm"] == evidence["last_gradient_norm"] == 5e-5
    assert evidence["signal_decades"] == pytest.approx(30 * np.log10(0.5**0.5))
    assert evidence["elasticity"] == pytest.approx(5e-5 * 10 / 2.3)


def test_flat_gradients_of_a_network_that_grows_are_exploding():
    judge = Judge(layout(30, bias=False))
    [verdict] = judged(judge, range(1, 41), gradient_norm=1e5, weight_norm=20.0)
    assert verdict.kind == "exploding"


@pytest.mark.parametrize(
    ("gradient", "weight"),
    [(5e-5, 14.1), (0.1, 10.0), (0.1, 20.0), (1e5, 14.1)],
    ids=["at a minimum", "fading, but felt", "growing, but small", "a loss in units"],
)
def test_flat_gradients_or_norms_alone_are_let_pass(gradient, weight):
    judge = Judge(layout(30, bias=False))
    found = judged(judge, range(1, 41), gradient_norm=gradient, weight_norm=weight)
    assert found == []


def test_networks_with_normalization_are_not_judged_by_their_norms():
    plain = layout(30, bias=False)
    scale = Weight("norm/gamma", "norm", "scale", (WIDTH,))
    judge = Judge(dataclasses.replace(plain, weights=(*plain.weights, scale)))
    found = judged(judge, range(1, 41), gradient_norm=5e-5, weight_norm=10.0)
    assert found == []


@pytest.mark.parametrize("every", [1, 7, 1000])
def test_verdict_comes_at_any_spacing_of_the_samples(every):
    steps = range(1, 1 + 40 * every, every)
    found = judged(Judge(layout()), steps, gradient_norm=by_depth(10, 1e-6, 1))
    assert kinds(found) == ["vanishing"]


# --- time ----------------------------------------------------------------------------


def test_leap_that_ruins_the_loss_is_exploding():
    found = judged(
        Judge(layout()),
        range(1, 20),
        update_norm=lambda step: 50.0 if step == 9 else 0.01,
        loss=lambda step: 2.3 if step <= 9 else 400.0,
    )
    assert kinds(found) == ["exploding"]
    assert found[0].step == 10
    assert found[0].evidence["update_per_weight"] == pytest.approx(50 / 14.1)


@pytest.mark.parametrize(
    ("update", "worse"), [(50.0, 2.0), (0.01, 400.0)], ids=["leap", "loss"]
)
def test_leap_or_bad_loss_alone_is_let_pass(update, worse):
    found = judged(
        Judge(layout()),
        range(1, 20),
        update_norm=lambda step: update if step == 9 else 0.01,
        loss=lambda step: 2.3 if step <= 9 else worse,
    )
    assert found == []


def test_growth_of_the_weights_shows_a_leap_where_updates_are_not_measured():
    found = judged(
        Judge(layout()),
        range(1, 20),
        update_norm=None,
        weight_norm=lambda step: 14.1 if step <= 9 else 100.0,
        loss=lambda step: 2.3 if step <= 9 else 400.0,
    )
    assert kinds(found) == ["exploding"]


def test_weights_that_start_at_zero_may_leap():
    found = judged(
        Judge(layout(1)),
        range(1, 20),
        weight_norm=lambda step: 0.01 * (step - 1),
        loss=lambda step: 2.3 * step,
    )
    assert found == []


def test_tiny_updates_that_do_not_rise_are_stalled():
    judge = Judge(layout(3))
    [verdict] = judged(judge, range(1, 600), update_norm=1e-12, loss=2.3)
    assert (verdict.kind, verdict.layer) == ("stalled", "")
    assert 300 <= verdict.step < 340


@pytest.mark.parametrize(
    "values",
    [
        {"update_norm": lambda step: 1e-12 * step},
        {"update_norm": 1e-12, "gradient_norm": 1e-9},
        {"update_norm": lambda step: 0.01 if step < 9 else 1e-12},
    ],
    ids=["a warm-up", "a minimum", "the end of a schedule"],
)
def test_tiny_updates_for_a_good_reason_are_let_pass(values):
    assert judged(Judge(layout(3)), range(1, 900), **values) == []


@pytest.mark.parametrize("accumulation", [4, 5])
def test_warm_up_is_seen_through_gradient_accumulation(accumulation):
    judge = Judge(layout(3))
    found = []
    for step in range(1, 900):
        applied = step % accumulation == 0
        one = sample(step, 6, update_norm=1e-12 * step if applied else 0.0)
        found += judge.see(dataclasses.replace(one, applied=applied))
    assert found == []


def test_norms_that_stand_still_for_long_are_stalled():
    judge = Judge(layout(3))
    [verdict] = judged(judge, range(1, 1600), update_norm=None)
    assert (verdict.kind, verdict.step >= 1000) == ("stalled", True)


def test_norms_that_move_in_the_seventh_digit_are_not_stalled():
    found = judged(
        Judge(layout(3)),
        range(1, 1600),
        update_norm=None,
        weight_norm=lambda step: 14.1 * (1 + 1e-10 * step),
    )
    assert found == []


# --- zeros ---------------------------------------------------------------------------


def zeros(*places, count=10):
    gradient = np.full(count, 0.1)
    gradient[list(places)] = 0
    return gradient


# Kernels have even places, biases odd ones.
def test_layer_that_gives_nothing_is_dead():
    judge = Judge(layout(5))
    gradient = zeros(0, 1, 2, 3, 4)  # dense_0, dense_1 and the kernel of dense_2
    [verdict] = judged(judge, range(1, 40), gradient_norm=gradient)
    assert (verdict.kind, verdict.layer, verdict.step) == ("dead", "dense_1", 8)
    assert verdict.evidence["next_layer"] == "dense_2"
    assert "no unit answers" in verdict.cause


def test_dead_layer_of_zeros_is_said_to_be_zero():
    judge = Judge(layout(5))
    found = judged(judge, range(1, 40), gradient_norm=zeros(0, 1, 2), weight_norm=0.0)
    assert kinds(found) == ["dead"]
    assert "its weights are zero" in found[0].cause


@pytest.mark.parametrize(
    "gradient",
    [zeros(2, 3), zeros(0, 1, 2, 3, 4, 5, 6, 7), zeros(1, 3, 5)],
    ids=["branch at rest", "head at zero", "biases that are cancelled"],
)
def test_gradients_of_zero_with_another_pattern_are_let_pass(gradient):
    assert judged(Judge(layout(5)), range(1, 40), gradient_norm=gradient) == []


def test_silence_in_single_batches_is_let_pass():
    found = judged(
        Judge(layout(5)),
        range(1, 99),
        gradient_norm=lambda step: zeros(0, 1, 2) if step % 5 else 0.1,
    )
    assert found == []


def test_no_gradient_anywhere_at_a_high_loss_is_dead():
    [verdict] = judged(Judge(layout(5)), range(1, 40), gradient_norm=0.0)
    assert (verdict.kind, verdict.layer) == ("dead", "")


@pytest.mark.parametrize("loss", [lambda step: 2.3 * 0.5**step, lambda step: None])
def test_no_gradient_anywhere_at_the_end_of_training_is_let_pass(loss):
    found = judged(
        Judge(layout(5)),
        range(1, 60),
        gradient_norm=lambda step: 0.1 if step < 20 else 0.0,
        loss=loss,
    )
    assert found == []


def test_layer_without_any_gradient_for_long_has_no_part():
    judge = Judge(layout(5, "tanh"))
    [verdict] = judged(judge, range(1, 300), gradient_norm=zeros(2, 3))
    assert (verdict.kind, verdict.layer) == ("disconnected", "dense_1")
    assert verdict.step >= 200


@pytest.mark.parametrize(("share", "expected"), [(0.97, ["dead"]), (0.9, [])])
def test_share_of_bias_entries_without_gradient_shows_dead_units(share, expected):
    shares = np.zeros(10)
    shares[3] = share
    found = judged(Judge(layout(5)), range(1, 99), zero_share=shares)
    assert kinds(found) == expected


def test_zeros_in_a_bias_of_another_activation_are_let_pass():
    found = judged(Judge(layout(5, "tanh")), range(1, 99), zero_share=0.97)
    assert found == []


# --- numbers that end ----------------------------------------------------------------


def not_finite(places, value=np.nan, usual=0.1, count=10):
    numbers = np.full(count, usual)
    numbers[list(places)] = value
    return numbers


def test_nan_in_all_gradients_began_in_the_forward_pass():
    judge = Judge(layout(5))
    judged(judge, range(1, 4))
    [verdict] = judge.see(sample(4, 10, gradient_norm=np.nan, loss=np.nan))
    assert (verdict.kind, verdict.layer) == ("non-finite", "dense_4")
    assert verdict.evidence["pass"] == "forward"


def test_nan_in_the_first_layers_began_in_the_backward_pass():
    judge = Judge(layout(5))
    judged(judge, range(1, 4))
    [verdict] = judge.see(sample(4, 10, gradient_norm=not_finite(range(6))))
    assert (verdict.kind, verdict.layer) == ("non-finite", "dense_2")
    assert verdict.evidence["pass"] == "backward"


def test_nan_in_weights_began_with_the_first_of_them():
    judge = Judge(layout(5))
    judged(judge, range(1, 4))
    weights = not_finite([4, 5, 6], usual=14.1)
    [verdict] = judge.see(
        sample(4, 10, gradient_norm=np.nan, weight_norm=weights, loss=np.nan)
    )
    assert (verdict.kind, verdict.layer) == ("non-finite", "dense_2")
    assert verdict.evidence["pass"] == "update"


def test_infinite_gradient_is_believed_at_once():
    judge = Judge(layout(5))
    [verdict] = judge.see(sample(1, 10, gradient_norm=not_finite([2], np.inf)))
    assert (verdict.kind, verdict.layer) == ("non-finite", "dense_1")


def test_counted_entries_make_a_nan_certain_at_the_first_step():
    judge = Judge(layout(5))
    counts = np.zeros(10)
    counts[2] = 7
    one = sample(1, 10, gradient_norm=not_finite([2]), nonfinite=counts)
    assert kinds(judge.see(one)) == ["non-finite"]


def test_nan_from_the_first_step_is_certain_once_it_is_in_the_weight():
    judge = Judge(layout(5))
    assert judge.see(sample(1, 10, gradient_norm=not_finite([2]))) == []
    weights = not_finite([2], usual=14.1)
    [verdict] = judge.see(
        sample(2, 10, gradient_norm=np.nan, weight_norm=weights, loss=np.nan)
    )
    assert (verdict.kind, verdict.layer) == ("non-finite", "dense_1")
    assert verdict.evidence["began"] == 1


def test_weight_without_gradient_is_not_taken_for_nan_nor_for_zero():
    judge = Judge(layout(5))
    assert judged(judge, range(1, 400), gradient_norm=not_finite([2])) == []


def spoilt_by_dense_1(judge, step, without):
    """A sample with NaN from dense_1 down, beside a weight that has no gradient."""
    return judge.see(sample(step, 10, gradient_norm=not_finite([0, 1, 2, 3, without])))


def test_gradient_that_is_nan_twice_in_a_whole_weight_is_none_and_no_later_cause():
    judge = Judge(layout(5))
    assert judged(judge, range(1, 4), gradient_norm=not_finite([8])) == []
    [verdict] = spoilt_by_dense_1(judge, 4, without=8)
    assert (verdict.kind, verdict.layer) == ("non-finite", "dense_1")
    assert verdict.evidence["gradients_not_finite"] == 4


def test_weight_that_is_known_to_be_disconnected_is_no_later_cause():
    judge = Judge(layout(5))
    judged(judge, [1], gradient_norm=not_finite([8]))
    judge.see_disconnected(["dense_4/kernel"], 1)
    [verdict] = spoilt_by_dense_1(judge, 2, without=8)
    assert (verdict.kind, verdict.layer) == ("non-finite", "dense_1")
    assert verdict.evidence["gradients_not_finite"] == 4


def test_nan_that_waits_in_gradient_accumulation_is_found_once_it_is_applied():
    judge = Judge(layout(5))
    for step in (1, 2, 3, 4):
        one = sample(step, 10, gradient_norm=not_finite([2]))
        assert judge.see(dataclasses.replace(one, applied=step == 4)) == []
    spoilt = {"gradient_norm": np.nan, "weight_norm": not_finite([2], usual=14.1)}
    [verdict] = judge.see(sample(5, 10, **spoilt, loss=np.nan))
    assert (verdict.kind, verdict.layer) == ("non-finite", "dense_1")
    assert (verdict.evidence["pass"], verdict.evidence["began"]) == ("backward", 4)


def test_weight_that_is_not_measured_at_all_is_not_taken_for_nan():
    judge = Judge(layout(5))
    values = {"gradient_norm": not_finite([2, 3]), "update_norm": not_finite([2, 3])}
    weights = not_finite([2, 3], usual=14.1)
    assert judged(judge, range(1, 60), weight_norm=weights, **values) == []


def test_nan_weight_is_found_where_an_activation_hides_it():
    judge = Judge(layout(5))
    judged(judge, range(1, 4))
    kernel = {"gradient_norm": not_finite([2]), "weight_norm": not_finite([2])}
    [verdict] = judge.see(sample(9, 10, **kernel))
    assert (verdict.kind, verdict.layer) == ("non-finite", "dense_1")


def by_turns(judge, steps, **values):
    """The verdicts where two optimizers train the two halves in turn."""
    count = len(judge.layout.weights)
    usual = {"gradient_norm": 0.1, "weight_norm": 14.1, "update_norm": 0.01, **values}
    found = []
    for step in steps:
        rests = np.arange(count) // (count // 2) == step % 2
        now = {name: np.where(rests, np.nan, value) for name, value in usual.items()}
        found += judge.see(sample(step, count, **now))
    return found


def test_two_optimizers_may_take_turns():
    judge = Judge(layout(6))
    assert by_turns(judge, range(1, 400)) == []


def absent(*places, **values):
    """The values of a sample in which these weights have no part."""
    usual = {"gradient_norm": 0.1, "weight_norm": 14.1, "update_norm": 0.01, **values}
    return {name: not_finite(places, usual=value) for name, value in usual.items()}


def test_weight_that_is_not_measured_stays_out_of_the_totals():
    judge = Judge(layout(5))
    found = [
        each
        for step in range(1, 9)
        for each in judge.see(sample(step, 10, **absent(2)))
    ]
    found += judge.see(sample(9, 10, **absent(2, update_norm=50.0)))
    found += judge.see(sample(10, 10, **absent(2), loss=400.0))
    assert kinds(found) == ["exploding"]
    assert found[0].evidence["update_per_weight"] == pytest.approx(50 / 14.1)
    assert found[0].evidence["gradient_norm"] == pytest.approx(0.1 * 9**0.5)


def test_norms_that_stand_still_are_seen_beside_a_weight_that_is_not_measured():
    values = {**absent(2), "update_norm": None}
    found = judged(Judge(layout(5)), range(1, 1600), **values)
    assert kinds(found) == ["stalled"]


def test_vanishing_is_seen_where_two_optimizers_take_turns():
    judge = Judge(layout())
    [verdict] = by_turns(judge, range(1, 61), gradient_norm=by_depth(10, 1e-6, 1))
    assert (verdict.kind, verdict.layer) == ("vanishing", "dense_0")
    assert verdict.evidence["decades"] == pytest.approx(6)


def test_symmetry_is_seen_where_two_optimizers_take_turns():
    judge = Judge(layout(6))
    judge.see_structure(0, {"dense_1": (100, 100)})
    assert by_turns(judge, range(1, 11)) == []
    assert kinds(judge.see_structure(10, {"dense_1": (100, 100)})) == ["symmetry"]


def test_two_optimizers_may_take_turns_beside_a_weight_without_gradient():
    judge = Judge(layout(6))
    parts = [range(6), range(6, 12)]
    found = []
    for step in range(1, 60):
        rests = parts[step % 2]
        gradient = not_finite([*rests, 2], count=12)
        weight = not_finite(rests, usual=14.1, count=12)
        weight[2] = 14.1
        one = sample(step, 12, gradient_norm=gradient, weight_norm=weight)
        found += judge.see(one)
    assert found == []


def test_outputs_tell_the_layer_in_the_forward_pass():
    judge = Judge(layout(5))
    judged(judge, range(1, 4))
    outputs = {f"dense_{place}": {"nonfinite": place >= 2} for place in range(5)}
    judge.see_outputs(3, outputs)
    [verdict] = judge.see(sample(4, 10, gradient_norm=np.nan, loss=np.nan))
    assert verdict.layer == "dense_2"


def test_explosion_is_said_with_the_nan_that_it_ends_in():
    judge = Judge(layout(10))
    judged(judge, [1], gradient_norm=by_depth(10, 1e5, 1))
    found = judge.see(sample(2, 20, gradient_norm=np.nan, loss=np.nan))
    assert kinds(found) == ["exploding", "non-finite"]
    assert "had exploded" in found[1].cause
    assert "clipnorm" in found[1].cure


def test_nothing_is_said_after_nan():
    judge = Judge(layout(5))
    judged(judge, range(1, 4))
    judge.see(sample(4, 10, gradient_norm=np.nan))
    assert judged(judge, range(5, 300), gradient_norm=np.nan) == []


def test_float16_is_named_where_it_is_at_fault():
    judge = Judge(layout(5, dtype="mixed_float16"))
    [verdict] = judge.see(sample(1, 10, gradient_norm=np.inf))
    assert "65504" in verdict.cause
    assert "LossScaleOptimizer" in verdict.cure


def overflowing(judge, scales, every=1):
    found = []
    for place, scale in enumerate(scales):
        one = sample(1 + every * place, 10, gradient_norm=np.nan)
        one = dataclasses.replace(one, overflow=True, applied=False, loss_scale=scale)
        found += judge.see(one)
    return found


def test_few_overflows_from_a_large_scale_are_let_pass():
    judge = Judge(layout(5))
    assert overflowing(judge, 2.0 ** np.arange(24, 8, -1)) == []
    assert judged(judge, range(17, 60)) == []


def test_scale_that_has_nothing_left_to_halve_is_trouble():
    [verdict] = overflowing(Judge(layout(5)), 2.0 ** np.arange(15, -5, -1))
    assert (verdict.kind, verdict.step) == ("loss-scale", 16)


def test_overflows_in_a_row_are_trouble_at_any_scale():
    [verdict] = overflowing(Judge(layout(5)), [2.0**15] * 30, every=100)
    assert (verdict.kind, verdict.step) == ("loss-scale", 1901)


def test_overflow_once_in_a_while_is_let_pass():
    judge = Judge(layout(5))
    found = []
    for step in range(1, 400):
        one = sample(step, 10, gradient_norm=np.nan if step % 10 == 0 else 0.1)
        one = dataclasses.replace(one, overflow=step % 10 == 0, loss_scale=1024.0)
        found += judge.see(one)
    assert found == []


@pytest.mark.parametrize(
    ("facts", "scale", "expected"),
    [
        ({"dtype": "mixed_float16"}, 1.0, ["loss-scale"]),
        ({"dtype": "mixed_float16"}, 1024.0, []),
        ({"dtype": "mixed_bfloat16"}, 1.0, []),
        ({}, 1.0, []),
    ],
)
def test_tiny_gradients_are_trouble_in_float16_without_a_scale(facts, scale, expected):
    judge = Judge(layout(5, **facts))
    found = []
    for step in range(1, 30):
        one = sample(step, 10, gradient_norm=1e-6, zero_share=0.6)
        found += judge.see(dataclasses.replace(one, loss_scale=scale))
    assert kinds(found) == expected


# --- what the callback sees besides --------------------------------------------------


def test_disconnected_weights_are_named_once_a_layer():
    judge = Judge(layout(5))
    paths = ["dense_1/kernel", "dense_1/bias", "dense_3/bias"]
    found = judge.see_disconnected(paths, 1) + judge.see_disconnected(paths, 2)
    assert [(v.kind, v.layer) for v in found] == [
        ("disconnected", "dense_1"),
        ("disconnected", "dense_3"),
    ]
    assert found[0].evidence["weights"] == paths[:2]


def test_units_that_stay_alike_while_they_move_are_symmetric():
    judge = Judge(layout(5))
    assert judge.see_structure(0, {"dense_1": (100, 100)}) == []
    judged(judge, range(1, 10))
    [verdict] = judge.see_structure(9, {"dense_1": (100, 100)})
    assert (verdict.kind, verdict.layer, verdict.step) == ("symmetry", "dense_1", 9)
    assert verdict.evidence["units_alike"] == 100


def test_units_that_part_are_let_pass():
    judge = Judge(layout(5))
    judge.see_structure(0, {"dense_1": (100, 100)})
    judged(judge, range(1, 10))
    assert judge.see_structure(9, {"dense_1": (0, 100)}) == []


def test_units_that_have_hardly_moved_are_let_pass():
    judge = Judge(layout(5))
    judge.see_structure(0, {"dense_1": (100, 100)})
    judged(judge, range(1, 10), update_norm=1e-8)
    assert judge.see_structure(9, {"dense_1": (100, 100)}) == []


def test_units_that_become_alike_later_are_let_pass():
    judge = Judge(layout(5))
    judge.see_structure(0, {})
    judged(judge, range(1, 10))
    assert judge.see_structure(9, {"dense_1": (100, 100)}) == []


def test_layer_of_one_unit_is_not_symmetric():
    judge = Judge(layout(5))
    judge.see_structure(0, {"dense_1": (0, 1)})
    judged(judge, range(1, 10))
    assert judge.see_structure(9, {"dense_1": (0, 1)}) == []


def test_layer_that_is_not_watched_is_passed_over():
    judge = Judge(layout(5))
    judge.see_structure(0, {"other": (9, 9)})
    judged(judge, range(1, 10))
    assert judge.see_structure(9, {"other": (9, 9)}) == []
    assert judge.see_outputs(9, {"other": {"dead": 1.0}}) == []


@pytest.mark.parametrize(
    ("name", "kind"), [("dead", "dead"), ("saturated", "vanishing")]
)
def test_outputs_that_stay_so_get_a_verdict_but_at_the_head(name, kind):
    judge = Judge(layout(5))
    looks = {"dense_2": {name: 0.97}, "dense_4": {name: 1.0}}
    assert judge.see_outputs(1, looks) == []
    [verdict] = judge.see_outputs(2, looks)
    assert (verdict.kind, verdict.layer) == (kind, "dense_2")
    assert judge.see_outputs(3, looks) == []


def test_outputs_that_recover_are_let_pass():
    judge = Judge(layout(5))
    for look in range(1, 10):
        assert judge.see_outputs(look, {"dense_2": {"dead": float(look % 2)}}) == []


# --- the whole -----------------------------------------------------------------------


def test_rule_that_is_left_out_is_off():
    rules = {n: r for n, r in RULES.items() if n != "vanishing by depth"}
    judge = Judge(layout(), rules)
    assert judged(judge, range(1, 41), gradient_norm=by_depth(10, 1e-6, 1)) == []


def test_every_rule_can_be_off():
    judge = Judge(layout(5), {})
    judge.see_structure(0, {"dense_1": (100, 100)})
    found = judged(judge, range(1, 9), gradient_norm=zeros(0, 1, 2), zero_share=1.0)
    found += judge.see_structure(9, {"dense_1": (100, 100)})
    found += judge.see_outputs(9, {"dense_1": {"dead": 1.0}})
    found += judge.see_disconnected(["dense_1/bias"], 9)
    found += overflowing(judge, [1.0] * 30)
    found += judge.see(sample(50, 10, gradient_norm=np.inf))
    assert found == []


def test_changed_limit_is_heeded():
    rules = {
        **RULES,
        "vanishing by depth": RULES["vanishing by depth"].changed(steps=5),
    }
    [verdict] = judged(
        Judge(layout(), rules), range(1, 41), gradient_norm=by_depth(10, 1e-6, 1)
    )
    assert verdict.step == 5


def test_verdict_comes_once():
    judge = Judge(layout())
    found = judged(judge, range(1, 2000), gradient_norm=by_depth(10, 1e-6, 1))
    assert kinds(found) == ["vanishing"]


def test_memory_does_not_grow_with_the_run():
    judge = Judge(layout(20))
    judged(judge, range(1, 400), zero_share=0.0)
    early = len(pickle.dumps(judge))
    judged(judge, range(400, 9000), zero_share=0.0)
    assert len(pickle.dumps(judge)) < 1.05 * early


def test_judge_of_weights_that_are_no_kernels_stays_calm():
    weights = [Weight("table/embeddings", "table", "embedding", (9, 4))]
    judge = Judge(Layout("model", tuple(weights)))
    assert judged(judge, range(1, 400), gradient_norm=0.0, loss=None) == []


# --- cures ---------------------------------------------------------------------------

SHAPES = [(3, 8), (3, 3, 4, 8), (3, 3, 3, 4, 8), (5, 4, 8), (8,)]
ACTIVATIONS = [None, "linear", "relu", "sigmoid", "tanh", "gelu", "selu", "softmax"]


@pytest.mark.backend
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("activation", [*ACTIVATIONS, "my_own"])
@pytest.mark.parametrize("cure", [cures.fresh_layer, cures.living_layer])
def test_cure_builds_a_layer_of_the_same_kernel(cure, activation, shape):
    weight = Weight("a/kernel", "a", "kernel", shape, activation)
    names = {"keras": keras, "keras_inits": keras_inits}
    exec(cure(weight), names)
    if "layer" in names:
        spaces = [16] * (len(shape) - 2)
        names["layer"].build((None, *spaces, shape[-2]))
        assert tuple(names["layer"].kernel.shape) == shape
    else:
        assert isinstance(names["kernel_initializer"], keras_inits.Initializer)


def test_optimizer_of_a_cure_is_the_one_of_the_run():
    facts = {"optimizer": "SGD", "learning_rate": 0.5}
    names = {"keras": keras}
    exec(cures.calmer_optimizer(layout(2, **facts)), names)
    assert type(names["optimizer"]) is keras.optimizers.SGD
    assert float(names["optimizer"].learning_rate) == pytest.approx(0.005)


def test_optimizer_of_ones_own_is_replaced_by_one_of_keras():
    names = {"keras": keras}
    exec(cures.faster_optimizer(layout(2, optimizer="MyOwn")), names)
    assert type(names["optimizer"]) is keras.optimizers.Adam


@pytest.mark.parametrize("name", ["log", "sqrt"])
def test_safe_function_has_a_slope_at_zero(name):
    names = {"keras": keras}
    exec(cures.safe_function(name), names)
    assert np.isfinite(float(names[f"safe_{name}"](0.0)))


def test_layer_that_is_left_out_is_trained_no_more():
    model = keras.Sequential([keras.Input((2,)), *map(keras.layers.Dense, (3, 4))])
    first, second = (layer.kernel for layer in model.layers)
    exec(cures.leave_out(first.path.rpartition("/")[0]), {"model": model})
    assert (first.trainable, second.trainable) == (False, True)
