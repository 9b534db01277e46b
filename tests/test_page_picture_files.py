"""The pictures of a batch: a row each whatever they are, strangers' zips, and the CSV file."""

import csv
import os
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_server import EIGHT, PICTURES
from batch_files import BROKEN, SETTINGS, predict, rows_of, sent, tampered, with_hidden, zipped
from stub_reader import CARD

import config
from classifier import Classifier
from page import batch, picture_files, spreadsheet, table_view
from page.api_server import Busy, Unreachable
from page.batch import Row
from page.picture_files import BatchError, PictureFile
from page.reader import Reader


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(Classifier(predict, CARD), SETTINGS, tmp_path)


def test_each_file_is_a_row_in_order_and_a_broken_one_has_its_reason(reader: Reader) -> None:
    blank = (PICTURES / "blank.png").read_bytes()
    files = {"a.png": EIGHT, "b.png": BROKEN, "c.txt": b"text", "d.png": blank, "e.png": EIGHT}
    rows = rows_of(reader, *(sent(reader, name, content) for name, content in files.items()))
    assert [row.name for row in rows] == list(files)
    assert [row.answer is not None for row in rows] == [True, False, False, False, True]
    assert "damaged or cut short" in rows[1].fault
    assert "not a picture that is read here" in rows[2].fault
    assert "no ink" in rows[3].fault
    assert rows[3].original.startswith("data:image/webp;base64,")  # it can be seen why
    assert rows[0].seen.startswith("data:image/png;base64,")
    assert rows[0].answer == reader.read(sent(reader, "a.png", EIGHT), "enhanced").answer
    assert batch.summary(rows) == "2 pictures read, 3 could not be read."


def test_a_zip_file_is_read_in_place_without_what_systems_put_there(reader: Reader) -> None:
    content = zipped(
        {
            "digits/": b"",
            "digits/8.png": EIGHT,
            "digits/deep/er/8.png": EIGHT,
            "../../etc/8.png": EIGHT,
            "C:\\8.png": EIGHT,
            "/8.png": EIGHT,
            "__MACOSX/digits/._8.png": b"resource",
            "digits/.DS_Store": b"hidden",
            ".hidden/8.png": EIGHT,
            "digits/Thumbs.db": b"left over",
            "line\nbreak\u202egnp.8": EIGHT,
        }
    )
    before = {path: path.stat().st_mtime_ns for path in reader.uploads.parent.rglob("*")}
    given = sent(reader, "digits.zip", content), sent(reader, "last.png", EIGHT)
    rows = rows_of(reader, *given)
    assert [row.name for row in rows] == [
        "digits/8.png",
        "digits/deep/er/8.png",
        "../../etc/8.png",
        "C:\\8.png",
        "/8.png",
        "line\ufffdbreak\ufffdgnp.8",
        "last.png",
    ]
    assert all(row.answer and row.answer["digit"] == 8 for row in rows)
    after = set(reader.uploads.parent.rglob("*")) - set(before)
    assert after == {Path(each["path"]) for each in given}  # nothing was unpacked to disk


def test_members_that_cannot_be_read_are_rows(reader: Reader) -> None:
    good = zipped({"8.png": EIGHT}, zipfile.ZIP_STORED)
    damaged = good.replace(EIGHT[100:110], bytes(10), 1)
    encrypted = tampered(tampered(good, b"PK\1\2", 8, b"\1\0"), b"PK\3\4", 6, b"\1\0")
    longer = tampered(good, b"PK\1\2", 24, (len(EIGHT) + 50).to_bytes(4, "little"))
    files = {
        "encrypted": encrypted,
        "damaged": damaged,
        "packed otherwise": zipped({"8.png": EIGHT}, zipfile.ZIP_LZMA),
        "claims more": longer,
        "zip in zip": zipped({"inner.zip": good}),
        "too large": zipped({"bomb.png": bytes(SETTINGS.max_bytes + 1)}),
        "cut short": good[:-30],
    }
    rows = rows_of(reader, *(sent(reader, f"{name}.zip", each) for name, each in files.items()))
    told = dict(zip(files, (row.fault for row in rows), strict=True))
    assert "encrypted: send a zip file without a password" in told["encrypted"]
    assert "damaged in the zip file" in told["damaged"]
    assert "packed in a way that is not read" in told["packed otherwise"]
    assert "damaged in the zip file" in told["claims more"]
    assert "zip file within a zip file" in told["zip in zip"]
    assert "has 100,001 bytes: at most 100,000" in told["too large"]
    assert "not a whole zip file" in told["cut short"]


