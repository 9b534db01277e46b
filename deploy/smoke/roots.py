"""An empty root with what a Dockerfile's last stage puts there, and a process shut into it.

There is no Docker daemon here. The system's and Python's own files, which a base image has, are
this machine's, mounted read-only; all else in the root is what the Dockerfile copies and installs.
Linux, as root; elsewhere the same files run in a plain folder, which is said.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import dockerfile

SERVE, LOCK = (dockerfile.ROOT / f"requirements{end}" for end in ("-serve.txt", ".lock"))
KEPT = dockerfile.ROOT / "results" / ".deploy" / "venvs"  # ignored by git, linters and tests
SYSTEM = ("bin", "lib", "lib64", "sbin")  # links into /usr on a merged system
TMPFS = ("tmp", "dev/shm")  # what a read-only container may write


class InstallError(Exception):
    """The packages of a target cannot be installed."""


@dataclass(frozen=True)
class Root:
    """A root on disk and the image that it stands for. size: MB of what was put there."""

    path: Path
    image: dockerfile.Image
    size: float


def size_mb(folder: Path) -> float:
    """Return the MB of all files in a folder, links not followed."""
    files = (Path(base, name) for base, _, names in os.walk(folder) for name in names)
    return sum(file.lstat().st_size for file in files) / 1e6


def install(
    requirements: list[Path], python: Path | None = None, folder: Path | None = None
) -> None:
    """Install requirements, held to the lock file, for a Python or into a folder."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    command += [] if python is None else ["--python", str(python)]
    command += ["install", "--quiet", "--constraint", str(LOCK)]
    command += [] if folder is None else ["--target", str(folder)]
    for file in requirements:
        command += ["--requirement", str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise InstallError(done.stderr.strip()[-500:])


def new_venv(requirements: list[Path], home: Path) -> None:
    """Install requirements in a new virtual environment without pip, as the build stages do.

    One of the same requirements that was made before is copied.
    """
    texts = [file.read_bytes() for file in (*requirements, SERVE, LOCK)]
    digest = hashlib.sha256(b"\0".join([sys.version.encode(), *texts])).hexdigest()[:16]
    kept = KEPT / digest
    if not kept.exists():
        making = kept.with_name(f"{digest}.making")
        shutil.rmtree(making, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(making)], check=True)
        install(requirements, python=making / "bin" / "python")
        making.rename(kept)
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(kept, home, symlinks=True)


def build(file: Path, folder: Path) -> Root:
    """Build the root of a Dockerfile in a folder, which is emptied first."""
    image = dockerfile.read(file)
    shutil.rmtree(folder, ignore_errors=True)
    for source, target in dockerfile.files(image):
        copied = folder / target.lstrip("/")
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copied)
    with tempfile.TemporaryDirectory() as side_by_side:
        wanted = [Path(side_by_side) / each for each in image.requirements]
        for name, given in image.built.items():
            if (dockerfile.ROOT / given).is_file():
                shutil.copyfile(dockerfile.ROOT / given, Path(side_by_side) / name)
        new_venv(wanted, folder / image.packages.lstrip("/"))
    size = size_mb(folder)
    for name in ("dev", "etc", "proc", "usr", "tmp", base_python().as_posix().lstrip("/")):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "etc" / "hosts").write_text("127.0.0.1 localhost\n", "utf-8")  # as a daemon does
    for name in SYSTEM:
        if Path("/", name).is_symlink():
            (folder / name).symlink_to(Path("/", name).readlink())
        else:
            (folder / name).mkdir(exist_ok=True)
    return Root(folder, image, size)


def base_python() -> Path:
    """Return where the Python lies that the virtual environments are made of."""
    return Path(sys.base_prefix)


@cache
def can_shut_in() -> bool:
    """Tell whether a process can be given a root of its own here."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return False
    tried = ["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "t", "/mnt"]
    return (
        bool(shutil.which("setpriv")) and not subprocess.run(tried, capture_output=True).returncode
    )


def command(root: Root, words: list[str], environment: dict[str, str]) -> list[str]:
    """Return what runs words in the root: read-only, as the image's user, without capabilities.

    environment: beside the image's own; nothing else of this process's is passed on.
    """
    given = [f"{name}={value}" for name, value in (root.image.environment | environment).items()]
    if not can_shut_in():
        bin_folder = root.path / root.image.packages.lstrip("/") / "bin"
        plain = [f"PATH={bin_folder}:{os.environ['PATH']}", "MNIST_HOST=127.0.0.1"]
        inside = root.path / root.image.workdir.lstrip("/")
        return ["env", "-C", str(inside), *given, *plain, *words]
    user = (root.image.user or "0").partition(":")[0]
    limits = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
    owner = [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    run = ["setpriv", *owner, *limits, "env", "-i", "-C", root.image.workdir, *given, *words]
    script = "\n".join([*_mounts(root.path), f"exec chroot {root.path} {shlex.join(run)}"])
    return ["unshare", "--mount", "--propagation", "private", "sh", "-e", "-c", script]


def _mounts(folder: Path) -> list[str]:
    """Return the shell lines that make the root: read-only but for what is in memory."""
    python = base_python()
    own = [f"/{each}" for each in SYSTEM if not (folder / each).is_symlink()]
    shared = ["/usr", *own, *([] if python.is_relative_to("/usr") else [str(python)])]
    lines = [f"mount --bind {folder} {folder}"]
    for each in shared:
        lines += [f"mount --bind {each} {folder}{each}", f"mount -o remount,bind,ro {folder}{each}"]
    lines += [f"mount --rbind /dev {folder}/dev", f"mount -t proc proc {folder}/proc"]
    lines += [f"mount -t tmpfs -o mode=1777 tmpfs {folder}/{each}" for each in TMPFS]
    return [*lines, f"mount -o remount,bind,ro {folder}"]
