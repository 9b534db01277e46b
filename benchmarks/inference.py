"""How long the shipped network takes for one image on one core, as Keras serves it and as LiteRT.

    python benchmarks/inference.py [--model models/mnist_cnn.keras] [--rounds 5]

Takes the model file and its LiteRT form, compares their answers on 200 test images, and times
one image at a time, by turns, each on one thread. Prints the medians of the rounds, their range,
and the largest difference of a probability.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

IMAGES = 200


def milliseconds(answer: Callable[[np.ndarray], object], images: np.ndarray) -> float:
    """Return the mean time of one answer over all images, one by one."""
    begun = time.perf_counter()
    for image in images:
        answer(image[None])
    return 1000 * (time.perf_counter() - begun) / len(images)


def main() -> int:
    """Run the comparison; return the exit status."""
    import config

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, default=config.MODEL_PATH, help="the model file")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is timed")
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("--rounds must be 1 or more")

    import quiet

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core for all
    tf = quiet.import_tensorflow()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from classifier import RUNTIMES, Classifier
    from load_mnist_local import load_mnist

    images = load_mnist().test.images[:IMAGES]
    runtimes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        name: Classifier.load(args.model, name).probabilities for name in RUNTIMES
    }
    answers = [np.concatenate([f(image[None]) for image in images]) for f in runtimes.values()]
    times: dict[str, list[float]] = {name: [] for name in runtimes}
    for _ in range(args.rounds):
        for name, answer in runtimes.items():
            times[name].append(milliseconds(answer, images))
    for name, measured in times.items():
        print(
            f"{name:<14} {statistics.median(measured):.3f} ms an image "
            f"({min(measured):.3f} to {max(measured):.3f})"
        )
    print(f"largest difference of a probability: {np.abs(answers[0] - answers[1]).max():.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
