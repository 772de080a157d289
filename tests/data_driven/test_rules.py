"""Every rule on both sides: what is broken is found, what is healthy is let be."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_inits
from keras_inits.data_driven import RULES, diagnose
from keras_inits.records import KINDS, SEVERITIES
from tests.data_driven.models import (
    cross_entropy,
    dense_chain,
    kernel,
    labels,
    normal,
    residual,
    transformer,
    values,
)

DATA = normal(64, 64), labels(64)


def findings(model, x=None, y=None, loss=None):
    if x is None:
        x, y = DATA
    if y is not None and loss is None:
        loss = cross_entropy()
    return diagnose(model, x, y, loss).findings


def the_one(found, kind):
    (finding,) = [finding for finding in found if finding.kind == kind]
    return finding


def kinds(found, *severities):
    severities = severities or ("severe", "warning")
    return {finding.kind for finding in found if finding.severity in severities}


# --- the table -----------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_says_what_it_measures_and_why(name):
    rule = RULES[name]
    assert rule.kind in KINDS
    assert set(rule.limits) <= set(SEVERITIES)
    assert len(rule.reason) > 20
    assert rule.measure
    assert rule.source


def test_the_gravest_severity_reached_is_given():
    rule = RULES["dead"]
    assert rule.severity(rule.limits["warning"] - 1e-9) is None
    assert rule.severity(rule.limits["warning"]) == "warning"
    assert rule.severity(rule.limits["severe"]) == "severe"


# --- depth ---------------------------------------------------------------------------


@pytest.mark.backend
def test_thirty_layers_of_xavier_and_relu_vanish_both_ways():
    found = findings(dense_chain(30, "glorot_normal"))
    assert kinds(found, "severe") == {"vanishing"}
    assert {finding.evidence["of"] for finding in found} == {"signal", "gradient"}
    for finding in found:
        assert finding.evidence["factor"] == pytest.approx(0.71, abs=0.06)


@pytest.mark.backend
def test_weight_gradients_are_flat_where_the_signal_is_dead():
    readings = diagnose(dense_chain(30, "glorot_normal"), *DATA, cross_entropy()).layers
    norms = [r.measured["weight_gradient_rms"]["kernel"] for r in readings[:-1]]
    assert max(norms) < 5 * min(norms)  # a ratio of them would see nothing


@pytest.mark.backend
def test_thirty_layers_of_he_and_relu_are_healthy():
    assert findings(dense_chain(30, "he_normal", width=64)) == ()


@pytest.mark.backend
def test_variances_four_times_too_large_explode():
    def large():
        return keras.initializers.VarianceScaling(8.0, "fan_in")

    found = findings(dense_chain(16, large))
    assert "exploding" in kinds(found, "severe")
    assert the_one(found, "loss").severity == "severe"


@pytest.mark.backend
def test_a_gradient_that_vanishes_behind_tanh_is_found_without_the_signal():
    def small():
        return keras.initializers.VarianceScaling(0.25, "fan_in")

    model = keras.Sequential([keras.Input((64,))])
    for _ in range(14):
        model.add(
            layers.Dense(
                64, "tanh", kernel_initializer=small(), bias_initializer="normal"
            )
        )
        model.layers[-1].bias.assign(normal(64, seed=7))
    model.add(layers.Dense(10))
    found = findings(model)
    assert {f.evidence["of"] for f in found if f.kind == "vanishing"} == {"gradient"}


@pytest.mark.backend
@pytest.mark.parametrize("depth", [1, 2, 10])
def test_kerass_defaults_train_at_small_depth(depth):
    assert kinds(findings(dense_chain(depth, "glorot_uniform"))) == set()


@pytest.mark.backend
def test_one_layer_at_fault_is_named():
    model = dense_chain(12)
    kernel(model, 6).assign(values(kernel(model, 6)) * 1e-5)
    found = [f for f in findings(model) if f.kind == "vanishing"]
    assert {finding.layer for finding in found} == {kernel(model, 6).path[:-7]}
    assert all("most of it in the Dense named" in finding.cause for finding in found)


# --- what looks alike and is healthy -------------------------------------------------


def any_scale():
    model = residual()
    random = np.random.default_rng(0)
    for variable in model.trainable_weights:
        if "conv" in variable.path:
            variable.assign(values(variable) * 10.0 ** random.uniform(-4, 4))
    return model


def closed_branches():
    """As Fixup: the last layer of each branch is zero, and the head is."""
    inputs = keras.Input((64,))
    x = layers.Dense(64, "relu", kernel_initializer="he_normal")(inputs)
    for _ in range(5):
        branch = layers.Dense(64, "relu", kernel_initializer="he_normal")(x)
        branch = layers.Dense(64, kernel_initializer="zeros")(branch)
        x = layers.ReLU()(layers.Add()([x, branch]))
    return keras.Model(inputs, layers.Dense(10, kernel_initializer="zeros")(x))


class Gated(layers.Layer):
    """x + alpha f(x), as in ReZero and LayerScale."""

    def __init__(self, alpha=0.0):
        super().__init__()
        self.inside, self.start = layers.Dense(64, "relu"), alpha

    def build(self, shape):
        self.inside.build(shape)
        start = keras.initializers.Constant(self.start)
        self.alpha = self.add_weight(shape=(), initializer=start, name="alpha")

    def call(self, x):
        return x + self.alpha * self.inside(x)


def gated_stream(alpha):
    blocks = [Gated(alpha) for _ in range(6)]
    return keras.Sequential(
        [keras.Input((64,)), layers.Dense(64), *blocks, layers.Dense(10)]
    )


def highway():
    """Gates at rest: their bias keeps them shut."""
    inputs = keras.Input((64,))
    x = layers.Dense(64)(inputs)
    for _ in range(6):
        rest = keras.initializers.Constant(-7.0)
        gate = layers.Dense(64, "sigmoid", bias_initializer=rest)(x)
        new = layers.Dense(64, "relu", kernel_initializer="he_normal")(x)
        x = layers.Add()([layers.Multiply()([gate, new]), (1.0 - gate) * x])
    return keras.Model(inputs, layers.Dense(10)(x))


def frozen_backbone():
    whole = residual()
    for layer in whole.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.0  # statistics as after training on these data
    whole(IMAGES[0], training=True)
    backbone = keras.Model(whole.inputs, whole.layers[-2].output)
    backbone.trainable = False
    return keras.Sequential([keras.Input((12, 12, 3)), backbone, layers.Dense(10)])


def small_head():
    small = keras.initializers.RandomNormal(stddev=1e-5)
    model = dense_chain(6)
    model.pop()
    model.add(layers.Dense(10, kernel_initializer=small))
    return model


IMAGES = normal(8, 12, 12, 3), labels(8)
WORDS = np.random.default_rng(0).integers(0, 7, (8, 8)), labels(8)
HEALTHY = {
    "residual": (residual, IMAGES),
    "zero gamma": (lambda: residual(zero_gamma=True), IMAGES),
    "zero gamma and head": (lambda: residual(True, True), IMAGES),
    "normalized weights of any scale": (any_scale, IMAGES),
    "normalized bytes": (residual, (np.abs(IMAGES[0]) * 100.0, IMAGES[1])),
    "zero branches and head": (closed_branches, DATA),
    "ReZero": (lambda: gated_stream(0.0), DATA),
    "LayerScale": (lambda: gated_stream(1e-6), DATA),
    "gates at rest": (highway, DATA),
    "frozen backbone": (frozen_backbone, IMAGES),
    "small head": (small_head, DATA),
    "transformer with unused rows": (transformer, WORDS),
}


@pytest.mark.backend
@pytest.mark.parametrize("name", sorted(HEALTHY))
def test_healthy_models_raise_no_alarm(name):
    make, (x, y) = HEALTHY[name]
    assert findings(make(), x, y) == ()


@pytest.mark.backend
def test_recurrent_layers_raise_nothing_graver_than_a_note():
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Embedding(7, 16),
            layers.Bidirectional(layers.LSTM(16, return_sequences=True)),
            layers.GRU(16),
            layers.Dense(10),
        ]
    )
    assert kinds(findings(model, *WORDS)) == set()


# --- symmetry and seeds --------------------------------------------------------------


@pytest.mark.backend
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_a_network_of_zeros_is_symmetric(activation):
    model = keras.Sequential([keras.Input((64,))])
    for units in (32, 16):
        model.add(layers.Dense(units, activation, kernel_initializer="zeros"))
    model.add(layers.Dense(10, kernel_initializer="zeros"))
    found = findings(model)
    assert found[0].kind == "symmetry"
    assert found[0].severity == "severe"
    assert found[0].evidence["with a twin"] == found[0].evidence["units"] == 32


@pytest.mark.backend
def test_a_constant_layer_is_symmetric_and_has_rank_one():
    finding = the_one(
        findings(dense_chain(2, keras.initializers.Constant(0.01).clone, "tanh")),
        "symmetry",
    )
    assert finding.evidence["rank"] == 1


@pytest.mark.backend
def test_units_doubled_in_the_middle_are_found_only_if_they_stay_so():
    model = dense_chain(2, "he_normal")
    array = values(kernel(model, 0)).copy()
    array[:, 32:] = array[:, :32]
    kernel(model, 0).assign(array)
    assert findings(model) == ()  # the layer behind tells them apart
    array = values(kernel(model, 1)).copy()
    array[32:] = array[:32]
    kernel(model, 1).assign(array)
    finding = the_one(findings(model), "symmetry")
    assert finding.evidence["with a twin"] == 64


@pytest.mark.backend
def test_one_seed_for_several_layers_is_found():
    def seeded():
        return keras.initializers.HeNormal(seed=5)

    finding = the_one(findings(dense_chain(3, seeded)), "identical")
    assert len(finding.evidence["weights"]) == 3
    assert finding.severity == "warning"


@pytest.mark.backend
def test_a_seed_for_each_layer_is_healthy():
    seeds = iter(range(9))

    def seeded():
        return keras.initializers.HeNormal(seed=next(seeds))

    assert findings(dense_chain(3, seeded)) == ()


# --- activations ---------------------------------------------------------------------


@pytest.mark.backend
def test_large_weights_saturate_tanh():
    def large():
        return keras.initializers.RandomNormal(stddev=1.0)

    finding = the_one(findings(dense_chain(3, large, "tanh")), "saturation")
    assert finding.evidence["saturated"] > 0.7


@pytest.mark.backend
def test_unit_pre_activations_do_not():
    assert findings(dense_chain(3, "lecun_normal", "tanh")) == ()


@pytest.mark.backend
def test_a_bias_far_below_zero_kills_relus():
    low = keras.initializers.Constant(-8.0)
    model = dense_chain(2, bias_initializer=low)
    finding = the_one(findings(model), "dead")
    assert finding.severity == "severe"
    assert finding.evidence["dead"] > 0.95


@pytest.mark.backend
def test_half_of_the_units_are_silent_where_all_samples_are_one():
    one = np.repeat(DATA[0][:1], 8, axis=0)
    assert findings(dense_chain(3), one, labels(8)) == ()


# --- fans ----------------------------------------------------------------------------


def depthwise_chain(initializer, normalized=False):
    model = keras.Sequential([keras.Input((8, 8, 64))])
    for _ in range(3):
        model.add(
            layers.DepthwiseConv2D(
                3, padding="same", depthwise_initializer=initializer()
            )
        )
        if normalized:
            model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(10))
    return model


@pytest.mark.backend
def test_kerass_fans_of_a_depthwise_convolution_are_found():
    x, y = normal(8, 8, 8, 64), labels(8)
    finding = the_one(
        findings(depthwise_chain(keras.initializers.GlorotUniform), x, y), "fan"
    )
    assert finding.severity == "warning"
    assert finding.evidence["fans"] == [9.0, 9.0]
    assert finding.evidence["fans assumed"] == [576.0, 9.0]
    assert len(finding.evidence["also"]) == 2


@pytest.mark.backend
def test_true_fans_and_normalized_outputs_are_let_be():
    x, y = normal(8, 8, 8, 64), labels(8)

    def right():
        return keras_inits.HeNormal(fans=keras_inits.Fans.depthwise())

    assert kinds(findings(depthwise_chain(right), x, y), "warning", "note") == set()
    wrong = keras.initializers.GlorotUniform
    assert findings(depthwise_chain(wrong, normalized=True), x, y) == ()


def test_weights_set_otherwise_are_not_blamed_on_the_scheme():
    model = depthwise_chain(keras.initializers.GlorotUniform)
    for number in range(3):
        kernel(model, number).assign(normal(3, 3, 64, 1, seed=number) * 0.4)
    assert findings(model, normal(8, 8, 8, 64), labels(8)) == ()


# --- data and loss -------------------------------------------------------------------


@pytest.mark.backend
@pytest.mark.parametrize(("factor", "severity"), [(100.0, "warning"), (1e-4, "severe")])
def test_inputs_off_scale_are_found(factor, severity):
    x, y = DATA
    finding = the_one(findings(dense_chain(2), x * np.float32(factor), y), "input")
    assert finding.severity == severity
    assert finding.evidence["rms"] == pytest.approx(factor, rel=0.1)


@pytest.mark.backend
def test_a_layer_that_scales_the_inputs_is_believed():
    model = keras.Sequential(
        [keras.Input((64,)), layers.Rescaling(0.01), *dense_chain(2).layers]
    )
    assert findings(model, DATA[0] * 100.0, DATA[1]) == ()


@pytest.mark.backend
def test_features_of_scales_far_apart_are_found_and_flags_are_not():
    x = DATA[0].copy()
    x[:, 0] *= 3e-4
    x[:, 1] = 0.0
    x[3, 1] = 1.0
    finding = the_one(findings(dense_chain(2), x, DATA[1]), "input")
    assert finding.evidence["smallest feature std"] == pytest.approx(3e-4, rel=0.3)
    x[:, 0] = DATA[0][:, 0]
    assert findings(dense_chain(2), x, DATA[1]) == ()


@pytest.mark.backend
def test_targets_off_centre_are_found():
    model, y = dense_chain(2, outputs=1), normal(64, 1, seed=3)
    assert findings(model, DATA[0], y, "mse") == ()
    finding = the_one(findings(model, DATA[0], y + 200.0, "mse"), "loss")
    assert finding.severity == "severe"


@pytest.mark.backend
def test_sure_and_wrong_answers_are_found():
    model = dense_chain(2)
    kernel(model, 2).assign(values(kernel(model, 2)) * 6.0)
    finding = the_one(findings(model), "loss")
    assert finding.evidence["chance"] == pytest.approx(np.log(10))


# --- what does not arrive ------------------------------------------------------------


@pytest.mark.backend
def test_a_layer_whose_output_goes_nowhere_is_found():
    inputs = keras.Input((64,))
    x = layers.Dense(32, "relu", name="used")(inputs)
    model = keras.Model(inputs, [layers.Dense(10)(x), layers.Dense(4, name="other")(x)])
    model.compile("sgd", [cross_entropy(), None])
    x, y = DATA
    found = diagnose(model, x, [y, y]).findings
    finding = the_one(found, "disconnected")
    assert finding.layer.endswith("other")
    assert (finding.severity, finding.evidence["called"]) == ("warning", True)


@pytest.mark.backend
def test_a_layer_that_is_never_called_is_found():
    class Forgets(keras.Model):
        def __init__(self):
            super().__init__()
            self.one, self.two = layers.Dense(10), layers.Dense(10)

        def build(self, shape):
            self.one.build(shape)
            self.two.build(shape)
            self.built = True

        def call(self, x):
            return self.one(x)

    model = Forgets()
    model.build((None, 64))
    finding = the_one(findings(model), "disconnected")
    assert finding.layer.endswith(model.two.name)
    assert finding.evidence["called"] is False


@pytest.mark.backend
def test_a_cut_in_the_graph_is_severe():
    inputs = keras.Input((64,))
    x = layers.Lambda(keras.ops.stop_gradient, output_shape=(32,))(
        layers.Dense(32)(inputs)
    )
    model = keras.Model(inputs, layers.Activation("relu")(x))
    finding = the_one(findings(model, DATA[0]), "disconnected")
    assert finding.severity == "severe"


@pytest.mark.backend
@pytest.mark.filterwarnings("ignore:.*softmax over axis -1")
def test_a_softmax_of_one_output_is_named():
    model = keras.Sequential(
        [keras.Input((64,)), layers.Dense(16), layers.Dense(1, "softmax")]
    )
    y = labels(64, 2).astype("float32")
    found = findings(model, DATA[0], y, "binary_crossentropy")
    finding = the_one(found, "disconnected")
    assert "softmax of one output" in finding.cause


# --- not finite ----------------------------------------------------------------------


@pytest.mark.backend
def test_nan_in_the_data_is_the_cause_and_no_exception():
    x = DATA[0].copy()
    x[3, 4], x[5, 6] = np.nan, np.inf
    (finding,) = findings(dense_chain(2), x, DATA[1])
    assert (finding.kind, finding.evidence["where"]) == ("non-finite", "data")
    assert finding.evidence["entries"] == 2


@pytest.mark.backend
def test_the_first_layer_that_is_not_finite_is_named():
    model = dense_chain(3)
    kernel(model, 1).assign(np.full((64, 64), 1e38, "float32"))
    found = findings(model)
    assert found[0].kind == "non-finite"
    assert found[0].layer == kernel(model, 1).path[:-7]
    assert found[0].evidence["where"] == "output"


@pytest.mark.backend
def test_nan_in_a_weight_is_named():
    model = dense_chain(2)
    array = values(kernel(model, 1)).copy()
    array[0, 0] = np.nan
    kernel(model, 1).assign(array)
    finding = findings(model)[0]
    assert (finding.kind, finding.evidence["where"]) == ("non-finite", "weights")
    assert finding.layer == kernel(model, 1).path[:-7]


@pytest.mark.backend
def test_a_loss_that_is_not_finite_is_named():
    def bad(y, outputs):
        return keras.ops.log(keras.ops.sum(outputs) * 0.0)

    finding = findings(dense_chain(1), *DATA, bad)[0]
    assert (finding.kind, finding.evidence["where"]) == ("non-finite", "loss")
