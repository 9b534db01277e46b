"""Many pictures at once: a row each whatever they are, a table, a CSV file, and strangers' zips."""

import csv
import io
import json
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from api_server import EIGHT, PICTURES, WORDS
from page_window import MAX_BYTES, Server, call_predict, client_of, start
from PIL import Image
from stub_reader import CARD

import config
from classifier import Classifier
from outputs import Outputs
from page import batch, picture_files, spreadsheet, table_view
from page.api_server import Busy, Unreachable
from page.batch import Row
from page.picture_files import BatchError, PictureFile
from page.reader import Reader

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SETTINGS = config.Settings(max_bytes=100_000, page_pictures=20, page_bytes=400_000)
BROKEN = EIGHT[:40]


def predict(images: np.ndarray) -> Outputs:
    """Say of any image that it is an 8, more surely the more ink it has."""
    shares = np.full((len(images), 10), 0.01, np.float32)
    shares[:, 8] = 0.91
    return Outputs(shares, np.full(len(images), 0.9, np.float32))


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(Classifier(predict, CARD), SETTINGS, tmp_path)


def zipped(files: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def sent(reader: Reader, name: str, content: bytes) -> dict[str, Any]:
    """Put a file among the uploads, and return what a client says of it."""
    path = reader.uploads / f"upload-{len(list(reader.uploads.iterdir()))}"
    path.write_bytes(content)
    return {"path": str(path), "orig_name": name}


def rows_of(reader: Reader, *given: dict[str, Any]) -> list[Row]:
    uploads = picture_files.uploads_of(reader, list(given))
    with picture_files.opened(uploads, reader.settings) as files:
        return [row for some in batch.read_all(reader, files, "enhanced") for row in some]


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


def tampered(content: bytes, mark: bytes, offset: int, value: bytes) -> bytes:
    """Change bytes of each header that begins with the mark."""
    found = bytearray(content)
    place = found.find(mark)
    while place >= 0:
        found[place + offset : place + offset + len(value)] = value
        place = found.find(mark, place + 4)
    return bytes(found)


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


def test_a_directory_that_takes_too_much_memory_is_not_read(reader: Reader) -> None:
    content = zipped({"8.png": EIGHT})
    large = tampered(content, b"PK\5\6", 12, (10**9).to_bytes(4, "little"))
    (row,) = rows_of(reader, sent(reader, "many.zip", large))
    assert "too many files" in row.fault


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


@pytest.fixture(scope="module")
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start(tmp_path_factory.mktemp("batch"))
    yield server
    server.process.terminate()
    server.process.wait(30)
    assert "CALLED OUTSIDE" not in server.printed
    assert "Traceback" not in server.printed


@pytest.fixture
def page(page_server: Server, browser: "Browser") -> Iterator["Page"]:
    """The Batch tab in a window of its own; nothing may fail in it."""
    faults: list[str] = []
    page = browser.new_page(viewport={"width": 1000, "height": 900}, accept_downloads=True)
    page.set_default_timeout(20_000)
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.goto(page_server.url)
    page.get_by_role("tab", name="Batch").click()
    page.get_by_role("button", name="Choose files").wait_for()
    yield page
    page.context.close()
    assert faults == []


def five_files() -> list[dict[str, Any]]:
    names = ("three.png", "seven.png", "eight.png", "blank.png")
    files = {name: (PICTURES / name).read_bytes() for name in names}
    files["=1+1.png"] = BROKEN
    return [
        {"name": name, "mimeType": "image/png", "buffer": content}
        for name, content in files.items()
    ]


DROP = """files => {
    const data = new DataTransfer();
    for (const { name, bytes } of files)
        data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
    document.querySelector(".drop").dispatchEvent(
        new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def column(page: "Page", name: str) -> list[str]:
    return page.locator(f".batch-table tbody .batch-{name}").all_inner_texts()


@pytest.mark.slow
@pytest.mark.browser
def test_five_dropped_files_become_a_table_that_is_sorted_and_downloaded(page: "Page") -> None:
    files: list[dict[str, Any]] = [
        {"name": each["name"], "bytes": list(each["buffer"])} for each in five_files()
    ]
    page.evaluate(DROP, files)
    page.get_by_text("3 pictures read, 2 could not be read.").wait_for()
    names = [each["name"] for each in files]
    assert column(page, "file") == names
    assert column(page, "digit") == ["3", "7", "8", "–", "–"]
    assert "No ink" in column(page, "words")[3]
    assert "damaged" in column(page, "words")[4]
    assert page.locator(".batch-table img").count() == 7  # of the blank page no second one
    heading = page.get_by_role("columnheader", name="Digit")
    page.get_by_role("button", name="Digit").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column(page, "digit") == ["3", "7", "8", "–", "–"]
    page.keyboard.press("Enter")  # the focus is on it
    assert heading.get_attribute("aria-sort") == "descending"
    assert column(page, "digit") == ["8", "7", "3", "–", "–"]
    page.get_by_role("button", name="File", exact=True).focus()
    page.keyboard.press("Space")
    assert column(page, "file") == sorted(names, key=lambda name: name.lstrip("="))
    page.get_by_role("button", name="No.").click()
    assert column(page, "file") == names
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    assert download.value.suggested_filename == "digits.csv"
    with Path(download.value.path()).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [*names[:-1], "'=1+1.png"]
    assert [row["digit"] for row in rows] == ["3", "7", "8", "", ""]
    assert sum(float(rows[2][f"p{digit}"]) for digit in range(10)) == pytest.approx(1, abs=1e-4)


@pytest.mark.slow
@pytest.mark.browser
def test_a_zip_file_and_one_too_large_are_chosen_on_a_phone(
    page_server: Server, page: "Page"
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    content = zipped({f"{name}.png": (PICTURES / f"{name}.png").read_bytes() for name in WORDS[:4]})
    sent_to: list[str] = []
    page.on("request", lambda request: sent_to.append(request.url))
    files: list[Any] = [
        {"name": "digits.zip", "mimeType": "application/zip", "buffer": content},
        {"name": "large.png", "mimeType": "image/png", "buffer": bytes(MAX_BYTES + 1)},
    ]
    page.set_input_files(".drop input[data-of=files]", files)
    page.get_by_text("4 pictures read, 1 could not be read.").wait_for()
    assert len([url for url in sent_to if "/upload" in url]) == 1
    assert column(page, "digit") == ["0", "1", "2", "3", "–"]
    assert "at most 1,000,000 are accepted" in column(page, "words")[4]
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_label("Basic").locator("visible=true").check()
    page.get_by_text("4 pictures read, 1 could not be read.").wait_for()


@pytest.mark.slow
@pytest.mark.browser
def test_a_large_batch_shows_its_progress_lets_others_in_and_ends_with_its_page(
    page_server: Server, page: "Page"
) -> None:
    large = io.BytesIO()  # for itself, but not in a zip file
    eight = Image.open(PICTURES / "eight.png").convert("L").point(lambda grey: 255 * (grey > 127))
    eight.convert("1").resize((1400, 1400)).save(large, "PNG", compress_level=0)
    content = zipped({f"{number}.png": large.getvalue() for number in range(250)})
    assert len(content) < MAX_BYTES
    many: list[Any] = [{"name": "many.zip", "mimeType": "application/zip", "buffer": content}]
    page.set_input_files(".drop input[data-of=files]", many)
    bar = page.locator(".batch-said progress")
    bar.wait_for()
    page.wait_for_function("document.querySelector('.batch-said progress')?.value > 0")
    began = time.monotonic()
    reply = call_predict(page_server, uploaded(page_server, EIGHT))
    assert '"digit": 8' in reply
    assert time.monotonic() - began < 3
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped.").wait_for()
    assert page.locator(".batch-table").count() == 0
    page.set_input_files(".drop input[data-of=files]", many)
    page.wait_for_function("document.querySelector('.batch-said progress')?.value > 0")
    page.reload()
    time.sleep(2)
    if Path("/proc").exists():  # the program rests: the work has ended with its page
        before = processor_time(page_server)
        time.sleep(1)
        assert processor_time(page_server) - before < 0.5


def processor_time(server: Server) -> float:
    ticks = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def uploaded(server: Server, content: bytes) -> dict[str, Any]:
    """Upload a picture by plain HTTP; return Gradio's description of it."""
    import urllib.request

    boundary = "xxBOUNDARYxx"
    body = (
        (
            f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="8.png"\r\n'
            "Content-Type: image/png\r\n\r\n"
        ).encode()
        + content
        + f"\r\n--{boundary}--\r\n".encode()
    )
    call = urllib.request.Request(
        f"{server.url}gradio_api/upload",
        body,
        {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(call, timeout=30) as reply:
        (path,) = json.load(reply)
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


@pytest.mark.slow
def test_gradio_client_reads_files_and_a_zip(
    page_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from gradio_client import handle_file

    archive = tmp_path / "two.zip"
    archive.write_bytes(zipped({"7.png": (PICTURES / "seven.png").read_bytes(), "x.png": BROKEN}))
    client = client_of(page_server, monkeypatch)
    given = [handle_file(str(PICTURES / "three.png")), handle_file(str(archive))]
    rows = client.predict(given, "enhanced", api_name="/batch")
    assert [row["file"] for row in rows] == ["three.png", "7.png", "x.png"]
    assert [row.get("digit") for row in rows] == [3, 7, None]
    assert rows[0]["preprocessing"] == "enhanced"
    assert "damaged" in rows[2]["error"]
    assert client.predict(given[:1], api_name="/batch")[0]["digit"] == 3
    with pytest.raises(Exception, match="preprocessing 'sharp' is unknown"):
        client.predict(given, "sharp", api_name="/batch")
