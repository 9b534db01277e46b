"""`make fuzz`: inputs that coverage leads to, at `decode` and the `enhanced` method, by Atheris.

Python is instrumented, the project's and Pillow's; Pillow's C libraries run as they are shipped.
What libFuzzer is to do (how many inputs, how long, how large) stands in the Makefile.
"""

import random
import sys
import warnings
from pathlib import Path

import atheris

for folder in (Path(__file__).resolve().parent.parent, Path(__file__).resolve().parent):
    sys.path.insert(0, str(folder))

ROOMS = ["containers", "decoding", "utils", "enhanced", "flat_paper", "ink_parts", "image_filters"]
with atheris.instrument_imports(include=[*ROOMS, "PIL"]):
    import fuzzing


def mutate(content: bytes, most: int, seed: int) -> bytes:
    """Return another input of at most `most` bytes, made from one of the corpus."""

    def alter(piece: bytes) -> bytes:
        return bytes(atheris.Mutate(piece, max(most, 1)))

    chosen = random.Random(seed).random()
    if chosen < 0.2:
        return alter(content)[:most]
    return fuzzing.damaged(content, alter, below=chosen < 0.5)[:most]


def main() -> None:
    """Run until libFuzzer has tried as many inputs as it was told, or has found a fault."""
    for owner, name in fuzzing.NEVER:
        setattr(owner, name, fuzzing.refuse)
    warnings.simplefilter("ignore")  # Pillow's, of the damage that it is shown here
    atheris.Setup(sys.argv, lambda content: fuzzing.check(content) and None, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
