"""A microcontroller: the tiny model in whole numbers, run by TensorFlow Lite Micro."""

import re
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import asking
import numpy as np
import roots
from asking import Row
from hundred import Picture

import config
import export_model
import utils

FOLDER = asking.ROOT / "deploy" / "microcontroller"
TINY = config.MODEL_PATH.with_name("mnist_tiny.keras")
ANSWER = 1 + config.CLASSES  # bytes: is_digit and the probabilities
ARENA = re.compile(r"Arena allocation total (\d+) bytes")


def prepare(folder: Path, tools: Path) -> Callable[[], Row]:
    """Export the tiny model, make the stand-in's environment; return what runs it."""
    home, made = folder / "venv", folder / "exports"
    roots.new_venv([FOLDER / "requirements.txt"], home)
    words = ["--model", str(TINY), "--forms", "litert-int8", "--output", str(made)]
    if export_model.main(words):
        raise roots.InstallError("the tiny model could not be exported")
    file = made / "litert" / "mnist_tiny.int8.tflite"
    return lambda: measured(file, home / "bin" / "python", folder / "log")


def measured(file: Path, python: Path, log: Path) -> Row:
    """Run the stand-in and ask it; the memory is what its interpreter sets aside."""
    devices: list[subprocess.Popen[bytes]] = []

    def launch(_: Path) -> "subprocess.Popen[bytes]":
        with log.open("wb") as errors:
            command = [str(python), str(FOLDER / "device.py"), str(file)]
            pipe = subprocess.PIPE
            devices.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors))
        return devices[0]

    note = "TensorFlow Lite Micro's interpreter, given images by a pipe; no device here"
    row = asking.measure(
        "Microcontroller", launch, by_line(devices), file.stat().st_size / 1e6, note, price=None
    )
    arena = ARENA.search(log.read_text("utf-8", "replace"))
    return replace(row, memory=int(arena[1]) / 1e6 if arena else None)


def by_line(devices: "list[subprocess.Popen[bytes]]") -> asking.Ask:
    """Return what prepares a picture, sends the image's bytes and reads the answer's."""
    turn = threading.Lock()

    def ask(picture: Picture) -> int:
        image = utils.to_mnist_form(utils.decode(picture.content))
        # As the card of the form says: one step of the input is 1/255, and paper is -128.
        sent = (np.rint(255 * image) - 128).astype(np.int8).tobytes()
        with turn:
            given, taken = devices[0].stdin, devices[0].stdout
            if given is None or taken is None:
                raise OSError("the stand-in has no pipes")
            given.write(sent)
            given.flush()
            answer = np.frombuffer(taken.read(ANSWER), np.int8)
        if len(answer) < ANSWER:
            raise OSError("the stand-in has ended")
        return int(answer[1:].argmax())

    return ask
