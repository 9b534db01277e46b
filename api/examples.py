"""Requests that work, for the OpenAPI document: one small picture of a seven in every form."""

from typing import Any

import numpy as np

import utils

PICTURE = (  # 28x28, black on white, as PNG in base64
    "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcAQAAAABaduI5AAAASklEQVR42m3NoRXCQBAFwNn/TiAiKCGdkNIpBYnkXEQemw"
    "bOjJ1qZmBJ1xCGUf0VHsJHeApvYaf79QuHaKq7ZvyJIi4ixEls6+0GCEQRTH0InmoAAAAASUVORK5CYII="
)
DIGIT = 7
ANSWER = {
    "digit": DIGIT,
    "confidence": 0.9999,
    "probabilities": [0.0, 0.0001, 0.0, 0.0, 0.0, 0.0, 0.0, 0.9999, 0.0, 0.0],
    "top": [
        {"digit": DIGIT, "confidence": 0.9999},
        {"digit": 1, "confidence": 0.0001},
        {"digit": 4, "confidence": 0.0},
    ],
    "is_digit": 0.9995,
    "preprocessing": "enhanced",
    "model": {"name": "mnist_cnn", "version": "25fb95cc6435"},
}

Examples = dict[str, Any]  # by what an example is of


def predict() -> Examples:
    """Return what /predict takes as JSON."""
    return {
        "a picture": {"image": PICTURE},
        "a batch": {"images": [PICTURE, f"data:image/png;base64,{PICTURE}"]},
        "pixels": {"pixels": _pixels().tolist()},
    }


def serving() -> Examples:
    """Return what TensorFlow Serving's predict takes."""
    return {
        "a picture": {"instances": [{"b64": PICTURE}]},
        "a picture by columns": {"inputs": {"images": [{"b64": PICTURE}]}},
        "numbers": {"instances": [_image().tolist()]},
    }


def infer() -> Examples:
    """Return what the Open Inference Protocol's infer takes as JSON."""
    pictures = {"name": "pictures", "datatype": "BYTES", "shape": [1], "data": [PICTURE]}
    numbers = _image().ravel().tolist()
    images = {"name": "images", "datatype": "FP32", "shape": [1, 28, 28, 1], "data": numbers}
    return {
        "a picture": {
            "id": "seven",
            "inputs": [pictures],
            "parameters": {"preprocessing": "enhanced"},
            "outputs": [{"name": "probabilities"}],
        },
        "numbers": {"inputs": [images]},
    }


def _pixels() -> np.ndarray:
    """Return the seven's pixels, (28, 28), 0 and 255."""
    return np.asarray(utils.decode(PICTURE).convert("L"))


def _image() -> np.ndarray:
    """Return the seven as an image, (28, 28), ink 1 on paper 0."""
    return 1 - _pixels() // 255
