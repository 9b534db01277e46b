"""Each way to deploy has its folder, holds no logic of its own, and fits the files it ships."""

import re
import threading
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploying import DEPLOY, ROOT, all_targets, asking, bundle, dockerfile, hundred, roots
from lambda_runtime import EVENTS, LambdaRuntime, content_of
from test_deploy_container import needed

TARGETS = sorted(
    path for path in DEPLOY.iterdir() if path.is_dir() and path.name not in ("smoke", "__pycache__")
)
ENTRIES = {
    "aws_lambda": "lambda_handler.py",
    "google_cloud": "main.py",
    "azure_functions": "function_app.py",
    "hugging_face": "app.py",
}


def named(path: Path) -> str:
    return path.relative_to(DEPLOY).as_posix()


@pytest.mark.parametrize("folder", TARGETS, ids=named)
def test_a_target_says_how_it_is_shipped(folder: Path) -> None:
    text = (folder / "README.md").read_text("utf-8")
    words = text.partition("---\n")[2].partition("---\n")[2] if text.startswith("---") else text
    assert len(words.strip().splitlines()) <= 24
    assert f"deploy/{folder.name}/README.md" in (ROOT / "deployment_options.md").read_text("utf-8")


@pytest.mark.parametrize("target", ENTRIES)
def test_a_bundle_holds_all_that_its_entry_leads_to(target: str, tmp_path: Path) -> None:
    made = bundle.bundle(target, tmp_path / "made")
    entry = DEPLOY / target / ENTRIES[target]
    assert (made / entry.name).read_bytes() == entry.read_bytes()
    for file in needed(entry) - {entry}:
        assert (made / file.relative_to(ROOT)).is_file(), file
    for name in ("mnist_cnn.keras", "mnist_cnn.litert.tflite"):
        assert (made / "models" / name).is_file()
    for line in (made / "requirements.txt").read_text("utf-8").splitlines():
        if line.startswith("-"):
            assert (made / line.split()[1]).is_file()
    assert roots.size_mb(made) < 6


@pytest.mark.parametrize("target", ENTRIES)
def test_a_target_is_a_page_that_reads_by_the_projects_own_means(target: str) -> None:
    text = (DEPLOY / target / ENTRIES[target]).read_text("utf-8")
    assert len(text.splitlines()) <= 40
    assert not re.search(r"\b(numpy|PIL|ai_edge_litert|tensorflow)\b", text)


class _Tags(yaml.SafeLoader):
    """Reads CloudFormation's own tags as what they hold."""


_Tags.add_multi_constructor("!", lambda loader, suffix, node: node.value)


def test_the_sam_template_starts_the_handler_of_the_bundle() -> None:
    path = DEPLOY / "aws_lambda" / "template.yaml"
    properties = yaml.load(path.read_text("utf-8"), _Tags)["Resources"]["Reader"]["Properties"]
    module, _, function = properties["Handler"].partition(".")
    text = (path.parent / f"{module}.py").read_text("utf-8")
    assert re.search(rf"^{function} = ", text, re.MULTILINE)
    archive = (path.parent / properties["CodeUri"]).resolve()
    assert archive == ROOT / "results" / ".bundles" / "aws_lambda.zip"
    image = dockerfile.read(path.parent / "Dockerfile")
    assert image.command == [properties["Handler"]]


@pytest.mark.parametrize(
    "file", [path for path in DEPLOY.rglob("*") if path.suffix in (".yaml", ".toml")], ids=named
)
def test_what_is_set_in_the_environment_is_a_setting(file: Path) -> None:
    from dataclasses import fields

    import config

    known = {f"MNIST_{each.name.upper()}" for each in fields(config.Settings)}
    assert set(re.findall(r"MNIST_[A-Z_]+", file.read_text("utf-8"))) <= known


