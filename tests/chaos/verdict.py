"""What must hold of a state directory, whatever was done to its server: read from the store itself, by rules of this file's own."""

from __future__ import annotations

import json
import os
from collections import Counter

from fluxplug.config import load_config
from fluxplug.instance.instance import Instance, lock
from fluxplug.instance.store import Store
from fluxplug.values.jobid import id_encode, id_parse

ONCE = {"submit", "validate", "depend", "alloc", "start", "finish", "free", "clean"}
ORDER = ("submit", "validate", "depend", "alloc", "start", "finish", "free", "clean")
ANYTIME = {"annotations", "memo", "urgency", "priority", "jobspec-update", "flux-restart", "exception", "dependency-add",
           "dependency-remove", "release", "resource-update"}  # fmt: skip


def job_faults(entries, *, over=True):
    """What is wrong with the event log of a job (RFC 21): texts. `over`: the job must have ended."""
    names = [entry["name"] for entry in entries]
    faults = []
    counts = Counter(names)
    faults += [f"{name} {counts[name]} times" for name in ONCE if counts[name] > 1]
    faults += [f"event {name}" for name in counts if name not in ONCE | ANYTIME]
    seen = [name for name in names if name in ONCE]
    if seen != sorted(seen, key=ORDER.index):
        faults.append(f"order {seen}")
    if names[:1] != ["submit"]:
        faults.append("does not begin with submit")
    times = [entry["timestamp"] for entry in entries]
    if times != sorted(times):
        faults.append("time goes back")
    fatal = any(entry["name"] == "exception" and entry["context"]["severity"] == 0 for entry in entries)
    had = set(names)
    needs = (("start", "alloc"), ("finish", "alloc"), ("free", "alloc"), *(() if fatal else (("finish", "start"),)))
    faults += [f"{one} without {other}" for one, other in needs if one in had and other not in had]
    if (
        not fatal
        and "clean" in had
        and not {"validate", "depend", "priority", "alloc", "start", "finish", "release", "free"} <= had
    ):
        faults.append("ended without an exception, and without having run")
    if "alloc" in had and "priority" not in had:
        faults.append("alloc without priority")
    if over:
        if names[-1:] != ["clean"]:
            faults.append("not over")
        if "alloc" in had and "free" not in had:
            faults.append("resources not freed")
        if "start" in had and "finish" not in had:
            faults.append("start without finish")
    return [f"{fault}: {names}" for fault in faults]


def replay(world):
    """Bring an instance to where the dead server was, and check it. Nothing is written."""
    config = load_config(world.config)
    held = lock(world.statedir)
    instance = Instance(config, config.plugins, world.statedir, uri=world.uri, power=False)
    instance.driver.check()
    instance.store.check()
    active = len(instance.driver.jobs)
    instance.store.close()
    os.close(held)
    return active


def tasks_of(jobspec):
    outer = jobspec["resources"][0]
    return outer["count"]


def judge(world):
    """(faults, counts) of the state directory of a server that has ended, with all jobs over."""
    faults, counts = [], Counter()
    acknowledged = {}
    for path in sorted(world.folder.glob("client-*")):
        for text in path.read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            if "ack" in line:
                acknowledged[id_parse(line["ack"])] = line["tasks"]
            elif "fault" in line:
                faults.append(f"{path.name}: {line['fault']}")
            else:
                counts.update(line["counts"])
    ran = Counter()
    for line in world.ran.read_text(encoding="utf-8").splitlines():
        jobid, _, rank = line.partition(" ")
        ran[id_parse(jobid), rank] += 1
    store = Store(world.statedir / "store.sqlite", power=False)
    jobs = dict.fromkeys(jobid for (jobid,) in store._reader.execute("SELECT id FROM jobs"))
    faults += [f"{id_encode(jobid)} was acknowledged and is not there" for jobid in acknowledged if jobid not in jobs]
    for jobid in jobs:
        jobspec, _, record = store.job(jobid)
        where = id_encode(jobid)
        if record is None:
            faults.append(f"{where} is not over")
            continue
        entries = [json.loads(line) for line in store.log(jobid, "eventlog").splitlines()]
        faults += [f"{where}: {fault}" for fault in job_faults(entries)]
        result = json.loads(record)["result"]
        counts[f"result {result}"] += 1
        ranks = {rank: number for (one, rank), number in _of(ran, jobid)}
        faults += [f"{where}: task {rank} ran {number} times" for rank, number in ranks.items() if number > 1]
        if result == 1:
            tasks = tasks_of(json.loads(jobspec))
            if len(ranks) != tasks and world.executes:
                faults.append(f"{where}: completed, and {len(ranks)} of {tasks} tasks ran")
            exits = [entry["context"]["status"] for entry in entries if entry["name"] == "finish"]
            if exits != [0]:
                faults.append(f"{where}: completed with status {exits}")
        if ranks and not any(entry["name"] == "alloc" for entry in entries):
            faults.append(f"{where}: ran without an alloc event")
    for jobid, rank in ran:
        if jobid not in jobs:
            faults.append(f"{id_encode(jobid)} ran (task {rank}) and is not there")
    faults += _journal_faults(world, store)
    counts["stored jobs"], counts["acknowledged"], counts["tasks run"] = len(jobs), len(acknowledged), sum(ran.values())
    counts["entries"] = store.seq
    store.close()
    return faults, counts


def _of(ran, jobid, _index={}):  # noqa: B006 - an index made once
    if id(ran) not in _index:
        _index.clear()
        table = _index[id(ran)] = {}
        for key, number in ran.items():
            table.setdefault(key[0], []).append((key, number))
    return _index[id(ran)].get(jobid, ())


def _journal_faults(world, store):
    """What the follower saw must be what is there: nothing twice, nothing left out, nothing that was never stored."""
    seen, faults = [], []
    path = world.folder / "journal"
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        line = json.loads(text)
        if isinstance(line, dict):
            faults.append(f"journal: {line['fault']}")
        else:
            seen.append((line[0], id_parse(line[1]), line[2]))
    stored = []
    for seq, jobid, lines in store.journal(0, 1 << 60):
        stored += [(seq + place, jobid, json.loads(line)["name"]) for place, line in enumerate(lines.splitlines())]
    for one, other in zip(seen, stored, strict=False):
        if one != other:
            return [*faults, f"journal: a follower saw {one}, stored is {other}"]
    if len(seen) > len(stored):
        faults.append(f"journal: a follower saw {len(seen) - len(stored)} entries that are not there")
    return faults
