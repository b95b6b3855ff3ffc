"""Instances for tests: real servers on state directories of their own, always ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fluxplug.client import Client

FLUXPLUG = [sys.executable, "-m", "fluxplug"]


class Server:
    """One server process. `client` talks to it; `kill` and `start` again go on with the same state directory."""

    def __init__(self, statedir, *options):
        self.statedir, self.options = Path(statedir), options
        self.process = None

    def start(self):
        words = [*FLUXPLUG, "start", "--statedir", str(self.statedir), *self.options]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FLUX")}
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
        uri = self.process.stdout.readline().strip()
        assert uri.startswith("local://"), "the server did not start"
        self.uri = uri
        self.client = Client(uri)
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process is not None:
            self.process.stdout.close()
        subprocess.run(["pkill", "-KILL", "-f", f"fluxplug_exec_local.agent.*{self.statedir}"], check=False)

    def submit(self, jobspec, **fields):
        return self.client.post("/v1/jobs", {"jobspec": jobspec, **fields})["id"]

    def events(self, jobid, log="eventlog", **query):
        return list(self.client.stream(f"/v1/jobs/{jobid}/{log}", **query))

    def names(self, jobid, log="eventlog"):
        return [event["name"] for event in self.events(jobid, log)]

    def until(self, jobid, name):
        """Follow a job's log until an event."""
        for event in self.client.stream(f"/v1/jobs/{jobid}/eventlog", follow="true"):
            if event["name"] == name:
                return event
        raise AssertionError(f"{jobid}: no {name}")

    def result(self, jobid):
        return self.client.get(f"/v1/jobs/{jobid}/result")


def servers(folder):
    made = []

    def start(*options, statedir=None):
        one = Server(statedir or folder / f"state{len(made)}", *options)
        made.append(one)
        return one.start()

    yield start
    for one in made:
        one.end()


@pytest.fixture
def server(tmp_path):
    """`server("--test-size", "2", ...)` starts one; several may run."""
    yield from servers(tmp_path)


@pytest.fixture(scope="module")
def lasting_server(tmp_path_factory):
    """As `server`, for all tests of a file: they neither end it nor mind each other's jobs."""
    yield from servers(tmp_path_factory.mktemp("lasting"))


def jobspec(*command, cores=1, nodes=0, slots=1, duration=0, environment=None, **system):
    slot = {"type": "slot", "count": slots, "label": "task", "with": [{"type": "core", "count": cores}]}
    return {
        "version": 1,
        "resources": [{"type": "node", "count": nodes, "with": [slot]}] if nodes else [slot],
        "tasks": [{"command": list(command), "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {
            "system": {
                "duration": duration,
                "environment": {"PATH": os.environ["PATH"]} if environment is None else environment,
                "cwd": "/",
                **system,
            }
        },
    }
