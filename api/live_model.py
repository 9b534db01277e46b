"""The model that answers now: a new good file takes its place while requests are answered."""

import logging
import threading
from pathlib import Path

import model_files
from classifier import Classifier

EVERY = 1.0  # seconds between two looks at the file

Stamp = tuple[tuple[int, int] | None, ...]  # of model file and card: when written, how large

log = logging.getLogger(__name__)


class LiveModel:
    """A model file's classifier, called to get it; `watch` follows what becomes of the file.

    A request that asked once keeps what it got: it is answered by one model to its end.
    """

    def __init__(self, path: Path) -> None:
        """Load the file. Raises ModelError as `Classifier.load` does."""
        self._files = (path, model_files.card_path(path))
        self._stamp = self._look()  # before the file is read: a change in between is seen later
        self._classifier = Classifier.load(path)

    def __call__(self) -> Classifier:
        return self._classifier

    def watch(self, every: float = EVERY) -> threading.Thread:
        """Look at the file from now on, every so many seconds, in a thread of its own."""

        def follow() -> None:
            before, never = self._stamp, threading.Event()
            while not never.wait(every):
                now = self._look()
                # Model and card are two files: wait until both have been left alone for a while.
                if now == before and now != self._stamp:
                    self._stamp = now
                    self._take()
                before = now

        thread = threading.Thread(target=follow, name="model watch", daemon=True)
        thread.start()
        return thread

    def _take(self) -> None:
        """Load the file anew; keep the classifier that answers if it is no good."""
        path = self._files[0]
        try:
            found = Classifier.load(path)
        except Exception as fault:  # whatever it is, the old one answers and the watch goes on
            log.error("%s is refused, %s still answers: %s", path, self._classifier.version, fault)
            return
        log.warning("%s answers now, in place of %s", found.version, self._classifier.version)
        self._classifier = found

    def _look(self) -> Stamp:
        return tuple(_stamp(file) for file in self._files)


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
