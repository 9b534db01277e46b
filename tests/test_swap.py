"""`python -m api.swap`: a model put in place whole or not at all, and rolled back."""

import errno
import shutil
from pathlib import Path

import pytest
from shipped_variants import write_shipped, write_variant

import keras_runtime
import litert_runtime
import model_files
from api import swap
from litert_runtime import files_of

pytestmark = pytest.mark.skipif(
    not litert_runtime.installed(), reason="LiteRT has no package for this machine"
)


@pytest.fixture(autouse=True)
def serving_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the API's image, which has no TensorFlow."""
    monkeypatch.setattr(keras_runtime, "installed", lambda: False)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_shipped(tmp_path / "models")


@pytest.fixture
def variant(tmp_path: Path) -> Path:
    return write_variant(tmp_path / "variant")


def contents(model: Path) -> list[bytes | None]:
    """Return what is in the files of a model; None for one that is missing."""
    return [file.read_bytes() if file.exists() else None for file in files_of(model)]


def names(model: Path) -> set[str]:
    return {file.name for file in model.parent.iterdir()}


def run(model: Path, *arguments: object) -> int:
    return swap.main([*map(str, arguments), "--model", str(model)])


def test_a_model_is_put_in_place_and_rolled_back(
    model: Path, variant: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, previous = contents(model), contents(variant), model_files.previous_path(model)
    assert run(model, variant) == 0
    assert f"{model} is {model_files.digest(variant)[:12]} now" in capsys.readouterr().out
    assert (contents(model), contents(previous)) == (second, first)
    for _ in range(2):  # there and back
        first, second = second, first
        assert run(model) == 0
        assert (contents(model), contents(previous)) == (second, first)
    assert names(model) == {file.name for file in (*files_of(model), *files_of(previous))}
    assert contents(variant) == contents(model)  # the new one's own files stay


@pytest.mark.parametrize("fault", ["no LiteRT form", "a damaged form", "no card"])
def test_a_bad_model_replaces_nothing(
    model: Path, variant: Path, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    keras, card, form, _ = files_of(variant)
    if fault == "no card":
        card.unlink()
    elif fault == "no LiteRT form":
        form.unlink()
    else:
        form.write_bytes(b"no model")
    before = contents(model)
    assert run(model, variant) == 1
    shown = capsys.readouterr().err
    assert shown.startswith(f"api.swap: {keras.parent}")
    assert shown.count("\n") == 1
    assert contents(model) == before
    assert len(names(model)) == 4


def test_without_a_model_before_nothing_is_rolled_back(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(model) == 1
    assert "there is no model to roll back to" in capsys.readouterr().err
    assert run(model, model) == 1
    assert "cannot take the place" in capsys.readouterr().err


def test_a_damaged_model_does_not_push_out_the_one_before(model: Path, variant: Path) -> None:
    first, previous = contents(model), model_files.previous_path(model)
    assert run(model, variant) == 0
    files_of(model)[2].write_bytes(b"no model")
    assert run(model, variant) == 0
    assert contents(previous) == first
    model.unlink()
    assert run(model) == 0
    assert contents(model) == contents(previous) == first


def test_a_full_disk_leaves_what_was_there(
    model: Path, variant: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = []

    def copy(source: Path, target: Path) -> None:
        copies.append(target)
        target.write_bytes(b"part of it")
        if len(copies) == 7:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        shutil.copyfile(source, target)

    before = contents(model)
    monkeypatch.setattr(swap.shutil, "copy", copy)
    assert run(model, variant) == 1
    assert contents(model) == before
    assert len(names(model)) == 4


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("rolled_back", [False, True])
@pytest.mark.parametrize("renames", range(8))
def test_after_a_kill_the_same_command_completes_the_act(
    model: Path, variant: Path, renames: int, rolled_back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, left = contents(model), contents(variant), [renames]
    arguments: tuple[Path, ...] = (variant,)
    if rolled_back:
        run(model, variant)
        arguments, first, second = (), second, first
    rename = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if not left[0]:
            raise Killed
        left[0] -= 1
        return rename(self, target)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Path, "replace", replace)
        run(model, *arguments)
    if rolled_back and contents(model) == second:
        return  # all that was left to do was to keep the model that was rolled back
    assert run(model, *arguments) == 0
    assert contents(model) == second
    assert rolled_back or contents(model_files.previous_path(model)) == first
    assert not [name for name in names(model) if name.startswith(".")]
