"""Large pictures decoded in a process of their own.

A decoder that crashes there, or takes minutes, costs the picture that caused it and nothing else.
The process also keeps Python's global lock free: Pillow's WebP decoder holds it while it works.
"""

import itertools
import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

import config
import utils

LARGE_PIXELS = 2**18  # 512x512: fewer are decoded and prepared in a few milliseconds
MOST_WAITING = 16  # calls that may wait for the process
NICENESS = 10  # small pictures, which other processes read, come first
# glibc (mallopt(3)) gives larger blocks back to the system when they are freed, and keeps at most
# so many bytes of smaller ones: what is given back costs page faults. Others ignore these.
MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(16 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 1024 * 1024),
}
START = "from decoding_process import serve; serve()"


log = logging.getLogger(__name__)


class DecoderCrash(utils.UnreadablePicture):
    """The process that decoded a picture ended."""


class DecoderBusy(config.ReaderError):
    """Too many large pictures wait to be decoded."""


class DecoderTimeout(config.ReaderError):
    """A picture was not decoded in time."""


class Prepared(NamedTuple):
    """What came of a picture, and the seconds that it took.

    image: in MNIST form, (28, 28, 1) float32 in [0, 1]; None where there is a fault instead.
    preprocessing: None where decoding failed.
    """

    image: np.ndarray | None
    fault: config.ReaderError | None
    decoding: float
    preprocessing: float | None


def prepare(content: utils.Source, method: str, max_pixels: int) -> Prepared:
    """Decode a picture and bring it to MNIST form, as `utils.decode` and `to_mnist_form` do."""
    image, fault, begin, decoded = None, None, perf_counter(), None
    try:
        picture = utils.decode(content, max_pixels)
        decoded = perf_counter()
        image = utils.to_mnist_form(picture, method)
    except config.ReaderError as refusal:
        fault = refusal.with_traceback(None)  # which would keep the picture until it is collected
    end = perf_counter()
    if decoded is None:
        return Prepared(image, fault, end - begin, None)
    return Prepared(image, fault, decoded - begin, end - decoded)


@dataclass(order=True)
class _Call:
    """A call that waits for its turn: the cheapest first, and of equal ones the earliest."""

    cost: int
    number: int
    deadline: float = field(compare=False)  # time.monotonic()
    message: bytes = field(compare=False)  # the pickled function and arguments
    outcome: "Future[Any]" = field(compare=False, default_factory=Future)


class DecodingProcess:
    """Calls functions in another process, one at a time, from any thread.

    The process is started by the first call, started anew after a crash, and ends with this one.
    """

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._waiting: queue.PriorityQueue[_Call] = queue.PriorityQueue()
        self._most_waiting = most_waiting
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._dispatcher: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def call(self, cost: int, seconds: float, function: Callable[..., Any], *args: Any) -> Any:
        """Return `function(*args)`; both must be picklable, and the function importable.

        cost: in pixels; a cheaper call comes first. Raises what the function raises,
        DecoderCrash, DecoderBusy, or DecoderTimeout after so many seconds.
        """
        if self._waiting.qsize() >= self._most_waiting:
            raise DecoderBusy("too many large pictures are waiting: try again in a second")
        self._start_dispatcher()
        deadline = time.monotonic() + seconds
        message = pickle.dumps((function, args), pickle.HIGHEST_PROTOCOL)
        call = _Call(cost, next(self._numbers), deadline, message)
        self._waiting.put(call)
        try:
            return call.outcome.result(seconds)
        except TimeoutError:
            if not call.outcome.cancel():  # it is being worked on, and is ended at its deadline
                return call.outcome.result()
            raise _late() from None

    def _start_dispatcher(self) -> None:
        with self._lock:
            if self._dispatcher is None:
                self._dispatcher = threading.Thread(target=self._dispatch, daemon=True)
                self._dispatcher.start()

    def _dispatch(self) -> None:
        while True:
            call = self._waiting.get()
            if not call.outcome.set_running_or_notify_cancel():
                continue
            try:
                fault, result = self._answer(call)
            except Exception as unexpected:  # no process can be started, say
                fault, result = unexpected, None
            if fault is None:
                call.outcome.set_result(result)
            else:
                call.outcome.set_exception(fault)

    def _answer(self, call: _Call) -> tuple[Exception | None, Any]:
        """Return the fault or the result that the process sends."""
        left = call.deadline - time.monotonic()
        if left <= 0:
            return _late(), None
        if self._process is None or self._process.poll() is not None:
            self._process = _start()
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        watchdog = threading.Timer(left, process.kill)
        watchdog.start()
        try:
            process.stdin.write(call.message)
            process.stdin.flush()
            fault, result = pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            process.kill()
            process.wait()
            process.stdout.close()
            if time.monotonic() >= call.deadline:
                return _late(), None
            log.error("a picture ended the decoding process: exit status %s", process.returncode)
            return DecoderCrash("the picture cannot be decoded: save it as a PNG file"), None
        finally:
            watchdog.cancel()
        return fault, result


def _late() -> DecoderTimeout:
    return DecoderTimeout("a picture was not decoded in time: send fewer or smaller pictures")


def _start() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=config.ROOT,
        env=os.environ | MEMORY,
    )


def serve() -> None:
    """Answer calls on standard input until it ends: what a process that was started here does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too; its parent ends it
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    calls, outcomes = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between the outcomes
    while True:
        try:
            function, args = pickle.load(calls)
        except EOFError:
            return
        outcome: tuple[Exception | None, Any]
        try:
            outcome = None, function(*args)
        except Exception as fault:
            outcome = fault.with_traceback(None), None
        try:
            pickle.dump(outcome, outcomes, pickle.HIGHEST_PROTOCOL)
            outcomes.flush()
        except BrokenPipeError:  # the parent was killed meanwhile
            os._exit(0)
