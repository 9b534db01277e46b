"""Start-up messages are hidden, and never a line that another thread writes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

import litert_runtime


def run(code: str, *paths: Path) -> "subprocess.CompletedProcess[str]":
    """Run code in a process of its own, which has no thread but the first one."""
    search = os.pathsep.join(map(str, (ROOT, *paths)))
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": search},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )


# Eight threads ask a model for their first answer and load it anew, while one writes.
FIRST_ANSWERS = """
import os, sys, threading
import numpy as np
from classifier import Classifier
model, image = Classifier.load(), np.zeros((1, 28, 28, 1))
start, stop, lines = threading.Barrier(9), threading.Event(), 0
def ask():
    start.wait()
    for _ in range(3):
        Classifier.load().probabilities(image)
        model.probabilities(image)
def write():
    global lines
    start.wait()
    while not stop.is_set():
        print("line", lines, file=sys.stderr)
        lines += 1
asking, writing = [threading.Thread(target=ask) for _ in range(8)], threading.Thread(target=write)
for thread in (*asking, writing):
    thread.start()
for thread in asking:
    thread.join()
stop.set()
writing.join()
print("the end", file=sys.stderr)
os.write(2, b"of all\\n")
files = [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if n.isdigit()
         and os.path.lexists(f"/proc/self/fd/{n}")] if sys.platform == "linux" else []
print(lines, [file for file in files if "notices" in file])
"""


@pytest.mark.skipif(not litert_runtime.installed(), reason="LiteRT has no package here")
def test_no_line_is_lost_while_threads_give_their_first_answers() -> None:
    done = run(FIRST_ANSWERS)
    lines, open_files = done.stdout.split(maxsplit=1)
    assert open_files.strip() == "[]"
    assert int(lines) > 100
    expected = [f"line {number}" for number in range(int(lines))] + ["the end", "of all"]
    assert done.stderr.splitlines() == expected


# Two threads are in the block at once, and the one that came first leaves first.
OVERLAPPING = """
import os, sys, threading
import quiet
outer, inner = threading.Event(), threading.Event()
def first():
    with quiet.notices_aside():
        outer.set()
        inner.wait()
thread = threading.Thread(target=first)
stdout = sys.stdout
thread.start()
outer.wait()
with quiet.notices_aside():
    inner.set()
    thread.join()
    os.write(2, b"in the block\\n")
os.write(2, b"after it\\n")
assert sys.stdout is stdout
"""


def test_blocks_of_two_threads_leave_the_streams_as_they_were() -> None:
    assert run(OVERLAPPING).stderr == "in the block\nafter it\n"


ALONE = """
import os
import quiet
with quiet.notices_aside():
    os.write(2, b"a notice\\n")
    print("another")
os.write(2, b"a line\\n")
try:
    with quiet.notices_aside():
        os.write(2, b"what led to it\\n")
        raise ValueError
except ValueError:
    os.write(2, b"a fault\\n")
"""


def test_a_thread_alone_hides_notices_unless_there_is_a_fault() -> None:
    done = run(ALONE)
    assert done.stderr == "a line\nwhat led to it\na fault\n"
    assert done.stdout == ""


IMPORTS = """
import threading
import quiet
modules = []
threads = [threading.Thread(target=lambda: modules.append(quiet.import_tensorflow().last_line))
           for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(modules)
"""


def test_every_thread_gets_a_whole_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text("import time\ntime.sleep(0.2)\nlast_line = 1\n")
    done = run(IMPORTS, tmp_path)
    assert (done.stdout, done.stderr) == ("[1, 1, 1, 1]\n", "")
