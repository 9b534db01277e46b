"""The pictures of a part of the inputs, one by one: single files, or in zip, Parquet, TFRecord."""

import gzip
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import tfrecords
from pyarrow import fs
from storage import StorageError, located
from watched_file import DamagedFile, Watched, decoding

FILES, ZIP, PARQUET, TFRECORD = "files", "zip", "parquet", "tfrecord"
SUFFIXES = {".zip": ZIP, ".parquet": PARQUET, ".tfrecord": TFRECORD, ".tfrecords": TFRECORD}
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
GZIP = ".gz"
# What would be so again: it is told in a row, and all else is read.
UNREADABLE = (DamagedFile, FileNotFoundError, PermissionError)
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


def read(part: Part, columns: Columns, max_bytes: int) -> Iterator[Picture]:
    """Yield the pictures of a part in order. max_bytes: that one picture may have.

    One that cannot be had is yielded with its fault, and so is a file that is damaged. Raises
    StorageError if columns are missing or the place is not there, OSError if it does not answer.
    """
    filesystem, root = located(part.place)
    if filesystem.get_file_info(root).type == fs.FileType.NotFound:
        raise StorageError(
            f"{part.place} is not on this node: give an address, or a folder that all nodes share"
        )
    if part.kind == FILES:
        yield from _files(filesystem, part, max_bytes)
        return
    reader = {ZIP: _zip, PARQUET: _parquet, TFRECORD: _tfrecord}[part.kind]
    try:
        yield from reader(filesystem, part, columns, max_bytes)
    except UNREADABLE as fault:
        yield Picture(part.paths[0], part.first, "", fault=f"the file cannot be read: {fault}")


def _files(filesystem: fs.FileSystem, part: Part, max_bytes: int) -> Iterator[Picture]:
    for path in part.paths:
        name = PurePosixPath(path).name
        try:
            with filesystem.open_input_stream(path, compression=None) as file:
                content = file.read(max_bytes + 1)
        except UNREADABLE as fault:
            yield Picture(path, 0, name, fault=f"the file cannot be read: {fault}")
            continue
        yield _picture(path, 0, name, content, max_bytes)


def _picture(source: str, index: int, name: str, content: bytes, max_bytes: int) -> Picture:
    if len(content) > max_bytes:
        return Picture(source, index, name, fault=_too_large(max_bytes))
    return Picture(source, index, name, content)


def _too_large(max_bytes: int) -> str:
    return f"the picture has more than {max_bytes:,} bytes, which is the most that is accepted"


def members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the entries of a zip file that may be pictures, in its order."""
    return [
        entry for entry in archive.infolist() if not entry.is_dir() and is_wanted(entry.filename)
    ]


def _zip(
    filesystem: fs.FileSystem, part: Part, columns: Columns, max_bytes: int
) -> Iterator[Picture]:
    (path,) = part.paths
    with filesystem.open_input_file(path) as opened:
        file = Watched(opened)
        archive = opened_zip(file, path)
        wanted = members(archive)[part.first :][: part.count]
        for index, entry in enumerate(wanted, part.first):
            try:
                with decoding(file, "the entry of the zip file is damaged"):
                    content = _unpacked(archive, entry, max_bytes)
            except DamagedFile as fault:
                yield Picture(path, index, entry.filename, fault=str(fault))
                continue
            yield _picture(path, index, entry.filename, content, max_bytes)


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, max_bytes: int) -> bytes:
    """Return an entry's content, but little more than one picture may have."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DamagedFile("the entry is packed by a means that is not read: use deflate")
    with archive.open(entry) as member:
        return member.read(max_bytes + 1)


def opened_zip(file: Watched, path: str) -> zipfile.ZipFile:
    """Open a zip file. Raises DamagedFile for what is none."""
    with decoding(file, f"{path} is not a whole zip file"):
        return zipfile.ZipFile(file)


