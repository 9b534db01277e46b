"""The images hold what they need and no more, and what watches them knows the API's own figures."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploying import DEPLOY, ROOT, dockerfile

CONTAINER = DEPLOY / "container"
IMAGES = {
    CONTAINER / "Dockerfile.api": "flask_deploy.py",
    CONTAINER / "Dockerfile.page": "gradio_interface.py",
    DEPLOY / "aws_lambda" / "Dockerfile": "lambda_handler.py",
}
TRAINING_ONLY = ("tensorflow", "keras", "matplotlib", "tqdm")
DATA = {"Dockerfile.api": "api", "Dockerfile.page": "page", "Dockerfile": "api"}


def named(path: Path) -> str:
    return path.relative_to(DEPLOY).as_posix()


def imported(file: Path) -> set[str]:
    """Return the rooms that a file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {each.name.split(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return {name for name in names if (ROOT / f"{name}.py").is_file() or (ROOT / name).is_dir()}


def needed(first: Path) -> set[Path]:
    """Return all files of the house that a script leads to, itself among them."""
    found, waiting = set(), [first]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        for room in imported(file):
            package = ROOT / room
            waiting += sorted(package.glob("*.py")) if package.is_dir() else [ROOT / f"{room}.py"]
    return found


def scripted(file: Path) -> Path:
    """Return the script that an image starts."""
    shipped = ROOT / IMAGES[file]
    return shipped if shipped.is_file() else file.parent / IMAGES[file]


@pytest.mark.parametrize("file", IMAGES, ids=named)
def test_an_image_holds_the_rooms_that_its_script_leads_to(file: Path) -> None:
    copied = {source for source, _ in dockerfile.files(dockerfile.read(file))}
    code = {source for source in copied if source.suffix == ".py"}
    assert code == needed(scripted(file))
    whole = ROOT / DATA[file.name]
    inside = {
        each for each in whole.rglob("*") if each.is_file() and "__pycache__" not in str(each)
    }
    assert inside <= copied


@pytest.mark.parametrize("file", IMAGES, ids=named)
def test_an_image_is_not_roots_and_has_no_training(file: Path) -> None:
    image = dockerfile.read(file)
    assert int(image.user.partition(":")[0]) > 0
    assert image.requirements
    for name in image.requirements:
        text = (ROOT / image.built[name]).read_text("utf-8")
        assert not [each for each in TRAINING_ONLY if re.search(rf"^{each}\b", text, re.MULTILINE)]


@pytest.mark.parametrize("name", ["Dockerfile.api", "Dockerfile.page"])
def test_a_server_has_a_health_check(name: str) -> None:
    image = dockerfile.read(CONTAINER / name)
    assert image.health[:2] == ["python", "-c"]
    compile(image.health[2], name, "exec")


def test_what_is_kept_out_of_the_build() -> None:
    for kept_out in ("tests/conftest.py", "data/README.md", "models/checkpoints/x.keras", ".git/x"):
        assert dockerfile.ignored(kept_out), kept_out
    for inside in ("utils.py", "api/app.py", "page/pad/pad.css", "models/mnist_cnn.keras"):
        assert not dockerfile.ignored(inside), inside
    assert dockerfile.ignored("page/__pycache__/layout.cpython-311.pyc")


def test_a_source_that_is_missing_or_kept_out_is_noticed(tmp_path: Path) -> None:
    for source, words in (("nothing.py", "not there"), ("Makefile", "keeps it out")):
        file = tmp_path / "Dockerfile"
        file.write_text(f"FROM scratch\nCOPY {source} ./\n", "utf-8")
        with pytest.raises(dockerfile.DockerfileError, match=words):
            dockerfile.files(dockerfile.read(file))


def parsed(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def test_compose_starts_the_images_hardened_and_on_this_machine_only() -> None:
    services = parsed(CONTAINER / "compose.yaml")["services"]
    assert set(services) == {"api", "page", "prometheus", "grafana"}
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
    for name in ("api", "page"):
        build = services[name]["build"]
        assert (CONTAINER / build["context"]).resolve() == ROOT
        assert (ROOT / build["dockerfile"]).is_file()
    for name in ("prometheus", "grafana"):
        for volume in services[name]["volumes"]:
            source = volume.split(":")[0]
            assert not source.startswith(".") or (CONTAINER / source).exists()
    page = dockerfile.read(CONTAINER / "Dockerfile.page")
    assert page.environment["MNIST_API_URL"] == "http://api:5000"
    (job,) = parsed(CONTAINER / "prometheus.yml")["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["api:5000"]}]


# Prints every metric that the API has once each kind has been counted.
EXPOSED = """
import sys
sys.path.insert(0, sys.argv[1])
import config
from api.app import create_app
from classifier import Classifier
client = create_app(Classifier.load(), config.settings({})).test_client()
client.post("/predict", data=open(sys.argv[2], "rb").read(), content_type="image/png")
client.post("/predict", data=b"x", content_type="image/png")
sys.stdout.write(client.get("/metrics").text)
"""


@pytest.fixture(scope="module")
def exposed() -> dict[str, set[str]]:
    """The API's series, by name: the labels that each has."""
    picture = ROOT / "tests" / "pictures" / "eight.png"
    done = subprocess.run(
        [sys.executable, "-c", EXPOSED, str(ROOT), str(picture)],
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if "PROMETHEUS" not in name},
    )
    series: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? ", done.stdout, re.MULTILINE):
        series.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return series


def test_the_dashboard_shows_what_the_api_counts(exposed: dict[str, set[str]]) -> None:
    board = json.loads((CONTAINER / "grafana" / "dashboards" / "reader.json").read_text("utf-8"))
    source = parsed(CONTAINER / "grafana" / "provisioning" / "datasources" / "prometheus.yaml")
    known = {each["uid"] for each in source["datasources"]}
    shown = set()
    for panel in board["panels"]:
        assert panel["datasource"]["uid"] in known
        for target in panel["targets"]:
            names = set(re.findall(r"mnist_\w+", target["expr"]))
            assert names, target["expr"]
            assert names <= set(exposed), target["expr"]
            asked = set(re.findall(r"by \(([\w, ]+)\)", target["expr"]))
            labels = {each.strip() for group in asked for each in group.split(",")}
            assert labels <= set().union(*(exposed[name] for name in names)), target["expr"]
            shown |= names
    for family in ("requests_total", "request_seconds", "stage_seconds", "requests_in_flight",
                   "digits_total", "confidence", "no_digit_total", "problems_total"):  # fmt: skip
        assert any(name.startswith(f"mnist_{family}") for name in shown), family


def test_the_confidence_that_the_dashboard_asks_for_is_a_bucket() -> None:
    from api.metrics import CONFIDENCES

    text = (CONTAINER / "grafana" / "dashboards" / "reader.json").read_text("utf-8")
    asked = {float(number) for number in re.findall(r'le=\\"([\d.]+)\\"', text)}
    assert asked
    assert asked <= set(CONFIDENCES)
