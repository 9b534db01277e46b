"""The shipped model under other versions: whole models that are made without TensorFlow."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import config
import litert_runtime
import model_files
from litert_runtime import files_of

EVERY = 0.05  # seconds between two looks at a model's files


def write_shipped(folder: Path) -> Path:
    """Copy all files of the shipped model to a folder; return the model file."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in litert_runtime.files_of(config.MODEL_PATH):
        shutil.copy(file, folder)
    return folder / config.MODEL_PATH.name


def write_variant(folder: Path, mark: str = "a") -> Path:
    """Write a model that differs from the shipped one in its version; return the model file.

    mark: one letter; each gives a version of its own, in files of the same sizes. Its Keras file
    is the shipped one with that letter after its end, and is only served by its LiteRT form.
    """
    model = folder / config.MODEL_PATH.name
    content = config.MODEL_PATH.read_bytes() + mark.encode()
    card = model_files.read_card(config.MODEL_PATH)
    card = model_files.write_model(lambda file: file.write_bytes(content), card, model)
    form = litert_runtime.derived_path(config.MODEL_PATH).read_bytes()
    source = {litert_runtime.SOURCE: card["sha256"]}
    form_path = litert_runtime.derived_path(model)
    model_files.write_model(lambda file: file.write_bytes(form), source, form_path)
    return model


def version(model: Path) -> str:
    return model_files.digest(model)[:12]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing came of it"
        time.sleep(EVERY)


def copy(source: Path, target: Path, parts: tuple[int, ...] = (0, 1, 2, 3)) -> None:
    """Copy files of a model to another's place, in this order of their places in `files_of`."""
    for part in parts:
        shutil.copy(files_of(source)[part], files_of(target)[part])
