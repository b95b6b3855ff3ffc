"""HTTP/1.1 as the client speaks it: one request at a time over a socket, and its answer as a head and blocks of bytes.

`http.client` would do, but importing it takes 24 ms of the 120 that a command has in all; with llhttp (httptools), which the server reads
with too, what is left to do is here. No redirects, no proxies, no compression, no TLS.
"""

from __future__ import annotations

import errno
import select
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from fluxplug.errors import ConnectionFailedError
from fluxplug.instance.unixsocket import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxplug.client.uri import Address

_BLOCK = 1 << 18
# A head of ours has some 200 bytes.
_MAX_HEAD = 1 << 16


class Answer:
    """What came back: `status`, `headers` (names in lower case), and `blocks`, what is there of the body and has not been taken.

    `head` and `complete` tell how far it is; `keep`, whether the connection can be used again.
    """

    __slots__ = ("blocks", "complete", "head", "headers", "keep", "parser", "status")

    def __init__(self) -> None:
        self.parser = HttpResponseParser(self)
        self.blocks: list[bytes] = []
        self.headers: dict[str, str] = {}
        self.status = 0
        self.head = self.complete = self.keep = False

    # What the parser calls. It goes on to a next message where more came than was asked for.

    def on_message_begin(self) -> None:
        self.keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.head:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if not self.head:
            self.head = True
            self.status = self.parser.get_status_code()

    def on_body(self, block: bytes) -> None:
        if not self.complete:
            self.blocks.append(block)

    def on_message_complete(self) -> None:
        self.keep = not self.complete and self.parser.should_keep_alive()
        self.complete = True


class Connection:
    """A connection to `address`; `name` is what errors call it. Every method raises ConnectionFailedError; afterwards, close it.

    `timeout`: seconds that connecting, or the next piece of an answer, may take; None for ever. Raises ConnectionFailedError where nobody
    serves.
    """

    __slots__ = ("_answer", "_host", "_name", "_socket", "_timeout", "answered")

    def __init__(self, address: Address, name: str, timeout: float | None) -> None:
        self._name = name
        self._timeout = timeout
        self._answer: Answer | None = None
        self.answered = False
        host = f"[{address.host}]" if ":" in address.host else address.host
        self._host = "localhost" if address.socket else f"{host}:{address.port}"
        try:
            if address.socket:
                self._socket = connect(address.socket, timeout)
            else:
                self._socket = socket.create_connection((address.host, address.port), timeout)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as fault:
            failed = self._failed(fault)
            text = f"nobody serves at {failed}; is it running? `fluxplug start` starts one"
            raise ConnectionFailedError(failed.errno or errno.EIO, text) from fault

    def set_timeout(self, timeout: float | None) -> None:
        """Change how long the next piece of an answer may take."""
        self._timeout = timeout
        self._socket.settimeout(timeout)

    def ask(self, method: str, target: str, headers: dict[str, str], body: bytes | None) -> Answer:
        """Send a request, and return its answer as soon as the head is there. `answered` then tells whether a single byte came back."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host}", *(f"{k}: {v}" for k, v in headers.items())]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        self.answered = False
        self._answer = answer = Answer()
        try:
            self._socket.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))
        except OSError as fault:
            # A server that refuses a request before it has read all of it, as one that is too large, has said why.
            if not isinstance(fault, (BrokenPipeError, ConnectionResetError)):
                raise self._failed(fault) from fault
        size = 0
        while not answer.head:
            size += self._receive(answer)
            if size > _MAX_HEAD and not answer.head:
                raise self._foreign(f"a head of over {_MAX_HEAD} bytes")
        if answer.status < 200:
            raise self._foreign(f"status {answer.status}")
        return answer

    def blocks(self) -> Iterator[bytes]:
        """The body of the last answer, in pieces as they come. Raises where it is cut off."""
        answer = self._answer
        while answer is not None:
            if answer.blocks:
                block = b"".join(answer.blocks)
                answer.blocks.clear()
                yield block
            elif answer.complete or not self._receive(answer):
                return

    def reusable(self) -> bool:
        """True after a whole answer to which the server did not add that it will close."""
        return self._answer is not None and self._answer.keep

    def is_open(self) -> bool:
        """False where the server has closed, or said something unasked, since the last answer."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def shutdown(self) -> None:
        """End what is under way: a thread that waits for an answer is told that the server has closed."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Free the connection. Nobody may be waiting for an answer."""
        self._socket.close()

    def _receive(self, answer: Answer) -> int:
        """Read once, and return how many bytes came; 0 where the server closed, which only a body of unknown length may end with."""
        try:
            block = self._socket.recv(_BLOCK if answer.head else _MAX_HEAD)
        except OSError as fault:
            raise self._failed(fault) from fault
        if not block:
            if answer.head and not answer.headers.keys() & {"content-length", "transfer-encoding"}:
                return 0
            where = "in the middle of an answer" if self.answered else "without an answer"
            raise ConnectionFailedError(errno.ECONNRESET, f"{self._name}: the connection was closed {where}")
        self.answered = True
        try:
            answer.parser.feed_data(block)
        except (HttpParserError, HttpParserUpgrade) as fault:
            if answer.complete:  # what was asked for is there; what follows is not ours
                answer.keep = False
            else:
                raise self._foreign(str(fault)) from fault
        return len(block)

    def _failed(self, fault: OSError) -> ConnectionFailedError:
        if isinstance(fault, TimeoutError) and fault.errno is None:
            return ConnectionFailedError(errno.ETIMEDOUT, f"{self._name}: no answer within {self._timeout or 0:g} s")
        return ConnectionFailedError(fault.errno or errno.EIO, f"{self._name}: {fault.strerror or fault}")

    def _foreign(self, reason: str) -> ConnectionFailedError:
        return ConnectionFailedError(
            errno.EPROTO, f"{self._name}: what answers is no instance of fluxplug: {reason[:100]}"
        )
