"""What every handler of the HTTP API uses: answers, errors, and query parameters.

Errors are `{"error": {"errno": N, "message": TEXT}}`; STATUS maps errno to HTTP status.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse

from fluxplug.instance.errors import RequestError
from fluxplug.instance.jobs import encode
from fluxplug.instance.streams import CLOSING_TEXT

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.requests import Request

T = TypeVar("T")

STATUS = {
    errno.EINVAL: 400, errno.EPROTO: 400, errno.EPERM: 403, errno.EACCES: 403, errno.ENOENT: 404, errno.ECHILD: 404, errno.ETIMEDOUT: 408,
    errno.EEXIST: 409, errno.EAGAIN: 409, errno.E2BIG: 413, errno.EUSERS: 429, errno.ENOSPC: 503, errno.ESHUTDOWN: 503,
    errno.ENOBUFS: 503, errno.EHOSTUNREACH: 503,
}  # fmt: skip


class Raw(Response):
    """An answer that is bytes already."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return bytes(content)


class Stream(StreamingResponse):
    """Lines that come when they come."""

    media_type = "application/x-ndjson"


def answer(content: Any) -> Response:
    """A JSON answer."""
    return Raw(encode(content))


def failure(code: int, message: str) -> Response:
    """An error answer."""
    return Raw(encode({"error": {"errno": code, "message": message}}), status_code=STATUS.get(code, 400))


async def while_connected(request: Request, work: Coroutine[Any, Any, T], closing: asyncio.Event) -> T:
    """Do something that may take for ever, for as long as the client waits for it; its body has been read.

    Raises ClientDisconnect, and RequestError (ESHUTDOWN) once `closing` is set.
    """
    tasks: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(work),
        asyncio.ensure_future(request.receive()),
        asyncio.ensure_future(closing.wait()),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            if tasks[1].done():
                raise ClientDisconnect
            raise RequestError(errno.ESHUTDOWN, CLOSING_TEXT)
        found: T = tasks[0].result()
        return found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def number(request: Request, name: str, default: Any) -> Any:
    """A query parameter of the type of its default. Raises RequestError."""
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        found = type(default)(text)
    except ValueError:
        found = None
    if found is None or not -1 <= found < 2**62:
        raise RequestError(errno.EINVAL, f"{name}: {text[:40]!r} is no number that makes sense here")
    return found


def flag(request: Request, name: str, *, default: bool = False) -> bool:
    """A query parameter that is true or false. Raises RequestError."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if text not in {"true", "false", "1", "0"}:
        raise RequestError(errno.EINVAL, f"{name}: {text[:40]!r} is neither true nor false")
    return text in {"true", "1"}
