"""The pipeline: every step is a make target, a release's files belong together, the canary."""

import hashlib
import json
import os
import re
import shutil
import signal
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploying import ROOT, canary, hundred, kubernetes_canary, release_files

import config
import model_files

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# What is said with no target: tools of GitHub's machines only, and the scripts without make.
OTHERWISE = (
    "cosign ",
    "gh release create ",
    "deploy/pipeline/push_images.sh ",
    "install -m 600 ",
    "pip install -r requirements-dev.txt",
    "python ",
)


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text("utf-8"))["jobs"]
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(path).values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_step_is_a_target_that_there_is(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    for step in steps(path):
        if "run" in step and not step["run"].startswith(OTHERWISE):
            words = step["run"].split()
            assert words[0] == "make"
            assert words[1] in targets


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_jobs_bounded(path: Path) -> None:
    for step in steps(path):
        assert "run" in step or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
    assert all(job["timeout-minutes"] <= 90 for job in jobs(path).values())


def test_only_who_signs_or_publishes_may_write() -> None:
    rights = {
        (path.name, name): job.get("permissions", {})
        for path in WORKFLOWS
        for name, job in jobs(path).items()
    }
    writing = {name for name, given in rights.items() if "write" in given.values()}
    assert writing == {("release.yml", "images"), ("release.yml", "publish")}


def test_the_guide_names_every_target_of_the_release() -> None:
    guide = (ROOT / "docs" / "releasing.md").read_text("utf-8")
    for step in steps(ROOT / ".github" / "workflows" / "release.yml"):
        if step.get("run", "").startswith("make "):
            assert f"make {step['run'].split()[1]}" in guide


@pytest.fixture
def parts(tmp_path: Path) -> Namespace:
    """What a release is made of, as the other targets leave it."""
    exported = tmp_path / "exports"
    for name in release_files.MODELS:
        digest = model_files.digest(config.MODEL_PATH.with_name(f"{name}.keras"))
        for place, form in (
            (f"litert/{name}.int8.tflite", "LiteRT, int8"),
            (f"saved_model/{name}/1", "SavedModel"),
        ):
            file = exported / place
            file.parent.mkdir(parents=True, exist_ok=True)
            if form == "SavedModel":
                file.mkdir()
                (file / "saved_model.pb").write_bytes(name.encode())
            else:
                file.write_bytes(name.encode())
            card = {"derived_from": digest, "form": form}
            model_files.card_path(file).write_text(json.dumps(card))
    for name in ("parity.md", "parity_tiny.md"):
        (exported / name).write_text("table")
    gate = tmp_path / "gate"
    gate.mkdir()
    report = {"candidate": {"sha256": model_files.digest(config.MODEL_PATH)}, "passed": True}
    (gate / "gate.json").write_text(json.dumps(report))
    (gate / "gate.md").write_text("table")
    (tmp_path / "sbom.json").write_text("{}")
    return Namespace(
        version="1.2.3",
        exports=exported,
        gate=gate,
        sbom=tmp_path / "sbom.json",
        output=tmp_path / "release",
        allow_dirty=True,
    )


def test_a_release_is_whole_and_every_file_has_its_digest(parts: Namespace) -> None:
    place = release_files.gather(parts)
    lines = (place / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert set(sums) == {file.name for file in place.iterdir()} - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((place / name).read_bytes()).hexdigest() == digest
    models = {"mnist_cnn.keras", "mnist_cnn.json", "mnist_tiny.keras", "mnist_tiny.int8.tflite"}
    exported = {"mnist_cnn.saved_model.tar", "mnist_cnn.saved_model.json"}
    assert models | exported | {"gate.md", "sbom.json", "COMMIT"} <= set(sums)
    card = json.loads((place / "mnist_cnn.json").read_text())
    assert card["sha256"] == sums["mnist_cnn.keras"]
    assert (release_files.gather(parts) / "SHA256SUMS").read_text().splitlines() == lines


def _other_export(parts: Namespace) -> None:
    (card,) = parts.exports.glob("litert/mnist_tiny*.json")
    card.write_text(json.dumps({"derived_from": "0" * 64, "form": "LiteRT, int8"}))


def _stopped(parts: Namespace) -> None:
    report = json.loads((parts.gate / "gate.json").read_text())
    (parts.gate / "gate.json").write_text(json.dumps(report | {"passed": False}))


def _other_gate(parts: Namespace) -> None:
    (parts.gate / "gate.json").write_text('{"candidate": {"sha256": "0"}, "passed": true}')


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_other_export, "of another model: run make export"),
        (lambda parts: shutil.rmtree(parts.exports), "run make export"),
        (_stopped, "the gate stops this model"),
        (_other_gate, "of another model: run make gate"),
        (lambda parts: shutil.rmtree(parts.gate), "run make gate first"),
        (lambda parts: parts.sbom.unlink(), "run make sbom first"),
        (lambda parts: setattr(parts, "version", "v1"), "no version"),
    ],
)
def test_what_does_not_belong_together_is_not_released(
    parts: Namespace, spoil: Any, said: str
) -> None:
    spoil(parts)
    with pytest.raises(config.ReaderError, match=said):
        release_files.gather(parts)
    assert not parts.output.exists() or not list(parts.output.iterdir())


