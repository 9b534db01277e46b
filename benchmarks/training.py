"""The quick preset against the field's hello world, in one run on one machine.

    python benchmarks/training.py [--rounds 1] [--keep FOLDER]

Trains the convnet of the Keras example "Simple MNIST convnet" (32 and 64 filters, 15 epochs,
batches of 128) as it is written there, and then the quick preset as `train_model.py` runs it,
each in a process of its own, by turns. Prints wall time, test accuracy and the ratio. What they
trained is left in the folder, as model files that every script here reads.
Source: F. Chollet, "Simple MNIST convnet", keras.io/examples/vision/mnist_convnet (2015).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

EXAMPLE_EPOCHS = 15


def train_example(output: Path) -> float:
    """Train the example's network on all but 10% of the training set, write it to `output`.

    Returns the test accuracy.
    """
    import quiet

    quiet.import_tensorflow()
    import keras
    import numpy as np
    from keras import layers

    import metrics
    import model_files
    from load_mnist_local import load_mnist

    mnist = load_mnist()
    images = np.concatenate([mnist.train.images, mnist.validation.images])
    labels = np.concatenate([mnist.train.labels, mnist.validation.labels])
    network = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    network.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    network.fit(
        images,
        keras.utils.to_categorical(labels, 10),
        batch_size=128,
        epochs=EXAMPLE_EPOCHS,
        validation_split=0.1,
        verbose=2,
    )
    probabilities = network.predict(mnist.test.images, verbose=0)
    card = {"preset": "Keras example", "test": metrics.figures(probabilities, mnist.test.labels)}
    model_files.write_model(network.save, card, output)
    return float((probabilities.argmax(axis=1) == mnist.test.labels).mean())


def time_example(folder: Path) -> tuple[float, float]:
    """Run the example in a process; return wall seconds and test accuracy."""
    begun = time.monotonic()
    command = [sys.executable, __file__, "--example", str(folder / "example.keras")]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return time.monotonic() - begun, float(done.stdout.splitlines()[-1])


def time_quick(folder: Path) -> tuple[float, float]:
    """Run `train_model.py` in a process; return wall seconds and test accuracy."""
    output = folder / "quick.keras"
    begun = time.monotonic()
    script = [sys.executable, str(ROOT / "train_model.py"), "--preset", "quick"]
    places = ["--output", str(output), "--checkpoints", str(folder / "checkpoints")]
    subprocess.run([*script, *places, "--restart", "--force"], check=True)
    seconds = time.monotonic() - begun
    card = json.loads(output.with_suffix(".json").read_text("utf-8"))
    return seconds, card["test"]["accuracy"]


def main() -> int:
    """Run both by turns and print the table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1, help="times that each is run")
    parser.add_argument("--keep", type=Path, help="folder for what was trained (default: none)")
    parser.add_argument("--example", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.example:
        print(train_example(args.example))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        compare(args.rounds, args.keep or Path(scratch))
    return 0


def compare(rounds: int, folder: Path) -> None:
    """Run both by turns, leaving their models in the folder, and print the table."""
    folder.mkdir(parents=True, exist_ok=True)
    contestants = {f"Keras example, {EXAMPLE_EPOCHS} epochs": time_example, "quick": time_quick}
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            runs[name].append(run(folder))
    print(f"\n{'':<26}{'wall s':>8}{'test accuracy':>16}")
    for name, results in runs.items():
        seconds = statistics.median(r[0] for r in results)
        accuracy = statistics.median(r[1] for r in results)
        print(f"{name:<26}{seconds:>8.0f}{100 * accuracy:>15.2f}%")
    example, quick = runs.values()
    ratio = statistics.median(q[0] / e[0] for e, q in zip(example, quick, strict=True))
    print(f"quick takes {ratio:.2f} of the example's time")


if __name__ == "__main__":
    sys.exit(main())
