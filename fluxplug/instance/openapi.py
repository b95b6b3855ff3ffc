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
_LINES = {"/v1/events", "/v1/resources/eventlog", "/v1/jobs/{id}/{key}"}
"""Answers of lines of JSON."""
_CLOSING = (
    'One JSON object a line. Where the server is shut down before what is followed has ended, the last line is `{"error": {"errno": 108, '
    '"message": ...}}` (ESHUTDOWN): ask the next server again, with `since`. A stream that ends without it is at its real end; where the server dies, '
    "the connection is cut in the middle of the chunked body."
)
_REFUSED = "Refused. With errno 108 (ESHUTDOWN, status 503) nothing was done, and the next server may be asked again"
_MEMBERS = {
    "/v1": ["name", "version", "api", "instance", "uri", "owner", "pid", "statedir", "started", "size", "durability", "executor"],
    "/v1/jobs/list": ["jobs"],
    "/v1/jobs/raise": ["matched", "done", "errors"],
    "/v1/jobs/kill": ["matched", "done", "errors"],
    "/v1/jobs/{id}": ["job"],
    "/v1/jobs/{id}/urgency": ["urgency"],
    "/v1/jobs/{id}/result": ["id", "result", "t_submit", "exception_occurred"],
    "/v1/jobs/{id}/explain": ["id", "state", "reason", "text"],
    "/v1/jobs/{id}/hostpids": ["tasks"],
    "/v1/wait": ["id", "success", "errstr"],
    "/v1/resources": ["all", "down", "allocated"],
    "/v1/resources/status": ["R", "online", "offline", "offline_reasons", "exclude", "torpid", "housekeeping", "allocated", "drain"],
    "/v1/queues": ["queues"],
    "/v1/queues/{what}": ["queues"],
    "/v1/stats": ["jobs", "passes", "ticks", "store"],
    "/v1/plugins": ["plugins"],
    "/v1/purge": ["matched", "purged", "inactive"],
    "/openapi.json": ["openapi", "info", "paths"],
}  # fmt: skip
"""Members that an answer has in any case."""


def _answers(path: str) -> dict[str, Any]:
    """Media types of a request's answer, with what is in it."""
    if path == "/metrics":
        return {"text/plain": {"schema": {"type": "string"}}}
    found: dict[str, Any] = {}
    if path in _LINES:
        found["application/x-ndjson"] = {}
    if path not in _LINES or path.endswith("{key}"):
        schema: dict[str, Any] = {"type": "object"}
        if path in _MEMBERS:
            schema["required"] = _MEMBERS[path]
        found["application/json"] = {"schema": schema}
    return found


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
                "200": {"description": _CLOSING if route.path in _LINES else "Done", "content": _answers(route.path)},
                "default": {"description": _REFUSED, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
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
