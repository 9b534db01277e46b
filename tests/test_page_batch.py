"""The Batch tab in a real browser, and its endpoint: dropped, sorted, downloaded, stopped."""

import csv
import io
import json
import os
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from api_server import EIGHT, PICTURES, WORDS
from batch_files import BROKEN, zipped
from page_window import MAX_BYTES, Server, call_predict, client_of
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def page(open_page: Callable[..., "Page"]) -> "Page":
    """The Batch tab."""
    page = open_page(viewport={"width": 1000, "height": 900})
    page.get_by_role("tab", name="Batch").click()
    page.get_by_role("button", name="Choose files").wait_for()
    return page


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
    worked = processor_time(page_server)
    many: list[Any] = [{"name": "many.zip", "mimeType": "application/zip", "buffer": content}]
    page.set_input_files(".drop input[data-of=files]", many)
    bar = page.locator(".batch-said progress")
    bar.wait_for()
    page.wait_for_function("document.querySelector('.batch-said progress')?.value > 0")
    reply = call_predict(page_server, uploaded(page_server, EIGHT))
    assert '"digit": 8' in reply
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("of 250: ").wait_for()
    rows = page.locator(".batch-table tbody tr").count()
    assert 0 < rows < 250
    assert page.locator(".batch-said p").inner_text().startswith(f"Stopped at {rows} of 250: ")
    one = (processor_time(page_server) - worked) / rows
    worked = processor_time(page_server)
    page.set_input_files(".drop input[data-of=files]", many)
    page.wait_for_function("document.querySelector('.batch-said progress')?.value > 0")
    page.goto("about:blank")  # which is then not used again
    if Path("/proc").exists():  # the work ends with its page, long before it would be done
        before, now = worked, processor_time(page_server)
        while now - before > 0.3:
            time.sleep(1)
            before, now = now, processor_time(page_server)
        assert now - worked < 125 * one


def processor_time(server: Server) -> float:
    """Return the seconds of the processor that the program has used, 0 where that is not told."""
    if not Path("/proc").exists():
        return 0.0
    ticks = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def uploaded(server: Server, content: bytes) -> dict[str, Any]:
    """Upload a picture by plain HTTP; return Gradio's description of it."""
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
