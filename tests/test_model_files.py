"""A model file and its card: together or not at all, and refused when they do not belong."""

import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import config
import model_files
from model_files import ModelError, read_card, write_model


def saving(content: bytes) -> Callable[[Path], object]:
    return lambda file: file.write_bytes(content)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A good pair, already there."""
    path = tmp_path / "models" / "digits.keras"
    write_model(saving(b"old"), {"epochs": 1}, path)
    return path


def names(model: Path) -> list[str]:
    return sorted(file.name for file in model.parent.iterdir())


class Killed(BaseException):
    """Stands for the end of the process: nothing but clean-up could follow."""


def replace_killed(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let that many renames happen, and then be killed."""
    real, left = Path.replace, [after]

    def replace(self: Path, target: Path) -> Path:
        if not left[0]:
            raise Killed
        left[0] -= 1
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)


def test_a_pair_is_written_and_read(model: Path) -> None:
    card = write_model(saving(b"new"), {"epochs": 2, "test": {"accuracy": 0.99}}, model)
    assert card == read_card(model)
    assert card["name"] == "digits"
    assert card["sha256"] == hashlib.sha256(b"new").hexdigest() == model_files.digest(model)
    assert card["test"] == {"accuracy": 0.99}
    assert json.loads(model_files.card_path(model).read_text("utf-8")) == card
    assert names(model) == ["digits.json", "digits.keras"]


def test_the_card_is_of_the_file_that_was_saved(model: Path) -> None:
    """Whatever digest it had before, as a card that was read and changed has."""
    card = write_model(saving(b"new"), read_card(model) | {"epochs": 2}, model)
    assert card["sha256"] == model_files.digest(model)
    assert read_card(model) == card


