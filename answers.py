"""An answer in the words of the contract: the same for the API, the page and their clients."""

from typing import Any

from classifier import Answer, Classifier

TOP = 3  # how many of the likeliest digits are listed


def describe(answer: Answer, method: str, classifier: Classifier) -> dict[str, Any]:
    """Return the answer to one picture as plain JSON values; see the contract in README.md.

    method: the preprocessing that brought the picture to MNIST form. `is_digit` is absent if
    the model does not say it.
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
        "model": {"name": classifier.name, "version": classifier.version},
    }
