"""Flags with which work could be lost: refused in one line, before anything is done."""

import json
import multiprocessing
import re
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from test_checkpoints import Network, progress
from test_model_files import saving

import export_model
import model_files
import train_model
import training_pool
from checkpoints import Checkpoints


def refusal(capsys: pytest.CaptureFixture[str], status: int, *flags: str | Path) -> str:
    """Return the one line that is printed instead of training with the smoke preset."""
    assert train_model.main(["--preset", "smoke", *map(str, flags)]) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.strip().splitlines()
    assert line.startswith("train_model: ")
    return line


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Flags that keep a run in the test's folder; training is not reached, or is an error."""

    def too_far(*_: object) -> None:
        raise AssertionError("the data was read")

    monkeypatch.setattr(train_model, "load_mnist", too_far)
    output, runs = tmp_path / "models" / "digits.keras", tmp_path / "checkpoints"
    return ["--output", str(output), "--checkpoints", str(runs)]


@pytest.fixture
def run(tmp_path: Path) -> Checkpoints:
    """A run of the smoke preset with one epoch."""
    run, network = Checkpoints(tmp_path / "checkpoints" / "smoke"), Network()
    run.save(progress(1), network)
    return run


def test_a_model_file_of_another_suffix(
    tmp_path: Path, places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    good = tmp_path / "digits.keras"
    model_files.write_model(saving(b"good"), {}, good)
    line = refusal(capsys, 2, *places, "--output", tmp_path / "digits.h5")
    assert "must end in .keras" in line
    assert model_files.read_card(good)


def test_a_model_file_of_another_suffix_in_the_environment(
    tmp_path: Path,
    places: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MNIST_MODEL", str(tmp_path / "digits.onnx"))
    assert "MNIST_MODEL" in refusal(capsys, 2, *places[2:])


def test_a_card_that_is_another_file_s(
    tmp_path: Path, places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(places[1]).with_suffix(".onnx")
    model_files.write_model(saving(b"other"), {}, other)
    assert "the card of digits.onnx" in refusal(capsys, 1, *places)
    assert model_files.read_card(other)


def test_epochs_that_are_there(
    run: Checkpoints, places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal(capsys, 1, *places)
    assert "1 of 3 epochs: go on with --resume, or discard them with --restart" in line
    assert (run.folder / "epoch-0001" / "state.keras").exists()


def test_resume_and_restart_together(places: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        train_model.main([*places, "--resume", "--restart"])
    assert caught.value.code == 2
    assert "not allowed with argument" in capsys.readouterr().err


def test_nothing_to_resume(places: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "nothing to resume" in refusal(capsys, 1, *places, "--resume")


def test_a_run_that_another_process_is_training(
    run: Checkpoints, places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with run.locked():
        line = refusal(capsys, 1, *places, "--restart")
    assert "another process is training in" in line
    assert (run.folder / "epoch-0001").exists()


def test_an_older_progress_file(
    run: Checkpoints, places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    older = {key: value for key, value in asdict(progress(1)).items() if key != "dropout"}
    (run.folder / "epoch-0001" / "progress.json").write_text(json.dumps(older))
    for flags in ([], ["--resume"]):
        assert "--restart" in refusal(capsys, 1, *places, *flags)


@pytest.mark.parametrize(
    "card", [{}, {"preset": "quick"}, {"preset": "smoke"}, {"preset": "smoke", "recipe": 1}]
)
def test_an_average_of_what_is_no_run_of_the_preset(
    card: dict[str, Any], tmp_path: Path, places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.keras"
    model_files.write_model(saving(b"weights"), card, other)
    line = refusal(capsys, 1, *places, "--average", other)
    assert str(other) in line
    assert "of the preset" in line or "cannot be averaged" in line


def test_plots_in_the_place_of_a_file(
    tmp_path: Path, places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plots"
    file.write_text("mine")
    assert "expected a folder" in refusal(capsys, 2, *places, "--plots", file)


def test_checkpoints_in_the_place_of_a_file(
    tmp_path: Path, places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "checkpoints"
    file.write_text("mine")
    assert str(file) in refusal(capsys, 1, *places)
    assert file.read_text() == "mine"


def test_ctrl_c_says_what_is_kept(
    run: Checkpoints,
    places: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stopped(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_model, "load_mnist", stopped)
    line = refusal(capsys, 130, *places, "--resume")
    assert "1 of 3 epochs are kept: continue with --resume" in line


def test_a_table_of_parity_in_the_place_of_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_model.exports, "export", lambda *_: 1 / 0)
    card = tmp_path / "digits.json"
    card.write_text("{}")
    assert export_model.main(["--output", str(tmp_path), "--table", str(card)]) == 2
    assert "ends in .md" in capsys.readouterr().err
    assert card.read_text() == "{}"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ctrl_c_is_left_to_the_process_that_makes_the_pool() -> None:
    """A worker that heard it would print a traceback."""
    with training_pool._workers():
        for worker in multiprocessing.active_children():
            status = Path(f"/proc/{worker.pid}/status").read_text()
            (ignored,) = re.findall(r"^SigIgn:\s*([0-9a-f]+)$", status, re.MULTILINE)
            assert int(ignored, 16) & 0b10
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_make_clean_leaves_models_and_checkpoints() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (rule,) = re.findall(r"^clean:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert "rm -rf" in rule
    assert "models" not in rule
