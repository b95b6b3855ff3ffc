"""Client: requests, and streams of lines, to the API of an instance, over a Unix socket or TCP.

It knows HTTP, JSON and errors, and nothing of jobs: `fluxplug.job` and the commands do. JSON is the standard library's, which is
imported in no time; msgspec costs 18 ms, more than it saves in the largest of a command's answers.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from fluxplug.client.uri import find_token, find_uri, parse_uri
from fluxplug.client.wire import Connection
from fluxplug.clock import stopwatch
from fluxplug.errors import ApiError, ConnectionFailedError, FluxplugError, UnknownOutcomeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxplug.client.wire import Answer

# An answer comes at once or not at all, except where a request waits for something; those say so.
TIMEOUT = 60.0
# How long a stream that resumes tries to reach a server that is being restarted, and the longest pause between two tries.
PATIENCE = 60.0
_LONGEST_PAUSE = 1.0
# A line of output is at most what a task wrote in one go; the longest is a jobspec with files in it.
_MAX_LINE = 1 << 28


class Client:
    """A connection to the instance at `uri`; without it, to the one that `find_uri` finds. Nothing is sent before the first request.

    `timeout` is the number of seconds in which an answer must come; None: for ever. `token` is for TCP (else `find_token`).

    Every request raises ApiError for what the instance refuses (of the subclass of OSError that its errno has), and
    ConnectionFailedError where there is no instance, or where what answers does not speak its language. Threads may share a client: each
    request that is under way has a connection of its own, and connections are used again.
    """

    def __init__(self, uri: str | None = None, *, timeout: float | None = TIMEOUT, token: str | None = None) -> None:
        self.uri = find_uri() if uri is None else uri
        self.timeout = timeout
        self.address = parse_uri(self.uri)
        self._idle: list[Connection] = []
        self.headers = {"Accept": "application/json"}
        if not self.address.socket:
            token = token or find_token()
            if token:
                self.headers["Authorization"] = f"Bearer {token}"

    # Requests.

    def get(self, path: str, /, *, within: float | None = -1, resume: bool = False, **query: Any) -> Any:
        """The answer to a GET, decoded. `path` is as in the API's table, not quoted; a query value of None is left out.

        `within`: seconds for this answer (None: for ever; negative: as for the client). Sent once more where a connection that was kept turns
        out to be closed. With `resume`, for requests that wait, it is sent again while a server is being restarted, for up to PATIENCE
        seconds.
        """
        return self._patiently("GET", _target(path, query), None, within, resume=resume)

    def post(
        self,
        path: str,
        body: Any = None,
        /,
        *,
        within: float | None = -1,
        again: bool = False,
        resume: bool = False,
    ) -> Any:
        """The answer to a POST of `body` as JSON, decoded. Bytes are JSON already (see `encode`).

        It is never carried out twice: where the answer is lost, UnknownOutcomeError says that what was asked may or may not have been done.
        With `resume`, it is sent again, as by `get`, where there was no server that could have carried it out. `again` is for requests that
        only read: those are treated as by `get` altogether.
        """
        content = body if isinstance(body, bytes) else encode({} if body is None else body)
        return self._patiently("POST", _target(path, {}), content, within, resume=resume, again=again)

    def stream(self, path: str, /, *, resume: bool = False, **query: Any) -> Stream:
        """The lines of an answer, decoded one by one as they come, over a connection of its own. See Stream.

        There is no limit to the time between two lines. With `resume`, a stream that breaks, as when the server dies or is shut down before
        what is followed has ended, is asked for again from where it was (`since`: the last `seq` seen in lines that have one, else the number
        of lines seen), for up to PATIENCE seconds; without it ConnectionFailedError is raised.
        """
        return Stream(self, path, query, resume=resume)

    def close(self) -> None:
        """Close what is open and not in use. The client can be used again."""
        while self._idle:
            self._idle.pop().close()

    def __del__(self) -> None:
        if hasattr(self, "_idle"):  # not where the URI was wrong
            self.close()

    # The wire.

    def _patiently(
        self, method: str, target: str, body: bytes | None, within: float | None, *, resume: bool, again: bool = True
    ) -> Any:
        pauses = Pauses(stopwatch() + PATIENCE if resume else 0)
        while True:
            try:
                return self._request(method, target, body, within, again=again)
            except ConnectionFailedError as fault:
                if isinstance(fault, (TimeoutError, UnknownOutcomeError)) or not pauses.take():
                    raise

    def _request(self, method: str, target: str, body: bytes | None, within: float | None, *, again: bool) -> Any:
        limit = self.timeout if within is not None and within < 0 else within
        while True:
            connection, kept = self._take(limit)
            try:
                answer = connection.ask(method, target, self.headers, body)
                content = b"".join(connection.blocks())
            except ConnectionFailedError as fault:
                connection.close()
                if again and kept and not connection.answered and not isinstance(fault, TimeoutError):
                    continue
                if again:
                    raise
                text = f"{fault}; whether the request was carried out is not known: look before you repeat it"
                raise UnknownOutcomeError(fault.errno or errno.EIO, text) from fault
            except BaseException:  # an interrupt: what is left of the answer must not be read as the next one
                connection.close()
                raise
            if connection.reusable():
                self._idle.append(connection)
            else:
                connection.close()
            return self.result(answer, content)

    def _take(self, timeout: float | None) -> tuple[Connection, bool]:
        """An open connection, and whether it was used before. One that the server has closed since is not taken."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return Connection(self.address, self.uri, timeout), False
            if connection.is_open():
                connection.set_timeout(timeout)
                return connection, True
            connection.close()

    def result(self, answer: Answer, content: bytes) -> Any:
        """The decoded body of an answer. Raises ApiError for one that refuses."""
        if answer.status < 300:
            plain = answer.headers.get("content-type", "").startswith("text/plain")
            return content.decode(errors="replace") if plain else decode(content or b"null", self.uri)
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            document = None
        raise _api_error(document, answer.status)


