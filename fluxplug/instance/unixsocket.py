"""Unix sockets at paths of any length: those of the server and its agents lie in a state directory that the user names.

The kernel takes 107 bytes. A longer path is reached through `/proc/self/fd`, by a descriptor of its folder.
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PATH = 107


@contextmanager
def _reachable(path: str) -> Iterator[str]:
    """A path to the same socket that the kernel takes. Raises OSError where its folder cannot be opened."""
    if len(os.fsencode(path)) <= MAX_PATH:
        yield path
        return
    folder, name = os.path.split(path)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


def connect(path: str, timeout: float | None = None) -> socket.socket:
    """A stream socket connected to `path`. Raises OSError (FileNotFoundError, ConnectionRefusedError: nobody serves there)."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(timeout)
    try:
        with _reachable(path) as reachable:
            client.connect(reachable)
    except BaseException:
        client.close()
        raise
    return client


def listen(path: str, backlog: int = 1024) -> socket.socket:
    """A listening stream socket at `path` that its owner alone can open; what lay there is replaced. Raises OSError."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _reachable(path) as reachable:
            with suppress(FileNotFoundError):
                os.unlink(reachable)  # noqa: PTH108 - a path that pathlib would rewrite
            before = os.umask(0o177)
            try:
                server.bind(reachable)
            finally:
                os.umask(before)
        server.listen(backlog)
    except BaseException:
        server.close()
        raise
    return server


def peer_uid(connection: socket.socket) -> int:
    """The user id of the process at the other end, as of its connect."""
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)
