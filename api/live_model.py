"""The model that answers now: a new good one takes its place while requests are answered."""

import contextlib
import logging
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import model_files
from classifier import Classifier
from litert_runtime import files_of

EVERY = 1.0  # seconds between two looks at the files
TAKEN, REFUSED = "taken", "refused"  # the outcomes of a swap
OUTCOMES = (TAKEN, REFUSED)

Stamps = tuple[tuple[int, ...] | None, ...]  # of every file of the model; None: it is missing

log = logging.getLogger(__name__)


class LiveModel:
    """A model's classifier, called to get it; `watch` follows what becomes of the model's files.

    A request that asked once keeps what it got: it is answered by one model to its end.

    refusal: why the files that are in place now do not answer, in one line without their folder;
    None while they do. on_outcome: called with one of `OUTCOMES` after every swap.
    """

    def __init__(self, path: Path, spare: Path | None = None) -> None:
        """Load the model. Raises ModelError as `Classifier.load` does.

        spare: a folder that the processes of one server share. The files that answer are kept
        there, for a process that starts while those in place are refused.
        """
        self.refusal: str | None = None
        self.on_outcome: Callable[[str], object] = lambda outcome: None
        self._path = path
        self._spare = spare and spare / path.name
        # Before the files are read, so that a change in between is seen later.
        self._tried = self._last = self._stamps()
        try:
            self._classifier = Classifier.load(path)
        except model_files.ModelError as fault:
            if self._spare is None or not self._spare.exists():
                raise
            self._classifier = Classifier.load(self._spare)
            self._refuse(fault)
        else:
            self._keep_spare()

    def __call__(self) -> Classifier:
        return self._classifier

    def watch(self, every: float = EVERY) -> threading.Thread:
        """Look at the files from now on, every so many seconds, in a thread of its own."""

        def follow() -> None:
            never = threading.Event()
            while not never.wait(every):
                self.look()

        thread = threading.Thread(target=follow, name="model watch", daemon=True)
        thread.start()
        return thread

    def look(self) -> None:
        """Look at the files; load them if they have changed and then stayed as they were.

        They are put in place one by one, so a change that has just come may not be the last.
        """
        now = self._stamps()
        if now == self._last and now != self._tried:
            self._tried = now
            self._take()
        self._last = now

    def _take(self) -> None:
        """Load the files anew; keep the classifier that answers if they are no good."""
        try:
            candidate = Classifier.load(self._path)
        except Exception as fault:  # whatever it is, the old one answers and the watch goes on
            if self._stamps() == self._tried:  # otherwise they are changing, and tried again
                self._refuse(fault)
            return
        before, self._classifier = self._classifier.version, candidate
        refused, self.refusal = self.refusal is not None, None
        if candidate.version != before:
            log.warning("%s answers now, in place of %s", candidate.version, before)
            self._keep_spare()
            self.on_outcome(TAKEN)
        elif refused:
            log.warning("%s is %s again, which answered all along", self._path, before)

    def _keep_spare(self) -> None:
        """Copy the files that answer now; a full disk costs only the spare."""
        if self._spare is None:
            return
        copies = [file.with_name(f"{file.name}.{os.getpid()}") for file in files_of(self._spare)]
        with contextlib.suppress(OSError):
            self._spare.parent.mkdir(exist_ok=True)
            for file, copy in zip(files_of(self._path), copies, strict=True):
                if file.exists():
                    shutil.copyfile(file, copy)
            if model_files.digest(copies[0])[:12] == self._classifier.version:
                for copy in filter(Path.exists, copies):
                    copy.replace(copy.with_suffix(""))
        for copy in copies:
            with contextlib.suppress(OSError):
                copy.unlink(missing_ok=True)

    def _refuse(self, fault: Exception) -> None:
        reason = fault.fault if isinstance(fault, model_files.ModelError) else str(fault)
        self.refusal = reason.replace(f"{self._path.parent}{os.sep}", "")
        log.error(
            "%s is refused, %s still answers: %s: put all files of one model in place (%s)",
            self._path,
            self._classifier.version,
            reason,
            ", ".join(file.name for file in files_of(self._path)),
        )
        self.on_outcome(REFUSED)

    def _stamps(self) -> Stamps:
        return tuple(_stamp(file) for file in files_of(self._path))


def _stamp(file: Path) -> tuple[int, ...] | None:
    """Return what changes when a file does, or when a link on the way to it is switched.

    Size and time of writing are not enough: a copy may keep the time.
    """
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns, status.st_mtime_ns, status.st_size
