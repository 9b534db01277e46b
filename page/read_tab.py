"""The tab in which a digit is drawn or a picture opened, and the answer to it shown."""

from pathlib import Path
from typing import Any, Literal

import config
from page import answer_view
from page.reader import Reader

HERE = Path(__file__).resolve().parent
ANSWERED_AT_ONCE = 4  # requests
CHOICES = [("Enhanced", "enhanced"), ("Basic", "basic")]
ABOUT_METHODS = (
    "Enhanced finds the digit, mends its stroke and centres it, as MNIST's makers did. "
    "Basic only shrinks the whole picture."
)
Method = Literal["enhanced", "basic", "none"]


def sent_of(handed: Any) -> Any:
    """Return the picture in what pad.js hands on, to be read by `Reader.read`; None if none."""
    return handed.get("file") if isinstance(handed, dict) else None


def turn_of(handed: Any) -> Any:
    """Return the pad's turn in what pad.js hands on, None before it handed on anything."""
    return handed.get("turn") if isinstance(handed, dict) else None


def build(reader: Reader) -> None:
    """Build the tab, and the endpoint /predict beside it."""
    import gradio as gr

    def show(handed: Any, method: str) -> str:
        """Answer what pad.js hands on."""
        return answer_view.in_turn(turn_of(handed), panel(sent_of(handed), method))

    def panel(sent: Any, method: str) -> str:
        if not sent:
            return answer_view.of_nothing()
        try:
            reading = reader.read(sent, method)
        except config.ReaderError as fault:
            return answer_view.of_nothing(str(fault))
        return answer_view.of_answer(reading.answer, reading.image)

    def predict(picture: gr.FileData, preprocessing: Method = "enhanced") -> dict[str, Any]:
        """Read the digit in a picture file, given as handle_file("eight.png")."""
        try:
            return reader.read(picture, preprocessing).answer
        except config.ReaderError as fault:
            raise gr.Error(str(fault), print_exception=False) from None

    with gr.Row(elem_classes="page-main", equal_height=False):
        pad = _pad(reader.settings)
        answer = gr.HTML(
            show(None, config.DEFAULT_PREPROCESSING),
            elem_classes="page-answer",
            apply_default_css=False,
            js_on_load=None,
        )
    method = gr.Radio(
        CHOICES,
        value=config.DEFAULT_PREPROCESSING,
        label="Preprocessing",
        info=ABOUT_METHODS,
    )
    # Below the answer: what else can be seen of the same picture. Each view takes the reader,
    # the pad, whose value `sent_of` understands, and the chosen method.
    gr.on(
        [pad.input, method.change],
        show,
        inputs=[pad, method],
        outputs=answer,
        api_visibility="private",
        trigger_mode="always_last",
        show_progress="hidden",
        concurrency_limit=ANSWERED_AT_ONCE,
    )
    gr.api(predict, api_name="predict", concurrency_limit=ANSWERED_AT_ONCE)


def _pad(settings: config.Settings) -> Any:
    import gradio as gr

    return gr.HTML(
        html_template=(HERE / "pad.html").read_text("utf-8"),
        js_on_load=(HERE / "pad.js").read_text("utf-8"),
        elem_classes="page-pad",
        apply_default_css=False,
        max_bytes=settings.max_bytes,
        max_pixels=settings.max_pixels,
    )