def test_a_bomb_that_understates_itself_gives_no_more_than_it_states(reader: Reader) -> None:
    bomb = zipped({"bomb.png": bytes(50_000_000)})
    bomb = tampered(bomb, b"PK\1\2", 24, (1000).to_bytes(4, "little"))
    (row,) = rows_of(reader, sent(reader, "bomb.zip", bomb))
    assert "damaged in the zip file" in row.fault


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped({f"{n}.png": EIGHT for n in range(21)}), "these are 21 pictures and more: at most"),
        (zipped({f"{n}.png": bytes(90_000) for n in range(5)}), "450,000 bytes and more in total"),
        (zipped({}), "there are no pictures"),
        (zipped({"__MACOSX/x.png": EIGHT}), "there are no pictures"),
    ],
)
def test_a_batch_over_the_limits_is_refused_at_once(
    reader: Reader, content: bytes, words: str
) -> None:
    with pytest.raises(BatchError, match=words):
        rows_of(reader, sent(reader, "many.zip", content))


ONE = {"8.png": EIGHT}
MANY = 60_000  # entries of 52 bytes, of which zipfile makes 30 MB of objects
HIDDEN = with_hidden(ONE, MANY)
LARGE = {
    "hidden entries": HIDDEN,
    "a Zip64 record": with_hidden(ONE, MANY, zip64=True),
    "data before it": b"MZ" + bytes(100) + HIDDEN,
    "a comment": HIDDEN[:-2] + b"\x04\0note",
    "an end within its end": HIDDEN[:-18] + b"PK\5\6" + HIDDEN[-14:],
    "a count of one": tampered(HIDDEN, b"PK\5\6", 8, b"\1\0\1\0"),
    "a size of 4 GB": tampered(HIDDEN, b"PK\5\6", 12, bytes([255] * 4)),
}


@pytest.fixture
def roomy(tmp_path: Path) -> Reader:
    """A reader of larger files, but of no more of them in a batch."""
    settings = replace(SETTINGS, max_bytes=4_000_000, page_bytes=4_000_000)
    return Reader(Classifier(predict, CARD), settings, tmp_path)


@pytest.mark.parametrize("trick", LARGE)
def test_a_directory_that_takes_too_much_memory_is_not_read(roomy: Reader, trick: str) -> None:
    content = sent(roomy, "many.zip", b"PK\3\4" + LARGE[trick])
    tracemalloc.start()
    try:
        rows = rows_of(roomy, content)
    except BatchError as fault:
        rows = [Row("", fault=str(fault))]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert [row.answer for row in rows] == [None]
    assert "list too many files" in rows[0].fault or "not a whole zip file" in rows[0].fault


def test_the_directories_of_all_zip_files_count_together(reader: Reader) -> None:
    few = with_hidden(ONE, 200)  # each for itself is read
    assert [row.answer["digit"] for row in rows_of(reader, sent(reader, "a", few)) if row.answer]
    with pytest.raises(BatchError, match="list too many files, hidden ones among them"):
        rows_of(reader, *(sent(reader, f"{number}.zip", few) for number in range(3)))


def test_long_names_and_what_a_mac_adds_are_not_too_much(roomy: Reader) -> None:
    names = [f"{'八' * 60}{number:02}.png" for number in range(SETTINGS.page_pictures)]
    files = {f"digits/{name}": EIGHT for name in names}
    files |= {f"__MACOSX/digits/._{name}": bytes(200) for name in names}
    rows = rows_of(roomy, sent(roomy, "mac.zip", zipped(files)))
    assert [row.name for row in rows] == [f"digits/{name}" for name in names]
    assert all(row.answer for row in rows)


@pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="open files are listed on Linux only"
)
def test_of_the_zip_files_of_a_batch_one_is_open_at_a_time(reader: Reader) -> None:
    given = [sent(reader, f"{name}.zip", zipped({f"{name}.png": EIGHT})) for name in "abc"]
    uploads = picture_files.uploads_of(reader, given)
    with picture_files.opened(uploads, SETTINGS) as files:
        for file in (*files, *files):  # each is opened again when it is wanted
            assert file.read() == EIGHT
            assert len(open_uploads(reader)) == 1
    assert open_uploads(reader) == []


def open_uploads(reader: Reader) -> list[str]:
    """Return the uploads that this process has open."""
    links = [os.path.realpath(each) for each in Path("/proc/self/fd").iterdir()]
    return [link for link in links if link.startswith(str(reader.uploads))]


