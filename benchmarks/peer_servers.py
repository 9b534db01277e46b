"""The servers that are compared: how each is installed, started and asked."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from process_tree import MARK, end

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benchmarks" / "peers"
PLACES = ROOT / "results" / ".peers"  # their virtual environments
OURS, NAIVE = "this server", "naive original"


@dataclass(frozen=True)
class Server:
    """A server. Workers and threads are what does best on two cores; access logs are off."""

    name: str
    package: str  # of benchmarks/peers/<package>.txt; empty for the project's own environment
    command: Callable[[int], list[str]]  # by port; {bin} is its environment's programs
    path: str = "/"
    body: Callable[[bytes], bytes] = lambda picture: picture
    kind: str = "image/png"  # the body's content type
    digit: Callable[[Any], int] = lambda answer: int(answer["digit"])
    environment: Callable[[int], dict[str, str]] = lambda port: {}
    before: list[str] = field(default_factory=list)  # a command that is run once beforehand

    @property
    def place(self) -> Path:
        """Its virtual environment."""
        return PLACES / self.package if self.package else Path(sys.prefix)

    def words(self, command: list[str]) -> list[str]:
        """Return a command with its places filled in."""
        return [
            word.format(bin=self.place / "bin", peers=PEERS, made=PLACES / f"{self.package}-made")
            for word in command
        ]


def _json(wrap: Callable[[str], Any]) -> Callable[[bytes], bytes]:
    return lambda picture: json.dumps(wrap(base64.b64encode(picture).decode())).encode()


def _inference_request(text: str) -> dict[str, Any]:
    parameters = {"content_type": "base64"}
    picture = {"name": "picture", "shape": [1], "datatype": "BYTES", "parameters": parameters}
    return {"inputs": [picture | {"data": [text]}]}


BENTOML = ["{bin}/bentoml", "serve", "bentoml_service:Reader", "--host", "127.0.0.1"]
MLFLOW = [
    *("{bin}/mlflow", "models", "serve", "--model-uri", "{made}", "--env-manager", "local"),
    *("--host", "127.0.0.1", "--workers", "2"),
]
SERVERS = (
    Server(
        OURS,
        "this_server",
        lambda port: ["{bin}/python", "flask_deploy.py", "--port", f"{port}"],
        "/predict",
    ),
    Server(
        NAIVE, "", lambda port: ["{bin}/python", "{peers}/naive_flask.py", f"{port}"], "/predict"
    ),
    Server(
        "MLServer",
        "mlserver",
        lambda port: ["{bin}/mlserver", "start", "{made}"],
        "/v2/models/reader/infer",
        _json(_inference_request),
        "application/json",
        lambda answer: int(answer["outputs"][0]["data"][0]),
        lambda port: {
            "MLSERVER_HTTP_PORT": str(port),
            "MLSERVER_GRPC_PORT": str(port + 1),
            "MLSERVER_METRICS_PORT": str(port + 2),
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_DEBUG": "false",
            "MLSERVER_PARALLEL_WORKERS": os.environ.get("MLSERVER_WORKERS", "2"),
            "MLSERVER_MODEL_NAME": "reader",
            "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_model.Reader",
        },
        ["mkdir", "-p", "{made}"],
    ),
    Server(
        "LitServe",
        "litserve",
        lambda port: ["{bin}/python", "{peers}/litserve_server.py", f"{port}", "2"],
        "/predict",
        _json(lambda text: {"picture": text}),
        "application/json",
    ),
    Server(
        "BentoML",
        "bentoml",
        lambda port: [*BENTOML, f"--port={port}"],
        "/predict",
        environment=lambda port: {"WORKERS": "2", "BENTOML_DO_NOT_TRACK": "True"},
    ),
    Server(
        "Ray Serve",
        "ray",
        lambda port: ["{bin}/python", "{peers}/ray_serve_app.py", f"{port}", "2"],
        environment=lambda port: {"RAY_USAGE_STATS_ENABLED": "0"},
    ),
    Server(
        "MLflow",
        "mlflow",
        lambda port: [*MLFLOW, f"--port={port}"],
        "/invocations",
        _json(lambda text: {"inputs": [text]}),
        "application/json",
        lambda answer: int(answer["predictions"][0]["digit"]),
        before=["{bin}/python", "{peers}/mlflow_model.py", "{made}"],
    ),
)


def install(server: Server) -> None:
    """Make a peer's environment, and what it serves, if they are not there yet."""
    place = server.place
    if not server.package or (place / "ready").exists():
        return
    print(f"installing {server.name} ...", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    needs = str(PEERS / f"{server.package}.txt")
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--requirement", needs], check=True)
    (place / "ready").touch()


def prepare(server: Server) -> None:
    """Run what a server needs once before it is started."""
    if server.before and not (PLACES / f"{server.package}-made").exists():
        subprocess.run(server.words(server.before), check=True, env=_environment(server, 0))


def installed_mb(server: Server) -> float:
    """Return how large its environment is, in MB."""
    files = (server.place / "lib").resolve().rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def _environment(server: Server, port: int) -> dict[str, str]:
    own = {"PYTHONPATH": f"{ROOT}{os.pathsep}{PEERS}", "OPENBLAS_NUM_THREADS": "1"}
    programs = f"{server.place / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return os.environ | own | {"PATH": programs} | server.environment(port)


@contextmanager
def running(server: Server, port: int) -> Iterator[str]:
    """Start a server; give the mark of its processes, and end them."""
    mark = f"{server.name}-{port}".replace(" ", "-")
    cwd = ROOT if server.name == OURS else PEERS
    with (PLACES / f"{mark}.log").open("wb") as log:
        subprocess.Popen(
            server.words(server.command(port)),
            cwd=cwd,
            env=_environment(server, port) | {MARK: mark},
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
        try:
            yield mark
        finally:
            end(mark)
