"""The images of the API and the page: their Dockerfiles linted, and their last stages run."""

import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import asking
import pace
import roots
from asking import Row
from cold_start import free_port
from hundred import Picture

FOLDER = asking.ROOT / "deploy" / "container"
LARGEST = 250.0  # MB of the API image's own contents
PATHS = ("/", "/model", "/metrics", "/openapi.json", "/docs", "/v1/models/mnist_cnn", "/v2")
DAEMON = "the Dockerfile's last stage in an empty root, read-only, as its user"
PLAIN = "the Dockerfile's files in a plain folder: a root of its own needs Linux and root"


def how() -> str:
    """Return in words how the images are run here."""
    return DAEMON if roots.can_shut_in() else PLAIN


def lint(file: Path, tools: Path) -> None:
    """Have hadolint look at a Dockerfile. Raises InstallError with what it found."""
    done = subprocess.run([str(tools / "hadolint"), str(file)], capture_output=True, text=True)
    if done.returncode:
        raise roots.InstallError(f"hadolint: {done.stdout.strip()}")


def run(root: roots.Root, environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """Start the image's entry point with its command."""
    words = [*root.image.entrypoint, *root.image.command]
    return asking.start(roots.command(root, words, environment), log)


def health(root: roots.Root, environment: dict[str, str]) -> str:
    """Run the image's health check beside it; return what is wrong, or nothing."""
    command = roots.command(root, root.image.health, environment)
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return f"the health check fails: {done.stderr.strip()[-200:]}" if done.returncode else ""


def prepare_api(folder: Path, tools: Path) -> Callable[[], Row]:
    """Build the API's root; return what runs it."""
    lint(FOLDER / "Dockerfile.api", tools)
    root = roots.build(FOLDER / "Dockerfile.api", folder / "api")
    if root.size >= LARGEST:
        raise roots.InstallError(f"{root.size:.0f} MB: the image may hold {LARGEST:.0f}")

    def measured() -> Row:
        environment = {"MNIST_PORT": str(port := free_port())}
        launch = partial(run, root, environment)

        def check() -> str:
            paths = [path for path in PATHS if not asking.ready(port, path)]
            return health(root, environment) or (f"{paths} do not answer" if paths else "")

        ask = asking.by_http(port)
        hurry = partial(pace.by_wrk, f"http://127.0.0.1:{port}/predict")
        return asking.measure("container: API", launch, ask, root.size, how(), check, hurry=hurry)

    return measured


def prepare_page(folder: Path, tools: Path) -> Callable[[], Row]:
    """Build the page's root, beside the API's; return what runs it."""
    lint(FOLDER / "Dockerfile.page", tools)
    api = roots.build(FOLDER / "Dockerfile.api", folder / "page_api")
    page = roots.build(FOLDER / "Dockerfile.page", folder / "page")

    def measured() -> Row:
        api_port, port = free_port(), free_port()
        api_process = run(api, {"MNIST_PORT": str(api_port)}, folder / "page_api.log")
        environment = {
            "MNIST_PAGE_PORT": str(port),
            "MNIST_API_URL": f"http://127.0.0.1:{api_port}",
        }
        while not asking.ready(api_port):
            if api_process.poll() is not None:
                return Row("container: page", note="the API did not start", wrong=True)
        launch = partial(run, page, environment)
        check = partial(health, page, environment)
        ask = by_gradio(port)
        note = f"{how()}; asks the API"
        return asking.measure("container: page", launch, ask, page.size, note, check)

    return measured


def by_gradio(port: int) -> asking.Ask:
    """Return what uploads a picture to the page and asks its endpoint /predict."""
    from gradio_client import Client, handle_file
    from httpx import HTTPError

    clients: list[Client] = []

    def ask(picture: Picture) -> int:
        try:
            if not clients:
                clients.append(Client(f"http://127.0.0.1:{port}", verbose=False))
            with tempfile.NamedTemporaryFile(suffix=f".{picture.content_type[6:]}") as file:
                file.write(picture.content)
                file.flush()
                sent = handle_file(file.name)
                return int(clients[0].predict(sent, "enhanced", api_name="/predict")["digit"])
        except HTTPError as fault:
            raise OSError(str(fault)) from None

    return ask
