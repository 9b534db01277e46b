"""A model swapped while it serves: a good one takes over, a bad one never does."""

import logging
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from api_server import EIGHT, ask, start, wait_until_ready
from conftest import free_port
from two_outputs import write_model

import config
import model_files
from api.live_model import LiveModel

EVERY = 0.05  # seconds
BLANK = np.zeros((1, config.IMAGE_SIZE, config.IMAGE_SIZE, 1), np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    for name in ("mnist_cnn.keras", "mnist_cnn.json"):
        shutil.copy(config.MODEL_PATH.parent / name, tmp_path)
    return tmp_path / "mnist_cnn.keras"


def wait_for(found: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, "nothing came of it"
        time.sleep(EVERY)


def test_a_new_good_model_takes_over(model: Path) -> None:
    live = LiveModel(model)
    before = live()
    live.watch(EVERY)
    write_model(model)
    wait_for(lambda: live() is not before)
    assert live().version == model_files.digest(model)[:12] != before.version
    assert before.answer(BLANK)  # who holds the old one is answered by it


@pytest.mark.parametrize("fault", ["cut short", "of another card", "gone"])
def test_a_bad_model_is_refused_and_the_old_one_answers(
    model: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    live = LiveModel(model)
    before = live()
    live.watch(EVERY)
    with caplog.at_level(logging.ERROR, "api.live_model"):
        if fault == "cut short":
            model.write_bytes(model.read_bytes()[:-1000])
        elif fault == "gone":
            model.unlink()
        else:
            card = model_files.card_path(model)
            card.write_text(card.read_text("utf-8").replace(before.version, "0" * 12), "utf-8")
        wait_for(lambda: "is refused" in caplog.text)
    assert live() is before
    assert before.version in caplog.text
    # And the next good one is taken.
    write_model(model)
    wait_for(lambda: live() is not before)


def test_no_request_is_lost_while_models_change(model: Path) -> None:
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
    original = {f: f.read_bytes() for f in (model, model_files.card_path(model))}
    first = live().version
    write_model(model)
    wait_for(lambda: live().version != first)
    for file, content in original.items():
        file.write_bytes(content)
    wait_for(lambda: live().version == first)
    count = len(answered)
    wait_for(lambda: len(answered) > count)
    stop.set()
    asking.join(timeout=30)
    assert answered[0] == answered[-1] == first
    assert len(set(answered)) == 2


@pytest.mark.slow
def test_a_running_server_takes_a_new_model_and_loses_no_request(model: Path) -> None:
    port = free_port()
    process = start(port, "--model", str(model))
    try:
        wait_until_ready(process, port)
        versions, statuses = [ask(port, EIGHT)[1]["model"]["version"]], set()
        write_model(model)
        deadline = time.monotonic() + 60
        while len(set(versions)) < 2 and time.monotonic() < deadline:
            status, answer = ask(port, EIGHT)
            statuses.add(status)
            versions.append(answer["model"]["version"])
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=30)
    assert statuses == {200}
    assert versions[-1] == model_files.digest(model)[:12] != versions[0]
    assert f"{versions[-1]} answers now" in output
