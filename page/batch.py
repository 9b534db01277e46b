"""Many pictures read one after another: a row each, whatever it holds."""

import base64
import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

import config
import utils
from page import answer_view
from page.api_server import Busy, Unreachable
from page.picture_files import PictureFile
from page.reader import Reader

AT_ONCE = 16  # pictures that are answered together
MOST_SECONDS = 600.0  # for a batch; pictures that are not read by then are told so
LONGEST_WAIT = 60.0  # seconds for an API that has too much to do, all waits together
STEP = 1.0  # seconds of a wait, after which the page is heard
BREATH = 0.001  # seconds after a picture in which other visitors' pictures are read
THUMBNAIL = 96  # pixels of the longer side: sharp where a pixel of CSS has two of the screen
OUT_OF_TIME = f"not read: the batch took longer than {MOST_SECONDS / 60:.0f} minutes"


@dataclass(frozen=True)
class Row:
    """What came of one picture: the contract's answer, or the reason why there is none.

    original, seen: data URLs of small pictures, of the file and of its MNIST form; empty if there
    are none.
    """

    name: str
    answer: dict[str, Any] | None = None
    fault: str = ""
    original: str = ""
    seen: str = ""

    @property
    def is_doubtful(self) -> bool:
        """Whether the model says that it is not one digit."""
        share = 1.0 if self.answer is None else self.answer.get("is_digit", 1.0)
        return bool(share < config.IS_DIGIT_THRESHOLD)

    @property
    def words(self) -> str:
        """The answer in words, or the fault."""
        return answer_view.words(self.answer) if self.answer else self.fault


@dataclass
class Prepared:
    """A picture in MNIST form, and the row that awaits its answer."""

    row: Row
    image: np.ndarray | None = None


def read_all(
    reader: Reader, files: Sequence[PictureFile], method: str, thumbnails: bool = True
) -> Iterator[list[Row]]:
    """Give the rows of pictures, in order, a few at a time; an empty list while the API is busy.

    One picture at a time is in memory; rows are kept by whoever takes them.
    """
    until = time.monotonic() + MOST_SECONDS
    patience, gone = LONGEST_WAIT, ""
    for start in range(0, len(files), AT_ONCE):
        some = []
        for file in files[start : start + AT_ONCE]:
            late = OUT_OF_TIME if time.monotonic() > until else gone
            some.append(
                Prepared(Row(file.name, fault=late))
                if late
                else _prepared(file, method, reader, thumbnails)
            )
            time.sleep(BREATH)
        while True:
            try:
                yield _answered(reader, some, method)
                break
            except Busy as fault:
                wait = float(fault.retry_after)
                if patience < wait:
                    yield _told(some, fault)
                    break
                patience -= wait
                for _ in range(int(wait / STEP)):
                    yield []
                    time.sleep(STEP)
            except config.ReaderError as fault:
                if isinstance(fault, Unreachable):
                    gone = str(fault)  # the rest would wait for it in vain
                yield _told(some, fault)
                break


def _prepared(file: PictureFile, method: str, reader: Reader, thumbnails: bool) -> Prepared:
    """Bring one picture to MNIST form; a fault becomes its row."""
    original = ""
    try:
        picture = reader.decode(file.read())
        original = thumbnail(picture) if thumbnails else ""
        image = utils.to_mnist_form(picture, method)
    except config.ReaderError as fault:
        return Prepared(Row(file.name, fault=str(fault), original=original))
    except OSError:  # an upload that is gone: it was an hour old
        return Prepared(Row(file.name, fault="the file is not there any more: send it again"))
    seen = answer_view.picture_url(image) if thumbnails else ""
    return Prepared(Row(file.name, original=original, seen=seen), image)


def _answered(reader: Reader, some: list[Prepared], method: str) -> list[Row]:
    images = [each.image for each in some if each.image is not None]
    said = iter(reader.answers(np.stack(images), method) if images else [])
    return [each.row if each.image is None else _with(each.row, answer=next(said)) for each in some]


def _told(some: list[Prepared], fault: config.ReaderError) -> list[Row]:
    return [each.row if each.image is None else _with(each.row, fault=str(fault)) for each in some]


def _with(row: Row, answer: dict[str, Any] | None = None, fault: str = "") -> Row:
    return Row(row.name, answer, fault, row.original, row.seen)


def thumbnail(picture: Image.Image) -> str:
    """Return a small copy of a decoded picture (mode L or RGB) as a data URL."""
    small = picture.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BILINEAR, reducing_gap=2.0)
    file = io.BytesIO()
    small.save(file, "WEBP", quality=60, method=1)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def summary(rows: Sequence[Row]) -> str:
    """Say in a sentence what came of a batch."""
    faults = sum(row.answer is None for row in rows)
    doubtful = sum(row.is_doubtful for row in rows)
    said = [f"{counted(len(rows) - faults, 'picture')} read"]
    if doubtful:
        said.append(f"{doubtful:,} of them hardly a digit")
    if faults:
        said.append(f"{faults:,} could not be read")
    return ", ".join(said) + "."


def counted(number: int, noun: str) -> str:
    """Return a number and its noun: 1 picture, 1,000 pictures."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def as_json(row: Row) -> dict[str, Any]:
    """Return a row for a program: the contract's answer, or `error`, beside the file's name."""
    return {"file": row.name, **(row.answer or {"error": row.fault})}
