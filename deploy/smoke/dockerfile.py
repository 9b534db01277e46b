"""A Dockerfile read: what its last stage copies, sets and runs, and what its build installs."""

import json
import re
import shlex
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent.parent
REQUIREMENTS = re.compile(r"-r (?:\S*/)?(\S+)")


class DockerfileError(Exception):
    """A Dockerfile says what is not understood here, or copies what is not there."""


@dataclass
class Image:
    """What the last stage makes of its base.

    copies: (source in the repository, target in the image). built: what the build stage copies,
    by its name there; requirements: names of those that it installs. user: empty for root.
    """

    copies: list[tuple[str, str]] = field(default_factory=list)
    built: dict[str, str] = field(default_factory=dict)
    requirements: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = ""
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    packages: str = ""  # where the build stage's packages lie in the image


def instructions(text: str) -> list[tuple[str, str]]:
    """Return (instruction, rest) of each line, continued lines joined and comments left out."""
    kept = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(kept))
    found = []
    for line in joined.splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            found.append((name.upper(), rest.strip()))
    return found


def read(file: Path) -> Image:
    """Read a Dockerfile. Raises DockerfileError for an instruction that is not known here."""
    image = Image()
    for name, rest in instructions(file.read_text("utf-8")):
        if name == "FROM":
            # A further stage begins: of the one before, what it copied and installed is known.
            image = Image(built=image.built, requirements=image.requirements)
        elif name == "COPY":
            _copy(image, rest)
        elif name == "RUN":
            image.requirements += REQUIREMENTS.findall(rest)
        elif name == "ENV":
            image.environment |= dict(part.split("=", 1) for part in shlex.split(rest))
        elif name == "WORKDIR":
            image.workdir = rest
        elif name == "USER":
            image.user = rest
        elif name in ("ENTRYPOINT", "CMD"):
            setattr(image, "entrypoint" if name == "ENTRYPOINT" else "command", json.loads(rest))
        elif name == "HEALTHCHECK":
            image.health = json.loads(rest.partition("CMD ")[2])
        elif name not in ("ARG", "EXPOSE", "LABEL"):
            raise DockerfileError(f"{file.name}: {name} is not known here")
    return image


def _copy(image: Image, rest: str) -> None:
    words = shlex.split(rest)
    if words[0].startswith("--from="):
        image.packages = words[-1]
        return
    *sources, target = words
    for source in sources:
        name = PurePosixPath(source).name
        image.built[name] = source
        whole = target.endswith("/")
        path = PurePosixPath(image.workdir, target, name if whole else "")
        image.copies.append((source, str(path)))


def ignored(source: str, ignore_file: Path = ROOT / ".dockerignore") -> bool:
    """Tell whether .dockerignore keeps a file out of the build: its last rule that fits says so.

    A rule for a folder holds for all that is in it.
    """
    lines = [line.strip() for line in ignore_file.read_text("utf-8").splitlines()]
    kept_out = False
    path = PurePosixPath(source)
    names = [str(path), *(str(parent) for parent in path.parents)][:-1]
    for line in lines:
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!").removeprefix("**/")
            fits = any(
                (fnmatch(name, pattern) and name.count("/") == pattern.count("/"))
                or (line.startswith("**/") and PurePosixPath(name).name == pattern)
                for name in names
            )
            kept_out = not line.startswith("!") if fits else kept_out
    return kept_out


def files(image: Image) -> list[tuple[Path, str]]:
    """Return (file of the repository, its path in the image) for all that is copied.

    Raises DockerfileError for a source that is missing or kept out by .dockerignore.
    """
    found = []
    for source, target in image.copies:
        whole = ROOT / source
        if not whole.exists():
            raise DockerfileError(f"{source} is copied, and is not there")
        inside = (
            sorted(each for each in whole.rglob("*") if each.is_file()) if whole.is_dir() else []
        )
        for file in inside or [whole]:
            name = file.relative_to(ROOT).as_posix()
            if not ignored(name):
                found.append((file, str(PurePosixPath(target, file.relative_to(whole).as_posix()))))
            elif not inside:
                raise DockerfileError(f"{name} is copied, and .dockerignore keeps it out")
    return found
