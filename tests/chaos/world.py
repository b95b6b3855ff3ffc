"""One server on one state directory, its agents, its disk and its clock, and what is done to them from outside."""

from __future__ import annotations

import ctypes
import mmap
import os
import select
import signal
import struct
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONFIG = """\
[sched]
executor = "{executor}"
queue-policy = "easy"
queue-params = {{queue-depth = 32}}

[instance]
durability = "{durability}"

[resource]
nodes = {size}
cores = {cores}

[executor.local]
pretend-hosts = true
"""
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000


class BrokenError(AssertionError):
    """Something that must never happen has happened."""


class World:
    """`folder` is what this run owns: the state directory (on a disk of its own where that is permitted), logs, and the file of what ran."""

    def __init__(self, folder, *, size, cores, durability, executor, disk):
        self.folder = folder
        self.disk = folder / "disk"
        self.disk.mkdir()
        self.no_disk = _mount(self.disk, disk) if disk else "not asked for"
        self.statedir = self.disk / "state"
        self.socket = str(self.statedir / "local-0")
        self.uri = f"local://{self.socket}"
        self.ran = folder / "ran"
        self.ran.touch()
        self.errors = folder / "stderr"
        self.config = folder / "sched.toml"
        described = CONFIG.format(durability=durability, executor=executor, size=size, cores=cores)
        self.config.write_text(described, encoding="utf-8")
        self.command = [sys.executable, "-m", "fluxplug", "start", "--config", str(self.config)]
        self.command += ["--statedir", str(self.statedir)]
        with (folder / "clock").open("w+b") as file:
            file.truncate(8)
            self._clock = mmap.mmap(file.fileno(), 8)
        self.server = None
        self.ready_in = 1.0
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # agents whose server is killed become our children: to be buried

    # The server.

    def start(self):
        """Start it, and do not wait."""
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(HERE / "clock"), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "CHAOS_CLOCK": str(self.folder / "clock"),
        }
        with self.errors.open("ab") as errors:
            self.server = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=errors, env=environment)
        self._began = time.monotonic()

    def wait(self, limit=120.0):
        """Wait until it serves: True, or False where it has ended instead."""
        if not select.select([self.server.stdout], [], [], limit)[0]:
            raise BrokenError(f"the server did not serve within {limit:g} s")
        if not self.server.stdout.readline():
            self.server.wait()
            return False
        self.ready_in = time.monotonic() - self._began
        return True

    def kill(self):
        """SIGKILL."""
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()
        self.bury()

    def bury(self):
        """Collect what has died of the agents that are ours by now."""
        with suppress(ChildProcessError):
            while True:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if ended is None or (
                    self.server is not None and ended.si_pid == self.server.pid and self.server.returncode is None
                ):
                    return
                os.waitpid(ended.si_pid, 0)

    def agents(self):
        """The processes that serve ranks."""
        found = []
        for name in os.listdir("/proc"):  # noqa: PTH208 - names, not paths
            if name.isdigit():
                with suppress(OSError):
                    words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
                    if words[2:4] == [b"fluxplug_exec_local.agent", os.fsencode(self.statedir)]:
                        found.append(int(name))
        return found

    def end_everything(self):
        """Whatever happened: no process is left."""
        if self.server is not None and self.server.poll() is None:
            self.kill()
        for pid in self.agents():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        mark = f"CHAOS_RUN={self.folder}".encode()
        for name in os.listdir("/proc"):  # noqa: PTH208 - names, not paths
            if name.isdigit():
                with suppress(OSError):
                    if mark in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                        os.kill(int(name), signal.SIGKILL)
        self.bury()

    # The disk and the clock.

    @contextmanager
    def full_disk(self):
        """No byte is free meanwhile."""
        filler = self.disk / "filler"
        status = os.statvfs(self.disk)
        try:
            with filler.open("ab", buffering=0) as file, suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize)
                while True:  # what was freed meanwhile
                    file.write(b"x" * 4096)
            yield
        finally:
            filler.unlink()

    def jump(self, seconds):
        """The wall clock of the server and of the agents that it starts is so far off from now on."""
        self._clock[:] = struct.pack("d", seconds)


def _mount(folder, megabytes):
    """A small disk for this process and its children alone; returns why there is none, or ''."""
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={megabytes}m".encode()
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        return f"no mount namespace: {os.strerror(ctypes.get_errno())}"
    if libc.mount(b"none", os.fsencode(folder), b"tmpfs", 0, options):
        return f"no tmpfs: {os.strerror(ctypes.get_errno())}"
    return ""
