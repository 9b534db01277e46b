"""Definitions as JSON Schemas: whatever has a name is a component, and limits are the settings'."""

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

import config
from api.request_bodies import ALIKE, EXACTLY_ONE, MOST

REF = "#/components/schemas/{name}"
Definition = Any  # a type that msgspec has a JSON Schema of, several in a tuple, or a JSON Schema
Schema = dict[str, Any]


class Schemas:
    """The schemas of some definitions, for a server of these settings.

    components: by name, what the schemas refer to.
    """

    def __init__(self, definitions: Iterable[Definition], settings: config.Settings) -> None:
        self._settings = settings
        self.components: dict[str, Schema] = {}
        # Not by the definitions themselves: those with a list in them have no hash.
        types = {id(each): each for each in _each(definitions) if not isinstance(each, dict)}
        found, components = msgspec.json.schema_components(types.values(), ref_template=REF)
        for body, fields in EXACTLY_ONE.items():
            components[body.__name__]["oneOf"] = [{"required": [name]} for name in fields]
        for name, schema in components.items():
            self.components[name] = self._finished(schema)
        self._found = dict(zip(types, map(self._finished, found), strict=True))

    def of(self, definition: Definition) -> Schema:
        """Return the schema of a definition, which is one of those given at first or a schema."""
        if isinstance(definition, tuple):
            return {"anyOf": [self.of(each) for each in definition]}
        found: Schema | None = self._found.get(id(definition))
        return self._finished(definition) if found is None else found

    def _finished(self, schema: Schema, inner: bool = False) -> Schema:
        """Return a schema with its titled parts as components, and with the settings' limits."""
        finished = {key: self._within(key, value) for key, value in schema.items()}
        if MOST in finished:
            finished[finished.pop(MOST)] = self._settings.max_batch
        if ALIKE in finished:
            finished = _alike(finished, finished.pop(ALIKE))
        if "description" in finished:
            finished["description"] = inspect.cleandoc(finished["description"])
        if finished.get("required") == []:
            del finished["required"]
        title = finished.pop("title", None)
        if title is None or not inner:
            return finished
        self.components[title] = finished
        return {"$ref": REF.format(name=title)}

    def _within(self, key: str, value: Any) -> Any:
        if key == "properties":
            return {name: self._finished(each, True) for name, each in value.items()}
        if isinstance(value, list):
            return [self._finished(x, True) if isinstance(x, dict) else x for x in value]
        return self._finished(value, True) if isinstance(value, dict) else value


def _alike(schema: Schema, depth: int) -> Schema:
    """Return a list's schema that has, for each kind of items, lists of that kind alone."""

    def of_kind(within: Schema, left: int, kind: Schema) -> Schema:
        items = kind if left == 1 else of_kind(within["items"], left - 1, kind)
        return within | {"items": items}

    items = schema
    for _ in range(depth):
        items = items["items"]
    kinds = [{"items": of_kind(schema, depth, kind)["items"]} for kind in items["anyOf"]]
    return {key: value for key, value in schema.items() if key != "items"} | {"anyOf": kinds}


def _each(definitions: Iterable[Definition]) -> Iterator[Definition]:
    for definition in definitions:
        yield from definition if isinstance(definition, tuple) else (definition,)
