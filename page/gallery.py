"""The example pictures below the answer: pressing one opens it on the pad as if it were uploaded.

They are made by docs/make_examples.py.
"""

import base64
import html
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent / "examples"
TITLE = "Or try one of these"
KINDS = {".png": "image/png", ".jpg": "image/jpeg"}
SHOWN = {  # what each picture shows, for who cannot see it
    "two.png": "A 2, drawn plainly",
    "gaps.png": "An 8 with gaps in its line",
    "four_or_nine.jpg": "A digit between 4 and 9, with a marker on rough paper",
    "hairline.png": "A 3 in a hairline",
    "marker.png": "A 5 with a thick marker",
    "corner.png": "A small 1 in the corner of the sheet",
    "photo.jpg": "A photo of a 9 in fading light, with a shadow",
    "desk.jpg": "A photo of a 4 on a sheet that lies on a dark desk",
    "ruled.png": "A 7 in blue ink on ruled paper",
    "chalk.jpg": "A 6 in chalk on a blackboard",
    "letter.png": "The letter A, no digit",
    "scribble.png": "A scribble, no digit",
}


def build() -> None:
    """Build the gallery; pad/pictures.js listens to it."""
    import gradio as gr

    gr.HTML(panel(), elem_classes="page-gallery", apply_default_css=False, js_on_load=None)


def panel() -> str:
    """Return the gallery as HTML that holds its pictures: nothing more is asked for."""
    buttons = "".join(map(_button, SHOWN))
    return f'<h2 id="gallery-title">{TITLE}</h2><ul aria-labelledby="gallery-title">{buttons}</ul>'


def _button(name: str) -> str:
    file, text = EXAMPLES / name, html.escape(SHOWN[name])
    content = base64.b64encode(file.read_bytes()).decode()
    return (
        f'<li><button type="button" class="page-example" data-name="{name}" title="{text}">'
        f'<img src="data:{KINDS[file.suffix]};base64,{content}" alt="{text}">'
        "</button></li>"
    )
