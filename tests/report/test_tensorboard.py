"""Event files: read back by TensorBoard's own reader."""

import sys
from pathlib import Path

import numpy as np
import pytest

from keras_inits.report.tensorboard import EventFile
from tests.processes import run_python

pytest.importorskip("tensorboard")


@pytest.fixture
def file(tmp_path):
    with EventFile(tmp_path / "logs") as file:
        yield file


def read(file):
    """Every event in the file, and every value by tag, as TensorBoard loads them."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util.tensor_util import make_ndarray

    file.close()
    events = list(EventFileLoader(str(file.path)).Load())
    values = {}
    for event in events:
        for value in event.summary.value:
            plugin = value.metadata.plugin_data.plugin_name
            entry = (event.step, make_ndarray(value.tensor))
            values.setdefault((plugin, value.tag), []).append(entry)
    return events, values


def test_scalars_are_points_of_curves(file):
    file.scalars(1, {"norm/1 a": 0.5, "norm/2 b": np.float64(3e-30)}, seconds=12.5)
    file.scalars(2**40, {"norm/1 a": float("inf")})
    events, values = read(file)
    assert events[0].file_version == "brain.Event:2"
    assert events[1].wall_time == 12.5
    assert values["scalars", "norm/1 a"] == [(1, 0.5), (2**40, np.inf)]
    assert values["scalars", "norm/2 b"] == [(1, np.float32(3e-30))]


def test_a_histogram_counts_every_entry_once(file):
    data = np.random.default_rng(0).normal(size=1000)
    file.histograms(3, {"weights/a": data.reshape(10, 100)})
    _, values = read(file)
    ((step, buckets),) = values["histograms", "weights/a"]
    assert step == 3
    assert buckets[:, 2].sum() == 1000
    assert buckets[0, 0] == data.min()
    assert buckets[-1, 1] == data.max()
    middle = (data >= buckets[12, 0]) & (data < buckets[12, 1])
    assert buckets[12, 2] == middle.sum()


@pytest.mark.parametrize(
    ("data", "count"),
    [
        ([], 0),
        ([2.0, 2.0], 2),
        ([np.nan, np.inf, 1.0, 2.0], 2),
        ([1.0, np.nextafter(1.0, 2.0)], 2),
        ([-1e308, 1e308], 2),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_histogram_of_odd_data_counts_what_is_finite(file, data, count):
    file.histograms(1, {"a": data})
    _, values = read(file)
    assert values["histograms", "a"][0][1][:, 2].sum() == count


def test_texts_and_pictures_are_kept_as_they_are(file):
    png = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + bytes([0, 0, 0, 7, 0, 0, 0, 5])
    file.text(4, "verdicts/a", "**bold**, ä")
    file.image(5, "heatmaps/a", png)
    _, values = read(file)
    assert values["text", "verdicts/a"][0][1].item().decode() == "**bold**, ä"
    assert values["images", "heatmaps/a"][0][1].tolist() == [b"7", b"5", png]


def test_charts_name_the_curves_that_they_show(file):
    from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

    file.charts({"Layers": {"gradient_norm": ["^gradient_norm/"]}})
    _, values = read(file)
    ((_, content),) = values["custom_scalars", "custom_scalars__config__"]
    layout = Layout.FromString(content.item())
    assert layout.category[0].title == "Layers"
    assert layout.category[0].chart[0].multiline.tag == ["^gradient_norm/"]


def test_hyperparameters_keep_their_kinds(file):
    from tensorboard.plugins.hparams import metadata

    facts = {"rate": np.float32(0.5), "amsgrad": True, "loss": "mse", "clip": None}
    file.hyperparameters(facts, ["model/gradient_norm"], ["loss", "absent"])
    file.close()
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    contents = {
        value.tag: value.metadata.plugin_data.content
        for event in EventFileLoader(str(file.path)).Load()
        for value in event.summary.value
    }
    start = metadata.parse_session_start_info_plugin_data(
        contents["_hparams_/session_start_info"]
    )
    assert start.hparams["rate"].number_value == 0.5
    assert start.hparams["amsgrad"].bool_value is True
    assert start.hparams["loss"].string_value == "mse"
    assert start.hparams["clip"].string_value == "None"
    experiment = metadata.parse_experiment_plugin_data(contents["_hparams_/experiment"])
    assert [each.name.tag for each in experiment.metric_infos] == [
        "model/gradient_norm"
    ]
    # TensorBoard shows those that differ before the others.
    assert [each.name for each in experiment.hparam_infos if each.differs] == ["loss"]


def test_rows_of_hyperparameters_have_the_folders_names(tmp_path, monkeypatch):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.plugins.hparams import metadata

    monkeypatch.chdir(tmp_path)
    rows = []
    for folder in ("norms", "deep/norms", "runs/fifty/deep/norms"):
        with EventFile(Path(folder)) as file:
            file.hyperparameters({"rate": 0.5})
        events = EventFileLoader(str(file.path)).Load()
        values = [value for event in events for value in event.summary.value]
        (content,) = (
            value.metadata.plugin_data.content
            for value in values
            if value.tag == "_hparams_/session_start_info"
        )
        rows.append(metadata.parse_session_start_info_plugin_data(content).group_name)
    assert rows == ["norms", "deep/norms", "deep/norms in runs/fifty"]


def test_files_of_one_folder_are_in_order_by_name(tmp_path):
    paths = []
    for _ in range(5):
        with EventFile(tmp_path) as file:
            paths.append(file.path)
    assert paths == sorted(set(paths))


def test_what_is_flushed_is_readable_before_the_file_is_closed(tmp_path):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    file = EventFile(tmp_path)
    file.scalars(1, {"a": 1.0})
    assert len(list(EventFileLoader(str(file.path)).Load())) == 1
    file.flush()
    assert len(list(EventFileLoader(str(file.path)).Load())) == 2
    file.close()


def test_without_tensorboard_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    with pytest.raises(ImportError, match=r"needs tensorboard.*pip install"):
        EventFile(tmp_path)


WRITES_EVERYTHING = """
import json, sys
from keras_inits.monitor.sinks import TensorBoardSink
from tests.monitor.sinks.samples import LAYOUT, VERDICT, sample
sink = TensorBoardSink(sys.argv[1])
sink.open(LAYOUT)
sink.write(sample(1))
sink.write_verdict(VERDICT)
sink.write_histograms(1, {"model/head": [1.0, 2.0]})
sink.write_epoch(0, 1, {})
sink.close()
print(json.dumps(sorted(name for name in sys.modules if name == "tensorflow")))
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_tensorflow_is_not_imported_on_another_backend(backend, tmp_path):
    pytest.importorskip(backend)
    found = run_python(WRITES_EVERYTHING, tmp_path, KERAS_BACKEND=backend)
    assert found == []
    assert len(list((tmp_path / "norms").iterdir())) == 1
