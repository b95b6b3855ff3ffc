"""The keys of `[executor.local]`, and what agents are told of them. Not here: what is done about them (`executor`, `job`, `cgroup`)."""

from __future__ import annotations

import signal
import sys
from typing import Any

import attrs

from fluxplug.config import option
from fluxplug_exec_local.remote import PLAIN
from fluxplug_exec_local.size import parse_size

#: An agent elsewhere is asked for a sign of life this many times in a contact timeout, within these bounds (seconds).
SIGNS, MIN_INTERVAL, MAX_INTERVAL = 6, 1.0, 10.0
#: Without one it is tried anew after half of a contact timeout, and this many seconds at most.
MAX_SILENCE = 60.0
#: The shortest time without a server after which jobs that may not outlive it are ended.
MIN_LEASE = 5.0

LIMIT_SIGNALS = ("ALRM", "TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "XCPU")


def _plain(key: str, value: str, but: str = "") -> None:
    rest = value.replace(but, "") if but else value
    if rest and not PLAIN.fullmatch(rest):
        raise ValueError(f"{key}: {value!r} has characters that are special to a shell, which it may have to pass")


@attrs.frozen
class Settings:
    """See the helps."""

    kill_timeout: float = option(5.0, help="grace between SIGTERM (or limit-signal) and SIGKILL", unit="seconds", min=0)
    limit_signal: str = option("ALRM", help="what a job gets at its time limit", choices=LIMIT_SIGNALS)
    connect: tuple[str, ...] = option(
        (), help="command that runs a program on another host, {host} and {rank} filled in; empty: their ranks are down"
    )
    python: str = option("", help="Python of other hosts, with fluxplug; empty: as here (a path)")
    agent_dir: str = option("", help="folder of agents on other hosts, {host} filled in; empty: /tmp/fluxplug-UID")
    contact_timeout: float = option(
        30.0,
        help="how long jobs of a host that does not answer are not given up; 0: one attempt",
        unit="seconds",
        min=0,
    )
    outlive_server: bool = option(
        True, help="whether jobs on other hosts go on while no server has been heard of for longer than contact-timeout"
    )
    cgroup: str = option("", help="a cgroup v2 folder that is ours: each job gets a group in it; empty for none")
    memory_per_core: str = option("", help='with cgroup: memory of a job for each of its cores ("4G"); empty: no limit')
    max_processes: int = option(0, help="with cgroup: processes and threads of a job on a host; 0: no limit", min=0)
    pretend_hosts: bool = option(False, help="serve every rank here, whatever its host is called: for tests")

    def __attrs_post_init__(self) -> None:
        if self.connect and not any("{host}" in word or "{rank}" in word for word in self.connect):
            raise ValueError("connect: no word has {host} or {rank}, so that it would lead to one host for all")
        if self.connect:
            _plain("python", self.python or sys.executable)
        _plain("agent-dir", self.agent_dir, "{host}")
        if self.agent_dir and not self.agent_dir.startswith("/"):
            raise ValueError(f"agent-dir: {self.agent_dir!r} must be an absolute path: it is one of other hosts")
        try:
            parse_size(self.memory_per_core or "1")
        except ValueError as error:
            raise ValueError(f"memory-per-core: {error}") from None

    @property
    def lease(self) -> float:
        """For how many seconds an agent on another host runs jobs without hearing of a server; 0 for as long as it takes."""
        return 0.0 if self.outlive_server else max(self.contact_timeout, MIN_LEASE)

    @property
    def patience(self) -> float:
        """For how many seconds the server does not give up jobs of a host of which it hears nothing: not before they have ended there, if they do."""
        if not self.lease:
            return self.contact_timeout
        return self.lease + max(self.silence, MIN_LEASE) + self.kill_timeout

    @property
    def silence(self) -> float:
        """After how many seconds of silence a connection is made anew."""
        return min(max(self.contact_timeout / 2, 3 * self.sign_interval), MAX_SILENCE)

    @property
    def sign_interval(self) -> float:
        """Seconds between two questions for a sign of life."""
        return min(max(self.contact_timeout / SIGNS, MIN_INTERVAL), MAX_INTERVAL)

    def for_agents(self) -> dict[str, Any]:
        """The part that agents need, as they are welcomed with it."""
        return {
            "kill_timeout": self.kill_timeout,
            "limit_signal": int(getattr(signal, f"SIG{self.limit_signal}")),
            "lease": self.lease,
            "cgroup": self.cgroup,
            "memory_per_core": parse_size(self.memory_per_core) if self.memory_per_core else 0,
            "max_processes": self.max_processes,
        }
