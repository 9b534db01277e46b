"""Requests that ask a server for much: large pictures in few bytes, damage, false lengths, floods.

All of it is harmless: pictures are valid or plainly damaged, and a JPEG of a process that is not
read ends with its header, so no decoder's own faults are touched. Every builder is a function
without side effects.
"""

import base64
import json
import random
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from http_client import multipart, post

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT), str(ROOT / "tests")]
from hostile import HOSTILE  # noqa: E402
from samples import chunk, drawing, encoded  # noqa: E402

Size = tuple[int, int]
HUGE: Size = (7_000, 7_000)  # just below the limit of one picture
MANY = 20  # pictures in a request: together far above the limit of one
WITHIN: Size = (4_400, 4_400)  # nine of these come to 174 million pixels
BODY = 16 * 1024 * 1024  # bytes that one request's body may have
CORPUS = ROOT / "tests" / "fuzz_corpus"
EIGHT = ROOT / "tests" / "pictures" / "eight.png"
KINDS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
REFUSED_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
PREDICT, INFER = "/predict", "/v2/models/mnist_cnn/infer"
TFS = "/v1/models/mnist_cnn:predict"
JSON_TYPE = "application/json"


def packed(fields: Iterable[tuple[int, int]]) -> bytes:
    """Return numbers, each in as many bits as stated, the lowest bit first."""
    content, value, place = bytearray(), 0, 0
    for number, bits in fields:
        value |= number << place
        place += bits
        while place >= 8:
            content.append(value & 0xFF)
            value, place = value >> 8, place - 8
    content.append(value)
    return bytes(content)


