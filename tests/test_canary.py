"""A good canary is promoted; one that misreads, lingers, fails or dies is rolled back."""

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import free_port
from deploying import DEPLOY, ROOT, canary, hundred, watching

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="the servers are ended by POSIX signals"),
]

KNOWN = 10  # of the hundred pictures: the others are asked in the same way

# Read by Python when the server starts: what it does otherwise than it should. All but the first
# read the known pictures well, so that only the traffic can tell.
FAULTS = {
    "misreading": """
import numpy
def changed(self, images):
    said = was(self, images)
    return said._replace(probabilities=numpy.roll(said.probabilities, 1, axis=1))
""",
    "slow": """
import time
asked = []
def changed(self, images):
    asked.append(1)
    time.sleep(1 if len(asked) > 25 and len(asked) % 5 == 0 else 0)
    return was(self, images)
""",
    "failing": """
asked = []
def changed(self, images):
    asked.append(1)
    if len(asked) % 5 == 0:
        raise RuntimeError
    return was(self, images)
""",
    "turning": """
asked = []
def changed(self, images):
    asked.append(1)
    said = was(self, images)
    return said._replace(is_digit=said.is_digit * 0) if len(asked) > 25 else said
""",
}
PATCH = """
import sys
sys.path.insert(0, {root!r})
import classifier
was = classifier.Classifier.outputs
"""


@contextmanager
def served(folder: Path, fault: str = "") -> Iterator[tuple[str, int]]:
    """Run flask_deploy.py; give its address and process. fault: one of FAULTS."""
    port = free_port()
    words = ["flask_deploy.py", "--port", str(port), "--workers", "1"]
    environment = dict(os.environ)
    if fault:
        code = PATCH.format(root=str(ROOT)) + FAULTS[fault]
        code += "classifier.Classifier.outputs = changed\n"
        (folder / "sitecustomize.py").write_text(code, "utf-8")
        environment["PYTHONPATH"] = str(folder)
    log = (folder / f"{port}.log").open("wb")
    running = subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, stdout=log, stderr=log, env=environment
    )
    try:
        yield f"http://127.0.0.1:{port}", running.pid
    finally:
        running.terminate()
        running.wait(30)
        log.close()


@pytest.fixture(scope="module")
def stable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("stable")) as (address, _):
        yield address


@pytest.fixture(scope="module")
def known() -> tuple[hundred.Picture, ...]:
    return hundred.pictures()[:: 100 // KNOWN]


@pytest.fixture
def led(
    stable: str,
    known: tuple[hundred.Picture, ...],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., tuple[int, str, list[str]]]:
    """Leads a canary; gives the exit status, what stderr says, and the commands that were run."""
    monkeypatch.setattr(canary, "pictures", lambda: known)
    done = tmp_path / "done"

    def run(address: str, *more: str) -> tuple[int, str, list[str]]:
        def noted(words: str) -> str:
            return f"sh -c 'echo {words} >> {done}'"

        given = ["--stable", stable, "--canary", address, "--steps", "10,50", "--seconds", "0.6"]
        given += [
            "--every",
            "0.1",
            "--ready-seconds",
            "300",
            "--set-weight",
            noted("weight {percent} {rest}"),
        ]
        given += ["--promote", noted("promote"), "--roll-back", noted("undo")]
        before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        try:
            status = canary.main([*given, *more])
        finally:
            signal.signal(signal.SIGTERM, before[0])
            signal.signal(signal.SIGINT, before[1])
        return status, capfd.readouterr().err, done.read_text().splitlines()

    return run


def test_a_good_canary_is_given_more_and_more_and_is_promoted(
    led: Callable, tmp_path: Path
) -> None:
    with served(tmp_path) as (address, _):
        status, told, commands = led(address, "--slack", "0.5")
    assert (status, told) == (0, "")
    assert commands == ["weight 10 90", "weight 50 50", "promote"]


def test_a_bad_model_gets_no_traffic(led: Callable, tmp_path: Path) -> None:
    with served(tmp_path, "misreading") as (address, _):
        status, told, commands = led(address)
    assert (status, commands) == (1, ["undo"])
    assert "rolled back: it reads " in told
    assert f"the stable one {KNOWN}" in told


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("slow", "it answers 95% within "),
        ("failing", "of its requests fail"),
        ("turning", "of its pictures for no digit"),
    ],
)
def test_a_canary_that_is_worse_in_the_traffic_is_rolled_back(
    led: Callable, tmp_path: Path, fault: str, reason: str
) -> None:
    more = ["--fewer-right", "12", "--slack", "0.5" if fault != "slow" else "0.05"]
    with served(tmp_path, fault) as (address, _):
        status, told, commands = led(address, *more)
    assert (status, commands) == (1, ["weight 10 90", "undo"])
    assert reason in told


