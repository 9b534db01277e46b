"""The servers that are compared: how each is installed, started and asked, and its settings.

Every peer does the same with a picture (peers/core.py), on one thread a worker. Its settings are
what was quickest of those that its documentation offers, on two cores.
"""

import base64
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import environments
from environments import PEERS, ROOT

NAIVE_NEEDS = {"flask", "tensorflow", "tensorflow-cpu", "keras", "numpy", "pillow"}
MODEL = "reader"  # what a peer that names its models calls it
OURS, NAIVE = "ours", "naive"


@dataclass(frozen=True)
class Ports:
    """Free ports: one to be asked at, two more for servers that open others too."""

    main: int
    second: int
    third: int


def _raw(picture: bytes) -> bytes:
    return picture


def _json(key: str, many: bool = False) -> Callable[[bytes], bytes]:
    """Return what puts a picture in base64 into a JSON object."""

    def body(picture: bytes) -> bytes:
        text = base64.b64encode(picture).decode()
        return json.dumps({key: [text] if many else text}).encode()

    return body


def _open_inference(picture: bytes) -> bytes:
    given = {
        "name": "picture",
        "shape": [1],
        "datatype": "BYTES",
        "parameters": {"content_type": "base64"},
        "data": [base64.b64encode(picture).decode()],
    }
    return json.dumps({"inputs": [given]}).encode()


def _plain_digit(answer: Any) -> int:
    return int(answer["digit"])


@dataclass(frozen=True)
class Server:
    """One server. `command` and `environment` take the port(s) and the number of workers."""

    title: str
    settings: str  # in words, for the reader of the figures
    command: Callable[[Ports, int], list[str]]
    environment: Callable[[Ports, int], Mapping[str, str]] = lambda ports, workers: {}
    workers: int = 0  # processes that read; 0: as the server does it by itself
    path: str = "/predict"
    content_type: str = "application/json"
    body: Callable[[bytes], bytes] = _raw
    digit: Callable[[Any], int] = _plain_digit
    before: tuple[str, ...] = ()  # run once, with the peer's Python, in its folder
    exposed: bool = False  # opens ports on all interfaces, whatever it is told
    package: str = ""  # whose version is told; "": the project's own environment
    needs: frozenset[str] = field(default_factory=frozenset)  # packages of that


def _python(name: str) -> str:
    return str(environments.home(name) / "bin" / "python")


def _script(name: str, file: str) -> Callable[[Ports, int], list[str]]:
    return lambda ports, workers: [
        _python(name),
        str(PEERS / file),
        str(ports.main),
        str(workers),
    ]


def _bentoml(ports: Ports, workers: int) -> list[str]:
    command = [_python("bentoml"), "-m", "bentoml", "serve", "bentoml_service:Reader"]
    return [*command, "--host", "127.0.0.1", "--port", str(ports.main)]


def _mlserver_environment(ports: Ports, workers: int) -> dict[str, str]:
    return {
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_HTTP_PORT": str(ports.main),
        "MLSERVER_GRPC_PORT": str(ports.second),
        "MLSERVER_METRICS_PORT": str(ports.third),
        "MLSERVER_DEBUG": "false",  # which also ends access logs
        "MLSERVER_GZIP_ENABLED": "false",
        "MLSERVER_PARALLEL_WORKERS": str(workers),
        "MLSERVER_MODEL_NAME": MODEL,
        "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_model.Reader",
    }


def _mlserver(title: str, workers: int) -> Server:
    return Server(
        title=title,
        settings="V2 request, picture in base64; uvloop, httptools, no gzip, no access log",
        command=lambda ports, workers: [
            str(environments.home("mlserver") / "bin" / "mlserver"),
            "start",
            ".",  # without files there the model is the environment's
        ],
        environment=_mlserver_environment,
        workers=workers,
        path=f"/v2/models/{MODEL}/infer",
        body=_open_inference,
        digit=lambda answer: int(answer["outputs"][0]["data"][0]),
        package="mlserver",
    )


