"""The OpenAPI document as a page to read: HTML and a style sheet, without any script.

It asks nothing of anybody but this server, and its Content-Security-Policy says so.
"""

import base64
import functools
import hashlib
import json
import re
import shlex
from pathlib import Path
from typing import Any

from jinja2 import Environment, Template
from markupsafe import Markup, escape

FOLDER = Path(__file__).resolve().parent
MARKS = re.compile(r"`([^`]+)`|\[([^]]+)\]\((https://[^)\s]+)\)")  # code and links in descriptions
POLICY = (
    "default-src 'none'; style-src 'sha256-{}'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
MOST_SHOWN = 4  # items of a long list in an example
UNBOUNDED = 2**31 - 1  # the largest count there is: no limit worth telling
TEXTS = {"binary": "the file's bytes", "byte": "base64 text"}  # by format
JSON = "application/json"
Schema = dict[str, Any]


@functools.cache
def _template() -> Template:
    text = (FOLDER / "docs.html").read_text("utf-8")
    return Environment(autoescape=True).from_string(text)


def render(document: Schema, url: str) -> tuple[str, dict[str, str]]:
    """Return the page for a document, and the headers of its response.

    url: of the server, for the commands that are shown.
    """
    style = (FOLDER / "docs.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = _template().render(
        document=document,
        sections=_sections(document),
        style=Markup(style),
        words=_words,
        kind=_kind,
        shown=_shown,
        alike=_alike,
        curl=functools.partial(_curl, url.rstrip("/")),
    )
    return page, {"Content-Security-Policy": POLICY.format(digest)}


def _sections(document: Schema) -> list[Schema]:
    """Return the document's tags with their operations, those with references resolved."""
    operations = [
        operation
        | {"method": method, "path": path, "locked": "security" in document}
        | {"responses": {s: _of(r, document) for s, r in operation["responses"].items()}}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    for operation in operations:
        operation["locked"] &= operation.get("security") != []
    return [
        tag | {"operations": [each for each in operations if tag["name"] in each["tags"]]}
        for tag in document["tags"]
    ]


def _of(holder: Schema, document: Schema) -> Schema:
    """Return what a reference refers to in the document, or the holder if it is none."""
    found = holder
    if "$ref" in holder:
        found = document
        for part in holder["$ref"].removeprefix("#/").split("/"):
            found = found[part]
    return found


def _words(text: str) -> Markup:
    """Return a description as HTML, with its code and its links."""
    html, start = Markup(), 0
    for found in MARKS.finditer(text):
        html += escape(text[start : found.start()])
        code, label, url = found.groups()
        if code:
            html += Markup("<code>{}</code>").format(code)
        else:
            html += Markup('<a href="{}" rel="noreferrer">{}</a>').format(url, label)
        start = found.end()
    return html + escape(text[start:])


def _kind(schema: Schema) -> Markup:
    """Return in words what a schema takes, with links to the schemas that it refers to."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return Markup('<a href="#{0}">{0}</a>').format(name)
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return _either(Markup("<code>{}</code>").format(json.dumps(value)) for value in values)
    if "not" in schema:
        return Markup("not offered here")
    if "properties" in schema:
        pairs = ((name, _kind(each)) for name, each in schema["properties"].items())
        return Markup(", ").join(Markup("<code>{}</code>: {}").format(*pair) for pair in pairs)
    if "anyOf" in schema and "type" not in schema:
        return _either(map(_kind, schema["anyOf"]))
    if schema.get("type") == "array":
        count = _span(schema, "minItems", "maxItems")
        start = f"list of {count} × " if count else "list of "
        return _either(
            escape(start) + _kind(each["items"]) for each in schema.get("anyOf", [schema])
        )
    return escape(_plain(schema))


def _plain(schema: Schema) -> str:
    span = _span(schema, "minimum", "maximum")
    words = {
        "string": TEXTS.get(schema.get("format", ""), "text"),
        "integer": f"whole number{span and ', '}{span}",
        "number": f"number{span and ', '}{span}",
        "boolean": "true or false",
        "object": "object",
    }
    return words.get(schema.get("type", ""), "anything")


def _either(each: Any) -> Markup:
    return Markup(" or ").join(each)


def _alike(content: Schema) -> list[tuple[Schema, list[str]]]:
    """Return the schemas of a body, each with the media types that have it."""
    found: list[tuple[Schema, list[str]]] = []
    for kind, of in content.items():
        if found and found[-1][0] == of["schema"]:
            found[-1][1].append(kind)
        else:
            found.append((of["schema"], [kind]))
    return found


def _span(schema: Schema, least: str, most: str) -> str:
    low, high = schema.get(least), schema.get(most)
    if "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - 1
    if high is None or high == UNBOUNDED:
        return "" if low is None else f"{low} or more"
    return f"{high}" if low == high else f"{low or 0} to {high}"


def _shown(value: Any, indent: str = "") -> str:
    """Return an example as JSON to be read: objects line by line, long lists shortened."""
    inner = indent + "  "
    if isinstance(value, dict):
        fields = (f"{json.dumps(key)}: {_shown(each, inner)}" for key, each in value.items())
        return "{\n" + inner + f",\n{inner}".join(fields) + f"\n{indent}}}"
    if isinstance(value, list):
        many = len(value) > 10
        items = [_shown(each, indent) for each in (value[:MOST_SHOWN] if many else value)]
        if many:
            items.append(f"… {len(value) - MOST_SHOWN} more")
        return f"[{', '.join(items)}]"
    return json.dumps(value)


def _curl(server: str, operation: Schema) -> str:
    """Return a command that asks for the operation."""
    url = server + operation["path"]
    for variable in operation["parameters"]:
        if variable["in"] == "path":
            url = url.replace(f"{{{variable['name']}}}", variable["schema"]["enum"][0])
    words = ["curl", url]
    if operation["locked"]:
        words += ["-H", "Authorization: Bearer <key>"]
    content = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in content:
        words += ["-F", "file=@picture.png"]
    elif JSON in content:
        example = next(iter(content[JSON]["examples"].values()))["value"]
        words += ["-d", json.dumps(example)]
    return shlex.join(words)