def test_a_canary_that_dies_is_rolled_back(led: Callable, tmp_path: Path) -> None:
    with served(tmp_path) as (address, process):
        kill = f"sh -c 'kill {process}; echo promote-nothing >> {tmp_path / 'done'}'"
        status, told, commands = led(address, "--set-weight", kill, "--seconds", "20")
    assert (status, commands) == (1, ["promote-nothing", "undo"])
    assert "does not answer any more" in told or "requests fail" in told


def test_a_canary_that_never_comes_is_rolled_back(led: Callable) -> None:
    status, told, commands = led(f"http://127.0.0.1:{free_port()}", "--ready-seconds", "0.5")
    assert (status, commands) == (1, ["undo"])
    assert "is not ready after" in told


def test_a_failing_command_rolls_back_and_a_failing_roll_back_is_told(
    led: Callable, stable: str
) -> None:
    status, told, commands = led(stable, "--promote", "false", "--slack", "1")
    assert (status, commands) == (1, ["weight 10 90", "weight 50 50", "undo"])
    assert "`false` ended with status 1" in told
    status, told, _ = led(stable, "--set-weight", "no-such-program", "--roll-back", "false")
    assert status == 3
    assert "THE ROLL-BACK FAILED, do it by hand" in told


# The program with fewer pictures, which are quicker read than made.
RUN = """
import pickle, sys
sys.path[:0] = sys.argv[1:3]
import canary
from pathlib import Path
known = pickle.loads(Path(sys.argv[3]).read_bytes())
canary.pictures = lambda: known
sys.exit(canary.main(sys.argv[4:]))
"""


def test_a_stopped_job_rolls_back(
    stable: str, known: tuple[hundred.Picture, ...], tmp_path: Path
) -> None:
    (tmp_path / "known").write_bytes(pickle.dumps(known))
    folders = [str(DEPLOY / name) for name in ("pipeline", "smoke")]
    undone = tmp_path / "undone"
    words = ["--stable", stable, "--canary", stable, "--seconds", "60", "--every", "0.1"]
    words += ["--set-weight", "true", "--promote", "true", "--roll-back", f"touch {undone}"]
    running = subprocess.Popen(
        [sys.executable, "-c", RUN, *folders, str(tmp_path / "known"), *words, "--slack", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    seen = threading.Event()

    def read() -> None:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("canary: true"):
                seen.set()

    threading.Thread(target=read, daemon=True).start()
    assert seen.wait(60)
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 1
    assert running.stderr is not None
    assert "rolled back: this program was stopped" in running.stderr.read()
    assert undone.exists()


def test_the_counts_are_those_of_the_api(stable: str, known: tuple[hundred.Picture, ...]) -> None:
    server = watching.Server(stable)
    before = server.counts()
    assert all(server.ask(each).right for each in known)
    after = server.counts()
    assert before is not None
    assert after is not None
    moved = after - before
    assert (moved.pictures, moved.failed) == (KNOWN, 0)
    assert moved.requests >= KNOWN
    assert moved.within[float("inf")] == KNOWN
    assert 0 < moved.quantile(0.5) <= moved.quantile(0.95) < 10
