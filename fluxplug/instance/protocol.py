"""One client's connection to the server: who it is, and how much of the server it may have. Beneath the HTTP API, above uvicorn.

Bounds: the size of a request's head, the time that a request may take to arrive, requests a second, open connections. What a body may hold is
bounded where it is read (`app`).
"""

from __future__ import annotations

import errno
import os
import resource
import socket
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fluxplug.clock import stopwatch
from fluxplug.instance import unixsocket

if TYPE_CHECKING:
    import asyncio

    from starlette.types import Receive, Scope, Send

MAX_HEAD = 65536
"""Bytes of a request line with its headers: far more than any client of ours sends."""
PATIENCE = 30.0
"""Seconds for the head of a request, and for each next piece of its body."""
MAX_CONNECTIONS = min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
"""Clients at one time, streams included; one more is cut off. The other descriptors are for agents, the store and reserve."""


class Refuse:
    """An ASGI application that refuses whatever is asked."""

    def __init__(self, code: int, status: int, message: str) -> None:
        body = msgspec.json.encode({"error": {"errno": code, "message": message}})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        self._messages: tuple[dict[str, Any], ...] = (
            {"type": "http.response.start", "status": status, "headers": headers},
            {"type": "http.response.body", "body": body},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the signature of ASGI
        for message in self._messages:
            await send(message)


class Protocol(HttpToolsProtocol):
    """A connection whose other end is the owner's, or root's: others are cut off, though the socket's mode keeps them out already."""

    max_rate: ClassVar[float | None] = None
    """Requests a second, `[instance] max-rate`; a second's worth may come at once. None: any number."""

    # What has come of a head, whether one is due, whether all of a request is there, and when the last part of it came.
    _head = 0
    _in_head = True
    _complete = True
    _since = 0.0
    _tokens = 0.0
    _filled = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family == socket.AF_UNIX:
            uid = unixsocket.peer_uid(connection)
            if uid not in {os.getuid(), 0}:
                transport.abort()
                return
        if len(self.connections) >= MAX_CONNECTIONS:
            transport.abort()
            return
        self._since = self._filled = stopwatch()
        self._tokens = max(self.max_rate or 0.0, 1.0)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.transport is not None:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self._head > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response(f"the head of the request is longer than {MAX_HEAD} bytes")

    def on_message_begin(self) -> None:
        self._complete = False
        self._since = stopwatch()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head, self._in_head = 0, False
        app = self.app
        if self.max_rate is not None and not self._may():
            self.app = _TOO_MANY
        try:
            super().on_headers_complete()
        finally:
            self.app = app

    def on_body(self, body: bytes) -> None:
        self._since = stopwatch()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._head, self._in_head = 0, True
        self._complete = True
        super().on_message_complete()

    def _may(self) -> bool:
        """Take one request of the connection's share."""
        rate, now = self.max_rate or 0.0, stopwatch()
        self._tokens = min(max(rate, 1.0), self._tokens + rate * (now - self._filled))
        self._filled = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def overdue(self, now: float) -> bool:
        """Whether the rest of a request has been outstanding for too long."""
        waits = not self._complete or self.cycle is None
        return waits and now - self._since > PATIENCE and not self.flow.read_paused


_TOO_MANY = Refuse(errno.EUSERS, 429, "more requests a second than [instance] max-rate allows one connection")
