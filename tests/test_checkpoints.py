"""The state of each epoch: found again, never another's, and never lost by a new start."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

import config
import model_files
from checkpoints import Checkpoints, Progress


class Network:
    """Stands for a Keras network: it is saved as one line."""

    def save(self, file: Path) -> None:
        file.write_text("weights", "utf-8")


def progress(epochs: int) -> Progress:
    return Progress("recipe", epochs, 1, 1.0, [0.5], [0.5], [0.9], [1, 2])


@pytest.fixture
def run(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "quick")


def save(run: Checkpoints, *epochs: int) -> Checkpoints:
    network: Any = Network()
    for epoch in epochs:
        run.save(progress(epoch), network)
    return run


def epochs(run: Checkpoints) -> list[str]:
    return sorted(path.name for path in run.folder.glob("epoch-*"))


def refusal(run: Checkpoints, resume: bool = False) -> str:
    """Return why the run is not started, after checking that it is one line."""
    with pytest.raises(config.ReaderError) as caught:
        run.check_start(resume=resume, restart=False, epochs=7)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_one_epoch_is_kept_and_nothing_of_a_kill(run: Checkpoints) -> None:
    leftover = run.folder / "epoch-0001"  # its removal was begun
    leftover.mkdir(parents=True)
    (leftover / "state.keras").write_bytes(b"cut short")
    half_written = run.folder / ".writing"
    half_written.mkdir()
    (half_written / "state.keras").write_bytes(b"cut short")
    assert "nothing is kept" in run.kept(7)
    save(run, 1, 2)
    assert epochs(run) == ["epoch-0002"]
    assert not half_written.exists()
    assert run.kept(7) == "stopped; 2 of 7 epochs are kept: continue with --resume"


def test_epochs_are_ordered_by_number(run: Checkpoints) -> None:
    save(run, 1)
    (run.folder / "epoch-0001").rename(run.folder / "epoch-9999")
    save(run, 10_000)
    assert epochs(run) == ["epoch-10000"]
    (run.folder / "epoch-9999").mkdir()
    (run.folder / "epoch-9999" / "progress.json").write_text(json.dumps(asdict(progress(9_999))))
    assert "10000 of 7 epochs" in refusal(run)


def test_a_new_start_is_refused_where_epochs_are(run: Checkpoints) -> None:
    run.check_start(resume=False, restart=False, epochs=7)  # nothing is there yet
    save(run, 1, 2, 3)
    message = refusal(run)
    assert "3 of 7 epochs" in message
    assert "--resume" in message
    assert "--restart" in message
    assert epochs(run) == ["epoch-0003"]
    run.check_start(resume=True, restart=False, epochs=7)
    run.check_start(resume=False, restart=True, epochs=7)


def test_a_finished_run_may_be_trained_anew_while_its_model_file_is_there(
    run: Checkpoints, tmp_path: Path
) -> None:
    save(run, 1, 7)
    assert "7 of 7 epochs" in refusal(run)  # no model file was written yet
    model = tmp_path / "quick.keras"
    run.note_written(model, model_files.write_model(Network().save, {}, model))
    run.check_start(resume=False, restart=False, epochs=7)
    model = model.rename(tmp_path / "quick.previous.keras")
    run.check_start(resume=False, restart=False, epochs=7)
    model.write_text("another", "utf-8")
    assert "7 of 7 epochs" in refusal(run)
    run.clear()
    assert epochs(run) == []
    save(run, 1)
    assert "1 of 7 epochs" in refusal(run)


def test_there_is_nothing_to_resume_only_if_nothing_is_there(run: Checkpoints) -> None:
    save(Checkpoints(run.folder.with_name("quick-7")), 1)
    message = refusal(run, resume=True)
    assert "nothing to resume" in message
    assert "quick-7" in message
    save(run, 1)
    (run.folder / "epoch-0001" / ".DS_Store").write_bytes(b"a file browser's")
    run.check_start(resume=True, restart=False, epochs=7)


def test_only_epochs_are_discarded(run: Checkpoints) -> None:
    own = save(run, 1).folder / "notes.txt"
    own.write_text("mine", "utf-8")
    plots = run.folder / "epoch-plots" / "1.png"
    plots.parent.mkdir()
    plots.write_bytes(b"mine")
    run.clear()
    assert sorted(run.folder.iterdir()) == [plots.parent, own]
    assert plots.exists()


def test_a_folder_of_others_that_is_named_like_an_epoch_is_refused(run: Checkpoints) -> None:
    other = run.folder / "epoch-0002" / "pytorch.bin"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"mine")
    with pytest.raises(config.ReaderError, match="choose another --checkpoints"):
        run.check_start(resume=False, restart=True, epochs=7)
    assert other.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'"epoch"',
        b"\xff\xfe",
        json.dumps({"recipe": "recipe", "epochs_done": 3}).encode(),
        json.dumps(asdict(progress(1)) | {"ema": 0.9}).encode(),
        json.dumps(asdict(progress(1)) | {"loss": None}).encode(),
    ],
)
def test_progress_of_another_version_is_one_clear_line(run: Checkpoints, content: bytes) -> None:
    save(run, 1)
    (run.folder / "epoch-0001" / "progress.json").write_bytes(content)
    with pytest.raises(config.ReaderError) as caught:
        run.load("recipe")
    for message in (str(caught.value), refusal(run)):
        assert "progress.json" in message
        assert "--restart" in message
    assert epochs(run) == ["epoch-0001"]


LOCKING = """
import sys
from pathlib import Path
from checkpoints import Checkpoints
with Checkpoints(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_ends_even_by_a_kill(run: Checkpoints) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LOCKING, str(run.folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with (
            pytest.raises(config.ReaderError, match="another process is training in"),
            run.locked(),
        ):
            pass
        other.kill()
        other.wait()
    with run.locked():
        pass
