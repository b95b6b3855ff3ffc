"""What `[executor.local] connect` runs on another host: finds the agent of an instance's rank there, or starts it, and passes bytes on.

`python -m fluxplug_exec_local.relay INSTANCE RANK [FOLDER]`. Standard input and output are the server's connection; complaints go to standard error,
where the server reads why a host cannot be used. The agent lives in a folder of its own below FOLDER, and outlives relay and server. A relay that
has started an agent waits for its end, as some launchers (srun) and login sessions end with their first process everything that it has started.

Not here: what is said (`protocol`), the server's side (`remote`).
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import stat
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from fluxplug.errors import FluxplugError
from fluxplug.instance import unixsocket
from fluxplug_exec_local.start import address_of, start_agent

if TYPE_CHECKING:
    from collections.abc import Callable

#: What the server waits for: shells may have said something before it.
MARK = b"fluxplug-relay 1\n"

_READ = 1 << 18


class FolderError(FluxplugError):
    """A folder that cannot be trusted with an agent; the text says why."""


def default_folder() -> str:
    """Where agents of this user have their folders. Not below XDG_RUNTIME_DIR or TMPDIR, which may go with a login, or be another's next time."""
    return f"/tmp/fluxplug-{os.getuid()}"  # noqa: S108 - its owner and mode are checked


def own_folder(path: str) -> int:
    """Make a folder that nobody else has access to, or check that it is one; a descriptor of it. Raises FolderError, OSError."""
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)  # noqa: PTH102
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except NotADirectoryError:
        raise FolderError(f"{path}: is no folder, or a link to one") from None
    status = os.fstat(descriptor)
    if status.st_uid != os.getuid():
        problem = "belongs to another user"
    elif status.st_mode & 0o077:
        problem = f"others have access to it (mode {stat.S_IMODE(status.st_mode):o})"
    else:
        return descriptor
    os.close(descriptor)
    raise FolderError(f"{path}: {problem}; remove it, or set [executor.local] agent-dir")


def locked(path: str) -> int:
    """A descriptor of the folder that all agents of this user share, locked: one relay or agent at a time makes or removes what is in it."""
    while True:
        descriptor = own_folder(path)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):  # noqa: PTH116
                return descriptor
        os.close(descriptor)  # it was removed meanwhile


def meet(base: str, instance: str, rank: int) -> tuple[socket.socket, int]:
    """A connection with the agent, and its pid if it was started for that, else 0. Raises FolderError, OSError."""
    lock = locked(base)
    try:
        folder = f"{base}/{instance}-{rank}"
        for path in (folder, f"{folder}/agents", f"{folder}/tmp"):  # noqa: S108 - of a folder of our own
            os.close(own_folder(path))
        try:
            return unixsocket.connect(address_of(folder, rank)), 0
        except OSError:
            return start_agent(folder, rank, remote=True)
    finally:
        os.close(lock)


def remove_folder(folder: str, ours: Callable[[], bool]) -> None:
    """The agent of a folder ends: remove it, if it still is `ours`, and nobody is about to start another there."""
    base = os.path.dirname(folder)  # noqa: PTH120
    try:
        lock = locked(base)
    except (FolderError, OSError):
        return
    try:
        if ours():
            actions = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)]
            pid = os.posix_spawnp("rm", ["rm", "-rf", "--", folder], {"PATH": "/usr/bin:/bin"}, file_actions=actions)
            os.waitpid(pid, 0)
        if base == default_folder():
            with suppress(OSError):  # others are there
                os.rmdir(base)  # noqa: PTH106
    finally:
        os.close(lock)


def pump(connection: socket.socket) -> int:
    """Pass bytes between the standard streams and the agent until either side ends; how many came from the agent."""

    def down() -> None:
        with suppress(OSError):
            while data := os.read(0, _READ):
                connection.sendall(data)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=down, daemon=True).start()
    count = 0
    with suppress(OSError):
        _write(MARK)
        while data := connection.recv(_READ):
            count += len(data)
            _write(data)
    connection.close()
    return count


def main() -> None:
    """The command: see the module."""
    instance, rank = sys.argv[1], int(sys.argv[2])
    base = sys.argv[3] if len(sys.argv) > 3 else default_folder()
    try:
        connection, pid = meet(base, instance, rank)
    except FolderError as error:
        _complain(str(error))
        sys.exit(1)
    except OSError as error:
        _complain(f"{error.filename or base}: {error.strerror}")
        sys.exit(1)
    if pid:
        # Whoever gives up waiting for this connection means the connection.
        for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(signum, signal.SIG_IGN)
    if not pump(connection):
        _complain(f"the agent has ended: {_last_line(f'{base}/{instance}-{rank}/agents/{rank}.log')}")
    if pid:
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.waitpid(pid, 0)
    # Without waiting for the thread that reads.
    os._exit(0)


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def _last_line(path: str) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            file.seek(-min(os.fstat(file.fileno()).st_size, 2000), os.SEEK_END)
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return "it has left no log"
    return lines[-1] if lines else "its log says nothing"


def _complain(text: str) -> None:
    with suppress(OSError):
        print(f"fluxplug relay: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
