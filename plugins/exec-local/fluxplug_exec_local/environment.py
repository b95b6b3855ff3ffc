"""The environment of tasks, and `{{templates}}` in paths, arguments and values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fluxplug.values.idset import IDset
from fluxplug.values.jobid import id_encode

if TYPE_CHECKING:
    from fluxplug_exec_local.job import Job

_TAG = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")


def job_environment(job: Job) -> dict[str, str]:
    """What all tasks of a job on this host share."""
    given = job.system.get("environment") or {}
    agent = job.agent
    env = {name: value for name, value in given.items() if value is not None}
    f58 = job.f58
    env["FLUX_JOB_ID"] = f58
    env["FLUX_JOB_ID_PATH"] = f"{agent.jobid_path}/{f58}"
    env["FLUX_JOB_SIZE"] = str(job.size)
    env["FLUX_JOB_NNODES"] = str(len(job.nodes))
    env["FLUX_JOB_TMPDIR"] = job.tmpdir
    env["FLUX_KVS_NAMESPACE"] = f"job-{job.jobid}"
    env["FLUX_URI"] = env["FLUXPLUG_URI"] = agent.uri
    if agent.enclosing:
        env["FLUX_ENCLOSING_ID"] = agent.enclosing
    else:
        env.pop("FLUX_ENCLOSING_ID", None)
    return env


def expand(text: str, job: Job, rank: int = -1, localid: int = -1) -> str:
    """Fill in the tags of a template; those unknown, and those of a task where there is none, stay as typed."""
    if "{{" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        found = _value(match[1], job, rank, localid)
        return match[0] if found is None else str(found)

    return _TAG.sub(value, text)


def tags(text: str) -> tuple[bool, bool]:
    """Whether a template differs between the nodes of a job, and between its tasks."""
    found = _TAG.findall(text)
    task = any(tag == "taskid" or tag.partition(".")[0] == "task" for tag in found)
    return any(tag.partition(".")[0] == "node" for tag in found), task


def _value(tag: str, job: Job, rank: int, localid: int) -> Any:
    kind, _, key = tag.partition(".")
    if kind in ("id", "jobid"):
        if key in ("", "f58"):
            return job.f58
        return (
            id_encode(job.jobid, key) if key in ("dec", "hex", "dothex", "words", "kvs", "f58plain", "emoji") else None
        )
    if kind == "node":
        return _node_value(key, job)
    if kind in ("task", "taskid"):
        if rank < 0:
            return None
        return {
            "": rank if kind == "taskid" else None,
            "id": rank,
            "rank": rank,
            "index": localid,
            "localid": localid,
        }.get(key)
    if key:
        return None
    if kind == "name":
        return job.name
    if kind == "nnodes":
        return len(job.nodes)
    if kind in ("size", "ntasks"):
        return job.size
    return job.tmpdir if kind == "tmpdir" else None


def _node_value(key: str, job: Job) -> Any:
    rank, name, cores, gpus = job.nodes[job.index]
    simple = {"id": job.index, "name": name, "broker_rank": rank, "cores": cores, "gpus": gpus}
    if key in simple:
        return simple[key]
    if key in ("ncores", "ngpus"):
        return len(IDset(cores if key == "ncores" else gpus))
    return None
