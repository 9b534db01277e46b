"""The script train_model.py on few pictures, to try its flags and files.

python tests/small_training.py --preset smoke …     in a process of its own
"""

import contextlib
import functools
import io
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import evaluation  # noqa: E402
import litert_runtime  # noqa: E402
import train_model  # noqa: E402
from load_mnist_local import Mnist, Split, load_mnist  # noqa: E402

IMAGES = 500  # of the validation split and the test set
PICTURES = replace(evaluation.PICTURES, sheets=40)  # of the plots


class Ended(NamedTuple):
    """What a run printed, and its exit status."""

    returncode: int
    stdout: str
    stderr: str


def main(argv: Sequence[str] | None = None, whole: bool = False) -> int:
    """Do what the script does; return its exit status. whole: with plots and LiteRT form."""
    with contextlib.ExitStack() as patches:
        patches.enter_context(mock.patch.object(train_model, "load_mnist", _few_images))
        patches.enter_context(mock.patch.object(evaluation, "PICTURES", PICTURES))
        if not whole:
            patches.enter_context(mock.patch.object(evaluation, "draw_plots"))
            patches.enter_context(mock.patch.object(litert_runtime, "installed", lambda: False))
        return train_model.main(argv)


def run(argv: Sequence[str], whole: bool = False) -> Ended:
    """Do what the script does, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(argv, whole)
        except SystemExit as end:  # argparse's, for wrong usage
            status = int(end.code or 0)
    return Ended(status, out.getvalue(), err.getvalue())


@functools.cache
def _few_images(data_dir: Path) -> Mnist:
    mnist = load_mnist(data_dir)
    return replace(mnist, validation=_first(mnist.validation), test=_first(mnist.test))


def _first(split: Split) -> Split:
    return Split(split.images[:IMAGES], split.labels[:IMAGES])


if __name__ == "__main__":
    sys.exit(main())
