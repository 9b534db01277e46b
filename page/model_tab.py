"""The tab that tells what model answers: its card, its figures and its plots."""

from typing import Any

import config
from page import model_view
from page.reader import Reader

OPENING = "<p>The model's card is being fetched…</p>"


def build(reader: Reader) -> None:
    """Build the tab; it is filled when it is opened, and again when another model answers."""
    import gradio as gr

    def show(known: str) -> tuple[Any, Any, str]:
        """Return card, plots and the digest of the model that they are of."""
        try:
            card = reader.card()
        except config.ReaderError as fault:
            return model_view.of_fault(str(fault)), "", ""
        digest = str(card.get("sha256", ""))
        if digest == known:
            return gr.skip(), gr.skip(), known
        return model_view.of_card(card, reader.runtime()), model_view.of_plots(digest), digest

    known = gr.State("")
    card, plots = (
        gr.HTML(value, elem_classes="model-part", apply_default_css=False, js_on_load=None)
        for value in (OPENING, "")
    )
    tab: Any = card.parent
    tab.select(
        show,
        inputs=known,
        outputs=[card, plots, known],
        api_visibility="private",
        show_progress="hidden",
    )
