"""A reader without a model of its own: a running API answers, at `--api-url`.

One picture is sent as it is to POST /predict. Images that are in MNIST form already, of a batch
or an explanation, go by the hundred to the Open Inference Protocol's infer, as binary data:

    https://github.com/kserve/open-inference-protocol
"""

import json
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import answers
import config
from classifier import Answer, Classifier, answers_from
from outputs import IS_DIGIT, PROBABILITIES, Outputs
from page.api_server import GARBAGE, ApiServer, Response, TooMuch, Unreachable
from page.reader import Reader

HEADER_LENGTH = "Inference-Header-Content-Length"
FRESH = 5.0  # seconds for which the card that was answered last holds
RUNTIME = "api"
ROUNDED = 1e-3  # by which the sum of probabilities may miss 1
NAME, VERSION, DIGEST = r"[\w.-]{1,100}", r"[0-9a-f]{12}", r"[0-9a-f]{64}"


@dataclass(frozen=True)
class Answering:
    """Which model answered."""

    name: str
    version: str


class Said(msgspec.Struct):
    """What is made use of in an answer of /predict."""

    probabilities: list[float]
    model: dict[str, str]
    is_digit: float | None = None


class RemoteReader(Reader):
    """Reads uploaded pictures by asking an API. What the model saw is prepared here, as there."""

    def __init__(self, server: ApiServer, settings: config.Settings, uploads: Path) -> None:
        super().__init__(Classifier(self._outputs, {}, RUNTIME), settings, uploads)
        self._server = server
        self._at_once = settings.max_batch  # images; halved when the API takes no more
        self._card: dict[str, Any] = {}
        self._asked_at = -FRESH
        self._lock = threading.Lock()

    def answer(self, file: bytes, image: np.ndarray, method: str) -> dict[str, Any]:
        """Return the API's answer to the picture file; raises ServerFault."""
        path = f"/predict?preprocessing={method}"
        kind = {"Content-Type": "application/octet-stream"}
        return _answer(self._server.post(path, file, kind).body, method)

    def answers(self, images: np.ndarray, method: str) -> list[dict[str, Any]]:
        """Return the API's answers to images (N, 28, 28, 1); raises ServerFault."""
        if not len(images):
            return []
        outputs, model = self._infer(images)
        return [answers.describe(answer, method, model) for answer in answers_from(outputs)]

    def card(self) -> dict[str, Any]:
        """Return the API's model card, asked for at most every few seconds; raises ServerFault."""
        with self._lock:
            if time.monotonic() - self._asked_at > FRESH:
                self._card = _card(self._server.get("/model").body)
                self._asked_at = time.monotonic()
            return self._card

    def runtime(self) -> str:
        """Say that another server runs the model."""
        return "the API that this page asks"

    def _outputs(self, images: np.ndarray) -> Outputs:
        return self._infer(images)[0]

    def _infer(self, images: np.ndarray) -> tuple[Outputs, Answering]:
        """Ask for all images, in requests as large as the API takes."""
        parts: list[Outputs] = []
        start, model = 0, None
        while start < len(images):
            some = images[start : start + self._at_once]
            try:
                part, model = _outputs_in(self._server.post(*_infer_request(some, self._name())))
            except TooMuch:
                if len(some) == 1:
                    raise
                self._at_once = len(some) // 2
                continue
            except Unreachable:
                self._asked_at = -FRESH  # another model may be there under another name
                raise
            if len(part.probabilities) != len(some):
                raise Unreachable(GARBAGE)
            parts.append(part)
            start += len(some)
        assert model is not None
        said = [part.is_digit for part in parts if part.is_digit is not None]
        return Outputs(
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate(said) if len(said) == len(parts) else None,
        ), model

    def _name(self) -> str:
        return str((self._card or self.card())["name"])


def _answer(body: bytes, method: str) -> dict[str, Any]:
    """Return an answer of /predict, made anew of what was checked; raises Unreachable."""
    try:
        said = msgspec.json.decode(body, type=Said)
        is_digit = None if said.is_digit is None else np.array([said.is_digit])
        outputs = _checked(Outputs(np.array([said.probabilities]), is_digit))
        model = _named(said.model["name"], said.model["version"])
    except (msgspec.DecodeError, KeyError, ValueError):
        raise Unreachable(GARBAGE) from None
    share = None if outputs.is_digit is None else float(outputs.is_digit[0])
    return answers.describe(Answer(tuple(outputs.probabilities[0].tolist()), share), method, model)


def _card(body: bytes) -> dict[str, Any]:
    try:
        card = msgspec.json.decode(body)
        if re.fullmatch(NAME, card["name"]) and re.fullmatch(DIGEST, card["sha256"]):
            return dict(card)
    except (msgspec.DecodeError, KeyError, TypeError):
        pass
    raise Unreachable(GARBAGE)


def _infer_request(images: np.ndarray, name: str) -> tuple[str, bytes, dict[str, str]]:
    """Return path, body and headers that ask what the model says of images."""
    data = np.ascontiguousarray(images, "<f4").tobytes()
    tensor = {
        "name": "images",
        "datatype": "FP32",
        "shape": [*images.shape],
        "parameters": {"binary_data_size": len(data)},
    }
    asked = {"inputs": [tensor], "parameters": {"binary_data_output": True}}
    text = json.dumps(asked).encode()
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(text))}
    return f"/v2/models/{name}/infer", text + data, headers


def _outputs_in(response: Response) -> tuple[Outputs, Answering]:
    """Take the answer of infer apart; raises Unreachable."""
    try:
        length = int(response.headers[HEADER_LENGTH.lower()])
        said = msgspec.json.decode(response.body[:length])
        data, found = response.body[length:], {}
        for output in said["outputs"]:
            size = output["parameters"]["binary_data_size"]
            numbers = np.frombuffer(data[:size], "<f4").reshape(output["shape"])
            found[output["name"]], data = numbers, data[size:]
        is_digit = found[IS_DIGIT][:, 0] if IS_DIGIT in found else None
        outputs = _checked(Outputs(found[PROBABILITIES], is_digit))
        return outputs, _named(said["model_name"], said["model_version"])
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, IndexError):
        raise Unreachable(GARBAGE) from None


def _checked(outputs: Outputs) -> Outputs:
    """Return outputs that a model could have given; raises ValueError for others."""
    probabilities, is_digit = outputs
    if probabilities.ndim != 2 or probabilities.shape[1] != config.CLASSES:
        raise ValueError
    shares = [probabilities] if is_digit is None else [probabilities, is_digit]
    if not all(np.all((share >= 0) & (share <= 1)) for share in shares):
        raise ValueError
    if not np.all(np.abs(probabilities.sum(axis=1) - 1) < ROUNDED):
        raise ValueError
    if is_digit is not None and is_digit.shape != probabilities.shape[:1]:
        raise ValueError
    return outputs


def _named(name: Any, version: Any) -> Answering:
    if re.fullmatch(NAME, name) and re.fullmatch(VERSION, version):
        return Answering(name, version)
    raise ValueError
