"""What is to be read, cut into shards; and the manifest by which a run that was killed goes on.

The plan is a function of the inputs as they are listed, so it is made anew at every start and
must be the one of the first. A shard whose result is there is done.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

import pictures
from pictures import FILES, PARQUET, PICTURES, UNREADABLE, ZIP, Columns, Part
from pyarrow import fs
from storage import StorageError, absolute, files_below, is_aside, located, write_whole
from watched_file import Watched

MANIFEST, SUMMARY = "_manifest.json", "_summary.json"
RESULT = re.compile(r"part-(\d{6})\.parquet")


@dataclass(frozen=True)
class Listed:
    """One file of the inputs. place: by which its filesystem is found; modified: in nanoseconds."""

    place: str
    path: str
    size: int
    modified: int

    @property
    def kind(self) -> str:
        return pictures.kind_of(self.path)


@dataclass(frozen=True)
class Shard:
    """What is read, scored and written as one. pictures: how many; None if it is not known."""

    number: int
    part: Part

    @property
    def pictures(self) -> int | None:
        return len(self.part.paths) if self.part.kind == FILES else self.part.count


@dataclass(frozen=True)
class Plan:
    """All shards of some inputs, and a digest of both the listing and the shards."""

    shards: list[Shard]
    digest: str
    left_out: int  # files in folders that are no pictures

    @property
    def pictures(self) -> int | None:
        """How many pictures there are, None if a file does not say how many it holds."""
        counts = [shard.pictures for shard in self.shards]
        return None if None in counts else sum(filter(None, counts))


def listed(places: Sequence[str]) -> tuple[list[Listed], int]:
    """Return the files at addresses of files and folders, and how many others are left out.

    Raises StorageError for an address where nothing is, or no pictures are.
    """
    found: dict[tuple[str, str], Listed] = {}
    left_out = 0
    for place in map(absolute, places):
        filesystem, path = located(place)
        info = filesystem.get_file_info(path)
        if info.type == fs.FileType.NotFound:
            raise StorageError(
                f"{place} does not exist: give files or folders of pictures, zip, Parquet or "
                "TFRecord files"
            )
        if info.is_file:
            files = [info]
        else:
            inside = files_below(filesystem, path)
            files = [each for each in inside if _is_read(str(each.path), path)]
            left_out += len(inside) - len(files)
        for each in files:
            modified = int(each.mtime_ns or 0)
            # One that is named twice, as itself and by its folder, is read once.
            key = place.partition("://")[0] if "://" in place else "file", str(each.path)
            found.setdefault(key, Listed(place, str(each.path), each.size or 0, modified))
    if not found:
        raise StorageError(f"there are no pictures in {', '.join(places)}")
    return list(found.values()), left_out


def _is_read(path: str, folder: str) -> bool:
    inside = str(PurePosixPath(path).relative_to(folder)) if folder else path
    is_picture = PurePosixPath(path.lower()).suffix in PICTURES
    return pictures.is_wanted(inside) and (is_picture or pictures.kind_of(path) != FILES)


def plan(places: Sequence[str], size: int) -> Plan:
    """Cut inputs into shards of about `size` pictures.

    A zip file is cut by its entries, a Parquet file between its row groups, a TFRecord file, which
    can only be read from its front, not at all; nor is a file that is damaged, which a row is to
    say. Raises StorageError.
    """
    files, left_out = listed(places)
    parts: list[Part] = []
    loose: list[Listed] = []
    for file in files:
        if loose and (file.kind != FILES or file.place != loose[0].place or len(loose) == size):
            parts.append(_of_files(loose))
            loose = []
        if file.kind == FILES:
            loose.append(file)
        else:
            parts += _of_container(file, size)
    if loose:
        parts.append(_of_files(loose))
    lines = [f"{file.path}\t{file.size}\t{file.modified}" for file in files]
    lines += [f"{part.kind}\t{part.paths}\t{part.first}\t{part.count}" for part in parts]
    digest = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    return Plan([Shard(number, part) for number, part in enumerate(parts)], digest, left_out)


def _of_files(files: list[Listed]) -> Part:
    return Part(files[0].place, FILES, tuple(file.path for file in files), 0, len(files))


def _of_container(file: Listed, size: int) -> list[Part]:
    one = (file.path,)
    try:
        cuts = _cuts(file, size)
    except UNREADABLE:  # a row will say so
        cuts = None
    if cuts is None:
        return [Part(file.place, file.kind, one)]
    return [Part(file.place, file.kind, one, a, b - a) for a, b in pairwise(cuts) if b > a]


def _cuts(file: Listed, size: int) -> list[int] | None:
    """Return the numbers of the pictures between which a file is cut, None if it cannot be."""
    if file.kind not in (ZIP, PARQUET):
        return None
    filesystem, _ = located(file.place)
    with filesystem.open_input_file(file.path) as opened:
        watched = Watched(opened)
        if file.kind == ZIP:
            count = len(pictures.members(pictures.opened_zip(watched, file.path)))
            return [*range(0, count, size), count]
        table = pictures.opened_parquet(watched, file.path).metadata
        rows = [table.row_group(number).num_rows for number in range(table.num_row_groups)]
    cuts, first = [0], 0
    for count in rows:
        first += count
        if first - cuts[-1] >= size or first == sum(rows):
            cuts.append(first)
    return cuts


def result_path(output: str, number: int) -> str:
    """Return where the result of a shard lies. output: the path of their folder."""
    return f"{output}/part-{number:06d}.parquet"


def refuse_inside(places: Sequence[str], output: str) -> None:
    """Raise StorageError if the results would lie among the inputs, and so be read as such."""
    filesystem, path = located(output)
    for place in places:
        other, folder = located(place)
        if type(other) is type(filesystem) and f"{path}/".startswith(f"{folder.rstrip('/')}/"):
            raise StorageError(f"{output} lies in {place}, which is read: choose another output")


def done(filesystem: fs.FileSystem, output: str) -> set[int]:
    """Return the numbers of the shards whose results are there."""
    names = (PurePosixPath(info.path).name for info in files_below(filesystem, output))
    return {int(match[1]) for name in names if (match := RESULT.fullmatch(name))}


def claim(
    filesystem: fs.FileSystem, output: str, made: Plan, settings: dict[str, Any], columns: Columns
) -> None:
    """Write the manifest of a new output, or hold this run against that of an earlier one.

    settings: what the results depend on besides the inputs. Raises StorageError if the output is
    of other inputs or settings, or holds other files.
    """
    wanted = {
        "inputs": made.digest,
        "shards": len(made.shards),
        **settings,
        "columns": asdict(columns),
    }
    path = f"{output}/{MANIFEST}"
    there = [info for info in files_below(filesystem, output) if not is_aside(str(info.path))]
    if not any(str(info.path) == path for info in there):
        if there:
            raise StorageError(
                f"{output} holds files that are no results of this program: give an empty folder"
            )
        write_whole(filesystem, path, json.dumps(wanted, indent=1).encode())
        return
    known = _manifest(filesystem, path)
    other = [name for name in wanted if known.get(name) != wanted[name]]
    if other:
        said = ", ".join(f"{name} {known.get(name)!r}, now {wanted[name]!r}" for name in other)
        raise StorageError(
            f"{output} was begun with other {'inputs' if 'inputs' in other else 'settings'} "
            f"({said}): give them again to go on, or another folder to begin anew"
        )


def _manifest(filesystem: fs.FileSystem, path: str) -> dict[str, Any]:
    with filesystem.open_input_stream(path) as file:
        content = file.read()
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError):
        manifest = None
    if not isinstance(manifest, dict):
        raise StorageError(f"{path} is not a manifest of this program: give an empty folder")
    return manifest
