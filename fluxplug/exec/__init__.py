"""The executor contract: what carries out the jobs that the engine has started, and tells how they fare.

An executor is a plugin class, picked by `[sched] executor`, with the keys of its `Config` in `[executor.NAME]`. The instance's driver calls it
after what it decided is durable; the executor answers with reports, in batches that carry a token. Exactly once, across deaths of either side:
the driver stores a batch's effects and its token in one transaction and then says `committed`; whoever has to survive a restart keeps a batch
until then, delivers it again, and drops what the stored tokens say has arrived.

Not here: how tasks are run (`plugins/exec-local`), what the reports lead to (`fluxplug.instance.driver`).
"""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from attrs import frozen

from fluxplug.errors import ExecutorError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fluxplug.clock import Clock

EXEC_LOG, OUTPUT_LOG, INPUT_LOG = "guest.exec.eventlog", "guest.output", "guest.input"


class Started(NamedTuple):
    """A job's hosts have begun with it. Once a job, before `Ended`; absent where it ended before its turn. A command that cannot be started is `Raised` later."""

    time: float
    jobid: int


class Entry(NamedTuple):
    """One entry (RFC 18) of a log of the job that is the executor's to write: EXEC_LOG, OUTPUT_LOG or INPUT_LOG."""

    time: float
    jobid: int
    log: str
    name: str
    context: dict[str, Any]


class Raised(NamedTuple):
    """An exception of the job; a fatal one (severity 0) does not end it by itself: `Ended` follows.

    `wait_status`, where known, is what the job's result is to be derived from instead of the status of `Ended`.
    """

    time: float
    jobid: int
    type: str
    severity: int
    note: str
    wait_status: int | None = None


class Released(NamedTuple):
    """The job has left these ranks (idset text) for good, and keeps others."""

    time: float
    jobid: int
    ranks: str


class Ended(NamedTuple):
    """The job has left all its resources; `status` is its wait status (the largest of its ranks). Nothing follows it.

    `lost`: nobody can tell what became of it; `status` is then made up.
    """

    time: float
    jobid: int
    status: int
    lost: bool = False


class Process(NamedTuple):
    """A task of a job: its rank there, and its pid on a host."""

    rank: int
    host: str
    pid: int


Report = Started | Entry | Raised | Released | Ended


@frozen
class Launch:
    """One job to run, or one that runs since before the driver's restart.

    `R` and `jobspec` are documents (RFC 20; RFC 14 with the environment). `expiration` is in seconds since 1970, 0 for none. `started` is when it got
    its resources, 0 where no `Started` of it is stored. `origin` is None for a
    job that is to be launched now, and for one that runs already what `Executor.launch` returned for it.
    """

    jobid: int
    userid: int
    R: dict[str, Any]
    jobspec: dict[str, Any]
    expiration: float = 0.0
    started: float = 0.0
    origin: str | None = None


@frozen
class Host:
    """One execution target: its rank in the instance's R, and its host name there."""

    rank: int
    name: str


class ExecutorSite(Protocol):
    """What the driver offers an executor. All calls come from the event loop's thread."""

    clock: Clock
    statedir: Path
    uri: str
    identity: str
    """A name (hexadecimal) that no other instance has, the same after a restart: for what is kept elsewhere than in `statedir`."""
    durable: Mapping[str, int]
    """The stored tokens: the last committed `seq` of each key."""

    def deliver(self, reports: Sequence[Report], key: str, seq: int) -> None:
        """Take a batch; `seq` grows by key. Never blocks; `Executor.committed` follows."""

    def ranks_up(self, ranks: str) -> None:
        """These ranks (idset text) can run jobs from now on."""

    def ranks_down(self, ranks: str, reason: str) -> None:
        """These ranks cannot. Jobs that are lost with them are reported apart, each with `Raised` and `Ended`."""

    def log(self, level: str, message: str) -> None:
        """Write a line to the instance's log: level is `error`, `warning`, `info` or `debug`."""


class Executor(ABC):
    """Base of all executors; `name` is the word in sched.toml, `Config` a frozen attrs class with the keys of `[executor.NAME]`."""

    name: ClassVar[str] = ""
    Config: ClassVar[type[Any] | None] = None

    def __init__(self, config: Any, site: ExecutorSite) -> None:
        self.config = self.Config() if config is None and self.Config is not None else config
        self.site = site

    @abstractmethod
    async def open(self, hosts: Sequence[Host], running: Sequence[Launch]) -> None:
        """Get ready: find or start what runs tasks on each host, and take over the jobs that run already.

        Each rank is down until `ranks_up`. Of a job in `running` that cannot be found any more, `Raised` (type `exec`) and `Ended(lost=True)` are
        delivered; one whose launch never arrived is launched.
        """

    @abstractmethod
    def launch(self, job: Launch) -> None:
        """Run a job. Failures are reports, too."""

    def origin(self, job: Launch) -> str:  # noqa: ARG002 - for those who need it
        """What identifies those who would run this job now, to recognise them after a restart. Stored with the job, before `launch`."""
        return ""

    @abstractmethod
    def signal(self, jobid: int, signum: int) -> None:
        """Send a signal to every task. Nothing happens to an unknown or ended job."""

    @abstractmethod
    def stop(self, jobid: int, reason: str) -> None:
        """End a running job after a fatal exception of type `reason`: a signal, a grace, SIGKILL. Repeating it is harmless."""

    def write(self, jobid: int, ranks: str, data: bytes, *, eof: bool) -> None:  # noqa: B027 - not every executor has it
        """Hand input to the tasks of these ranks (idset text, or `all`)."""

    def takes_input(self, jobid: int) -> bool:  # noqa: ARG002
        """Whether there is room for more input of a job; until then, `write` is not called."""
        return True

    def resize(self, jobid: int, ranks: str, rows: int, columns: int) -> None:  # noqa: B027 - not every executor has terminals
        """The window of these ranks' terminals has so many rows and columns."""

    def set_expiration(self, jobid: int, expiration: float) -> None:  # noqa: B027
        """A running job's time limit has changed; 0 for none."""

    async def processes(self, jobid: int) -> list[Process]:  # noqa: ARG002 - for those who have some
        """The processes of a running job's tasks, by rank; those of tasks that have ended may be among them.

        Raises ExecutorError: EOPNOTSUPP where there are none to tell of, EAGAIN where not all have been started.
        """
        raise ExecutorError(errno.EOPNOTSUPP, f"the executor {self.name} tells no processes")

    def committed(self, key: str, seq: int) -> None:  # noqa: B027 - nothing to keep
        """What was delivered under this key up to `seq` is durable."""

    @abstractmethod
    async def close(self, *, leave: bool) -> None:
        """The end: with `leave` the tasks go on, to be found by the next `open`; else they are ended."""