@pytest.mark.parametrize("fault", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failed_save_leaves_the_old_pair(model: Path, fault: BaseException) -> None:
    def save(file: Path) -> None:
        file.write_bytes(b"ha")
        raise fault

    with pytest.raises(type(fault)):
        write_model(save, {"epochs": 2}, model)
    assert read_card(model)["epochs"] == 1
    assert model.read_bytes() == b"old"
    assert names(model) == ["digits.json", "digits.keras"]


def test_a_card_that_cannot_be_written_leaves_the_old_pair(model: Path) -> None:
    with pytest.raises(TypeError):
        write_model(saving(b"new"), {"epochs": object()}, model)
    assert read_card(model)["epochs"] == 1
    assert names(model) == ["digits.json", "digits.keras"]


def test_a_failed_first_save_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_model(saving(b"new"), {"epochs": object()}, tmp_path / "a.keras")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_kill_at_any_rename_leaves_a_whole_pair(
    model: Path, renames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        replace_killed(renames, patch)
        if renames < 2:
            with pytest.raises(Killed):
                write_model(saving(b"new"), {"epochs": 2}, model)
        else:
            write_model(saving(b"new"), {"epochs": 2}, model)
    assert read_card(model)["epochs"] == (1 if renames == 0 else 2)
    write_model(saving(b"newest"), {"epochs": 3}, model)  # and the next run puts all in order
    assert read_card(model)["epochs"] == 3
    assert names(model) == ["digits.json", "digits.keras"]


def test_a_failure_after_a_kill_leaves_what_the_kill_left(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        replace_killed(1, patch)
        with pytest.raises(Killed):
            write_model(saving(b"new"), {"epochs": 2}, model)

    def save(file: Path) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_model(save, {"epochs": 3}, model)
    assert read_card(model)["epochs"] == 2


def test_two_that_write_at_once_both_succeed(model: Path) -> None:
    second = threading.Thread(target=write_model, args=(saving(b"second"), {"epochs": 3}, model))

    def save(file: Path) -> None:
        file.write_bytes(b"first")
        second.start()
        second.join(timeout=0.3)  # it has to wait

    first = write_model(save, {"epochs": 2}, model)
    second.join()
    assert first["sha256"] == hashlib.sha256(b"first").hexdigest()
    assert read_card(model)["epochs"] == 3
    assert names(model) == ["digits.json", "digits.keras"]


@pytest.mark.parametrize("other", ["digits.onnx", "digits.h5"])
def test_no_card_serves_two_files(model: Path, other: str) -> None:
    with pytest.raises(ModelError, match=r"would overwrite .*, the card of digits\.keras"):
        write_model(saving(b"new"), {}, model.with_name(other))
    assert read_card(model)["epochs"] == 1
    assert names(model) == ["digits.json", "digits.keras"]


def test_a_folder_without_a_model_is_not_replaced(tmp_path: Path) -> None:
    own = tmp_path / "1" / "letter.txt"
    own.parent.mkdir()
    own.write_text("mine")
    with pytest.raises(ModelError, match="folder without a model"):
        write_model(saved_model("new"), {}, own.parent, "digits")
    assert own.read_text() == "mine"


def test_a_copy_loads_as_it_stands(model: Path) -> None:
    copy = model.with_name("digits.previous.keras")
    model_files.copy_model(model, copy)
    assert read_card(copy) == read_card(model)


def test_a_half_written_new_card_does_no_harm(model: Path) -> None:
    (model.parent / "digits.json.new").write_text('{"sha2')
    assert read_card(model)["epochs"] == 1


def refusal(model: Path, file: Path) -> str:
    """Return the message, after checking that it names the file and the remedy."""
    with pytest.raises(ModelError) as caught:
        read_card(model)
    message = str(caught.value)
    assert str(file) in message
    assert "git checkout -- models" in message
    assert "python train_model.py" in message
    assert "\n" not in message
    return message


def test_a_missing_model_file_is_named(model: Path) -> None:
    model.unlink()
    assert "No such file" in refusal(model, model)


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path, tmp_path)


def test_a_missing_card_is_named(model: Path) -> None:
    card = model_files.card_path(model)
    card.unlink()
    assert "is missing" in refusal(model, card)


def test_a_model_file_that_was_altered_is_refused_with_both_digests(model: Path) -> None:
    model.write_bytes(b"else")
    message = refusal(model, model)
    for content in (b"else", b"old"):
        assert hashlib.sha256(content).hexdigest()[:12] in message
    assert "expected" in message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"epochs": 1}',
        b'{"sha256": 7}',
        b'{"sha256": null}',
        b"\xff\xfe\0",
    ],
)
def test_a_corrupt_card_is_refused(model: Path, content: bytes) -> None:
    card = model_files.card_path(model)
    card.write_bytes(content)
    assert "is not a model card" in refusal(model, card)


def test_the_shipped_pair_belongs_together() -> None:
    assert read_card(config.MODEL_PATH)["name"] == config.MODEL_PATH.stem


def saved_model(words: str, fault: bool = False) -> Callable[[Path], None]:
    """Return what writes a folder as TensorFlow does, or half of it."""

    def save(folder: Path) -> None:
        (folder / "variables").mkdir(parents=True)
        (folder / "saved_model.pb").write_text(words, "utf-8")
        if fault:
            raise OSError(28, "No space left on device")
        (folder / "variables" / "variables.index").write_text(words, "utf-8")

    return save


def test_a_folder_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "1"
    card = write_model(saved_model("old"), {}, place, "digits")
    assert read_card(place) == card
    assert card["name"] == "digits"
    with pytest.raises(OSError, match="No space left"):
        write_model(saved_model("new", fault=True), {}, place, "digits")
    assert read_card(place) == card
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "1.json"]
    place.rename(tmp_path / ".1.old")  # a kill while a new one was to take its place
    with pytest.raises(OSError, match="No space left"):
        write_model(saved_model("new", fault=True), {}, place, "digits")
    assert read_card(place) == card
    newer = write_model(saved_model("new"), {}, place, "digits")
    assert read_card(place) == newer != card
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "1.json"]
    (place / "variables" / "variables.index").unlink()
    with pytest.raises(ModelError, match=r"not the file its card describes.*export_model\.py"):
        read_card(place)
