"""The OpenAPI document, from the app's routes, their descriptions and the bodies' definitions."""

import re
from collections.abc import Iterator
from typing import Any

from apispec import APISpec
from flask import Flask
from werkzeug.routing import Rule

import config
from api import guard, open_inference, problems, stages, tensorflow_serving
from api.operations import JSON, OPERATIONS, TAGS, Operation
from api.response_bodies import Error, Problem
from api.schemas import Schema, Schemas

OPENAPI = "3.1.0"
TITLE = "Handwritten-digit reader"
DESCRIPTION = f"""\
Send a picture of one handwritten digit, get the digit, with a confidence that means what it says.

Every answer carries `{stages.ID_HEADER}`, by which the request is found in the server's log: the id
that the request came with, if it is a plain token, or a new one. Faults are
`application/problem+json` (RFC 9457), and `{{"error": "..."}}` at the addresses of other servers'
protocols; both say what was wrong and what would be right. Where GET is answered HEAD is too, and
OPTIONS tells an address's methods."""
KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": "The key that the server was started with: `Authorization: Bearer <key>`.",
}
HEADERS = {
    stages.ID_HEADER: {"description": "The request's id.", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "Seconds after which to ask again.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {"description": "How to bring a key.", "schema": {"const": "Bearer"}},
}
WITH = {
    401: "WWW-Authenticate",
    503: "Retry-After",
}  # the header that a fault has beside its id
VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")  # in a rule of Flask's
ONE_VERB = {"verb": "predict"}  # a variable whose only value is written out
OF_VERSION = "_of_version"  # ends the names of the operations that name a version


def of(app: Flask, name: str, version: str, settings: config.Settings) -> Schema:
    """Return the document for an app that serves the model of this name and version."""
    secured: Schema = {"security": [{"key": []}]} if settings.api_key else {}
    spec = APISpec(
        TITLE,
        open_inference.SERVER_VERSION,
        OPENAPI,
        info={"description": DESCRIPTION, "license": {"name": "MIT", "identifier": "MIT"}},
        servers=[{"url": "/"}],
        tags=[{"name": tag, "description": words} for tag, words in TAGS.items()],
        **secured,
    )
    if settings.api_key:
        spec.components.security_scheme("key", KEY)
    schemas = Schemas(_definitions(), settings)
    for title, schema in sorted(schemas.components.items()):
        spec.components.schema(title, schema)
    for title, header in HEADERS.items():
        spec.components.header(title, header | {"required": True})
    _add_faults(spec, schemas)
    for endpoint, operation in OPERATIONS.items():
        for rule in sorted(app.url_map.iter_rules(endpoint), key=lambda rule: len(rule.rule)):
            (method,) = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            locked = bool(settings.api_key) and rule.rule not in guard.OPEN
            common = (401,) if locked else ()
            described = _described(endpoint, operation, rule, schemas, common)
            described["parameters"] = [
                *_variables(rule, name, version),
                *(each | {"schema": schemas.of(each["schema"])} for each in operation.parameters),
            ]
            if settings.api_key and not locked:
                described["security"] = []
            spec.path(path_of(rule), operations={method.lower(): described})
    document: Schema = spec.to_dict()
    return document


def path_of(rule: Rule) -> str:
    """Return a rule of Flask's as a path of the document."""
    return VARIABLE.sub(lambda found: ONE_VERB.get(found[1], f"{{{found[1]}}}"), rule.rule)


def _definitions() -> Iterator[Any]:
    yield from (Problem, Error)
    for operation in OPERATIONS.values():
        yield from (*operation.answers.values(), *operation.takes.values())
        yield from (parameter["schema"] for parameter in operation.parameters)


def _described(
    endpoint: str, operation: Operation, rule: Rule, schemas: Schemas, common: tuple[int, ...]
) -> Schema:
    """Return an operation's description, but for its parameters."""
    versioned = "version" in rule.arguments
    answers: Schema = {kind: {"schema": schemas.of(of)} for kind, of in operation.answers.items()}
    if operation.example is not None:
        answers[JSON]["example"] = operation.example
    answer: Schema = {"description": "The answer.", "content": answers, "headers": _headers(200)}
    if operation.leads_to:
        answer["links"] = {
            target: {"operationId": target, "parameters": parameters}
            for target, parameters in operation.leads_to.items()
        }
    form = "Error" if problems.PROTOCOLS.match(rule.rule) else "Problem"
    faults = sorted((*operation.faults, *common))
    described: Schema = {
        "operationId": endpoint + (OF_VERSION if versioned else ""),
        "tags": [operation.tag],
        "summary": operation.summary + (", its version named" if versioned else ""),
        "responses": {"200": answer} | {str(fault): f"{form}{fault}" for fault in faults},
    }
    if operation.description:
        described["description"] = operation.description
    if operation.takes:
        content: Schema = {kind: {"schema": schemas.of(of)} for kind, of in operation.takes.items()}
        content[JSON]["examples"] = {
            name.replace(" ", "_"): {"summary": name, "value": value}
            for name, value in operation.examples().items()
        }
        described["requestBody"] = {"required": True, "content": content}
    return described


def _variables(rule: Rule, name: str, version: str) -> Iterator[Schema]:
    """Describe the variables of a path, each of which has one value here."""
    serving = rule.rule.startswith(tensorflow_serving.ROOT)
    values = {"name": name, "version": tensorflow_serving.VERSION if serving else version}
    for variable, value in values.items():
        if variable in rule.arguments:
            yield {
                "name": variable,
                "in": "path",
                "required": True,
                "description": f"The model's {variable}.",
                "schema": {"type": "string", "enum": [value]},
            }


def _headers(status: int) -> Schema:
    return {name: name for name in (stages.ID_HEADER, WITH.get(status)) if name}


def _add_faults(spec: APISpec, schemas: Schemas) -> None:
    """Enter a response for each status in each form; only those that are referred to are kept."""
    for form, kind, definition in (
        ("Problem", problems.CONTENT_TYPE, Problem),
        ("Error", JSON, Error),
    ):
        for status, title in problems.TITLES.items():
            response = {
                "description": f"{title}.",
                "headers": _headers(status),
                "content": {kind: {"schema": schemas.of(definition)}},
            }
            spec.components.response(f"{form}{status}", response, lazy=True)