class Stream:
    """An iterator over the lines of an answer, as JSON. The request is sent when the first is asked for.

    `close`, which any thread may call while another waits for a line, ends it. Raises as Client's requests do.
    """

    def __init__(self, client: Client, path: str, query: dict[str, Any], *, resume: bool) -> None:
        self._client = client
        self._path = path
        self._query = query
        self._resume = resume
        self._connection: Connection | None = None
        self._closed = threading.Event()
        self._iterator = self._entries()

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:
        return next(self._iterator)

    def close(self) -> None:
        """End the stream: whoever waits for the next line is told that there is none."""
        self._closed.set()
        if self._connection is not None:
            self._connection.shutdown()

    def __del__(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _entries(self) -> Iterator[Any]:
        since = self._query.get("since") or 0
        pauses = Pauses(0, self._closed)
        while not self._closed.is_set():
            try:
                for line in self._lines():
                    pauses = Pauses(0, self._closed)
                    since = line["seq"] if isinstance(line, dict) and "seq" in line else max(since, 0) + 1
                    self._query["since"] = since
                    yield line
                return
            except ConnectionFailedError:
                if self._closed.is_set():
                    return
                if not self._resume:
                    raise
                pauses.limit = pauses.limit or stopwatch() + PATIENCE
                if not pauses.take():
                    raise

    def _lines(self) -> Iterator[Any]:
        client = self._client
        self._connection = connection = Connection(client.address, client.uri, client.timeout)
        try:
            answer = connection.ask("GET", _target(self._path, self._query), client.headers, None)
            if answer.status != 200:
                client.result(answer, b"".join(connection.blocks()))
            connection.set_timeout(None)
            rest: list[bytes] = []
            size = 0
            for block in connection.blocks():
                *lines, last = block.split(b"\n")
                if lines:
                    lines[0] = b"".join([*rest, lines[0]])
                    rest, size = [], 0
                    for line in lines:
                        if line.strip():
                            yield _entry(line, client.uri)
                rest.append(last)
                size += len(last)
                if size > _MAX_LINE:
                    raise ConnectionFailedError(errno.EPROTO, f"{client.uri}: a line of over {_MAX_LINE} bytes")
            if size:
                raise ConnectionFailedError(errno.ECONNRESET, f"{client.uri}: the answer ended in the middle of a line")
        finally:
            self._connection = None
            connection.close()


class Pauses:
    """The pauses between tries to reach a server that is being restarted, until the stopwatch shows `limit`."""

    def __init__(self, limit: float, ended: threading.Event | None = None) -> None:
        self.limit = limit
        self._ended = ended or threading.Event()
        self._next = 0.05

    def take(self) -> bool:
        """Pause, and return True; False at once where the time is over."""
        if stopwatch() >= self.limit:
            return False
        self._ended.wait(self._next)
        self._next = min(self._next * 2, _LONGEST_PAUSE)
        return True


def decode(content: bytes, uri: str) -> Any:
    """JSON of the instance at `uri`. Raises ConnectionFailedError for anything else."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        shown = content[:60].decode(errors="replace")
        raise ConnectionFailedError(errno.EPROTO, f"{uri}: expected JSON, not {shown!r}: {error}") from None


def _entry(line: bytes, uri: str) -> Any:
    found = decode(line, uri)
    if isinstance(found, dict) and len(found) == 1 and "error" in found:
        raise _api_error(found, 200)
    return found


def _target(path: str, query: dict[str, Any]) -> str:
    """The request line's: percent-encoded, switches in words."""
    words = {
        key: str(value).lower() if isinstance(value, bool) else value
        for key, value in query.items()
        if value is not None
    }
    return quote(path) + ("?" + urlencode(words) if words else "")


def encode(body: Any) -> bytes:
    """JSON as requests have it. Raises ApiError (EINVAL) for text that is not UTF-8."""
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        shown = error.object[max(error.start - 30, 0) : error.start + 30]
        raise ApiError(errno.EINVAL, f"text that is not UTF-8 cannot be sent: {shown!r}") from None


def _api_error(document: Any, status: int) -> FluxplugError:
    """The instance's own words where it said any, else what its status says; ConnectionFailedError for a server that is being shut down."""
    error = document.get("error") if isinstance(document, dict) else None
    code = error.get("errno") if isinstance(error, dict) else None
    text = error.get("message") if isinstance(error, dict) else None
    if not isinstance(code, int) or code <= 0:
        code = _ERRNO.get(status, errno.EIO)
    if not isinstance(text, str) or not text:
        text = f"{os.strerror(code)} (the instance answered {status} and gave no reason)"
    if code == errno.ESHUTDOWN:  # nothing was done: as if nobody served, which is what comes next
        return ConnectionFailedError(errno.ECONNREFUSED, text)
    if status == 401:
        text += "; FLUXPLUG_TOKEN, or the file that FLUXPLUG_TOKEN_FILE names, must have the token of the instance"
    return ApiError(code, text, status)


_ERRNO = {
    400: errno.EINVAL,
    401: errno.EACCES,
    403: errno.EPERM,
    404: errno.ENOENT,
    405: errno.EOPNOTSUPP,
    408: errno.ETIMEDOUT,
    409: errno.EEXIST,
    413: errno.EMSGSIZE,
    429: errno.EAGAIN,
    503: errno.EAGAIN,
}
