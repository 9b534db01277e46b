"""The pictures of a part of the inputs, one by one: single files, or in zip, Parquet, TFRecord."""

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import tfrecords
from pyarrow import fs
from storage import StorageError, located

import config

FILES, ZIP, PARQUET, TFRECORD = "files", "zip", "parquet", "tfrecord"
SUFFIXES = {".zip": ZIP, ".parquet": PARQUET, ".tfrecord": TFRECORD, ".tfrecords": TFRECORD}
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
GZIP = ".gz"
LARGEST = config.Settings.max_bytes  # of one picture
# What a damaged or encrypted entry of a zip file makes zipfile raise.
UNPACKING = (
    zipfile.BadZipFile,
    RuntimeError,
    NotImplementedError,
    EOFError,
    ValueError,
    zlib.error,
)
ROWS = 256  # of a Parquet file that are in memory at a time
LEFT_OVER = ("thumbs.db", "desktop.ini", "__macosx")  # what systems leave beside pictures
# Where a picture is looked for if no column or feature is named.
LIKELY = ("image", "picture", "image/encoded", "bytes", "content", "data")


@dataclass(frozen=True)
class Part:
    """Some pictures of one place: single files, or `count` from the one numbered `first` on.

    place: the address by which the filesystem is found; paths: in it, one unless kind is FILES.
    count: None for all that there are.
    """

    place: str
    kind: str
    paths: tuple[str, ...]
    first: int = 0
    count: int | None = None


@dataclass(frozen=True)
class Picture:
    """One picture of a source: its number there, its name, and its bytes, or why there are none."""

    source: str
    index: int
    name: str
    content: bytes = b""
    fault: str = ""


@dataclass(frozen=True)
class Columns:
    """Which column or feature holds the pictures, and which their names; None: looked for."""

    image: str | None = None
    name: str | None = None


def kind_of(path: str) -> str:
    """Return how a file is read, by its suffix."""
    lower = path.lower()
    plain = lower.removesuffix(GZIP)
    kind = SUFFIXES.get(PurePosixPath(plain).suffix, FILES)
    return kind if plain == lower or kind == TFRECORD else FILES


def is_wanted(path: str) -> bool:
    """Leave out hidden files and what systems put beside pictures. path: relative."""
    parts = PurePosixPath(path.replace("\\", "/").lower()).parts
    return bool(parts) and not any(part.startswith(".") or part in LEFT_OVER for part in parts)


def read(part: Part, columns: Columns) -> Iterator[Picture]:
    """Yield the pictures of a part in order.

    One that cannot be had is yielded with its fault; raises StorageError if the whole file cannot
    be read, and OSError if its place does not answer.
    """
    filesystem, _ = located(part.place)
    if part.kind == FILES:
        yield from _files(filesystem, part)
    elif part.kind == ZIP:
        yield from _zip(filesystem, part)
    elif part.kind == PARQUET:
        yield from _parquet(filesystem, part, columns)
    else:
        yield from _tfrecord(filesystem, part, columns)


def _files(filesystem: fs.FileSystem, part: Part) -> Iterator[Picture]:
    for path in part.paths:
        name = PurePosixPath(path).name
        try:
            with filesystem.open_input_stream(path, compression=None) as file:
                content = file.read(LARGEST + 1)
        except (FileNotFoundError, PermissionError) as fault:  # it would be so again
            yield Picture(path, 0, name, fault=f"the file cannot be read: {fault}")
            continue
        yield _picture(path, 0, name, content)


def _picture(source: str, index: int, name: str, content: bytes) -> Picture:
    if len(content) > LARGEST:
        fault = f"the picture has more than {LARGEST:,} bytes, which is the most that is accepted"
        return Picture(source, index, name, fault=fault)
    return Picture(source, index, name, content)


