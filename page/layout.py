"""The page's parts and what happens between them. Gradio is imported only when it is built."""

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np

import answers
import config
import utils
from classifier import Classifier
from page import answer_view

HERE = Path(__file__).resolve().parent
ANSWERED_AT_ONCE = 4  # requests
TITLE = "Handwritten digit reader"
HEADER = f"<h1>{TITLE}</h1><p>Draw a digit from 0 to 9, and see what the network reads.</p>"
CHOICES = [("Enhanced", "enhanced"), ("Basic", "basic")]
ABOUT_METHODS = (
    "Enhanced finds the digit, mends its stroke and centres it, as MNIST's makers did. "
    "Basic only shrinks the whole picture."
)
Method = Literal["enhanced", "basic", "none"]


class Reader:
    """The way from an uploaded file to an answer, for the page and for its API."""

    def __init__(self, classifier: Classifier, settings: config.Settings, uploads: Path) -> None:
        self.classifier = classifier
        self.settings = settings
        self.uploads = uploads.resolve()

    def read(self, sent: Any, method: str) -> tuple[dict[str, Any], np.ndarray]:
        """Return the answer to an uploaded picture, and its image in MNIST form.

        sent: Gradio's description of the file, as the client sent it. Raises ReaderError for
        a picture that has no answer.
        """
        utils.check_method(method)
        picture = utils.decode(self._uploaded(sent), self.settings.max_pixels)
        image = utils.to_mnist_form(picture, method)
        answer = self.classifier.answer(image[None])[0]
        return answers.describe(answer, method, self.classifier), image

    def _uploaded(self, sent: Any) -> Path:
        """Return the uploaded file, and never another one: the path comes from the client."""
        path = sent.get("path") if isinstance(sent, dict) else None
        if not isinstance(path, str):
            raise utils.MalformedPicture("no picture was sent: upload a file first")
        file = Path(os.path.realpath(path))
        if not file.is_relative_to(self.uploads) or not file.is_file():
            raise utils.MalformedPicture("the picture is not among the uploads: send it again")
        return file


def build(reader: Reader) -> Any:
    """Return the page as Gradio Blocks, ready to be launched."""
    import gradio as gr

    def show(handed: Any, method: str) -> str:
        """Answer what pad.js hands on: nothing yet, or a file or None with the pad's turn."""
        handed = handed if isinstance(handed, dict) else {}
        return answer_view.in_turn(handed.get("turn"), panel(handed.get("file"), method))

    def panel(sent: Any, method: str) -> str:
        if not sent:
            return answer_view.of_nothing()
        try:
            return answer_view.of_answer(*reader.read(sent, method))
        except config.ReaderError as fault:
            return answer_view.of_nothing(str(fault))

    def predict(picture: gr.FileData, preprocessing: Method = "enhanced") -> dict[str, Any]:
        """Read the digit in a picture file, given as handle_file("eight.png")."""
        try:
            return reader.read(picture, preprocessing)[0]
        except config.ReaderError as fault:
            raise gr.Error(str(fault), print_exception=False) from None

    # An upload that is an hour old is deleted: no picture is kept for longer than it is needed.
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(600, 3600)) as blocks:
        gr.HTML(HEADER, elem_classes="page-header", apply_default_css=False, js_on_load=None)
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
    return blocks.queue(max_size=reader.settings.max_queue)


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


def theme() -> Any:
    """Return a calm theme: paper and ink, with the fonts of the visitor's own system."""
    import gradio as gr

    return gr.themes.Base(
        primary_hue="blue",
        neutral_hue="stone",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_900",
        # Base's own greys have too little contrast (WCAG 2 asks for 4.5:1).
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_title_text_color="*neutral_700",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        border_color_primary="*neutral_300",
        border_color_primary_dark="*neutral_600",
    )
