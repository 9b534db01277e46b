"""AWS Lambda: the zip and the image, run by the real runtime client against a Runtime API here."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import asking
import bundle
import roots
import try_container
from asking import Row
from hundred import Picture
from lambda_runtime import EVENTS, LambdaRuntime, content_of

FOLDER = asking.ROOT / "deploy" / "aws_lambda"
LARGEST = 250.0  # MB unpacked, of a zip: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
NOTE = "awslambdaric and a Runtime API here; REST and HTTP API, function URL, balancer by turns"


def by_event(runtime: LambdaRuntime) -> asking.Ask:
    """Return what sends a picture as an event, of each kind in turn."""
    kinds = itertools.cycle(EVENTS.values())

    def ask(picture: Picture) -> int:
        event = next(kinds)("/predict", picture.content, picture.content_type)
        answer = runtime.invoke(event)
        if answer["statusCode"] != 200:
            raise ValueError(str(answer)[:300])
        return int(json.loads(content_of(answer))["digit"])

    return ask


def faults(runtime: LambdaRuntime) -> str:
    """Ask what is refused, by each kind of event; return what is wrong, or nothing."""
    for name, event_of in EVENTS.items():
        answer = runtime.invoke(event_of("/predict", b"no picture", "image/png"))
        problem = json.loads(content_of(answer))
        if answer["statusCode"] != 415 or "detail" not in problem:
            return f"{name}: no picture is answered {answer['statusCode']} {problem}"
    return ""


def measured(name: str, size: float, command: Callable[[str], list[str]], folder: Path) -> Row:
    """Run a function and ask it. command: given the Runtime API's address."""
    runtime = LambdaRuntime()

    def launch(log: Path) -> "subprocess.Popen[bytes]":
        return asking.start(command(runtime.address), log, folder)

    try:
        ask = by_event(runtime)
        check = partial(faults, runtime)
        return asking.measure(name, launch, ask, size, NOTE, check, price="aws_lambda")
    finally:
        runtime.close()


def prepare_zip(folder: Path, tools: Path) -> Callable[[], Row]:
    """Make the zip's folder; return what runs it."""
    linter = [str(tools / "cfn-lint"), str(FOLDER / "template.yaml")]
    done = subprocess.run(linter, capture_output=True, text=True)
    if done.returncode:
        raise roots.InstallError(f"cfn-lint: {done.stdout.strip()}")
    bundle.bundle("aws_lambda", folder, packages=True)
    size = roots.size_mb(folder)
    if size >= LARGEST:
        raise roots.InstallError(f"{size:.0f} MB unpacked: a zip may have {LARGEST:.0f}")

    def command(address: str) -> list[str]:
        # As in Lambda nothing is written beside the code; PATH is all that is passed on.
        given = [f"AWS_LAMBDA_RUNTIME_API={address}", f"PATH={os.environ['PATH']}"]
        options = ["-I", "-S", "-c", START.format(folder=str(folder))]
        return ["env", "-i", *given, "PYTHONDONTWRITEBYTECODE=1", sys.executable, *options]

    return lambda: measured("AWS Lambda: zip", size, command, folder)


# Only the bundle is on the path, as in Lambda: nothing of the environment of this program.
START = """
import runpy, sys
sys.path.append({folder!r})
sys.argv = ["awslambdaric", "lambda_handler.handler"]
runpy.run_module("awslambdaric", run_name="__main__")
"""


def prepare_image(folder: Path, tools: Path) -> Callable[[], Row]:
    """Build the image's root; return what runs it."""
    try_container.lint(FOLDER / "Dockerfile", tools)
    root = roots.build(FOLDER / "Dockerfile", folder)
    words = [*root.image.entrypoint, *root.image.command]

    def command(address: str) -> list[str]:
        return roots.command(root, words, {"AWS_LAMBDA_RUNTIME_API": address})

    return lambda: measured("AWS Lambda: image", root.size, command, root.path)
