"""The published experiment: its points, its draws and its network."""

import numpy as np
import pytest
from sklearn.datasets import make_circles

from keras_inits.experiments import circles
from keras_inits.experiments.relu_chain import logits
from keras_inits.experiments.schemes import PUBLISHED


@pytest.fixture
def global_stream():
    """NumPy's global stream, as the source uses it, left as it was found."""
    state = np.random.get_state()
    yield np.random
    np.random.set_state(state)


@pytest.mark.parametrize(
    ("part", "count", "seed"), [("train", 300, 1), ("test", 100, 2)]
)
def test_points_are_those_of_numpys_global_seed(global_stream, part, count, seed):
    global_stream.seed(seed)
    x, y = make_circles(count, noise=0.05)
    data = circles.load_circles()
    np.testing.assert_array_equal(getattr(data, f"x_{part}"), x)
    np.testing.assert_array_equal(getattr(data, f"y_{part}"), y)


def test_loading_points_leaves_numpys_global_stream_alone(global_stream):
    global_stream.seed(7)
    expected = global_stream.randn(4)
    global_stream.seed(7)
    circles.load_circles()
    np.testing.assert_array_equal(global_stream.randn(4), expected)


@pytest.mark.parametrize("scheme", PUBLISHED, ids=lambda scheme: scheme.label)
def test_published_draw_is_the_global_stream_layer_by_layer(global_stream, scheme):
    scales = {
        "zeros": (0.0, 0.0, 0.0),
        "large random": (10.0, 10.0, 10.0),
        "he": (1.0, np.sqrt(2 / 10), np.sqrt(2 / 5)),
    }[scheme.label]
    global_stream.seed(3)
    expected = [
        global_stream.randn(rows, columns).T * scale
        for (rows, columns), scale in zip(
            [(10, 2), (5, 10), (1, 5)], scales, strict=True
        )
    ]
    for kernel, values in zip(
        circles.published_kernels(scheme.published), expected, strict=True
    ):
        np.testing.assert_allclose(kernel, values, rtol=1e-15)


@pytest.mark.backend
def test_network_is_2_10_5_1_with_zero_biases_and_ends_in_a_logit():
    model = circles.build_model(["ones"] * 3)
    shapes = [tuple(weight.shape) for weight in model.weights]
    assert shapes == [(2, 10), (10,), (10, 5), (5,), (5, 1), (1,)]
    assert all(not np.any(bias) for bias in model.get_weights()[1::2])
    # 1 + 1 in, ten units of 2, five of 20: a sigmoid would answer 1 and not 100
    answer = model.predict_on_batch(np.ones((1, 2), "float32"))
    np.testing.assert_allclose(answer, [[100.0]])


def test_logit_map_has_its_rows_along_y():
    first = np.zeros((2, 10)), np.zeros(10)
    first[0][1, 0] = 1.0  # the first unit sees y alone
    second = np.eye(10, 5), np.zeros(5)
    weights = [*first, *second, np.eye(5, 1), np.zeros(1)]
    learned = circles.logit_map(weights)
    row, column = 110, 7
    assert learned.logit[row][column] == pytest.approx(learned.y[row], abs=1e-4)
    point = np.array([[learned.x[column], learned.y[row]]])
    assert learned.logit[row][column] == pytest.approx(
        logits(weights, point)[0], abs=1e-4
    )
