"""The Python API for jobs: what users and workflow tools import. Names are those of Flux's `flux.job`.

    from fluxplug.job import JobspecV1
    jobspec = JobspecV1.from_submit(["hostname"], ntasks=4, time_limit="10m")

    import fluxplug
    from fluxplug.job import job_output, result, submit
    h = fluxplug.Flux()                            # the instance of this process's environment
    jobid = submit(h, jobspec)
    result(h, jobid).returncode, job_output(h, jobid).stdout

What differs from Flux: there are no messages under it, so `h.rpc` and the key-value store are not there; futures wait when they are asked
(`get`), and their callbacks are called by `h.reactor_run()`. Handles may be shared by threads.

Everything is imported when it is first asked for; code of this project imports from the modules behind it
(`_HOME`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fluxplug.errors import JobException
    from fluxplug.job.control import (
        cancel,
        cancel_async,
        job_raise,
        job_raise_async,
        kill,
        kill_async,
        memo,
        set_urgency,
        update,
    )
    from fluxplug.job.event import MAIN_EVENTS, JobEventWatchFuture, event_wait, event_watch, event_watch_async
    from fluxplug.job.executor import FluxExecutor, FluxExecutorFuture
    from fluxplug.job.info import JobInfo
    from fluxplug.job.journal import SENTINEL_EVENT, JournalConsumer, JournalEvent
    from fluxplug.job.kvs import job_kvs, job_kvs_guest
    from fluxplug.job.list import JobList, job_list, job_list_id, job_list_inactive
    from fluxplug.job.lookup import JobKVSLookup, job_info_lookup, job_kvs_lookup
    from fluxplug.job.output import (
        job_output,
        output_event_watch,
        output_event_watch_async,
        output_watch,
        output_watch_async,
        output_watch_lines,
        output_watch_lines_async,
    )
    from fluxplug.job.submission import SubmitFuture, submit, submit_async, submit_bulk, submit_get_id
    from fluxplug.job.waiting import (
        JobResultFuture,
        JobWaitFuture,
        JobWaitResult,
        get_job,
        result,
        result_async,
        timeleft,
        wait,
        wait_async,
        wait_get_status,
    )
    from fluxplug.job.watcher import JobWatcher
    from fluxplug.jobspec.batchconfig import BatchConfig
    from fluxplug.jobspec.model import Jobspec
    from fluxplug.jobspec.v1 import JobspecV1, validate_jobspec
    from fluxplug.listing.eventlog import EventLogEvent
    from fluxplug.listing.jobs import JobInfoFormat, job_fields_to_attrs
    from fluxplug.listing.output_log import JobOutput
    from fluxplug.values.jobid import JobID, id_encode, id_parse

__all__ = [
    "MAIN_EVENTS",
    "SENTINEL_EVENT",
    "BatchConfig",
    "EventLogEvent",
    "FluxExecutor",
    "FluxExecutorFuture",
    "JobEventWatchFuture",
    "JobException",
    "JobID",
    "JobInfo",
    "JobInfoFormat",
    "JobKVSLookup",
    "JobList",
    "JobOutput",
    "JobResultFuture",
    "JobWaitFuture",
    "JobWaitResult",
    "JobWatcher",
    "Jobspec",
    "JobspecV1",
    "JournalConsumer",
    "JournalEvent",
    "SubmitFuture",
    "cancel",
    "cancel_async",
    "event_wait",
    "event_watch",
    "event_watch_async",
    "get_job",
    "id_encode",
    "id_parse",
    "job_fields_to_attrs",
    "job_info_lookup",
    "job_kvs",
    "job_kvs_guest",
    "job_kvs_lookup",
    "job_list",
    "job_list_id",
    "job_list_inactive",
    "job_output",
    "job_raise",
    "job_raise_async",
    "kill",
    "kill_async",
    "memo",
    "output_event_watch",
    "output_event_watch_async",
    "output_watch",
    "output_watch_async",
    "output_watch_lines",
    "output_watch_lines_async",
    "result",
    "result_async",
    "set_urgency",
    "submit",
    "submit_async",
    "submit_bulk",
    "submit_get_id",
    "timeleft",
    "update",
    "validate_jobspec",
    "wait",
    "wait_async",
    "wait_get_status",
]

_HOME = {
    "BatchConfig": "fluxplug.jobspec.batchconfig",
    "EventLogEvent": "fluxplug.listing.eventlog",
    "FluxExecutor": "fluxplug.job.executor",
    "FluxExecutorFuture": "fluxplug.job.executor",
    "JobEventWatchFuture": "fluxplug.job.event",
    "JobException": "fluxplug.errors",
    "JobID": "fluxplug.values.jobid",
    "JobInfo": "fluxplug.job.info",
    "JobInfoFormat": "fluxplug.listing.jobs",
    "JobKVSLookup": "fluxplug.job.lookup",
    "JobList": "fluxplug.job.list",
    "JobOutput": "fluxplug.listing.output_log",
    "JobResultFuture": "fluxplug.job.waiting",
    "JobWaitFuture": "fluxplug.job.waiting",
    "JobWaitResult": "fluxplug.job.waiting",
    "JobWatcher": "fluxplug.job.watcher",
    "Jobspec": "fluxplug.jobspec.model",
    "JobspecV1": "fluxplug.jobspec.v1",
    "JournalConsumer": "fluxplug.job.journal",
    "JournalEvent": "fluxplug.job.journal",
    "MAIN_EVENTS": "fluxplug.job.event",
    "SENTINEL_EVENT": "fluxplug.job.journal",
    "SubmitFuture": "fluxplug.job.submission",
    "cancel": "fluxplug.job.control",
    "cancel_async": "fluxplug.job.control",
    "event_wait": "fluxplug.job.event",
    "event_watch": "fluxplug.job.event",
    "event_watch_async": "fluxplug.job.event",
    "get_job": "fluxplug.job.waiting",
    "id_encode": "fluxplug.values.jobid",
    "id_parse": "fluxplug.values.jobid",
    "job_fields_to_attrs": "fluxplug.listing.jobs",
    "job_info_lookup": "fluxplug.job.lookup",
    "job_kvs": "fluxplug.job.kvs",
    "job_kvs_guest": "fluxplug.job.kvs",
    "job_kvs_lookup": "fluxplug.job.lookup",
    "job_list": "fluxplug.job.list",
    "job_list_id": "fluxplug.job.list",
    "job_list_inactive": "fluxplug.job.list",
    "job_output": "fluxplug.job.output",
    "job_raise": "fluxplug.job.control",
    "job_raise_async": "fluxplug.job.control",
    "kill": "fluxplug.job.control",
    "kill_async": "fluxplug.job.control",
    "memo": "fluxplug.job.control",
    "output_event_watch": "fluxplug.job.output",
    "output_event_watch_async": "fluxplug.job.output",
    "output_watch": "fluxplug.job.output",
    "output_watch_async": "fluxplug.job.output",
    "output_watch_lines": "fluxplug.job.output",
    "output_watch_lines_async": "fluxplug.job.output",
    "result": "fluxplug.job.waiting",
    "result_async": "fluxplug.job.waiting",
    "set_urgency": "fluxplug.job.control",
    "submit": "fluxplug.job.submission",
    "submit_async": "fluxplug.job.submission",
    "submit_bulk": "fluxplug.job.submission",
    "submit_get_id": "fluxplug.job.submission",
    "timeleft": "fluxplug.job.waiting",
    "update": "fluxplug.job.control",
    "validate_jobspec": "fluxplug.jobspec.v1",
    "wait": "fluxplug.job.waiting",
    "wait_async": "fluxplug.job.waiting",
    "wait_get_status": "fluxplug.job.waiting",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
