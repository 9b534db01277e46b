"""Every target's smoke test: built, started, asked one hundred pictures, one row of the table each.

    python deploy/smoke/all_targets.py [--target NAME ...]        or: make deploy-test

Environments are made in results/.deploy by pip. Then the network is cut off, where that can be
done (Linux, as root), and the targets run one after another, each alone. Exits 1 if a target
that can run here does not read every picture right.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
for folder in (ROOT, ROOT / "benchmarks", ROOT / "deploy"):
    sys.path.insert(0, str(folder))

import dockerfile  # noqa: E402
import hundred  # noqa: E402
import private_network  # noqa: E402
import process_tree  # noqa: E402
import roots  # noqa: E402
import try_browser  # noqa: E402
import try_container  # noqa: E402
import try_functions  # noqa: E402
import try_kubernetes  # noqa: E402
import try_lambda  # noqa: E402
import try_micro  # noqa: E402
import try_ray  # noqa: E402
from asking import Row  # noqa: E402

HOMES = roots.KEPT.parent  # ignored by git, and with its dot by linters and tests
Prepare = Callable[[Path, Path], Callable[[], Row]]
TARGETS: dict[str, Prepare] = {
    "api": try_container.prepare_api,
    "page": try_container.prepare_page,
    "lambda-zip": try_lambda.prepare_zip,
    "lambda-image": try_lambda.prepare_image,
    "google": try_functions.prepare_google,
    "azure": try_functions.prepare_azure,
    "space": try_functions.prepare_space,
    "cerebrium": try_functions.prepare_cerebrium,
    "kubernetes": try_kubernetes.prepare_manifests,
    "kserve": try_kubernetes.prepare_kserve,
    "ray-serve": try_ray.prepare_serve,
    "ray-batch": try_ray.prepare_batch,
    "browser": try_browser.prepare,
    "microcontroller": try_micro.prepare,
}
HEADINGS = ["target", "started", "right of 100", "cold start", "memory", "size"]
HEADINGS += ["requests/s", "a million", "how it ran here"]
FAULTS = (roots.InstallError, dockerfile.DockerfileError, OSError, subprocess.SubprocessError)


def tools() -> Path:
    """Install the linters and validators in an environment of their own; return its scripts."""
    home = HOMES / "tools"
    wanted = Path(__file__).parent / "requirements.txt"
    python, ready = home / "bin" / "python", home / ".ready"
    if not ready.exists() or ready.read_text("utf-8") != wanted.read_text("utf-8"):
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
        roots.install([wanted], python=python)
        ready.write_text(wanted.read_text("utf-8"), "utf-8")
    return home / "bin"


def prepared(name: str, scripts: Path) -> Callable[[], Row]:
    """Prepare a target; return what runs it, or what says why it cannot."""
    print(f"deploy-test: building {name}", flush=True)
    try:
        return TARGETS[name](HOMES / name, scripts)
    except FAULTS as fault:
        row = Row(name, note=str(fault) or type(fault).__name__, wrong=True)
        return lambda: row


def tried(name: str, run: Callable[[], Row]) -> Row:
    """Run a target; a fault of its is a row too."""
    print(f"deploy-test: running {name}", flush=True)
    try:
        return run()
    except FAULTS as fault:
        return Row(name, note=str(fault) or type(fault).__name__, wrong=True)


def table(rows: list[list[str]]) -> str:
    """Return rows as a Markdown table."""
    lines = [HEADINGS, ["---"] * len(HEADINGS), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Try the targets; return the exit status."""
    parser = argparse.ArgumentParser("all_targets.py", description="Try every way to deploy.")
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="only this one")
    names = parser.parse_args(argv).target or list(TARGETS)
    HOMES.mkdir(parents=True, exist_ok=True)
    process_tree.adopt_orphans()
    hundred.pictures()
    scripts = tools()
    runs = {name: prepared(name, scripts) for name in names}
    cut_off = private_network.enter()
    rows = [tried(name, run) for name, run in runs.items()]
    print(f"\n{table([row.cells() for row in rows])}\n")
    print(
        "The network was " + ("cut off while they ran." if cut_off else "not cut off: needs root.")
    )
    return int(any(row.wrong for row in rows))


if __name__ == "__main__":
    sys.exit(main())
