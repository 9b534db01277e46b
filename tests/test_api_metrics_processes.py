"""`GET /metrics` of several worker processes: any of them answers for all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from stub_reader import stub_app

import config
from api import metrics

# A worker: obeys a command a line and answers each with a line.
WORKER = """
import json, os, sys
sys.path[:0] = [sys.argv[1], os.path.join(sys.argv[1], "tests")]
from api_server import EIGHT
from stub_reader import counted, stub_app
end = []
app = stub_app(before=lambda: end and os._exit(0))
client = app.test_client()
def obey(command):
    if command == "count":
        return json.dumps([[list(key), value] for key, value in counted(client).items()])
    if command == "die in a request":
        end.append(True)
    if command == "fork":
        if not os.fork():
            client.post("/predict", data=EIGHT, content_type="image/png")
            os._exit(0)
        os.wait()
    else:
        client.post("/predict", data=EIGHT, content_type="image/png")
    return "done"
print(os.getpid(), flush=True)
for line in sys.stdin:
    print(obey(line.strip()), flush=True)
"""


class Worker:
    """A process with an app of its own."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {metrics.FOLDER: str(folder)},
        )
        self.pid = int(self._line())

    def _line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()

    def tell(self, command: str) -> str:
        assert self.process.stdin
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return self._line()

    def counted(self) -> dict[tuple[str, ...], float]:
        return {tuple(key): value for key, value in json.loads(self.tell("count"))}

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *fault: object) -> None:
        self.process.kill()
        self.process.communicate()


class TestSeveralProcesses:
    def test_any_of_them_answers_for_all(self, tmp_path: Path) -> None:
        with Worker(tmp_path) as one, Worker(tmp_path) as other:
            for worker in (one, one, other, other, other):
                worker.tell("predict")
            for worker in (one, other):
                found = worker.counted()
                assert found["mnist_requests_total", "POST", "/predict", "200"] == 5
                assert found["mnist_request_seconds_count", "/predict"] == 5
                assert found["mnist_stage_seconds_count", "infer"] == 5
                assert found["mnist_confidence_bucket", "0.99"] == 5
                assert found["mnist_digits_total", "8"] == 5
                assert found["mnist_requests_in_flight",] == 1

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    def test_workers_forked_from_one_app_are_told_apart(self, tmp_path: Path) -> None:
        with Worker(tmp_path) as parent:
            for command in ("predict", "fork", "fork", "predict"):
                parent.tell(command)
            found = parent.counted()
        assert found["mnist_requests_total", "POST", "/predict", "200"] == 4
        assert found["mnist_stage_seconds_count", "decode"] == 4

    def test_a_worker_that_died_leaves_its_counts_but_nothing_in_flight(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Worker(tmp_path) as one, Worker(tmp_path) as other:
            other.tell("predict")
            other.tell("die in a request")
            other.process.wait(30)
            assert one.counted()["mnist_requests_in_flight",] == 2
            monkeypatch.setenv(metrics.FOLDER, str(tmp_path))
            metrics.forget_worker(other.process.pid)
            found = one.counted()
        assert found["mnist_requests_in_flight",] == 1
        assert found["mnist_digits_total", "8"] == 1

    @pytest.mark.parametrize("folder", ["", "nowhere"])
    def test_a_folder_that_is_none_is_refused_by_name(
        self, monkeypatch: pytest.MonkeyPatch, folder: str
    ) -> None:
        monkeypatch.setenv(metrics.FOLDER, folder)
        with pytest.raises(config.ConfigError, match=f"{metrics.FOLDER} is '{folder}'"):
            stub_app()
