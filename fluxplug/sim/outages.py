"""What happens to a simulation from outside: nodes that fail and come back, jobs that are cancelled or changed.

JSON lines, plain or gzip, an event a line: `{"time": s, "event": WORD, ...}` with

    down, up         "ranks": idset or "hosts": hostlist   the nodes fail (their jobs with them), or are usable again
    drain, undrain   "ranks": idset or "hosts": hostlist   the nodes take no new jobs, those that run go on; or take jobs again
    cancel           "job": id                             the job is cancelled, pending or running
    limit            "job": id, "limit": seconds           the job's limit becomes this many seconds in all (0: none)
    priority         "job": id, "priority": n              the job's priority becomes n

The simulator's driver reads such a file with `read_outages`. Not here: what the events do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import frozen

from fluxplug.errors import ParseError, TraceError
from fluxplug.sim.trace import MAX_TIME, read_json_lines, seconds
from fluxplug.suggest import instead
from fluxplug.values.hostlist import Hostlist
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fluxplug.sim.trace import OnSkip, StrPath

MAX_PRIORITY = 2**32 - 1


@frozen
class Outage:
    """Nodes that go down or come up at `time`. With `drain`, jobs that run on nodes that go down stay."""

    time: float
    up: bool
    ranks: IDset
    drain: bool = False


@frozen
class Cancel:
    """Job `job` is cancelled at `time`."""

    time: float
    job: int


@frozen
class ChangeLimit:
    """The limit of job `job` becomes `limit` seconds in all, at `time`; 0: none."""

    time: float
    job: int
    limit: float


@frozen
class ChangePriority:
    """The priority of job `job` becomes `priority` at `time`."""

    time: float
    job: int
    priority: int


OutsideEvent: TypeAlias = "Outage | Cancel | ChangeLimit | ChangePriority"

_NODE_EVENTS = {"down": (False, False), "up": (True, False), "drain": (False, True), "undrain": (True, True)}
_JOB_EVENTS = {"cancel": (), "limit": ("limit",), "priority": ("priority",)}


def read_outages(
    path: StrPath, hosts: Mapping[str, int] | None = None, nodes: int | None = None, on_skip: OnSkip | None = None
) -> list[OutsideEvent]:
    """The events of a file, by time, ties in file order.

    `hosts` gives the rank of a host by its name: without it an event that names hosts is an error. `nodes`, if given, is the
    size of the machine: ranks beyond it are errors. Raises TraceError with file and line; with `on_skip` a malformed line is
    passed to it and left out.
    """
    events: list[OutsideEvent] = []

    def skip(problem: TraceError) -> None:
        if on_skip is None:
            raise problem
        on_skip(problem)

    for number, document in read_json_lines(path, skip):
        try:
            events.append(_event(document, hosts, nodes))
        except ValueError as error:
            skip(TraceError(f"{path}:{number}: {error}"))
    return sorted(events, key=lambda event: event.time)


def _event(document: dict[str, Any], hosts: Mapping[str, int] | None, nodes: int | None) -> OutsideEvent:
    word = document.get("event")
    if not isinstance(word, str):
        raise ValueError("event must be a string" if "event" in document else "event is missing")  # noqa: TRY004 - as for all faults of a line
    if word in _NODE_EVENTS:
        _check_keys(document, ("ranks", "hosts"))
        up, drain = _NODE_EVENTS[word]
        return Outage(seconds(document, "time"), up, _ranks(document, hosts, nodes), drain)
    if word not in _JOB_EVENTS:
        raise ValueError(f"unknown event {word[:40]!r}{instead(word, [*_NODE_EVENTS, *_JOB_EVENTS], 'there are')}")
    _check_keys(document, ("job", *_JOB_EVENTS[word]))
    time, job = seconds(document, "time"), _whole(document, "job", MAX_TIME)
    if word == "limit":
        return ChangeLimit(time, job, seconds(document, "limit"))
    if word == "priority":
        return ChangePriority(time, job, _whole(document, "priority", MAX_PRIORITY))
    return Cancel(time, job)


def _check_keys(document: dict[str, Any], more: tuple[str, ...]) -> None:
    allowed = ("time", "event", *more)
    for key in document:
        if key not in allowed:
            raise ValueError(f"unknown key {key[:40]!r}{instead(key, allowed, 'this event has')}")


def _ranks(document: dict[str, Any], hosts: Mapping[str, int] | None, nodes: int | None) -> IDset:
    keys = [key for key in ("ranks", "hosts") if key in document]
    if len(keys) != 1:
        raise ValueError("an event about nodes has either ranks or hosts")
    text = document[keys[0]]
    if not isinstance(text, str):
        raise ValueError(f"{keys[0]} must be a string")  # noqa: TRY004
    try:
        ranks = IDset(text) if keys[0] == "ranks" else _ranks_of_hosts(Hostlist(text), hosts)
    except ParseError as error:
        raise ValueError(f"{keys[0]}: {error}") from None
    if not ranks:
        raise ValueError(f"{keys[0]} names no node")
    if nodes is not None and ranks.last() >= nodes:
        raise ValueError(f"rank {ranks.last()} is beyond the machine's {nodes} nodes")
    return ranks


def _ranks_of_hosts(names: Hostlist, hosts: Mapping[str, int] | None) -> IDset:
    if hosts is None:
        raise ValueError("the machine's nodes have no names: use ranks")
    unknown = sorted({name for name in names if name not in hosts})
    if unknown:
        raise ValueError(f"unknown hosts: {', '.join(unknown[:5])}{' ...' if len(unknown) > 5 else ''}")
    return IDset(hosts[name] for name in names)


def _whole(document: dict[str, Any], key: str, most: int) -> int:
    value = document.get(key)
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{key} must be a whole number from 0 to {most}" if key in document else f"{key} is missing")
    return value
