"""Instances for the time of the tests, and what a user types and sees there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from fluxplug.cli.main import main
from fluxplug.client import Client
from fluxplug.errors import FluxplugError

BIN = Path(sys.executable).parent


class Seen(NamedTuple):
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self):
        return self.out.splitlines()


def serve(folder, *options):
    """Start an instance, and yield its URI; it is ended whatever happens."""
    words = [BIN / "fluxplug", "start", "--statedir", str(folder / "state"), *options]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FLUX")}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True, env=environ, cwd=folder)
    try:
        uri = process.stdout.readline().strip()
        assert uri, (folder / "log").read_text()
        yield uri
    finally:
        try:
            Client(uri).post("/v1/shutdown", {})
        except FluxplugError:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@pytest.fixture(scope="session")
def start():
    """Start an instance in a folder with these options of `fluxplug start`: a generator of its URI, which ends it when it goes on."""
    return serve


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """The URI of an instance of four pretended hosts with two cores each, where jobs are processes."""
    yield from serve(tmp_path_factory.mktemp("real"), "--test-size", "4", "--cores", "2")


@pytest.fixture(scope="session")
def pretended(tmp_path_factory):
    """The URI of an instance of four hosts with two cores each, where jobs only take their time: no time at all, unless they say so."""
    yield from serve(tmp_path_factory.mktemp("pretended"), "--nodes", "4", "--cores", "2", "--executor", "pretend")


@pytest.fixture
def clean_environment(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("FLUX") or name == "NO_COLOR":
            monkeypatch.delenv(name)
    monkeypatch.setenv("FLUXPLUG_CLI_PLUGINPATH_OVERRIDE", "")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def types(clean_environment, monkeypatch, capsys):
    """Type `fluxplug` with these words, with an instance's URI in the environment, and see exit code, output and errors."""

    def make(uri):
        monkeypatch.setenv("FLUXPLUG_URI", uri)

        def fluxplug(*words):
            code = main([str(word) for word in words])
            return Seen(code, *capsys.readouterr())

        return fluxplug

    return make


@pytest.fixture
def fluxplug(types, real):
    """`fluxplug` in the instance where jobs are processes; what a test leaves is cancelled."""
    yield types(real)
    Client(real).post("/v1/jobs/raise", {"states": ["active"]})


@pytest.fixture
def pretend(types, pretended):
    """`fluxplug` in the instance where nothing runs; what a test leaves is cancelled."""
    yield types(pretended)
    Client(pretended).post("/v1/jobs/raise", {"states": ["active"]})


@pytest.fixture
def process(clean_environment, real, tmp_path):
    """`fluxplug` as a process of its own, for signals and input; ended with the test."""
    started = []

    def start(*words):
        environ = {**os.environ, "FLUXPLUG_URI": real, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        one = subprocess.Popen([BIN / "fluxplug", *words], text=True, env=environ, cwd=tmp_path, **pipes)
        started.append(one)
        return one

    yield start
    for one in started:
        if one.poll() is None:
            one.kill()
        one.communicate()
    Client(real).post("/v1/jobs/raise", {"states": ["active"]})
