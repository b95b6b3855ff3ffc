"""The connection with an agent on another host: through a command of the site's (ssh, srun) that runs the relay there.

The relay finds the agent, or starts it; from its first words on, its standard streams are what a socket is on this host (`link`). Not here: what
the relay does (`relay`), when a host is tried again and when its jobs are lost (`executor`).
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fluxplug_exec_local.complaints import Complaints
from fluxplug_exec_local.link import HELLO_TIMEOUT, Link
from fluxplug_exec_local.relay import MARK
from fluxplug_exec_local.tunnel import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fluxplug.exec import Host
    from fluxplug_exec_local.link import Hello

#: More than this before the relay's first words is not the babble of a login shell.
MAX_PREAMBLE = 1 << 16
MAX_REASON = 200
#: Seconds that a command whose output has ended gets to end, too, before it is told to.
END_TIMEOUT = 1.0
#: Seconds, about, that a command gets to end when it is told to; then it is killed.
KILL_GRACE = 5.0

#: What a shell takes as it is. ssh hands its words to one, srun does not: a word that is quoted for the one would be wrong for the other.
PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*")


class RemoteLink(Link):
    """One rank's agent on another host. `reason` is why it cannot be had, `heard_at` when it said something (seconds of the loop's clock).

    `connect` is the command's words, in which {host} and {rank} are filled in; `python` and `folder` ("" for the relay's choice) are plain words. `uri` is the instance's.
    """

    def __init__(
        self,
        host: Host,
        statedir: Path,
        *,
        connect: Sequence[str],
        python: str,
        instance: str,
        folder: str,
        uri: str,
        heard: Callable[[Link, list[Any]], None],
        lost: Callable[[Link], None],
    ) -> None:
        super().__init__(host, statedir, heard=heard, lost=lost)
        self.reason = "not reached yet"
        self.heard_at = 0.0
        relay = [python or sys.executable, "-m", "fluxplug_exec_local.relay", instance, str(host.rank)]
        self._words = [_filled(word, host) for word in connect] + relay + ([_filled(folder, host)] if folder else [])
        self._log = statedir / "agents" / f"{host.rank}.log"
        self._preamble: bytearray | None = None
        self._exit = Exit(self, uri.removeprefix("local://"))
        #: Commands that have not ended, by pid. That which has started the agent may outlive several others.
        self._running: dict[int, Complaints] = {}
        #: Those of them that have led to an agent: their end may be its end (see `relay`), so that they are told to end, but not killed.
        self._arrived: set[int] = set()
        #: Those that are made to end.
        self._ending: dict[int, asyncio.Task[None]] = {}
        self._pid = 0

    async def reach(self) -> Hello | None:
        """Run the command; the hello of the agent that it finds or starts. None where there is none, and `reason` says why."""
        self._collect()
        if not _HOST.fullmatch(self.host.name):
            self.reason = f"not a host name: {self.host.name!r}"
            return None
        try:
            ours = self._run()
        except OSError as error:
            self.reason = f"{error.filename or self._words[0]}: {error.strerror}"
            return None
        self._preamble = bytearray()
        pid = self._pid
        complaints = self._running[pid]
        hello = await self._meet(ours)
        if hello is not None:
            self._arrived.add(pid)
            self.reason = ""
        else:
            self.reason = await self._why(pid, complaints)
        return hello

    def abandon(self) -> None:
        """Nobody answers: give the connection up, and its command."""
        if self._transport is not None:
            self._transport.abort()
        self._terminate(self._pid)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.heard_at = asyncio.get_running_loop().time()

    def data_received(self, data: bytes) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        if self._preamble is not None:
            self._preamble += data
            before, mark, rest = self._preamble.partition(MARK)
            if not mark:
                if len(before) > MAX_PREAMBLE and self._transport is not None:
                    self._transport.abort()
                return
            self._preamble = None
            data = bytes(rest)
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._exit.close_all()
        super().connection_lost(exc)

    def tunnelled(self, message: list[Any]) -> None:
        """A message about a connection of a task to the instance."""
        self._exit.obey(message)

    def close(self) -> None:
        if not self.taken and self._transport is not None:  # still on its way
            self.abandon()
        super().close()
        self._collect()
        for pid in self._running:
            if pid not in self._arrived:
                self._terminate(pid)

    async def ended(self) -> None:
        """After `close`: wait for the commands that are made to end; of those that may go on, nothing more is heard."""
        await asyncio.gather(*self._ending.values())
        for complaints in self._running.values():
            complaints.close()

    def _run(self) -> socket.socket:
        """Start the command, in a session of its own; the other end of its standard input and output. Raises OSError."""
        complaints, descriptor = os.pipe()
        ours: socket.socket | None = None
        theirs: socket.socket | None = None
        try:
            ours, theirs = socket.socketpair()
            fd = theirs.fileno()
            actions = [(os.POSIX_SPAWN_DUP2, fd, 0), (os.POSIX_SPAWN_DUP2, fd, 1), (os.POSIX_SPAWN_DUP2, descriptor, 2)]
            self._pid = os.posix_spawnp(
                self._words[0], self._words, dict(os.environ), file_actions=actions, setsid=True, setsigdef=[signal.SIGPIPE]
            )  # fmt: skip
        except OSError:
            os.close(complaints)
            if ours is not None:
                ours.close()
            raise
        finally:
            os.close(descriptor)
            if theirs is not None:
                theirs.close()
        self._running[self._pid] = Complaints(self._log, complaints)
        return ours

    async def _why(self, pid: int, complaints: Complaints) -> str:
        """Why there was no hello: the last that the command has said of it."""
        status = await self._status(pid, END_TIMEOUT)
        complaints.drain()
        said = _last_line(complaints.last) or _last_line(bytes(self._preamble or b""))
        name = os.path.basename(self._words[0])  # noqa: PTH119
        if self.nonsense:
            self._terminate(pid)
            said = f"the answer is not an agent's ({self.nonsense}){': ' + said if said else ''}"
        elif status is None:
            self._terminate(pid)
            said = f"no answer{' within ' + format(HELLO_TIMEOUT, 'g') + ' s' if not said else ': ' + said}"
        elif not said:
            said = f"{name} ended with status {os.waitstatus_to_exitcode(status)}"
        return said[:MAX_REASON]

    async def _status(self, pid: int, timeout: float) -> int | None:
        """The wait status of a command that ends within `timeout` seconds, or up to twice that; None where it does not."""
        delay = 0.005
        while (status := self._collect(pid)) is None and pid in self._running and delay < timeout:
            await asyncio.sleep(delay)
            delay *= 2
        return status

    def _collect(self, *wanted: int) -> int | None:
        """Take leave of commands that have ended, these or all; the wait status of the last of them."""
        last = None
        for pid in wanted or list(self._running):
            if pid not in self._running:
                continue
            try:
                found, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                found, status = pid, 0
            if found:
                last = status
                self._arrived.discard(pid)
                complaints = self._running.pop(pid)
                complaints.drain()
                complaints.close()
        return last

    def _terminate(self, pid: int) -> None:
        """Tell a command to end, and see to it that it does, unless an agent may hang on it."""
        if pid not in self._running or pid in self._ending:
            return
        self._signal(pid, signal.SIGTERM)
        if pid not in self._arrived:
            task = self._ending[pid] = asyncio.get_running_loop().create_task(self._end(pid))
            task.add_done_callback(lambda _: self._ending.pop(pid))

    async def _end(self, pid: int) -> None:
        """Kill a command that does not end. Where even that takes its time, as with a file system that hangs, nobody waits for it."""
        if await self._status(pid, KILL_GRACE) is None:
            self._signal(pid, signal.SIGKILL)
            await self._status(pid, KILL_GRACE)

    def _signal(self, pid: int, signum: int) -> None:
        if pid in self._running:  # else the number may be another's by now
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signum)


def _filled(word: str, host: Host) -> str:
    return word.replace("{host}", host.name).replace("{rank}", str(host.rank))


def _last_line(data: bytes) -> str:
    """The last line that says something, as far as it can be printed."""
    for line in reversed(data.decode(errors="replace").splitlines()):
        text = "".join(c for c in line if c.isprintable()).strip()
        if text:
            return text
    return ""
