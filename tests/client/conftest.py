"""A server of a few lines over a Unix socket, which says what a test tells it to, byte for byte."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, suppress

import pytest

from fluxplug.instance.unixsocket import listen


def answer(body, status=200, content_type="application/json", extra=""):
    """The bytes of an ordinary answer."""
    if isinstance(body, str):
        body = body.encode()
    head = f"HTTP/1.1 {status} Text\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def chunk(text):
    body = text.encode() if isinstance(text, str) else text
    return f"{len(body):x}\r\n".encode() + body + b"\r\n"


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"


class FakeServer:
    """Answers each request with the next of `script`: bytes, or a list of bytes and threading.Events to wait for in between.

    `None` in a list closes the connection; a script that has ended closes it too. `requests` are the heads and bodies that came.
    """

    def __init__(self, path):
        self.path = str(path)
        self.uri = f"local://{path}"
        self.script = []
        self.requests = []
        self.connections = 0
        self._open = set()
        self._listener = listen(self.path)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection):
        with closing(connection):
            while True:
                try:
                    request = self._read(connection)
                    if request is None:
                        return
                    self.requests.append(request)
                    if not self.script:
                        return
                    steps = self.script.pop(0)
                    for step in [steps] if isinstance(steps, bytes) else steps:
                        if step is None:
                            return
                        if isinstance(step, bytes):
                            connection.sendall(step)
                        else:
                            step.wait(10)
                except OSError:
                    return

    @staticmethod
    def _read(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            block = connection.recv(65536)
            if not block:
                return None
            data += block
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length")), 0
        )
        while len(body) < length:
            body += connection.recv(65536)
        return head.decode(), body

    def hang_up(self):
        """Close every connection, as a server that dies does."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(10)


@pytest.fixture
def server(tmp_path):
    one = FakeServer(tmp_path / "local-0")
    yield one
    one.close()
