"""Starting the agent of a rank: by the server on its own host (`link`), and by the relay on others (`relay`)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fluxplug.instance import unixsocket

if TYPE_CHECKING:
    import socket

_LISTENER = 3


def address_of(folder: str, rank: int) -> str:
    """The path of the socket at which the agent of a rank serves, below its `folder`."""
    return f"{folder}/agents/{rank}.sock"


def start_agent(folder: str, rank: int, *, remote: bool) -> tuple[socket.socket, int]:
    """Start an agent in a session of its own, which the end of this process does not touch; a connection with it, and its pid.

    Its output goes to a log beside its socket. `remote`: the folder is the agent's own, and goes with it. Raises OSError.
    """
    address = address_of(folder, rank)
    listener = unixsocket.listen(address)
    connection = None
    try:
        # The kernel takes it for the agent, which finds it as soon as it is there.
        connection = unixsocket.connect(address)
        return connection, _spawn(folder, rank, listener, remote=remote)
    except OSError:
        if connection is not None:
            connection.close()
        raise
    finally:
        listener.close()


def _spawn(folder: str, rank: int, listener: socket.socket, *, remote: bool) -> int:
    log = str(Path(address_of(folder, rank)).with_suffix(".log"))
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
        (os.POSIX_SPAWN_DUP2, listener.fileno(), _LISTENER),
    ]
    command = [sys.executable, "-m", "fluxplug_exec_local.agent", folder, str(rank), str(_LISTENER)]
    if remote:
        command.append("remote")
    return os.posix_spawn(sys.executable, command, dict(os.environ), file_actions=actions, setsid=True)