# A stand-in for kubectl: it keeps what it was told, and forwards a port to a real server.
KUBECTL = """#!{python}
import json, os, sys
words = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(json.dumps(words[2:]) + "\\n")
if "get" in words:
    print("4", end="")
elif "kustomize" in words:
    print("image: digit-api:canary")
elif "port-forward" in words:
    port = words[-1].split(":")[0]
    if words[-2].endswith("-canary") and {model!r}:
        os.environ["MNIST_MODEL"] = {model!r}
    os.chdir({root!r})
    os.execv({python!r}, [{python!r}, "flask_deploy.py", "--port", port, "--workers", "1"])
"""


def kubectl(folder: Path, monkeypatch: pytest.MonkeyPatch, model: str = "") -> Path:
    log, script = folder / "log", folder / "bin" / "kubectl"
    script.parent.mkdir()
    given = {"python": sys.executable, "log": str(log), "root": str(ROOT), "model": model}
    script.write_text(KUBECTL.format(**given))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    return log


def told(log: Path) -> list[str]:
    return [" ".join(json.loads(line)) for line in log.read_text().splitlines()]


@pytest.fixture
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the canary be asked ten of the hundred pictures."""
    known = hundred.pictures()[::10]
    monkeypatch.setattr(canary, "pictures", lambda: known)


QUICK = ("--steps", "25,50", "--seconds", "0.2", "--every", "0.1")


@pytest.mark.slow
@pytest.mark.usefixtures("few_pictures")
@pytest.mark.skipif(os.name != "posix", reason="the stand-in is a script")
def test_on_kubernetes_a_good_image_is_promoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = kubectl(tmp_path, monkeypatch)
    assert kubernetes_canary.main(["release", "place/digit-api@sha256:1", *QUICK]) == 0
    said = told(log)
    scaled = [line for line in said if line.startswith("scale")]
    assert scaled == [
        "scale deployment/digit-api-canary --replicas=2",
        "scale deployment/digit-api-canary --replicas=4",
    ]
    assert "set image deployment/digit-api api=place/digit-api@sha256:1" in said
    assert said[-1] == "delete deployment/digit-api-canary --ignore-not-found"


@pytest.mark.slow
@pytest.mark.usefixtures("few_pictures")
@pytest.mark.skipif(os.name != "posix", reason="the stand-in is a script")
def test_on_kubernetes_a_model_that_misreads_is_rolled_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two_outputs_file: Path
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    log = kubectl(tmp_path, monkeypatch, str(two_outputs_file))
    assert kubernetes_canary.main(["release", "place/digit-api@sha256:1", *QUICK]) == 1
    said = told(log)
    # As before: what is started later must be able to be ended.
    assert signal.getsignal(signal.SIGTERM) == before
    assert not any(line.startswith(("scale", "set image")) for line in said)
    assert "delete deployment/digit-api-canary --ignore-not-found" in said
