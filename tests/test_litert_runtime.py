"""The LiteRT form: the Keras file's answers, never another's, and made anew when it must be."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

import config
import keras_runtime
import litert_runtime
import model_files
from classifier import KERAS, LITERT, Classifier
from load_mnist_local import Mnist

pytestmark = pytest.mark.skipif(
    not litert_runtime.installed(), reason="LiteRT has no package for this machine"
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the shipped model, without a LiteRT form."""
    for name in ("mnist_cnn.keras", "mnist_cnn.json"):
        shutil.copy(config.MODEL_PATH.parent / name, tmp_path)
    return tmp_path / "mnist_cnn.keras"


@pytest.mark.slow
def test_both_runtimes_agree(mnist: Mnist) -> None:
    images = mnist.test.images[:2000]
    by_keras = Classifier.load(runtime=KERAS).outputs(images)
    by_litert = Classifier.load(runtime=LITERT).outputs(images)
    assert by_keras.is_digit is not None
    assert by_litert.is_digit is not None
    np.testing.assert_allclose(by_litert.probabilities, by_keras.probabilities, rtol=0, atol=1e-5)
    np.testing.assert_allclose(by_litert.is_digit, by_keras.is_digit, rtol=0, atol=1e-5)


def test_the_shipped_form_is_of_the_shipped_model() -> None:
    card = model_files.read_card(config.MODEL_PATH)
    form = litert_runtime.derived_path(config.MODEL_PATH).read_bytes()
    assert litert_runtime.read_derived(config.MODEL_PATH, card) == form


def test_a_missing_form_is_made_and_kept(model: Path) -> None:
    classifier = Classifier.load(model)
    assert classifier.runtime == LITERT
    kept = litert_runtime.derived_path(model)
    made = kept.read_bytes()
    assert model_files.read_card(kept)["derived_from"] == classifier.card["sha256"]
    before = kept.stat().st_mtime_ns
    assert Classifier.load(model).version == classifier.version
    assert kept.stat().st_mtime_ns == before
    assert made == kept.read_bytes()


@pytest.mark.parametrize("fault", ["another's", "cut short", "no card"])
def test_a_form_that_is_not_of_this_file_is_never_used(
    model: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = model_files.read_card(model)
    form = litert_runtime.derived_path(model)
    for name in (form.name, model_files.card_path(form).name):
        shutil.copy(config.MODEL_PATH.parent / name, model.parent)
    shipped = form.read_bytes()
    monkeypatch.setattr(litert_runtime, "convert", lambda network: shipped)  # which takes seconds
    form_card = model_files.card_path(form)
    if fault == "another's":
        form_card.write_text(
            json.dumps(json.loads(form_card.read_text("utf-8")) | {"derived_from": "0" * 64}),
            "utf-8",
        )
    elif fault == "cut short":
        form.write_bytes(form.read_bytes()[:-100])
    else:
        form_card.unlink()
    with pytest.raises(model_files.ModelError):
        litert_runtime.read_derived(model, card)
    assert Classifier.load(model).runtime == LITERT  # made anew
    assert litert_runtime.read_derived(model, card) == form.read_bytes()


def test_a_form_that_gives_other_answers_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(network: object) -> bytes:
        import keras

        changed = keras.models.clone_model(network)
        return litert_runtime_convert(changed)

    litert_runtime_convert = litert_runtime.convert
    monkeypatch.setattr(litert_runtime, "convert", other)
    with pytest.raises(model_files.ModelError, match="does not give its answers"):
        litert_runtime.derive(model, model_files.read_card(model))
    assert Classifier.load(model).runtime == KERAS
    assert not litert_runtime.derived_path(model).exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_disk_that_may_not_be_written_hinders_nothing(model: Path) -> None:
    model.parent.chmod(0o500)
    try:
        assert Classifier.load(model).runtime == LITERT
    finally:
        model.parent.chmod(0o700)


def test_without_litert_keras_serves(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litert_runtime, "installed", lambda: False)
    assert Classifier.load(model).runtime == KERAS


def test_a_serving_process_never_imports_tensorflow() -> None:
    code = (
        "import sys; from classifier import Classifier; import numpy as np; "
        "c = Classifier.load(); c.probabilities(np.zeros((1, 28, 28, 1))); "
        "print(c.runtime, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [LITERT, "False"]
    assert done.stderr == ""


def test_without_tensorflow_a_model_needs_its_litert_form(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keras_runtime, "installed", lambda: False)
    missing = "mnist_cnn.litert.tflite cannot be read .*; without TensorFlow it cannot be made anew"
    with pytest.raises(model_files.ModelError, match=missing):
        Classifier.load(model)
    assert caplog.text == ""


def test_a_damaged_model_is_not_said_to_be_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = tmp_path / "mnist_cnn.keras"
    model_files.write_model(lambda file: file.write_bytes(b"no model"), {}, model)
    with pytest.raises(model_files.ModelError, match="is not a Keras model file"):
        Classifier.load(model)
    assert caplog.text == ""


def test_threads_that_answer_one_after_another_share_an_interpreter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare, made = litert_runtime._prepared, []

    def counted(content: bytes) -> Any:
        made.append(threading.get_ident())
        return prepare(content)

    monkeypatch.setattr(litert_runtime, "_prepared", counted)
    predict = litert_runtime.load(litert_runtime.derived_path(config.MODEL_PATH))
    blank = np.zeros((1, 28, 28, 1), np.float32)
    for _ in range(3):
        thread = threading.Thread(target=predict, args=(blank,))
        thread.start()
        thread.join()
    assert len(made) == 1
