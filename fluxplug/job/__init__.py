"""The Python API for jobs: what users and workflow tools import. Names are those of Flux's `flux.job`.

    from fluxplug.job import JobspecV1
    jobspec = JobspecV1.from_submit(["hostname"], ntasks=4, time_limit="10m")

Everything is imported when it is first asked for; what is behind it is in `fluxplug.jobspec`, `fluxplug.listing` and `fluxplug.values`.
Code of this project imports from there.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fluxplug.job.info import JobInfo
    from fluxplug.jobspec.batchconfig import BatchConfig
    from fluxplug.jobspec.model import Jobspec
    from fluxplug.jobspec.v1 import JobspecV1, validate_jobspec
    from fluxplug.listing.eventlog import EventLogEvent
    from fluxplug.listing.jobs import JobInfoFormat, job_fields_to_attrs
    from fluxplug.values.jobid import JobID, id_encode, id_parse

__all__ = [
    "BatchConfig",
    "EventLogEvent",
    "JobID",
    "JobInfo",
    "JobInfoFormat",
    "Jobspec",
    "JobspecV1",
    "id_encode",
    "id_parse",
    "job_fields_to_attrs",
    "validate_jobspec",
]

_HOME = {
    "BatchConfig": "fluxplug.jobspec.batchconfig",
    "EventLogEvent": "fluxplug.listing.eventlog",
    "JobID": "fluxplug.values.jobid",
    "JobInfo": "fluxplug.job.info",
    "JobInfoFormat": "fluxplug.listing.jobs",
    "Jobspec": "fluxplug.jobspec.model",
    "JobspecV1": "fluxplug.jobspec.v1",
    "id_encode": "fluxplug.values.jobid",
    "id_parse": "fluxplug.values.jobid",
    "job_fields_to_attrs": "fluxplug.listing.jobs",
    "validate_jobspec": "fluxplug.jobspec.v1",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
