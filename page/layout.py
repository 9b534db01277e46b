"""The page: its header, its tabs, its theme. Gradio is imported only when it is built."""

from pathlib import Path
from typing import Any

from page import batch_tab, model_tab, program_view, read_tab, uploads
from page.reader import Reader

HERE = Path(__file__).resolve().parent
STYLES = [
    HERE / name
    for name in ("page.css", "pad/pad.css", "answer.css", "views.css", "batch.css", "model.css")
]
TITLE = "Handwritten digit reader"
HEADER = f"<h1>{TITLE}</h1><p>Draw a digit from 0 to 9, and see what the network reads.</p>"
TABS = {"Read": read_tab.build, "Batch": batch_tab.build, "Model": model_tab.build}


def build(reader: Reader) -> Any:
    """Return the page as Gradio Blocks, ready to be launched."""
    import gradio as gr

    # An upload that is an hour old is deleted: no picture is kept for longer than it is needed.
    deletion = (uploads.LOOKED_FOR_EVERY, uploads.DELETED_AFTER)
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=deletion) as blocks:
        gr.HTML(HEADER, elem_classes="page-header", apply_default_css=False, js_on_load=None)
        with gr.Tabs():
            for name, build_tab in TABS.items():
                with gr.Tab(name):
                    build_tab(reader)
        program_view.build()
    # Gradio's routes that skip the queue would skip its limits too.
    return blocks.queue(max_size=reader.settings.max_queue, api_open=False)


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
