"""What of the host a task may use: cores (affinity), GPUs (CUDA's variables), soft limits."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fluxplug_exec_local.job import Job

_NO_FILE = resource.RLIMIT_NOFILE


class Binding:
    """Of the tasks of one job on this host. Raises ValueError for a map that is none."""

    __slots__ = ("_cores", "_gpus", "dry_run", "verbose")

    def __init__(self, job: Job, ntasks: int) -> None:
        node = job.nodes[job.index]
        given = str(job.options.get("cpu-affinity", "on")).split(",")
        #: Whether the job wants to be told which cores its tasks get, and whether that is all that it wants.
        self.dry_run = "dry-run" in given
        self.verbose = self.dry_run or "verbose" in given
        self._cores = _core_sets(job, node[2], ntasks)
        self._gpus = _gpu_texts(_option(job, "gpu-affinity"), node[3], ntasks)

    def cores(self, localid: int) -> frozenset[int] | None:
        """The cores of a task; None where it may use all."""
        return self._cores[localid % len(self._cores)] if self._cores else None

    def set_gpus(self, env: dict[str, str], localid: int) -> None:
        """Set the variables that show a task its GPUs."""
        if self._gpus is not None:
            env["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
            env["CUDA_VISIBLE_DEVICES"] = self._gpus[localid % len(self._gpus)]


def cores_of(job: Job) -> list[int]:
    """The cores of this host that are the job's; none where that cannot be known."""
    usable = job.agent.cores
    ids = IDset(job.nodes[job.index][2]).expand()
    # Ids of R are 0..n-1 of the host; one that has fewer cores than R says cannot bind.
    if job.agent.pretend or not ids or ids[-1] >= len(usable):
        return []
    return [usable[i] for i in ids]


def rlimits(wanted: Mapping[str, int] | None, nofile: tuple[int, int]) -> dict[int, int]:
    """Soft limits by number; that of open files is the one with which the agent was started unless the job has another."""
    found = {_NO_FILE: nofile[0]}
    for name, value in (wanted or {}).items():
        which = getattr(resource, f"RLIMIT_{name.upper()}", None)
        if which is None:
            raise ValueError(f"rlimit.{name}: no such limit")
        try:
            found[which] = resource.RLIM_INFINITY if value == -1 else int(value)
        except (ValueError, TypeError):
            raise ValueError(f"rlimit.{name} must be a number, not {value!r}") from None
    if nofile[0] == nofile[1] and len(found) == 1:
        return {}
    return found


def _core_sets(job: Job, cores: str, ntasks: int) -> list[frozenset[int]] | None:
    option = _option(job, "cpu-affinity")
    usable = job.agent.cores
    if option.startswith("map:"):
        sets = _parse_map(option[4:])
        return None if job.agent.pretend else [_bound(ids, usable) for ids in sets]
    if option == "off" or job.agent.pretend:
        return None
    ids = IDset(cores).expand()
    # Ids of R are 0..n-1 of the host; one that has fewer cores than R says cannot bind.
    if not ids or ids[-1] >= len(usable) or (len(ids) == len(usable) and option == "on"):
        return None
    if option == "on":
        return [_bound(ids, usable)]
    return [_bound(part, usable) for part in _split(ids, ntasks)]


def _option(job: Job, name: str) -> str:
    option = str(job.options.get(name, "on"))
    while option.startswith(("verbose,", "dry-run,")):
        option = option.partition(",")[2]
    if option not in ("on", "off", "per-task") and not option.startswith("map:"):
        raise ValueError(f"{name} must be on, off, per-task or map:LIST, not {option!r}")
    return option


def _gpu_texts(option: str, gpus: str, ntasks: int) -> list[str] | None:
    if option == "off":
        return None
    if option.startswith("map:"):
        return [",".join(map(str, ids)) for ids in _parse_map(option[4:])]
    if not gpus:
        return ["-1"]
    ids = IDset(gpus).expand()
    return [",".join(map(str, part)) for part in (_split(ids, ntasks) if option == "per-task" else [ids])]


def _parse_map(text: str) -> list[list[int]]:
    """`0-1;0xc`: a list of ids for each entry."""
    found = []
    for entry in text.split(";"):
        ids = IDset.from_mask(int(entry, 16)) if entry.startswith("0x") else IDset(entry)
        if not ids:
            raise ValueError(f"affinity map {text!r} has an empty entry")
        found.append(ids.expand())
    return found


def _split(ids: list[int], ntasks: int) -> list[list[int]]:
    """An even share for each task; tasks beyond the number of ids share one."""
    if ntasks >= len(ids):
        return [[i] for i in ids]
    return [ids[len(ids) * i // ntasks : len(ids) * (i + 1) // ntasks] for i in range(ntasks)]


def _bound(ids: list[int], usable: list[int]) -> frozenset[int]:
    if ids[-1] >= len(usable):
        raise ValueError(f"core {ids[-1]} is not among the {len(usable)} cores of this host ({os.uname().nodename})")
    return frozenset(usable[i] for i in ids)
