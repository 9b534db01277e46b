"""A view below the answer that is folded up, and asked for only while it is open.

The answer stays live while a digit is drawn: a view is made once the pen rests, by an event of
its own, and only the latest is asked for.
"""

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import config

SCRIPT = Path(__file__).resolve().with_suffix(".js")
AT_ONCE = 1  # views that are made at a time: the live answers come first


def note(text: str) -> str:
    """Return HTML for a calm sentence in place of a view; `text` may hold anything."""
    return f'<p class="unfold-note">{html.escape(text[:1].upper() + text[1:])}</p>'


def build(title: str, tell: Callable[[Any], str], pad: Any) -> None:
    """Build a view under a title that unfolds it.

    tell: returns the view's HTML for the value of `pad`; its ReaderErrors become notes.
    """
    import gradio as gr

    def told(handed: Any) -> str:
        try:
            return tell(handed)
        except config.ReaderError as fault:
            return note(str(fault))

    view = gr.HTML(
        # Not with the value in it: a value that comes anew would fold it up again.
        html_template='<details class="unfold"><summary>'
        f'{html.escape(title)}</summary><div class="unfold-body"></div></details>',
        js_on_load=SCRIPT.read_text("utf-8"),
        elem_classes="page-unfold",
        apply_default_css=False,
    )
    view.input(
        told,
        inputs=pad,
        outputs=view,
        api_visibility="private",
        trigger_mode="always_last",
        show_progress="hidden",
        concurrency_limit=AT_ONCE,
    )