def flat_png(size: Size) -> bytes:
    """Return a valid PNG of one grey: 49 million pixels take 65 kB."""
    width, height = size
    rows, count = b"\0" + bytes([250]) * width, 100
    assert height % count == 0
    packer, checksum = zlib.compressobj(9, wbits=-15), 1
    block = packer.compress(rows * count) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(height // count):
        checksum = zlib.adler32(rows * count, checksum)
    data = b"\x78\xda" + block * (height // count) + b"\3\0" + struct.pack(">I", checksum)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def flat_gif(size: Size) -> bytes:
    """Return a valid GIF of one grey: 49 million pixels take 34 kB."""
    width, height = size
    palette = struct.pack("<HHBBB", width, height, 0x81, 0, 0) + bytes([250]) * 12
    image = b"," + struct.pack("<HHHHBB", 0, 0, width, height, 0, 2)
    data = packed(_one_colour(width * height))
    blocks = (data[start : start + 255] for start in range(0, len(data), 255))
    body = b"".join(bytes([len(block)]) + block for block in blocks)
    return b"GIF89a" + palette + image + body + b"\0;"


def _one_colour(pixels: int) -> Iterator[tuple[int, int]]:
    """Give the LZW codes of so many pixels of the first of four colours, and their bits."""
    clear, end, bits = 4, 5, 3
    while pixels:
        yield clear, bits
        yield 0, 3
        pixels, run, bits = pixels - 1, 1, 3
        for code in range(6, 4096):  # each names a run longer by one than the last
            if not pixels:
                break
            run = min(run + 1, pixels)
            yield (0 if run == 1 else run + 4), bits
            pixels -= run
            if code + 1 == 1 << bits and bits < 12:
                bits += 1
            if run + 4 != code:
                break
    yield end, bits


def flat_webp(size: Size) -> bytes:
    """Return a valid lossless WebP of one grey, which takes 32 bytes whatever its size.

    Each of its prefix codes has a single symbol, so a pixel takes no bit (RFC 9649, section 3.7).
    """
    width, height = size
    # Signature, size, no alpha, version; no transform, no colour cache, one group of codes.
    fields = [(0x2F, 8), (width - 1, 14), (height - 1, 14), (0, 1), (0, 3), (0, 3)]
    for symbol in (250, 250, 250, 255):  # green, red, blue, alpha: a simple code of one symbol
        fields += [(0b101, 3), (symbol, 8)]
    data = packed([*fields, (0b001, 3), (0, 1)])  # the last: the distances
    part = b"VP8L" + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(part) + 4) + b"WEBP" + part


FLAT = {"PNG": flat_png, "GIF": flat_gif, "WEBP": flat_webp}


def with_size(kind: str, size: Size = HUGE) -> bytes:
    """Return a small picture whose header states another size: its pixels end early."""
    content = bytearray(encoded(drawing(), kind))
    width, height = size
    if kind == "PNG":
        struct.pack_into(">II", content, 16, width, height)
        struct.pack_into(">I", content, 29, zlib.crc32(content[12:29]))
    elif kind == "JPEG":
        struct.pack_into(">HH", content, content.index(b"\xff\xc0") + 5, height, width)
    elif kind == "WEBP":
        struct.pack_into("<HH", content, content.index(b"\x9d\x01\x2a") + 3, width, height)
    elif kind == "BMP":
        struct.pack_into("<ii", content, 18, width, height)
    else:
        palette = 3 << (content[10] & 7) + 1 if content[10] & 0x80 else 0
        frame = content.index(b",", 13 + palette)
        struct.pack_into("<HH", content, 6, width, height)
        struct.pack_into("<HH", content, frame + 5, width, height)
    return bytes(content)


def flipped(content: bytes, draws: random.Random, flips: int = 4) -> bytes:
    """Return a picture with bits flipped in its last third, where its pixels are.

    No byte becomes, ceases to be, or follows an 0xFF: a JPEG's markers stay the ones it has.
    """
    damaged = bytearray(content)
    for _ in range(flips):
        place = draws.randrange(len(content) * 2 // 3, len(content) - 2)
        byte = damaged[place] ^ 1 << draws.randrange(8)
        if 0xFF not in (byte, damaged[place], damaged[place - 1]):
            damaged[place] = byte
    return bytes(damaged)


def damaged_pictures(draws: random.Random) -> list[bytes]:
    """Return pictures of each kind that state 49 million pixels, cut short or with bits flipped."""
    pictures = [with_size(kind) for kind in KINDS]
    flips = [flipped(picture, draws) for picture in pictures]
    return [picture[: len(picture) * 2 // 3] for picture in pictures] + flips


def refused_jpegs() -> list[bytes]:
    """Return the header of a JPEG of each process that is not read, and nothing after it."""
    frame = struct.pack(">HBHHBBBB", 11, 8, 7_000, 7_000, 1, 1, 0x11, 0)
    return [b"\xff\xd8\xff" + bytes([marker]) + frame for marker in REFUSED_FRAMES]


def text_of(picture: bytes) -> str:
    """Return a picture as JSON carries it."""
    return base64.b64encode(picture).decode()


def in_json(*pictures: bytes) -> bytes:
    """Return a request with pictures as base64 in JSON."""
    value = {"images": [text_of(picture) for picture in pictures]}
    return post(PREDICT, json.dumps(value).encode(), JSON_TYPE)


def in_form(*pictures: bytes) -> bytes:
    """Return a request with pictures in a form."""
    return post(PREDICT, *multipart(list(pictures)))


def raw(picture: bytes) -> bytes:
    """Return a request with a picture as its body."""
    return post(PREDICT, picture, "image/png")


def large_flat_pictures() -> list[bytes]:
    """Return requests of small bodies and many pixels: one picture, many, many in a form."""
    flat = {kind: build(HUGE) for kind, build in FLAT.items()}
    within = flat_webp(WITHIN)
    return [
        *(raw(picture) for picture in flat.values()),
        *(in_json(*[picture] * MANY) for picture in flat.values()),
        *(in_form(*[picture] * MANY) for picture in flat.values()),
        in_json(*[within] * 9),
        in_form(*[within] * 9),
    ]


def numbers(path: str, start: str, end: str, size: int = BODY) -> bytes:
    """Return a request of as much JSON as a body may have, numbers between `start` and `end`."""
    count = (size - len(start) - len(end) - 1) // 4
    return post(path, f"{start}{'0.5,' * count}0{end}".encode(), JSON_TYPE)


def many_numbers(size: int = BODY) -> list[bytes]:
    """Return such a request for each protocol, in the form that it reads furthest."""
    tensor = '{"inputs":[{"name":"images","datatype":"FP32","shape":[9,28,28,1],"data":['
    return [
        numbers(PREDICT, '{"pixels":[[', "]]}", size),
        numbers(TFS, '{"instances":[[[', "]]]}", size),
        numbers(INFER, tensor, "]}]}", size),
    ]


def many_keys(count: int = 300_000) -> bytes:
    """Return a request of an object with many keys."""
    pairs = ",".join(f'"key{number}":{number}' for number in range(count))
    return post(PREDICT, f"{{{pairs}}}".encode(), JSON_TYPE)


def deep() -> list[bytes]:
    """Return requests of JSON nested a hundred thousand deep, closed and not."""
    lists, objects = b"[" * 100_000, b'{"a":' * 100_000
    bodies = [lists + b"]" * 100_000, lists, b'{"image":' + lists, objects]
    return [post(path, body, JSON_TYPE) for path in (PREDICT, TFS, INFER) for body in bodies]


def no_base64() -> list[bytes]:
    """Return requests of texts that are no picture: broken base64, data URLs of all sorts."""
    noise = random.Random(1).randbytes(30_000)
    texts = (
        "!" * 40_000,
        "A" * 40_001,
        text_of(noise),
        "data:image/png;base64," + text_of(noise),
        "data:,plain",
        "data:" + "a" * 40_000,
        "data:text/html;base64,PGI+",
        "file:///dev/zero",
        "http://127.0.0.1:1/",
    )
    return [post(PREDICT, json.dumps({"image": text}).encode(), JSON_TYPE) for text in texts]


def false_tensors() -> list[bytes]:
    """Return requests to /v2 whose lengths and shapes are not those of the binary data."""

    def infer(name: str, shape: list[int], stated: int, data: bytes, off: int = 0) -> bytes:
        datatype = "FP32" if name == "images" else "BYTES"
        size = {"binary_data_size": stated}
        tensor = {"name": name, "datatype": datatype, "shape": shape, "parameters": size}
        text = json.dumps({"inputs": [tensor]}).encode()
        length = f"Inference-Header-Content-Length: {len(text) + off}"
        return post(INFER, text + data, "application/octet-stream", length)

    return [
        infer("images", [64, 28, 28, 1], 4, b"1234"),
        infer("images", [1, 28, 28, 1], 10**9, b"1234"),
        infer("images", [2**31 - 1, 28, 28, 1], 4, b"1234"),
        infer("images", [1, 28, 28, 1], 3_136, bytes(3_136), off=10**9),
        infer("images", [1, 28, 28, 1], 3_136, b"\xff" * 3_136),
        infer("pictures", [1], 8, b"\xff\xff\xff\xff1234"),
        infer("pictures", [64], 64 * 4, bytes(64 * 4)),
        infer("pictures", [1], 40_000, bytes(40_000)),
    ]


def many_parts(count: int = 5_000) -> list[bytes]:
    """Return requests of forms with thousands of tiny files and fields."""
    return [post(PREDICT, *multipart([b"x"] * count, field)) for field in ("file", "other")]


def corpus() -> list[bytes]:
    """Return a request for each file of the fuzz corpus; texts go as JSON."""
    requests = []
    for path in sorted(CORPUS.iterdir()):
        content = path.read_bytes()
        if path.suffix == ".url":
            body = json.dumps({"image": content.decode("latin-1")}).encode()
            requests.append(post(PREDICT, body, JSON_TYPE))
        else:
            requests.append(raw(content))
    return requests


def light() -> dict[str, list[bytes]]:
    """Return the requests that cost a server little if it does as it should, by their kind."""
    return {
        "fuzz corpus": corpus(),
        "damaged pictures of large stated size": [*map(raw, damaged_pictures(random.Random(2)))],
        "headers of JPEG processes not read": [*map(raw, refused_jpegs())],
        "deeply nested JSON": deep(),
        "texts that are no base64": no_base64(),
        "tensors of false lengths": false_tensors(),
        "forms of thousands of parts": many_parts(),
    }


def heavy() -> dict[str, list[bytes]]:
    """Return the requests of many pixels or large bodies, by their kind."""
    return {
        "flat pictures of 49 million pixels, 1 to 20": large_flat_pictures(),
        "hostile files": [raw(build()) for build, _ in HOSTILE.values()],
        "16 MB of numbers as JSON": many_numbers(),
        "JSON of 300,000 keys": [many_keys()],
    }
