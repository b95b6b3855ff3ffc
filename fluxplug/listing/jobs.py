"""Job listings: the fields that a job has, their headings, and which attributes a field needs.

The values are `fluxplug.job.info.JobInfo`'s. Used by the commands that list jobs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fluxplug.listing.output import OutputFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_IDS = ("id", "id.f58", "id.f58plain", "id.dec", "id.hex", "id.dothex", "id.kvs", "id.words", "id.emoji")
_TIMES = ("t_submit", "t_depend", "t_priority", "t_sched", "t_run", "t_cleanup", "t_inactive")
_PLAIN = ("priority", "state", "name", "cwd", "queue", "project", "bank", "ntasks", "ncores", "duration", "nnodes")
_RESOURCES = ("all", "up", "down", "allocated", "free")

JOB_HEADINGS: dict[str, str] = {
    **dict.fromkeys(_IDS, "JOBID"),
    **{name: name.upper() for name in (*_PLAIN, *_TIMES)},
    "userid": "UID",
    "username": "USER",
    "urgency": "URG",
    "priority": "PRI",
    "state_single": "S",
    "state_emoji": "STATE",
    "expiration": "EXPIRATION",
    "t_remaining": "T_REMAINING",
    "ranks": "RANKS",
    "nodelist": "NODELIST",
    "success": "SUCCESS",
    "result": "RESULT",
    "result_abbrev": "RS",
    "result_emoji": "RESULT",
    "runtime": "RUNTIME",
    "status": "STATUS",
    "status_abbrev": "ST",
    "status_emoji": "STATUS",
    "waitstatus": "WSTATUS",
    "returncode": "RC",
    "exception.occurred": "EXCEPTION-OCCURRED",
    "exception.severity": "EXCEPTION-SEVERITY",
    "exception.type": "EXCEPTION-TYPE",
    "exception.note": "EXCEPTION-NOTE",
    "annotations": "ANNOTATIONS",
    "dependencies": "DEPENDENCIES",
    "contextual_info": "INFO",
    "contextual_time": "TIME",
    "inactive_reason": "INACTIVE-REASON",
    "sched": "SCHED",
    "sched.t_estimate": "T_ESTIMATE",
    "sched.reason_pending": "REASON",
    "sched.resource_summary": "RESOURCES",
    "user": "USER",
    "uri": "URI",
    "uri.local": "URI",
    "uri.remote": "URI",
    "instance.stats": "STATS",
    "instance.stats.total": "NJOBS",
    "instance.utilization": "CORE%",
    "instance.gpu_utilization": "GPU%",
    "instance.progress": "PROG",
    **{
        f"instance.resources.{state}.{unit}": unit[1:].upper() if state == "all" else title
        for state, title in zip(_RESOURCES, ("", "UP", "DOWN", "USED", "FREE"), strict=True)
        for unit in ("ncores", "ngpus")
    },
}
"""Field to heading. Fields below `annotations.`, `sched.` and `user.` are open, too: what has no heading here has its own name."""

_OPEN = ("annotations.", "sched.", "user.")
_EXCEPTION = {f"exception_{part}" for part in ("occurred", "severity", "type", "note")}
# What of a record a field is made of, where it is not the attribute of its name.
_NEEDS: dict[str, set[str]] = {
    "id": set(),
    "username": {"userid"},
    "state_single": {"state"},
    "state_emoji": {"state"},
    "result": {"state", "result"},
    "result_abbrev": {"state", "result"},
    "result_emoji": {"state", "result"},
    "status": {"state", "result"},
    "status_abbrev": {"state", "result"},
    "status_emoji": {"state", "result"},
    "runtime": {"state", "t_run", "t_cleanup"},
    "t_remaining": {"state", "expiration"},
    "returncode": {"state", "result", "waitstatus"},
    "contextual_info": {"state", "annotations", "urgency", "priority", "dependencies", "nodelist"},
    "contextual_time": {"state", "duration", "t_run", "t_cleanup"},
    "inactive_reason": {"state", "result", "waitstatus", *_EXCEPTION},
    "exception": _EXCEPTION,
    "sched": {"annotations"},
    "user": {"annotations"},
    "uri": {"annotations", "nodelist"},
    "instance": {"annotations", "nodelist", "state"},
}


class JobInfoFormat(OutputFormat):
    """An OutputFormat for JobInfo: `headings` are JOB_HEADINGS unless others are given, and any annotation is a field."""

    def __init__(self, fmt: str, headings: Mapping[str, str] | None = None, prepend: str = "0.") -> None:
        super().__init__(fmt, JOB_HEADINGS if headings is None else headings, prepend)

    def title(self, name: str) -> str | None:
        found = super().title(name)
        if found is None and name.startswith(_OPEN) and all(key and key[0] != "_" for key in name.split(".")):
            return name.removeprefix("annotations.").upper()
        return found

    def getter(self, name: str) -> Callable[[Any], Any]:
        if not name.startswith(_OPEN):
            return super().getter(name)
        path = name.removeprefix("annotations.").split(".")
        return lambda job: _annotation(job, path)


def _annotation(job: Mapping[str, Any], path: list[str]) -> Any:
    """The value at a path of keys, as a record has it: as attributes, some names would be Python's. "" where there is none."""
    value: Any = job.get("annotations")
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value else ""
    return "" if value is None else value


def job_fields_to_attrs(fields: Iterable[str]) -> set[str]:
    """The attributes of a record (RFC 43) that these fields are made of; `id` is always there.

    Raises ValueError for a name that is no field.
    """
    needed: set[str] = set()
    for name in fields:
        if name not in JOB_HEADINGS and not name.startswith(_OPEN):
            raise ValueError(f"Unknown format field: {name}")
        first = name.partition(".")[0]
        needed |= _NEEDS.get(first, {first})
    return needed
