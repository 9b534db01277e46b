"""The tab in which many pictures are read at once, and the endpoint /batch beside it."""

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import config
import utils
from page import batch, picture_files, spreadsheet, table_view
from page.read_tab import ABOUT_METHODS, CHOICES, Method
from page.reader import Reader

HERE = Path(__file__).resolve().parent
AT_ONCE = 2  # batches; further ones wait, and single pictures do not wait for them
EMPTY = "Each picture becomes a row: what was read in it, how sure that is, or why it could not be."
FOLDER = "digits-{token}"


Shown = tuple[Any, Any, Any, Any]  # note, table, link to the CSV file, button to stop


def work(reader: Reader, handed: Any, method: str, stopped: Callable[[], bool]) -> Iterator[Shown]:
    """Give what is shown of a batch as the work goes on.

    handed: the value of drop.js. stopped: whether the work is to end with what is read by then.
    """
    import gradio as gr

    nothing, hidden = gr.skip(), gr.update(visible=False)
    sent = handed.get("files") if isinstance(handed, dict) else None
    if not sent:
        yield table_view.note(EMPTY), "", hidden, hidden
        return
    rows: list[batch.Row] = []
    count = 0
    try:
        with _opened(reader, sent, method) as files:
            count = len(files)
            yield table_view.progress(0, count), "", hidden, gr.update(visible=True)
            for some in batch.read_all(reader, files, method):
                rows += some
                if stopped():
                    break
                done = table_view.progress(len(rows), count, waiting=not some)
                yield done, nothing, nothing, nothing
    except config.ReaderError as fault:
        yield table_view.note(str(fault), fault=True), "", hidden, hidden
        return
    file = spreadsheet.write(rows, reader.uploads / FOLDER.format(token=secrets.token_hex(8)))
    link = gr.update(value=str(file), visible=True)
    yield table_view.done(rows, count), table_view.table(rows), link, hidden


def answer(reader: Reader, sent: Any, method: str) -> list[dict[str, Any]]:
    """Return the rows of a batch for a program; raises ReaderError for no batch at all."""
    with _opened(reader, sent, method) as files:
        read = batch.read_all(reader, files, method, thumbnails=False)
        return [batch.as_json(row) for some in read for row in some]


@contextmanager
def _opened(reader: Reader, sent: Any, method: str) -> Iterator[list[picture_files.PictureFile]]:
    utils.check_method(method)
    uploads = picture_files.uploads_of(reader, sent)
    with picture_files.opened(uploads, reader.settings) as files:
        yield files


def build(reader: Reader) -> None:
    """Build the tab, and the endpoint /batch."""
    import gradio as gr

    stops: dict[str, threading.Event] = {}  # of the batches at work, by their pages

    def read(handed: Any, method: str, request: gr.Request) -> Iterator[Shown]:
        page, stop = str(request.session_hash), threading.Event()
        stops[page] = stop
        try:
            yield from work(reader, handed, method, stop.is_set)
        finally:
            stops.pop(page, None)

    def end(request: gr.Request) -> None:
        stop = stops.get(str(request.session_hash))
        if stop is not None:
            stop.set()

    def read_batch(
        pictures: list[gr.FileData], preprocessing: Method = "enhanced"
    ) -> list[dict[str, Any]]:
        """Read picture and zip files, given as [handle_file("a.png"), handle_file("b.zip")]."""
        try:
            return answer(reader, pictures, preprocessing)
        except config.ReaderError as fault:
            raise gr.Error(str(fault), print_exception=False) from None

    drop = gr.HTML(
        html_template=(HERE / "drop.html").read_text("utf-8"),
        js_on_load=(HERE / "drop.js").read_text("utf-8"),
        elem_classes="batch-drop",
        apply_default_css=False,
        max_bytes=reader.settings.max_bytes,
        max_pictures=reader.settings.page_pictures,
    )
    method = gr.Radio(
        CHOICES, value=config.DEFAULT_PREPROCESSING, label="Preprocessing", info=ABOUT_METHODS
    )
    said = _html(table_view.note(EMPTY), "batch-said")
    with gr.Row(elem_classes="batch-buttons"):
        stop = gr.Button("Stop", visible=False, size="md")
        link = gr.DownloadButton("Download as CSV", visible=False, size="md")
    table = _html("", "batch-rows", (HERE / "table.js").read_text("utf-8"))
    gr.on(
        [drop.input, method.input],
        read,
        inputs=[drop, method],
        outputs=[said, table, link, stop],
        api_visibility="private",
        trigger_mode="always_last",
        show_progress="hidden",
        concurrency_limit=AT_ONCE,
        concurrency_id="batch",
    )
    stop.click(end, api_visibility="private", show_progress="hidden")
    gr.api(read_batch, api_name="batch", concurrency_limit=AT_ONCE, concurrency_id="batch")


def _html(value: str, name: str, script: str | None = None) -> Any:
    import gradio as gr

    return gr.HTML(value, elem_classes=name, apply_default_css=False, js_on_load=script)
