"""The record of a job: what listings say of it (RFC 43), kept up to date by the events of its log (RFC 21).

    record = initial(jobid, jobspec)
    for event in log: apply(record, event["name"], event["timestamp"], event.get("context") or {})

A plain dict with the attributes of RFC 43, unset ones left out, and keys of our own that begin with `_`; `t_X` is when the job entered state X. The same code follows a live job and reads
a stored log after a restart. `flags` and the dependencies that are not met yet are kept beside the record by its owner.
"""

from __future__ import annotations

from functools import lru_cache
from posixpath import basename
from typing import TYPE_CHECKING, Any

from fluxplug.engine.states import State
from fluxplug.ingest import count
from fluxplug.values.hostlist import Hostlist
from fluxplug.values.idset import IDset
from fluxplug.values.jobid import id_encode

if TYPE_CHECKING:
    from collections.abc import Mapping

COMPLETED, FAILED, CANCELED, TIMEOUT = 1, 2, 4, 8
NEW, DEPEND, PRIORITY, SCHED, RUN, CLEANUP, INACTIVE = map(int, State)

_ENTERED = {DEPEND: "t_depend", PRIORITY: "t_priority", SCHED: "t_sched", RUN: "t_run", CLEANUP: "t_cleanup"}
_MOVES = {"validate": DEPEND, "depend": PRIORITY, "priority": SCHED, "alloc": RUN}
_RESULTS = {"cancel": CANCELED, "timeout": TIMEOUT}


@lru_cache(maxsize=1 << 16)
def f58(jobid: int) -> str:
    """A job id as the API and event logs write it, whatever the locale."""
    return "ƒ" + id_encode(jobid, "f58plain")[1:]


MAIN_ATTRIBUTES = (
    "userid", "urgency", "priority", "t_submit", "t_depend", "t_priority", "t_sched", "t_run", "t_cleanup", "t_inactive", "state", "name",
    "cwd", "queue", "project", "bank", "ntasks", "ncores", "nnodes", "ranks", "nodelist", "duration", "expiration", "success", "result",
    "waitstatus", "exception_occurred", "exception_type", "exception_severity", "exception_note", "annotations", "dependencies",
)  # fmt: skip
"""What a record may have beside `id`."""


def job_name(jobspec: Mapping[str, Any]) -> str:
    """`attributes.system.job.name`, or the command's last component."""
    system = (jobspec.get("attributes") or {}).get("system") or {}
    name = (system.get("job") or {}).get("name")
    if name is not None:
        return str(name)
    command = jobspec["tasks"][0]["command"]
    return str(basename(command[0]))


def _slots(vertices: Any) -> int:
    """How many task slots a resource section asks for at least."""
    from fluxplug.values.count import ResourceCount  # noqa: PLC0415 - most counts are numbers

    found = 0
    todo = [(vertex, 1) for vertex in vertices]
    while todo:
        vertex, times = todo.pop()
        given = vertex.get("count", 1)
        times *= given if type(given) is int else ResourceCount.from_count_spec(given).min
        if vertex["type"] == "slot":
            found += times
        else:
            todo += [(child, times) for child in vertex.get("with") or ()]
    return found


