"""TFRecord files of tf.train.Example, read without TensorFlow.

https://www.tensorflow.org/tutorials/load_data/tfrecord: a record is its length, the length's
checksum, the data and the data's checksum. No package that reads them is both kept and free of
TensorFlow; the messages are read by protobuf, the checksums computed by google-crc32c.
"""

import struct
from collections.abc import Iterator
from functools import cache
from typing import Any

import google_crc32c
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

LENGTH, CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")
PIECE = 2**20  # bytes of a record that is passed over are read at a time
BYTES, REPEATED = 12, 3  # of protobuf's FieldDescriptorProto: type and label


class RecordError(Exception):
    """A TFRecord file is damaged or cut short."""


def records(file: Any, most: int) -> Iterator[tuple[bytes, str]]:
    """Yield each record's data, or nothing and why it cannot be read.

    most: bytes that one may have; a longer one is passed over. Raises RecordError where it is not
    known how long a record is, and at a file that is cut short.
    """
    number = 0
    while head := file.read(LENGTH.size + CHECKSUM.size):
        if len(head) < LENGTH.size + CHECKSUM.size or not _matches(head[: LENGTH.size], head[-4:]):
            raise RecordError(f"record {number} has no whole head")
        (length,) = LENGTH.unpack(head[: LENGTH.size])
        data = file.read(length) if length <= most else b""
        missing = length - len(data)
        while length > most and missing and (piece := file.read(min(missing, PIECE))):
            missing -= len(piece)
        checksum = file.read(CHECKSUM.size)
        if missing or len(checksum) < CHECKSUM.size:
            raise RecordError(f"record {number} is cut short")
        if length > most:
            yield b"", f"the record has {length:,} bytes: at most {most:,} are accepted"
        elif _matches(data, checksum):
            yield data, ""
        else:
            yield b"", "the record is damaged: its checksum does not match"
        number += 1


def _matches(data: bytes, checksum: bytes) -> bool:
    """Tell whether a masked CRC-32C is that of the data."""
    value = google_crc32c.value(data)
    masked = (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    return bool(CHECKSUM.unpack(checksum)[0] == masked)


@cache
def _example() -> Any:
    """Return protobuf's class for the part of tf.train.Example that holds bytes."""
    file = descriptor_pb2.FileDescriptorProto(name="digits_example.proto", package="digits")

    def message(parent: Any, name: str, *given: tuple[str, int, int, int, str]) -> Any:
        made = parent.add(name=name)
        for field, number, kind, label, of in given:
            made.field.add(name=field, number=number, type=kind, label=label, type_name=of or None)
        return made

    one, many, of_message = 1, REPEATED, 11
    message(file.message_type, "BytesList", ("value", 1, BYTES, many, ""))
    message(file.message_type, "Feature", ("bytes_list", 1, of_message, one, ".digits.BytesList"))
    features = message(
        file.message_type,
        "Features",
        ("feature", 1, of_message, many, ".digits.Features.FeatureEntry"),
    )
    entry = message(
        features.nested_type,
        "FeatureEntry",  # the name that protobuf demands
        ("key", 1, 9, one, ""),
        ("value", 2, of_message, one, ".digits.Feature"),
    )
    entry.options.map_entry = True
    message(file.message_type, "Example", ("features", 1, of_message, one, ".digits.Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("digits.Example"))


def bytes_features(record: bytes) -> dict[str, bytes]:
    """Return the first value of each feature of bytes in a tf.train.Example.

    Raises RecordError for what is none.
    """
    kind = _example()
    try:
        example = kind.FromString(record)
        return {
            name: feature.bytes_list.value[0]
            for name, feature in example.features.feature.items()
            if feature.bytes_list.value
        }
    except (DecodeError, UnicodeDecodeError):  # of a feature whose name is no text
        raise RecordError("the record is no tf.train.Example") from None
