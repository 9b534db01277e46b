"""The server beneath the application: worker processes that listen, are replaced, and drain.

Granian serves: its network side is compiled, the same on Linux, macOS and Windows (there with one
worker). Every worker has the model and listens on the port itself; one that ends is started anew.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import cli
import config
from api import logs, metrics
from api.app import create_app
from api.door import Door
from api.live_model import LiveModel
from api.supervisor import server_class
from api.worker_threads import WorkerThreads
from decoding_process import DecodingProcess

BACKLOG = 2048  # connections that the system holds for a worker that has not taken them up
CONNECTIONS = 4096  # that a worker holds open at once
IDLE_MS = 30_000  # a connection that sends no request's head for as long is closed
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
KEPT = 16 * 1024 * 1024  # bytes of freed memory
SWITCH_SECONDS = 0.001  # after which a thread at work lets the event loop go on
LOGGING = {  # Granian's own records go where ours go
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {},
    "formatters": {},
    "loggers": {"_granian": {"propagate": True}},
}


def serve(settings: config.Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; what has come by then is still answered."""
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    workers = 1 if sys.platform == "win32" else settings.workers  # Granian can have but one there
    if "tensorflow" in sys.modules:  # whose threads do not survive a fork
        multiprocessing.set_start_method("spawn", force=True)
    _work_in_batches()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_heed_signals)
    address = str(
        socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][4][0]
    )
    with _shared_folder() if workers > 1 else contextlib.nullcontext():
        is_serving = threading.Event()
        server = server_class(is_serving)(
            "api.server",
            address=address,
            port=settings.port,
            interface=Interfaces.RSGI,
            http=HTTPModes.http1,
            websockets=False,
            workers=workers,
            backlog=BACKLOG,
            backpressure=CONNECTIONS,
            http1_settings=HTTP1Settings(header_read_timeout=IDLE_MS),
            respawn_failed_workers=True,
            workers_kill_timeout=settings.max_seconds,
            log_level=LogLevels.warning,
            log_dictconfig=LOGGING,
        )
        threading.Thread(
            target=_tell_when_serving, args=(settings, address, is_serving), daemon=True
        ).start()
        server.serve(target_loader=partial(_worker, settings, workers), wrap_loader=False)


def _work_in_batches() -> None:
    """Have Linux let each thread of the server work on when another one wakes (sched(7)).

    The thread that reads the network wakes with every request, and would push the one that reads
    a picture off its core, and its data out of the cache: a request costs 14% more that way.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # forbidden here
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _keep_freed_memory() -> None:
    """Have glibc keep what one picture has freed for the next (mallopt(3)).

    It would go back to the system each time: a drawing costs 190 page faults, and none with this.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, size in ((M_TRIM_THRESHOLD, KEPT), (M_MMAP_THRESHOLD, KEPT // 16)):
            mallopt(parameter, size)


def _heed_signals() -> None:
    """Let a worker that is still starting be ended: it inherits the handlers of its parent."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _worker(settings: config.Settings, workers: int) -> Callable[..., Any]:
    """Return what answers in a worker process, in which this is called."""
    logs.set_up(settings.log_format)
    _keep_freed_memory()
    sys.setswitchinterval(SWITCH_SECONDS)
    folder = os.environ.get(metrics.FOLDER)
    model = LiveModel(settings.model, Path(folder) / "model" if folder else None)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threads, decoding = WorkerThreads(), DecodingProcess()

    def remote_call(*call: Any) -> Any:
        with threads.waiting():
            return decoding.call(*call)

    app = create_app(model, settings, remote_call)
    model.watch()
    return Door(app, settings, max(1, settings.max_queue // workers), threads).answer


def _end_with_parent() -> None:
    """End this worker when its parent has ended, however that came: nobody else would."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def _tell_when_serving(
    settings: config.Settings, address: str, is_serving: threading.Event
) -> None:
    while True:
        try:
            socket.create_connection((address, settings.port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            break
    is_serving.set()
    where = f"http://{cli.authority(settings.host, settings.port)}"
    logs.tell(f"serving on {where} (Ctrl-C ends it)", settings.log_format)


@contextmanager
def _shared_folder() -> Iterator[None]:
    """Name a new folder for what the workers share, in memory where the system has such a disk."""
    memory = Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK) else None
    try:
        made = tempfile.TemporaryDirectory(prefix="digit-api-", dir=where)
    except OSError:
        raise config.ReaderError(
            "there is no folder that may be written for what the workers share: let /dev/shm or "
            "/tmp be writable, or serve with --workers 1"
        ) from None
    with made as folder:
        os.environ[metrics.FOLDER] = folder
        yield
