"""The OpenAPI document of the HTTP API, made from its table of routes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from fluxplug import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluxplug.instance.app import ApiRoute

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["errno", "message"],
            "properties": {"errno": {"type": "integer"}, "message": {"type": "string"}},
        }
    },
}
_WORDS = {
    "/v1/resources/{what}": ["drain", "undrain", "up", "down"],
    "/v1/queues/{what}": ["enable", "disable", "start", "stop"],
}


def document(routes: Sequence[ApiRoute]) -> dict[str, Any]:
    """The document, as JSON values."""
    types = [route.body for route in routes if route.body is not None]
    _, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    paths: dict[str, Any] = {}
    for route in routes:
        operation: dict[str, Any] = {
            "summary": route.summary,
            "operationId": route.handler.__name__.strip("_"),
            "parameters": [_path_parameter(route.path, name) for name in re.findall(r"\{(\w+)\}", route.path)]
            + [{"name": name, "in": "query", "schema": {"type": kind}} for name, kind in route.query],
            "responses": {
                "200": {"description": "Done", "content": {"application/json": {}, "application/x-ndjson": {}, "text/plain": {}}},
                "default": {"description": "Refused", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
            },
        }  # fmt: skip
        if route.body is not None:
            schema = {"$ref": f"#/components/schemas/{route.body.__name__}"}
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "fluxplug", "version": __version__},
        "paths": paths,
        "components": {"schemas": {**components, "Error": _ERROR}},
    }


def _path_parameter(path: str, name: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "minLength": 1}
    if path in _WORDS:
        schema["enum"] = _WORDS[path]
    return {"name": name, "in": "path", "required": True, "schema": schema}
