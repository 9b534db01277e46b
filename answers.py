"""An answer in the words of the contract: the same for the API, the page and their clients."""

from typing import Any, Protocol

from classifier import Answer

TOP = 3  # how many of the likeliest digits are listed


class Named(Protocol):
    """What answered: a Classifier, or what is known of one elsewhere."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def version(self) -> str:
        """The first 12 digits of the model file's SHA-256."""


def describe(answer: Answer, method: str, model: Named) -> dict[str, Any]:
    """Return the answer to one picture as plain JSON values; see the contract in README.md.

    method: the preprocessing that brought the picture to MNIST form. `is_digit` is absent if
    `model` does not say it.
    """
    return {
        "digit": answer.digit,
        "confidence": answer.confidence,
        "probabilities": list(answer.probabilities),
        "top": [
            {"digit": digit, "confidence": answer.probabilities[digit]}
            for digit in answer.ranked[:TOP]
        ],
        **({} if answer.is_digit is None else {"is_digit": answer.is_digit}),
        "preprocessing": method,
        "model": {"name": model.name, "version": model.version},
    }
