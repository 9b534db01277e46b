"""Granian's server, except that it replaces a worker however often it ends."""

import logging
import threading
import time
from collections import Counter
from typing import Any

from api import metrics

SHORT_LIFE = 5.0  # seconds: a worker that ends sooner is replaced after a pause
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds; it doubles with every short life in a row
FAILED_STARTS = 3  # in a row, after which a server that never served gives up
LOOK_EVERY = 1.0  # seconds, in case the news of a worker's end is missed

log = logging.getLogger(__name__)


def server_class(is_serving: threading.Event) -> type[Any]:
    """Return the class of a server that keeps its workers alive until it is told to end.

    Granian's own (2.x) ends when one worker ends twice within 5.5 seconds, which two requests
    could bring about. is_serving: set once a worker has answered; until then workers that end as
    they start end the server, with exit status 1.
    """
    from granian.server import Server

    class Supervisor(Server):  # type: ignore[misc, valid-type]
        def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
            due: dict[int, float] = {}  # when to replace the workers that have ended, by index
            short_lives: Counter[int] = Counter()
            while not self.interrupt_signal:
                self.main_loop_interrupt.wait(FIRST_PAUSE if due else LOOK_EVERY)
                self.main_loop_interrupt.clear()
                if self.reload_signal:
                    self._reload(spawn_target, target_loader)
                now = time.monotonic()
                for index, worker in enumerate(self.wrks):
                    if worker.is_alive():
                        continue
                    if index not in due:
                        is_short = now - worker.birth < SHORT_LIFE
                        short_lives[index] = short_lives[index] + 1 if is_short else 0
                        due[index] = now + pause_after(short_lives[index])
                        _note_end(index, worker.inner)
                    if short_lives[index] >= FAILED_STARTS and not is_serving.is_set():
                        log.error("the workers end as they start: giving up")
                        return  # Granian exits with status 1, as it lists ended workers
                    if now >= due[index]:
                        del due[index]
                        self.interrupt_children.clear()
                        self._respawn_workers([index], spawn_target, target_loader)

    return Supervisor


def pause_after(short_lives: int) -> float:
    """Return the seconds before a worker is replaced after so many short lives in a row."""
    if not short_lives:
        return 0.0
    return min(FIRST_PAUSE * 2.0 ** min(short_lives - 1, 10), LONGEST_PAUSE)


def _note_end(index: int, process: Any) -> None:
    log.error("worker %d ended with exit status %s and is replaced", index + 1, process.exitcode)
    metrics.forget_worker(process.pid)