def members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the entries of a zip file that may be pictures, in its order."""
    return [
        entry for entry in archive.infolist() if not entry.is_dir() and is_wanted(entry.filename)
    ]


def _zip(filesystem: fs.FileSystem, part: Part) -> Iterator[Picture]:
    (path,) = part.paths
    with filesystem.open_input_file(path) as file, opened_zip(file, path) as archive:
        wanted = members(archive)[part.first :][: part.count]
        for index, entry in enumerate(wanted, part.first):
            try:
                content = _unpacked(archive, entry)
            except UNPACKING as fault:
                yield Picture(path, index, entry.filename, fault=f"in the zip file: {fault}")
                continue
            yield _picture(path, index, entry.filename, content)


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return an entry's content, but little more than one picture may have."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotImplementedError("the entry is packed by a means that is not read: use deflate")
    with archive.open(entry) as member:
        return member.read(LARGEST + 1)


def opened_zip(file: Any, path: str) -> zipfile.ZipFile:
    """Open a zip file. Raises StorageError for what is none."""
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError):
        raise StorageError(f"{path} is not a whole zip file") from None


def opened_parquet(file: Any, path: str) -> pq.ParquetFile:
    """Open a Parquet file. Raises StorageError for what is none."""
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as fault:
        raise StorageError(f"{path} is not a whole Parquet file: {fault}") from None


def _parquet(filesystem: fs.FileSystem, part: Part, columns: Columns) -> Iterator[Picture]:
    (path,) = part.paths
    with filesystem.open_input_file(path) as file:
        table = opened_parquet(file, path)
        image = columns.image or image_column(table.schema_arrow, path)
        for wanted in filter(None, (image, columns.name)):
            if wanted not in table.schema_arrow.names:
                known = ", ".join(table.schema_arrow.names)
                raise StorageError(f"{path} has no column {wanted!r}: it has {known}")
        if not _holds_bytes(table.schema_arrow.field(image).type):
            kind = table.schema_arrow.field(image).type
            raise StorageError(f"{path} holds {kind} in the column {image!r}: expected bytes")
        names = [image, *([columns.name] if columns.name else [])]
        groups, before = _groups(table, part)
        batches = table.iter_batches(ROWS, row_groups=groups, columns=names)
        rows = ((row, batch) for batch in batches for row in range(batch.num_rows))
        chosen = islice(rows, part.first - before, None)
        for index, (row, batch) in enumerate(islice(chosen, part.count), part.first):
            value = batch.column(image)[row].as_py()
            content = value.get("bytes") if isinstance(value, dict) else value
            name = _text(batch.column(columns.name)[row].as_py()) if columns.name else ""
            if content is None:
                yield Picture(path, index, name, fault="the row holds no picture")
            else:
                yield _picture(path, index, name, content)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _groups(table: pq.ParquetFile, part: Part) -> tuple[list[int], int]:
    """Return the row groups that hold a part's rows, and how many rows come before them."""
    groups, before, start = [], 0, 0
    end = None if part.count is None else part.first + part.count
    for number in range(table.num_row_groups):
        rows = table.metadata.row_group(number).num_rows
        if start + rows <= part.first:
            before = start + rows
        elif end is None or start < end:
            groups.append(number)
        start += rows
    return groups, before


def image_column(schema: pa.Schema, path: str) -> str:
    """Return the column that holds pictures: bytes, or a structure with a field of bytes.

    Raises StorageError if there is none or more than one.
    """
    found = [field.name for field in schema if _holds_bytes(field.type)]
    likely = [name for name in LIKELY if name in found]
    if len(found) != 1 and not likely:
        said = f"has the columns {', '.join(found)}" if found else "has no column of bytes"
        raise StorageError(f"{path} {said}: name the one of the pictures with --column")
    return likely[0] if likely else found[0]


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):  # as Hugging Face's data sets hold pictures
        return kind.get_field_index("bytes") >= 0
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _tfrecord(filesystem: fs.FileSystem, part: Part, columns: Columns) -> Iterator[Picture]:
    (path,) = part.paths
    with filesystem.open_input_stream(path, compression=None) as stream:
        packed = path.lower().endswith(GZIP)
        file: Any = gzip.GzipFile(fileobj=stream) if packed else stream
        index = 0
        try:
            for record in tfrecords.records(file, LARGEST):
                yield _of_record(path, index, record, columns)
                index += 1
        except (tfrecords.RecordError, EOFError, gzip.BadGzipFile, zlib.error) as fault:
            # Where the next record begins is not known, so this is the last row.
            lost = f"the file is damaged, what follows cannot be read: {fault}"
            yield Picture(path, index, "", fault=lost)


def _of_record(path: str, index: int, record: bytes, columns: Columns) -> Picture:
    try:
        features = tfrecords.bytes_features(record)
    except tfrecords.RecordError as error:
        return Picture(path, index, "", fault=str(error))
    name = features.get(columns.name or "", b"").decode("utf-8", "replace")
    image = columns.image or next((key for key in LIKELY if key in features), "")
    if image not in features:
        known = ", ".join(sorted(features)) or "none"
        fault = f"no feature holds the picture: those of bytes are {known}; see --column"
        return Picture(path, index, name, fault=fault)
    return _picture(path, index, name, features[image])
