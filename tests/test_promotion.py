"""A trained model takes another's place: only a better one, and what was there is kept whole."""

from pathlib import Path
from typing import Any

import pytest
from test_model_files import Killed, names, replace_killed, saving

import config
import litert_runtime
import model_files
import promotion

STAGED = ".new"


@pytest.fixture(autouse=True)
def no_litert(monkeypatch: pytest.MonkeyPatch) -> None:
    """These files are no networks, so none has a form that could be derived."""
    monkeypatch.setattr(litert_runtime, "installed", lambda: False)


def card(accuracy: float, **more: Any) -> model_files.Card:
    return {"validation": {"accuracy": accuracy}, "history": {"loss": [1 - accuracy]}, **more}


def promote(output: Path, accuracy: float, **more: Any) -> Path:
    """Promote a model whose content says how good it is."""
    content = f"{accuracy}".encode()
    return promotion.promote(saving(content), card(accuracy), output, **more)[0]


def accuracies(output: Path) -> dict[str, float]:
    """Return the model files beside `output` that are whole, with their accuracy."""
    kept = {path.name: promotion.accuracy(path) for path in output.parent.glob("*.keras")}
    for name, accuracy in kept.items():
        assert output.with_name(name).read_text() == f"{accuracy}"
    return kept


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "digits.keras"


def test_a_better_model_takes_the_place_and_the_old_one_is_kept(output: Path) -> None:
    assert promote(output, 0.98) == output
    assert names(output) == ["digits.json", "digits.keras"]
    assert promote(output, 0.99) == output
    assert accuracies(output) == {"digits.keras": 0.99, "digits.previous.keras": 0.98}
    previous = model_files.read_card(model_files.previous_path(output))
    assert previous["name"] == "digits"


def test_a_worse_model_becomes_the_candidate(output: Path) -> None:
    promote(output, 0.98)
    assert promote(output, 0.97) == output.with_name("digits.candidate.keras")
    assert promote(output, 0.99, passed=False, force=True) == promotion.candidate(output)
    assert accuracies(output) == {
        "digits.keras": 0.98,
        "digits.candidate.keras": 0.99,
        "digits.candidate.previous.keras": 0.97,
    }


def test_no_number_of_forced_models_loses_the_best(output: Path) -> None:
    promote(output, 0.99)
    best = model_files.digest(output)[:12]
    for accuracy in (0.28, 0.3, 0.29):
        promote(output, accuracy, force=True)
    kept = accuracies(output)
    assert kept["digits.keras"] == 0.29
    assert kept["digits.previous.keras"] == 0.3
    assert kept[f"digits.previous-{best}.keras"] == 0.99


def test_the_same_run_written_again_does_not_displace_the_previous_model(output: Path) -> None:
    for accuracy in (0.98, 0.99, 0.99):
        promote(output, accuracy)
    assert accuracies(output) == {"digits.keras": 0.99, "digits.previous.keras": 0.98}


def test_the_litert_form_is_kept_too(output: Path) -> None:
    promote(output, 0.98)
    digest = model_files.digest(output)
    source = {litert_runtime.SOURCE: digest}
    model_files.write_model(saving(b"form"), source, litert_runtime.derived_path(output))
    promote(output, 0.99)
    previous = model_files.previous_path(output)
    form = litert_runtime.read_derived(previous, model_files.read_card(previous))
    assert form == b"form"
    assert {f"digits.previous{end}" for end in (".keras", ".json", ".litert.tflite")} | {
        "digits.previous.litert.json"
    } <= set(names(output))


def test_a_model_without_a_good_card_is_kept_as_it_is(output: Path) -> None:
    output.write_bytes(b"weights of somebody")
    promote(output, 0.5)
    assert model_files.previous_path(output).read_bytes() == b"weights of somebody"
    assert promotion.accuracy(output) == 0.5


@pytest.mark.parametrize("renames", range(5))
def test_a_kill_at_any_rename_loses_no_model(
    output: Path, renames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(output, 0.98)
    promote(output, 0.99)
    with monkeypatch.context() as patch:
        replace_killed(renames, patch)
        if renames < 4:
            with pytest.raises(Killed):
                promote(output, 0.3, force=True)
        else:
            promote(output, 0.3, force=True)
    whole = {promotion.accuracy(path) for path in output.parent.glob("[!.]*.keras")}
    assert 0.99 in whole
    promote(output, 0.4, force=True)  # and the next run puts all in order
    assert 0.99 in set(accuracies(output).values())
    assert not [name for name in names(output) if STAGED in name or name.endswith(".lock")]


@pytest.mark.parametrize("name", ["digits.h5", "digits", "digits.KERAS", ".keras", "digits.json"])
def test_another_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(config.ConfigError, match=r"must end in \.keras$"):
        promotion.check_output(tmp_path / name)


@pytest.mark.parametrize(
    "other", ["digits.onnx", "digits.h5", "digits.candidate.tflite", "digits.litert.keras"]
)
def test_the_card_of_another_file_is_not_overwritten(tmp_path: Path, other: str) -> None:
    model_files.write_model(saving(b"other"), {}, tmp_path / other)
    with pytest.raises(model_files.ModelError, match=r"would overwrite .*, the card of"):
        promotion.check_output(tmp_path / "digits.keras")
    assert model_files.read_card(tmp_path / other)


def test_a_json_file_that_is_no_card_is_not_overwritten(output: Path) -> None:
    output.with_suffix(".json").write_text('{"labels": [1, 2]}')
    with pytest.raises(model_files.ModelError, match="is no model card"):
        promotion.check_output(output)


def test_a_folder_is_not_replaced(output: Path) -> None:
    (output / "pictures").mkdir(parents=True)
    with pytest.raises(model_files.ModelError, match="folder without a model"):
        promotion.check_output(output)
