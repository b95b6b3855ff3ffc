"""What can happen, and what the engine then wants done: plain values, so that a log of them replays.

`time` is the instant in seconds. A driver hands over all events of an instant (ends first, then everything else in the order in which
it happened) and closes the instant with `Pass`.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Submit(NamedTuple):
    """A job arrives. `request` is what the pool parsed from the jobspec; its duration is the time limit (0: none).

    `since`: when it was submitted, where that was before `time`: to an instance that has been restarted.
    """

    time: float
    jobid: int
    request: Any
    queue: str = ""
    urgency: int = 16
    userid: int = 0
    dependencies: tuple[str, ...] = ()
    jobspec: dict[str, Any] | None = None
    flags: int = 0
    since: float | None = None


class Ended(NamedTuple):
    """A running job has left its resources; `status` is the wait status of its tasks."""

    time: float
    jobid: int
    status: int = 0


class EndedKeeping(NamedTuple):
    """A running job is over, but its resources are not to be given to others before `Vacated`, which is expected at the instant `until`."""

    time: float
    jobid: int
    status: int
    until: float


class Cancel(NamedTuple):
    """Somebody raises a fatal exception on a job."""

    time: float
    jobid: int
    type: str = "cancel"
    note: str = ""
    userid: int | None = None


class SetUrgency(NamedTuple):
    """The urgency (0 holds, 31 expedites) of a job changes."""

    time: float
    jobid: int
    urgency: int
    userid: int = 0


class SetPriority(NamedTuple):
    """A priority plugin or an administrator sets the priority itself."""

    time: float
    jobid: int
    priority: int


class DependencyMet(NamedTuple):
    """A dependency of a job is satisfied."""

    time: float
    jobid: int
    description: str


class SetLimit(NamedTuple):
    """The time limit of a job changes; 0 removes it."""

    time: float
    jobid: int
    limit: float


class SetQueue(NamedTuple):
    """A pending job goes to another queue, and asks for `request` there; when it was submitted stays. `updates` is for its log."""

    time: float
    jobid: int
    queue: str
    request: Any
    jobspec: dict[str, Any] | None = None
    updates: dict[str, Any] | None = None


class NodesDown(NamedTuple):
    """Ranks (idset text) fail (`kill`: the jobs on them are lost) or are drained (the jobs on them go on)."""

    time: float
    ranks: str
    kill: bool = True


class NodesUp(NamedTuple):
    """Ranks (idset text) are back."""

    time: float
    ranks: str


class Running(NamedTuple):
    """The tasks of a job that was started run: for engines whose driver tells."""

    time: float
    jobid: int


class Released(NamedTuple):
    """A running job has left some of its ranks (idset text) for good, and keeps others."""

    time: float
    jobid: int
    ranks: str


class Vacated(NamedTuple):
    """Ranks (idset text) that were kept after a job's end can serve others."""

    time: float
    jobid: int
    ranks: str


class Adopt(NamedTuple):
    """A job runs since before this engine was made, on `R` (of the pool's class), up to `ends` (infinite without a limit).

    `exception`: the type of the fatal exception after which it is being stopped.
    """

    time: float
    jobid: int
    request: Any
    R: Any
    started: float
    ends: float
    queue: str = ""
    submitted: float = 0
    urgency: int = 16
    userid: int = 0
    priority: int = 0
    exception: str = ""


class StopQueue(NamedTuple):
    """No job of this queue is to start from now on; its promises are taken back."""

    time: float
    queue: str


class StartQueue(NamedTuple):
    """Jobs of this queue may start again."""

    time: float
    queue: str


class Suspend(NamedTuple):
    """A pending job is not eligible for the time being, or (`on` false) is again: its virtual queue has been stopped or started."""

    time: float
    jobid: int
    on: bool = True


class Pass(NamedTuple):
    """The instant is complete: schedule."""

    time: float


Event = (
    Submit | Ended | EndedKeeping | Cancel | SetUrgency | SetPriority | DependencyMet | SetLimit | SetQueue | NodesDown
    | NodesUp | Running | Released | Vacated | Adopt | StopQueue | StartQueue | Suspend | Pass
)  # fmt: skip


class Start(NamedTuple):
    """Start the job on `R`; tell the engine `Ended` when it is over. `end` is the planned end (infinite without a limit)."""

    jobid: int
    R: Any
    end: float


class Stop(NamedTuple):
    """End a running job; tell the engine `Ended` when it is gone."""

    jobid: int
    reason: str


class LogEntry(NamedTuple):
    """One entry of a job's event log (RFC 18, RFC 21)."""

    time: float
    jobid: int
    name: str
    context: dict[str, Any] | None = None


class Actions:
    """What to do after an event: `log` must be durable before `start` and `stop` are carried out, in order."""

    __slots__ = ("log", "start", "stop")

    def __init__(self) -> None:
        self.log: list[LogEntry] = []
        self.start: list[Start] = []
        self.stop: list[Stop] = []


NOTHING = Actions()
"""What most events lead to; nobody adds to it."""
