"""The check before training from the shell."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits import cli

pytest.importorskip("rich")


def saved(folder, *hidden, shape=(16,), dtype=None, loss=True):
    inputs = keras.Input(shape, dtype=dtype)
    model = keras.Sequential([inputs, *hidden, layers.Dense(3)])
    if loss:
        model.compile(
            "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
    model.save(folder / "model.keras")
    return str(folder / "model.keras")


@pytest.fixture
def data(tmp_path):
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 16)).astype("float32")
    np.savez(tmp_path / "x.npz", x=x, y=random.integers(0, 3, 300))
    return str(tmp_path / "x.npz")


@pytest.fixture
def healthy(tmp_path):
    return saved(tmp_path, layers.Dense(16, "relu"))


@pytest.fixture
def sick(tmp_path):
    return saved(tmp_path, layers.Dense(16, "relu", kernel_initializer="zeros"))


@pytest.mark.backend
def test_a_healthy_model_exits_with_0(healthy, data, capsys):
    assert cli.main(["diagnose", healthy, "--data", data, "--labels", "y"]) == 0
    text = capsys.readouterr().out
    assert "nothing found that would keep it from training" in text
    assert "128 samples, loss" in text
    assert "No data" not in text


@pytest.mark.backend
def test_a_severe_finding_exits_with_1_and_tells_the_cure(sick, data, capsys):
    assert cli.main(["diagnose", sick, "--data", data]) == 1
    text = capsys.readouterr().out
    assert "severe: symmetry at" in text
    assert "keras_inits.HeNormal()" in text


@pytest.mark.backend
def test_without_data_normal_inputs_are_drawn_and_said(healthy, capsys):
    assert cli.main(["diagnose", healthy, "--samples", "20"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "No data given: standard normal inputs." in text
    assert "20 samples, no labels" in text


@pytest.mark.backend
def test_models_of_words_get_integers(tmp_path, capsys):
    model = saved(
        tmp_path,
        layers.Embedding(5, 4),
        layers.GlobalAveragePooling1D(),
        shape=(None,),
        dtype="int32",
    )
    assert cli.main(["diagnose", model]) == 0
    assert "random integers below 5" in capsys.readouterr().out


def test_results_are_written_where_asked(sick, data, tmp_path, capsys):
    names = ["numbers.json", "page.html", "figure.png"]
    paths = [str(tmp_path / name) for name in names]
    options = [
        part
        for option, path in zip(("--json", "--html", "--plot"), paths, strict=True)
        for part in (option, path)
    ]
    assert cli.main(["diagnose", sick, "--data", data, *options]) == 1
    found = json.loads((tmp_path / "numbers.json").read_text())
    assert found["findings"][0]["kind"] == "symmetry"
    assert "symmetry" in (tmp_path / "page.html").read_text()
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"


def test_a_loss_can_be_named(tmp_path, capsys):
    model = saved(tmp_path, layers.Dense(16), loss=False)
    x = np.random.default_rng(0).normal(size=(30, 16))
    np.savez(tmp_path / "x.npz", x=x, y=x[:, :3])
    arguments = ["diagnose", model, "--data", str(tmp_path / "x.npz"), "--labels", "y"]
    assert cli.main([*arguments, "--loss", "mse"]) == 0
    assert "mean_squared_error" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nowhere.keras"], "there is no such model. Received: 'nowhere.keras'"),
        (["MODEL", "--labels", "y"], "--labels names an array of --data"),
        (["MODEL", "--data", "DATA", "--labels", "z"], "There are 'x', 'y'"),
        (["MODEL", "--data", "nowhere.npz"], "No such file"),
        (["MODEL", "--data", "OTHER"], "The data must hold an array `x`"),
        (["MODEL", "--data", "SHORT"], "another shape than the model takes"),
        (["MODEL", "--samples", "0"], "at least 1. Received: '0'"),
    ],
)
def test_bad_arguments_are_told(arguments, text, healthy, data, tmp_path, capsys):
    np.savez(tmp_path / "other.npz", a=np.zeros((2, 16)), b=np.zeros((2, 16)))
    np.savez(tmp_path / "short.npz", x=np.zeros((2, 15)))
    known = {
        "MODEL": healthy,
        "DATA": data,
        "OTHER": str(tmp_path / "other.npz"),
        "SHORT": str(tmp_path / "short.npz"),
    }
    with pytest.raises(SystemExit) as done:
        cli.main(["diagnose", *(known.get(part, part) for part in arguments)])
    assert done.value.code == 2
    assert text in " ".join(capsys.readouterr().err.split())


def test_what_is_no_model_is_told(tmp_path, capsys):
    (tmp_path / "model.keras").write_text("nothing")
    with pytest.raises(SystemExit) as done:
        cli.main(["diagnose", str(tmp_path / "model.keras")])
    assert done.value.code == 2


def test_the_command_says_nothing_else(sick):
    done = subprocess.run(
        [sys.executable, "-m", "keras_inits", "diagnose", sick],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
