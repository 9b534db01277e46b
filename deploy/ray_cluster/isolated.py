"""Pictures brought to MNIST form in a process of their own: a decoder's crash costs one picture."""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

import config  # noqa: E402
import utils  # noqa: E402

CRASHED = "reading the picture ended the process that read it, twice"

Prepared = tuple[np.ndarray | None, str]  # an image in MNIST form, or why there is none


def prepare(content: bytes, method: str, max_pixels: int) -> Prepared:
    """Return a picture's image in MNIST form, (28, 28, 1) float32, or why there is none."""
    try:
        return utils.to_mnist_form(utils.decode(content, max_pixels), method), ""
    except config.ReaderError as fault:
        return None, str(fault)
    except Exception as fault:  # whatever it is, the other pictures are read
        return None, f"the picture cannot be read: {type(fault).__name__}: {fault}"


class Isolated:
    """A process that prepares pictures. It is started when it is needed, and ends with this one."""

    def __init__(self, method: str, max_pixels: int, script: Path = Path(__file__)) -> None:
        self._command = [sys.executable, str(script), method, str(max_pixels)]
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self, contents: Sequence[bytes]) -> list[Prepared]:
        """Return what `prepare` does for each picture.

        One at which the process ends is tried once more, alone; if it ends again the picture is
        given up with CRASHED, and the rest goes to a new process.
        """
        prepared: list[Prepared] = []
        while len(prepared) < len(contents):
            prepared += self._tried(contents[len(prepared) :])
            if len(prepared) < len(contents):
                suspect = contents[len(prepared)]
                prepared += self._tried([suspect]) or [(None, CRASHED)]
        return prepared

    def _tried(self, contents: Sequence[bytes]) -> list[Prepared]:
        """Return the prepared pictures, up to the one at which the process ended."""
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        prepared: list[Prepared] = []
        try:
            pickle.dump(list(contents), requests, pickle.HIGHEST_PROTOCOL)
            requests.flush()
            for _ in contents:
                prepared.append(pickle.load(answers))
        except (OSError, EOFError, pickle.UnpicklingError):
            self.close()
        return prepared

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def serve(method: str, max_pixels: int) -> None:
    """Answer lists of pictures on standard input, a pickled `Prepared` for each on its output."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    while True:
        try:
            contents = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        for content in contents:
            answers.write(pickle.dumps(prepare(content, method, max_pixels)))
            answers.flush()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
