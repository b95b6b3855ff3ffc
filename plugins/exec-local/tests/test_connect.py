"""The commands that lead to other hosts: that they end, and what becomes of what they say."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest
from fluxplug_exec_local import complaints, executor, remote
from fluxplug_exec_local.relay import MARK

from fluxplug.exec import Host
from fluxplug.testing.executors import StoringSite

from .test_remote import over

_DEAF = f"""#!{sys.executable}
import os, signal, sys
signal.alarm(60)  # whatever the test does
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(sys.argv[1], "w") as fifo:
    print(os.getpid(), file=fifo)
os.write(1, {MARK!r} + bytes.fromhex(sys.argv[2]))
while True:
    signal.pause()
"""


@pytest.fixture
def deaf(tmp_path, monkeypatch):
    """The words of a command that does not hear SIGTERM, given what it answers; it tells its pid through `tmp_path`/told."""
    monkeypatch.setattr(remote, "KILL_GRACE", 0.01)
    monkeypatch.setattr(remote, "END_TIMEOUT", 0.01)
    command = tmp_path / "deaf"
    command.write_text(_DEAF)
    command.chmod(0o700)
    os.mkfifo(tmp_path / "told")
    (tmp_path / "agents").mkdir()
    return lambda answer: (str(command), str(tmp_path / "told"), answer.hex(), "{host}")


def linked(statedir, *connect):
    return remote.RemoteLink(
        Host(0, "n0"), statedir, connect=connect, python="", instance="i", folder="", uri="",
        heard=lambda *_: None, lost=lambda _: None,
    )  # fmt: skip


async def told(path):
    """The pid that a command tells."""
    loop = asyncio.get_running_loop()
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await asyncio.wait_for(ready.wait(), 20)
        return int(os.read(descriptor, 100))
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def no_child(pid):
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return True


def test_a_command_that_ignores_sigterm_is_killed(tmp_path, deaf):
    async def play():
        one = linked(tmp_path, *deaf(b"nonsense"))
        for _ in range(2):
            reached = asyncio.create_task(one.reach())
            pid = await told(tmp_path / "told")
            handle = os.pidfd_open(pid)
            assert await asyncio.wait_for(reached, 20) is None
            await over(handle)
            await one.ended()
            assert no_child(pid)
        one.close()

    asyncio.run(play())


@pytest.mark.parametrize("leave", [True, False])
def test_a_command_that_ignores_sigterm_does_not_outlive_the_server(tmp_path, deaf, leave):
    async def play():
        site = StoringSite(tmp_path)
        local = executor.Local(executor.Local.Config(connect=deaf(b"")), site)
        await local.open([Host(0, "n0")], [])
        pid = await told(tmp_path / "told")
        await asyncio.wait_for(local.close(leave=leave), 20)
        assert no_child(pid)

    asyncio.run(play())


def sizes(folder):
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def test_a_flood_of_complaints_is_kept_in_part(tmp_path, monkeypatch):
    monkeypatch.setattr(complaints, "MAX_LOG", 1 << 17)
    monkeypatch.setattr(complaints, "PAUSE", 0.001)
    (tmp_path / "agents").mkdir()
    script = "import os\nfor i in range(128): os.write(2, b'%07d\\n' % i * 1024)\nos.write(2, b'the end\\n')"

    async def play():
        one = linked(tmp_path, sys.executable, "-c", script)
        assert await asyncio.wait_for(one.reach(), 20) is None
        assert one.reason == "the end"
        found = sizes(tmp_path / "agents")
        assert set(found) == {"0.log", "0.log.1"}
        assert max(found.values()) <= 1 << 17
        whole = b"".join((tmp_path / "agents" / name).read_bytes() for name in ("0.log.1", "0.log"))
        assert b"%07d\n" % 126 in whole
        assert whole.endswith(b"%07d\nthe end\n" % 127)
        one.close()
        await one.ended()

    asyncio.run(play())


def test_a_command_that_never_stops_complaining_is_heard_at_intervals(tmp_path, monkeypatch):
    monkeypatch.setattr(complaints, "PAUSE", 1000.0)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    async def play():
        heard = asyncio.Event()
        one = complaints.Complaints(tmp_path / "log", reading)
        monkeypatch.setattr(one, "_append", lambda _: heard.set())
        os.write(writing, bytes(complaints.CHUNK))
        await asyncio.wait_for(heard.wait(), 20)
        heard.clear()
        os.write(writing, b"more")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not heard.is_set()
        one.drain()
        assert one.last.endswith(b"\0more")
        assert len(one.last) == complaints.MAX_LAST
        os.close(writing)
        one.drain()
        one.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(reading)

    asyncio.run(play())
