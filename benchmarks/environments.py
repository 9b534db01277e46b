"""A virtual environment for each peer, made from its pinned requirements; what it takes on disk."""

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benchmarks" / "peers"
HOMES = ROOT / "results" / ".peers"  # ignored by git, and with its dot by linters and tests
OWN_SITE = Path(sysconfig.get_path("purelib"))


class InstallError(Exception):
    """An environment cannot be made."""


def home(name: str) -> Path:
    """Return the folder of a peer's environment."""
    return HOMES / name


def site(name: str) -> Path:
    """Return where a peer's environment holds its packages."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return home(name) / "lib" / version / "site-packages"


def required(file: Path) -> list[str]:
    """Return the names that a requirements file holds, for this system."""
    names = []
    for line in file.read_text("utf-8").splitlines():
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        if text and not text.startswith("-"):
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate():
                names.append(requirement.name)
    return names


def prepare(name: str) -> None:
    """Make a peer's environment unless it is there with the same requirements."""
    wanted = PEERS / f"{name}.txt"
    ready = home(name) / ".ready"
    if ready.exists() and ready.read_text("utf-8") == wanted.read_text("utf-8"):
        return
    print(f"serving: installing {name} in {home(name).relative_to(ROOT)}", flush=True)
    shutil.rmtree(home(name), ignore_errors=True)
    pip = [str(home(name) / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    for command in (
        [sys.executable, "-m", "venv", str(home(name))],
        [*pip, "--disable-pip-version-check", "--requirement", str(wanted)],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise InstallError(
                f"{name} cannot be installed: {done.stderr.strip()[-500:]}\n"
                "Leave it out by naming the others with --servers."
            )
    shutil.copyfile(wanted, ready)


def needed(names: Iterable[str], site_packages: Path) -> dict[str, Distribution]:
    """Return the packages of these names and all that they need, as far as they are installed."""
    there = {
        canonicalize_name(found.name): found for found in distributions(path=[str(site_packages)])
    }
    found: dict[str, Distribution] = {}
    waiting = [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found or name not in there:
            continue
        found[name] = there[name]
        for text in there[name].requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(requirement.name))
    return found


def size_mb(packages: Iterable[Distribution]) -> float:
    """Return what the packages' files take in MB, without Python's own compiled caches."""
    total = 0
    for package in packages:
        for file in package.files or ():
            path = Path(str(package.locate_file(file)))
            if "__pycache__" not in path.parts and path.is_file():
                total += path.stat().st_size
    return total / 1e6
