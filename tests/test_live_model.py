"""A model swapped while it serves: a good one takes over, a bad one never does."""

import os
import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from shipped_variants import EVERY, copy, version, wait_for, write_shipped, write_variant
from two_outputs import write_model

import config
import keras_runtime
import litert_runtime
import model_files
from api.live_model import LiveModel
from litert_runtime import files_of

BLANK = np.zeros((1, config.IMAGE_SIZE, config.IMAGE_SIZE, 1), np.float32)

needs_litert = pytest.mark.skipif(
    not litert_runtime.installed(), reason="LiteRT has no package for this machine"
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_shipped(tmp_path / "models")


@pytest.fixture
def variant(tmp_path: Path) -> Path:
    return write_variant(tmp_path / "variant")


@pytest.fixture
def serving_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the API's image, which has no TensorFlow."""
    monkeypatch.setattr(keras_runtime, "installed", lambda: False)


class Watched:
    """A live model that is looked at by hand, its outcomes, and what was logged meanwhile."""

    def __init__(self, model: Path, caplog: pytest.LogCaptureFixture) -> None:
        self.live = LiveModel(model)
        self.outcomes: list[str] = []
        self.live.on_outcome = self.outcomes.append
        self._caplog = caplog

    def version_after(self, *acts: Callable[[], object]) -> str:
        """Act, with a look after each, and once more; return the version that answers then."""
        self._caplog.clear()
        for act in acts:
            act()
            self.live.look()
        self.live.look()
        return self.live().version

    @property
    def line(self) -> str:
        """The one line that was logged since then."""
        (record,) = self._caplog.records
        return record.getMessage()


@pytest.fixture
def watched(model: Path, caplog: pytest.LogCaptureFixture) -> Watched:
    return Watched(model, caplog)


def test_a_new_good_model_takes_over(model: Path) -> None:
    live = LiveModel(model)
    before = live()
    live.watch(EVERY)
    write_model(model)
    wait_for(lambda: live() is not before)
    assert live().version == version(model) != before.version
    assert before.answer(BLANK)  # who holds the old one is answered by it


@needs_litert
@pytest.mark.usefixtures("serving_only")
@pytest.mark.parametrize("fault", ["cut short", "of another card", "gone", "no card"])
def test_a_bad_model_is_refused_in_one_line_and_the_old_one_answers(
    model: Path, variant: Path, watched: Watched, fault: str
) -> None:
    before, card = watched.live(), model_files.card_path(model)

    def spoil() -> None:
        if fault == "cut short":
            model.write_bytes(model.read_bytes()[:-1000])
        elif fault == "gone":
            model.unlink()
        elif fault == "no card":
            card.unlink()
        else:
            card.write_text(card.read_text("utf-8").replace(before.version, "0" * 12), "utf-8")

    assert watched.version_after(spoil) == before.version
    assert watched.live() is before
    assert f"{model} is refused, {before.version} still answers: " in watched.line
    refusal = watched.live.refusal
    assert refusal is not None
    assert refusal.startswith("mnist_cnn.")  # without the folder
    assert all(file.name in watched.line for file in files_of(model))
    # And the next good one is taken.
    assert watched.version_after(lambda: copy(variant, model)) == version(variant)
    assert watched.live.refusal is None
    assert watched.outcomes == ["refused", "taken"]


@needs_litert
@pytest.mark.usefixtures("serving_only")
def test_a_model_without_its_litert_form_waits_for_it(
    model: Path, variant: Path, watched: Watched, tmp_path: Path
) -> None:
    first = write_shipped(tmp_path / "first")
    assert watched.version_after(lambda: copy(variant, model, (0, 1))) == version(first)
    assert f"still answers: {files_of(model)[2]} was made from the model {version(first)}" in (
        watched.line
    )
    assert watched.version_after(lambda: copy(variant, model, (2, 3))) == version(variant)
    assert watched.line == f"{version(variant)} answers now, in place of {version(first)}"
    assert watched.live.refusal is None
    watched.version_after(lambda: files_of(model)[2].unlink())
    assert f"{files_of(model)[2]} cannot be read" in watched.line
    assert watched.version_after(lambda: copy(first, model)) == version(first)
    assert watched.outcomes == ["refused", "taken", "refused", "taken"]


@needs_litert
@pytest.mark.usefixtures("serving_only")
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_files_that_come_one_by_one_are_taken_once_all_are_there(
    model: Path, variant: Path, watched: Watched, order: tuple[int, ...]
) -> None:
    copies = [partial(copy, variant, model, (part,)) for part in order]
    assert watched.version_after(*copies) == version(variant)
    assert "answers now" in watched.line
    assert watched.outcomes == ["taken"]


@needs_litert
@pytest.mark.usefixtures("serving_only")
def test_the_old_files_put_back_end_a_refusal(model: Path, watched: Watched) -> None:
    content, first = model.read_bytes(), version(model)
    assert watched.version_after(lambda: model.write_bytes(b"no model")) == first
    assert "is refused" in watched.line
    assert watched.version_after(lambda: model.write_bytes(content)) == first
    assert watched.line == f"{model} is {first} again, which answered all along"
    assert watched.live.refusal is None
    watched.version_after(model.touch)  # nothing new
    assert watched.outcomes == ["refused"]


@needs_litert
@pytest.mark.usefixtures("serving_only")
def test_a_process_that_starts_while_files_are_refused_answers_with_the_spare(
    model: Path, variant: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spare, second = tmp_path / "spare", version(variant)
    live = LiveModel(model, spare)
    copy(variant, model)
    for _ in range(2):
        live.look()
    assert live().version == second
    model.write_bytes(b"no model")
    with pytest.raises(model_files.ModelError):
        LiveModel(model)
    caplog.clear()
    started = LiveModel(model, spare)
    assert started().version == second
    assert started.refusal is not None
    (record,) = caplog.records
    assert f"is refused, {second} still answers" in record.getMessage()
    assert {file.name for file in spare.iterdir()} == {file.name for file in files_of(model)}
    copy(variant, model)
    for _ in range(2):
        started.look()
    assert started.refusal is None


@needs_litert
@pytest.mark.usefixtures("serving_only")
def test_files_of_the_same_size_and_time_are_noticed(
    model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def dated(source: Path) -> Path:
        for file in files_of(source):
            os.utime(file, (1_700_000_000, 1_700_000_000))
        return source

    def put(source: Path) -> None:
        for file, place in zip(files_of(source), files_of(model), strict=True):
            shutil.copy2(file, place)  # with its times

    one, other = (dated(write_variant(tmp_path / mark, mark)) for mark in "xy")
    for file, same in zip(files_of(one), files_of(other), strict=True):
        assert file.stat().st_size == same.stat().st_size
        assert file.stat().st_mtime_ns == same.stat().st_mtime_ns
    put(one)
    watched = Watched(model, caplog)
    assert watched.live().version == version(one)
    assert watched.version_after(lambda: put(other)) == version(other)


@needs_litert
@pytest.mark.usefixtures("serving_only")
def test_a_folder_that_is_switched_by_a_link_is_taken(
    model: Path, variant: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    link, new = tmp_path / "current", tmp_path / "current.new"

    def switch(source: Path) -> None:
        new.symlink_to(source.parent, target_is_directory=True)
        new.replace(link)

    switch(model)
    watched = Watched(link / model.name, caplog)
    for source in (variant, model, variant):
        assert watched.version_after(partial(switch, source)) == version(source)


@needs_litert
@pytest.mark.usefixtures("serving_only")
def test_no_request_is_lost_while_models_change(model: Path, variant: Path, tmp_path: Path) -> None:
    live = LiveModel(model)
    live.watch(EVERY)
    answered: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            classifier = live()
            assert classifier.answer(BLANK)
            answered.append(classifier.version)

    asking = threading.Thread(target=ask)
    asking.start()
    first = live().version
    original = write_shipped(tmp_path / "first")
    copy(variant, model)
    wait_for(lambda: live().version != first)
    copy(original, model)
    wait_for(lambda: live().version == first)
    count = len(answered)
    wait_for(lambda: len(answered) > count)
    stop.set()
    asking.join(timeout=30)
    assert answered[0] == answered[-1] == first
    assert len(set(answered)) == 2
