"""Training as a person runs it: the script itself, on the smoke preset, killed and resumed."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small_training
from PIL import Image

import config
import model_files
import presets
from classifier import Classifier
from keras_runtime import load_network
from load_mnist_local import Mnist

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow
PLOTS = (
    "learning_curves",
    "confusion_matrix",
    "misread_digits",
    "reliability_diagram",
    "rejection_curve",
)


def arguments(folder: Path, *flags: str) -> list[str]:
    return [
        "--preset", "smoke",
        "--output", str(folder / "model.keras"), "--checkpoints", str(folder / "checkpoints"),
        *flags,
    ]  # fmt: skip


def train(folder: Path, *flags: str) -> small_training.Ended:
    """Train in this process, on few images, without plots and LiteRT form."""
    return small_training.run(arguments(folder, *flags))


def card_of(folder: Path) -> model_files.Card:
    return model_files.read_card(folder / "model.keras")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a run on few images in it, and what the run printed."""
    folder = tmp_path_factory.mktemp("trained")
    done = small_training.run(arguments(folder), whole=True)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture
def small(trained: tuple[Path, str]) -> Path:
    return trained[0]


def test_a_run_leaves_a_model_its_card_and_plots(trained: tuple[Path, str]) -> None:
    folder, printed = trained
    card = card_of(folder)
    assert card["preset"] == "smoke"
    assert card["epochs"] == presets.PRESETS["smoke"].epochs == len(card["history"]["loss"])
    assert card["test"]["images"] == card["validation"]["images"] == small_training.IMAGES
    assert card["temperature"] > 0
    assert f"{100 * card['test']['accuracy']:.2f}% right" in printed
    for name in PLOTS:
        with Image.open(folder / "checkpoints" / "smoke" / "plots" / f"{name}.png") as plot:
            assert min(plot.size) > 300


def test_the_card_tells_the_truth_about_the_file(small: Path, mnist: Mnist) -> None:
    classifier = Classifier.load(small / "model.keras")
    few = slice(0, small_training.IMAGES)
    read = classifier.probabilities(mnist.test.images[few]).argmax(axis=1)
    assert int((read != mnist.test.labels[few]).sum()) == classifier.card["test"]["errors"]


def shown_until(terminal: int, wanted: "re.Pattern[bytes]", shown: bytes = b"") -> bytes:
    """Return what a pseudo-terminal shows, up to what is waited for or to its end."""
    with contextlib.suppress(OSError):  # Linux's way to say that the other side has closed
        while not wanted.search(shown):
            shown += os.read(terminal, 65_536)
    assert wanted.search(shown), shown[-2000:]
    return shown


@pytest.mark.skipif(os.name != "posix", reason="kill -9 and a pseudo-terminal are POSIX's")
def test_killed_and_resumed_ends_like_an_uninterrupted_run(tmp_path: Path, small: Path) -> None:
    import pty
    import termios

    terminal, far_end = pty.openpty()
    termios.tcsetwinsize(far_end, (24, 100))
    command = [sys.executable, str(ROOT / "tests" / "small_training.py"), *arguments(tmp_path)]
    running = subprocess.Popen(command, stdout=far_end, stderr=far_end)
    os.close(far_end)
    try:
        # The progress: the rate and the time that is left.
        bar = re.compile(rb"\d%\|.*\[\d\d:\d\d<\d\d:\d\d, .*img/s\]")
        shown_until(terminal, re.compile(rb"epoch 1/"), shown_until(terminal, bar))
        running.send_signal(signal.SIGSTOP)
        second = train(tmp_path, "--restart")
    finally:
        running.kill()
        running.wait()
        os.close(terminal)
    assert not (tmp_path / "model.keras").exists()
    assert second.returncode == 1
    assert "another process is training" in second.stderr

    resumed = train(tmp_path, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    epochs = re.findall(r"^epoch (\d+)/", resumed.stdout, re.MULTILINE)
    assert epochs == [str(e) for e in range(2, presets.PRESETS["smoke"].epochs + 1)]
    whole, broken = card_of(small), card_of(tmp_path)
    # Same images, order and learning rates: only the order of floating-point sums differs.
    assert broken["history"]["loss"] == pytest.approx(whole["history"]["loss"], abs=0.002)
    assert broken["test"]["accuracy"] == pytest.approx(whole["test"]["accuracy"], abs=0.02)


def test_resume_wants_a_run_of_the_same_recipe(tmp_path: Path, small: Path) -> None:
    runs = tmp_path / "checkpoints"
    shutil.copytree(small / "checkpoints", runs)
    (runs / "smoke").rename(runs / "smoke-7")  # where a run with that seed keeps its own
    other = train(tmp_path, "--resume", "--seed", "7")
    assert other.returncode == 1
    assert "another recipe" in other.stderr
    assert "Traceback" not in other.stderr


def test_averaging_a_run_with_itself_gives_it_again_and_names_both(
    tmp_path: Path, small: Path
) -> None:
    run = str(small / "model.keras")
    done = train(tmp_path, "--average", run, run)
    assert done.returncode == 0, done.stderr
    card, one = card_of(tmp_path), card_of(small)
    # Only what batch normalisation has seen, its last two of four weights, is taken anew.
    layers = zip(*(load_network(f / "model.keras").layers for f in (tmp_path, small)), strict=True)
    for averaged, alone in layers:
        for ours, theirs in zip(averaged.get_weights()[:2], alone.get_weights()[:2], strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert [run["sha256"] for run in card["averaged"]] == 2 * [one["sha256"]]
    assert card["averaged"][0]["test"] == one["test"]["accuracy"]
    missing = train(tmp_path, "--average", str(tmp_path / "none.keras"))
    assert missing.returncode == 1
    assert "none" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_below_the_gate_the_old_model_stays_and_force_replaces_it(
    tmp_path: Path, small: Path
) -> None:
    output = tmp_path / "model.keras"
    model_files.copy_model(config.MODEL_PATH, output)
    shutil.copytree(small / "checkpoints", tmp_path / "checkpoints")
    half_written = tmp_path / "checkpoints" / "smoke" / ".writing"  # is passed over
    half_written.mkdir()
    (half_written / "state.keras").write_bytes(b"PK\x03\x04 cut short")
    before = card_of(tmp_path)["sha256"]

    below = train(tmp_path, "--resume", "--min-accuracy", "0.9999")
    assert below.returncode == 1
    assert "below the gate of 0.9999" in below.stderr
    assert card_of(tmp_path)["sha256"] == before
    candidate = model_files.read_card(tmp_path / "model.candidate.keras")
    assert candidate["test"] == pytest.approx(card_of(small)["test"])

    forced = train(tmp_path, "--resume", "--force")
    assert forced.returncode == 0, forced.stderr
    assert card_of(tmp_path)["preset"] == "smoke"
    assert model_files.read_card(tmp_path / "model.previous.keras")["sha256"] == before


def test_the_gate_is_a_share(tmp_path: Path) -> None:
    malformed = train(tmp_path, "--min-accuracy", "99")
    assert malformed.returncode == 2
    assert "share from 0 to 1" in malformed.stderr


def test_the_shipped_model_keeps_its_promise() -> None:
    card = json.loads(model_files.card_path(config.MODEL_PATH).read_text("utf-8"))
    assert card["preset"] == "best"
    assert card["test"]["accuracy"] >= 0.9965
    assert card["test"]["ece"] <= 0.002
    assert card["test"]["rejected"] <= 0.003
    assert card["is_digit"]["auroc"] >= 0.99
    assert card["multiply_adds"] <= 15_000_000
    assert card["history"]["loss"], "a card without its history cannot be drawn"
