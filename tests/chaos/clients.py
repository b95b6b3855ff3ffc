"""Client processes: some that submit, change, cancel and follow as they should, and at times behave as badly as they can.

Each writes what it was told into a file of its own: lines of JSON, `{"ack": id, "tasks": n}` for a job that the server has acknowledged, `{"seq": ...}`
for what it saw of the journal, `{"fault": text}` for what must not happen.
"""

from __future__ import annotations

import json
import os
import random
import socket
import time
from collections import Counter
from contextlib import suppress

from fluxplug.client import Client
from fluxplug.errors import ApiError, ConnectionFailedError, FluxplugError

PATIENCE = 60.0
BULK = 200


def jobspec(command, *, nodes=0, tasks=1, duration=0.0, mark="", dependencies=()):
    """A jobspec document (RFC 25)."""
    slot = {"type": "slot", "count": tasks, "label": "task", "with": [{"type": "core", "count": 1}]}
    resources = [{"type": "node", "count": nodes, "with": [slot | {"count": 1}]}] if nodes else [slot]
    system = {"duration": duration, "cwd": "/", "environment": {"PATH": "/usr/bin:/bin", "CHAOS_RUN": mark}}
    if dependencies:
        system["dependencies"] = [{"scheme": scheme, "value": value} for scheme, value in dependencies]
    task = {"command": command, "slot": "task", "count": {"per_slot": 1}}
    return {"version": 1, "resources": resources, "tasks": [task], "attributes": {"system": system}}


