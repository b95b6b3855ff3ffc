"""The bodies of requests: their members, types and defaults. What is not here is refused, and the OpenAPI document is made of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta, Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 100
"""Levels of objects and arrays in a document of a client's: what is stored must be readable by all that read it, by recursion."""

Urgency = Annotated[int, Meta(ge=0, le=31)]
Severity = Annotated[int, Meta(ge=0, le=7)]
Signal = Annotated[int, Meta(ge=1, le=64)]
Word = Annotated[str, Meta(min_length=1, max_length=80)]
Note = Annotated[str, Meta(max_length=65536)]
Id = Annotated[str, Meta(max_length=200)]
Ids = Annotated[list[Id], Meta(max_length=1_000_000)]
Seconds = Annotated[float, Meta(ge=0)]


class Job(Struct, forbid_unknown_fields=True):
    """One job: a jobspec document (RFC 14), its urgency, and submission flags (2 debug, 4 waitable, 8 novalidate)."""

    jobspec: dict[str, Any]
    urgency: int = 16
    flags: int = 0


class Submission(Struct, forbid_unknown_fields=True):
    """One job, as in `Job`, or many in `jobs`."""

    jobspec: dict[str, Any] | None = None
    urgency: int = 16
    flags: int = 0
    jobs: list[Job] | None = None


class Listing(Struct, forbid_unknown_fields=True):
    """What to list (RFC 43). `max_entries` 0: all."""

    max_entries: Annotated[int, Meta(ge=0)] = 1000
    attrs: list[str] = field(default_factory=lambda: ["all"])
    since: Seconds = 0.0
    constraint: dict[str, Any] | None = None
    ids: Ids | None = None


class Raise(Struct, forbid_unknown_fields=True):
    """An exception of a job; severity 0 ends it."""

    type: Word = "cancel"
    severity: Severity = 0
    note: Note = ""


class Kill(Struct, forbid_unknown_fields=True):
    """A signal."""

    signum: Signal = 15


class Selection(Struct, forbid_unknown_fields=True):
    """Jobs by id, or the active ones of a user (null: of everybody) in some states."""

    ids: Ids | None = None
    userid: int | None = None
    states: list[str] = field(default_factory=lambda: ["active"])
    dry_run: bool = False
    type: Word = "cancel"
    severity: Severity = 0
    note: Note = ""
    signum: Signal = 15


class SetUrgency(Struct, forbid_unknown_fields=True):
    """0 holds, 31 expedites."""

    urgency: Urgency


class Update(Struct, forbid_unknown_fields=True):
    """Dotted keys of the jobspec, with new values."""

    updates: dict[str, Any]


class Memo(Struct, forbid_unknown_fields=True):
    """Annotations under `user`; null deletes a key."""

    memo: dict[str, Any]
    volatile: bool = False


class Window(Struct, forbid_unknown_fields=True):
    """The size of a terminal, in characters."""

    rows: Annotated[int, Meta(ge=1, le=65535)]
    cols: Annotated[int, Meta(ge=1, le=65535)]


class Input(Struct, forbid_unknown_fields=True):
    """Data for the standard input of tasks; `encoding` is UTF-8 or base64. `winsize` is what their terminals have from now on."""

    ranks: str = "all"
    data: str | None = None
    encoding: str = "UTF-8"
    eof: bool = False
    winsize: Window | None = None


class Wait(Struct, forbid_unknown_fields=True):
    """A waitable job; null: the next one."""

    id: Id | None = None


class Targets(Struct, forbid_unknown_fields=True):
    """Ranks (idset) or hosts (hostlist). `update` leaves out those that are so already; `overwrite` as in RFC 44."""

    targets: Annotated[str, Meta(max_length=1_000_000)]
    reason: Note = ""
    overwrite: Annotated[int, Meta(ge=0, le=2)] = 0
    update: bool = False


class QueueOrder(Struct, forbid_unknown_fields=True):
    """A queue by name; null: the only one, or with `all` every one."""

    queue: str | None = None
    all: bool = False
    reason: Note = ""


class Purge(Struct, forbid_unknown_fields=True):
    """Which inactive jobs to forget; without `force` they are only counted."""

    age_limit: Seconds | None = None
    num_limit: Annotated[int, Meta(ge=0)] | None = None
    ids: Ids | None = None
    force: bool = False


class Shutdown(Struct, forbid_unknown_fields=True):
    """Why the instance ends, for its log; `leave` lets tasks go on, for the next server on the same state directory."""

    reason: Note = ""
    leave: bool = False


def documents(body: Any) -> Iterator[Any]:
    """The parts of a body that may hold anything."""
    for name in ("jobspec", "constraint", "updates", "memo"):
        document = getattr(body, name, None)
        if document is not None:
            yield document
    for job in getattr(body, "jobs", None) or ():
        yield job.jobspec


def too_deep(value: Any, left: int = MAX_DEPTH) -> bool:
    """Whether an object or array has more than so many levels."""
    if not left:
        return True
    for one in value.values() if type(value) is dict else value:
        kind = type(one)
        if (kind is dict or kind is list) and too_deep(one, left - 1):
            return True
    return False
