"""The threads of a worker process that answer requests while its event loop goes on."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

R = TypeVar("R")

THREADS = 32  # more than may wait for the decoding process, so that some are always free


class Turn:
    """A lock that threads get in the order in which they ask: `threading.Lock` keeps none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gates: deque[threading.Lock] = deque()  # each locked until its thread's turn
        self._is_taken = False

    def acquire(self) -> None:
        """Wait for the turn."""
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return
            gate = threading.Lock()
            gate.acquire()
            self._gates.append(gate)
        gate.acquire()

    def release(self) -> None:
        """Hand the turn to the thread that has waited longest."""
        with self._lock:
            if self._gates:
                self._gates.popleft().release()
            else:
                self._is_taken = False


class WorkerThreads:
    """Threads of which two at a time are at work, one for a large body and one for a small one.

    Python would not run more of them any sooner.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(THREADS, "answer")
        self._turns = {True: Turn(), False: Turn()}  # by whether the body is large
        self._own = threading.local()  # the turn of the thread that asks

    async def run(self, is_large: bool, function: Callable[..., R], *args: object) -> R:
        """Return the function's result, worked out in one of the threads when it is its turn."""

        def work() -> R:
            turn = self._own.turn = self._turns[is_large]
            turn.acquire()
            try:
                return function(*args)
            finally:
                turn.release()

        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let another thread work while the one that calls this waits for something."""
        turn: Turn = self._own.turn
        turn.release()
        try:
            yield
        finally:
            turn.acquire()
