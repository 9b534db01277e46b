"""Import noisy libraries without their start-up messages."""

import contextlib
import io
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import IO


@contextmanager
def notices_aside() -> Iterator[None]:
    """Hide what the block prints, unless it raises; does nothing while other threads run.

    Native libraries write to file descriptor 2 whatever Python has set, so hiding that means
    swapping the descriptor, which belongs to the whole process. Another thread's lines would be
    hidden too, and two threads that swapped it together could leave it swapped.
    """
    if not _alone():
        yield
        return
    sys.stderr.flush()
    with _file() as notices, contextlib.redirect_stdout(io.StringIO()):
        terminal = os.dup(2)
        os.dup2(notices.fileno(), 2)
        try:
            yield
        except BaseException:
            notices.seek(0)
            os.write(terminal, notices.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def _alone() -> bool:
    """Return whether no other Python thread runs; tqdm's monitor, which writes nothing, may."""
    this = threading.current_thread()
    return all(
        thread is this or type(thread).__name__ == "TMonitor" for thread in threading.enumerate()
    )


def _file() -> IO[bytes]:
    """Open a file of no name: in memory where the system can, so that the disk may be read-only."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("notices"), "w+b")
    return tempfile.TemporaryFile()


def import_tensorflow() -> ModuleType:
    """Import TensorFlow and return it, without its notices if `notices_aside` can hide them.

    May be called from any thread: each waits until the import is complete.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    aside = contextlib.nullcontext() if "tensorflow" in sys.modules else notices_aside()
    with aside:
        import tensorflow

    module: ModuleType = tensorflow
    return module
