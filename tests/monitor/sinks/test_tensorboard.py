"""The TensorBoard sink, read back through event files and TensorBoard's own server."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import numpy as np
import pytest

from keras_inits.monitor.sinks import SinkError, TensorBoardSink
from keras_inits.report.tensorboard import EventFile
from tests.monitor.sinks.samples import LAYOUT, VERDICT, sample, write

pytest.importorskip("tensorboard")

from tests.monitor.sinks.events import scalars_of, tensors_of, values_of


def make(folder, **options):
    return TensorBoardSink(folder, **({"heatmaps": False} | options))


def test_layers_are_numbered_in_order_under_their_quantity(tmp_path):
    write(make(tmp_path), [sample(1)])
    curves = scalars_of(tmp_path / "norms")
    tags = [tag for tag in curves if tag.startswith("gradient_norm/")]
    assert tags == [
        "gradient_norm/1 encoder/dense",
        "gradient_norm/2 encoder/dense_1",
        "gradient_norm/3 head",
    ]


def test_numbers_of_layers_are_padded_so_that_they_sort(tmp_path):
    from keras_inits.records import Layout, Weight

    weights = [Weight(f"m/d{n}/kernel", f"m/d{n}", "kernel", (2,)) for n in range(12)]
    one = sample(1, values={"gradient_norm": np.ones(12)})
    write(make(tmp_path), [one], Layout("m", tuple(weights)))
    tags = [tag for tag in scalars_of(tmp_path / "norms") if tag.startswith("grad")]
    assert tags == sorted(tags)
    assert tags[1] == "gradient_norm/02 d1"


def test_values_are_those_of_the_samples(tmp_path):
    write(make(tmp_path), [sample(step) for step in range(1, 6)])
    curves = scalars_of(tmp_path / "norms")
    for tag, members in [
        ("weight_norm/1 encoder/dense", [0, 1]),
        ("weight_norm of blocks/1 encoder", [0, 1, 2]),
        ("model/weight_norm", [0, 1, 2, 3, 4]),
    ]:
        expected = [
            (step, np.linalg.norm(sample(step).values["weight_norm"][members]))
            for step in range(1, 6)
        ]
        np.testing.assert_allclose(curves[tag], expected, rtol=1e-6)
    np.testing.assert_allclose(
        [v for _, v in curves["model/loss"]], 1 / np.arange(1, 6.0)
    )


def test_a_curve_a_weight_by_choice(tmp_path):
    write(make(tmp_path, per="weight"), [sample(1)])
    assert "gradient_norm/3 head/bias" in scalars_of(tmp_path / "norms")


def test_what_has_no_number_has_no_point_and_what_broke_has_one(tmp_path):
    values = dict(sample(1).values)
    values["gradient_norm"] = np.array([np.nan, 1.0, 1.0, 1.0, np.inf])
    values["update_norm"] = values["update_ratio"] = np.full(5, np.nan)
    write(make(tmp_path), [sample(1, values=values)])
    curves = scalars_of(tmp_path / "norms")
    assert np.isnan(curves["gradient_norm/1 encoder/dense"][0][1])
    assert curves["gradient_norm/3 head"] == [(1, np.inf)]
    assert not any(tag.startswith("update_norm/") for tag in curves)


def test_a_loss_scale_is_shown_with_its_overflows(tmp_path):
    samples = [
        sample(1, loss_scale=2.0**15, overflow=True),
        sample(2, loss_scale=2.0**14),
    ]
    write(make(tmp_path), samples)
    curves = scalars_of(tmp_path / "norms")
    assert curves["model/loss_scale"] == [(1, 2.0**15), (2, 2.0**14)]
    assert curves["model/overflow"] == [(1, 1.0), (2, 0.0)]


def test_a_long_run_is_thinned_and_its_start_is_not(tmp_path):
    write(make(tmp_path, dense=10), [sample(step) for step in range(1, 501)])
    curves = scalars_of(tmp_path / "norms")
    layer = [step for step, _ in curves["gradient_norm/3 head"]]
    whole = [step for step, _ in curves["model/gradient_norm"]]
    assert layer[:20] == list(range(1, 21))
    assert 40 < len(layer) < 60
    assert whole[:200] == list(range(1, 201))
    assert len(whole) > 200


def test_nothing_is_thinned_by_choice(tmp_path):
    write(make(tmp_path, dense=None), [sample(step) for step in range(1, 501)])
    assert len(scalars_of(tmp_path / "norms")["gradient_norm/3 head"]) == 500


def test_histograms_are_named_as_their_layers(tmp_path):
    sink = make(tmp_path)
    sink.open(LAYOUT)
    sink.write_histograms(1, {"model/head/kernel": [1.0, 2.0], "model/head": [3.0]})
    sink.close()
    tags = tensors_of(tmp_path / "norms", "histograms")
    assert set(tags) == {"weights/3 head/kernel", "weights/3 head"}


def test_outputs_are_curves_a_layer(tmp_path):
    sink = make(tmp_path)
    sink.open(LAYOUT)
    sink.write_outputs(7, {"model/head": {"std": 0.5}, "model/act": {"std": 1.0}})
    sink.close()
    curves = scalars_of(tmp_path / "norms")
    assert curves == {
        "output_std/3 head": [(7, 0.5)],
        "output_std/model/act": [(7, 1.0)],
    }


def test_what_to_look_at_first_comes_first(tmp_path):
    from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
    from tensorboard.plugins.hparams import metadata

    write(make(tmp_path), [sample(1)])
    charts = tensors_of(tmp_path / "norms", "custom_scalars")
    ((_, content),) = charts["custom_scalars__config__"]
    layers, whole = Layout.FromString(content.item()).category
    order = ["gradient_norm", "update_ratio", "weight_norm", "update_norm"]
    assert [chart.title for chart in layers.chart] == order
    assert [chart.title for chart in whole.chart] == ["loss", *order]
    (content,) = (
        value.metadata.plugin_data.content
        for _, value in values_of(tmp_path / "norms")
        if value.tag == metadata.EXPERIMENT_TAG
    )
    experiment = metadata.parse_experiment_plugin_data(content)
    names = {each.name for each in experiment.hparam_infos if each.differs}
    assert names == {"learning_rate", "loss", "model", "optimizer"}
    tags = [each.name.tag for each in experiment.metric_infos]
    assert tags == [f"model/{name}" for name in ["loss", *order]]


def test_a_heatmap_is_a_picture_of_the_epoch(tmp_path):
    pytest.importorskip("matplotlib")
    sink = make(tmp_path, heatmaps=True)
    sink.open(LAYOUT)
    for step in range(1, 9):
        sink.write(sample(step))
    sink.write_epoch(0, 8, {})
    sink.close()
    pictures = tensors_of(tmp_path / "norms", "images")["heatmaps/gradient_norm"]
    assert [step for step, _ in pictures] == [8]
    assert pictures[0][1][2].startswith(b"\x89PNG")


def test_without_matplotlib_there_are_no_heatmaps(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    write(make(tmp_path, heatmaps=True), [sample(1)])
    assert tensors_of(tmp_path / "norms", "images") == {}


def test_opening_again_adds_a_file_and_goes_on(tmp_path):
    sink = make(tmp_path)
    write(sink, [sample(1), sample(2)])
    write(sink, [sample(3)])
    assert len(list((tmp_path / "norms").iterdir())) == 2
    points = scalars_of(tmp_path / "norms")["gradient_norm/3 head"]
    assert [step for step, _ in points] == [1, 2, 3]


def test_a_folder_that_cannot_be_is_refused_at_open(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match=r"can't be written: .*file.*Choose a folder"):
        make(tmp_path / "file").open(LAYOUT)


def test_writing_before_opening_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"TensorBoardSink is not open"):
        make(tmp_path).write(sample(1))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"per": "model"}, r"'layer' or 'weight'. Received: per='model'"),
        ({"dense": 0}, r"at least 1, or None. Received: dense=0"),
        ({"flush_seconds": -2}, r"Received: flush_seconds=-2"),
    ],
)
def test_arguments_without_a_meaning_are_refused(tmp_path, options, text):
    with pytest.raises(ValueError, match=text):
        make(tmp_path, **options)


# --- TensorBoard itself --------------------------------------------------------------


@contextlib.contextmanager
def served(logs):
    """TensorBoard's address, while it runs; its port is any that is free."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs)]
    with subprocess.Popen(
        [*command, "--port", "0", "--host", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    ) as process:
        try:
            for line in process.stderr:
                if found := re.search(r"http://[\w.:]+/", line):
                    break
            else:
                pytest.fail("TensorBoard did not start")
            yield found[0]
        finally:
            process.terminate()
            process.communicate()


def fetch(address, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}data/plugin/{path}", data, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def fetch_loaded(address, path, enough):
    """The answer once TensorBoard has read the files."""
    deadline = time.monotonic() + 60
    while not enough(answer := fetch(address, path)):
        if time.monotonic() > deadline:
            pytest.fail(f"TensorBoard shows only {answer}")
        time.sleep(0.2)
    return answer


def test_tensorboard_shows_everything_beside_another_run(tmp_path):
    pytest.importorskip("matplotlib")
    with EventFile(tmp_path / "train") as other:  # as keras.callbacks.TensorBoard
        other.scalars(0, {"epoch_loss": 0.5})
    sink = make(tmp_path, heatmaps=True)
    sink.open(LAYOUT)
    for step in range(1, 6):
        sink.write(sample(step))
    sink.write_verdict(VERDICT)
    sink.write_epoch(0, 5, {})
    sink.close()
    with served(tmp_path) as address:
        tags = fetch_loaded(
            address, "scalars/tags", lambda found: {"train", "norms"} <= set(found)
        )
        assert set(tags["train"]) == {"epoch_loss"}
        assert set(scalars_of(tmp_path / "norms")) == set(tags["norms"])
        tag = urllib.parse.quote("gradient_norm/3 head")
        points = fetch(address, f"scalars/scalars?run=norms&tag={tag}")
        expected = [
            (step, np.linalg.norm(sample(step).values["gradient_norm"][3:]))
            for step in range(1, 6)
        ]
        np.testing.assert_allclose(np.array(points)[:, 1:], expected, rtol=1e-6)
        pictures = {"heatmaps/gradient_norm", "heatmaps/update_ratio"}
        assert set(fetch(address, "images/tags")["norms"]) == pictures
        assert (
            "gradient_norm over layers/log10"
            in (fetch(address, "histograms/tags")["norms"])
        )
        texts = fetch(address, "text/tags")["norms"]
        assert set(texts) == {
            "verdicts/vanishing: 1 encoder/dense",
            "all verdicts/in order",
        }
        layout = fetch(address, "custom_scalars/layout")
        charts = [chart["title"] for chart in layout["category"][0]["chart"]]
        assert charts[:3] == ["gradient_norm", "update_ratio", "weight_norm"]
        experiment = fetch(address, "hparams/experiment", {"experimentName": ""})
        names = {each["name"] for each in experiment["hparamInfos"]}
        assert {"learning_rate", "optimizer", "model"} <= names
