"""A model file is data: one that brings code of its own is refused."""

from pathlib import Path

import pytest

import keras_runtime
import quiet
from model_files import ModelError


def test_a_model_file_with_code_in_it_is_refused(tmp_path: Path) -> None:
    quiet.import_tensorflow()
    import keras

    path = tmp_path / "model.keras"
    code = keras.layers.Lambda(lambda images: images)
    keras.Sequential([keras.layers.Input((28, 28, 1)), code]).save(path)
    keras.models.load_model(path, compile=False, safe_mode=False)  # nothing else is wrong with it
    with pytest.raises(ModelError, match="is not a Keras model file"):
        keras_runtime.load_network(path)
