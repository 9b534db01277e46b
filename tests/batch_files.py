"""What the tests of batches share: a reader that needs no model, uploads, zip files."""

import io
import struct
import zipfile
from typing import Any

import numpy as np
from api_server import EIGHT

import config
from outputs import Outputs
from page import batch, picture_files
from page.batch import Row
from page.reader import Reader

SETTINGS = config.Settings(max_bytes=100_000, page_pictures=20, page_bytes=400_000)
BROKEN = EIGHT[:40]


def predict(images: np.ndarray) -> Outputs:
    """Say of any image that it is an 8, more surely the more ink it has."""
    shares = np.full((len(images), 10), 0.01, np.float32)
    shares[:, 8] = 0.91
    return Outputs(shares, np.full(len(images), 0.9, np.float32))


def zipped(files: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def with_hidden(files: dict[str, bytes], count: int, zip64: bool = False) -> bytes:
    """Return a zip file whose directory lists `count` hidden files too, none of which is there.

    zip64: the directory is stated in a Zip64 record alone, and the usual one says that it is empty.
    """
    content = zipped(files)
    size, start = struct.unpack_from("<II", content, len(content) - 10)
    header = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, *[0] * 7, 6, *[0] * 6)
    hidden = b"".join(header + b".%05d" % number for number in range(count))
    directory = content[start : start + size] + hidden
    count, size = count + len(files), len(directory)
    body = content[:start] + directory
    if zip64:
        body += struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
        body += struct.pack("<4sIQI", b"PK\6\7", 0, start + size, 1)
        count = size = start = 0
    count = min(count, 0xFFFF)
    return body + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, size, start, 0)


def sent(reader: Reader, name: str, content: bytes) -> dict[str, Any]:
    """Put a file among the uploads, and return what a client says of it."""
    path = reader.uploads / f"upload-{len(list(reader.uploads.iterdir()))}"
    path.write_bytes(content)
    return {"path": str(path), "orig_name": name}


def rows_of(reader: Reader, *given: dict[str, Any]) -> list[Row]:
    uploads = picture_files.uploads_of(reader, list(given))
    with picture_files.opened(uploads, reader.settings) as files:
        return [row for some in batch.read_all(reader, files, "enhanced") for row in some]


def tampered(content: bytes, mark: bytes, offset: int, value: bytes) -> bytes:
    """Change bytes of each header that begins with the mark."""
    found = bytearray(content)
    place = found.find(mark)
    while place >= 0:
        found[place + offset : place + offset + len(value)] = value
        place = found.find(mark, place + 4)
    return bytes(found)