def _mlflow(ports: Ports, workers: int) -> list[str]:
    command = [str(environments.home("mlflow") / "bin" / "mlflow"), "models", "serve"]
    command += ["--model-uri", "model", "--env-manager", "local", "--workers", str(workers)]
    return [*command, "--host", "127.0.0.1", "--port", str(ports.main)]


SERVERS: dict[str, Server] = {
    OURS: Server(
        title="this server",
        settings="python flask_deploy.py, its defaults; raw body",
        command=lambda ports, workers: [
            sys.executable,
            str(ROOT / "flask_deploy.py"),
            "--port",
            str(ports.main),
        ],
        content_type="image/png",
        needs=frozenset(environments.required(ROOT / "requirements-serve.txt")),
    ),
    NAIVE: Server(
        title="naive original",
        settings="Flask's development server, threaded, Keras predict a request; raw body",
        command=lambda ports, workers: [
            sys.executable,
            str(PEERS / "naive_flask.py"),
            str(ports.main),
        ],
        content_type="image/png",
        needs=frozenset(NAIVE_NEEDS),
    ),
    # One process: at small pictures twice as quick as handing each request to a worker.
    "mlserver": _mlserver("MLServer", workers=0),
    "mlserver-parallel": _mlserver("MLServer parallel", workers=2),
    "litserve": Server(
        title="LitServe",
        settings="JSON, picture in base64; fast_queue, one API server, no access log",
        command=_script("litserve", "litserve_server.py"),
        workers=2,
        body=_json("picture"),
        package="litserve",
    ),
    "bentoml": Server(
        title="BentoML",
        settings="JSON, picture in base64; uvloop, httptools, no metrics, no access log",
        command=_bentoml,
        environment=lambda ports, workers: {"WORKERS": str(workers), "BENTOML_DO_NOT_TRACK": "1"},
        workers=2,
        body=_json("picture"),
        package="bentoml",
    ),
    "ray": Server(
        title="Ray Serve",
        settings="raw body; HAProxy, RAY_SERVE_THROUGHPUT_OPTIMIZED=1, no dashboard, no access log",
        command=_script("ray", "ray_serve_app.py"),
        environment=lambda ports, workers: {
            "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
            "RAY_SERVE_ENABLE_HA_PROXY": "1",  # four times as quick as the proxy in Python
            "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # no cluster: one node, on 127.0.0.1
        },
        workers=2,
        path="/",
        content_type="image/png",
        package="ray",
        exposed=True,
    ),
    "mlflow": Server(
        title="MLflow",
        settings="/invocations with inputs, picture in base64; uvloop, httptools, no access log",
        command=_mlflow,
        environment=lambda ports, workers: {
            "UVICORN_ACCESS_LOG": "0",
            "UVICORN_LOG_LEVEL": "warning",
        },
        workers=2,
        path="/invocations",
        body=_json("inputs", many=True),
        digit=lambda answer: int(answer["predictions"][0]["digit"]),
        before=(str(PEERS / "mlflow_model.py"), "model"),
        package="mlflow",
    ),
}


def variables(name: str, ports: Ports, workers: int) -> dict[str, str]:
    """Return the environment in which a server is started."""
    server = SERVERS[name]
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("MNIST_") and key != "PYTHONDONTWRITEBYTECODE"
    }
    if name != OURS:
        kept |= {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, PEERS))), "OMP_NUM_THREADS": "1"}
    if server.package:
        kept["PATH"] = (
            f"{environments.home(server.package) / 'bin'}{os.pathsep}{kept.get('PATH', '')}"
        )
    return kept | dict(server.environment(ports, workers))


def folder(name: str) -> Path:
    """Return the folder in which a server is started, and keeps its log."""
    return environments.HOMES / "run" / name


def installed(name: str) -> tuple[str, float]:
    """Return a server's version ("" for ours) and the MB of the packages that it needs."""
    server = SERVERS[name]
    if not server.package:
        packages = environments.needed(server.needs, environments.OWN_SITE)
        return "", environments.size_mb(packages.values())
    names = environments.required(PEERS / f"{server.package}.txt")
    packages = environments.needed(names, environments.site(server.package))
    return packages[server.package].version, environments.size_mb(packages.values())