def manifests() -> dict[str, dict[str, Any]]:
    base = DEPLOY / "kubernetes" / "base"
    kustomization = yaml.safe_load((base / "kustomization.yaml").read_text("utf-8"))
    made = [yaml.safe_load((base / name).read_text("utf-8")) for name in kustomization["resources"]]
    assert {f"{each.name}" for each in base.iterdir()} == {
        "kustomization.yaml",
        *kustomization["resources"],
    }
    return {each["kind"]: each for each in made}


def test_the_manifests_belong_together() -> None:
    found = manifests()
    pod = found["Deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    labels = dict(pod["metadata"]["labels"])
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert labels.pop("track") == "stable"  # of a canary another; all else is for both
    for selector in (
        found["Service"]["spec"]["selector"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector == labels
    image = dockerfile.read(DEPLOY / "container" / "Dockerfile.api")
    (port,) = container["ports"]
    assert str(port["containerPort"]) == image.environment["MNIST_PORT"]
    assert found["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert str(pod["spec"]["securityContext"]["runAsUser"]) == image.user.partition(":")[0]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    (metric,) = found["HorizontalPodAutoscaler"]["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == "mnist_requests_in_flight"


def test_the_space_asks_for_the_gradio_that_is_pinned() -> None:
    text = (DEPLOY / "hugging_face" / "README.md").read_text("utf-8")
    head = yaml.safe_load(text.split("---\n")[1])
    assert f"gradio=={head['sdk_version']}" in (ROOT / "requirements.txt").read_text("utf-8")
    assert head["app_file"] == ENTRIES["hugging_face"]


def test_cerebrium_builds_the_apis_image() -> None:
    read = tomllib.loads((DEPLOY / "cerebrium" / "cerebrium.toml").read_text("utf-8"))
    runtime = read["cerebrium"]["runtime"]["custom"]
    image = dockerfile.read(ROOT / runtime["dockerfile_path"])
    assert str(runtime["port"]) == image.environment["MNIST_PORT"]


@pytest.mark.parametrize("kind", EVENTS)
def test_the_runtime_api_hands_an_event_on_and_its_answer_back(kind: str) -> None:
    import base64
    import http.client
    import json

    runtime = LambdaRuntime()

    def function() -> None:
        host, port = runtime.address.split(":")
        asked = http.client.HTTPConnection(host, int(port), timeout=10)
        asked.request("GET", "/2018-06-01/runtime/invocation/next")
        response = asked.getresponse()
        identity = response.headers["Lambda-Runtime-Aws-Request-Id"]
        event = json.loads(response.read())
        said = {"statusCode": 200, "body": event["body"], "isBase64Encoded": True}
        path = f"/2018-06-01/runtime/invocation/{identity}/response"
        asked.request("POST", path, json.dumps(said))
        asked.getresponse().read()

    threading.Thread(target=function, daemon=True).start()
    try:
        event = EVENTS[kind]("/predict", b"picture", "image/png")
        assert base64.b64decode(event["body"]) == b"picture"
        assert content_of(runtime.invoke(event)) == b"picture"
        with pytest.raises(TimeoutError):
            runtime.invoke(event, patience=0.05)
    finally:
        runtime.close()


def test_the_table_has_a_row_for_what_cannot_run() -> None:
    rows = [
        asking.Row("one", True, 100, 0.5, 80.4, 120.2, "here", rate=1234.5, cost=0.123).cells(),
        asking.Row("two", note="a|b").cells(),
    ]
    lines = all_targets.table(rows).splitlines()
    assert lines[2] == "| one | yes | 100 | 0.50 s | 80 MB | 120 MB | 1,234 | $0.12 | here |"
    assert lines[3] == "| two | no | - | - | - | - | - | - | a\\|b |"


@pytest.mark.slow
def test_the_hundred_pictures_are_ten_of_each_digit_in_every_format() -> None:
    made = hundred.pictures()
    assert [each.digit for each in made] == [digit for digit in range(10) for _ in range(10)]
    assert {each.content_type for each in made} == {"image/png", "image/jpeg", "image/webp"}
    assert asking.FIRST.digit == 8
