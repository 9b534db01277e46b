"""Google Cloud and Azure Functions, a Hugging Face Space, Cerebrium: as far as they run here."""

import subprocess
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import asking
import bundle
import pace
import roots
import try_container
from asking import Row
from cold_start import free_port

DEPLOY = asking.ROOT / "deploy"


def in_venv(target: str, folder: Path) -> tuple[Path, Path, float]:
    """Make a target's bundle and its environment; return both folders and what they take, MB."""
    code, home = bundle.bundle(target, folder / "code"), folder / "venv"
    roots.new_venv([code / "requirements.txt"], home)
    return code, home, roots.size_mb(code) + roots.size_mb(home)


def alone(home: Path, *given: str) -> list[str]:
    """Return the beginning of a command that has nothing of this process's environment."""
    return ["env", "-i", f"PATH={home / 'bin'}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1", *given]


def prepare_google(folder: Path, tools: Path) -> Callable[[], Row]:
    """Make the function's environment; return what runs it by functions-framework."""
    code, home, size = in_venv("google_cloud", folder)

    def measured() -> Row:
        port = free_port()
        words = ["python", str(home / "bin" / "functions-framework"), "--target", "read"]
        command = [*alone(home, f"PORT={port}", "HOST=127.0.0.1"), *words]

        def launch(log: Path) -> "subprocess.Popen[bytes]":
            return asking.start(command, log, code)

        note = "functions-framework, listening on $PORT"
        hurry = partial(pace.by_wrk, f"http://127.0.0.1:{port}/predict")
        return asking.measure(
            "Google Cloud Functions",
            launch,
            asking.by_http(port),
            size,
            note,
            price="google_cloud",
            hurry=hurry,
        )

    return measured


AZURE_HOST = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
import azure.functions as functions
import function_app
(registered,) = function_app.app.get_functions()
call = registered.get_user_function()

class Host(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        url = "http://127.0.0.1" + self.path
        asked = functions.HttpRequest("POST", url, headers=dict(self.headers), body=body)
        said = call(asked, None)
        self.send_response(said.status_code)
        self.send_header("Content-Type", said.mimetype)
        self.send_header("Content-Length", str(len(said.get_body())))
        self.end_headers()
        self.wfile.write(said.get_body())

    def log_message(self, *ignored):
        pass

HTTPServer(("127.0.0.1", int(sys.argv[1])), Host).serve_forever()
"""


def prepare_azure(folder: Path, tools: Path) -> Callable[[], Row]:
    """Make the function's environment; return what calls it as Azure's worker does."""
    code, home, size = in_venv("azure_functions", folder)

    def measured() -> Row:
        port = free_port()
        command = [*alone(home), "python", "-c", AZURE_HOST, str(port)]

        def launch(log: Path) -> "subprocess.Popen[bytes]":
            return asking.start(command, log, code)

        note = (
            "the registered function, called with azure-functions' requests; the host is not here"
        )
        ask = asking.by_http(port)
        return asking.measure("Azure Functions", launch, ask, size, note, price="azure_functions")

    return measured


def prepare_space(folder: Path, tools: Path) -> Callable[[], Row]:
    """Make the Space's environment; return what runs its app.py."""
    code, home, size = in_venv("hugging_face", folder)

    def measured() -> Row:
        port = free_port()
        command = [*alone(home, f"MNIST_PAGE_PORT={port}", "HOME=/tmp"), "python", "app.py"]

        def launch(log: Path) -> "subprocess.Popen[bytes]":
            return asking.start(command, log, code)

        ask = try_container.by_gradio(port)
        note = "app.py, asked by gradio_client"
        return asking.measure("Hugging Face Space", launch, ask, size, note, price="hugging_face")

    return measured


def prepare_cerebrium(folder: Path, tools: Path) -> Callable[[], Row]:
    """Build what cerebrium.toml names; return what runs it on the port that it names."""
    read = tomllib.loads((DEPLOY / "cerebrium" / "cerebrium.toml").read_text("utf-8"))
    runtime = read["cerebrium"]["runtime"]["custom"]
    root = roots.build(asking.ROOT / runtime["dockerfile_path"], folder)

    def measured() -> Row:
        port = free_port()
        wanted = [runtime["port"], runtime["healthcheck_endpoint"], runtime["readycheck_endpoint"]]
        if wanted != [int(root.image.environment["MNIST_PORT"]), "/healthz", "/readyz"]:
            return Row("Cerebrium", note=f"{wanted} are not the image's", wrong=True)

        def launch(log: Path) -> "subprocess.Popen[bytes]":
            return try_container.run(root, {"MNIST_PORT": str(port)}, log)

        note = "the API's image, which cerebrium.toml names; its own builder is not here"
        ask, hurry = asking.by_http(port), partial(pace.by_wrk, f"http://127.0.0.1:{port}/predict")
        return asking.measure(
            "Cerebrium", launch, ask, root.size, note, price="cerebrium", hurry=hurry
        )

    return measured