def opened_parquet(file: Watched, path: str) -> pq.ParquetFile:
    """Open a Parquet file. Raises DamagedFile for what is none."""
    with decoding(file, f"{path} is not a whole Parquet file"):
        return pq.ParquetFile(file)


def _parquet(
    filesystem: fs.FileSystem, part: Part, columns: Columns, max_bytes: int
) -> Iterator[Picture]:
    (path,) = part.paths
    with filesystem.open_input_file(path) as opened:
        file = Watched(opened)
        table = opened_parquet(file, path)
        image = columns.image or image_column(table.schema_arrow, path)
        for wanted in filter(None, (image, columns.name)):
            if wanted not in table.schema_arrow.names:
                known = ", ".join(table.schema_arrow.names)
                raise StorageError(f"{path} has no column {wanted!r}: it has {known}")
        if not _holds_bytes(table.schema_arrow.field(image).type):
            kind = table.schema_arrow.field(image).type
            raise StorageError(f"{path} holds {kind} in the column {image!r}: expected bytes")
        chosen = Columns(image, columns.name)
        for group, first, rows in _groups(table, part):
            index = first
            try:
                for batch in _batches(file, table, group, chosen):
                    for row in range(batch.num_rows):
                        yield _of_row(path, index, row, batch, chosen, max_bytes)
                        index += 1
            except DamagedFile as fault:
                lost = f"row {index} and the rest of {rows} rows cannot be read: {fault}"
                yield Picture(path, index, "", fault=lost)


def _batches(
    file: Watched, table: pq.ParquetFile, group: int, columns: Columns
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one row group. Raises DamagedFile."""
    names = [name for name in (columns.image, columns.name) if name]
    with decoding(file, "the row group is damaged"):
        yield from table.iter_batches(ROWS, row_groups=[group], columns=names)


def _of_row(
    path: str, index: int, row: int, batch: pa.RecordBatch, columns: Columns, max_bytes: int
) -> Picture:
    try:
        value = batch.column(columns.image)[row].as_py()
        name = _text(batch.column(columns.name)[row].as_py()) if columns.name else ""
    except (ValueError, OverflowError) as fault:  # text that is no UTF-8, a date out of range
        return Picture(path, index, "", fault=f"the row cannot be read: {fault}")
    content = value.get("bytes") if isinstance(value, dict) else value
    if content is None:
        return Picture(path, index, name, fault="the row holds no picture")
    return _picture(path, index, name, content, max_bytes)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _groups(table: pq.ParquetFile, part: Part) -> Iterator[tuple[int, int, int]]:
    """Yield the row groups of a part: number, first row, rows. It is cut between them."""
    end, start = part.first + (part.count or 0), 0
    for number in range(table.num_row_groups):
        rows = table.metadata.row_group(number).num_rows
        if start >= part.first and (part.count is None or start < end) and rows:
            yield number, start, rows
        start += rows


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


def _tfrecord(
    filesystem: fs.FileSystem, part: Part, columns: Columns, max_bytes: int
) -> Iterator[Picture]:
    (path,) = part.paths
    with filesystem.open_input_stream(path, compression=None) as opened:
        file = Watched(opened)
        packed = path.lower().endswith(GZIP)
        stream: Any = gzip.GzipFile(fileobj=file) if packed else file
        index = 0
        try:
            with decoding(file, "the file is damaged, what follows cannot be read"):
                for record, fault in tfrecords.records(stream, max_bytes):
                    if fault:
                        yield Picture(path, index, "", fault=fault)
                    else:
                        yield _of_record(path, index, record, columns, max_bytes)
                    index += 1
        except DamagedFile as fault:  # where the next record begins is not known
            yield Picture(path, index, "", fault=str(fault))


def _of_record(path: str, index: int, record: bytes, columns: Columns, max_bytes: int) -> Picture:
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
    return _picture(path, index, name, features[image], max_bytes)
