"""Kubernetes: the manifests held against its schemas; and KServe's v2 protocol, really spoken."""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asking
import roots
import try_container
import yaml
from asking import Row
from cold_start import free_port
from hundred import Picture

FOLDER = asking.ROOT / "deploy" / "kubernetes"
VERSION = "1.34"  # of Kubernetes, whose schemas are asked
NO_CLUSTER = "no cluster here: its manifests are held against Kubernetes' schemas, strictly"


def documents(*files: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of manifest files."""
    for file in files:
        yield from filter(None, yaml.safe_load_all(file.read_text("utf-8")))


def validate(tools: Path, *files: Path) -> None:
    """Hold manifests against Kubernetes' schemas. Raises InstallError with what is wrong."""
    command = [str(tools / "kubernetes-validate"), "--strict", "-k", VERSION]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True)
    if done.returncode or "WARN" in done.stdout:  # a warning: of that kind there is no schema
        raise roots.InstallError(f"{done.stdout.strip()} {done.stderr.strip()}")


def rendered(folder: Path) -> list[Path]:
    """Return the kustomizations as kubectl renders them, where that is installed."""
    if not shutil.which("kubectl"):
        return []
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name in ("base", "canary"):
        command = ["kubectl", "kustomize", str(FOLDER / name)]
        command += ["--load-restrictor", "LoadRestrictionsNone"]  # the canary's is the base's
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise roots.InstallError(f"kubectl kustomize: {done.stderr.strip()}")
        made.append(folder / f"{name}.yaml")
        made[-1].write_text(done.stdout, "utf-8")
    return made


def prepare_manifests(folder: Path, tools: Path) -> Callable[[], Row]:
    """Validate the kustomization's files, and what it renders; return the row that says so."""
    (kustomization,) = documents(FOLDER / "base" / "kustomization.yaml")
    sources = [FOLDER / "base" / name for name in kustomization["resources"]]
    validate(tools, *sources, *(made := rendered(folder)))
    how = "as kustomize renders them too" if made else "kustomize is not here"
    return lambda: Row("Kubernetes", note=f"{NO_CLUSTER}; {how}")


def by_v2(port: int) -> asking.Ask:
    """Return what asks by the Open Inference Protocol for the probabilities of a picture."""

    def ask(picture: Picture) -> int:
        data = base64.b64encode(picture.content).decode()
        tensor = {"name": "pictures", "datatype": "BYTES", "shape": [1], "data": [data]}
        body = json.dumps({"inputs": [tensor], "outputs": [{"name": "probabilities"}]}).encode()
        path, kind = "/v2/models/mnist_cnn/infer", {"Content-Type": "application/json"}
        answer = json.loads(asking.post(port, path, body, kind))
        probabilities: list[float] = answer["outputs"][0]["data"]
        return probabilities.index(max(probabilities))

    return ask


def prepare_kserve(folder: Path, tools: Path) -> Callable[[], Row]:
    """Build the image that the InferenceService names; return what runs it with its settings."""
    (service,) = documents(FOLDER / "kserve.yaml")
    (container,) = service["spec"]["predictor"]["containers"]
    root = roots.build(try_container.FOLDER / "Dockerfile.api", folder)

    def measured() -> Row:
        port = free_port()
        environment = {each["name"]: each["value"] for each in container["env"]}

        def launch(log: Path) -> "subprocess.Popen[bytes]":
            return try_container.run(root, environment | {"MNIST_PORT": str(port)}, log)

        def probes() -> str:
            paths = [
                container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("liveness", "readiness")
            ]
            return (
                "" if all(asking.ready(port, path) for path in paths) else f"{paths} do not answer"
            )

        note = "its container with its settings and probes, asked by the v2 protocol; no cluster"
        return asking.measure("KServe", launch, by_v2(port), root.size, note, probes)

    return measured
