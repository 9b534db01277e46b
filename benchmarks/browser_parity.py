"""The page without a server held to Python on many pictures: images, answers, and time.

    python benchmarks/browser_parity.py [--pictures 10000]          needs Node.js

Digits of the validation split under every condition, and digits in other people's shapes, through
the page's modules in Node.js and through `utils.to_mnist_form`; both are read by the shipped model.
"""

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "tests"):
    sys.path.insert(0, str(folder))

import static_page  # noqa: E402

import paper  # noqa: E402
import utils  # noqa: E402
from classifier import Classifier  # noqa: E402
from enhanced import NoInk  # noqa: E402
from load_mnist_local import load_mnist  # noqa: E402

TURN = 1_000  # pictures that are in memory at a time


def main() -> None:
    """Print how many answers differ, the largest difference, and the times."""
    parser = argparse.ArgumentParser("browser_parity.py", description="Hold the page to Python.")
    parser.add_argument("--pictures", type=int, default=10_000, help="at least")
    wanted = parser.parse_args().pictures
    classifier, split = Classifier.load(), load_mnist().validation
    drawn = TURN // 5
    each = (TURN - drawn) // len(paper.CONDITIONS)
    done = otherwise = 0
    largest, seconds = 0.0, {"node": 0.0, "python": 0.0}
    while done < wanted:
        pictures = static_page.many_pictures(split, each, drawn, seed=1_000 + done)
        found, most = static_page.held(pictures, classifier)
        otherwise, largest, done = otherwise + found, max(largest, most), done + len(pictures)
        begun = time.perf_counter()
        static_page.images_of(pictures)
        seconds["node"] += time.perf_counter() - begun
        begun = time.perf_counter()
        for picture in pictures:
            try:
                utils.to_mnist_form(picture)
            except NoInk:
                continue
        seconds["python"] += time.perf_counter() - begun
        print(f"{done:,} pictures, {otherwise} answers differ, largest {largest:.1e}", flush=True)
    times = ", ".join(f"{name} {1000 * total / done:.1f} ms" for name, total in seconds.items())
    print(f"a picture to MNIST form: {times}")


if __name__ == "__main__":
    main()
