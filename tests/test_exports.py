"""The model file in other runtimes' forms: the same answers from real files, or none written."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import NO_ONNX

import config
import export_model
import exports
import keras_runtime
import litert_runtime
import model_files
import parity
from classifier import LITERT, ONNX, Classifier
from load_mnist_local import Mnist, Split

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not litert_runtime.installed(), reason="LiteRT has no package for it"),
]
IMAGES = 500  # of each split
Exported = dict[str, tuple[Path, model_files.Card]]


def needs_onnx() -> None:
    if exports.FORMS["onnx"].missing():
        pytest.skip(NO_ONNX)


@pytest.fixture(scope="module")
def source(mnist: Mnist) -> Iterator[exports.Source]:
    """The shipped model, measured on fewer images than the script does, and of fewer ranges."""
    validation, test = (
        Split(part.images[:IMAGES], part.labels[:IMAGES]) for part in (mnist.validation, mnist.test)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exports, "PLAIN", 200)
        patch.setattr(
            exports, "REPRESENTATIVE", replace(exports.REPRESENTATIVE, sheets=60, none=90)
        )
        patch.setattr(exports, "NO_DIGITS", replace(exports.NO_DIGITS, none=150))
        yield exports.Source(config.MODEL_PATH, Mnist(mnist.train, validation, test))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="module")
def exported(source: exports.Source, folder: Path) -> Exported:
    """Every form that can be written here, written."""
    return {
        name: exports.export(source, form, folder, 1)
        for name, form in exports.FORMS.items()
        if not form.missing()
    }


@pytest.mark.parametrize("name", exports.FORMS)
def test_a_form_gives_the_model_file_s_answers(
    name: str, exported: Exported, source: exports.Source
) -> None:
    if name == "onnx":
        needs_onnx()
    place, card = exported[name]
    images, labels = source.mnist.test.images, source.mnist.test.labels
    said, wanted = exports.FORMS[name].read(place)(images), source.said["test"]
    limits = exports.FORMS[name].limits
    assert set(said.by_name()) == {"probabilities", "is_digit"}
    if limits.difference is not None:
        for output, values in wanted.by_name().items():
            found = said.by_name()[output]
            np.testing.assert_allclose(found, values, rtol=0, atol=limits.difference)
    right = np.mean(said.probabilities.argmax(axis=1) == labels)
    assert right >= source.figures["test"]["accuracy"] - 1 / IMAGES
    assert card["test"]["accuracy"] == pytest.approx(right)
    assert np.abs(said.probabilities.sum(axis=1) - 1).max() < 1e-5


def test_cards_belong_to_their_files_and_name_the_model_file(
    exported: Exported, source: exports.Source
) -> None:
    for place, card in exported.values():
        assert model_files.read_card(place) == json.loads(json.dumps(card))
        assert card["name"] == source.card["name"]  # by which the protocols' clients ask for it
        assert card["derived_from"] == source.card["sha256"]
        assert card["test"]["images"] == IMAGES
        assert set(card["parity"]) >= {"validation", "test", "no_digits", "limits", "size"}


def test_nothing_else_is_left_in_the_folder(exported: Exported, folder: Path) -> None:
    files = {place for place, _ in exported.values()}
    kept = files | {model_files.card_path(place) for place in files}
    for path in folder.glob("*/*"):
        assert path in kept or path == folder / "saved_model" / "mnist_cnn"
    assert {path.name for path in (folder / "saved_model" / "mnist_cnn").iterdir()} == {
        "1",
        "1.json",
    }


def test_int8_is_whole_numbers_throughout_and_small(exported: Exported) -> None:
    from ai_edge_litert.interpreter import Interpreter

    place, card = exported["litert-int8"]
    made = Interpreter(model_path=str(place))
    made.allocate_tensors()
    kinds = {detail["dtype"] for detail in made.get_tensor_details()}
    assert kinds <= {np.int8, np.int32}
    assert card["bytes"] == place.stat().st_size
    assert card["bytes"] <= 0.3 * exported["litert"][1]["bytes"]


def test_int8_still_tells_what_is_no_digit(exported: Exported, source: exports.Source) -> None:
    said = litert_runtime.load(exported["litert-int8"][0])(source.no_digits)
    wanted = source.said["no_digits"]
    assert said.is_digit is not None
    assert wanted.is_digit is not None
    accepted, expected = (np.mean(part >= 0.5) for part in (said.is_digit, wanted.is_digit))
    assert expected < 0.5
    assert abs(accepted - expected) <= 0.02


@pytest.mark.parametrize(
    ("name", "runtime"), [("litert", LITERT), ("litert-int8", LITERT), ("onnx", ONNX)]
)
def test_the_classifier_serves_a_form_by_its_suffix(
    name: str, runtime: str, exported: Exported, source: exports.Source
) -> None:
    if name == "onnx":
        needs_onnx()
    place, card = exported[name]
    loaded = Classifier.load(place)
    assert loaded.runtime == runtime
    assert loaded.version == card["sha256"][:12]
    assert loaded.tells_digits
    images, labels = source.mnist.test.images[:100], source.mnist.test.labels[:100]
    assert np.mean(loaded.probabilities(images).argmax(axis=1) == labels) > 0.97


@pytest.mark.parametrize("name", ["litert", "onnx"])
def test_a_damaged_form_is_refused_though_its_card_agrees(
    name: str, exported: Exported, tmp_path: Path
) -> None:
    if name == "onnx":
        needs_onnx()
    content = exported[name][0].read_bytes()[:-5000]
    path = tmp_path / exported[name][0].name
    model_files.write_model(lambda file: file.write_bytes(b"none" + content[4:]), {}, path)
    with pytest.raises(model_files.ModelError, match=r"export_model\.py"):
        Classifier.load(path)


def test_a_saved_model_has_the_names_of_the_model_file(exported: Exported) -> None:
    import tensorflow as tf

    place, _ = exported["saved-model"]
    signature = tf.saved_model.load(str(place)).signatures["serving_default"]
    assert set(signature.structured_outputs) == {"probabilities", "is_digit"}
    (given,) = signature.structured_input_signature[1].values()
    assert (given.name, given.shape.as_list()) == ("images", [None, 28, 28, 1])


def test_a_saved_model_takes_an_older_one_s_place_whole(
    source: exports.Source, tmp_path: Path
) -> None:
    place = tmp_path / "saved_model" / "mnist_cnn" / "1"
    place.mkdir(parents=True)
    (place / "saved_model.pb").write_bytes(b"of another model")
    (place / "stale").write_text("of another model", "utf-8")
    _, card = exports.export(source, exports.FORMS["saved-model"], tmp_path, 1)
    assert not (place / "stale").exists()
    assert sorted(path.name for path in place.parent.iterdir()) == ["1", "1.json"]
    (place / "saved_model.pb").write_bytes(b"altered")
    assert model_files.digest(place) != card["sha256"]
    with pytest.raises(model_files.ModelError, match="not the file its card describes"):
        model_files.read_card(place)


@cache
def other_weights(source: exports.Source) -> bytes:
    import keras

    return litert_runtime.convert(keras.models.clone_model(source.network))


def changed(source: exports.Source, file: Path) -> None:
    """Write a file of the same network with other weights."""
    file.write_bytes(other_weights(source))


def full_disk(source: exports.Source, file: Path) -> None:
    file.write_bytes(b"half")
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("write", "fault", "words"),
    [
        (changed, parity.ParityError, "is not written: a probability differs by"),
        (full_disk, OSError, "No space left"),
    ],
)
def test_a_form_that_fails_leaves_what_was_there(
    write: Any, fault: type[Exception], words: str, source: exports.Source, tmp_path: Path
) -> None:
    place = tmp_path / "litert" / "mnist_cnn.float32.tflite"
    model_files.write_model(lambda file: file.write_bytes(b"before"), {}, place)
    before = {path: path.read_bytes() for path in place.parent.iterdir()}
    with pytest.raises(fault, match=words):
        exports.export(source, replace(exports.FORMS["litert"], write=write), tmp_path, 1)
    assert {path: path.read_bytes() for path in place.parent.iterdir()} == before


def test_the_script_writes_a_form_and_the_table(
    tmp_path: Path,
    source: exports.Source,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(exports, "Source", lambda file, mnist: source)
    assert export_model.main(["--output", str(tmp_path), "--forms", "litert"]) == 0
    assert Classifier.load(tmp_path / "litert" / "mnist_cnn.float32.tflite").runtime == LITERT
    table = (tmp_path / "parity.md").read_text("utf-8")
    assert table in capsys.readouterr().out
    assert "| LiteRT, float32 | `litert/mnist_cnn.float32.tflite` |" in table


def test_the_script_says_what_it_refuses_and_fails(
    tmp_path: Path,
    source: exports.Source,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(exports, "Source", lambda file, mnist: source)
    broken = replace(exports.FORMS["litert"], write=changed)
    monkeypatch.setitem(exports.FORMS, "litert", broken)
    assert export_model.main(["--output", str(tmp_path), "--forms", "litert"]) == 1
    message = capsys.readouterr().err
    assert message.startswith("export_model: litert: ")
    assert message.count("\n") == 1
    assert not (tmp_path / "litert").exists()


def test_without_onnx_the_script_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exports, "find_spec", lambda package: None)
    assert export_model.main(["--forms", "onnx"]) == 1
    assert "onnx needs ONNX's packages: pip install -r" in capsys.readouterr().err


def test_wrong_use_of_the_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flags in (["--forms", "h5"], ["--version", "0"]):
        with pytest.raises(SystemExit) as caught:
            export_model.main(flags)
        assert caught.value.code == 2
    capsys.readouterr()
    assert export_model.main(["--model", str(tmp_path / "none.keras"), "--forms", "litert"]) == 1
    message = capsys.readouterr().err
    assert "none.keras cannot be read (No such file or directory)" in message
    assert message.count("\n") == 1


def test_what_reads_a_saved_model_keeps_it(exported: Exported) -> None:
    import gc

    predict = keras_runtime.read_saved_model(exported["saved-model"][0])
    gc.collect()
    assert predict(np.zeros((3, 28, 28, 1), np.float32)).probabilities.shape == (3, 10)
