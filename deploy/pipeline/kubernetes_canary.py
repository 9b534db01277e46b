"""A release on Kubernetes: the new image as a canary, watched, then promoted or rolled back.

    python deploy/pipeline/kubernetes_canary.py release IMAGE [flags of canary.py]
    python deploy/pipeline/kubernetes_canary.py weight PERCENT | promote IMAGE | roll-back

`release` deploys deploy/kubernetes/canary with the image, forwards a port to a pod of each, and has
canary.py decide; the others are the commands that it is given. By kubectl, as it is set up here.
"""

import contextlib
import math
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
for folder in (ROOT, ROOT / "deploy" / "smoke", ROOT / "deploy" / "pipeline"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import canary  # noqa: E402

NAMESPACE, STABLE, CANARY = "digit-reader", "digit-api", "digit-api-canary"
OVERLAY = ROOT / "deploy" / "kubernetes" / "canary"
PORT = 5000  # of a pod
PATIENCE = "300s"  # for pods to be ready
FORWARDED = 60.0  # seconds in which a forwarded port must answer


def kubectl(*words: str, given: bytes | None = None) -> str:
    """Run kubectl in the namespace, and return what it prints. Raises CalledProcessError."""
    command = ["kubectl", "--namespace", NAMESPACE, *words]
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


def weigh(percent: int) -> None:
    """Give the canary that share of all pods, one at least, and wait until they are ready."""
    pods = int(kubectl("get", f"deployment/{STABLE}", "--output", "jsonpath={.spec.replicas}"))
    wanted = max(1, math.ceil(pods * percent / (100 - percent))) if percent < 100 else pods
    kubectl("scale", f"deployment/{CANARY}", f"--replicas={wanted}")
    kubectl("rollout", "status", f"deployment/{CANARY}", f"--timeout={PATIENCE}")


def promote(image: str) -> None:
    """Give the running deployment the image, pod by pod, and take the canary away."""
    kubectl("set", "image", f"deployment/{STABLE}", f"api={image}")
    kubectl("rollout", "status", f"deployment/{STABLE}", f"--timeout={PATIENCE}")
    kubectl("delete", f"deployment/{CANARY}", "--ignore-not-found")


def roll_back() -> None:
    """Take the canary away, and undo a promotion that has begun."""
    kubectl("delete", f"deployment/{CANARY}", "--ignore-not-found")
    with contextlib.suppress(subprocess.CalledProcessError):
        kubectl("rollout", "status", f"deployment/{STABLE}", "--timeout=5s")
        return
    kubectl("rollout", "undo", f"deployment/{STABLE}")


def deploy(image: str) -> None:
    """Deploy the canary with one pod of the image, and wait until it is ready."""
    # The overlay takes the deployment from the folder beside it.
    loaded = ["kustomize", str(OVERLAY), "--load-restrictor", "LoadRestrictionsNone"]
    manifest = kubectl(*loaded).replace("image: digit-api:canary", f"image: {image}")
    kubectl("apply", "--filename", "-", given=manifest.encode())
    kubectl("rollout", "status", f"deployment/{CANARY}", f"--timeout={PATIENCE}")


@contextmanager
def forwarded(deployment: str) -> Iterator[str]:
    """Forward a port of this machine to a pod; give its address. Raises Failed if none answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = ["port-forward", f"deployment/{deployment}", f"{port}:{PORT}"]
    process = subprocess.Popen(
        ["kubectl", "--namespace", NAMESPACE, *words], stdout=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + FORWARDED
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            if process.poll() is not None or time.monotonic() > end:
                raise canary.Failed(f"no port is forwarded to {deployment}")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def release(image: str, flags: Sequence[str]) -> int:
    """Deploy the image as a canary and decide; return canary.py's exit status."""
    itself = f"{sys.executable} {Path(__file__).resolve()}"
    commands = {
        "--set-weight": f"{itself} weight {{percent}}",
        "--promote": f"{itself} promote {image}",
        "--roll-back": f"{itself} roll-back",
    }
    given = [word for pair in commands.items() for word in pair]
    try:
        deploy(image)
        with forwarded(STABLE) as stable, forwarded(CANARY) as new:
            return canary.main(["--stable", stable, "--canary", new, *given, *flags])
    except (subprocess.CalledProcessError, canary.Failed) as fault:
        print(f"kubernetes: rolled back: {fault}", file=sys.stderr)
        roll_back()
        return 1


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the first word says; return the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        match words:
            case ["release", image, *flags]:
                return release(image, flags)
            case ["weight", percent]:
                weigh(int(percent))
            case ["promote", image]:
                promote(image)
            case ["roll-back"]:
                roll_back()
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except subprocess.CalledProcessError as fault:
        print(f"kubernetes: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
