"""JobInfo: a job as job listings see it, a record of RFC 43 with what follows from it. Names and rules are those of Flux's `flux.job.JobInfo`.

Not a job of the engine, and no request to a server: the record is given. Everything derived is computed when it is asked for, since most
listings ask for little of many jobs. Listing commands and the Python API make them.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fluxplug.clock import SystemClock, format_local, same_day
from fluxplug.values.duration import fsd
from fluxplug.values.jobid import JobID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NEW, _DEPEND, _PRIORITY, _SCHED, _RUN, _CLEANUP, _INACTIVE = 1, 2, 4, 8, 16, 32, 64
_WAITING = _NEW | _DEPEND | _PRIORITY | _SCHED
_COMPLETED, _FAILED, _CANCELED, _TIMEOUT = 1, 2, 4, 8

#: Bit to name, abbreviation and emoji.
STATES = {
    _NEW: ("NEW", "N", "🎁"),
    _DEPEND: ("DEPEND", "D", "🛑"),
    _PRIORITY: ("PRIORITY", "P", "🚦"),
    _SCHED: ("SCHED", "S", "📅"),
    _RUN: ("RUN", "R", "🏃"),
    _CLEANUP: ("CLEANUP", "C", "🗑"),
    _INACTIVE: ("INACTIVE", "I", "💀"),
}
RESULTS = {
    _COMPLETED: ("COMPLETED", "CD", "😀"),
    _FAILED: ("FAILED", "F", "💩"),
    _CANCELED: ("CANCELED", "CA", "💥"),
    _TIMEOUT: ("TIMEOUT", "TO", "⌛"),
}
_NONE = ("", "", "")
_EXIT_TEXTS = {126: "Command invoked cannot execute", 127: "command not found", 128: "Invalid argument to exit"}
# What a listing without `filtered` shows, in this order.
_SHOWN = (
    *("id", "userid", "username", "urgency", "priority", "t_submit", "t_depend", "t_priority", "t_sched", "t_run"),
    *("t_cleanup", "t_inactive", "state", "name", "cwd", "queue", "project", "bank", "ntasks", "ncores", "duration"),
    *("nnodes", "ranks", "nodelist", "expiration", "success", "result", "waitstatus", "status", "returncode"),
    *("runtime", "t_remaining"),
)


class Annotations:
    """Values below an annotation, by attribute: `job.annotations.sched.t_estimate`. What is missing is empty, and so is all below it."""

    __slots__ = ("_value",)

    def __init__(self, value: Mapping[str, Any] | None = None) -> None:
        self._value = value or {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python asks for protocols, users for annotations
            raise AttributeError(name)
        value = self._value.get(name)
        return Annotations(value) if isinstance(value, dict) or value is None else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Annotations):
            return self._value == other._value
        return self._value == other if isinstance(other, dict) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # a view of something mutable

    def __str__(self) -> str:
        return json.dumps(self._value, ensure_ascii=False, separators=(",", ":")) if self._value else ""

    def __repr__(self) -> str:
        return f"Annotations({self._value!r})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class Dependencies(list[str]):
    """The dependencies that are left. As text: comma-joined, a begin time as local time of day, with the date where it is not today."""

    def __init__(self, given: list[str], now: float) -> None:
        super().__init__(given)
        self._now = now

    def __str__(self) -> str:
        return ",".join(self._shown(one) for one in self)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def _shown(self, one: str) -> str:
        scheme, equals, value = str(one).partition("=")
        if scheme == "begin-time" and equals:
            try:
                at = float(value)
                return "begin@" + format_local(at, "%H:%M" if same_day(at, self._now) else "%b%d-%H:%M")
            except ValueError:
                pass  # somebody else's scheme of the same name: as it is
        return str(one)


class JobExceptionInfo:
    """The exception that ended a job: `occurred`, and `severity`, `type`, `note`, each "" where there is none."""

    __slots__ = ("note", "occurred", "severity", "type")

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.occurred: bool | str = record.get("exception_occurred", "")
        self.severity: int | str = record.get("exception_severity", "") if self.occurred else ""
        self.type: str = record.get("exception_type", "") if self.occurred else ""
        self.note: str = record.get("exception_note", "") if self.occurred else ""

    def to_dict(self) -> dict[str, Any]:
        """The four as plain JSON."""
        return {"occurred": self.occurred, "severity": self.severity, "type": self.type, "note": self.note}

    def __str__(self) -> str:
        return f"type={self.type} severity={self.severity} {self.note}".rstrip() if self.occurred else ""


class JobURI(str):
    """Where an instance is reached: `local` for processes on its host, `remote` through ssh from elsewhere; "" where it is unknown.

    `remote_hostname` is the host of a local URI. `path` is that of the socket.
    """

    __slots__ = ("path", "remote_hostname", "scheme")

    scheme: str
    path: str
    remote_hostname: str

    def __new__(cls, uri: str = "", remote_hostname: str | None = None) -> JobURI:  # noqa: PYI034 - typing.Self needs 3.11
        self = super().__new__(cls, uri)
        self.scheme, _, rest = uri.partition("://")
        host, slash, path = rest.partition("/")
        self.path = slash + path
        self.remote_hostname = host or remote_hostname or ""
        return self

    @property
    def local(self) -> str:
        """`local://PATH`."""
        return f"local://{self.path}" if self else ""

    @property
    def remote(self) -> str:
        """`ssh://HOST/PATH`, the URI itself where it is no local one."""
        if self.scheme != "local":
            return str(self)
        return f"ssh://{self.remote_hostname}{self.path}" if self.remote_hostname else ""


def _plain(name: str, unset: Any = "") -> Any:
    """An attribute that the record has, or not."""
    return property(lambda job: job.get(name, unset))


class JobInfo(dict[str, Any]):
    """A job-list record, with its attributes and those that follow from them.

    `now` (seconds since 1970) is the time for which the record holds; unset, the present one. Unset attributes are "", times and durations
    0.0. Raises AttributeError for an attribute that no job has; a record that breaks RFC 43 is not found out.
    """

    __slots__ = ("_id", "_now", "instance")

    def __init__(self, record: Mapping[str, Any], now: float | None = None) -> None:
        super().__init__(record)
        self._now = now
        self._id: JobID | None = None
        self.instance: Annotations = Annotations()  #: what an instance that runs in the job says; its finder sets it

    userid = _plain("userid")
    urgency = _plain("urgency")
    priority = _plain("priority")
    t_submit = _plain("t_submit", 0.0)
    t_depend = _plain("t_depend", 0.0)
    t_priority = _plain("t_priority", 0.0)
    t_sched = _plain("t_sched", 0.0)
    t_run = _plain("t_run", 0.0)
    t_cleanup = _plain("t_cleanup", 0.0)
    t_inactive = _plain("t_inactive", 0.0)
    name = _plain("name")
    cwd = _plain("cwd")
    queue = _plain("queue")
    project = _plain("project")
    bank = _plain("bank")
    ntasks = _plain("ntasks")
    ncores = _plain("ncores")
    duration = _plain("duration", 0.0)
    nnodes = _plain("nnodes")
    ranks = _plain("ranks")
    nodelist = _plain("nodelist")
    expiration = _plain("expiration", 0.0)
    success = _plain("success")
    waitstatus = _plain("waitstatus")
    state_id = _plain("state")
    result_id = _plain("result")

    @property
    def now(self) -> float:
        """The time for which this holds."""
        if self._now is None:
            self._now = SystemClock().now()
        return self._now

    @property
    def id(self) -> JobID:
        """The id."""
        if self._id is None:
            self._id = JobID(self["id"])
        return self._id

    @property
    def username(self) -> str:
        """The name of the user, the number where it has none."""
        userid = self.get("userid")
        return "" if userid is None else _username(userid)

    @property
    def state(self) -> str:
        """The name of the state: `RUN`."""
        return _state(self)[0]

    @property
    def state_single(self) -> str:
        """The state as one letter."""
        return _state(self)[1]

    @property
    def state_emoji(self) -> str:
        """The state as an emoji."""
        return _state(self)[2]

    @property
    def result(self) -> str:
        """The name of the result of an inactive job: `COMPLETED`."""
        return _result(self)[0]

    @property
    def result_abbrev(self) -> str:
        """The result as one or two letters."""
        return _result(self)[1]

    @property
    def result_emoji(self) -> str:
        """The result as an emoji."""
        return _result(self)[2]

    @property
    def status(self) -> str:
        """The result of an inactive job, the state of any other."""
        return _status(self)[0]

    @property
    def status_abbrev(self) -> str:
        """The status as one or two letters."""
        return _status(self)[1]

    @property
    def status_emoji(self) -> str:
        """The status as an emoji."""
        return _status(self)[2]

    @property
    def runtime(self) -> float:
        """Seconds that the job has run."""
        begin = self.get("t_run")
        if not begin:
            return 0.0
        end = self.get("t_cleanup") or (self.now if self.get("state") == _RUN else begin)
        return max(0.0, float(end - begin))

    @property
    def t_remaining(self) -> float:
        """Seconds that a running job has left; 0.0 for any other, and without an end."""
        expiration = self.get("expiration")
        return max(0.0, expiration - self.now) if expiration and self.get("state") == _RUN else 0.0

    @property
    def returncode(self) -> int | str:
        """The exit code, minus the signal that killed the job's shell, -128 for cancelled before its start; "" while it is active."""
        if self.get("state") != _INACTIVE:
            return ""
        status = self.get("waitstatus")
        if status is not None:
            return int(-(status & 0x7F) if status & 0x7F else status >> 8)
        result = self.get("result")
        return -128 if result == _CANCELED else 1 if result in (_FAILED, _TIMEOUT) else ""

    @property
    def exception(self) -> JobExceptionInfo:
        """The exception that ended the job."""
        return JobExceptionInfo(self)

    @property
    def annotations(self) -> Annotations:
        """The annotations, by attribute."""
        return Annotations(self.get("annotations"))

    @property
    def sched(self) -> Annotations:
        """The scheduler's annotations."""
        return self._annotation("sched")

    @property
    def user(self) -> Annotations:
        """The user's annotations."""
        return self._annotation("user")

    def _annotation(self, key: str) -> Annotations:
        found = (self.get("annotations") or {}).get(key)
        return Annotations(found if isinstance(found, dict) else None)

    @property
    def dependencies(self) -> Dependencies:
        """The dependencies that are left."""
        return Dependencies(self.get("dependencies") or [], self.now)

    @property
    def uri(self) -> JobURI:
        """Where the instance that runs in the job is reached."""
        found = self.user.uri
        nodelist = self.get("nodelist")
        if not found or not isinstance(found, str):
            return JobURI()
        from fluxplug.values.hostlist import Hostlist  # noqa: PLC0415 - few jobs have one

        return JobURI(found, Hostlist(nodelist)[0] if nodelist else None)

    @property
    def contextual_info(self) -> str:
        """What there is to say about a job in its state: why it waits, where it runs or ran."""
        state = self.get("state")
        if state == _SCHED:
            estimate = ((self.get("annotations") or {}).get("sched") or {}).get("t_estimate")
            if isinstance(estimate, (int, float)):
                wait = estimate - self.now
                return "eta:now" if wait <= 0 else f"eta:{fsd(wait)}"
            return "held" if self.get("urgency") == 0 else "priority-hold" if self.get("priority") == 0 else ""
        if state == _PRIORITY:
            return "priority-wait"
        if state == _DEPEND:
            return f"depends:{self.dependencies}"
        found: str = self.get("nodelist", "")
        return found

    @property
    def contextual_time(self) -> float:
        """The time limit of a job that waits, else how long it has run."""
        return self.get("duration", 0.0) if self.get("state", 0) & _WAITING else self.runtime

    @property
    def inactive_reason(self) -> str:
        """How an inactive job ended."""
        if self.get("state") != _INACTIVE:
            return ""
        result, failure = self.get("result"), self.exception
        note = failure.note
        if result == _CANCELED:
            return f"Canceled: {note}" if note else "Canceled"
        if result == _TIMEOUT:
            return "Timeout"
        if failure.occurred and failure.severity == 0 and failure.type != "exec":
            return f"Exception: type={failure.type}" + (f" note={note}" if note else "")
        code = self.returncode
        if code == "":
            return ""
        if isinstance(code, int) and code > 128:
            from signal import strsignal  # noqa: PLC0415 - needed for jobs that were killed

            try:
                return strsignal(code - 128) or f"Signal {code - 128}"
            except ValueError:
                return f"Exit {code}"
        return _EXIT_TEXTS.get(int(code), f"Exit {code}")

    def to_dict(self, filtered: bool = True) -> dict[str, Any]:
        """The job as plain JSON, states and results by name; `filtered` adds `jobid` (F58) and leaves out what is unset."""
        shown: dict[str, Any] = {name: getattr(self, name) for name in _SHOWN}
        shown["id"] = int(self.id)
        shown["dependencies"] = list(self.get("dependencies") or [])
        shown["annotations"] = self.get("annotations") or {}
        shown["exception"] = self.exception.to_dict()
        if self.uri:
            shown["uri"] = str(self.uri)
        if not filtered:
            return shown
        shown["exception"] = {key: value for key, value in shown["exception"].items() if value not in ("", None)}
        return {
            "jobid": self.id.f58,
            **{key: value for key, value in shown.items() if not _unset(key, value)},
        }


def _unset(key: str, value: Any) -> bool:
    return value in ("", None, [], {}) or (value == 0 and (key.startswith("t_") or key == "expiration"))


def _state(job: JobInfo) -> tuple[str, str, str]:
    return STATES.get(job.get("state", 0), _NONE)


def _result(job: JobInfo) -> tuple[str, str, str]:
    return RESULTS.get(job.get("result", 0), _NONE) if job.get("state") == _INACTIVE else _NONE


def _status(job: JobInfo) -> tuple[str, str, str]:
    state = job.get("state", 0)
    return RESULTS.get(job.get("result", 0), _NONE) if state == _INACTIVE else STATES.get(state, _NONE)


@lru_cache(maxsize=1024)
def _username(userid: int) -> str:
    import pwd  # noqa: PLC0415 - not every listing has user names

    try:
        return pwd.getpwuid(userid).pw_name
    except (KeyError, OverflowError, TypeError):
        return str(userid)