def test_a_zip_file_that_is_named_more_than_once_is_read_once(reader: Reader) -> None:
    archive = sent(reader, "a.zip", zipped({"1.png": EIGHT, "2.png": EIGHT}))
    rows = rows_of(reader, *[archive] * 8)
    assert [row.name for row in rows] == ["1.png", "2.png", *["a.zip"] * 7]
    assert [bool(row.answer) for row in rows] == [True, True, *[False] * 7]
    assert {row.fault for row in rows[2:]} == {picture_files.ONCE}


def test_more_files_than_a_batch_may_hold_are_not_looked_at(reader: Reader) -> None:
    with pytest.raises(BatchError, match="these are 1,000,000 pictures and more: at most 20"):
        picture_files.uploads_of(reader, [{"path": "/nowhere"}] * 1_000_000)


def test_a_file_too_large_to_be_sent_is_a_row_and_no_other_file_can_be_named(
    reader: Reader, tmp_path: Path
) -> None:
    large = {"orig_name": "large.png", "size": SETTINGS.max_bytes + 1}
    rows = rows_of(reader, large, sent(reader, "a.png", EIGHT))
    assert "at most 100,000 are accepted" in rows[0].fault
    assert rows[1].answer
    for stranger in ({"path": "/etc/passwd"}, {"orig_name": "x", "size": 1}, "x", None, [large]):
        with pytest.raises(config.ReaderError, match="upload"):
            rows_of(reader, stranger)  # type: ignore[arg-type]


def test_pictures_are_read_one_at_a_time(reader: Reader) -> None:
    asked: list[int] = []

    def file(number: int) -> PictureFile:
        def read() -> bytes:
            asked.append(number)
            return EIGHT

        return PictureFile(str(number), len(EIGHT), read)

    rows = batch.read_all(reader, [file(number) for number in range(100)], "enhanced")
    assert len(next(rows)) == batch.AT_ONCE
    assert asked == list(range(batch.AT_ONCE))  # no further than what was asked for


class Failing(Reader):
    """A reader whose model is busy or gone, for as often as `faults` say."""

    def __init__(self, faults: list[config.ReaderError], uploads: Path) -> None:
        super().__init__(Classifier(predict, CARD), SETTINGS, uploads)
        self.faults = faults

    def answers(self, images: np.ndarray, method: str) -> list[dict[str, Any]]:
        if self.faults:
            raise self.faults.pop(0)
        return super().answers(images, method)


def test_a_busy_api_is_waited_for_and_one_that_is_gone_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(batch.time, "sleep", waited.append)
    files = [PictureFile(str(number), 1, lambda: EIGHT) for number in range(40)]
    busy = Failing([Busy("busy", 2), Busy("busy", 1)], tmp_path)
    rows = [row for some in batch.read_all(busy, files, "enhanced") for row in some]
    assert len(rows) == 40
    assert all(row.answer for row in rows)
    assert sum(waited) == pytest.approx(3 + 40 * batch.BREATH)
    gone = Failing([Unreachable("gone")] * 2, tmp_path)
    rows = [row for some in batch.read_all(gone, files, "enhanced") for row in some]
    assert [row.fault for row in rows] == ["gone"] * 40
    assert len(gone.faults) == 1


NASTY = ["=1+1", "+1", "-1", "@x", "\t=1", "＝1", " =1", 'a,"b"\r\nc', "<img src=x>", "ünï 八.png"]


def test_the_csv_is_whole_and_no_spreadsheet_takes_a_name_for_a_formula(tmp_path: Path) -> None:
    answer = {
        "digit": 8,
        "confidence": 0.9,
        "probabilities": [0.0] * 10,
        "top": [],
        "is_digit": 0.1,
    }
    rows = [Row(name, answer) for name in NASTY] + [Row("broken.png", fault="=cmd()")]
    file = spreadsheet.write(rows, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == [file]
    text = file.read_bytes().decode("utf-8")
    assert text.count("\r\n") == len(rows) + 2  # one is within quotation marks
    with file.open(encoding="utf-8", newline="") as opened:
        read = list(csv.DictReader(opened))
    assert [row["file"].removeprefix("'") for row in read] == [*NASTY, "broken.png"]
    assert not any(
        cell.lstrip(" ")[:1] in set("=+-@\t＝") for row in read for cell in row.values() if cell
    )
    assert read[0]["digit"] == "8"
    assert read[0]["confidence"] == "0.900000"
    assert read[-1]["fault"] == "'=cmd()"
    assert read[-1]["digit"] == ""


def test_the_table_escapes_what_it_shows() -> None:
    html = table_view.table([Row("<script>alert(1)</script>\"'", fault="<b>&")])
    assert "<script" not in html
    assert "<b>" not in html
    assert table_view.table([]) == ""
    assert "<i>" not in table_view.note("<i>")