def initial(jobid: int, jobspec: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a valid jobspec before its first event."""
    system = (jobspec.get("attributes") or {}).get("system") or {}
    record: dict[str, Any] = {"id": jobid, "state": NEW, "name": job_name(jobspec)}
    for key in ("cwd", "queue", "project", "bank"):
        if key in system:
            record[key] = system[key]
    record["duration"] = float(system.get("duration") or 0)
    counted = count(jobspec["resources"])
    for key in ("nnodes", "ncores"):
        if counted[key][0]:
            record[key] = counted[key][0]
    ntasks = 0
    options = (system.get("shell") or {}).get("options") or {}
    for task in jobspec["tasks"]:
        wanted = task["count"]
        if "total" in wanted:
            ntasks += wanted["total"]
        elif "per_slot" in wanted:
            ntasks += wanted["per_slot"] * _slots(jobspec["resources"])
        else:
            ntasks += (
                wanted["per_resource"]["count"] * (counted.get(f"n{wanted['per_resource']['type']}s") or (1, 1))[0]
            )
    override = options.get("per-resource")
    if isinstance(override, dict) and (number := counted.get(f"n{override.get('type')}s", (0, 0))[0]):
        times = override.get("count", 1)
        ntasks = number * (times if isinstance(times, int) else 1)
    record["ntasks"] = ntasks
    record["exception_occurred"] = False
    return record


def allocated(record: dict[str, Any], R: Mapping[str, Any]) -> None:  # noqa: N803 - the format's name
    """Enter what a job has got; `R` is its document (RFC 20)."""
    execution = R["execution"]
    lite = execution["R_lite"]
    nodes, cores = 0, 0
    for part in lite:
        number = _members(part["rank"])
        nodes += number
        cores += number * _members(part["children"].get("core", ""))
    ranks = lite[0]["rank"] if len(lite) == 1 else IDset(",".join(part["rank"] for part in _ascending(lite))).encode()
    record["ranks"] = ranks if nodes == 1 else f"[{ranks}]"
    record["nnodes"] = nodes
    record["ncores"] = cores
    names: list[str] = execution.get("nodelist") or []
    record["nodelist"] = names[0] if len(names) == 1 else str(Hostlist(",".join(names)))
    record["expiration"] = float(execution.get("expiration") or 0)


def _members(ids: str) -> int:
    """How many ids a valid idset has, without making one: jobs start by the thousand."""
    total = 0
    for item in ids.split(","):
        first, dash, last = item.partition("-")
        total += int(last) - int(first) + 1 if dash else bool(first)
    return total


def _ascending(lite: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries whose ranks are apart, lowest first; those that interleave are taken apart."""
    single = [{"rank": item} for part in lite for item in part["rank"].split(",")]
    return sorted(single, key=lambda part: int(part["rank"].partition("-")[0]))


def apply(record: dict[str, Any], name: str, time: float, context: Mapping[str, Any]) -> None:
    """Take in one event of the job's log. What concerns neither state nor listing is passed over."""
    state = record["state"]
    if name in _MOVES:
        if state < CLEANUP:
            _enter(record, _MOVES[name], time)
        if name == "priority":
            record["priority"] = context["priority"]
        elif name == "alloc":
            _annotate(record, context.get("annotations") or {})
            _annotate(record, {"sched": {"t_estimate": None, "reason_pending": None}})
    elif name == "submit":
        record["t_submit"] = time
        record["urgency"] = context["urgency"]
        record["userid"] = context["userid"]
    elif name == "start":
        record["_started"] = True
    elif name == "finish":
        record["waitstatus"] = context["status"]
        if state < CLEANUP:
            _enter(record, CLEANUP, time)
    elif name == "clean":
        record["state"] = INACTIVE
        record["t_inactive"] = time
        record["success"], record["result"] = _result(record)
    elif name == "exception":
        _exception(record, time, context)
    elif name == "urgency":
        record["urgency"] = context["urgency"]
        if state == SCHED:
            record["state"] = PRIORITY
    elif name == "jobspec-update":
        _update(record, context)
        if state == SCHED:
            record["state"] = PRIORITY
    elif name == "flux-restart":
        if state == SCHED:
            record["state"] = PRIORITY
    elif name == "resource-update":
        record["expiration"] = float(context["expiration"])
    elif name == "dependency-add":
        record.setdefault("dependencies", []).append(context["description"])
    elif name == "dependency-remove":
        left = [one for one in record.get("dependencies", ()) if one != context["description"]]
        record["dependencies"] = left
        if not left:
            del record["dependencies"]
    elif name == "memo":
        _annotate(record, {"user": context})


def public(record: Mapping[str, Any], attributes: frozenset[str] | None = None) -> dict[str, Any]:
    """What a listing shows: all, or some, of the attributes that are set; `id` in F58."""
    shown = {key: value for key, value in record.items() if key[0] != "_" and (attributes is None or key in attributes)}
    shown["id"] = f58(record["id"])
    return shown


def failure(record: Mapping[str, Any]) -> str:
    """Why an inactive job was no success, in the words of Flux's tools; empty for one that was."""
    if record.get("success"):
        return ""
    if "waitstatus" in record and not record.get("exception_occurred"):
        status = record["waitstatus"]
        code = status >> 8 if not status & 127 else 128 + (status & 127)
        return f"task(s) exited with exit code {code}"
    return f"Fatal exception type={record.get('exception_type', '')} {record.get('exception_note', '')}".rstrip()


def _enter(record: dict[str, Any], state: int, time: float) -> None:
    record["state"] = state
    record[_ENTERED[state]] = time


def _exception(record: dict[str, Any], time: float, context: Mapping[str, Any]) -> None:
    severity = context["severity"]
    if not record.get("exception_occurred") or severity < record["exception_severity"]:
        record["exception_occurred"] = True
        record["exception_severity"] = severity
        record["exception_type"] = context["type"]
        record["exception_note"] = context.get("note", "")
        if context.get("wait_status") is not None:
            record["_wait_status"] = context["wait_status"]
    if severity == 0 and record["state"] < CLEANUP:
        _enter(record, CLEANUP, time)


def _result(record: dict[str, Any]) -> tuple[bool, int]:
    """Success and result (formats.md section 12): a status of 0 completes whatever was raised before."""
    record.pop("_wait_status", None)
    if record.get("waitstatus") == 0:
        return True, COMPLETED
    kind = record.get("exception_type", "") if record.get("exception_severity", 7) == 0 else ""
    return False, _RESULTS.get(kind, FAILED)


def _update(record: dict[str, Any], updates: Mapping[str, Any]) -> None:
    for key, value in updates.items():
        last = key.removeprefix("attributes.system.")
        if last == "duration":
            record["duration"] = float(value)
        elif last in {"queue", "project", "bank", "cwd"}:
            record[last] = value
        elif last == "job.name":
            record["name"] = value


def _annotate(record: dict[str, Any], changes: Mapping[str, Any]) -> None:
    merged = merge(record.get("annotations") or {}, changes)
    if merged:
        record["annotations"] = merged
    else:
        record.pop("annotations", None)


def merge(old: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`old` with `changes` merged in, table by table; None deletes a key, and a table that becomes empty goes."""
    result = dict(old)
    for key, value in changes.items():
        if isinstance(value, dict):
            inner = merge(result[key] if isinstance(result.get(key), dict) else {}, value)
            if inner:
                result[key] = inner
            else:
                result.pop(key, None)
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result
