"""What a runtime gives for a batch of images, whichever it is."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

PROBABILITIES, IS_DIGIT = "probabilities", "is_digit"  # how a model file names its outputs


class Outputs(NamedTuple):
    """What a model says of N images.

    probabilities: (N, 10) float32, rows summing to 1. is_digit: (N,) float32 in [0, 1], below
    config.IS_DIGIT_THRESHOLD for an image that is not one digit; None from a model without it.
    """

    probabilities: np.ndarray
    is_digit: np.ndarray | None = None

    def by_name(self) -> dict[str, np.ndarray]:
        """Return the outputs named and shaped as in the model file: is_digit is (N, 1) there."""
        said = {} if self.is_digit is None else {IS_DIGIT: self.is_digit[:, np.newaxis]}
        return {PROBABILITIES: self.probabilities} | said


Predict = Callable[[np.ndarray], Outputs]  # of images (N, 28, 28, 1) float32, N >= 1