class Submitter:
    """A client process. `target`: it submits while fewer jobs are in flight."""

    def __init__(self, world, number, seed, target, stopping):
        self.world, self.stopping, self.target = world, stopping, target
        self.random = random.Random(f"{seed}/{number}")
        self.client = Client(world.uri, timeout=PATIENCE)
        self.file = (world.folder / f"client-{number}").open("w", encoding="utf-8")
        self.known = []
        self.counts = Counter()

    def run(self):
        ways = [self.submit] * 6 + [self.change] * 3 + [self.follow, self.ask] + [self.misbehave] * 3
        while not self.stopping.is_set():
            way = self.random.choice(ways)
            try:
                way()
            except ApiError as error:
                self.refused(error)
            except ConnectionFailedError as error:
                if isinstance(error, TimeoutError):
                    self.note(fault=f"{way.__name__}: no answer: {error}")
                self.counts["cut off"] += 1
                time.sleep(0.05)
            self.counts[way.__name__] += 1
        self.note(counts=dict(self.counts))
        self.file.close()

    def note(self, **line):
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()

    def refused(self, error):
        self.counts[f"refused {error.status}"] += 1
        if error.status >= 500 and error.status != 503:
            self.note(fault=f"status {error.status}: {error}")

    # As it should be.

    def job(self):
        """(jobspec, tasks): mostly short."""
        dice, mark = self.random.random(), str(self.world.folder)
        line = f'echo "$FLUX_JOB_ID $FLUX_TASK_RANK" >>{self.world.ran}'
        if dice < 0.6:
            return jobspec(["/bin/sh", "-c", line], mark=mark), 1
        if dice < 0.8:
            return jobspec(["/bin/sh", "-c", f"{line}; exec sleep {self.random.uniform(0, 0.5):.2f}"], mark=mark), 1
        if dice < 0.84:
            return jobspec(["/bin/sh", "-c", f"{line}; exec sleep {self.random.uniform(1, 5):.2f}"], mark=mark), 1
        if dice < 0.88:
            return jobspec(["/bin/sh", "-c", f"{line}; exit 3"], mark=mark), 1
        if dice < 0.90:
            return jobspec(["/bin/sh", "-c", f"{line}; exec sleep 30"], duration=1.0, mark=mark), 1
        if dice < 0.92:
            return jobspec([f"/no/such/{line}"], mark=mark), 1
        if dice < 0.95:
            return jobspec(["/bin/sh", "-c", line], nodes=2, mark=mark), 2
        if dice < 0.97:
            return jobspec(["/bin/sh", "-c", line], tasks=3, mark=mark), 3
        if not self.known:
            return jobspec(["/bin/sh", "-c", line], mark=mark), 1
        needed = [(self.random.choice(("afterany", "afterok", "after")), self.random.choice(self.known))]
        return jobspec(["/bin/sh", "-c", line], mark=mark, dependencies=needed), 1

    def acknowledge(self, jobid, tasks):
        self.note(ack=jobid, tasks=tasks)
        self.known.append(jobid)
        self.counts["jobs"] += 1

    def submit(self):
        jobs = self.client.get("/v1/stats")["jobs"]
        if jobs["total"] - jobs["inactive"] >= self.target:
            time.sleep(0.05)
            return
        if self.random.random() < 0.3:
            spec, tasks = self.job()
            self.acknowledge(self.client.post("/v1/jobs", {"jobspec": spec})["id"], tasks)
            return
        made = [self.job() for _ in range(self.random.randrange(1, BULK))]
        answers = self.client.post("/v1/jobs", {"jobs": [{"jobspec": spec} for spec, _ in made]})["jobs"]
        for (_, tasks), answer in zip(made, answers, strict=True):
            if "id" in answer:
                self.acknowledge(answer["id"], tasks)
            else:
                self.counts["refused in bulk"] += 1

    def change(self):
        if not self.known:
            return
        recent = self.known[-2000:]
        one = self.random.choice(recent)
        dice = self.random.random()
        if dice < 0.3:
            self.client.post(f"/v1/jobs/{one}/urgency", {"urgency": self.random.choice((0, 1, 16, 31))})
        elif dice < 0.5:
            self.client.post(
                f"/v1/jobs/{one}/raise",
                {"type": self.random.choice(("cancel", "odd")), "severity": self.random.choice((0, 0, 3))},
            )
        elif dice < 0.6:
            self.client.post(f"/v1/jobs/{one}/kill", {"signum": self.random.choice((9, 15, 10))})
        elif dice < 0.7:
            self.client.post(
                f"/v1/jobs/{one}/update", {"updates": {"attributes.system.duration": self.random.choice((0, 1, 60))}}
            )
        elif dice < 0.8:
            self.client.post(f"/v1/jobs/{one}/memo", {"memo": {"a": self.random.random()}})
        else:
            ids = self.random.choices(recent, k=self.random.randrange(1, 20))
            self.client.post("/v1/jobs/raise", {"ids": ids})

    def follow(self):
        """A job's log, or its result, for a moment."""
        if not self.known:
            return
        one = self.random.choice(self.known[-200:])
        if self.random.random() < 0.5:
            self.client.get(f"/v1/jobs/{one}/result", timeout=0.3)
            return
        events = [entry["name"] for entry in self.client.stream(f"/v1/jobs/{one}/eventlog")]
        if not events or events[0] != "submit":
            self.note(fault=f"{one}: its log is {events}")

    def ask(self):
        path = self.random.choice(
            ("/v1", "/v1/resources", "/v1/resources/status", "/v1/queues", "/metrics", "/v1/config")
        )
        self.client.get(path)
        one = self.client.post("/v1/jobs/list", {"max_entries": 100}, again=True)["jobs"]
        self.counts["listed"] += len(one)
        if self.known:
            known = self.random.choice(self.known)
            found = self.client.get(f"/v1/jobs/{known}")["job"]
            if found["id"] != known:
                self.note(fault=f"asked for {known}, got {found['id']}")

    # As it should not be.

    def misbehave(self):
        spec = json.dumps({"jobspec": self.job()[0]}).encode()
        post = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
        whole = post % len(spec) + spec
        way = self.random.randrange(9)
        data = [
            whole[: self.random.randrange(1, len(whole))],
            whole,
            whole * 20,
            b"GET /v1/events?follow=true HTTP/1.1\r\nHost: x\r\n\r\n",
            self.random.randbytes(self.random.randrange(1, 5000)),
            b"GET /v1 HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"y" * 300_000 + b"\r\n\r\n",
            post % (1 << 40) + b"[" * 100_000,
            post % 200_000 + b"[" * 200_000,
            b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\nzz\r\n",
        ][way]
        with socket.socket(socket.AF_UNIX) as raw, suppress(OSError):
            raw.settimeout(PATIENCE)
            raw.connect(self.world.socket)
            raw.sendall(data)
            if way in {0, 1, 2} and self.random.random() < 0.7:
                return  # vanish
            if way == 3 and self.random.random() < 0.3:
                time.sleep(self.random.uniform(0, 1))  # does not read
                return
            if way not in {0, 6}:
                head = raw.recv(4096)
                if head.startswith(b"HTTP/1.1 5") and not head.startswith(b"HTTP/1.1 503"):
                    self.note(fault=f"misbehaviour {way}: {head[:300]!r}")
        self.counts[f"misbehaviour {way}"] += 1


class Follower:
    """A client process that follows the journal from the beginning, whatever happens to the server, and writes down what it saw."""

    def __init__(self, world, stopping):
        self.world, self.stopping = world, stopping

    def run(self):
        seq = 0
        with (self.world.folder / "journal").open("w", encoding="utf-8") as file:
            while not self.stopping.is_set():
                stream = Client(self.world.uri, timeout=PATIENCE).stream("/v1/events", since=seq, follow=True)
                try:
                    for line in stream:
                        if self.stopping.is_set():
                            break
                        if line["seq"] < seq or (line["seq"] == seq and "event" in line):
                            file.write(json.dumps({"fault": f"the journal went from {seq} to {line['seq']}"}) + "\n")
                        seq = line["seq"]
                        if "event" in line:
                            file.write(json.dumps([seq, line["id"], line["event"]["name"]]) + "\n")
                except (FluxplugError, OSError):
                    time.sleep(0.1)
                finally:
                    stream.close()


def main(kind, world, number, seed, target, stopping):  # noqa: PLR0917 - what a process is started with
    """A client process."""
    world.server = None
    (Follower(world, stopping) if kind == "follow" else Submitter(world, number, seed, target, stopping)).run()
    os._exit(0)
