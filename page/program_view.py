"""How programs use the page: its endpoints for gradio_client and for HTTP, as code to copy."""

import html
from typing import Any

TITLE = "Use it from a program"
ADDRESS = '<span class="program-address">http://127.0.0.1:7860/</span>'
PYTHON = """\
from gradio_client import Client, handle_file

client = Client("ADDRESS", verbose=False)
print(client.predict(handle_file("eight.png"), "enhanced", api_name="/predict"))
files = [handle_file("eight.png"), handle_file("more.zip")]
print(client.predict(files, "enhanced", api_name="/batch"))
"""
HTTP = """\
curl -s -F files=@eight.png ADDRESSgradio_api/upload
curl -s ADDRESSgradio_api/call/predict -H "Content-Type: application/json" -d \\
  '{"data": [{"path": "PATH", "meta": {"_type": "gradio.FileData"}}, "enhanced"]}'
curl -s ADDRESSgradio_api/call/predict/EVENT
"""
ABOUT_PYTHON = "From Python, with the package gradio_client:"
ABOUT_HTTP = (
    "By plain HTTP: the first command answers with the PATH of the picture, the second with the "
    "EVENT at which the third finds the answer:"
)
ABOUT_REST = (
    "In place of enhanced, basic and none can be asked for. For many requests there is the API of "
    "flask_deploy.py, which answers each in one step."
)
# The address by which the visitor found the page, whatever lies between.
SCRIPT = """\
for (const each of element.querySelectorAll(".program-address")) {
  each.textContent = location.origin + location.pathname;
}
"""


def build() -> Any:
    """Build the section at the page's end."""
    import gradio as gr

    return gr.HTML(
        html_template=f'<details class="unfold"><summary>{TITLE}</summary><div class="program">'
        f"<p>{ABOUT_PYTHON}</p>{_code(PYTHON)}<p>{ABOUT_HTTP}</p>{_code(HTTP)}"
        f"<p>{ABOUT_REST}</p></div></details>",
        js_on_load=SCRIPT,
        elem_classes="page-unfold page-program",
        apply_default_css=False,
    )


def _code(text: str) -> str:
    """Return code as HTML, for a template in which a backslash and braces stand for themselves."""
    code = html.escape(text).replace("\\", "&#92;").replace("{", "&#123;").replace("}", "&#125;")
    return f"<pre><code>{code.replace('ADDRESS', ADDRESS)}</code></pre>"
