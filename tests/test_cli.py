"""The command line: its arguments in process, what a person sees in a subprocess."""

import json
import os
import signal
import subprocess
import sys

import pytest

from keras_inits import cli

pytest.importorskip("rich")

COMMAND = [sys.executable, "-m", "keras_inits"]
SHORT = ["demo", "--steps", "30", "--seeds", "2"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A short demo in a process of its own, in an empty folder of its own."""
    here = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [*COMMAND, *SHORT], cwd=here, capture_output=True, text=True, timeout=300
    )
    return here, done


def test_demo_writes_everything_and_says_where(finished):
    here, done = finished
    assert done.returncode == 0, done.stderr
    (folder,) = (here / "runs").iterdir()
    assert folder.name.startswith("demo-")
    assert {path.name for path in folder.iterdir()} == {
        "results.json",
        "costs.png",
        "boundaries.png",
        "norms.png",
        "tensorboard",
    }
    where = folder.relative_to(here)
    assert f"tensorboard --logdir {where}/tensorboard" in done.stdout
    assert f"{where}/boundaries.png" in done.stdout


def test_demo_prints_both_tables_of_what_it_measured(finished):
    here, done = finished
    (results,) = here.glob("runs/*/results.json")
    he = json.loads(results.read_text())["runs"][2]
    assert (he["scheme"], he["published"]) == ("he", True)
    published, other = done.stdout.split("What to expect")
    assert f"{he['train_accuracy']:.1%}" in published.split("The published draw")[1]
    assert f"{he['history']['cost'][-1]:.3f}" in published
    assert "large random" in other


def test_demo_tells_each_run_where_there_is_no_terminal_for_a_bar(finished):
    _, done = finished
    assert "1/8 zeros, published draw: 50.0%" in done.stdout
    assert "8/8 he, seed 1: " in done.stdout
    assert "\x1b" not in done.stdout


def test_demo_is_not_drowned_in_chatter(finished):
    _, done = finished
    assert done.stderr == ""


def test_arguments_are_read_before_keras_is_imported():
    code = (
        "import sys\n"
        "sys.argv = ['/somewhere/bin/keras-inits', 'demo', '--help']\n"
        "from keras_inits.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as done:\n"
        "    assert done.code == 0\n"
        "print(sorted({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "--schemes NAME" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize("option", ["--steps", "--seeds", "--schemes", "--out"])
def test_help_lists_every_option(option, capsys):
    with pytest.raises(SystemExit) as done:
        cli.main(["demo", "--help"])
    assert done.value.code == 0
    assert option in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "required: COMMAND"),
        (["demo", "--steps", "0"], "at least 1. Received: '0'"),
        (["demo", "--steps", "1.5"], "at least 1. Received: '1.5'"),
        (["demo", "--seeds", "-1"], "at least 0. Received: '-1'"),
        (["demo", "--schemes", "he", "henormall"], "Received: scheme='henormall'"),
        (["demo", "--schemes", "orthogonal", "--seeds", "0"], "nothing to run"),
    ],
)
def test_bad_arguments_are_told_and_nothing_is_written(
    arguments, text, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as done:
        cli.main(arguments)
    assert done.value.code == 2
    assert text in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_never_written_to(tmp_path, capsys):
    (tmp_path / "results.json").write_text("precious")
    with pytest.raises(SystemExit):
        cli.main(["demo", "--out", str(tmp_path)])
    assert "new or empty folder" in capsys.readouterr().err
    assert (tmp_path / "results.json").read_text() == "precious"


def test_a_file_is_no_folder(tmp_path, capsys):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(SystemExit):
        cli.main(["demo", "--out", str(tmp_path / "file")])
    assert "this is a file" in capsys.readouterr().err


def test_a_missing_extra_is_named_before_anything_is_trained(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert cli.main(["demo", "--out", str(tmp_path / "new")]) == 1
    assert "pip install 'keras_inits[demo]'" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.backend
def test_another_scheme_of_the_library_is_run_by_its_name(tmp_path, capsys):
    out = tmp_path / "new"
    arguments = ["--schemes", "glorot_uniform", "--seeds", "2", "--steps", "4"]
    assert cli.main(["demo", "--out", str(out), *arguments]) == 0
    saved = json.loads((out / "results.json").read_text())
    runs = [(run["scheme"], run["seed"]) for run in saved["runs"]]
    assert runs == [("GlorotUniform", 0), ("GlorotUniform", 1)]
    assert "The published draw" not in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="SIGINT is sent another way there")
def test_ctrl_c_leaves_what_is_done_and_no_traceback(tmp_path):
    # Far more runs than it will make: it is interrupted in one of them.
    arguments = ["demo", "--steps", "2000", "--seeds", "1000", "--out", "out"]
    # A shell starts what runs in its background with SIGINT ignored, and tests too.
    code = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from keras_inits.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        for line in process.stdout:
            if line.startswith("4/"):
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in out + err
    assert "runs are complete" in out
    assert "The published draw, after 2,000 steps" in out
    saved = json.loads((tmp_path / "out" / "results.json").read_text())
    assert 4 <= len(saved["runs"]) < saved["planned"] == 2004
    assert (tmp_path / "out" / "costs.png").exists()
