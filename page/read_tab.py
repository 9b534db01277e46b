"""The tab in which a digit is drawn or a picture opened, and the answer to it shown."""

import html
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import config
from page import answer_view, compare_view, explain_view, gallery, unfold
from page.reader import Reader

PAD = Path(__file__).resolve().parent / "pad"
SCRIPTS = ("drawing.js", "asking.js", "pictures.js", "camera.js")  # one function's body together
ANSWERED_AT_ONCE = 4  # requests
CHOICES = [("Enhanced", "enhanced"), ("Basic", "basic")]
ABOUT_METHODS = (
    "Enhanced finds the digit, mends its stroke and centres it, as MNIST's makers did. "
    "Basic only shrinks the whole picture."
)
BUSY = "The program is busy with other pictures: try again in a moment."
View = Callable[[Reader, Any, str], str]  # of a reader, what was sent and a method: HTML
VIEWS: dict[str, View] = {
    explain_view.TITLE: explain_view.tell,
    compare_view.TITLE: compare_view.tell,
}
Method = Literal["enhanced", "basic", "none"]


def sent_of(handed: Any) -> Any:
    """Return the picture in the pad's value, to be read by `Reader.read`; None if none is there."""
    return handed.get("picture") if isinstance(handed, dict) else None


def method_of(handed: Any) -> str:
    """Return the name of the preprocessing in the pad's value, which may hold anything."""
    method = handed.get("preprocessing") if isinstance(handed, dict) else None
    return method if isinstance(method, str) else config.DEFAULT_PREPROCESSING


def answer_to(reader: Reader, asked: Any) -> dict[str, Any]:
    """Return what pad/asking.js shows for what it asked: a panel, and the box of the digit."""
    try:
        reading = reader.read(sent_of(asked), method_of(asked))
    except config.ReaderError as fault:
        return {"html": answer_view.of_nothing(str(fault)), "box": None}
    return {"html": answer_view.of_answer(reading.answer, reading.image), "box": reading.box}


def build(reader: Reader) -> None:
    """Build the tab, and the endpoint /predict beside it."""
    import anyio
    import gradio as gr

    limiter = anyio.CapacityLimiter(ANSWERED_AT_ONCE)

    async def read(asked: Any) -> dict[str, Any]:
        """Answer the pad, in one request: Gradio's queue would take three, and an upload."""
        if limiter.statistics().tasks_waiting >= reader.settings.max_queue:
            return {"html": answer_view.of_nothing(BUSY), "box": None}
        return await anyio.to_thread.run_sync(answer_to, reader, asked, limiter=limiter)

    def predict(picture: gr.FileData, preprocessing: Method = "enhanced") -> dict[str, Any]:
        """Read the digit in a picture file, given as handle_file("eight.png")."""
        try:
            return reader.read(picture, preprocessing).answer
        except config.ReaderError as fault:
            raise gr.Error(str(fault), print_exception=False) from None

    with gr.Row(elem_classes="page-main", equal_height=False):
        pad = gr.HTML(
            html_template=(PAD / "pad.html").read_text("utf-8"),
            js_on_load="\n".join((PAD / name).read_text("utf-8") for name in SCRIPTS),
            elem_classes="page-pad",
            apply_default_css=False,
            server_functions=[read],
            max_bytes=reader.settings.max_bytes,
            max_pixels=reader.settings.max_pixels,
            preprocessing=config.DEFAULT_PREPROCESSING,
            nothing=answer_view.of_nothing(),
        )
        gr.HTML(
            answer_view.of_nothing(),
            elem_classes="page-answer",
            apply_default_css=False,
            js_on_load=(PAD / "answer.js").read_text("utf-8"),
        )
        gr.HTML(_methods(), elem_classes="page-methods", apply_default_css=False, js_on_load=None)
    gallery.build()
    # Below the answer: what else can be seen of the same picture.
    for title, tell in VIEWS.items():
        unfold.build(title, partial(_told, reader, tell), pad)
    gr.api(predict, api_name="predict", concurrency_limit=ANSWERED_AT_ONCE)


def _told(reader: Reader, tell: View, handed: Any) -> str:
    """Return what a view tells of the pad's value."""
    return tell(reader, sent_of(handed), method_of(handed))


def _methods() -> str:
    """Return the choice of the preprocessing, which pad/asking.js listens to."""
    choices = "".join(
        f'<label><input type="radio" name="preprocessing" value="{method}"'
        f"{' checked' * (method == config.DEFAULT_PREPROCESSING)}> {name}</label>"
        for name, method in CHOICES
    )
    about = f"<p>{html.escape(ABOUT_METHODS)}</p>"
    return f"<fieldset><legend>Preprocessing</legend>{choices}{about}</fieldset>"
